"""One page of one table: asked for, looked at as strictly as JSON allows, and turned into a row for bronze."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, cast

import orjson

from lib.errors import SourceError
from lib.source.access import Paging
from lib.source.client import Answer, ExchangeFailedError, SourceClient

BOM = b"\xef\xbb\xbf"
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


@dataclass(frozen=True)
class PageRow:
    """One page as it came. Grain: one per table and page of a run; `error` says why a page has no body.

    `total` and `pages` are the source's own claims on this page; `elapsed_ms` is that of the last attempt.
    """

    run_id: str
    table: str
    page: int
    url: str
    status: int | None
    fetched_at: datetime
    attempts: int
    elapsed_ms: float | None
    n_items: int | None
    n_bytes: int | None
    sha256: str | None
    body: str | None
    total: int | None
    pages: int | None
    error: str | None


@dataclass(frozen=True)
class PageShape:
    """What an answer says of itself: how many rows it holds, and the counts that the source claims."""

    n_items: int
    total: int | None
    pages: int | None


def fetch_page(client: SourceClient, *, run_id: str, table: str, path: str, page: int) -> PageRow:
    """The page, or a row that says why it could not be had. An error of the source raises nothing."""
    paging = client.access.paging
    params = ((paging.page_param, str(page)), (paging.size_param, str(paging.size)))
    try:
        answer = client.get(path, params)
    except ExchangeFailedError as error:
        return _failed_row(run_id, table, page, error.url, error.status, error.attempts, None, str(error))
    try:
        body = _text(answer)
        shape = look_at(body, paging, answer.headers)
    except SourceError as error:
        message = f"{answer.url}: {error}"
        return _failed_row(run_id, table, page, answer.url, answer.status, answer.attempts, answer.elapsed_ms, message)
    return PageRow(
        run_id=run_id,
        table=table,
        page=page,
        url=answer.url,
        status=answer.status,
        fetched_at=answer.fetched_at,
        attempts=answer.attempts,
        elapsed_ms=answer.elapsed_ms,
        n_items=shape.n_items,
        n_bytes=len(answer.body),
        sha256=hashlib.sha256(answer.body).hexdigest(),
        body=body,
        total=shape.total,
        pages=shape.pages,
        error=None,
    )


def look_at(body: str, paging: Paging, headers: Mapping[str, str]) -> PageShape:
    """The shape of a page, from a strict reading of its JSON.

    Raises:
        SourceError: no JSON, rows missing or not a list of objects, counts that are no whole numbers.
    """
    try:
        answer = cast("Json", orjson.loads(body))
    except orjson.JSONDecodeError as error:
        message = f"the answer is no valid JSON ({error})"
        raise SourceError(message) from None
    items = answer if paging.items == "$" else _at(answer, paging.items)
    if not isinstance(items, list):
        message = f"the answer has no list of rows at api.pagination.items: {paging.items}"
        raise SourceError(message)
    odd = next((position for position, item in enumerate(items) if not isinstance(item, dict)), None)
    if odd is not None:
        message = f"row {odd} of the page is no JSON object"
        raise SourceError(message)
    return PageShape(
        n_items=len(items),
        total=_count(answer, paging.total, headers, "total"),
        pages=_count(answer, paging.pages, headers, "pages"),
    )


def _text(answer: Answer) -> str:
    """The body as text. JSON between systems is UTF-8 (RFC 8259, section 8.1); a byte order mark is passed over."""
    try:
        return answer.body.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"the answer is not UTF-8 (byte {error.start})"
        raise SourceError(message) from None


def _at(answer: Json, dotted: str) -> Json:
    for name in dotted.split("."):
        if not isinstance(answer, dict):
            return None
        answer = answer.get(name)
    return answer


def _count(answer: Json, place: str | None, headers: Mapping[str, str], what: str) -> int | None:
    """A count that the source gives, or None where it gives none."""
    if place is None:
        return None
    if place.startswith("header:"):
        text = headers.get(place.removeprefix("header:").strip().lower())
        value: Json = int(text) if text is not None and text.isdecimal() else text
    else:
        value = _at(answer, place)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        message = f"api.pagination.{what}: {place} is no whole number in the answer"
        raise SourceError(message)
    return value


def _failed_row(
    run_id: str, table: str, page: int, url: str, status: int | None, attempts: int, elapsed_ms: float | None, error: str
) -> PageRow:
    return PageRow(
        run_id=run_id,
        table=table,
        page=page,
        url=url,
        status=status,
        fetched_at=datetime.now(UTC),
        attempts=attempts,
        elapsed_ms=elapsed_ms,
        n_items=None,
        n_bytes=None,
        sha256=None,
        body=None,
        total=None,
        pages=None,
        error=error,
    )
