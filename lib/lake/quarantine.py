"""`quarantine/rows`: rows that could not be taken, with the reason."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import check_run_id
from lib.lake import records, tables
from lib.lake.layout import Layout


def write_quarantine(rows: DataFrame, layout: Layout, run_id: str) -> None:
    """Write all rejected rows of a run in one commit. Written again, the run's rows are replaced."""
    (
        rows.write.format("delta")
        .mode("overwrite")
        .option("replaceWhere", f"run_id = '{run_id}'")
        .partitionBy("run_id")
        .save(str(layout.quarantine))
    )


def quarantined(spark: SparkSession, layout: Layout, table: str, run_id: str) -> DataFrame | None:
    """The rows of one table that one run rejected, or None where no run ever rejected a row."""
    if not tables.exists(layout.quarantine):
        return None
    rows = spark.read.format("delta").load(str(layout.quarantine))
    return rows.where((F.col("run_id") == run_id) & (F.col("table") == table))


def count_reasons(layout: Layout, run_id: str) -> dict[tuple[str, str], int]:
    """Rows that a run rejected, by table and reason."""
    if not tables.exists(layout.quarantine):
        return {}
    query = f"""
        SELECT "table", reason, count(*) AS n FROM rejected WHERE run_id = '{check_run_id(run_id)}'
        GROUP BY "table", reason ORDER BY "table", reason
    """
    return {(row["table"], row["reason"]): row["n"] for row in records.query(layout.quarantine, "rejected", query)}
