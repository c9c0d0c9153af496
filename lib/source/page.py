"""One page of one table: asked for, looked at as strictly as JSON allows, and turned into a row for bronze."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, cast

import orjson

from lib.config.expression import head_of, is_expression
from lib.errors import SourceError
from lib.source.access import Fixed
from lib.source.answer import HEADER, count, is_null
from lib.source.body import text_of
from lib.source.client import ExchangeFailedError, Reply, SourceClient, Tried
from lib.source.items import apart_at, before_selecting, check_selected, has_rows, items_of, values_of
from lib.source.json_text import Json
from lib.source.key_rows import rows_of_keys
from lib.source.outline import found_instead
from lib.source.page_text import NOT_READ, read_page, some_rows
from lib.source.paging import Paging, Position, Told, in_body
from lib.source.part import Part
from lib.source.retry import date_of
from lib.source.row_key import Key, key_hash
from lib.source.rows import RowText
from lib.source.rules import NoJson, Rule, json_of

# Where APIs say that something went wrong; rows that are null beside it were not given, and are not none.
_ERRORS = ("error", "errors")
AGAIN = -1
# A whole number that needs 32 bits at most, where it is kept.
Small = Annotated[int, 32]


@dataclass(frozen=True)
class PageRow:
    """One page as it came. Grain: one per table, page and round of a run; `error` says why a page could not be had.

    `round` is 0 for the first reading, and one more each time that the page is read again for the proof. `own_number` and
    `own_size` are the number and the size that the page gives itself, `items_sha256` a hash of its rows alone (two readings of
    unchanged rows agree in it). `total` and `pages` are the source's own claims on this page. `n_bytes` and `sha256` are those
    of `body` in UTF-8, so that anybody can check them. `elapsed_ms` is that of the last attempt, `waited_ms` the pauses
    between all of them, `retries` a JSON object of reason and count of the attempts that another one followed (None for none).
    `rows` are the page's rows one by one, where some of them cannot be taken, or the page is too large to be read as one; None
    for an ordinary page, whose rows are those of `body`. A page that a rule of `errors` skips has no `body`, and no `error` either.
    `is_end`: it says itself that no page follows. `key_hashes` has a hash of each row's key, if the table is proved `swept`. `part`
    is the key of the part of the table that the page belongs to, within which pages are counted; None for a table without parts.
    A page of a walk for the keys of a table has a `body` of these alone.
    The page `AGAIN` is the first one of a part, read once more behind the others, without its rows.
    `source_at` is the time of the answer by the source's own clock, its header `Date`.
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
    cursor: str | None = field(default=None, repr=False)
    next_cursor: str | None = field(default=None, repr=False)
    is_end: bool | None = None
    key_hashes: tuple[int, ...] | None = field(default=None, repr=False)
    part: str | None = None
    source_at: datetime | None = None

    @property
    def is_skipped(self) -> bool:
        """Whether a rule of `errors` skipped it: it was had, and nothing of it is kept."""
        return self.error is None and self.body is None


@dataclass(frozen=True)
class PageShape:
    """What an answer says of itself: how many rows it holds, a hash of them, and the numbers that the source claims.

    `rows`, `is_end` and `key_hashes` as in `PageRow`.
    """

    n_items: int
    items_sha256: str
    total: int | None
    pages: int | None
    own_number: int | None
    own_size: int | None
    rows: tuple[RowText, ...] | None = None
    next_cursor: str | None = field(default=None, repr=False)
    is_end: bool = False
    key_hashes: tuple[int, ...] | None = field(default=None, repr=False)


def fetch_page(
    client: SourceClient,
    *,
    run_id: str,
    table: str,
    path: str,
    position: Position,
    round_: int = 0,
    part: Part | None = None,
) -> PageRow:
    """The page, or a row that says why it could not be had. An error of the source raises nothing.

    Of a `part` the path has its placeholders filled already.
    """
    page = _fetched(client, run_id, table, path, position, round_, part)
    page = page if part is None else replace(page, part=part.key)
    return replace(page, page=AGAIN, body=None, rows=None) if position.again else page


def _fetched(
    client: SourceClient, run_id: str, table: str, path: str, position: Position, round_: int, part: Part | None
) -> PageRow:
    paging = client.access.paging_for(table)
    fixed = client.access.fixed_for(table)
    fixed = fixed if part is None else part.fixed(fixed)
    key = client.access.key_for(table)

    def read(reply: Reply) -> tuple[str | None, PageShape, datetime | None]:
        body, shape = _judged(reply, reply.rule, paging) if reply.rule else _looked_at(reply, paging, position, key)
        if paging.names_addresses and shape.next_cursor is not None:
            # Now and not when it is asked for: what lands in bronze holds no credential.
            shape = replace(shape, next_cursor=_address(client, paging, reply.url, shape.next_cursor, fixed))
        return body, shape, date_of(reply.headers)

    try:
        answer = client.get(
            path.partition("?")[0],
            (*paging.params(position), *in_body(fixed.bounds)),
            read,
            fixed,
            hidden=paging.hidden(position),
            address=paging.address(position),
            headers=paging.headers(position),
            rules=client.access.rules_for(table),
        )
    except ExchangeFailedError as error:
        return _row(
            run_id,
            table,
            position,
            round_,
            error.tried,
            datetime.now(UTC),
            error=client.access.worded(table, str(error)),
        )
    body, shape, source_at = answer.content
    if body is not None and (columns := dict(client.access.key_columns).get(table)):
        body, shape = rows_of_keys(body, shape.rows, paging.items, columns), replace(shape, rows=None)
    return _row(run_id, table, position, round_, answer.tried, answer.fetched_at, body, shape, source_at=source_at)


