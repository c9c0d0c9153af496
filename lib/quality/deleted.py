"""The share of a table's rows that were deleted in a run, where suites can look at it."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lib.quality.declared import deleted_view


def register_deleted(spark: SparkSession, table: str, *, deleted: int, found_again: int) -> None:
    """Make the view of one row: rows that the run missed and those it found again, and the `share` of the missed ones.

    GX sees live rows only, so a suite asks this view. Its numbers are those of the run's record and cost no pass over rows.
    """
    known = deleted + found_again
    share = deleted / known if known else 0.0
    one_row = spark.sql(f"SELECT {deleted:d} AS deleted, {found_again:d} AS found_again, DOUBLE('{share!r}') AS share")
    one_row.createOrReplaceTempView(deleted_view(table))
