"""`--from-landed`: merge landed pages again, without a request to the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import SparkSession

from jobs.steps.merge import batch_of, merge_parsed
from jobs.steps.named import check_lake, unknown_run
from jobs.steps.options import Job
from jobs.steps.record import keep_the_rest
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake import runs
from lib.lake.layout import Layout, remove_rebuilds
from lib.lake.merge import Clock, replace_rows
from lib.lake.quarantine import replace_quarantine
from lib.lake.runs import ALL, Run, TableRun
from lib.lake.states import Step, TableState
from lib.landing.parsed import parse_tables
from lib.landing.plan import plans_of


def landed_runs(job: Job, replay_of: str) -> list[Run]:
    """The runs whose landed pages are to be merged again, oldest first, each with those of its tables that were proved.

    Raises:
        ConfigError: there is no lake, no such run, or none of its pages can be merged.
    """
    check_lake(job)
    known = [run for run in runs.all_runs(job.layout) if run.replay_of is None]
    if replay_of != ALL:
        names = [run.run_id for run in known]
        known = [run for run in known if run.run_id == replay_of]
        if not known:
            raise unknown_run(
                job.layout, "--from-landed", replay_of, names, which="run that fetched pages", words=[ALL]
            )
    wanted = [replace(run, tables={name: run.tables[name] for name in _proved(job, run)}) for run in known]
    found = [run for run in wanted if run.tables]
    if not found:
        message = (
            f"--from-landed {replay_of}: no landed pages are known to be whole; a run that did not finish goes on with "
            "--resume"
        )
        raise ConfigError(message)
    return found


def _proved(job: Job, run: Run) -> list[str]:
    """The tables of a run whose pages have landed, and are known to be all (or accepted as they are)."""
    planned = {plan.table for plan in plans_of(run.plan)}
    return [
        name for name in job.tables if name in planned and name in run.tables and run.tables[name].proof is not None
    ]


def replay(spark: SparkSession, job: Job, run: Run, landed: Sequence[Run], *, allow_deletes: bool) -> None:
    """Merge the landed pages of one run again, under its own clock; or those of all, into tables made anew."""
    if run.replay_of == ALL:
        _rebuild(spark, job, run, landed, allow_deletes=allow_deletes)
        return
    [source] = landed
    for name, before in source.tables.items():
        run.tables[name] = _again(before)
    _merge_again(spark, job, run, source, job.layout, runs.all_runs(job.layout), allow_deletes=allow_deletes)
    _note_end(job, run)


def _rebuild(spark: SparkSession, job: Job, run: Run, landed: Sequence[Run], *, allow_deletes: bool) -> None:
    """Merge the landed pages of every run, in their order, into new tables, which then take the place of the old ones."""
    layout = job.layout.rebuilt(run.run_id)
    try:
        _rebuild_into(spark, job, run, landed, layout, allow_deletes=allow_deletes)
    finally:
        # Whatever ended it: the lake has one copy of its tables.
        remove_rebuilds(job.layout)
    _note_end(job, run)


def _note_end(job: Job, run: Run) -> None:
    keep_the_rest(job, run)
    run.ended(Step.MERGE)
    run.save(job.layout)
    reached("all merged")


def _rebuild_into(
    spark: SparkSession, job: Job, run: Run, landed: Sequence[Run], layout: Layout, *, allow_deletes: bool
) -> None:
    last: dict[str, tuple[Run, TableRun]] = {}
    for source in landed:
        again = Run(source.run_id, source.source, source.started_at, source.settings_hash, source.settings, source.plan)
        again.number = source.number
        again.tables = {name: _again(record) for name, record in source.tables.items()}
        job.steps.note(f"merging what run {source.run_id} landed: {', '.join(again.tables)}")
        was_merged = {name for name, record in source.tables.items() if record.state == TableState.MERGED}
        _merge_again(spark, job, again, source, layout, [], allow_deletes=allow_deletes or bool(was_merged))
        for name, reason in again.failed.items():
            if name in was_merged:
                run.fail(name, f"run {source.run_id}: {reason}")
            else:
                job.steps.note(f"{name} of run {source.run_id} is left out, as it was then: {reason}")
        last |= {name: (source, record) for name, record in again.tables.items() if record.state == TableState.MERGED}
    if run.failed:
        return
    with job.steps.step("replace"):
        _replace_tables(spark, job, run, last)


def _again(record: TableRun) -> TableRun:
    """A record of a table that has landed and is to be merged again."""
    landed = ("table", "proof", "unproved_because", "pages", "rounds", "rows_total", "rows_landed")
    return TableRun(**{name: getattr(record, name) for name in landed}, state=TableState.LANDED)


def _merge_again(
    spark: SparkSession, job: Job, run: Run, source: Run, layout: Layout, known: list[Run], *, allow_deletes: bool
) -> None:
    plans = {plan.table: plan for plan in plans_of(source.plan)}
    clock = Clock(source.run_id, source.started_at, number=source.number)
    batch = batch_of(spark, job, run, layout, clock, plans.__getitem__, known, allow_deletes=allow_deletes)
    with job.steps.step("parse"):
        parsed = parse_tables(batch, list(source.tables))
        if layout == job.layout:
            run.ended(Step.PARSE)
            run.save(layout)
        reached("parsed")
    merge_parsed(batch, parsed)


def _replace_tables(spark: SparkSession, job: Job, run: Run, last: dict[str, tuple[Run, TableRun]]) -> None:
    """Put the new tables in the place of the old ones. Readers see nothing of it before all of them are published together."""
    new, old = job.layout.rebuilt(run.run_id), job.layout
    for name, (source, record) in last.items():
        done = replace_rows(spark, new.silver(name), old.silver(name), run.run_id)
        held = TableRun(
            name, TableState.MERGED, proof=record.proof, path=old.relative(old.silver(name)), version=done.version
        )
        held.unproved_because = record.unproved_because
        held.rows_inserted, held.as_of, held.fetched_by = done.inserted, source.started_at, source.number
        run.tables[name] = held
        reached("replaced")
    replace_quarantine(spark, new, old, list(last))
