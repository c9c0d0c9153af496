"""One loop: land, prove, parse, settle duplicates, read again; from a plan to pages that are known to be all there was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pyspark.sql import SparkSession

from lib.config import Source
from lib.console import Steps
from lib.errors import SourceIncompleteError
from lib.failpoints import reached
from lib.lake.layout import Layout
from lib.lake.runs import Run
from lib.lake.states import COUNTED, INCOMPLETE, PROVED, UNPROVED, Step, TableState
from lib.landing import prove
from lib.landing.bronze import MOST_NAMED, Bronze, land
from lib.landing.budget import Budget
from lib.landing.fetch import FetchPages, fetched, shared_out
from lib.landing.parsed import Batch, Parsed, parse_tables
from lib.landing.plan import PageRange, Plan, TablePlan, look_at_pages, note_plan, probe_first_pages, waves
from lib.landing.prove import Case, Doubt, doubt_repeats, report, walk_again
from lib.source.access import Access
from lib.source.gate import Gate
from lib.source.page import PageRow
from lib.tables.newest import pages_sharing_keys

# A source that tells no total is walked this many pages at a time for each request that may be open.
PAGES_AHEAD = 4
# So many pages in doubt are looked at by the driver; more of them are a round of their own.
MOST_LOOKS = 32


REPEATS = (
    "the source fills its pages unevenly and repeats rows, which count towards its total: others may be missing. An order of rows "
    "that is the same for each page (by an id, if the source can be asked for it) helps"
)


@dataclass
class Landing:
    """The landing of one run: what lands pages, and how far each table is. `endless` says of tables that no end of them was met."""

    spark: SparkSession
    source: Source
    layout: Layout
    progress: Steps
    access: Access
    run: Run
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
        return Bronze(str(self.layout.pages), self.run.run_id)

    def land(self, ranges: Sequence[PageRange], round_: int, here: tuple[PageRow, ...] = ()) -> None:
        """Land these pages in waves, and those that are here already with the first."""
        limits = self.source.api.limits
        with self.progress.counted("fetch and land", sum(span.n_pages for span in ranges) + len(here)) as done:
            for wave in list(waves(ranges, limits.concurrency, self.answer_s)) or [()] * bool(here):
                slots = self.spark.sparkContext.defaultParallelism
                parts, in_flight = shared_out(wave, slots=slots, concurrency=limits.concurrency)
                fetch = FetchPages(self.access, self.run.run_id, parts, in_flight, self.gate, here, round_)
                land(fetched(self.spark, fetch), str(self.layout.pages))
                done(sum(span.n_pages for span in wave) + len(here))
                here = ()
                reached("wave landed")


def land_complete(landing: Landing, plan: Plan, batch: Batch) -> dict[str, Parsed]:
    """Land, prove, parse, settle duplicates, read again: until every table is complete, or given up. Nobody asks the source later.

    Returns the tables that came through, parsed. What belongs to each is known only at the end; the run's record then says it.
    """
    run = landing.run
    land_pages(landing, plan)
    prove_tables(landing)
    run.ended(Step.PROVE)
    reached("proved")
    with landing.progress.step("parse"):
        parsed = parse_tables(batch, list(run.tables))
        parsed |= _settle_duplicates(landing, batch, parsed)
        _doubt_uneven_duplicates(landing)
        run.ended(Step.PARSE)
        note_plan(landing.layout, run, [case.plan for case in landing.cases.values()])
        reached("parsed")
    return parsed


def land_pages(landing: Landing, plan: Plan) -> None:
    """Land every planned page that has not landed yet, the probed ones with the first wave."""
    took = [probe.elapsed_ms or 0.0 for probe in plan.probes]
    landing.answer_s = sum(took) / len(took) / 1000 if took else 0.0
    ranges: list[PageRange] = []
    rounds = [0]
    for planned in plan.tables:
        table = planned
        probed = sum(1 for probe in plan.probes if probe.table == table.table)
        progress = landing.bronze.progress(table.table)
        if progress is None:
            ranges += table.pages(range(table.first + probed, table.last + 1))
        else:
            # A resumed run: what has landed well is not fetched again; once pages were in doubt, all of them are.
            last_round, last_page = progress
            table = table if table.total is not None else replace(table, last=last_page)
            ranges += [table.whole] if last_round else table.pages(landing.bronze.missing(table))
            rounds.append(last_round + 1)
        landing.cases[table.table] = Case(table, landing.source.table(table.table).prove)
    landing.land(ranges, max(rounds), plan.probes)
    _walk_to_the_end(landing, [case.plan for case in landing.cases.values() if case.plan.total is None])


def prove_tables(landing: Landing, doubts: Sequence[Doubt] = ()) -> None:
    """Prove each table complete, reading again what is in doubt. One that cannot be proved fails, and takes no other with it.

    Starts from `doubts`, if there are any: then only their tables are looked at.
    """
    rounds, run = landing.source.api.limits.proof_rounds, landing.run
    again = list(doubts)
    asked = [doubt.case.plan.table for doubt in doubts] or list(landing.cases)
    for number in range(rounds + 1):
        if again:
            _read_again(landing, again)
            asked = [doubt.case.plan.table for doubt in again]
        open_cases = [landing.cases[name] for name in asked if name not in run.failed]
        with landing.progress.step("prove"):
            again = _judge(landing, open_cases, rounds if number == rounds else None)
        if not again:
            break


def _settle_duplicates(landing: Landing, batch: Batch, parsed: dict[str, Parsed]) -> dict[str, Parsed]:
    """Look again at pages that share a key. Where they moved, the table is read anew; else the source itself repeats a row."""
    open_tables, newer = dict(parsed), dict[str, Parsed]()
    rounds = landing.source.api.limits.proof_rounds
    for number in range(rounds + 1):
        doubts = []
        for name, one in open_tables.items():
            case = landing.cases[name]
            if case.level == COUNTED and landing.run.tables[name].rows_duplicate and case.plan.n_pages > 1:
                pages = one.rows.transform(pages_sharing_keys(one.table.key)).limit(MOST_NAMED).collect()
                doubt = doubt_repeats(case, [row["page"] for row in pages])
                if pages and moved_since(landing, doubt):
                    doubts.append(walk_again(case, f"{doubt.why}, and rows moved"))
        if not doubts:
            break
        if number == rounds:
            for doubt in doubts:
                name = doubt.case.plan.table
                give_up(landing, name, report(doubt, landing.bronze.see(doubt.case.plan), rounds))
            break
        prove_tables(landing, doubts)
        read_again = [doubt.case.plan.table for doubt in doubts]
        for name in read_again:
            open_tables[name].rows.unpersist()
        open_tables = parse_tables(batch, read_again)
        newer |= open_tables
    return newer


def _doubt_uneven_duplicates(landing: Landing) -> None:
    """Where pages are filled unevenly only the sum of their rows is proof, and a duplicate may stand for a missing row."""
    for name, case in landing.cases.items():
        record = landing.run.tables[name]
        if record.proof in PROVED and record.rows_duplicate and landing.bronze.see(case.plan).odd:
            record.proof, record.unproved_because = UNPROVED, REPEATS
            landing.progress.note(f"{name}: not proved complete: {REPEATS}")


def moved_since(landing: Landing, doubt: Doubt) -> bool:
    """Whether pages in doubt hold other rows than those that landed. A few are looked at by the driver, and not landed.

    Many are taken to have moved: they are read again as a round.
    """
    plan = doubt.case.plan
    pages = [page for span in doubt.ranges for page in range(span.first, span.last + 1)]
    if len(pages) > MOST_LOOKS:
        return True
    landing.progress.note(f"{plan.table}: {doubt.why}; looking at {len(pages)} pages again")
    landed = landing.bronze.rows_hashes(plan, pages)
    now = look_at_pages(landing.access, landing.run.run_id, doubt.ranges, landing.budget)
    return {page.page: page.items_sha256 for page in now} != landed


def _judge(landing: Landing, cases: Sequence[Case], rounds: int | None) -> list[Doubt]:
    """Judge each case; what stays in doubt is returned, or fails its table if `rounds` says that these were the last."""
    paths = [(case.plan.table, case.plan.path) for case in cases]
    doubts = []
    for case, closing in zip(
        cases, probe_first_pages(landing.access, landing.run.run_id, paths, landing.budget), strict=True
    ):
        name = case.plan.table
        record, seen = landing.run.tables[name], landing.bronze.see(case.plan)
        record.pages, record.rows_landed, record.rounds = seen.n_pages, seen.n_items, seen.last_round
        if name in landing.endless:
            give_up(landing, name, landing.endless[name])
            continue
        try:
            verdict = prove.judge(case, seen, closing)
            if isinstance(verdict, prove.Proof):
                record.proof = verdict.level
                is_proved = verdict.level in PROVED
                record.unproved_because = None if is_proved else verdict.why or record.unproved_because
                record.to(TableState.LANDED)
            elif rounds is None:
                doubts.append(verdict)
            else:
                give_up(landing, name, prove.report(verdict, seen, rounds))
        except SourceIncompleteError as error:
            give_up(landing, name, str(error))
    return doubts


def give_up(landing: Landing, table: str, why: str) -> None:
    """Fail the table; or go on with what has landed of it, where the operator chose to."""
    if landing.accept_incomplete:
        landing.progress.note(f"going on though incomplete: {why}")
        landing.run.tables[table].proof = INCOMPLETE
        landing.run.tables[table].to(TableState.LANDED)
    else:
        landing.run.fail(table, why)


def _read_again(landing: Landing, doubts: Sequence[Doubt]) -> None:
    """Land one more reading of the pages in doubt, all tables in one round."""
    for doubt in doubts:
        plan = doubt.case.plan
        landing.cases[plan.table] = doubt.case.read_again(doubt.ranges)
        landing.progress.note(f"{plan.table}: reading {sum(s.n_pages for s in doubt.ranges)} pages again: {doubt.why}")
    last = max((landing.bronze.progress(doubt.case.plan.table) or (0, 0))[0] for doubt in doubts)
    note_plan(landing.layout, landing.run, [case.plan for case in landing.cases.values()])
    landing.land([span for doubt in doubts for span in doubt.ranges], last + 1)
    reached("read again")


def _walk_to_the_end(landing: Landing, tables: Sequence[TablePlan]) -> None:
    """Fetch on and on, until each table has met its end. A source that gives the same page for ever is stopped by that."""
    limits = landing.source.api.limits
    ahead = PAGES_AHEAD * limits.concurrency
    walking = list(tables)
    while walking:
        further, ranges = [], []
        for plan in walking:
            end = landing.bronze.end_of(plan)
            seen = landing.bronze.see(plan)
            if end is not None:
                case = landing.cases[plan.table]
                landing.cases[plan.table] = replace(case, plan=replace(plan, last=end))
            elif seen.duplicates or any(page < plan.last for page in seen.failed):
                landing.cases[plan.table] = replace(landing.cases[plan.table], plan=plan)
            elif plan.n_pages >= limits.max_pages:
                landing.cases[plan.table] = replace(landing.cases[plan.table], plan=plan)
                landing.endless[plan.table] = _no_end(plan, limits.max_pages)
            else:
                last = min(plan.last + ahead, plan.first + limits.max_pages - 1)
                ranges.append(PageRange(plan.table, plan.path, plan.last + 1, last))
                further.append(replace(plan, last=last))
        landing.land(ranges, 0)
        walking = further


def _no_end(plan: TablePlan, max_pages: int) -> str:
    return (
        f"{plan.table}: the source tells no total, and no end was met on {plan.n_pages:,} pages, as many as api.limits.max_pages "
        f"({max_pages:,}) allows. If it has more, raise that setting and go on with --resume; if its pages never end, see whether "
        "it takes api.pagination.page_param, and where its answers have a number of rows for api.pagination.total"
    )
