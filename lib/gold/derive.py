"""Derive: from silver to gold, by what changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lib.config import Derivation
from lib.failpoints import reached
from lib.gold.recommendations import prune_published
from lib.gold.refresh import refresh
from lib.gold.registry import apart_of, tables_of
from lib.lake import publications, results
from lib.lake.copying import Copy
from lib.lake.derived import Base, Derived
from lib.lake.layout import Layout
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState


def derive_tables(copy: Copy) -> None:
    """Make every derived table what the run's versions of its bases say. One of which a base is missing stays as it is.

    Of those that another job builds only what is deleted is taken out.
    """
    layout, run = copy.lake, copy.run
    found = ((table, bases_of(layout, run, table.declared.bases)) for table in tables_of(copy.source))
    ready = [(table, bases) for table, bases in found if bases]
    apart = [(one, bases) for one in apart_of(copy.source) if (bases := _moved_on(layout, run, one))]
    if not ready and not apart:
        return
    with copy.progress.step("derive") as step:
        reached("derive started")
        for table, bases in ready:
            built = refresh(copy.spark, layout, copy.source, table, bases)
            run.tables[table.declared.name] = record_of(layout, table.declared, built, bases)
        for declared, bases in apart:
            version = run.tables[declared.name].version
            assert version is not None, "what is kept has the version that is published"
            pruned = prune_published(copy.spark, layout, declared, version, bases)
            if pruned is not None:
                run.tables[declared.name] = record_of(layout, declared, pruned, bases)
        step.result = results.changed(one for one in run.tables.values() if one.state == TableState.BUILT)
        reached("derived")


def record_of(layout: Layout, declared: Derivation, built: Derived, bases: Sequence[Base]) -> TableRun:
    """What a run records of a derived table that it brought to this version."""
    path = layout.relative(layout.gold(declared.name))
    record = TableRun(declared.name, TableState.BUILT, path=path, version=built.version)
    record.made_from = [{"table": base.name, "version": base.version} for base in bases]
    record.rows_inserted, record.rows_updated, record.rows_deleted = built.inserted, built.updated, built.deleted
    return record


def _moved_on(layout: Layout, run: Run, declared: Derivation) -> list[Base]:
    """The tables that a kept table refers to, if the run has another version of one than the one published with it."""
    published = publications.current(layout)
    if published is None or declared.name not in run.tables:
        return []
    bases = bases_of(layout, run, dict.fromkeys(reference.to_table for reference in declared.references))
    is_as_published = all(
        base.name in published.tables and published.tables[base.name].version == base.version for base in bases
    )
    return [] if is_as_published else bases


def bases_of(layout: Layout, run: Run, names: Iterable[str]) -> list[Base]:
    """The versions of these tables that the run has; none where one is missing."""
    records = [run.tables.get(name) for name in names]
    bases = [
        Base(one.table, layout.root / one.path, one.version)
        for one in records
        if one is not None and one.path is not None and one.version is not None
    ]
    return bases if len(bases) == len(records) else []
