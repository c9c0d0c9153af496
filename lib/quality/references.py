"""References between tables: the pointers that meet no live row, in one pass over a table."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lib.config import Reference, Table
from lib.quality.suites import strays_view

NOTHING, VANISHED, QUARANTINED = "nothing", "vanished", "quarantined"


def register_strays(
    table: Table,
    frame: DataFrame,
    targets: dict[str, tuple[Table, DataFrame, DataFrame | None]],
) -> DataFrame:
    """Make the view of the table's stray pointers: those of its live rows that meet no live row.

    `targets` has for each table referred to its settings, its silver rows, and its quarantined rows if there are any. Grain:
    one row a pointer; columns: the table's key, `_reference` (as in the source YAML), `_pointer` (as text), and what it
    `_meets`: a row that has vanished, one in quarantine, or nothing, which makes it an orphan.
    """
    live = frame.where(F.col("_deleted_at").isNull())
    strays = [_strays(table, live, reference, *targets[reference.to_table]) for reference in table.references]
    found = reduce(DataFrame.unionByName, strays).persist()
    found.createOrReplaceTempView(strays_view(table.name))
    return found


def count_strays(strays: DataFrame) -> dict[tuple[str, str], int]:
    """Stray pointers by reference and by what they meet. One Spark job."""
    rows = strays.groupBy("_reference", "_meets").count().collect()
    return {(row["_reference"], row["_meets"]): row["count"] for row in rows}


def _strays(
    table: Table, live: DataFrame, reference: Reference, target: Table, silver: DataFrame, quarantine: DataFrame | None
) -> DataFrame:
    column = F.col(reference.column_name)
    pointer: Column = F.explode(column) if reference.is_array else column
    pointers = live.select(*table.key, pointer.alias("_key")).where(F.col("_key").isNotNull())
    key = target.key[0]
    alive, gone = F.col("_deleted_at").isNull(), F.col("_deleted_at").isNotNull()
    known = silver.where(gone).select(F.col(key).alias("_key"), F.lit(VANISHED).alias("_meets"))
    if quarantine is not None:
        rejected = F.get_json_object("row", f"$.{key}").try_cast(target.column(key).type)
        known = known.unionByName(quarantine.select(rejected.alias("_key"), F.lit(QUARANTINED).alias("_meets")))
    known = known.groupBy("_key").agg(F.min("_meets").alias("_meets"))
    return (
        pointers.join(silver.where(alive).select(F.col(key).alias("_key")), on="_key", how="left_anti")
        .join(known, on="_key", how="left")
        .select(
            *table.key,
            F.lit(reference.column).alias("_reference"),
            F.col("_key").cast("string").alias("_pointer"),
            F.coalesce("_meets", F.lit(NOTHING)).alias("_meets"),
        )
    )
