"""The plan of a run: which pages of which table are to be fetched, from what the first page of each says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page

# A wave is one Spark job and one commit. It should take about this long, so that a killed run loses no more than that.
WAVE_S = 30.0
# Shorter than any answer over a network: waves of a fast source are cut by this, not by a measured time near zero.
LEAST_ANSWER_S = 0.02


@dataclass(frozen=True)
class TablePlan:
    """What is to be fetched of one table: pages `first` to `last`, of which `first` is here already. `total` in rows."""

    table: str
    path: str
    first: int
    last: int
    total: int | None
    probe: PageRow

    @property
    def n_pages(self) -> int:
        """Pages that bronze must hold when the table has landed."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class PageRange:
    """A run of pages of one table, `first` and `last` included."""

    table: str
    path: str
    first: int
    last: int

    @property
    def n_pages(self) -> int:
        """Pages in the range."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Plan:
    """The plan of a run. `failed` names the tables whose first page could not be had, with the reason."""

    tables: tuple[TablePlan, ...]
    failed: dict[str, str]

    @property
    def n_pages(self) -> int:
        """Pages of all tables together, probes included."""
        return sum(table.n_pages for table in self.tables)

    @property
    def n_rows(self) -> int:
        """Rows that the source claims to have, all tables together."""
        return sum(table.total or 0 for table in self.tables)


def make_plan(access: Access, run_id: str, tables: Sequence[tuple[str, str]]) -> Plan:
    """Ask for the first page of each `(table, path)` and work out which pages follow."""

    def probe(table_and_path: tuple[str, str]) -> PageRow:
        table, path = table_and_path
        with SourceClient(access) as client:
            return fetch_page(client, run_id=run_id, table=table, path=path, page=access.paging.first)

    with ThreadPoolExecutor(max_workers=max(1, len(tables))) as pool:
        probes = list(pool.map(probe, tables))
    planned: list[TablePlan] = []
    failed: dict[str, str] = {}
    for (table, path), page in zip(tables, probes, strict=True):
        if page.error is not None:
            failed[table] = page.error
        elif page.total is None:
            failed[table] = (
                f"{page.url}: the answer gives no total (api.pagination.total), so it cannot be known which pages there are"
            )
        else:
            planned.append(_table_plan(access, table, path, page))
    return Plan(tuple(planned), failed)


def _table_plan(access: Access, table: str, path: str, probe: PageRow) -> TablePlan:
    """The pages that the first one announces. What the server gave on it counts, not the size that was asked for."""
    first, total, given = access.paging.first, probe.total or 0, probe.n_items or 0
    n_pages = math.ceil(total / given) if given else 1
    return TablePlan(table=table, path=path, first=first, last=first + n_pages - 1, total=total, probe=probe)


def page_ranges(plan: Plan) -> tuple[PageRange, ...]:
    """What is still to be fetched: every page but the probed first ones."""
    return tuple(
        PageRange(table.table, table.path, table.first + 1, table.last)
        for table in plan.tables
        if table.last > table.first
    )


def waves(plan: Plan, concurrency: int) -> Iterator[tuple[PageRange, ...]]:
    """The ranges, cut into waves of about 30 s by how long the probes took. At least one wave, be it empty."""
    took = [table.probe.elapsed_ms or 0.0 for table in plan.tables]
    answer_s = max(LEAST_ANSWER_S, sum(took) / len(took) / 1000 if took else 0.0)
    pages_a_wave = max(1, int(WAVE_S / answer_s * concurrency))
    n_pages = sum(span.n_pages for span in page_ranges(plan))
    yield from cut(page_ranges(plan), max(1, math.ceil(n_pages / pages_a_wave)))


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
                part.append(
                    PageRange(span.table, span.path, span.first + start - offset, span.first + end - offset - 1)
                )
            offset += span.n_pages
        cuts.append(tuple(part))
    return tuple(cuts)
