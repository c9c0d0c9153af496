"""`ops/publications` and `published.json`: which version of each table people read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lib.lake import records
from lib.lake.layout import Layout, replace_text

SCHEMA = pa.schema(
    {
        "publication_id": pa.string(),
        "run_id": pa.string(),
        "published_at": pa.timestamp("us", tz="UTC"),
        "table": pa.string(),
        "path": pa.string(),
        "version": pa.int64(),
        "rows": pa.int64(),
    }
)


@dataclass(frozen=True)
class PublishedTable:
    """One table of a publication: its path below the lake, the version that was checked, and the rows a reader finds there."""

    table: str
    path: str
    version: int
    rows: int


@dataclass(frozen=True)
class Publication:
    """The tables that passed together."""

    publication_id: str
    run_id: str
    published_at: datetime
    tables: dict[str, PublishedTable]


def publish(layout: Layout, publication: Publication) -> None:
    """Put the publication in force: one commit, then the file for readers without Spark."""
    head = {
        "publication_id": publication.publication_id,
        "run_id": publication.run_id,
        "published_at": publication.published_at,
    }
    records.append(layout.publications, SCHEMA, [{**head, **vars(table)} for table in publication.tables.values()])
    write_published_json(layout, publication)


def all_publications(layout: Layout) -> list[Publication]:
    """Every publication of the lake, oldest first: the order in which they came into force."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in records.read(layout.publications):
        by_id.setdefault(row["publication_id"], []).append(row)
    return sorted(map(_publication, by_id.values()), key=lambda one: (one.published_at, one.publication_id))


def in_force(layout: Layout) -> Publication | None:
    """The publication that readers see, or None where nothing was ever published."""
    known = all_publications(layout)
    return known[-1] if known else None


def heal(layout: Layout) -> None:
    """Write `published.json` again where a kill came between the commit and the file."""
    publication = in_force(layout)
    if publication is None:
        return
    text = layout.published_json.read_text("utf-8") if layout.published_json.exists() else ""
    if f'"{publication.publication_id}"' not in text:
        write_published_json(layout, publication)


def write_published_json(layout: Layout, publication: Publication) -> None:
    """Replace `published.json` as a whole."""
    tables = {
        name: {"path": table.path, "version": table.version, "rows": table.rows}
        for name, table in publication.tables.items()
    }
    content = {
        "publication_id": publication.publication_id,
        "run_id": publication.run_id,
        "published_at": publication.published_at.isoformat(),
        "tables": tables,
    }
    replace_text(layout.published_json, json.dumps(content, indent=2) + "\n")


def _publication(rows: Sequence[dict[str, Any]]) -> Publication:
    tables = {
        str(row["table"]): PublishedTable(str(row["table"]), str(row["path"]), row["version"], row["rows"])
        for row in rows
    }
    first = rows[0]
    return Publication(str(first["publication_id"]), str(first["run_id"]), first["published_at"], tables)
