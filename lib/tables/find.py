"""The rows of one key on raw pages, whatever became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lib.config import Table
from lib.tables.newest import ranked
from lib.tables.parse import parse

# Of the row's struct, beside the declared columns, none of which may have this name.
_RUN = "_run_id"


def rows_with_key(
    table: Table,
    items: str,
    is_row: Column,
    constants: Mapping[str, str] | None = None,
    of_part: Mapping[str, str] | None = None,
) -> Callable[[DataFrame], DataFrame]:
    """Raw pages of a table, of any number of runs, to the rows for which `is_row` (over the struct `row`) holds.

    Grain: one row per row of a page; key: run_id, part, page, position. Columns: problems (as in `parse`), row_hash, rank (as in
    `ranked`, among the rows of its run) and newest (the value of `newest_by`, null where the table has none).
    """
    by_run = table.model_copy(update={"key": (*table.key, _RUN)})
    newest = F.lit(None) if table.newest_by is None else F.col(f"row.{table.newest_by}")

    def transform(pages: DataFrame) -> DataFrame:
        own = pages.transform(parse(table, items, constants, of_part)).where(is_row)
        with_run = own.withColumn("row", F.col("row").withField(_RUN, F.col("run_id")))
        return with_run.transform(ranked(by_run)).select(
            "run_id",
            "part",
            "page",
            "position",
            "problems",
            F.col("_row_hash").alias("row_hash"),
            F.col("_rank").alias("rank"),
            newest.alias("newest"),
        )

    return transform
