"""What a publication holds, table by table, from the records and Delta's log alone: no row is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from lib.config import DERIVATIONS, recorded_derivations
from lib.lake import runs, tables
from lib.lake.layout import Layout
from lib.lake.personal import personal_columns
from lib.lake.publications import Publication


@dataclass(frozen=True)
class Entry:
    """One published table. `rows` of the version, deleted ones included; `n_bytes` of its files.

    `newest_at` is the newest time in the rows that the last run took, by
    the column that the source orders them by; None where it has none. `checked_at` is the start of the run that was published.
    `masked` are the columns whose values are not shown unless they are asked for by name.
    """

    table: str
    key: tuple[str, ...]
    rows: int
    files: int
    n_bytes: int
    version: int
    newest_at: datetime | None
    checked_at: datetime | None
    masked: tuple[str, ...]


def inventory(layout: Layout, publication: Publication) -> list[Entry]:
    """The tables of a publication, in the order in which its run names them."""
    keys = {name: one.key for name, one in DERIVATIONS.items()}
    newest: dict[str, datetime] = {}
    started: datetime | None = None
    for run in runs.all_runs(layout):
        settings = json.loads(run.settings)
        keys |= {name: one.key for name, one in recorded_derivations(settings).items()}
        keys |= {one["name"]: tuple(one["key"]) for one in settings["tables"]}
        newest |= {name: one.newest_at for name, one in run.tables.items() if one.newest_at and one.error is None}
        if run.run_id == publication.run_id:
            started = run.started_at
            break
    personal = personal_columns(layout)
    entries = []
    for name, published in publication.tables.items():
        path = layout.root / published.path
        files = tables.files_at(path, published.version)
        columns = tables.column_names(path, published.version)
        entries.append(
            Entry(
                table=name,
                key=keys.get(name, ()),
                rows=published.rows,
                files=files.number,
                n_bytes=files.n_bytes,
                version=published.version,
                newest_at=newest.get(name),
                checked_at=started,
                masked=personal.among(name, columns),
            )
        )
    return entries
