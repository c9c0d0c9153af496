"""`ops/failures`: the rows that failed an expectation, by key, for those who are to fix them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa
from pyspark.sql import DataFrame

from lib.lake import records
from lib.lake.layout import Layout

SCHEMA = pa.schema(
    {
        "docs_id": pa.string(),
        "run_id": pa.string(),
        "checked_at": pa.timestamp("us", tz="UTC"),
        "table": pa.string(),
        "version": pa.int64(),
        "expectation": pa.string(),
        "severity": pa.string(),
        "key": pa.string(),
        "key_hash": pa.string(),
        "note": pa.string(),
        "pointer": pa.string(),
        "rule": pa.string(),
    }
)
ORDER = ("table", "expectation", "key", "pointer", "key_hash")
# So many rows the driver writes by itself, in a hundredth of the time that a Spark job takes.
FEW = 10_000


def add_few(layout: Layout, rows: Sequence[records.Record]) -> None:
    """Add the failures of one check, of at most `FEW` rows, in one commit.

    Grain: one row per failing row and expectation. `key` is a JSON object of the table's key columns, `***` for a personal
    value; `pointer` is the value of a reference that meets no row, null for other expectations.
    `rule` is what must hold, in words. A row
    without `key` has a `note`: why rows of that expectation are not listed, or not all.
    """
    ordered = sorted(rows, key=lambda row: tuple(row[name] or "" for name in ORDER))
    records.append(layout.failures, SCHEMA, ordered)


def add_many(layout: Layout, rows: DataFrame) -> None:
    """Add the failures of one check, of any number, in one commit. Grain as in `add_few`.

    They go through the driver, `FEW` of them at a time: a table that two engines write is not safe in an object store.
    """
    ordered = rows.select(*SCHEMA.names).orderBy(*ORDER)
    records.append_batches(layout.failures, SCHEMA, lambda: _batches(ordered))


def _batches(rows: DataFrame) -> Iterator[pa.RecordBatch]:
    found = rows.toLocalIterator()
    while some := [row.asDict() for row in islice(found, FEW)]:
        yield pa.RecordBatch.from_pylist(some, SCHEMA)
