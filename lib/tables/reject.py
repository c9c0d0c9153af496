"""Rows that break the contract of the source YAML, apart from those that keep it."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

QUARANTINE_SCHEMA = "run_id string, table string, page bigint, position bigint, reason string, row string"


def rejected(table: str) -> Callable[[DataFrame], DataFrame]:
    """Parsed rows to rows of the quarantine. Grain: one per rejected row; key: run_id, table, page, position."""

    def transform(rows: DataFrame) -> DataFrame:
        return rows.where(F.size("problems") > 0).select(
            "run_id",
            F.lit(table).alias("table"),
            "page",
            "position",
            F.array_join("problems", ", ").alias("reason"),
            F.col("json").alias("row"),
        )

    return transform


def count_rows(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """One row from ranked ones: n_parsed, n_rejected, n_unreadable (rejected without a readable key), n_keys (distinct)."""
    bad = F.size("problems") > 0
    keys = [F.col(f"row.{name}") for name in key]
    unreadable = F.lit(False)
    for column in keys:
        unreadable = unreadable | column.isNull()
    return rows.agg(
        F.count("*").alias("n_parsed"),
        F.count_if(bad).alias("n_rejected"),
        F.count_if(bad & unreadable).alias("n_unreadable"),
        F.count_if(~bad & (F.col("_rank") == 1)).alias("n_keys"),
    )
