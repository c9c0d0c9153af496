"""Parse, reject, newest, merge: from landed pages to silver, the tables side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.steps.batch import Batch, Parsed, parse_tables, side_by_side
from jobs.steps.land import Landing, give_up, moved_since, prove_tables
from jobs.steps.record import note_plan
from lib.config import Table
from lib.failpoints import reached
from lib.lake import merge as lake
from lib.lake import quarantine, runs
from lib.lake.columns import add_columns, held_columns, widen_columns
from lib.lake.conflicts import from_a_fresh_snapshot
from lib.lake.key_hash import KeyHash
from lib.lake.merge import Clock
from lib.lake.runs import TableRun
from lib.lake.states import Step, TableState
from lib.landing.bronze import MOST_NAMED
from lib.landing.prove import COUNTED, PROVED, UNPROVED, doubt_repeats, report, walk_again
from lib.tables.compare import check_deleted, check_rejected, deleted, seen_keys
from lib.tables.fit import fit
from lib.tables.newest import newest, pages_sharing_keys, rehashed
from lib.tables.reject import rejected

REPEATS = (
    "the source fills its pages unevenly and repeats rows, which count towards its total: others may be missing. An order of rows "
    "that is the same for each page (by an id, if the source can be asked for it) helps"
)


def merge_tables(landing: Landing, *, allow_deletes: bool) -> None:
    """Merge every landed table. One that breaks its contract fails, and takes no other with it."""
    job, run = landing.job, landing.run
    batch = Batch(
        landing.spark,
        job,
        run,
        job.layout,
        Clock(run.run_id, run.started_at, number=run.number),
        lambda name: landing.cases[name].plan,
        runs.all_runs(job.layout),
        allow_deletes,
    )
    with job.steps.step("parse"):
        parsed = parse_tables(batch, list(run.tables))
        parsed |= _settle_repeats(landing, batch, parsed)
        _doubt_uneven_repeats(landing)
        run.ended(Step.PARSE)
        # What belongs to each table is known only now; a replay goes by it.
        note_plan(job, run, [case.plan for case in landing.cases.values()])
        reached("parsed")
    merge_parsed(batch, parsed)
    run.ended(Step.MERGE)
    run.save(job.layout)
    reached("all merged")


def merge_parsed(batch: Batch, parsed: dict[str, Parsed]) -> None:
    """Put bad rows into quarantine and good ones into silver, and see what became of those that were in quarantine before."""
    job, run = batch.job, batch.run
    with job.steps.step("quarantine"):
        _write_quarantine(batch, list(parsed.values()))
    with job.steps.step("merge"):
        good = [one.table for name, one in parsed.items() if name not in run.failed]
        side_by_side(run, good, lambda table: _merge(batch, parsed[table.name]))
    merged = [one for name, one in parsed.items() if run.tables[name].state == TableState.MERGED]
    if still_open := quarantine.open_earlier(batch.layout, batch.clock) & {one.table.name for one in merged}:
        with job.steps.step("resolve"):
            _resolve(batch, [one for one in merged if one.table.name in still_open])
            reached("resolved")
    for one in parsed.values():
        one.rows.unpersist()
    for name, number in quarantine.count_resolved(batch.layout, run.run_id).items():
        run.tables[name].rows_resolved = number


def _settle_repeats(landing: Landing, batch: Batch, parsed: dict[str, Parsed]) -> dict[str, Parsed]:
    """Look again at pages that share a key. Where they moved, the table is read anew; else the source itself repeats a row."""
    open_tables, newer = dict(parsed), dict[str, Parsed]()
    rounds = landing.job.source.api.limits.proof_rounds
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


def _doubt_uneven_repeats(landing: Landing) -> None:
    """Where pages are filled unevenly only the sum of their rows is proof, and a duplicate may stand for a missing row."""
    for name, case in landing.cases.items():
        record = landing.run.tables[name]
        if record.proof in PROVED and record.rows_duplicate and landing.bronze.see(case.plan).odd:
            record.proof, record.unproved_because = UNPROVED, REPEATS
            landing.job.steps.note(f"{name}: not proved complete: {REPEATS}")


def _write_quarantine(batch: Batch, parsed: Sequence[Parsed]) -> None:
    """Write the rejected rows, if there are any now or were when these pages were read before."""
    records = batch.run.tables
    before = quarantine.count_rejected(batch.layout, batch.clock.run_id)
    concerned = [one for one in parsed if records[one.table.name].rows_rejected or before.get(one.table.name)]
    if concerned:
        hashed = batch.key_hash
        rows = [one.rows.transform(rejected(one.table.name, one.table.key, hashed)) for one in concerned]
        names = [one.table.name for one in concerned]
        for attempt in from_a_fresh_snapshot():
            with attempt:
                quarantine.write_quarantine(
                    batch.spark,
                    reduce(DataFrame.unionByName, rows),
                    batch.layout,
                    batch.clock,
                    names,
                    by=batch.run.run_id,
                )
        reached("rejected")


def _resolve(batch: Batch, merged: Sequence[Parsed]) -> None:
    """Say of rows that earlier runs rejected what this one found of them."""
    hashed = batch.key_hash
    found = [_found(one, hashed) for one in merged]
    complete = [one.table.name for one in merged if batch.run.tables[one.table.name].proof in PROVED]
    for attempt in from_a_fresh_snapshot():
        with attempt:
            quarantine.resolve(
                batch.spark,
                batch.layout,
                reduce(DataFrame.unionByName, found),
                complete,
                batch.clock,
                by=batch.run.run_id,
            )


def _found(one: Parsed, hashed: KeyHash) -> DataFrame:
    """What this run has of each key: a row that was taken, or only rejected ones. Key: table, key_hash."""
    is_bad = F.size("problems") > 0
    keys = one.rows.select(hashed(one.table.key).alias("key_hash"), is_bad.alias("_bad")).where("key_hash IS NOT NULL")
    resolution = F.when(F.bool_and("_bad"), F.lit(quarantine.AGAIN)).otherwise(F.lit(quarantine.ARRIVED))
    return keys.groupBy("key_hash").agg(resolution.alias("resolution")).withColumn("table", F.lit(one.table.name))


def _merge(batch: Batch, one: Parsed) -> None:
    table, record = one.table, batch.run.tables[one.table.name]
    check_rejected(table, record.rows_rejected or 0, record.rows_landed or 0)
    for attempt in from_a_fresh_snapshot():
        with attempt:
            merged = _merged(batch, one)
    path = batch.layout.silver(table.name)
    record.path, record.version = batch.layout.relative(path), merged.version
    record.to(TableState.MERGED)
    record.rows_inserted, record.rows_updated, record.rows_deleted = merged.inserted, merged.updated, merged.deleted
    reached("merged")


def _merged(batch: Batch, one: Parsed) -> lake.Merged:
    spark, table, record = batch.spark, one.table, batch.run.tables[one.table.name]
    path = batch.layout.silver(table.name)
    rows = one.rows.transform(newest(table))
    _fit(batch, table, rows)
    later = runs.merged_later(batch.known, table.name, batch.clock.number)
    gone, n_gone = None, 0
    live = lake.live(spark, path)
    if live is not None and not later:
        if table.deletes == "soft" and record.proof in PROVED and not one.n_unreadable:
            gone = deleted(live, seen_keys(one.rows, table.key), table.key)
            n_gone = gone.count()
        if not batch.allow_deletes and (n_gone or not record.rows_landed):
            check_deleted(table, n_gone, live.count(), record.rows_landed or 0)
    complete = [known for known in later if known.state == TableState.MERGED and known.proof in PROVED]
    if table.deletes == "soft" and complete:
        rows = _with_gone_since(batch, table, rows, complete[-1])
    clock = replace(batch.clock, is_behind=bool(later))
    return lake.merge(
        spark, path, rows, key=table.key, newest_by=table.newest_by, gone=gone, n_gone=n_gone, clock=clock
    )


def _fit(batch: Batch, table: Table, rows: DataFrame) -> None:
    """Give the silver table the columns that the rows have and it has not, and the types that are wider now."""
    path = batch.layout.silver(table.name)
    held = held_columns(path)
    if held is None:
        return
    fitted = fit(table, held)
    if fitted.widened:
        hashed = rehashed((*(column.name for column in table.columns if column.name in held),))
        widen_columns(batch.spark, path, fitted.widened, hashed, batch.clock.run_id)
    if fitted.added:
        add_columns(batch.spark, path, rows, batch.clock.run_id)


def _with_gone_since(batch: Batch, table: Table, rows: DataFrame, last: TableRun) -> DataFrame:
    """Rows of a run that is behind: those that the table does not know were deleted since, unless they are in quarantine now."""
    since = F.lit(last.as_of or batch.clock.at).cast("timestamp")
    there = quarantine.quarantined(batch.spark, batch.layout, table.name, batch.clock.run_id)
    if there is None:
        return rows.withColumn(lake.GONE_SINCE, since)
    later = there.where(F.col("number") > batch.clock.number)
    hashes = later.select(F.col("key_hash").alias("_key_hash"), F.lit(True).alias("_is_there")).dropDuplicates(
        ["_key_hash"]
    )
    return (
        rows.withColumn("_key_hash", batch.key_hash(table.key, within=""))
        .join(hashes, on="_key_hash", how="left")
        .withColumn(lake.GONE_SINCE, F.when(F.col("_is_there").isNull(), since))
        .drop("_key_hash", "_is_there")
    )
