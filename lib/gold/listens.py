"""The derived table `listens`: every single listening, from the sessions of `listen_history`."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import DERIVATIONS, Source
from lib.gold.table import DerivedTable, Feed

DECLARED = DERIVATIONS["listens"]
HISTORY = "listen_history"
SESSION = ("user_id", "created_at")


def listens(listen_history: DataFrame) -> DataFrame:
    """One row per track of a session that is not deleted. Key: user_id, listened_at, position (from 0)."""
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

    Key and columns as in `listens`, and `is_deleted` for the positions that are there no more. The feed shows a session before
    and after each change, so `longest` covers its positions in `listens` before, and those of now.
    """
    positions = touched.where("longest > 0").select(
        "user_id",
        F.col("created_at").alias("listened_at"),
        F.explode(F.sequence(F.lit(0).cast("bigint"), F.col("longest").cast("bigint") - 1)).alias("position"),
    )
    now = listens(listen_history.join(touched, on=list(SESSION), how="left_semi"))
    return positions.join(now.withColumn("is_deleted", F.lit(False)), on=list(DECLARED.key), how="left").withColumn(
        "is_deleted", F.coalesce("is_deleted", F.lit(True))
    )


def can_follow(source: Source) -> bool:
    """Whether a session of the source is one row of listen_history, so that what changed in one is known by its key."""
    return set(source.table(HISTORY).key) == set(SESSION)


TABLE = DerivedTable(
    DECLARED,
    build=lambda bases: listens(bases[HISTORY]),
    feed=Feed(HISTORY, touched_sessions, lambda touched, bases: changed_listens(touched, bases[HISTORY]), can_follow),
)
