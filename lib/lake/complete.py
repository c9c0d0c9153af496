"""What of a run may be checked and published: every table of the source at its version, and what was made from exactly those."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lib.config import Source, derivations_of
from lib.errors import SourceIncompleteError
from lib.lake.publications import Accepted, Publication, PublishedTable
from lib.lake.runs import Run, TableRun
from lib.lake.states import RunState, TableState


@dataclass(frozen=True)
class CompleteSet:
    """Path and version of each table of a run, all of which belong together. Made by `complete_set` alone."""

    run_id: str
    tables: Mapping[str, tuple[str, int]]

    def publication(
        self,
        publication_id: str,
        at: datetime,
        rows: Mapping[str, int],
        live_rows: Mapping[str, int],
        accepted: Sequence[Accepted] = (),
    ) -> Publication:
        """The publication of all of them. `rows` are all of each version, `live_rows` those that a reader finds in it."""
        tables = {
            name: PublishedTable(name, path, version, rows[name], live_rows[name])
            for name, (path, version) in self.tables.items()
        }
        return Publication(publication_id, self.run_id, at, tables, accepted=tuple(accepted))


def complete(source: Source, run: Run) -> CompleteSet:
    """The tables of the run that are checked and published together.

    Raises:
        SourceIncompleteError: the run did not come to the end of deriving, or a table is missing; says what goes on.
    """
    derived = derivations_of(source)
    built = {name: tuple(one.bases) for name, one in derived.items() if not one.apart}
    return complete_set(run, [table.name for table in source.tables], built, derived.keys() - built.keys())


def complete_set(
    run: Run, of_source: Collection[str], derived: Mapping[str, Collection[str]], apart: Collection[str] = ()
) -> CompleteSet:
    """The tables of a run that can be checked and published together.

    `of_source` are the tables of the source, all of them; `derived` names, for each derived table that runs build, those that it is
    made from. Of those that are built `apart` the set has what the run kept or built, if it has them at all.

    Raises:
        SourceIncompleteError: the run did not come to the end of deriving, or a table is missing, failed, or of another version
            than what was made from it. Says what is missing.
    """
    if run.missing_step is not None:
        how = "was stopped or killed" if run.state == RunState.RUNNING else "ended"
        raise _incomplete(run, f"it {how} before its step '{run.missing_step}' was done")
    if run.failed:
        raise _incomplete(run, f"{', '.join(run.failed)} failed in it")
    found: dict[str, tuple[str, int]] = {}
    for name in of_source:
        found[name] = _at(run, name, (TableState.MERGED, TableState.KEPT))
    for name, bases in derived.items():
        found[name] = _at(run, name, (TableState.BUILT, TableState.KEPT))
        _check_made_from(run, run.tables[name], bases)
    for name in apart:
        if name in run.tables:
            found[name] = _at(run, name, (TableState.BUILT, TableState.KEPT))
            _check_rebuilt(run, run.tables[name])
    # In the order in which the run names them.
    return CompleteSet(run.run_id, {name: found[name] for name in run.tables if name in found})


def _at(run: Run, name: str, states: Sequence[TableState]) -> tuple[str, int]:
    """Path and version of a table which the run left in one of these states."""
    record = run.tables.get(name)
    if record is None:
        raise _incomplete(run, f"it has no table {name}", is_new=True)
    if record.state not in states or record.path is None or record.version is None:
        raise _incomplete(run, f"{name} is '{record.state}' in it, and has no version that could be checked")
    return record.path, record.version


def _check_made_from(run: Run, record: TableRun, bases: Collection[str]) -> None:
    if record.state == TableState.KEPT:
        if others := [name for name in bases if run.tables[name].state != TableState.KEPT]:
            raise _incomplete(run, f"{record.table} was kept, and {', '.join(others)}, which it is made from, was not")
        return
    made = {one["table"]: one["version"] for one in record.made_from or ()}
    held = {name: run.tables[name].version for name in bases}
    if made != held:
        raise _incomplete(run, f"{record.table} was made from {_named(made)}, and the run has {_named(held)}")


def _check_rebuilt(run: Run, record: TableRun) -> None:
    """What the run made of a table that is built apart, it made from versions that it has. What it kept belongs to no version."""
    made = {one["table"]: one["version"] for one in record.made_from or ()}
    held = {name: run.tables[name].version if name in run.tables else None for name in made}
    if record.state == TableState.BUILT and (not made or made != held):
        raise _incomplete(run, f"{record.table} was made from {_named(made)}, and the run has {_named(held)}")


def _named(versions: Mapping[str, int | None]) -> str:
    return ", ".join(f"{name} version {version}" for name, version in versions.items()) or "nothing that is known"


def _incomplete(run: Run, why: str, *, is_new: bool = False) -> SourceIncompleteError:
    going_on = "start full-ingest" if is_new else f"go on with it: full-ingest --resume {run.run_id}"
    return SourceIncompleteError(
        f"Run {run.run_id} cannot be checked or published: {why}. Nothing published has changed.\nNext:    {going_on}"
    )
