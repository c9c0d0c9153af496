"""Pages that have landed before, merged once more: those of one run, or those of all into tables that are made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lib.config import Source
from lib.console import number_of
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake import deletion_vectors, results, runs
from lib.lake.copying import Copy
from lib.lake.layout import Layout, remove_rebuilds
from lib.lake.merge import Clock, replace_rows
from lib.lake.named import check_lake, unknown_run
from lib.lake.quarantine import replace_quarantine
from lib.lake.runs import ALL, Run, TableRun
from lib.lake.states import Step, TableState
from lib.landing.merging import merge_parsed
from lib.landing.nested import with_nested
from lib.landing.parsed import Batch, parse_tables
from lib.landing.plan import plans_of


def landed_runs(source: Source, layout: Layout, tables: Sequence[str], replay_of: str) -> list[Run]:
    """The runs whose landed pages are to be merged again, oldest first, each with those of these tables that were proved.

    Raises:
        ConfigError: there is no lake, no such run, or none of its pages can be merged.
    """
    check_lake(layout)
    known = [run for run in runs.all_runs(layout) if run.replay_of is None]
    if replay_of != ALL:
        names = [run.run_id for run in known]
        known = [run for run in known if run.run_id == replay_of]
        if not known:
            raise unknown_run(layout, "--from-landed", replay_of, names, which="run that fetched pages", words=[ALL])
    wanted = [replace(run, tables=_landed(source, tables, run)) for run in known]
    found = [run for run in wanted if run.tables]
    if not found:
        message = (
            f"--from-landed {replay_of}: no landed pages are known to be complete; to continue a run that did not finish, "
            "use --resume"
        )
        raise ConfigError(message)
    return found


def _landed(source: Source, tables: Sequence[str], run: Run) -> dict[str, TableRun]:
    """The tables of a run whose pages have landed, and are known to be all (or accepted as they are)."""
    planned = {plan.table for plan in plans_of(run.plan)}
    proved = {name: one for name, one in run.tables.items() if name in planned and one.proof is not None}
    nested = {name: one for name, one in run.tables.items() if name in tables and name not in planned}
    return with_nested(source, proved, nested, tables)


def merge_again(copy: Copy, landed: Run, known: list[Run], *, allow_deletes: bool) -> None:
    """Merge the landed pages of one run again, under its own clock. `known` are the runs of the lake."""
    for name, before in landed.tables.items():
        copy.run.tables[name] = _again(before)
    _merge(copy, landed, copy.lake, known, allow_deletes=allow_deletes)


def rebuild(copy: Copy, landed: Sequence[Run], *, allow_deletes: bool) -> None:
    """Merge the landed pages of these runs, in their order, into new tables, which then take the place of the old ones."""
    try:
        _rebuild_into(copy, landed, copy.lake.rebuilt(copy.run.run_id), allow_deletes=allow_deletes)
    finally:
        # Whatever ended it: the lake has one copy of its tables.
        remove_rebuilds(copy.lake)


def _rebuild_into(copy: Copy, landed: Sequence[Run], layout: Layout, *, allow_deletes: bool) -> None:
    run = copy.run
    last: dict[str, tuple[Run, TableRun]] = {}
    for source in landed:
        again = Run(source.run_id, source.source, source.started_at, source.settings_hash, source.settings, source.plan)
        again.number = source.number
        again.tables = {name: _again(record) for name, record in source.tables.items()}
        copy.progress.note(f"merging what run {source.run_id} landed: {', '.join(again.tables)}")
        was_merged = {name for name, record in source.tables.items() if record.state == TableState.MERGED}
        _merge(replace(copy, run=again), source, layout, [], allow_deletes=allow_deletes or bool(was_merged))
        for name, reason in again.failed.items():
            if name in was_merged:
                run.fail(name, f"run {source.run_id}: {reason}")
            else:
                copy.progress.note(f"{name} of run {source.run_id} is left out, as it was then: {reason}")
        last |= {name: (source, record) for name, record in again.tables.items() if record.state == TableState.MERGED}
    if not run.failed:
        with copy.progress.step("replace") as step:
            _replace_tables(copy, last)
            step.result = number_of(len(last), "table")


def _again(record: TableRun) -> TableRun:
    """A record of a table that has landed and is to be merged again."""
    same = ("table", "proof", "unproved_because", "pages", "pages_skipped", "rounds", "rows_total", "rows_landed")
    landed = (*same, "since", "until", "source_at", "is_backfill", "sweep", "rows_swept")
    return TableRun(**{name: getattr(record, name) for name in landed}, state=TableState.LANDED)


def _merge(copy: Copy, source: Run, layout: Layout, known: list[Run], *, allow_deletes: bool) -> None:
    plans = {plan.table: plan for plan in plans_of(source.plan)}
    clock = Clock(source.run_id, source.started_at, number=source.number)
    batch = Batch(copy, layout, clock, plans.__getitem__, known, allow_deletes)
    with copy.progress.step("parse") as step:
        parsed = parse_tables(batch, list(source.tables))
        results.tell(step, copy.run, results.parsed(copy.run.tables[name] for name in parsed))
        if layout == copy.lake:
            copy.run.end_step(Step.PARSE, layout)
        reached("parsed")
    merge_parsed(batch, parsed)


def _replace_tables(copy: Copy, last: dict[str, tuple[Run, TableRun]]) -> None:
    """Put the new tables in the place of the old ones. Readers see nothing of it before all of them are published together."""
    run, old = copy.run, copy.lake
    new = old.rebuilt(run.run_id)
    for name, (source, record) in last.items():
        deletion_vectors.settle(copy.spark, old.silver(name), wanted=copy.source.readers.deletion_vectors)
        done = replace_rows(copy.spark, new.silver(name), old.silver(name), run.run_id)
        held = TableRun(
            name, TableState.MERGED, proof=record.proof, path=old.relative(old.silver(name)), version=done.version
        )
        held.unproved_because, held.pages_skipped = record.unproved_because, record.pages_skipped
        held.since, held.until, held.is_backfill = record.since, record.until, record.is_backfill
        held.rows_inserted, held.as_of, held.fetched_by = done.inserted, source.started_at, source.number
        run.tables[name] = held
        reached("replaced")
    replace_quarantine(copy.spark, new, old, list(last))
