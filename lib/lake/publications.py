"""`ops/publications` and `published.json`: which version of each table people read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from lib.lake import records, storage
from lib.lake.layout import Layout

SCHEMA = pa.schema(
    {
        "publication_id": pa.string(),
        "run_id": pa.string(),
        "published_at": pa.timestamp("us", tz="UTC"),
        "table": pa.string(),
        "path": pa.string(),
        "version": pa.int64(),
        "rows": pa.int64(),
        "replaces": pa.string(),
        "restores": pa.string(),
        "accepted": pa.list_(pa.struct({"expectation": pa.string(), "reason": pa.string(), "by": pa.string()})),
        "number": pa.int64(),
        "live_rows": pa.int64(),
    }
)

LIVE = "_deleted_at IS NULL"


@dataclass(frozen=True)
class PublishedTable:
    """One table of a publication: its path below the lake, and the version that was checked.

    `rows` are all rows of the version, `live_rows` those of them that are not deleted: None where an earlier version of Pagelake
    published it.
    """

    table: str
    path: str
    version: int
    rows: int
    live_rows: int | None = None

    @property
    def shown_rows(self) -> int:
        """What people are told: the live rows; where they are not known, all rows."""
        return self.rows if self.live_rows is None else self.live_rows

    @property
    def live(self) -> str:
        """The SQL condition of its live rows. A table of the source keeps rows that are deleted there; a derived one has none."""
        return LIVE if self.path.startswith("silver/") else "true"


@dataclass(frozen=True)
class Accepted:
    """A critical expectation that failed, and was published all the same: why, and who said so."""

    expectation: str
    reason: str
    by: str


@dataclass(frozen=True)
class Publication:
    """The tables that passed together.

    `replaces` is the previous publication, None for the first one. `restores` is the publication whose tables a rollback made
    current again, None for any other. Both are ids. `number` is its position in their order, given when it is published: the
    current one has the greatest, whatever the times say. One that is not a rollback is made by `lib.lake.complete` alone.
    """

    publication_id: str
    run_id: str
    published_at: datetime
    tables: dict[str, PublishedTable]
    replaces: str | None = None
    restores: str | None = None
    accepted: tuple[Accepted, ...] = ()
    number: int = field(default=0, compare=False)

    @property
    def checked_as(self) -> str:
        """The publication that came from a check, whose docs say what was checked: itself, or the one that it restores."""
        return self.restores or self.publication_id


def publish(layout: Layout, publication: Publication) -> Publication:
    """Make this the current publication: one commit, then the file for readers without Spark.

    Only under the lake's lock.
    """
    before = current(layout)
    number = records.last_number(layout.publications) + 1
    publication = replace(publication, replaces=before.publication_id if before else None, number=number)
    head = {name: value for name, value in vars(publication).items() if name not in ("tables", "accepted")}
    head["accepted"] = [vars(one) for one in publication.accepted] or None
    records.append(layout.publications, SCHEMA, [{**head, **vars(table)} for table in publication.tables.values()])
    write_published_json(layout, publication)
    return publication


def all_publications(layout: Layout) -> list[Publication]:
    """Every publication of the lake, in the order in which they became current."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in records.read(layout.publications):
        by_id.setdefault(row["publication_id"], []).append(row)
    return sorted(map(_publication, by_id.values()), key=lambda one: (one.number, one.published_at, one.publication_id))


def current(layout: Layout) -> Publication | None:
    """The publication that readers see, or None where nothing was ever published."""
    known = all_publications(layout)
    return known[-1] if known else None


def restorations(layout: Layout) -> dict[str, str]:
    """Of each rollback, the publication that it restored."""
    if not storage.is_table(layout.publications):
        return {}
    sql = "SELECT DISTINCT publication_id, restores FROM publications WHERE restores IS NOT NULL"
    return {row["publication_id"]: row["restores"] for row in records.query(layout.publications, "publications", sql)}


def heal(layout: Layout) -> bool:
    """Write `published.json` again where a kill came between the commit and the file; whether that was so."""
    publication = current(layout)
    if publication is None or _told(layout) == publication.publication_id:
        return False
    write_published_json(layout, publication)
    return True


def _told(layout: Layout) -> str | None:
    """The publication that `published.json` names."""
    if not storage.is_file(layout.published_json):
        return None
    try:
        return str(json.loads(storage.read_text(layout.published_json))["publication_id"])
    except (ValueError, KeyError, TypeError):
        return None


def write_published_json(layout: Layout, publication: Publication) -> None:
    """Replace `published.json` as a whole."""
    storage.replace_text(layout.published_json, json.dumps(for_readers(publication), indent=2) + "\n")


def for_readers(publication: Publication) -> dict[str, Any]:
    """What `published.json` says of a publication."""
    tables = {
        name: {
            "path": table.path,
            "version": table.version,
            "rows": table.rows,
            "live_rows": table.live_rows,
            "live": table.live,
        }
        for name, table in publication.tables.items()
    }
    content: dict[str, Any] = {
        "publication_id": publication.publication_id,
        "run_id": publication.run_id,
        "published_at": publication.published_at.isoformat(),
        "tables": tables,
    }
    if publication.restores:
        content["restores"] = publication.restores
    if publication.accepted:
        content["accepted"] = [vars(one) for one in publication.accepted]
    return content


def _publication(rows: Sequence[dict[str, Any]]) -> Publication:
    tables = {
        str(row["table"]): PublishedTable(
            str(row["table"]), str(row["path"]), row["version"], row["rows"], row.get("live_rows")
        )
        for row in rows
    }
    first = rows[0]
    return Publication(
        str(first["publication_id"]),
        str(first["run_id"]),
        first["published_at"],
        tables,
        replaces=first["replaces"],
        restores=first["restores"],
        accepted=tuple(Accepted(**one) for one in first["accepted"] or ()),
        number=first["number"],
    )
