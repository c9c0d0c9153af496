"""What bronze holds of the readings of parts of a table: each is added up page by page, and no more than one is held at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import pyarrow as pa

from lib.lake import storage
from lib.lake.storage import Address
from lib.source.page import AGAIN
from lib.source.rules import FAILED_BY_RULE

Page: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class PartSeen:
    """What bronze holds of one reading of a part: its pages, the last one of them, and the first one read again at the end.

    `n_rows` are its rows in bronze, of which `n_distinct` have another page each; `n_pages` are those without the page that was
    read again. `n_sums` are the pages with rows that no other page has. `failed_page` is the first one that failed, `n_failed`
    how many did. Of the pages with rows, `n_filled`, the last one is `filled_page` with `filled_items`, and the fullest has
    `most_items`.
    `low` and `high` say by how much pages number themselves otherwise. `digest` is the same for two readings with the same rows.
    """

    part: str
    round: int
    n_rows: int
    n_distinct: int
    n_pages: int
    n_items: int
    n_filled: int
    n_sums: int
    most_items: int | None
    filled_page: int | None
    filled_items: int | None
    first_page: int
    last_page: int
    first_total: int | None
    least_total: int | None
    most_total: int | None
    first_sha256: str | None
    first_status: int | None
    first_skipped: bool
    n_failed: int
    failed_page: int | None
    failed_status: int | None
    first_error: str | None
    by_rule: bool
    n_skipped: int
    last_status: int | None
    last_items: int | None
    last_bytes: int | None
    last_error: str | None
    last_named: bool
    last_is_end: bool | None
    claimed_pages: int | None
    low: int | None
    high: int | None
    own_first: int | None
    again_sha256: str | None
    again_error: str | None
    n_again: int
    digest: bytes


class _Range:
    """The least and the most of some numbers; None is none of them."""

    def __init__(self) -> None:
        self.least: int | None = None
        self.most: int | None = None

    def take(self, number: int | None) -> None:
        if number is not None:
            self.least = number if self.least is None else min(self.least, number)
            self.most = number if self.most is None else max(self.most, number)


def readings(at: Address, run: str, table: str) -> Iterator[PartSeen]:
    """Every reading of each part of a table, part by part, in the order of the rounds. `run` is its run as a condition in SQL."""
    if not storage.is_table(at):
        return
    pages = storage.table(at)
    if "part" not in {field.name for field in pages.schema().fields}:
        return  # landed by an earlier version, which had no parts
    # Not grouped here: for each group the query would hold some 30 KB, in a table with thousands of parts.
    query = f"""
        SELECT part, round, page, status, n_items, n_bytes, total, pages, own_number, items_sha256, is_end, error,
            coalesce(error LIKE '{FAILED_BY_RULE}', false) AS by_rule, error IS NULL AND n_bytes IS NULL AS is_skipped,
            next_cursor IS NOT NULL AS is_named
        FROM pages WHERE {run} AND "table" = '{table}' AND part IS NOT NULL ORDER BY part, round, page"""
    found: Any = storage.asking("pages", pages).execute(query)
    rows = (row for batch in pa.RecordBatchReader.from_stream(found) for row in batch.to_pylist())
    for (part, round_), read in groupby(rows, key=itemgetter("part", "round")):
        yield reading_of(part, round_, read)


def reading_of(part: str, round_: int, pages: Iterable[Page]) -> PartSeen:
    """One reading of a part, added up from its pages in bronze: in their order, so that the one read again is before all others."""
    n_rows = n_distinct = n_pages = n_items = n_filled = n_failed = n_skipped = n_again = 0
    again, first, last, filled, failed = Page(), Page(), Page(), Page(), Page()
    totals, claims, items, shifts = _Range(), _Range(), _Range(), _Range()
    sums, digest = set[str](), hashlib.sha256()
    for page in pages:
        n_rows += 1
        n_distinct += page["page"] != last.get("page")
        n_skipped += page["is_skipped"]
        totals.take(page["total"])
        claims.take(page["pages"])
        last = page
        if page["page"] == AGAIN:
            n_again += 1
            again = again or page
            continue
        n_pages += 1
        n_items += page["n_items"] or 0
        items.take(page["n_items"])
        first = first or page
        digest.update((page["items_sha256"] or "").encode())
        if page["own_number"] is not None:
            shifts.take(page["own_number"] - page["page"])
        if page["n_items"]:
            n_filled += 1
            sums.add(page["items_sha256"])
            filled = page
        if page["error"] is not None:
            n_failed += 1
            failed = failed or page
    return PartSeen(
        part=part,
        round=round_,
        n_rows=n_rows,
        n_distinct=n_distinct,
        n_pages=n_pages,
        n_items=n_items,
        n_filled=n_filled,
        n_sums=len(sums),
        most_items=items.most,
        filled_page=filled.get("page"),
        filled_items=filled.get("n_items"),
        first_page=first.get("page", AGAIN),
        last_page=last["page"],
        first_total=first.get("total"),
        least_total=totals.least,
        most_total=totals.most,
        first_sha256=first.get("items_sha256"),
        first_status=first.get("status"),
        first_skipped=first.get("is_skipped", False),
        n_failed=n_failed,
        failed_page=failed.get("page"),
        failed_status=failed.get("status"),
        first_error=failed.get("error"),
        by_rule=failed.get("by_rule", False),
        n_skipped=n_skipped,
        last_status=last["status"],
        last_items=last["n_items"],
        last_bytes=last["n_bytes"],
        last_error=last["error"],
        last_named=last["is_named"],
        last_is_end=last["is_end"],
        claimed_pages=claims.most,
        low=shifts.least,
        high=shifts.most,
        own_first=first.get("own_number"),
        again_sha256=again.get("items_sha256"),
        again_error=again.get("error"),
        n_again=n_again,
        digest=digest.digest(),
    )