def _looked_at(reply: Reply, paging: Paging, position: Position, key: Key) -> tuple[str, PageShape]:
    body = text_of(reply.body, reply.headers.get("content-type", ""))
    if reply.is_empty:
        return body, _no_rows(reply.headers, paging, position)
    return body, look_at(body, paging, reply.headers, position, reply.status, key, reply.answer)


def _address(client: SourceClient, paging: Paging, asked: str, named: str, fixed: Fixed) -> str:
    try:
        return client.next_address(asked, named, fixed)
    except SourceError as error:
        message = f"{paging.names_next}: {error}"
    # Not raised in the handler: an exception's context is kept, pickled and printed with it.
    raise SourceError(message)


def look_at(
    body: str,
    paging: Paging,
    headers: Mapping[str, str],
    position: Position | None = None,
    status: int = HTTPStatus.OK,
    key: Key = (),
    known: Json | NoJson = NOT_READ,
) -> PageShape:
    """The shape of a page, from a strict reading of its JSON, which is `known` if that was done already.

    `key` names what a row is known by, where its hash is wanted.

    Rows that are null or absent are an empty page where there can be none: `total` is 0, or the position is past it. Where the
    source reports no total, so are, after the first page, rows that are null, and an answer of nothing but numbers of pages. A
    row that cannot be taken is one of the `rows`, with its reason, and keeps no other from being taken.

    Raises:
        TryAgainError: no JSON; another attempt may bring it whole.
        SourceError: no list of rows, counts that are no whole numbers, a key twice in an object outside of the rows; a full
            first page that says nothing of a next one.
            The message names keys, and never shows a value.
    """
    asked = position or Position(paging.first_number)
    answer, rows = read_page(body, paging.items, known)
    items = items_of(answer, paging.items) if rows is None or not is_expression(paging.items) else []
    told = Told(answer, headers, is_part=status == HTTPStatus.PARTIAL_CONTENT)
    total = paging.counted(told)
    if items is None and _has_no_rows(told, paging, total, asked):
        items = []
    if not isinstance(items, list):
        hint = f"; if its values are the rows, write {values_of(paging.items)}" if isinstance(items, dict) else ""
        message = f"the answer has no list of rows at api.pagination.items: {paging.items} ({found_instead(answer, items)}{hint})"
        raise SourceError(message)
    content = _canonical(items)
    if rows is None and (content is None or not all(isinstance(item, dict) for item in items)):
        rows = apart_at(body, paging.items)
        if rows is None:
            raise SourceError("the JSON is nested too deeply")
    if rows is not None:
        content = _canonical(cast("Json", rows.content))
    n_items = len(items if rows is None else rows.rows)
    n_before = n_items
    if is_expression(paging.items):
        n_before, names = before_selecting(answer, paging.items)
        content = (content or b"") + (_canonical(cast("Json", names)) or b"")
        check_selected(paging, items, n_items, n_before, total)
    told = replace(
        told, first=some_rows(items, rows, slice(1)), last=some_rows(items, rows, slice(-1, None)), n_items=n_items
    )
    own_number, own_size = paging.own(told, asked)
    next_cursor = paging.follows(told)
    is_first = asked.number == paging.first_number
    if (
        is_first
        and total is None
        and max(n_items, n_before) >= paging.size
        and next_cursor is None
        and not paging.says_next(told)
    ):
        message = "the first page is full, and does not say whether there is a next one"
        raise SourceError(f"{message} ({paging.names_next}; {found_instead(answer, None)})")
    return PageShape(
        n_items=n_items,
        items_sha256=hashlib.sha256(content or b"").hexdigest(),
        total=total,
        pages=count(answer, paging.pages, headers, "pages"),
        own_number=own_number,
        own_size=own_size,
        # What an expression selects is cut out of the body again.
        rows=rows.rows if rows is not None and rows.is_needed and not is_expression(paging.items) else None,
        next_cursor=next_cursor,
        is_end=next_cursor is None and paging.says_end(told),
        key_hashes=tuple(key_hash(row, key) for row in some_rows(items, rows, slice(None))) if key else None,
    )


