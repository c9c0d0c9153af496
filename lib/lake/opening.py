"""Which run a job works on, asked before anything is touched: a new one, or one that goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lib.config import Source, derivations_of, new_run_id
from lib.errors import ConfigError
from lib.lake import publications, runs
from lib.lake.columns import held_columns
from lib.lake.layout import Layout
from lib.lake.named import unknown_run
from lib.lake.publications import Publication
from lib.lake.runs import Run, TableRun, new_run
from lib.lake.states import DUE, RunState, Step, TableState
from lib.lake.without_spark import check_published


def open_run(
    layout: Layout,
    source: Source,
    tables: Sequence[str],
    at: datetime,
    *,
    run_id: str | None,
    publishes: bool,
    resume: str | None = None,
    or_start: str | None = None,
    replay_of: str | None = None,
    note: Callable[[str], None],
) -> Run:
    """A new run of these tables that is not recorded yet, or the one to be resumed.

    `or_start` is resumed if it is known, and else started. `note` gets the sentence on a last run that did not finish. The planned
    tables of the run are those that it is to copy.

    Raises:
        ConfigError: the run id is taken, there is no run to be resumed or it had other settings, or tables that were never
            published are left out of a run that publishes.
    """
    known = {run.run_id: run for run in runs.all_runs(layout)}
    if resume is not None and resume not in known:
        raise unknown_run(layout, "--resume", resume, known)
    if found := known.get(resume or or_start or ""):
        return _resumed(layout, source, found, note)
    if hint := _unfinished(list(known.values())):
        note(hint)
    name = or_start or run_id or new_run_id(at)
    if name in known:
        message = f"--run-id {name}: this lake has a run of that name; choose another one, or --resume it"
        raise ConfigError(message)
    run = new_run(name, source.source, source.settings_hash, source.public(), at)
    run.replay_of = replay_of
    published = publications.current(layout)
    left_out = [table.name for table in source.tables if table.name not in tables]
    for table in source.tables:
        if table.name in tables:
            run.tables[table.name] = TableRun(table.name)
        elif publishes and (published is None or table.name not in published.tables):
            message = (
                f"--tables {','.join(tables)}: {table.name} was never published in this lake, and a publication has all "
                "tables. Run full-ingest once without --tables, or add --no-check."
            )
            raise ConfigError(message)
    run.tables |= kept(published, (*left_out, *derived_as_declared(layout, source, published, note)))
    return run


def derived_as_declared(
    layout: Layout, source: Source, published: Publication | None, note: Callable[[str], None]
) -> list[str]:
    """The derived tables that a run can keep as they are published. One that is built apart is not if it has other columns by now.

    `note` gets the sentence on such a table.
    """
    found = []
    for name, declared in derivations_of(source).items():
        entry = published.tables.get(name) if published and declared.apart else None
        held = None if entry is None else held_columns(layout.root / entry.path, entry.version)
        if held is None or held == declared.columns:
            found.append(name)
        else:
            note(
                f"{name} is published with other columns than the source YAML declares now: it is left out until it is rebuilt"
            )
    return found


def kept(published: Publication | None, names: Iterable[str]) -> dict[str, TableRun]:
    """Those of the tables that are published, as they are published."""
    there = published.tables if published else {}
    return {
        name: TableRun(name, TableState.KEPT, path=there[name].path, version=there[name].version)
        for name in names
        if name in there
    }


def check_columns(layout: Layout, publication: Publication, needed: Mapping[str, Collection[str]]) -> None:
    """Check that each of these tables is published, with these columns.

    Raises:
        ConfigError: one is not, as the source YAML has changed since.
    """
    for table, columns in needed.items():
        check_published(publication, table)
        entry = publication.tables[table]
        held = held_columns(layout.root / entry.path, entry.version) or {}
        if missing := [name for name in columns if name not in held]:
            message = f"{table} is published without the column {missing[0]}, which the source YAML names: run full-ingest first"
            raise ConfigError(message)


def kept_with_record(publication: Publication, run: Run) -> dict[str, TableRun]:
    """All tables of a publication of the run as they are published, with what it recorded of these versions."""
    found = kept(publication, publication.tables)
    for name, table in found.items():
        record = run.tables.get(name)
        if record is not None and record.version == table.version:
            found[name] = replace(record, state=TableState.KEPT)
    return found


def with_current(layout: Layout, source: Source, run: Run) -> Run:
    """The run, with the tables that another job built as they are published now: those that it kept may be older."""
    apart = [name for name, one in derivations_of(source).items() if one.apart]
    mine = [name for name in apart if name not in run.tables or run.tables[name].state == TableState.KEPT]
    run.tables |= kept(publications.current(layout), mine)
    return run


def keep_current(layout: Layout, run: Run) -> None:
    """Keep the tables that a run leaves out as they are published now: another run may have published since this one was opened."""
    left_out = [name for name, table in run.tables.items() if table.state == TableState.KEPT]
    run.tables |= kept(publications.current(layout), left_out)


def keep_published(layout: Layout, run: Run) -> None:
    """Let a run end for which the source has nothing new: all of its tables stay as they are published."""
    planned = {name: record for name, record in run.tables.items() if record.state == TableState.PLANNED}
    for name, entry in kept(publications.current(layout), planned).items():
        record = run.tables[name]
        record.path, record.version = entry.path, entry.version
        record.to(TableState.KEPT)
    run.ended(Step.DERIVE)
    run.to(RunState.MERGED)
    run.to(RunState.PUBLISHED)


def keep_the_rest(layout: Layout, run: Run) -> None:
    """Keep the tables of which a replay had no pages as they are published."""
    rest = [name for name, table in run.tables.items() if table.state == TableState.PLANNED]
    run.tables |= kept(publications.current(layout), rest)


def _resumed(layout: Layout, source: Source, run: Run, note: Callable[[str], None]) -> Run:
    """The run with everything still to be shown again, but for what has landed."""
    if run.settings_hash != source.settings_hash:
        message = f"--resume {run.run_id}: the settings have changed since that run; start a new run"
        raise ConfigError(message)
    if run.state == RunState.PUBLISHED:
        return run
    before = run.tables
    again = [name for name, table in before.items() if table.state not in (TableState.KEPT, TableState.BUILT)]
    # What may have been merged before the kill is still to be reckoned with.
    run.tables = {
        name: TableRun(
            name,
            as_of=before[name].as_of,
            fetched_by=before[name].fetched_by,
            unproved_because=before[name].unproved_because,
            since=before[name].since,
            until=before[name].until,
            source_at=before[name].source_at,
            is_backfill=before[name].is_backfill,
            sweep=before[name].sweep and DUE,
        )
        for name in again
    }
    # Another run may have been published since.
    rest = [table.name for table in source.tables if table.name not in again]
    published = publications.current(layout)
    run.tables |= kept(published, (*rest, *derived_as_declared(layout, source, published, note)))
    run.again()
    return run


def _unfinished(known: list[Run]) -> str | None:
    """That the last run did not finish, and how to go on with it; None where it did."""
    # A run that was killed has no end, however far it came.
    if known and (known[-1].ended_at is None or known[-1].state == runs.FAILED) and known[-1].plan:
        return f"run {known[-1].run_id} did not finish; to go on with it: full-ingest --resume {known[-1].run_id}"
    return None
