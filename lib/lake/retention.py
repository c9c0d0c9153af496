"""Which versions of the lake's tables must stay readable. Maintenance asks here; nothing else counts on an old version."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from lib.config import DERIVATIONS
from lib.lake import derived, publications, runs, storage, tables
from lib.lake.derived import Base
from lib.lake.layout import Layout
from lib.lake.rollback import target
from lib.lake.states import RunState


@dataclass
class Needed:
    """Of one table: the versions that must stay readable, and the version from which on its change feed must be (None: no feed)."""

    versions: set[int] = field(default_factory=set)
    feed_from: int | None = None


def needed(layout: Layout, since: datetime) -> dict[str, Needed]:
    """What must stay readable of each table, by its path below the lake.

    - The newest version: runs merge into it. A replay reads `bronze/pages` as it is now, so nothing older is needed for one.
    - Every version that was published at `since` or later, the current publication's, and that which a rollback would restore.
    - What the last run merged, if it was not published: `sanity-check` and `--resume` go on from there.
    - What a derived table was made from, and from there on the change feed that it follows.
    """
    found: dict[str, Needed] = defaultdict(Needed)
    known = publications.all_publications(layout)
    previous = target(known)
    for one in known:
        if one.published_at >= since or one in (known[-1], previous):
            for table in one.tables.values():
                found[table.path].versions.add(table.version)
    for last in runs.last_runs(layout, 1):
        if last.state != RunState.PUBLISHED:
            for record in last.tables.values():
                if record.path is not None and record.version is not None:
                    found[record.path].versions.add(record.version)
    # What another job makes follows no feed, and is published with what it was made from.
    for name, declared in DERIVATIONS.items():
        path, bases = layout.gold(name), [layout.silver(base) for base in declared.bases]
        if tables.exists(path) and all(map(tables.exists, bases)):
            made = derived.made_from(path, [Base(base.name, base, 0) for base in bases]) or {}
            for base in bases:
                if base.name in made:
                    entry = found[layout.relative(base)]
                    entry.versions.add(made[base.name])
                    entry.feed_from = min(made[base.name] + 1, entry.feed_from or made[base.name] + 1)
    kept = (layout.silver(name) for name in sorted(storage.names(layout.root / "silver")))
    for path in (*kept, *(layout.gold(name) for name in sorted(storage.names(layout.root / "gold")))):
        if tables.exists(path):
            found[layout.relative(path)].versions.add(tables.newest(path).version)
    return dict(found)
