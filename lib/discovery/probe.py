"""Asks the API for a few pages: by the client that a run asks with, and within a budget of one request at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lib.config import Api
from lib.discovery.candidates import Heard
from lib.discovery.row_places import rows_at
from lib.errors import SourceError
from lib.source.access import Access, Fixed
from lib.source.body import text_of
from lib.source.client import ExchangeFailedError, Reply, SourceClient
from lib.source.gate import Gate
from lib.source.json_text import parsed
from lib.source.page import PageRow, check_next, fetch_page
from lib.source.paging import Paging, Position
from lib.source.part import Part

Row = dict[str, Any]
RUN_ID = "new-source"
# What says that there is no list for a row.
GONE = (404, 410)


@dataclass(frozen=True)
class Refused:
    """An answer that brought nothing: its status, if there was one, and what the client says of it, without any value."""

    message: str
    status: int | None = None


@dataclass(frozen=True)
class Asker:
    """Asks one API, for one path at a time."""

    api: Api
    gate: Gate

    def raw(
        self, path: str, params: Mapping[str, str | int], fixed: Fixed, items: str | None = None
    ) -> Heard | Refused:
        """An answer as it is. Its rows are at `items`, or nowhere yet."""
        access = Access.of(self.api)

        def read(reply: Reply) -> tuple[Any, Reply]:
            try:
                answer = None if reply.is_empty else parsed(text_of(reply.body, reply.headers.get("content-type", "")))
            except SourceError as error:
                message = str(error)
            else:
                return answer, reply
            raise SourceError(message)  # a broken answer is no reason to ask again

        with SourceClient(access, self.gate) as client:
            try:
                answer, reply = client.get(path.partition("?")[0], tuple(params.items()), read, fixed).content
            except ExchangeFailedError as error:
                return Refused(str(error), error.tried.status)
        rows = [] if items is None else rows_at(answer, items)
        return Heard(answer, reply.headers, rows, reply.status)


@dataclass(frozen=True)
class Proof:
    """What two pages of a table say together: `said` is what was found, or why they contradict each other.

    `holds`: they do not. `is_whole`: there is no other page, so that all rows were read.
    """

    said: str
    rows: Sequence[Row] = field(default=(), repr=False)
    first: PageRow | None = field(default=None, repr=False)
    holds: bool = False
    is_whole: bool = False

    @property
    def n_given(self) -> int:
        """Rows on the first page."""
        return (self.first.n_items or 0) if self.first else 0


def prove(
    access: Access, table: str, path: str, gate: Gate, key: Sequence[str] = ("id",), part: Part | None = None
) -> Proof:
    """Ask for two pages of a table, or of a part of it, and hold them against each other and the total.

    Where all rows are on the first one, it is asked for again in two halves, if the source takes the size.
    """
    with SourceClient(access, gate) as client:
        proof = _two_pages(client, table, path, key, part)
        paging = access.paging_for(table)
        half = (proof.n_given + 1) // 2
        if (
            not proof.holds
            or not proof.is_whole
            or proof.n_given != len(proof.rows)
            or proof.n_given < 2
            or not _has_size(paging)
        ):
            return proof
    smaller = replace(paging, size=half)
    halves = replace(access, paging=smaller, own_paging=tuple(one for one in access.own_paging if one[0] != table))
    with SourceClient(halves, gate) as client:
        other = _two_pages(client, table, path, key, part)
    if other.is_whole and other.n_given == proof.n_given:
        return replace(proof, said=f"{proof.said}; a second page cannot be tried, as the source gives all rows at once")
    if not other.holds:
        return replace(proof, holds=False, said=f"asked for in pages of {half:,}: {other.said}")
    if other.is_whole and len(other.rows) != proof.n_given:
        ends = f"in pages of {half:,} they end after {len(other.rows):,}: {paging.question()}"
        said = f"one page holds all {proof.n_given:,} rows, and {ends}"
        return replace(proof, holds=False, said=said)
    return replace(proof, said=f"{proof.said}; asked for in halves: {other.said}")


def _has_size(paging: Paging) -> bool:
    return paging.style == "range" or (paging.style != "none" and paging.size_param is not None)


def _two_pages(client: SourceClient, table: str, path: str, key: Sequence[str], part: Part | None) -> Proof:
    paging = client.access.paging_for(table)

    def page(position: Position) -> PageRow:
        return fetch_page(client, run_id=RUN_ID, table=table, path=path, position=position, part=part)

    first = page(Position(paging.first_number))
    if first.error is not None:
        return Proof(first.error, first=first)
    rows, total = _rows_of(first, paging), first.total
    try:
        check_next(first, paging)
    except ValueError as error:
        return Proof(str(error), rows, first)
    n = first.n_items or 0
    is_last = n == 0 if total is None else total <= n
    if not paging.is_addressable or (paging.style == "range" and first.own_number is None):
        is_last = first.next_cursor is None
    if is_last:
        if total is not None and total != n:
            return Proof(f"the source counts {total:,} rows, and its only page has {n:,}", rows, first)
        return Proof(f"one page holds all {n:,} rows{_of(total)}", rows, first, holds=True, is_whole=True)
    second = page(Position(paging.first_number + 1, given=n, cursor=first.next_cursor))
    if second.error is not None:
        return Proof(f"the first page has {n:,} rows, and the second cannot be read: {second.error}", rows, first)
    others = _rows_of(second, paging)
    whole = [*rows, *others]
    contradiction = _contradiction(paging, first, second, rows, others, key)
    if contradiction:
        return Proof(contradiction, whole, first)
    m = second.n_items or 0
    is_whole = n + m == total if total is not None else m < n and (paging.is_addressable or second.next_cursor is None)
    said = f"2 pages with {n:,} and {m:,} rows, none of them on both{_of(total)}"
    return Proof(said, whole, first, holds=True, is_whole=is_whole)


def _of(total: int | None) -> str:
    return ", and the source counts none" if total is None else f", of {total:,} that the source counts"


def _contradiction(
    paging: Paging, first: PageRow, second: PageRow, rows: Sequence[Row], others: Sequence[Row], key: Sequence[str]
) -> str:
    """Why the two cannot be the first two pages of one table; nothing where they can."""
    n, m, total = first.n_items or 0, second.n_items or 0, first.total
    known = {_known_by(row, key) for row in rows}
    both = sum(_known_by(row, key) in known for row in others)
    if both:
        what = "the same rows as" if both == m == n else f"{both:,} of its {m:,} rows in common with"
        return f"the second page has {what} the first: {paging.question()}"
    if total is None:
        return ""
    if second.total is not None and second.total != total:
        return f"the first page counts {total:,} rows in all, and the second {second.total:,}"
    wanted = min(n, total - n) if paging.is_addressable else None
    if wanted is not None and m != wanted:
        return f"of {total:,} rows the first page has {n:,}, so the second should have {wanted:,}, and has {m:,}"
    if n + m > total:
        return f"the two pages have {n + m:,} rows, and the source counts {total:,}"
    if not paging.is_addressable and second.next_cursor is None and n + m != total:
        return f"the second page is the last, the two have {n + m:,} rows, and the source counts {total:,}"
    return ""


def _known_by(row: Row, key: Sequence[str]) -> str:
    values = [row.get(name) for name in key]
    return json.dumps(row if None in values or not values else values, sort_keys=True)


def _rows_of(page: PageRow, paging: Paging) -> list[Row]:
    return rows_at(parsed(page.body), paging.items) if page.body else []
