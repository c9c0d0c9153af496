"""What is deleted of the landed pages: a run's own, of the tables that are named, by the engine that wrote them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from lib.landing.bronze import forget, has_landed
from tests.on_disk import at


def test_a_run_forgets_what_it_landed_of_some_tables_and_nothing_else(spark: SparkSession, tmp_path: Path) -> None:
    pages = [("r1", "users (keys)", 1), ("r1", "it's (keys)", 1), ("r1", "users", 1), ("r2", "users (keys)", 1)]
    folder = tmp_path / "pages"
    frame = spark.createDataFrame(pages, "run_id string, table string, page int")
    frame.write.format("delta").partitionBy("run_id", "table").save(str(folder))
    names = ["users (keys)", "it's (keys)"]
    assert has_landed(at(folder), "r1", names)
    forget(spark, at(folder), "r1", names)
    assert not has_landed(at(folder), "r1", names)
    left = pa.table(QueryBuilder().register("t", DeltaTable(folder)).execute("SELECT * FROM t")).to_pylist()
    assert sorted((row["run_id"], row["table"]) for row in left) == [("r1", "users"), ("r2", "users (keys)")]
