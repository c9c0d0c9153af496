"""A first page as the driver gets it."""

from __future__ import annotations

from datetime import UTC, datetime

from lib.source.page import PageRow


def first_page(*, page: int = 1, total: int | None, given_rows: int, pages: int | None = None) -> PageRow:
    return PageRow(
        run_id="r", table="t", page=page, url="http://h/t", status=200, fetched_at=datetime(2026, 1, 1, tzinfo=UTC),
        attempts=1, elapsed_ms=1.0, n_items=given_rows, n_bytes=2, sha256="s", body="{}", total=total, pages=pages,
        error=None, waited_ms=0.0, retries=None, round=0, items_sha256="i", own_number=page, own_size=None,
    )  # fmt: skip
