"""Raw pages in bronze: landed in waves, read back for everything that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.landing.fetch import PAGE_SCHEMA
from lib.source.page import PageRow


@dataclass(frozen=True)
class Landed:
    """What bronze holds of one table of a run, counted. `first_error` is the message of the first failed page."""

    table: str
    n_rows: int
    n_pages: int
    n_items: int
    n_bytes: int
    n_failed: int
    failed_pages: tuple[int, ...]
    first_error: str | None
    min_total: int | None
    max_total: int | None


def page_rows(spark: SparkSession, pages: Sequence[PageRow]) -> DataFrame:
    """Pages that the driver fetched itself (the probes), as a DataFrame."""
    return spark.createDataFrame([tuple(asdict(page).values()) for page in pages], PAGE_SCHEMA)


def land(pages: DataFrame, path: str) -> None:
    """Write one wave of pages: one Spark job, one commit. This is the one action that fetches."""
    pages.write.format("delta").mode("append").partitionBy("run_id", "table").save(path)


def landed_pages(spark: SparkSession, path: str, run_id: str) -> DataFrame:
    """The pages of a run. Grain: one row a page; key: table, page."""
    return spark.read.format("delta").load(path).where(F.col("run_id") == run_id)


def count_landed(pages: DataFrame, tables: Iterable[str]) -> dict[str, Landed]:
    """Count what landed, by table, without reading a body. A table of which nothing landed has zeros."""
    failed = F.col("error").isNotNull()
    rows = (
        pages.groupBy("table")
        .agg(
            F.count("*").alias("n_rows"),
            F.countDistinct("page").alias("n_pages"),
            F.coalesce(F.sum("n_items"), F.lit(0)).alias("n_items"),
            F.coalesce(F.sum("n_bytes"), F.lit(0)).alias("n_bytes"),
            F.count_if(failed).alias("n_failed"),
            F.slice(F.sort_array(F.collect_set(F.when(failed, F.col("page")))), 1, 20).alias("failed_pages"),
            F.min_by("error", F.when(failed, F.col("page"))).alias("first_error"),
            F.min("total").alias("min_total"),
            F.max("total").alias("max_total"),
        )
        .collect()
    )
    counted = {row["table"]: Landed(**{**row.asDict(), "failed_pages": tuple(row["failed_pages"])}) for row in rows}
    return {table: counted.get(table, Landed(table, 0, 0, 0, 0, 0, (), None, None, None)) for table in tables}
