"""Raw pages in bronze: landed in waves, read back for everything that follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import check_run_id

# So many failed pages are named; their number is always told.
MOST_FAILURES = 20


@dataclass(frozen=True)
class Landed:
    """What bronze holds of one table of a run, counted. `failed_pages` are the first of them, with the message of the first."""

    table: str
    n_rows: int
    n_pages: int
    n_items: int
    n_bytes: int
    n_failed: int
    failed_pages: tuple[int, ...]
    first_error: str | None


def land(pages: DataFrame, path: str) -> None:
    """Write one wave of pages: one Spark job, one commit. This is the one action that fetches."""
    pages.write.format("delta").mode("append").partitionBy("run_id", "table").save(path)


def landed_pages(spark: SparkSession, path: str, run_id: str) -> DataFrame:
    """The pages of a run. Grain: one row a page; key: table, page."""
    return spark.read.format("delta").load(path).where(F.col("run_id") == run_id)


def count_landed(path: str, run_id: str, tables: Iterable[str]) -> dict[str, Landed]:
    """Count what landed, by table, without reading a body. A table of which nothing landed has zeros.

    Counted by delta-rs, in a moment: another reader than the engine that wrote the pages.
    """
    query = f"""
        SELECT "table", count(*) AS n_rows, count(DISTINCT page) AS n_pages,
            coalesce(sum(n_items), 0) AS n_items, coalesce(sum(n_bytes), 0) AS n_bytes,
            count(error) AS n_failed
        FROM pages WHERE run_id = '{check_run_id(run_id)}' GROUP BY "table"
    """
    reader = QueryBuilder().register("pages", DeltaTable(path))
    rows = pa.table(reader.execute(query)).to_pylist()
    counted = {row["table"]: row for row in rows}
    failures = f"""
        SELECT "table", page, error FROM pages WHERE run_id = '{check_run_id(run_id)}' AND error IS NOT NULL
        ORDER BY "table", page LIMIT {MOST_FAILURES}
    """
    failed = pa.table(reader.execute(failures)).to_pylist() if any(row["n_failed"] for row in rows) else []
    return {
        table: _landed(table, counted.get(table), [row for row in failed if row["table"] == table]) for table in tables
    }


def _landed(table: str, counts: Mapping[str, int] | None, failed: Sequence[Mapping[str, Any]]) -> Landed:
    if counts is None:
        return Landed(table, 0, 0, 0, 0, 0, (), None)
    pages = tuple(row["page"] for row in failed)
    return Landed(
        table=table,
        n_rows=counts["n_rows"],
        n_pages=counts["n_pages"],
        n_items=counts["n_items"],
        n_bytes=counts["n_bytes"],
        n_failed=counts["n_failed"],
        failed_pages=pages,
        first_error=failed[0]["error"] if failed else None,
    )
