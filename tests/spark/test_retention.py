"""A published version stays readable for years, vacuumed or not. The years pass by moving all the times that Delta looks at."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError
from pyspark.errors import IllegalArgumentException, PySparkException
from pyspark.sql import SparkSession

from lib.errors import LakeError
from lib.lake.layout import lake_at
from lib.lake.merge import Clock, merge
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import Lake
from lib.lake.rollback import restored
from lib.session import RETENTION
from lib.tables.newest import row_hash
from tests.on_disk import on_disk

NINE_YEARS = timedelta(days=9 * 365)
# Delta's own default.
SHORT = "interval 7 days"
BEYOND_RETENTION = "DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION"


class Kept:
    """A lake whose table `tracks` was published, and has changed since."""

    def __init__(self, spark: SparkSession, folder: Path, retention: str | None = None) -> None:
        self.spark, self.layout = spark, lake_at(f"{folder}/lake")
        self.path = self.layout.silver("tracks")
        now = datetime.now(UTC)
        self._run("first", now, [(1, "a"), (2, "b"), (3, "c")])
        if retention:
            spark.sql(
                f"ALTER TABLE delta.`{self.path}` SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = '{retention}')"
            )
        self.version = self._run("second", now, [(1, "a"), (2, "changed"), (3, "c")])
        self._publish("second", now)
        self._run("third", now, [(1, "x"), (2, "y"), (3, "z"), (4, "new")])
        # A whole table written again: no file of the published version is in use any more.
        self._silver().localCheckpoint().write.format("delta").mode("overwrite").save(str(self.path))
        self._publish("third", now + timedelta(seconds=1))

    def _silver(self) -> Any:
        return self.spark.read.format("delta").load(str(self.path))

    def _run(self, run_id: str, at: datetime, values: list[tuple[int, str]]) -> int:
        rows = self.spark.createDataFrame(values, "id bigint, name string").withColumn(
            "_row_hash", row_hash(("id", "name"))
        )
        clock = Clock(run_id, at)
        return merge(
            self.spark, self.path, rows, key=("id",), newest_by=None, deleted_rows=None, n_deleted=0, clock=clock
        ).version

    def _publish(self, run_id: str, at: datetime) -> None:
        version, rows = DeltaTable(str(self.path)).version(), self._silver().count()
        table = PublishedTable("tracks", "silver/tracks", version, rows)
        publish(self.layout, Publication(run_id, run_id, at, {"tracks": table}))

    def files(self) -> set[str]:
        """Of rows and of deletion vectors."""
        return {path.name for kind in ("*.parquet", "*.bin") for path in on_disk(self.path).glob(kind)}

    def let_pass(self, time: timedelta) -> None:
        """Move every time in the table's log, and that of every file, back."""
        milliseconds = int(time.total_seconds() * 1000)
        for path in (on_disk(self.path) / "_delta_log").glob("*.json"):
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            path.write_text("".join(json.dumps(_moved(line, milliseconds)) + "\n" for line in lines), "utf-8")
        for path in on_disk(self.path).rglob("*"):
            if path.suffix == ".crc":  # of the logs as they were
                path.unlink()
            elif path.is_file():
                then = path.stat().st_mtime - time.total_seconds()
                os.utime(path, (then, then))
        self.spark.catalog.clearCache()
        self.spark.sparkContext._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()

    def vacuum(self, retain: str = "") -> None:
        self.spark.sql(f"VACUUM delta.`{self.path}` {retain}").collect()

    def by_spark(self) -> list[tuple[Any, ...]]:
        rows = self.spark.read.format("delta").option("versionAsOf", self.version).load(str(self.path))
        return [tuple(row) for row in rows.select("id", "name").orderBy("id").collect()]

    def by_delta_rs(self) -> list[tuple[Any, ...]]:
        query = QueryBuilder().register("t", DeltaTable(str(self.path), version=self.version))
        rows = pa.table(query.execute("SELECT id, name FROM t ORDER BY id")).to_pylist()
        return [tuple(row.values()) for row in rows]


def _moved(action: Any, milliseconds: int) -> Any:
    """An action of the log with all its times that many milliseconds earlier."""
    times = ("timestamp", "inCommitTimestamp", "modificationTime", "deletionTimestamp", "createdTime")
    if isinstance(action, dict):
        return {
            name: value - milliseconds if name in times and isinstance(value, int) else _moved(value, milliseconds)
            for name, value in action.items()
        }
    return action


PUBLISHED = [(1, "a"), (2, "changed"), (3, "c")]


def test_a_published_version_is_read_years_later_whatever_was_vacuumed(spark: SparkSession, tmp_path: Path) -> None:
    kept = Kept(spark, tmp_path)
    for path in (kept.path, kept.layout.publications):
        settings = DeltaTable(str(path)).metadata().configuration
        assert {name: settings[name] for name in RETENTION} == RETENTION
    assert kept.by_spark() == kept.by_delta_rs() == PUBLISHED
    kept.let_pass(NINE_YEARS)
    held = kept.files()
    kept.vacuum()
    assert kept.files() == held
    # Delta goes by the table's retention, whatever the command says. It refuses the one argument that it would go by.
    kept.vacuum("RETAIN 168 HOURS")
    assert kept.files() == held
    with pytest.raises(IllegalArgumentException, match="retention"):
        kept.vacuum("RETAIN 0 HOURS")
    assert kept.files() == held
    assert kept.by_spark() == kept.by_delta_rs() == PUBLISHED
    # And it can be made current again.
    assert restored(kept.layout, datetime.now(UTC)).tables["tracks"].version == kept.version
    assert Lake(kept.layout, spark).published("tracks").count() == 4


@pytest.mark.thorough
def test_with_a_short_retention_the_version_is_lost_which_is_why_tables_have_a_long_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    kept = Kept(spark, tmp_path, SHORT)
    kept.let_pass(NINE_YEARS)
    # Nothing is vacuumed yet, and Spark reads it no more.
    with pytest.raises(PySparkException, match=BEYOND_RETENTION):
        kept.by_spark()
    assert kept.by_delta_rs() == PUBLISHED
    kept.vacuum()
    with pytest.raises((pa.ArrowException, DeltaError)):
        kept.by_delta_rs()
    with pytest.raises(LakeError, match=rf"tracks: version {kept.version} of .* cannot be read any more"):
        restored(kept.layout, datetime.now(UTC))
    # Nor what is current: VACUUM has made a newer version, so this one is of the past too.
    with pytest.raises(PySparkException, match=BEYOND_RETENTION):
        Lake(kept.layout, spark).published("tracks").count()
