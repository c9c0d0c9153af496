"""Rows into a table of the lake: new ones inserted, changed ones updated, vanished ones marked; nothing else written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.lake import tables


@dataclass(frozen=True)
class Clock:
    """Which run writes, and its time: that of its start, the same for all of its rows."""

    run_id: str
    at: datetime


@dataclass(frozen=True)
class Merged:
    """The version that holds the merged rows, and what the merge did. All zeros where nothing had changed."""

    version: int
    inserted: int
    updated: int
    vanished: int


def live(spark: SparkSession, path: Path) -> DataFrame | None:
    """The rows of a silver table that have not vanished, or None where there is no table yet."""
    if not tables.exists(path):
        return None
    return spark.read.format("delta").load(str(path)).where(F.col("_deleted_at").isNull())


def merge(
    spark: SparkSession,
    path: Path,
    rows: DataFrame,
    *,
    key: tuple[str, ...],
    newest_by: str | None,
    gone: DataFrame | None,
    n_gone: int,
    clock: Clock,
) -> Merged:
    """Merge `rows` (one per key, with `_row_hash`) and mark the `n_gone` keys of `gone` as vanished.

    The table's columns are those of `rows` and `_run_id`, `_first_seen_at`, `_changed_at`, `_deleted_at`. An older row never
    replaces a newer one.
    """
    at, run_id = F.lit(clock.at).cast("timestamp"), F.lit(clock.run_id)
    if not tables.exists(path):
        first = rows.withColumns(
            {"_run_id": run_id, "_first_seen_at": at, "_changed_at": at, "_deleted_at": F.lit(None).cast("timestamp")}
        )
        first.write.format("delta").option("userMetadata", clock.run_id).save(str(path))
        made = _commit_of(path, clock)
        return Merged(made.version, int(made.metrics.get("numOutputRows", 0)), 0, 0)
    source = rows.withColumn("_gone", F.lit(False))
    if gone is not None and n_gone:
        source = source.unionByName(gone.select(*rows.columns).withColumn("_gone", F.lit(True)))
    before = tables.latest(path)
    content = {name: F.col(f"new.`{name}`") for name in rows.columns}
    stamps = {"_run_id": run_id, "_changed_at": at}
    (
        DeltaTable.forPath(spark, str(path))
        .alias("held")
        .merge(source.alias("new"), _same_key(key))
        .whenMatchedUpdate(F.col("new._gone"), {**stamps, "_deleted_at": at})
        .whenMatchedUpdate(_is_change(newest_by), {**content, **stamps, "_deleted_at": F.lit(None)})
        .whenNotMatchedInsert(
            ~F.col("new._gone"), {**content, **stamps, "_first_seen_at": at, "_deleted_at": F.lit(None)}
        )
        .execute()
    )
    done = _commit_of(path, clock)
    if before is not None and done.version == before.version:
        return Merged(done.version, 0, 0, 0)
    updated = int(done.metrics.get("numTargetRowsUpdated", 0)) - n_gone
    return Merged(done.version, int(done.metrics.get("numTargetRowsInserted", 0)), updated, n_gone)


def _same_key(key: tuple[str, ...]) -> Column:
    same = F.lit(True)
    for name in key:
        same = same & (F.col(f"held.`{name}`") == F.col(f"new.`{name}`"))
    return same


def _is_change(newest_by: str | None) -> Column:
    """The content differs and is not older; or the row had vanished and is back, whatever its age."""
    differs = F.col("held._row_hash") != F.col("new._row_hash")
    if newest_by is not None:
        differs = differs & F.coalesce(F.col(f"new.`{newest_by}`") >= F.col(f"held.`{newest_by}`"), F.lit(True))
    return differs | F.col("held._deleted_at").isNotNull()


def _commit_of(path: Path, clock: Clock) -> tables.Commit:
    """The table's newest commit. Another writer's would be another run's: one lake is written by one run at a time."""
    commit = tables.latest(path)
    assert commit is not None, f"{path}: written by run {clock.run_id}, and not there"
    return commit
