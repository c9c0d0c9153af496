"""The rows that a table is read for: those of another table, as they have just landed or as they are published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import functions as F

from lib.config import Table
from lib.config.placeholders import placeholders_of
from lib.errors import SourceIncompleteError
from lib.lake import records, storage
from lib.lake.publications import LIVE
from lib.lake.states import ENDED, PROVED, UNPROVED, TableState
from lib.landing.parsed import Batch, Parsed
from lib.source.part import Part, PartValue


@dataclass(frozen=True)
class ParentRows:
    """The parts of a table, one for each row of another one. `level` is how complete they are known to be, and `why` no more."""

    parts: tuple[Part, ...]
    level: str | None = None
    why: str | None = None


def rows_for(batch: Batch, table: Table, parsed: Mapping[str, Parsed]) -> ParentRows:
    """The parts of a table that is read for each row of another one.

    Raises:
        SourceIncompleteError: that one is neither in the run nor published, or failed.
    """
    name, run = table.for_each or "", batch.copy.run
    record = run.tables.get(name)
    if record is None:
        message = (
            f"{table.name}: {name}, for whose rows it is read, is not in this run, and was never published; run both"
        )
        raise SourceIncompleteError(message)
    columns = [one.column for one in placeholders_of(table)]
    names = [one.name for one in placeholders_of(table)]
    if record.state == TableState.KEPT:
        found = _published(batch, record.path or "", record.version or 0, columns)
        proof, is_unreadable = _proof_of(batch, name, record.version), False
    elif name in parsed:
        found, is_unreadable = landed_values(parsed[name], columns)
        if record.is_increment:
            # What did not change since is there as well.
            found += _held(batch, name, columns)
        proof = record.proof
    else:
        message = f"{table.name}: it is read for each row of {name}, which failed"
        raise SourceIncompleteError(message)
    parts = {part.key: part for row in found for part in [Part.of(dict(zip(names, row, strict=True)))]}
    level, why = _level(name, proof, names, is_unreadable=is_unreadable)
    return ParentRows(tuple(parts[key] for key in sorted(parts)), level, why)


def landed_values(parsed: Parsed, columns: list[str]) -> tuple[list[tuple[PartValue, ...]], bool]:
    """The values of these columns in the newest row of each key, and in rejected ones; and whether one of these has none to read.

    A rejected row is there in the source, and so are the rows that belong to it.
    """
    bad = F.size("problems") > 0
    values = [F.col(f"row.{column}").alias(column) for column in columns]
    missing = reduce(or_, [F.col(column).isNull() for column in columns])
    rows = parsed.rows.where(bad | (F.col("_rank") == 1)).select(*values).distinct()
    counted = rows.withColumn("_missing", missing).collect()
    found = [tuple(part_value(row[column]) for column in columns) for row in counted if not row["_missing"]]
    return found, any(row["_missing"] for row in counted)


def _published(batch: Batch, path: str, version: int, columns: list[str]) -> list[tuple[PartValue, ...]]:
    """The values of these columns in the live rows of a published version."""
    listed = ", ".join(f'"{column}"' for column in columns)
    sql = f"SELECT DISTINCT {listed} FROM rows WHERE {LIVE}"
    found = records.query(batch.copy.lake.root / path, "rows", sql, version=version)
    return [tuple(part_value(row[column]) for column in columns) for row in found]


def _held(batch: Batch, name: str, columns: list[str]) -> list[tuple[PartValue, ...]]:
    """The values of these columns in the live rows that earlier runs have merged."""
    path = batch.layout.silver(name)
    return _published(batch, batch.layout.relative(path), storage.table(path).version(), columns)


def _proof_of(batch: Batch, table: str, version: int | None) -> str | None:
    """How complete the copy was that a run published as this version; None where no record says it."""
    known: Iterable[Any] = (run.tables.get(table) for run in reversed(batch.known))
    return next((one.proof for one in known if one is not None and one.version == version and one.proof), None)


def _level(name: str, proof: str | None, names: list[str], *, is_unreadable: bool) -> tuple[str | None, str | None]:
    if is_unreadable:
        return (
            UNPROVED,
            f"rows of {name} that were rejected have no {names[0]} that can be read, so their lists were not read",
        )
    if proof in PROVED:
        return None, None
    if proof == ENDED:
        return ENDED, f"{name}, for whose rows it is read, was read to the end that its source declares"
    return UNPROVED, f"the copy of {name}, for whose rows it is read, is not proved complete"


def part_value(value: Any) -> PartValue:
    """A value as a request has it: a time as ISO 8601 in UTC."""
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, date) else f"{value:f}"
