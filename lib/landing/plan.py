"""The plan of a run: which pages of which table are to be fetched, from what the first page of each says.

Pages of an addressable style are planned in ranges; a table of any other style is a walk, whose plan grows as it lands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Protocol

from lib.config import Source, Table
from lib.config.slices import shown_time
from lib.console import Steps, number_of
from lib.errors import SourceError
from lib.lake.layout import Layout
from lib.lake.runs import Run
from lib.lake.states import Step, TableState
from lib.logs import BAD
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.gate import Gate
from lib.source.page import PageRow, check_next, fetch_page, total_instead
from lib.source.paging import STYLES, Position
from lib.source.part import Part
from lib.source.source_time import end_of_windows

# A wave is one Spark job and one commit. It should take about this long, so that a killed run loses no more than that.
WAVE_S = 30.0
# Shorter than any answer over a network: waves of a fast source are cut by this, not by a measured time near zero.
LEAST_ANSWER_S = 0.02
# So many requests the driver makes at a time for its own looks at pages.
MOST_AT_ONCE = 8
# A page count this much above what total and size give is a fault of the source, and is not walked.
MOST_EXTRA_PAGES = 1000


def plans_of(text: str | None) -> tuple[TablePlan, ...]:
    """The plan that a run's record has as text; nothing where it has none."""
    known = json.loads(text or "[]")
    return tuple(TablePlan(**{**table, "left_out": tuple(table.get("left_out", ()))}) for table in known)


def note_plan(layout: Layout, run: Run, plans: Iterable[TablePlan]) -> None:
    """Record what is to be fetched, so that the run can be resumed."""
    plans = list(plans)
    for table in plans:
        run.tables[table.table].rows_total, run.tables[table.table].pages = table.total, table.n_pages
    run.plan = json.dumps([vars(table) for table in plans])
    if run.done is None:
        run.ended(Step.PLAN)
    run.save(layout)


class Reader(Protocol):
    """Pages of one table while they are read."""

    @property
    def table(self) -> str:
        """Their table."""

    @property
    def path(self) -> str:
        """Where they are asked for."""

    @property
    def part(self) -> Part | None:
        """The part of the table that they are of."""

    @property
    def positions(self) -> Iterable[Position]:
        """What can be asked for at once."""

    def after(self, page: PageRow) -> Iterable[Position]:
        """What can be asked for only now that this page is there."""


@dataclass(frozen=True)
class TablePlan:
    """What is to be fetched of one table: pages `first` to `last`, `given` rows on each but the last, `total` rows.

    `style` is a style of pagination. A `total` of None is that of a source that reports none: it is read to its end, as a walk is.
    Until then `last` is what is known so far.

    A table that is read in parts has their number as `n_parts`, as far as it is known; its pages are counted over all of them.
    `for_each` is the table that has a row for each part. `until` is the end of the last window of time. Parts that are `left_out`
    have landed and do not count: windows that were split, and lists of rows that are there no more.
    """

    table: str
    path: str
    first: int
    last: int
    given: int
    total: int | None
    style: str = "page"
    n_parts: int | None = None
    for_each: str | None = None
    until: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def in_parts(self) -> bool:
        """Whether it is read in parts, each of them by one task."""
        return self.n_parts is not None

    @property
    def parts_in_words(self) -> str:
        """How a table in parts is read."""
        if self.for_each is not None:
            return f"one list for each row of {self.for_each}"
        if self.until is not None:
            return f"{number_of(self.n_parts or 0, 'window')} of time, up to {self.until}"
        return number_of(self.n_parts or 0, "slice")

    @property
    def is_walk(self) -> bool:
        """Whether each page is named by the one before."""
        return not STYLES[self.style].is_addressable

    @property
    def steps_by_rows(self) -> bool:
        """Whether a page that is shorter than the others leaves a gap behind it."""
        return STYLES[self.style].steps_by_rows

    @property
    def asks_by(self) -> str:
        """The setting by which a page is asked for."""
        return STYLES[self.style].asks_by

    @property
    def question(self) -> str:
        """What to ask where a page comes twice."""
        return STYLES[self.style].question()

    @property
    def has_first(self) -> bool:
        """Whether the setting `first` says where it begins."""
        return STYLES[self.style].has_first

    @property
    def n_pages(self) -> int:
        """Pages that bronze must hold when the table has landed."""
        return self.last - self.first + 1

    @property
    def last_with_rows(self) -> int:
        """The last page that should hold rows; a source may claim more pages than its total fills."""
        return self.first + max(1, math.ceil((self.total or 0) / self.given) if self.given else 1) - 1

    @property
    def whole(self) -> PageRange:
        """All of its pages."""
        return PageRange(self.table, self.path, self.first, self.last, self.given)

    def pages(self, numbers: Iterable[int]) -> tuple[PageRange, ...]:
        """Some of its pages, as ranges."""
        spans = _runs(sorted(set(numbers)))
        return tuple(PageRange(self.table, self.path, first, last, self.given) for first, last in spans)


