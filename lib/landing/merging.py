"""Merge: bad rows into quarantine, good ones into silver, the tables side by side. Nothing here asks the source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Source, Table
from lib.console import number_of
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake import deletion_vectors, quarantine, results, runs
from lib.lake import merge as lake
from lib.lake.columns import add_columns, held_columns, widen_columns
from lib.lake.conflicts import from_a_fresh_snapshot
from lib.lake.key_hash import KeyHash
from lib.lake.layout import Layout
from lib.lake.runs import TableRun
from lib.lake.states import TableState
from lib.landing.bronze import Bronze
from lib.landing.increments import Greatest, note_watermarks
from lib.landing.key_sweep import swept_keys
from lib.landing.parsed import Batch, Parsed, side_by_side
from lib.tables.compare import check_deleted, check_rejected, deleted, seen_keys
from lib.tables.fit import fit
from lib.tables.newest import newest, rehashed
from lib.tables.reject import rejected


def check_columns_held(source: Source, layout: Layout, names: Iterable[str]) -> None:
    """Check that what these tables declare can be merged into what the lake holds, before anything is touched.

    Raises:
        ConfigError: a column became narrower, or is no longer declared.
    """
    problems: list[str] = []
    for name in names:
        held = held_columns(layout.silver(name))
        problems += fit(source.table(name), held).problems if held is not None else ()
    if problems:
        raise ConfigError("\n".join(problems))


def merge_parsed(batch: Batch, parsed: dict[str, Parsed]) -> None:
    """Put bad rows into quarantine and good ones into silver, and see what became of those that were in quarantine before."""
    run = batch.copy.run
    with batch.copy.progress.step("quarantine") as step:
        _write_quarantine(batch, list(parsed.values()))
        step.result = number_of(sum(run.tables[name].rows_rejected or 0 for name in parsed), "row")
    with batch.copy.progress.step("merge") as step:
        good = [one.table for name, one in parsed.items() if name not in run.failed]
        side_by_side(run, good, lambda table: _merge(batch, parsed[table.name]))
        results.tell(step, run, results.changed(run.tables.values()))
    merged = [one for name, one in parsed.items() if run.tables[name].state == TableState.MERGED]
    if still_open := quarantine.open_earlier(batch.layout, batch.clock) & {one.table.name for one in merged}:
        with batch.copy.progress.step("resolve") as step:
            _resolve(batch, [one for one in merged if one.table.name in still_open])
            reached("resolved")
            left = quarantine.count_left(batch.layout, run.run_id)
            step.result = f"{number_of(sum(left.values()), 'row')} left quarantine"
    if batch.layout == batch.copy.lake:
        behind = [one.table.name for one in merged if _later(batch, one.table.name)]
        bronze = Bronze(batch.copy.lake.pages, batch.clock.run_id)
        greatest = {
            one.table.name: Greatest(
                one.greatest, one.of_parts, bronze.first_asked(one.table.name) if one.of_parts else {}
            )
            for one in merged
        }
        note_watermarks(batch.copy.source, batch.layout, run, greatest, behind, batch.copy.progress.note)
    for one in parsed.values():
        one.rows.unpersist()
    for name, number in quarantine.count_left(batch.layout, run.run_id).items():
        run.tables[name].rows_resolved = number


def _write_quarantine(batch: Batch, parsed: Sequence[Parsed]) -> None:
    """Write the rejected rows, if there are any now or were when these pages were read before."""
    records = batch.copy.run.tables
    before = quarantine.count_rejected(batch.layout, batch.clock.run_id)
    concerned = [one for one in parsed if records[one.table.name].rows_rejected or before.get(one.table.name)]
    if concerned:
        hashed = batch.copy.key_hash
        rows = [one.rows.transform(rejected(one.table.name, one.table.key, hashed)) for one in concerned]
        names = [one.table.name for one in concerned]
        for attempt in from_a_fresh_snapshot():
            with attempt:
                quarantine.write_quarantine(
                    batch.copy.spark,
                    reduce(DataFrame.unionByName, rows),
                    batch.layout,
                    batch.clock,
                    names,
                    by=batch.copy.run.run_id,
                )
        reached("rejected")


def _resolve(batch: Batch, merged: Sequence[Parsed]) -> None:
    """Say of rows that earlier runs rejected what this one found of them."""
    hashed = batch.copy.key_hash
    found = [_found(one, hashed) for one in merged]
    complete = [one.table.name for one in merged if batch.copy.run.tables[one.table.name].shows_all]
    for attempt in from_a_fresh_snapshot():
        with attempt:
            quarantine.resolve(
                batch.copy.spark,
                batch.layout,
                reduce(DataFrame.unionByName, found),
                complete,
                batch.clock,
                by=batch.copy.run.run_id,
            )


def _found(one: Parsed, hashed: KeyHash) -> DataFrame:
    """What this run has of each key: a row that was taken, or only rejected ones. Key: table, key_hash."""
    is_bad = F.size("problems") > 0
    keys = one.rows.select(hashed(one.table.key).alias("key_hash"), is_bad.alias("_bad")).where("key_hash IS NOT NULL")
    resolution = F.when(F.bool_and("_bad"), F.lit(quarantine.AGAIN)).otherwise(F.lit(quarantine.ARRIVED))
    return keys.groupBy("key_hash").agg(resolution.alias("resolution")).withColumn("table", F.lit(one.table.name))


def _merge(batch: Batch, one: Parsed) -> None:
    table, record = one.table, batch.copy.run.tables[one.table.name]
    check_rejected(table, record.rows_rejected or 0, record.rows_landed or 0, of=_n_known(batch, record))
    for attempt in from_a_fresh_snapshot():
        with attempt:
            merged = _merged(batch, one)
    path = batch.layout.silver(table.name)
    record.path, record.version = batch.layout.relative(path), merged.version
    record.to(TableState.MERGED)
    record.rows_inserted, record.rows_updated, record.rows_deleted = merged.inserted, merged.updated, merged.deleted
    reached("merged")


def _n_known(batch: Batch, record: TableRun) -> int:
    """The rows of which those that are rejected are a share: all that landed, or, as an increment has few, all that are live."""
    landed = record.rows_landed or 0
    if not (record.is_increment and record.rows_rejected):
        return landed
    live = lake.live(batch.copy.spark, batch.layout.silver(record.table))
    return max(landed, 0 if live is None else live.count())


def _merged(batch: Batch, one: Parsed) -> lake.Merged:
    spark, table, record = batch.copy.spark, one.table, batch.copy.run.tables[one.table.name]
    path = batch.layout.silver(table.name)
    rows = one.rows.transform(newest(table))
    _fit(batch, table, rows)
    later = _later(batch, table.name)
    deleted_rows, n_deleted = None, 0
    live = lake.live(spark, path)
    if live is not None and not later:
        seen = _seen(batch, one) if table.deletes == "soft" and not one.n_unreadable else None
        if seen is not None:
            deleted_rows = deleted(live, seen, table.key)
            n_deleted = deleted_rows.count()
        n_rows = record.rows_swept if record.is_swept else record.rows_landed
        is_empty = not n_rows and not record.is_increment
        if not batch.allow_deletes and (n_deleted or is_empty):
            check_deleted(table, n_deleted, live.count(), n_rows or 0)
    complete = [known for known in later if known.state == TableState.MERGED and known.shows_all]
    if table.deletes == "soft" and complete:
        rows = _with_deleted_since(batch, table, rows, complete[-1])
    clock = replace(batch.clock, is_late=bool(later))
    return lake.merge(
        spark,
        path,
        rows,
        key=table.key,
        newest_by=table.newest_by,
        deleted_rows=deleted_rows,
        n_deleted=n_deleted,
        clock=clock,
        has_deletion_vectors=batch.copy.source.readers.deletion_vectors,
    )


def _seen(batch: Batch, one: Parsed) -> DataFrame | None:
    """The keys that the source still has; None where the run does not show that: it asked for some of the rows alone."""
    record, seen = batch.copy.run.tables[one.table.name], seen_keys(one.rows, one.table.key)
    if record.shows_all or not record.is_swept:
        return seen if record.shows_all else None
    swept = swept_keys(batch, one.table)
    return None if swept is None else seen.unionByName(swept)


def _later(batch: Batch, name: str) -> list[TableRun]:
    """What later runs have merged into a table."""
    return runs.merged_later(batch.known, name, batch.clock.number)


def _fit(batch: Batch, table: Table, rows: DataFrame) -> None:
    """Give the silver table what it lacks: the columns of the rows, types that are wider now, files that its readers take."""
    path = batch.layout.silver(table.name)
    held = held_columns(path)
    if held is None:
        return
    deletion_vectors.settle(batch.copy.spark, path, wanted=batch.copy.source.readers.deletion_vectors)
    fitted = fit(table, held)
    if fitted.widened:
        hashed = rehashed((*(column.name for column in table.columns if column.name in held),))
        widen_columns(batch.copy.spark, path, fitted.widened, hashed, batch.clock.run_id)
    if fitted.added:
        add_columns(batch.copy.spark, path, rows, batch.clock.run_id)


def _with_deleted_since(batch: Batch, table: Table, rows: DataFrame, last: TableRun) -> DataFrame:
    """Rows of a run that is behind: those that the table does not know were deleted since, unless they are in quarantine now."""
    since = F.lit(last.as_of or batch.clock.at).cast("timestamp")
    there = quarantine.quarantined(batch.copy.spark, batch.layout, table.name, batch.clock.run_id)
    if there is None:
        return rows.withColumn(lake.DELETED_SINCE, since)
    later = there.where(F.col("number") > batch.clock.number)
    hashes = later.select(F.col("key_hash").alias("_key_hash"), F.lit(True).alias("_is_there")).dropDuplicates(
        ["_key_hash"]
    )
    return (
        rows.withColumn("_key_hash", batch.copy.key_hash(table.key, within=""))
        .join(hashes, on="_key_hash", how="left")
        .withColumn(lake.DELETED_SINCE, F.when(F.col("_is_there").isNull(), since))
        .drop("_key_hash", "_is_there")
    )
