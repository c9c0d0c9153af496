from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.lake.merge import Clock, Merged, merge
from lib.lake.storage import Address
from lib.tables.newest import row_hash
from tests.on_disk import at, on_disk

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
Value = tuple[int, str, list[int] | None, str]


def frame(spark: SparkSession, *values: Value) -> DataFrame:
    made = spark.createDataFrame(list(values), "id bigint, name string, tags array<bigint>, at string")
    return made.withColumn("at", F.col("at").cast("timestamp")).withColumn(
        "_row_hash", row_hash(("id", "name", "tags", "at"))
    )


class Table:
    """A silver table of a test, merged a day at a time and read by delta-rs."""

    def __init__(self, spark: SparkSession, path: Address) -> None:
        self.spark, self.path = spark, path

    def merge(self, day: int, *values: Value, gone: list[int] | None = None) -> Merged:
        rows = frame(self.spark, *values)
        missing = None
        if gone:
            held = self.spark.read.format("delta").load(str(self.path))
            missing = held.where(F.col("id").isin(gone))
        clock = Clock(f"run-{day}", DAY_0 + timedelta(days=day))
        return merge(
            self.spark,
            self.path,
            rows,
            key=("id",),
            newest_by="at",
            deleted_rows=missing,
            n_deleted=len(gone or []),
            clock=clock,
        )

    @property
    def version(self) -> int:
        return DeltaTable(str(self.path)).version()

    def read(self, columns: str = "id, name, tags, _run_id, _deleted_at") -> list[dict[str, Any]]:
        held = QueryBuilder().register("t", DeltaTable(str(self.path)))
        return pa.table(held.execute(f"SELECT {columns} FROM t ORDER BY id")).to_pylist()


@pytest.fixture
def table(spark: SparkSession, tmp_path: Address) -> Table:
    return Table(spark, at(tmp_path / "silver" / "t"))


def test_the_first_merge_makes_the_table(table: Table) -> None:
    done = table.merge(0, (1, "a", [1], "2026-01-01"), (2, "b", None, "2026-01-01"))
    assert done == Merged(0, inserted=2, updated=0, deleted=0)
    assert table.read() == [
        {"id": 1, "name": "a", "tags": [1], "_run_id": "run-0", "_deleted_at": None},
        {"id": 2, "name": "b", "tags": None, "_run_id": "run-0", "_deleted_at": None},
    ]


def test_a_merge_of_the_same_rows_writes_nothing(table: Table) -> None:
    rows: list[Value] = [(1, "a", [1], "2026-01-01"), (2, "b", None, "2026-01-01")]
    table.merge(0, *rows)
    files = sorted(on_disk(table.path).rglob("*.parquet"))
    assert table.merge(1, *rows) == Merged(0, 0, 0, 0)
    assert table.version == 0
    assert sorted(on_disk(table.path).rglob("*.parquet")) == files


def test_as_many_rows_are_not_taken_for_the_same_ones(table: Table) -> None:
    table.merge(0, (1, "a", None, "2026-01-01"), (2, "b", None, "2026-01-01"))
    # The content changes places; then a key does.
    assert table.merge(1, (1, "b", None, "2026-01-01"), (2, "a", None, "2026-01-01")) == Merged(1, 0, 2, 0)
    assert table.merge(2, (1, "b", None, "2026-01-01"), (3, "a", None, "2026-01-01")) == Merged(2, 1, 0, 0)


def test_new_rows_are_inserted_and_only_changed_ones_updated(table: Table) -> None:
    table.merge(0, (1, "a", [1, 2], "2026-01-01"), (2, "b", None, "2026-01-01"))
    done = table.merge(1, (1, "a", [1], "2026-01-01"), (2, "b", None, "2026-01-01"), (3, "c", None, "2026-01-02"))
    assert done == Merged(1, inserted=1, updated=1, deleted=0)
    assert [(row["id"], row["tags"], row["_run_id"]) for row in table.read()] == [
        (1, [1], "run-1"),
        (2, None, "run-0"),
        (3, None, "run-1"),
    ]


def test_an_older_row_never_replaces_a_newer_one(table: Table) -> None:
    table.merge(0, (1, "new", None, "2026-01-05"))
    assert table.merge(1, (1, "late", None, "2026-01-04")) == Merged(0, 0, 0, 0)
    assert [row["name"] for row in table.read()] == ["new"]


def test_a_deleted_row_is_marked_and_comes_back(table: Table) -> None:
    both: list[Value] = [(1, "a", None, "2026-01-01"), (2, "b", None, "2026-01-01")]
    table.merge(0, *both)
    assert table.merge(1, both[0], gone=[2]) == Merged(1, inserted=0, updated=0, deleted=1)
    held = table.read("id, name, _deleted_at, _changed_at, _first_seen_at")
    day_1 = DAY_0 + timedelta(days=1)
    assert [(row["name"], row["_deleted_at"], row["_changed_at"]) for row in held] == [
        ("a", None, DAY_0),
        ("b", day_1, day_1),
    ]
    assert table.merge(2, *both) == Merged(2, inserted=0, updated=1, deleted=0)
    assert [(row["_deleted_at"], row["_first_seen_at"]) for row in table.read("id, _deleted_at, _first_seen_at")] == [
        (None, DAY_0),
        (None, DAY_0),
    ]