@dataclass(frozen=True)
class PageRange:
    """A run of pages of one table, `first` and `last` included, each `given` rows behind the one before."""

    table: str
    path: str
    first: int
    last: int
    given: int = 0

    @property
    def n_pages(self) -> int:
        """Pages in the range."""
        return self.last - self.first + 1

    @property
    def positions(self) -> Iterator[Position]:
        """What can be asked for at once: all of it."""
        return (Position(number, self.given) for number in range(self.first, self.last + 1))

    @property
    def part(self) -> Part | None:
        """The part of the table that it is of: none."""
        return None

    def reader(self, access: Access) -> Reader:
        """What says, while it is read, what to ask for next."""
        return self

    def after(self, page: PageRow) -> Iterable[Position]:
        """What can be asked for only now that this page is there: nothing."""
        return ()


@dataclass(frozen=True)
class Walk:
    """A part of the walk through one table: from page `first`, which is named by `cursor`, to its end, or to page `last`."""

    table: str
    path: str
    first: int
    last: int
    cursor: str | None = field(repr=False)

    @property
    def positions(self) -> Iterator[Position]:
        """What can be asked for at once: one page."""
        return iter([Position(self.first, cursor=self.cursor)])

    @property
    def part(self) -> Part | None:
        """The part of the table that it is of: none."""
        return None

    def reader(self, access: Access) -> Reader:
        """What says, while it is read, what to ask for next."""
        return self

    def after(self, page: PageRow) -> Iterable[Position]:
        """The page that this one names; none where it names none, or the part ends with it."""
        if page.next_cursor in (None, page.cursor) or page.page >= self.last:
            return ()
        return (Position(page.page + 1, cursor=page.next_cursor),)


@dataclass(frozen=True)
class Plan:
    """The plan of a run. `probes` are the first pages, fetched already; `failed` has the tables without one, and why."""

    tables: tuple[TablePlan, ...]
    failed: dict[str, str]
    probes: tuple[PageRow, ...] = ()

    @property
    def n_pages(self) -> int:
        """Pages of all tables together, probes included."""
        return sum(table.n_pages for table in self.tables)

    @property
    def n_rows(self) -> int:
        """Rows that the source claims to have, all tables together."""
        return sum(table.total or 0 for table in self.tables)


def plan_tables(source: Source, access: Access, gate: Gate, run: Run, progress: Steps) -> Plan:
    """Ask for the first page of each table; a resumed run knows its plan.

    The tables are those that the run has planned.
    """
    with progress.step("plan") as step:
        planned = [name for name, table in run.tables.items() if table.state == TableState.PLANNED]
        wanted = [name for name in planned if source.table(name).parent is None]
        before = {table.table: table for table in plans_of(run.plan)}
        new = [source.table(name) for name in wanted if name not in before]
        probed = [(table.name, table.path) for table in new if not table.in_parts]
        plan = make_plan(access, run.run_id, probed, gate)
        _say_where_no_total_is(access, plan, run, progress)
        in_parts, failed = _plan_in_parts(access, [table for table in new if table.in_parts], gate)
        plan = replace(plan, tables=(*before.values(), *plan.tables, *in_parts), failed=plan.failed | failed)
        step.result = number_of(len(plan.tables), "table")
        if all(table.total is not None for table in plan.tables):
            step.result += f" with {number_of(plan.n_rows, 'row')}"
        if plan.failed:
            step.sign, step.result = BAD, f"{step.result}, {len(plan.failed)} cannot be read"
        return plan


def _plan_in_parts(access: Access, tables: Sequence[Table], gate: Gate) -> tuple[list[TablePlan], dict[str, str]]:
    """The plans of tables that are read in parts, none of which is asked for yet; and why some have none."""
    planned: list[TablePlan] = []
    failed: dict[str, str] = {}
    for table in tables:
        plan = TablePlan(table.name, table.path, 1, 0, 0, None, access.paging_for(table.name).style, 0, table.for_each)
        try:
            if table.slices is not None and table.slices.is_windows:
                until = end_of_windows(access, table, table.slices, gate)
                plan = replace(plan, until=shown_time(until), n_parts=len(table.slices.windows(until)))
            elif table.slices is not None:
                plan = replace(plan, n_parts=len(table.slices.values))
            planned.append(plan)
        except (SourceError, ValueError) as error:
            failed[table.name] = f"{table.name}: {access.worded(table.name, str(error))}"
    return planned, failed


