"""The landing of one run: what lands pages, wave by wave, and how far each table is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lib.console import number_of
from lib.failpoints import reached
from lib.lake.copying import Copy
from lib.lake.states import INCOMPLETE, PROVED, TableState
from lib.landing.bronze import Bronze, land
from lib.landing.budget import Budget
from lib.landing.fetch import FetchPages, fetched, parts_shared_out, shared_out
from lib.landing.part_reader import PartSpan
from lib.landing.plan import LEAST_ANSWER_S, WAVE_S, PageRange, TablePlan, Walk, waves
from lib.landing.prove import Case
from lib.source.access import Access
from lib.source.gate import Gate
from lib.source.page import PageRow

if TYPE_CHECKING:
    from lib.landing.parts import InParts


# So many parts for each request that may be open are the first wave, where nobody knows yet how long an answer takes.
PARTS_BEFORE = 4


@dataclass
class Landing:
    """The landing of one run: what lands pages, and how far each table is. `endless` says of tables that no end of them was met.

    `parts` are the tables that are read in parts.
    """

    copy: Copy
    access: Access
    budget: Budget
    gate: Gate
    accept_incomplete: bool
    cases: dict[str, Case] = field(default_factory=dict)
    endless: dict[str, str] = field(default_factory=dict)
    parts: dict[str, InParts] = field(default_factory=dict)
    answer_s: float = 0.0

    def plan_of(self, table: str) -> TablePlan:
        """The pages that belong to a table, as far as that is known by now."""
        return self.cases[table].plan

    @property
    def bronze(self) -> Bronze:
        """What has landed so far."""
        return Bronze(self.copy.lake.pages, self.copy.run.run_id)

    @property
    def wave_pages(self) -> int:
        """How many pages one request after the other brings in the time of a wave."""
        return max(1, int(WAVE_S / max(LEAST_ANSWER_S, self.answer_s)))

    def take(self, table: str, level: str, why: str | None = None) -> None:
        """Record how a table is proved, or why not."""
        record = self.copy.run.tables[table]
        record.proof = level
        why = why and self.access.worded(table, why)
        record.unproved_because = None if level in PROVED else why or record.unproved_because
        record.to(TableState.LANDED)

    def give_up(self, table: str, why: str) -> None:
        """Fail the table; or go on with what has landed of it, where the operator chose to."""
        why = self.access.worded(table, why)
        if self.accept_incomplete:
            self.copy.progress.note(f"continuing although incomplete: {why}")
            self.copy.run.tables[table].proof = INCOMPLETE
            self.copy.run.tables[table].to(TableState.LANDED)
        else:
            self.copy.run.fail(table, why)

    def land(
        self,
        ranges: Sequence[PageRange],
        round_: int,
        here: tuple[PageRow, ...] = (),
        walks: Sequence[Walk] = (),
    ) -> None:
        """Land these pages in waves; those that are here already, and the next part of these walks, with the first."""
        limits = self.copy.source.api.limits
        n_pages = sum(span.n_pages for span in ranges) + len(here)
        n_landed = 0
        tables = _named({*(one.table for one in ranges), *(one.table for one in here), *(one.table for one in walks)})
        with self.copy.progress.counted("fetch and land", 0 if walks else n_pages, "pages") as step:
            self.budget.on_page = step.advance
            step.advance(len(here))
            per_wave = self.wave_pages * limits.concurrency
            for wave in list(waves(ranges, per_wave)) or [()] * bool(here or walks):
                slots = self.copy.spark.sparkContext.defaultParallelism
                parts, in_flight = shared_out(wave, walks, slots=slots, concurrency=limits.concurrency)
                fetch = FetchPages(self.access, self.copy.run.run_id, parts, in_flight, self.gate, here, round_)
                land(fetched(self.copy.spark, fetch), self.copy.lake.pages)
                n_landed += sum(span.n_pages for span in wave) + len(here)
                step.reach(n_landed)
                here, walks = (), ()
                reached("wave landed")
            step.result = f"{number_of(step.done, 'page')} of {tables}"

    def land_parts(self, parts: Sequence[PartSpan], round_: int) -> None:
        """Land these parts of a table in waves, each part by one task.

        Nobody knows how many pages they have: the waves before tell how many parts go into the next one, and the first is small.
        """
        limits = self.copy.source.api.limits
        n_done = 0
        with self.copy.progress.counted("fetch and land", 0, "pages") as step:
            self.budget.on_page = step.advance
            while n_done < len(parts):
                pages_a_part = max(1.0, step.done / n_done) if n_done else 1.0
                most = int(self.wave_pages * limits.concurrency / pages_a_part)
                wave = parts[n_done : n_done + max(1, most if self.answer_s else PARTS_BEFORE * limits.concurrency)]
                slots = self.copy.spark.sparkContext.defaultParallelism
                shares, in_flight = parts_shared_out(wave, slots=slots, concurrency=limits.concurrency)
                fetch = FetchPages(self.access, self.copy.run.run_id, shares, in_flight, self.gate, (), round_)
                land(fetched(self.copy.spark, fetch), self.copy.lake.pages)
                n_done += len(wave)
                self.answer_s = self.answer_s or self.bronze.answer_s()
                reached("wave landed")
            where = f"{number_of(len(parts), 'part')} of {_named({part.table for part in parts})}"
            step.result = f"{number_of(step.done, 'page')} of {where}"


def _named(tables: set[str]) -> str:
    """A table by its name, several by their number."""
    return next(iter(tables)) if len(tables) == 1 else number_of(len(tables), "table")
