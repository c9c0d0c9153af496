"""The landing of one run: what lands pages, wave by wave, and how far each table is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lib.console import number_of
from lib.failpoints import reached
from lib.lake.copying import Copy
from lib.landing.bronze import Bronze, land
from lib.landing.budget import Budget
from lib.landing.fetch import FetchPages, fetched, shared_out
from lib.landing.plan import LEAST_ANSWER_S, WAVE_S, PageRange, TablePlan, Walk, waves
from lib.landing.prove import Case
from lib.source.access import Access
from lib.source.gate import Gate
from lib.source.page import PageRow


@dataclass
class Landing:
    """The landing of one run: what lands pages, and how far each table is. `endless` says of tables that no end of them was met."""

    copy: Copy
    access: Access
    budget: Budget
    gate: Gate
    accept_incomplete: bool
    cases: dict[str, Case] = field(default_factory=dict)
    endless: dict[str, str] = field(default_factory=dict)
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
            step.result = number_of(step.done, "page")