def _say_where_no_total_is(access: Access, plan: Plan, run: Run, progress: Steps) -> None:
    """Say of each table that reports no total, though the settings name a place for it, what is there instead."""
    for probe in plan.probes:
        paging = access.paging_for(probe.table)
        if probe.total is None and probe.body and paging.total is not None:
            why = access.worded(probe.table, f"api.pagination.total: {total_instead(probe.body, paging)}")
            run.tables[probe.table].unproved_because = why
            progress.note(
                f"{probe.table}: {why}. So its copy cannot be proved complete by a count. Write where the answer has the number of "
                "rows, or total: null if it has none"
            )


def make_plan(access: Access, run_id: str, tables: Sequence[tuple[str, str]], gate: Gate) -> Plan:
    """Ask for the first page of each `(table, path)` and work out which pages follow."""
    probes = probe_first_pages(access, run_id, tables, gate)
    planned: list[TablePlan] = []
    failed: dict[str, str] = {}
    for (table, path), page in zip(tables, probes, strict=True):
        if page.error is not None:
            failed[table] = page.error
            continue
        try:
            check_next(page, access.paging_for(table))
            planned.append(plan_table(path, page, access.paging_for(table).style))
        except ValueError as error:
            failed[table] = f"{page.url}: {access.worded(table, str(error))}"
    return Plan(tuple(planned), failed, tuple(page for page in probes if page.table not in failed))


def probe_first_pages(access: Access, run_id: str, tables: Sequence[tuple[str, str]], gate: Gate) -> list[PageRow]:
    """The first page of each `(table, path)`, or the row that says why it could not be had."""
    firsts = [(table, path, access.paging_for(table).first_number) for table, path in tables]
    return look_at_pages(access, run_id, [PageRange(table, path, first, first) for table, path, first in firsts], gate)


def look_at_pages(access: Access, run_id: str, ranges: Sequence[PageRange], gate: Gate) -> list[PageRow]:
    """A few pages, fetched by the driver itself."""

    def look(asked: tuple[PageRange, Position]) -> PageRow:
        span, position = asked
        with SourceClient(access, gate) as client:
            return fetch_page(client, run_id=run_id, table=span.table, path=span.path, position=position)

    wanted = [(span, position) for span in ranges for position in span.positions]
    with ThreadPoolExecutor(max_workers=max(1, min(MOST_AT_ONCE, len(wanted)))) as pool:
        return list(pool.map(look, wanted))


def plan_table(path: str, first: PageRow, style: str = "page") -> TablePlan:
    """The pages that the first one announces. What the server gave on it counts, not the size that was asked for.

    Of a walk no more than the first page is known. Where its style is not taken, the pages are of another one.

    Raises:
        ValueError: its numbers cannot be true together.
    """
    style = STYLES[style].planned(first.own_number)
    total, given = first.total, first.n_items or 0
    if first.is_skipped and STYLES[style].steps_by_rows:
        message = (
            "a rule of errors skips the first page, so nobody knows how many rows a step has; take fail or retry for it"
        )
        raise ValueError(message)
    if total and not given and first.next_cursor is None:
        message = f"the source claims {total} rows, and gives none on its first page"
        raise ValueError(message)
    if total is None or not STYLES[style].is_addressable:
        return TablePlan(first.table, path, first.page, first.page, given, total, style)
    n_pages = max(1, math.ceil(total / given) if given else 1)
    claimed = first.pages or 0
    if claimed > n_pages + MOST_EXTRA_PAGES:
        message = f"the source claims {claimed} pages for {total} rows, of which it gives {given} a page"
        raise ValueError(message)
    last = first.page + max(n_pages, claimed) - 1
    return TablePlan(first.table, path, first.page, last, given, total, style)


def waves(ranges: Sequence[PageRange], most: int) -> Iterator[tuple[PageRange, ...]]:
    """The ranges, cut into waves of `most` pages at most. Nothing to fetch: no wave."""
    n_pages = sum(span.n_pages for span in ranges)
    if n_pages:
        yield from cut(ranges, math.ceil(n_pages / most))


def cut(ranges: Sequence[PageRange], parts: int) -> tuple[tuple[PageRange, ...], ...]:
    """The same pages in `parts` parts whose sizes differ by one page at most."""
    n_pages = sum(span.n_pages for span in ranges)
    bounds = [n_pages * part // parts for part in range(parts + 1)]
    cuts: list[tuple[PageRange, ...]] = []
    for low, high in pairwise(bounds):
        part, offset = [], 0
        for span in ranges:
            start, end = max(low, offset), min(high, offset + span.n_pages)
            if start < end:
                part.append(replace(span, first=span.first + start - offset, last=span.first + end - offset - 1))
            offset += span.n_pages
        cuts.append(tuple(part))
    return tuple(cuts)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of neighbouring numbers, each as its first and last."""
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield run[0], run[-1]
