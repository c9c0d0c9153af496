"""Derive: from silver to gold, by what changed."""

from __future__ import annotations

from collections.abc import Iterable

from lib.failpoints import reached
from lib.gold.refresh import refresh
from lib.gold.registry import tables_of
from lib.lake.copying import Copy
from lib.lake.derived import Base
from lib.lake.layout import Layout
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState


def derive_tables(copy: Copy) -> None:
    """Make every derived table what the run's versions of its bases say. One of which a base is missing stays as it is."""
    layout, run = copy.lake, copy.run
    found = ((table, _bases(layout, run, table.declared.bases)) for table in tables_of(copy.source))
    ready = [(table, bases) for table, bases in found if bases]
    if not ready:
        return
    with copy.progress.step("derive"):
        reached("derive started")
        for table, bases in ready:
            name = table.declared.name
            built = refresh(copy.spark, layout, copy.source, table, bases)
            path = layout.relative(layout.gold(name))
            record = TableRun(name, TableState.BUILT, path=path, version=built.version)
            record.made_from = [{"table": base.name, "version": base.version} for base in bases]
            record.rows_inserted, record.rows_updated, record.rows_deleted = (
                built.inserted,
                built.updated,
                built.deleted,
            )
            run.tables[name] = record
        reached("derived")


def _bases(layout: Layout, run: Run, names: Iterable[str]) -> list[Base]:
    """The versions of these tables that the run has; none where one is missing."""
    records = [run.tables.get(name) for name in names]
    bases = [
        Base(one.table, layout.root / one.path, one.version)
        for one in records
        if one is not None and one.path is not None and one.version is not None
    ]
    return bases if len(bases) == len(records) else []
