"""Rows into a table of the lake: new ones inserted, changed ones updated, deleted ones marked; nothing else written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.lake import deletion_vectors, storage, tables
from lib.lake.change import is_written
from lib.lake.storage import Address

DELETED_SINCE = "_deleted_since"


@dataclass(frozen=True)
class Clock:
    """The run whose pages are merged, its time (that of its start, the same for all of its rows) and its number.

    The number alone says what came later. `is_late` says that a later run was merged into the table before, as a replay or a
    resumed run may find it: this run's rows are then old news.
    """

    run_id: str
    at: datetime
    is_late: bool = False
    number: int = 0


@dataclass(frozen=True)
class Merged:
    """The version that holds the merged rows, and what the merge did. All zeros where nothing had changed."""

    version: int
    inserted: int
    updated: int
    deleted: int


def live(spark: SparkSession, path: Address) -> DataFrame | None:
    """The rows of a silver table that are not deleted, or None where there is no table yet."""
    if not tables.exists(path):
        return None
    return spark.read.format("delta").load(str(path)).where(F.col("_deleted_at").isNull())


def merge(
    spark: SparkSession,
    path: Address,
    rows: DataFrame,
    *,
    key: tuple[str, ...],
    newest_by: str | None,
    deleted_rows: DataFrame | None,
    n_deleted: int,
    clock: Clock,
    has_deletion_vectors: bool = True,
) -> Merged:
    """Merge `rows` (one per key, with `_row_hash`) and mark the `n_deleted` keys of `deleted_rows` as deleted.

    The table's columns are those of `rows` and `_run_id`, `_first_seen_at`, `_changed_at`, `_deleted_at`. An older row never
    replaces a newer one: one that is older by `newest_by`, nor one of a run that is behind unless it is newer by `newest_by`. A
    run that is behind marks nothing as deleted and lets nothing return. Of its rows that the table does not know, those with a
    time in `_deleted_since` (a column that `rows` may have) are inserted as deleted then. A table that is made has deletion
    vectors or not; one that is there has or has not them as before.
    """
    at, run_id = F.lit(clock.at).cast("timestamp"), F.lit(clock.run_id)
    if not tables.exists(path):
        first = rows.withColumns(
            {"_run_id": run_id, "_first_seen_at": at, "_changed_at": at, "_deleted_at": F.lit(None).cast("timestamp")}
        )
        options = {} if has_deletion_vectors else deletion_vectors.WITHOUT
        first.write.format("delta").option("userMetadata", clock.run_id).options(**options).save(storage.to_write(path))
        made = tables.newest(path)
        return Merged(made.version, int(made.metrics.get("numOutputRows", 0)), 0, 0)
    held = spark.read.format("delta").load(str(path))
    if _is_same(held, rows):
        return _unchanged(path)
    changed = _changed(held, rows, key, newest_by, clock).persist()
    if not changed.count() and not n_deleted:
        changed.unpersist()
        return _unchanged(path)
    source = changed.withColumn("_is_deleted", F.lit(False))
    if deleted_rows is not None and n_deleted:
        source = source.unionByName(deleted_rows.select(*rows.columns).withColumn("_is_deleted", F.lit(True)))
    before = tables.newest(path).version
    content = {name: F.col(f"new.`{name}`") for name in rows.columns if name != DELETED_SINCE}
    stamps = {"_run_id": run_id, "_changed_at": at}
    since = F.col(f"new.{DELETED_SINCE}") if DELETED_SINCE in rows.columns else F.lit(None)
    (
        DeltaTable.forPath(spark, storage.to_write(path))
        .alias("held")
        .merge(source.alias("new"), _same_key(key))
        .whenMatchedUpdate(F.col("new._is_deleted"), {**stamps, "_deleted_at": at})
        .whenMatchedUpdate(
            is_written("held", "new", newest_by, is_late=clock.is_late),
            {**content, **stamps, "_deleted_at": F.col("held._deleted_at") if clock.is_late else F.lit(None)},
        )
        .whenNotMatchedInsert(
            ~F.col("new._is_deleted"), {**content, **stamps, "_first_seen_at": at, "_deleted_at": since}
        )
        .execute()
    )
    changed.unpersist()
    done = tables.merged_since(path, before)
    if done is None:
        return Merged(before, 0, 0, 0)
    updated = int(done.metrics.get("numTargetRowsUpdated", 0)) - n_deleted
    return Merged(done.version, int(done.metrics.get("numTargetRowsInserted", 0)), updated, n_deleted)


def _unchanged(path: Address) -> Merged:
    return Merged(tables.newest(path).version, 0, 0, 0)


def _is_same(held: DataFrame, rows: DataFrame) -> bool:
    """Whether the live rows that are held are these rows, told in one pass over both and without the sort of a join.

    Each side has a hash once at most, as it covers the key. So both have the same hashes where they are as many, and those of both
    sides cancel each other out: the XOR of all is 0. That of two 64-bit hashes of them is 0 by chance once in 2 ** 128 times.
    """
    sides = [(held.where(F.col("_deleted_at").isNull()), 1), (rows, -1)]
    one, other = (frame.select("_row_hash", F.lit(sign).alias("_side")) for frame, sign in sides)
    hashes = [F.bit_xor(F.xxhash64(F.lit(seed), "_row_hash")) for seed in (0, 1)]
    [found] = one.unionAll(other).agg(F.sum("_side"), *hashes).collect()
    return not any(found)


def _changed(held: DataFrame, rows: DataFrame, key: tuple[str, ...], newest_by: str | None, clock: Clock) -> DataFrame:
    """The rows that the merge will write. Found by a join of keys and hashes alone, so that MERGE has few rows to look for."""
    narrow = held.select(*{*key, *([newest_by] if newest_by else []), "_row_hash", "_deleted_at"}).alias("held")
    is_new = F.col(f"held.`{key[0]}`").isNull()
    is_change = is_written("held", "new", newest_by, is_late=clock.is_late)
    return rows.alias("new").join(narrow, on=_same_key(key), how="left").where(is_new | is_change).select("new.*")


def _same_key(key: tuple[str, ...]) -> Column:
    same = F.lit(True)
    for name in key:
        same = same & (F.col(f"held.`{name}`") == F.col(f"new.`{name}`"))
    return same


def replace_rows(spark: SparkSession, new: Address, old: Address, tag: str) -> Merged:
    """Put the rows and the columns of one table in the place of another's, in one commit. Its earlier versions stay readable."""
    rows = spark.read.format("delta").load(str(new))
    whole = rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    whole.option("userMetadata", tag).save(storage.to_write(old))
    after = tables.newest(old)
    return Merged(after.version, int(after.metrics.get("numOutputRows", 0)), 0, 0)
