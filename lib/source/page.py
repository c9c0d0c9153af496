"""One page of one table: asked for, looked at as strictly as JSON allows, and turned into a row for bronze."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, cast

import orjson

from lib.errors import SourceError
from lib.source.access import Paging
from lib.source.body import text_of
from lib.source.client import ExchangeFailedError, Reply, SourceClient, Tried
from lib.source.json_text import BrokenJsonError, Json, parsed
from lib.source.outline import keys_of
from lib.source.retry import TryAgainError
from lib.source.rows import Apart, RowText, apart, may_be_too_long, place

MAX_COUNT = 2**63 - 1
_HEADER = "header:"
_COUNT_TEXT = re.compile(r"[0-9]{1,19}(?:\.0{1,9})?", re.ASCII)
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}


# A whole number that needs 32 bits at most, where it is kept.
Small = Annotated[int, 32]


@dataclass(frozen=True)
class PageRow:
    """One page as it came. Grain: one per table, page and round of a run; `error` says why a page has no body.

    `round` is 0 for the first reading, and one more each time that the page is read again for the proof. `own_number` and
    `own_size` are the number and the size that the page gives itself, `items_sha256` a hash of its rows alone (two readings of
    unchanged rows agree in it). `total` and `pages` are the source's own claims on this page. `n_bytes` and `sha256` are those
    of `body` in UTF-8, so that anybody can check them. `elapsed_ms` is that of the last attempt, `waited_ms` the pauses
    between all of them, `retries` a JSON object of reason and count of the attempts that another one followed (None for none).
    `rows` are the page's rows one by one, where some of them cannot be taken, or the page is too large to be read as one; None
    for an ordinary page, whose rows are those of `body`.
    """

    run_id: str
    table: str
    page: int
    url: str
    status: Small | None
    fetched_at: datetime
    attempts: Small
    elapsed_ms: float | None
    n_items: Small | None
    n_bytes: int | None
    sha256: str | None
    body: str | None
    total: int | None
    pages: int | None
    error: str | None
    waited_ms: float
    retries: str | None
    round: Small
    items_sha256: str | None
    own_number: int | None
    own_size: int | None
    rows: tuple[RowText, ...] | None = None


@dataclass(frozen=True)
class PageShape:
    """What an answer says of itself: how many rows it holds, a hash of them, and the numbers that the source claims.

    `rows` as in `PageRow`.
    """

    n_items: int
    items_sha256: str
    total: int | None
    pages: int | None
    own_number: int | None
    own_size: int | None
    rows: tuple[RowText, ...] | None = None


def fetch_page(client: SourceClient, *, run_id: str, table: str, path: str, page: int, round_: int = 0) -> PageRow:
    """The page, or a row that says why it could not be had. An error of the source raises nothing."""
    paging = client.access.paging
    params = ((paging.page_param, str(page)), (paging.size_param, str(paging.size)))

    def read(reply: Reply) -> tuple[str, PageShape]:
        body = text_of(reply.body, reply.headers.get("content-type", ""))
        if reply.is_empty:
            return body, _no_rows(reply.headers, paging, page)
        return body, look_at(body, paging, reply.headers, page)

    try:
        answer = client.get(path.partition("?")[0], params, read, client.access.fixed_for(table))
    except ExchangeFailedError as error:
        return _row(run_id, table, page, round_, error.tried, datetime.now(UTC), error=str(error))
    return _row(run_id, table, page, round_, answer.tried, answer.fetched_at, *answer.content)


def look_at(body: str, paging: Paging, headers: Mapping[str, str], page: int | None = None) -> PageShape:
    """The shape of a page, from a strict reading of its JSON.

    Rows that are null or absent are an empty page where there can be none: `total` is 0, or `page` is behind it. Where the
    source tells no total, so are, behind the first page, rows that are null, and an answer of nothing but numbers of pages. A
    row that cannot be taken is one of the `rows`, with its reason, and keeps no other from being taken.

    Raises:
        TryAgainError: no JSON; another attempt may bring it whole.
        SourceError: no list of rows, counts that are no whole numbers, a key twice in an object outside of the rows.
            The message names keys, and never shows a value.
    """
    answer, rows = _read(body, paging.items)
    items = answer if paging.items == "$" else _at(answer, paging.items)
    total = _count(answer, paging.total, headers, "total")
    if items is None and _has_no_rows(answer, paging, total, page):
        items = []
    if not isinstance(items, list):
        message = f"the answer has no list of rows at api.pagination.items: {paging.items} ({_outline(answer, items)})"
        raise SourceError(message)
    content = _canonical(items)
    if rows is None and (content is None or not all(isinstance(item, dict) for item in items)):
        rows = apart(body, paging.items)
    if rows is not None:
        content = _canonical(cast("Json", rows.content))
    return PageShape(
        n_items=len(items if rows is None else rows.rows),
        items_sha256=hashlib.sha256(content or b"").hexdigest(),
        total=total,
        pages=_count(answer, paging.pages, headers, "pages"),
        own_number=_whole(_at(answer, paging.page_param)),
        own_size=_whole(_at(answer, paging.size_param)),
        rows=rows.rows if rows is not None and rows.is_needed else None,
    )


def _read(body: str, items: str) -> tuple[Json, Apart | None]:
    """The answer; and, where it cannot be taken as one, its rows apart, with an empty list in their place."""
    answer: Json = None
    fault: SourceError | None = None
    position: int | None = None
    try:
        answer = parsed(body)
    except BrokenJsonError as error:
        fault, position = error, error.position
    except TryAgainError:
        raise
    except SourceError as error:
        fault = error
    if position is not None:
        raise TryAgainError(f"{fault}{place(body, position, items)}", reason="not_json")
    if fault is None and not may_be_too_long(body):
        return answer, None
    rows = apart(body, items)
    if rows is not None:
        return parsed(rows.envelope), rows
    if fault is not None:
        raise fault
    return answer, None


def total_instead(body: str, paging: Paging) -> str:
    """Why a first page tells no total, though `paging` names a place for it: what is there, without any value."""
    place = str(paging.total)
    if place.startswith(_HEADER):
        return f"the answer has no header {place.removeprefix(_HEADER).strip()}"
    answer = _read(body, paging.items)[0]
    return f"{place} is {'null' if _is_null(answer, place) else 'nowhere'} in the answer ({_outline(answer, None)})"


def _has_no_rows(answer: Json, paging: Paging, total: int | None, page: int | None) -> bool:
    """Whether rows that are null or absent are simply none."""
    position = 0 if page is None else page - paging.first
    if total is not None:
        return total == 0 or (position > 0 and position * paging.size >= total)
    if position <= 0 or not isinstance(answer, dict):
        return position > 0 and answer is None and paging.items == "$"
    places = (paging.page_param, paging.size_param, paging.total or "", paging.pages or "")
    known = {key for place in places for key in (place, place.partition(".")[0])}
    return _is_null(answer, paging.items) or answer.keys() <= known


def _is_null(answer: Json, dotted: str) -> bool:
    """Whether a dotted path ends in a null that is there, be it on the way."""
    if not isinstance(answer, dict):
        return False
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        key, rest = ".".join(parts[:end]), ".".join(parts[end:])
        if key in answer:
            return answer[key] is None or (rest != "" and _is_null(answer[key], rest))
    return False


def _no_rows(headers: Mapping[str, str], paging: Paging, page: int) -> PageShape:
    """The shape of an answer without a body. As the first page it says that the source has no rows at all."""
    in_header = paging.total if (paging.total or "").startswith(_HEADER) else None
    total = _count(None, in_header, headers, "total")
    if total is None and paging.total is not None and page == paging.first:
        total = 0
    return PageShape(0, hashlib.sha256(b"[]").hexdigest(), total, None, None, None)


def _canonical(items: Json) -> bytes | None:
    """The rows as bytes: the same for the same rows, however the answer was spaced.

    None where they have to be looked at one by one: whole numbers of more than 64 bits, and deep nesting.
    """
    try:
        return orjson.dumps(items)
    except TypeError:
        return None


def _outline(answer: Json, found: Json) -> str:
    """What is there instead, without any of its values."""
    if found is not None:
        return f"there is {_kind(found)}"
    if not isinstance(answer, dict):
        return f"it is {_kind(answer)}"
    return f"its keys are {keys_of(answer)}" if answer else "it has no keys"


def _kind(value: Json) -> str:
    return _KINDS.get(type(value), "a number")


def _at(answer: Json, dotted: str) -> Json:
    """What is at a dotted path. A key that itself holds the dots goes before one that is nested, the longest first."""
    if not isinstance(answer, dict) or dotted in answer:
        return answer.get(dotted) if isinstance(answer, dict) else None
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found = _at(answer.get(".".join(parts[:end])), ".".join(parts[end:]))
        if found is not None:
            return found
    return None


def _count(answer: Json, place: str | None, headers: Mapping[str, str], what: str) -> int | None:
    """A count that the source gives, or None where it gives none."""
    if place is None:
        return None
    if place.startswith(_HEADER):
        value: Json = headers.get(place.removeprefix(_HEADER).strip().lower())
    else:
        value = _at(answer, place)
    if value is None:
        return None
    count = _number_of(value)
    if count is None:
        message = f"api.pagination.{what}: {place} is no whole number of rows or pages in the answer"
        raise SourceError(message)
    return count


def _number_of(value: Json) -> int | None:
    """A count as sources write it: 250, 250.0 or "250"."""
    if isinstance(value, str):
        text = value.strip()
        return _whole(int(text.partition(".")[0])) if _COUNT_TEXT.fullmatch(text) else None
    if isinstance(value, float):
        return _whole(int(value)) if value.is_integer() else None
    return _whole(value)


def _whole(value: Json) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def _row(
    run_id: str,
    table: str,
    page: int,
    round_: int,
    tried: Tried,
    fetched_at: datetime,
    body: str | None = None,
    shape: PageShape | None = None,
    error: str | None = None,
) -> PageRow:
    as_bytes = None if body is None else body.encode()
    return PageRow(
        run_id=run_id,
        table=table,
        page=page,
        url=tried.url,
        status=tried.status,
        fetched_at=fetched_at,
        attempts=tried.attempts,
        elapsed_ms=tried.elapsed_ms,
        n_items=shape.n_items if shape else None,
        n_bytes=None if as_bytes is None else len(as_bytes),
        sha256=None if as_bytes is None else hashlib.sha256(as_bytes).hexdigest(),
        body=body,
        total=shape.total if shape else None,
        pages=shape.pages if shape else None,
        error=error,
        waited_ms=tried.waited_ms,
        retries=tried.retries,
        round=round_,
        items_sha256=shape.items_sha256 if shape else None,
        own_number=shape.own_number if shape else None,
        own_size=shape.own_size if shape else None,
        rows=shape.rows if shape else None,
    )
