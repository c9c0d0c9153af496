"""One row per key: the newest."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lib.config import Table

# Written out, as settings of the session would change them, and with them the hash of every row. Microseconds are kept: by
# Spark's own format a change below a millisecond would leave the hash as it was.
_JSON_OPTIONS = {"ignoreNullFields": "true", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}


def row_hash(columns: tuple[str, ...]) -> Column:
    """SHA-256 of the row's content. Nulls count: (null, 'a') and ('a', null) differ, [1, null] and [1] too.

    Each value stands beside its name, so a null need not be written. A row keeps its hash when the table gets a column that the
    row has no value in, and when columns change places.
    """
    return F.sha2(F.to_json(F.struct(*sorted(columns)), _JSON_OPTIONS), 256)


def ranked(table: Table) -> Callable[[DataFrame], DataFrame]:
    """Parsed rows with `_row_hash`, `_rank` among the rows of one key (1 for the newest), and `_differs` from the newest.

    The newest by `newest_by` goes first (nulls last); a tie is broken by content, so that the same rows give the same
    winner whatever their order and partitions. Rows with problems go last. Grain and key as in `parse`.
    """
    order = [F.size("problems") > 0, F.col("_row_hash").desc()]
    if table.newest_by is not None:
        order.insert(1, F.col(f"row.{table.newest_by}").desc_nulls_last())
    window = Window.partitionBy(*(F.col(f"row.{name}") for name in table.key)).orderBy(*order)
    columns = tuple(f"row.{column.name}" for column in table.columns)

    def transform(rows: DataFrame) -> DataFrame:
        hashed = rows.withColumn("_row_hash", row_hash(columns))
        newest_hash = F.first("_row_hash").over(window)
        return hashed.withColumns({"_rank": F.row_number().over(window), "_differs": F.col("_row_hash") != newest_hash})

    return transform


def rehashed(columns: tuple[str, ...]) -> Callable[[DataFrame], DataFrame]:
    """Silver rows with `_row_hash` worked out anew from these columns. Grain and key as they were."""
    return lambda rows: rows.withColumn("_row_hash", row_hash(columns))


def newest(table: Table) -> Callable[[DataFrame], DataFrame]:
    """Ranked rows to the newest of each key. Key: the table's key. Columns: the declared ones and `_row_hash`."""

    def transform(rows: DataFrame) -> DataFrame:
        described = [
            F.col(f"row.{column.name}").alias(column.name, metadata={"comment": column.description})
            if column.description
            else F.col(f"row.{column.name}")
            for column in table.columns
        ]
        return rows.where((F.size("problems") == 0) & (F.col("_rank") == 1)).select(*described, "_row_hash")

    return transform


def pages_sharing_keys(key: tuple[str, ...]) -> Callable[[DataFrame], DataFrame]:
    """Ranked rows to the pages that share a key with another page. Grain: one row a page; column: page."""
    keys = [F.col(f"row.{name}") for name in key]

    def transform(rows: DataFrame) -> DataFrame:
        window = Window.partitionBy(*keys)
        spread = (F.max("page").over(window) != F.min("page").over(window)) & (F.size("problems") == 0)
        return rows.withColumn("_spread", spread).where("_spread").select("page").distinct()

    return transform


def parts_sharing_keys(key: tuple[str, ...]) -> Callable[[DataFrame], DataFrame]:
    """Ranked rows to the parts that have a key on more than one of their pages. Grain: one row a part; column: part."""
    columns = [F.col(f"row.{name}").alias(name) for name in key]

    def transform(rows: DataFrame) -> DataFrame:
        good = rows.where(F.size("problems") == 0).select(
            F.col("part").alias("_part"), F.col("page").alias("_page"), *columns
        )
        spread = good.groupBy("_part", *key).agg((F.max("_page") != F.min("_page")).alias("_is_spread"))
        return spread.where("_is_spread").select(F.col("_part").alias("part")).distinct()

    return transform
