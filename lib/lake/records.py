"""The driver's own small Delta tables (`ops/*`), written and read by delta-rs.

A commit takes some 20 ms, works before a JVM is there and after it has died, and any engine reads the result: see
docs/adr/0003-ops-tables-by-delta-rs.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from lib.session import RETENTION

Record = Mapping[str, Any]


def make(path: Path, schema: pa.Schema) -> DeltaTable:
    """The table, made if it is not there."""
    return DeltaTable.create(str(path), schema, mode="ignore", configuration=dict(RETENTION))


def append(path: Path, schema: pa.Schema, records: Sequence[Record]) -> None:
    """Add the records in one commit; the table is made if it is not there."""
    from deltalake import write_deltalake

    write_deltalake(
        make(path, schema),
        pa.Table.from_pylist([dict(record) for record in records], schema),
        mode="append",
        schema_mode="merge",
    )


def replace(path: Path, schema: pa.Schema, records: Sequence[Record], which: str) -> None:
    """Put the records in the place of those for which the SQL condition `which` holds, in one commit."""
    from deltalake import write_deltalake

    write_deltalake(
        make(path, schema),
        pa.Table.from_pylist([dict(record) for record in records], schema),
        mode="overwrite",
        predicate=which,
        schema_mode="merge",
    )


def upsert(path: Path, schema: pa.Schema, record: Record, key: str) -> None:
    """Put the record in the place of the one with the same key, or add it, in one commit."""
    (
        make(path, schema)
        .merge(
            pa.Table.from_pylist([dict(record)], schema),
            predicate=f"held.{key} = new.{key}",
            source_alias="new",
            target_alias="held",
            merge_schema=True,
        )
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )


def read(path: Path) -> list[dict[str, Any]]:
    """All records of the table, or none if it is not there."""
    return query(path, "records", "SELECT * FROM records") if DeltaTable.is_deltatable(str(path)) else []


def query(path: Path, name: str, sql: str) -> list[dict[str, Any]]:
    """The rows of a query on one table, which it calls `name`."""
    rows: list[dict[str, Any]] = pa.table(QueryBuilder().register(name, DeltaTable(str(path))).execute(sql)).to_pylist()
    return rows