def total_instead(body: str, paging: Paging) -> str:
    """Why a first page reports no total, though `paging` names a place for it: what is there, without any value."""
    place = str(paging.total)
    if place.startswith(HEADER):
        return f"the answer has no header {place.removeprefix(HEADER).strip()}"
    answer = read_page(body, paging.items)[0]
    return f"{place} is {'null' if is_null(answer, place) else 'nowhere'} in the answer ({found_instead(answer, None)})"


def check_next(first: PageRow, paging: Paging) -> None:
    """Hold a first page that names no other one against its total. Else one page is taken for all.

    Raises:
        ValueError: there must be more pages.
    """
    given = first.n_items or 0
    if paging.is_addressable or first.next_cursor is not None or not given or (first.total or 0) <= given:
        return
    answer = read_page(first.body or "", paging.items)[0]
    message = f"the source claims {first.total} rows, gives {given} on its first page, and names no next page"
    raise ValueError(f"{message} ({paging.names_next}; {found_instead(answer, None)})")


def _has_no_rows(told: Told, paging: Paging, total: int | None, position: Position) -> bool:
    """Whether rows that are null or absent are simply none."""
    answer, before = told.answer, position.number - paging.first_number
    if total is not None:
        return total == 0 or (before > 0 and before * (position.given or paging.size) >= total)
    if before <= 0 or not isinstance(answer, dict):
        return before > 0 and answer is None and paging.items == "$"
    if position.cursor is not None and not paging.says_next(told):
        return False  # an answer that is empty by mistake would end the walk
    known = {key for place in paging.places for key in (place, place.partition(".")[0])}
    is_failed = any(answer.get(name) for name in _ERRORS)
    return (is_null(answer, paging.items) and not is_failed) or answer.keys() <= known


def _no_rows(headers: Mapping[str, str], paging: Paging, position: Position) -> PageShape:
    """The shape of an answer without a body. As the first page it says that the source has no rows at all."""
    told = Told(None, headers)
    next_cursor = paging.follows(told)
    if position.cursor is not None and not paging.says_next(told):
        raise SourceError("the answer has no body, so it does not say whether there is a next page")
    total = paging.counted(told)
    if total is None and paging.total is not None and position.number == paging.first_number:
        total = 0
    is_end = next_cursor is None and paging.says_end(told)
    empty = hashlib.sha256(b"[]").hexdigest()
    return PageShape(0, empty, total, None, None, None, next_cursor=next_cursor, is_end=is_end)


def _judged(reply: Reply, rule: Rule, paging: Paging) -> tuple[str | None, PageShape]:
    """The body and the shape of a page that a rule ends or skips: it has no rows. Only what ends has a body, an empty text.

    Raises:
        SourceError: rows would be lost in silence: those of a page that is called the end, or all behind a page of a walk that is
            skipped and names no next one.
    """
    found = json_of(reply.body, reply.headers.get("content-type", ""))
    answer = None if isinstance(found, NoJson) else found
    if rule.do == "end":
        if has_rows(answer, paging.items):
            message = f"{rule.says(reply.status)}: there is something at api.pagination.items: {paging.items}; an end has no rows"
            raise SourceError(message)
        return "", _NO_PAGE
    told = Told({} if answer is None else answer, reply.headers)
    next_cursor = paging.follows(told)
    # A style that takes an answer of nothing for one that says so cannot tell.
    head = head_of(paging.items) if is_expression(paging.items) else paging.items
    silent: tuple[Json, ...] = ({}, {head or "": None})
    tells = paging.says_next(told) and not any(paging.says_next(Told(one, {})) for one in silent)
    if not paging.is_addressable and next_cursor is None and not tells:
        message = (
            f"{rule.says(reply.status)}: it names no next page ({paging.names_next}), so the rest of the table would be "
            "lost; write do: end if nothing follows, or fail"
        )
        raise SourceError(message)
    return None, replace(_NO_PAGE, next_cursor=next_cursor)


_NO_PAGE = PageShape(0, hashlib.sha256(b"[]").hexdigest(), None, None, None, None)


def _canonical(items: Json) -> bytes | None:
    """The rows as bytes: the same for the same rows, however the answer was spaced.

    None where they have to be looked at one by one: whole numbers of more than 64 bits, and deep nesting.
    """
    try:
        return orjson.dumps(items)
    except TypeError:
        return None


def _row(
    run_id: str,
    table: str,
    position: Position,
    round_: int,
    tried: Tried,
    fetched_at: datetime,
    body: str | None = None,
    shape: PageShape | None = None,
    error: str | None = None,
    source_at: datetime | None = None,
) -> PageRow:
    as_bytes = None if body is None else body.encode()
    return PageRow(
        run_id=run_id,
        table=table,
        page=position.number,
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
        cursor=position.cursor,
        next_cursor=shape.next_cursor if shape else None,
        is_end=shape.is_end if shape else None,
        key_hashes=shape.key_hashes if shape else None,
        source_at=source_at,
    )
