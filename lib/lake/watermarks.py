"""`ops/watermarks`: up to which value of its incremental column a table has been copied, by version of the table.

A watermark counts where the version that holds its rows, or a later one, is published. So what failed its checks or was rolled
back is asked for again, without anything being undone here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from lib.lake import records
from lib.lake.layout import Layout
from lib.lake.publications import Publication

ALL = "all"
# An increment with which the keys of all rows were walked.
SWEEP = "sweep"
SCHEMA = pa.schema(
    {
        "number": pa.int64(),
        "run_id": pa.string(),
        "table": pa.string(),
        "part": pa.string(),
        "path": pa.string(),
        "version": pa.int64(),
        "watermark": pa.string(),
        "asks": pa.string(),
        "asked": pa.string(),
        "at": pa.timestamp("us", tz="UTC"),
        "source_at": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass(frozen=True)
class Watermark:
    """How far a run has copied a table, or a part of it: its rows are in this version. `number` is its place in their order.

    `asks` is a hash of the settings that say what is asked for, and for which columns. `asked` is what the run asked for: `all`,
    `increment`, `sweep` (an increment, and all keys) or `backfill`. `at` is the start of the run, and `source_at` the source's own
    time then, None where it does not tell. `part` is None for the whole table.
    """

    run_id: str
    table: str
    part: str | None
    path: str
    version: int
    watermark: str
    asks: str
    asked: str
    at: datetime
    source_at: datetime | None = None
    number: int = field(default=0, compare=False)

    def counts_in(self, publication: Publication | None) -> bool:
        """Whether its rows are published."""
        there = publication.tables.get(self.table) if publication is not None else None
        return there is not None and there.path == self.path and there.version >= self.version


def all_watermarks(layout: Layout) -> list[Watermark]:
    """Every watermark of the lake, in the order in which they were recorded."""
    return sorted((_watermark(row) for row in records.read(layout.watermarks)), key=lambda one: one.number)


def held(known: Sequence[Watermark], publication: Publication | None) -> dict[tuple[str, str | None], Watermark]:
    """The last watermark of each table and part that is published."""
    return {(one.table, one.part): one for one in known if one.counts_in(publication)}


def last_full(known: Sequence[Watermark], publication: Publication | None) -> dict[str, Watermark]:
    """The watermark of the last run that copied all rows of a table, of those that are published."""
    return {one.table: one for one in known if one.asked == ALL and one.counts_in(publication)}


def last_swept(known: Sequence[Watermark], publication: Publication | None) -> dict[str, Watermark]:
    """The watermark of the last run that found the deleted rows of a table, of those that are published: it met all keys."""
    return {one.table: one for one in known if one.asked in (ALL, SWEEP) and one.counts_in(publication)}


def add(layout: Layout, new: Sequence[Watermark]) -> None:
    """Record watermarks, in one commit. Only under the lake's lock."""
    if new:
        number = records.last_number(layout.watermarks) + 1
        numbered = [replace(one, number=number + place) for place, one in enumerate(new)]
        records.append(layout.watermarks, SCHEMA, [vars(one) for one in numbered])


def _watermark(row: dict[str, Any]) -> Watermark:
    return Watermark(**{name: row[name] for name in SCHEMA.names})
