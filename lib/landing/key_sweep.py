"""The sweep of a table that is copied in increments: its whole list once more, walked for the keys of its rows alone.

It lands beside the table, under a name of its own, and is proved as any copy is. A live row of the lake whose key neither it nor
the increment before it has is deleted at the source. What the source got between the two walks, the next increment finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Source, Table
from lib.failpoints import reached
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.runs import Run, TableRun
from lib.lake.states import PROVED, UNPROVED
from lib.landing.bronze import forget, has_landed, landed_pages
from lib.landing.land import land_complete
from lib.landing.landing import Landing
from lib.landing.parsed import Batch, Parsed
from lib.landing.plan import make_plan
from lib.source.access import Access
from lib.source.row_key import keys_of
from lib.tables.parse import parse

_NO_KEY = "a row has no readable key"


@dataclass
class _Aside(Run):
    """What a sweep knows of its walks while it is at work. No record is kept of it."""

    def save(self, layout: Layout) -> None:
        """Nothing: a sweep that was killed begins anew."""


def sweep_tables(landing: Landing, batch: Batch, parsed: Mapping[str, Parsed], access: Access) -> None:
    """Walk the tables whose sweep is due, now that their increments are here. One that is not proved deletes nothing.

    `access` asks for all rows.
    """
    run, due = landing.copy.run, list[Table]()
    for table in landing.copy.source.tables:
        record = run.tables.get(table.name)
        if record is not None and record.sweep is not None and record.error is None and table.name in parsed:
            if parsed[table.name].n_unreadable:
                _give_up(landing, record, _NO_KEY)
            else:
                due.append(table)
    if not due:
        return
    landing.copy.progress.note(f"sweeping the keys of all rows: {', '.join(table.name for table in due)}")
    aside = _aside(landing, due, access)
    _forget(landing, due)
    plan = make_plan(aside.access, run.run_id, [(keys_of(table.name), table.path) for table in due], landing.budget)
    for name, reason in plan.failed.items():
        aside.copy.run.fail(name, reason)
    found = land_complete(aside, plan, replace(batch, copy=aside.copy, plan=aside.plan_of))
    for table in due:
        record, walk = run.tables[table.name], aside.copy.run.tables[keys_of(table.name)]
        why = _why_not(walk, found.get(walk.table))
        if why is None:
            record.sweep, record.rows_swept = walk.proof, walk.rows_landed
        else:
            _give_up(landing, record, why)
    for one in found.values():
        one.rows.unpersist()
    reached("keys swept")


def _aside(landing: Landing, due: Sequence[Table], access: Access) -> Landing:
    """The landing of these walks, under the same budget."""
    source, run = landing.copy.source, landing.copy.run
    walks = tuple(key_table(source, table) for table in due)
    own = _Aside(run.run_id, run.source, run.started_at, run.settings_hash, run.settings, number=run.number)
    own.tables = {walk.name: TableRun(walk.name) for walk in walks}
    for table in due:
        access = access.walking_keys(table.name, tuple((name, table.column(name).steps) for name in table.key))
    copy = replace(landing.copy, source=source.model_copy(update={"tables": walks}), run=own)
    return Landing(copy, access, landing.budget, landing.gate, accept_incomplete=False)


def key_table(source: Source, table: Table) -> Table:
    """A table of the keys of another one, as they land: its pages are lists of rows that have nothing else."""
    columns = [table.column(name) for name in table.key]
    return table.model_copy(
        update={
            "name": keys_of(table.name),
            "columns": tuple(column.model_copy(update={"renamed_from": None, "path": None}) for column in columns),
            "pagination": source.pagination_of(table).model_copy(update={"items": "$"}),
            "incremental": None,
            "newest_by": None,
            "on_new_column": "ignore",
            "on_missing_column": "null",
        }
    )


def _forget(landing: Landing, due: Sequence[Table]) -> None:
    """Let nothing count that an earlier start of the run walked: since then rows may have gone."""
    names, run_id = [keys_of(table.name) for table in due], landing.copy.run.run_id
    for at in (landing.copy.lake.pages, landing.copy.lake.sweeps):
        if storage.is_table(at) and has_landed(at, run_id, names):
            forget(landing.copy.spark, at, run_id, names)


def _why_not(walk: TableRun, parsed: Parsed | None) -> str | None:
    """Why no row may be deleted by a walk; None where one may be."""
    if walk.error is not None or parsed is None:
        return (walk.error or "it was not read").removeprefix(f"{walk.table}: ")
    if walk.proof not in PROVED:
        return (
            walk.unproved_because
            or f"it is only known as {walk.proof}, which does not show that a row is there no more"
        )
    return _NO_KEY if parsed.n_unreadable else None


def _give_up(landing: Landing, record: TableRun, why: str) -> None:
    record.sweep = UNPROVED
    landing.copy.progress.note(f"{record.table}: the sweep of its keys is not proved, so it deletes no row: {why}")


def swept_keys(batch: Batch, table: Table) -> DataFrame | None:
    """The keys that the sweep of the run met, at any of its readings; None where not all of them can be read.

    Grain: one for each row of a page that was read.
    """
    record = batch.copy.run.tables[table.name]
    pages = landed_pages(batch.copy.spark, batch.copy.lake.pages, batch.clock.run_id, reread=False)
    own = pages.where((F.col("table") == keys_of(table.name)) & F.col("error").isNull())
    rows = own.transform(parse(key_table(batch.copy.source, table), "$"))
    keys = rows.select(*(F.col(f"row.{name}").alias(name) for name in table.key))
    counts = keys.dropna().count(), keys.count()
    if counts[0] == counts[1] and counts[0] >= (record.rows_swept or 0):
        return keys
    batch.copy.progress.note(f"{table.name}: not all keys of its sweep can be read any more, so it deletes no row")
    return None
