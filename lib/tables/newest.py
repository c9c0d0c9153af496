"""One row per key: the newest."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lib.config import Table

# Microseconds are kept: without this format a change below a millisecond would leave the hash as it was.
_JSON_OPTIONS = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}


def row_hash(columns: tuple[str, ...]) -> Column:
    """SHA-256 of the row's content. Nulls count: (null, 'a') and ('a', null) differ, [1, null] and [1] too."""
    return F.sha2(F.to_json(F.struct(*columns), _JSON_OPTIONS), 256)


def newest(table: Table) -> Callable[[DataFrame], DataFrame]:
    """Accepted rows to one row per key, with its `_row_hash`.

    The newest by `newest_by` wins (nulls last); a tie is broken by content, so that the same rows give the same winner
    whatever their order and partitions. Key: the table's key. Columns: the declared ones and `_row_hash`.
    """
    names = tuple(column.name for column in table.columns)
    order = [F.col("_row_hash").desc()]
    if table.newest_by is not None:
        order.insert(0, F.col(table.newest_by).desc_nulls_last())
    window = Window.partitionBy(*table.key).orderBy(*order)

    def transform(rows: DataFrame) -> DataFrame:
        described = [
            F.col(f"row.{column.name}").alias(column.name, metadata={"comment": column.description})
            if column.description
            else F.col(f"row.{column.name}")
            for column in table.columns
        ]
        return (
            rows.select(*described)
            .withColumn("_row_hash", row_hash(names))
            .withColumn("_rank", F.row_number().over(window))
            .where(F.col("_rank") == 1)
            .drop("_rank")
        )

    return transform
