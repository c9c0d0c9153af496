"""Parse, reject, newest, merge: from landed pages to silver, the tables side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.steps.failpoints import reached
from jobs.steps.land import Landing, give_up, moved_since, prove_tables
from lib.config import Table
from lib.errors import ContractError, SourceError
from lib.lake import merge as lake
from lib.lake.quarantine import write_quarantine
from lib.lake.runs import Run
from lib.landing.bronze import MOST_NAMED, landed_pages
from lib.landing.prove import COUNTED, PROVED, doubt_repeats, report, walk_again
from lib.tables.compare import check_rejected, check_vanished, seen_keys, vanished
from lib.tables.newest import newest, pages_sharing_keys, ranked
from lib.tables.parse import parse
from lib.tables.reject import count_rows, rejected


@dataclass(frozen=True)
class Parsed:
    """The rows of one table as parsed (kept in memory or on disk until merged), and how many cannot be keyed."""

    table: Table
    rows: DataFrame
    n_unreadable: int


def merge_tables(landing: Landing, *, allow_deletes: bool) -> None:
    """Merge every landed table. One that breaks its contract fails, and takes no other with it."""
    job, run = landing.job, landing.run
    with job.steps.step("parse"):
        parsed = _parse_all(landing, list(run.tables))
        parsed |= _settle_repeats(landing, parsed)
        reached("parsed")
        bad = [one for one in parsed.values() if run.tables[one.table.name].rows_rejected]
        if bad:
            rows = reduce(DataFrame.unionByName, [one.rows.transform(rejected(one.table.name)) for one in bad])
            write_quarantine(rows, job.layout, run.run_id)
            reached("rejected")
    with job.steps.step("merge"):
        good = [one.table for name, one in parsed.items() if name not in run.failed]
        _side_by_side(run, good, lambda table: _merge(landing, parsed[table.name], allow_deletes=allow_deletes))
        for one in parsed.values():
            one.rows.unpersist()


def _parse_all(landing: Landing, names: Iterable[str]) -> dict[str, Parsed]:
    """Parse those of the tables that have landed."""
    job, run = landing.job, landing.run
    tables = [table for table in job.source.tables if table.name in names and run.tables[table.name].state == "landed"]
    reread = any(record.rounds for record in run.tables.values())
    pages = landed_pages(landing.spark, str(job.layout.pages), run.run_id, reread=reread)
    done = _side_by_side(run, tables, lambda table: _parse(landing, pages, table))
    return {one.table.name: one for one in done}


def _settle_repeats(landing: Landing, parsed: dict[str, Parsed]) -> dict[str, Parsed]:
    """Look again at pages that share a key. Where they moved, the table is read anew; else the source itself repeats a row."""
    open_tables, newer = dict(parsed), dict[str, Parsed]()
    rounds = landing.job.source.api.limits.proof_rounds
    for number in range(rounds + 1):
        doubts = []
        for name, one in open_tables.items():
            case = landing.cases[name]
            if case.level == COUNTED and landing.run.tables[name].rows_repeated and case.plan.n_pages > 1:
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
        open_tables = _parse_all(landing, read_again)
        newer |= open_tables
    return newer


def _side_by_side(run: Run, tables: Iterable[Table], step: Callable[[Table], Parsed | None]) -> list[Parsed]:
    """Do the step for all tables at once. A table whose data stops it fails; anything else stops the run."""

    def guarded(table: Table) -> Parsed | None:
        try:
            return step(table)
        except SourceError as error:
            run.fail(table.name, str(error))
            return None

    work = list(tables)
    with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
        return [done for done in pool.map(guarded, work) if done is not None]


def _parse(landing: Landing, pages: DataFrame, table: Table) -> Parsed:
    job, record, plan = landing.job, landing.run.tables[table.name], landing.cases[table.name].plan
    # Pages behind the last one were read when the source was longer, or when its end was looked for.
    own = pages.where((F.col("table") == table.name) & F.col("page").between(plan.first, plan.last))
    rows = own.transform(parse(table, job.source.api.pagination.items)).transform(ranked(table)).persist()
    counts = rows.transform(lambda frame: count_rows(frame, table.key)).collect()[0]
    if counts["n_parsed"] != record.rows_landed:
        message = (
            f"{table.name}: {record.rows_landed} rows landed, {counts['n_parsed']} could be read from the landed pages; "
            f"look at the pages of this run in {job.layout.pages}"
        )
        raise ContractError(message)
    record.rows_rejected, record.keys = counts["n_rejected"], counts["n_keys"]
    record.rows_repeated = counts["n_parsed"] - counts["n_rejected"] - counts["n_keys"]
    return Parsed(table, rows, counts["n_unreadable"])


def _merge(landing: Landing, one: Parsed, *, allow_deletes: bool) -> None:
    spark, job, run = landing.spark, landing.job, landing.run
    table, record = one.table, run.tables[one.table.name]
    check_rejected(table, record.rows_rejected or 0, record.rows_landed or 0)
    path = job.layout.silver(table.name)
    rows = one.rows.transform(newest(table))
    gone, n_gone = None, 0
    live = lake.live(spark, path)
    if live is not None and table.deletes == "soft" and record.proof in PROVED and not one.n_unreadable:
        gone = vanished(live, seen_keys(one.rows, table.key), table.key)
        n_gone = gone.count()
    if live is not None and not allow_deletes and (n_gone or not record.rows_landed):
        check_vanished(table, n_gone, live.count(), record.rows_landed or 0)
    clock = lake.Clock(run.run_id, run.started_at)
    merged = lake.merge(
        spark, path, rows, key=table.key, newest_by=table.newest_by, gone=gone, n_gone=n_gone, clock=clock
    )
    record.state, record.path, record.version = "merged", job.layout.relative(path), merged.version
    record.rows_inserted, record.rows_updated, record.rows_vanished = merged.inserted, merged.updated, merged.vanished
    reached("merged")
