"""`ops/failures`: the rows that failed an expectation, by key, for those who are to mend them."""

from __future__ import annotations

from pyspark.sql import DataFrame

from lib.lake.layout import Layout

SCHEMA = (
    "docs_id string, run_id string, checked_at timestamp, table string, version bigint, expectation string, "
    "severity string, key string, key_hash string, note string"
)


def add_failures(layout: Layout, rows: DataFrame) -> None:
    """Add the failures of one check, in one commit.

    Grain: one row per failing row and expectation. `key` is a JSON object of the table's key columns, `***` for a personal
    value. A row without `key` has a `note`: why rows of that expectation are not listed, or not all.
    """
    ordered = rows.orderBy("table", "expectation", "key", "key_hash")
    ordered.write.format("delta").mode("append").save(str(layout.failures))
