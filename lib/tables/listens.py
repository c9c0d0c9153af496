"""The derived table `listens`: every single listening, from the sessions of `listen_history`."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Source

NAME = "listens"
DERIVED_FROM = "listen_history"
KEY = ("user_id", "listened_at", "position")
# Where the columns are from.
ORIGINS = {"user_id": "user_id", "listened_at": "created_at", "position": "items", "track_id": "items"}
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


def can_derive(source: Source) -> bool:
    """Whether the source has the sessions that listens are made of: a table listen_history with the columns needed."""
    columns = {
        column.name: column.type for table in source.tables if table.name == DERIVED_FROM for column in table.columns
    }
    return all(columns.get(name) == kind for name, kind in NEEDS.items())
