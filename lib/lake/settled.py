"""Whether a lake is as its current publication is, so that a run which finds nothing new has nothing to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from lib.config import Source, derivations_of
from lib.lake import publications, runs, storage
from lib.lake.layout import Layout
from lib.lake.publications import PublishedTable
from lib.lake.runs import Run


def is_settled(source: Source, layout: Layout, run: Run) -> bool:
    """Whether checking the lake anew could tell nothing new, as far as that is known without Spark.

    The run before this one was published, under the same settings; each table is as it is published; and no newest row has become
    older than `max_age` allows.
    """
    published = publications.current(layout)
    before = [known for known in runs.last_runs(layout, 2) if known.run_id != run.run_id]
    if published is None or not before or before[-1].state != runs.PUBLISHED:
        return False
    if before[-1].ended_at is None or before[-1].settings_hash != run.settings_hash:
        return False
    needed = [table.name for table in source.tables]
    needed += [name for name, derived in derivations_of(source).items() if not derived.apart]
    if any(name not in published.tables for name in needed):
        return False
    if any(not _is_newest(layout, published.tables[name]) for name in needed):
        return False
    return all(
        table.oldest is None
        or _newest(layout, published.tables[table.name], str(table.newest_by)) >= run.started_at - table.oldest
        for table in source.tables
    )


def _is_newest(layout: Layout, entry: PublishedTable) -> bool:
    return storage.table(layout.root / entry.path).version() == entry.version


def _newest(layout: Layout, entry: PublishedTable, newest_by: str) -> datetime:
    """The time of the newest live row in UTC, of a date its end; after all times where there is none, as for `max_age`."""
    held = storage.table(layout.root / entry.path, entry.version)
    sql = f'SELECT max("{newest_by}") AS newest FROM held WHERE {entry.live}'
    [found] = pa.table(storage.asking("held", held).execute(sql)).to_pylist()
    newest: datetime | date | None = found["newest"]
    if newest is None:
        return datetime.max.replace(tzinfo=UTC)
    if isinstance(newest, datetime):
        return newest if newest.tzinfo else newest.replace(tzinfo=UTC)
    return datetime(newest.year, newest.month, newest.day, tzinfo=UTC) + timedelta(days=1)
