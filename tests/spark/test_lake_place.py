"""A name that `lake_at` takes is one and the same folder for Spark and for delta-rs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from lib.lake import records, tables
from lib.lake.layout import lake_at
from tests.on_disk import on_disk

# Each has several of the characters that Hadoop's globs, its URIs, or the URLs of delta-rs could take for something else.
NAMES = (
    "{a,b} *", "\u00e9 'q\" ", "e\u0301", "a:b;c=d&e+f", "~x", "`x`<y>(z)!@", "-x", "n" * 255
)  # fmt: skip


@pytest.mark.thorough
def test_spark_and_delta_rs_write_and_read_one_folder_whatever_its_name(spark: SparkSession, tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.int64())])
    for name in NAMES:
        layout = lake_at(f"{tmp_path}/{name}")
        silver = layout.silver("things")
        spark.range(3).coalesce(1).write.format("delta").save(str(silver))
        spark.sql(f"DELETE FROM delta.`{str(silver).replace('`', '``')}` WHERE id = 1")
        assert tables.at_version(spark, silver, 0).count() == 3
        assert tables.newest(silver).version == 1
        records.append(layout.runs, schema, [{"id": 7}])
        assert [row["id"] for row in records.read(layout.runs)] == [7]
        assert [row["id"] for row in spark.read.format("delta").load(str(layout.runs)).collect()] == [7]
        # As README reads a published table: the path joined from the lake's and published.json's.
        opened = DeltaTable(on_disk(layout.root) / layout.relative(silver), version=1)
        seen = pa.table(QueryBuilder().register("things", opened).execute("SELECT id FROM things ORDER BY id"))
        assert seen["id"].to_pylist() == [0, 2]
        assert sorted(path.name for path in on_disk(layout.root).iterdir()) == ["ops", "silver"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
