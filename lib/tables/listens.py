"""The derived table `listens`: every single listening, from the sessions of `listen_history`."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import DERIVED_KEYS, Source
from lib.config import ORIGINS as ORIGINS_OF

NAME = "listens"
KEY = DERIVED_KEYS[NAME]
SESSION = ("user_id", "created_at")
DERIVED_FROM, ORIGINS = ORIGINS_OF[NAME]
NEEDS = {"user_id": "bigint", "items": "array<bigint>", "created_at": "timestamp"}


def listens(listen_history: DataFrame) -> DataFrame:
    """One row per track of a session that has not vanished. Key: user_id, listened_at, position (from 0)."""
    return (
        listen_history.where(F.col("_deleted_at").isNull())
        .select(
            "user_id", F.col("created_at").alias("listened_at"), F.posexplode("items").alias("position", "track_id")
        )
        .select("user_id", "listened_at", F.col("position").cast("bigint"), "track_id")
    )


def touched_sessions(feed: DataFrame) -> DataFrame:
    """The sessions in a change feed of listen_history. Key: user_id, created_at. `longest`: its most tracks in any state."""
    return feed.groupBy(*SESSION).agg(F.greatest(F.max(F.size("items")), F.lit(0)).alias("longest"))


def changed_listens(touched: DataFrame, listen_history: DataFrame) -> DataFrame:
    """What `listens` says now of each position that one of the touched sessions has or once had.

    Key and columns as in `listens`, and `is_gone` for the positions that are there no more. The feed shows a session before
    and after each change, so `longest` covers its positions in `listens` before, and those of now.
    """
    positions = touched.where("longest > 0").select(
        "user_id",
        F.col("created_at").alias("listened_at"),
        F.explode(F.sequence(F.lit(0).cast("bigint"), F.col("longest").cast("bigint") - 1)).alias("position"),
    )
    now = listens(listen_history.join(touched, on=list(SESSION), how="left_semi"))
    return positions.join(now.withColumn("is_gone", F.lit(False)), on=list(KEY), how="left").withColumn(
        "is_gone", F.coalesce("is_gone", F.lit(True))
    )


def can_derive(source: Source) -> bool:
    """Whether the source has the sessions that listens are made of: a table listen_history with the columns needed."""
    columns = {
        column.name: column.type for table in source.tables if table.name == DERIVED_FROM for column in table.columns
    }
    return all(columns.get(name) == kind for name, kind in NEEDS.items())


def can_follow(source: Source) -> bool:
    """Whether a session of the source is one row of listen_history, so that what changed in one is known by its key."""
    return set(source.table(DERIVED_FROM).key) == set(SESSION)
