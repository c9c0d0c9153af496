"""Rows that break the contract of the source YAML, apart from those that keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lib.tables.parse import MISSING_VALUE

# By names of columns, what quarantine finds a row again by without holding its key; null if it has none.
KeyHash = Callable[[Sequence[str]], Column]


def rejected(table: str, key: tuple[str, ...], key_hash: KeyHash) -> Callable[[DataFrame], DataFrame]:
    """Parsed rows to rows of the quarantine. Grain: one per rejected row; key: run_id, table, part, page, position."""

    def transform(rows: DataFrame) -> DataFrame:
        return rows.where(F.size("problems") > 0).select(
            "run_id",
            F.lit(table).alias("table"),
            "part",
            "page",
            "position",
            F.array_join("problems", ", ").alias("reason"),
            F.col("json").alias("row"),
            key_hash(key).alias("key_hash"),
        )

    return transform


def count_rows(
    rows: DataFrame, key: tuple[str, ...], newest_by: str | None = None, marked_by: str | None = None
) -> DataFrame:
    """One row from ranked ones.

    n_parsed, n_rejected, n_unreadable (rejected without a readable key), n_keys (distinct), n_differ (good rows dropped for a
    newer one with another content), shapes (those of all pages), missing (a struct: for each column the rows without a value,
    good and bad ones; a value that is bad is there), newest (the greatest good value of the column `newest_by`, null
    without one), greatest (that of the column `marked_by`).
    """
    bad = F.size("problems") > 0
    no_key = reduce(or_, [F.col(f"row.{name}").isNull() for name in key])
    columns = rows.select("row.*").columns
    missing = [F.count_if(_is_missing(column)).alias(column) for column in columns]
    return rows.agg(
        F.count("*").alias("n_parsed"),
        F.count_if(bad).alias("n_rejected"),
        F.count_if(bad & no_key).alias("n_unreadable"),
        F.count_if(~bad & (F.col("_rank") == 1)).alias("n_keys"),
        F.count_if(~bad & F.col("_differs")).alias("n_differ"),
        F.collect_set("shape").alias("shapes"),
        F.struct(*missing).alias("missing"),
        _greatest(newest_by, bad).alias("newest"),
        _greatest(marked_by, bad).alias("greatest"),
    )


def _greatest(column: str | None, bad: Column) -> Column:
    return F.max(F.when(~bad, F.col(f"row.{column}"))) if column else F.lit(None)


def _is_missing(column: str) -> Column:
    is_bad = F.exists(
        "problems", lambda problem: F.endswith(problem, F.lit(f":{column}")) & (problem != f"{MISSING_VALUE}:{column}")
    )
    return F.col(f"row.{column}").isNull() & ~is_bad
