"""Tables whose number of pages nobody knows beforehand: read on and on, to their end.

A walk is read one page after the other, in one task a table; pages that can be addressed are read ahead, many at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lib.landing.landing import Landing
from lib.landing.plan import PageRange, TablePlan, Walk
from lib.source.paging import STYLES

# A source that reports no total is walked this many pages at a time for each request that may be open.
PAGES_AHEAD = 4


# Statuses by which a source says that it does not know a cursor, or not any more.
_NO_SUCH_CURSOR = (400, 404, 410, 422)
# Those by which a signed address says that its time is over.
_NO_SUCH_ADDRESS = (401, 403, *_NO_SUCH_CURSOR)


@dataclass(frozen=True)
class Begun:
    """A walk at the start of landing, and its next part if that is known. Its pages count `since` that round; None: the next."""

    table: str
    since: int | None
    walk: Walk | None


def walk_begun(landing: Landing, plan: TablePlan, *, is_probed: bool, has_landed: bool) -> Begun:
    """Where the walk through a table begins. `is_probed`: behind its first page, which is here already. `has_landed`: some of it.

    A resumed walk goes on behind its last page. One whose cursor the source does not know any more begins anew, as does one that
    met a page for the second time.
    """
    if is_probed:
        return Begun(plan.table, 0, None)
    if not has_landed:
        return Begun(plan.table, None, walk_from_the_start(landing, plan))
    since = landing.bronze.begun(plan)
    at = landing.bronze.reached(plan.table, since)
    gone = _NO_SUCH_ADDRESS if STYLES[plan.style].names_addresses else _NO_SUCH_CURSOR
    if at.is_repeated or (at.error is not None and at.status in gone):
        return Begun(plan.table, None, walk_from_the_start(landing, plan))
    return Begun(plan.table, since, part_of(landing, plan, at.page, at.cursor) if at.error else None)


def walk_from_the_start(landing: Landing, plan: TablePlan) -> Walk:
    """The first part of a walk that is begun anew."""
    return part_of(landing, plan, plan.first, None)


def part_of(landing: Landing, plan: TablePlan, first: int, cursor: str | None) -> Walk:
    """As much of a walk, from page `first` on, as lands in one wave."""
    most = plan.first + landing.copy.source.api.limits.max_pages - 1
    return Walk(plan.table, plan.path, first, min(first + landing.wave_pages - 1, most), cursor)


def read_to_the_end(landing: Landing, tables: Sequence[TablePlan], round_: int, since: Mapping[str, int]) -> None:
    """Read on and on, until each table has met its end. A source that gives the same page for ever is stopped by that.

    `since` says of each walk from which round on its pages count.
    """
    reading = list(tables)
    while reading:
        known = [
            _walk_on(landing, plan, since[plan.table]) if plan.is_walk else _read_ahead(landing, plan)
            for plan in reading
        ]
        reading = [plan for plan, further in known if further]
        for plan, further in known:
            if further is None:
                landing.cases[plan.table] = replace(landing.cases[plan.table], plan=plan)
        ranges = [further for _, further in known if isinstance(further, PageRange)]
        walks = [further for _, further in known if isinstance(further, Walk)]
        landing.land(ranges, round_, walks=walks)


def _read_ahead(landing: Landing, plan: TablePlan) -> tuple[TablePlan, PageRange | None]:
    """The plan of an addressable table without a total, as far as it is known, and the pages to read next: None at the end."""
    limits = landing.copy.source.api.limits
    end, seen = landing.bronze.end_of(plan), landing.bronze.see(plan)
    if end is not None:
        return replace(plan, last=end), None
    if seen.duplicates or any(page < plan.last for page in seen.failed):
        return plan, None
    if plan.n_pages >= limits.max_pages:
        landing.endless[plan.table] = _no_end(plan, limits.max_pages)
        return plan, None
    last = min(plan.last + PAGES_AHEAD * limits.concurrency, plan.first + limits.max_pages - 1)
    return replace(plan, last=last), PageRange(plan.table, plan.path, plan.last + 1, last, plan.given)


def _walk_on(landing: Landing, plan: TablePlan, since: int) -> tuple[TablePlan, Walk | None]:
    """The plan of a walk as far as it has come, and its next part: None at the end."""
    limits = landing.copy.source.api.limits
    at = landing.bronze.reached(plan.table, since)
    if at.error is not None:
        return replace(plan, last=max(plan.last, at.page)), None
    plan = replace(plan, last=at.page)
    if at.is_repeated:
        landing.endless[plan.table] = (
            f"{plan.table}: by page {at.page} the walk has come to a page a second time, so it may never end: "
            f"{plan.question}"
        )
        return plan, None
    if at.next_cursor is None:
        return plan, None
    if plan.n_pages >= limits.max_pages:
        landing.endless[plan.table] = _no_end(plan, limits.max_pages)
        return plan, None
    return plan, part_of(landing, plan, at.page + 1, at.next_cursor)


def _no_end(plan: TablePlan, max_pages: int) -> str:
    return (
        f"{plan.table}: no end after {plan.n_pages:,} pages, which is all that api.limits.max_pages ({max_pages:,}) allows. If "
        "the table has more, raise that setting and continue with --resume; if its pages never end, check "
        f"{plan.asks_by}, and whether its answers have a number of rows for api.pagination.total"
    )
