"""Tables whose rows are nested in those of another one: they land with its pages, and are as complete as these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lib.config import Source
from lib.config.placeholders import needed_by
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState


def nested_in(source: Source, name: str) -> list[str]:
    """The tables whose rows are nested in those of a table."""
    return [table.name for table in source.tables if table.parent is not None and table.parent.table == name]


def levels(source: Source, names: Sequence[str]) -> list[list[str]]:
    """The tables in the order in which they can be read: those of a list need only the rows of those before.

    A table is on the level of the one that it is nested in, and behind the one for whose rows it is read, if that is among `names`.
    """

    def level(name: str) -> int:
        needed = needed_by(source.table(name))
        if needed is None or needed not in names:
            return 0
        return level(needed) + (source.table(name).parent is None)

    of_source = [table.name for table in source.tables if table.name in names]
    found: dict[int, list[str]] = {}
    for name in of_source:
        found.setdefault(level(name), []).append(name)
    return [found[number] for number in sorted(found)]


def follow_parents(source: Source, run: Run) -> None:
    """Give the nested tables of a run what is known of the pages that hold them: how complete they are, or why they failed."""
    for table in source.tables:
        record = run.tables.get(table.name)
        if table.parent is None or record is None or record.state not in (TableState.PLANNED, TableState.LANDED):
            continue
        parent = run.tables[table.parent.table]
        if parent.error is not None:
            run.fail(table.name, f"{table.name}: its rows are on the pages of {parent.table}, which failed")
        elif parent.proof is not None:
            run.tables[table.name] = _following(record, parent)
            run.tables[table.name].to(TableState.LANDED)


def with_nested(
    source: Source, landed: Mapping[str, TableRun], nested: Mapping[str, TableRun], names: Sequence[str]
) -> dict[str, TableRun]:
    """Those of the tables `names` that have landed, and what is nested in them: as it was, or declared since."""
    found: dict[str, TableRun] = {}
    for name in names:
        parent = source.table(name).parent
        if parent is None and name in landed:
            found[name] = landed[name]
        elif parent is not None and parent.table in landed:
            before = nested.get(name) or TableRun(name, TableState.LANDED)
            found[name] = _following(before, landed[parent.table])
    return found


def _following(record: TableRun, parent: TableRun) -> TableRun:
    same = ("proof", "unproved_because", "pages", "pages_skipped", "rounds", "since", "until", "is_backfill")
    return replace(record, **{name: getattr(parent, name) for name in same})
