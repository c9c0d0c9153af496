"""`quarantine/rows`: rows that could not be taken, with the reason, until they can.

`number` is that of the run that fetched the page: what came earlier or later is told by it, never by a time.

A row is open until a later run says what became of it: `arrived` (the source now gives a row of that key that can be taken),
`rejected again` (it stands here under the later run), `deleted` (a complete copy has no such row any more), or `accepted` (the same
landed page was read again, and the row is taken now).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import check_run_id
from lib.lake import records, storage, tables
from lib.lake.columns import add_columns, held_columns
from lib.lake.layout import Layout
from lib.lake.merge import Clock

SCHEMA = pa.schema(
    {
        "run_id": pa.string(),
        "table": pa.string(),
        "page": pa.int64(),
        "position": pa.int64(),
        "reason": pa.string(),
        "row": pa.string(),
        "key_hash": pa.string(),
        "rejected_at": pa.timestamp("us", tz="UTC"),
        "resolved_by": pa.string(),
        "resolved_at": pa.timestamp("us", tz="UTC"),
        "resolution": pa.string(),
        "number": pa.int64(),
        "part": pa.string(),
    }
)
Place: TypeAlias = tuple[str, str | None, int, int]
"""Where a rejected row stands: run, part, page and position."""
ARRIVED, AGAIN, DELETED, ACCEPTED = "arrived", "rejected again", "deleted", "accepted"
_SAME_PLACE = (
    "held.run_id = new.run_id AND held.table = new.table AND held.part <=> new.part AND held.page = new.page "
    "AND held.position = new.position"
)


def write_quarantine(
    spark: SparkSession, rows: DataFrame, layout: Layout, clock: Clock, read: Sequence[str], *, by: str
) -> None:
    """Write the rejected rows of one run's landed pages, for the tables that were `read`, in one commit.

    Read again by the same run (`by`), what was written before is replaced. Read again by a later run, rows that are no longer
    rejected are kept, and marked as accepted by it. Nothing changed means nothing written.
    """
    whole = rows.withColumns(
        {
            "rejected_at": F.lit(clock.at).cast("timestamp"),
            "resolved_by": F.lit(None).cast("string"),
            "resolved_at": F.lit(None).cast("timestamp"),
            "resolution": F.lit(None).cast("string"),
            "number": F.lit(clock.number).cast("bigint"),
        }
    )
    if not tables.exists(layout.quarantine):
        whole.write.format("delta").partitionBy("run_id").save(storage.to_write(layout.quarantine))
        return
    if "part" not in (held_columns(layout.quarantine) or {}):
        # Made by an earlier version, which had no parts.
        add_columns(spark, layout.quarantine, whole, by)
    others = (F.col("held.run_id") == clock.run_id) & F.col("held.table").isin(list(read))
    content: dict[str, str | Column] = {name: f"new.{name}" for name in whole.columns}
    merge = (
        DeltaTable.forPath(spark, storage.to_write(layout.quarantine))
        .alias("held")
        .merge(whole.alias("new"), f"{_SAME_PLACE} AND held.run_id = '{check_run_id(clock.run_id)}'")
        .whenMatchedUpdate("held.reason <> new.reason OR NOT (held.row <=> new.row)", content)
        .whenNotMatchedInsert(values=content)
    )
    if by == clock.run_id:
        merge = merge.whenNotMatchedBySourceDelete(others)
    else:
        merge = merge.whenNotMatchedBySourceUpdate(
            others & F.col("held.resolved_by").isNull(), _resolved(F.lit(ACCEPTED), clock, by)
        )
    merge.execute()


def resolve(
    spark: SparkSession, layout: Layout, found: DataFrame, complete: Sequence[str], clock: Clock, *, by: str
) -> None:
    """Mark open rows of earlier runs with what this run found of them, in one commit.

    `found`: table, key_hash and resolution, one row per key that this run has. Of the tables whose copy is `complete`, an
    earlier row that was not found is deleted.
    """
    earlier = (
        F.col("held.resolved_by").isNull()
        & (F.col("held.run_id") != clock.run_id)
        & (F.col("held.number") <= clock.number)
    )
    held = spark.read.format("delta").load(str(layout.quarantine)).alias("held").where(earlier)
    known = found.join(held.select("table", "key_hash").distinct(), on=["table", "key_hash"], how="left_semi")
    same = (F.col("held.table") == F.col("new.table")) & (F.col("held.key_hash") == F.col("new.key_hash"))
    (
        DeltaTable.forPath(spark, storage.to_write(layout.quarantine))
        .alias("held")
        .merge(known.alias("new"), same & earlier)
        .whenMatchedUpdate(set=_resolved(F.col("new.resolution"), clock, by))
        .whenNotMatchedBySourceUpdate(
            earlier & F.col("held.table").isin(list(complete)), _resolved(F.lit(DELETED), clock, by)
        )
        .execute()
    )


def _resolved(resolution: Column, clock: Clock, by: str) -> dict[str, str | Column]:
    return {"resolved_by": F.lit(by), "resolved_at": F.lit(clock.at).cast("timestamp"), "resolution": resolution}


def replace_quarantine(spark: SparkSession, new: Layout, old: Layout, names: Sequence[str]) -> None:
    """Put what one lake holds of some tables in the place of what another holds of them, in one commit."""
    theirs = F.col("table").isin(list(names))
    if tables.exists(new.quarantine):
        listed = ", ".join(f"'{name}'" for name in names)
        rows = spark.read.format("delta").load(str(new.quarantine)).where(theirs)
        write = rows.write.format("delta").mode("overwrite").partitionBy("run_id").option("mergeSchema", "true")
        write.option("replaceWhere", f"table IN ({listed})").save(storage.to_write(old.quarantine))
    elif tables.exists(old.quarantine):
        DeltaTable.forPath(spark, storage.to_write(old.quarantine)).delete(theirs)


def quarantined(spark: SparkSession, layout: Layout, table: str, run_id: str) -> DataFrame | None:
    """The rows of one table that are open, or that one run rejected; None where no run ever rejected a row."""
    if not tables.exists(layout.quarantine):
        return None
    rows = spark.read.format("delta").load(str(layout.quarantine))
    return rows.where((F.col("table") == table) & ((F.col("run_id") == run_id) | F.col("resolved_by").isNull()))


def open_earlier(layout: Layout, clock: Clock) -> set[str]:
    """The tables of which earlier runs than this one left rows open."""
    where = f"resolved_by IS NULL AND run_id <> '{check_run_id(clock.run_id)}' AND number <= {clock.number}"
    return {row["table"] for row in _query(layout, f'SELECT DISTINCT "table" FROM rejected WHERE {where}')}


def count_rejected(layout: Layout, run_id: str) -> dict[str, int]:
    """Rows of a run's landed pages that stand in quarantine, by table, resolved or not."""
    where = f"run_id = '{check_run_id(run_id)}'"
    rows = _query(layout, f'SELECT "table", count(*) AS n FROM rejected WHERE {where} GROUP BY "table"')
    return {row["table"]: row["n"] for row in rows}


def count_left(layout: Layout, by: str) -> dict[str, int]:
    """Rows that left quarantine by a run, by table. One that it rejected again is not among them: it is there under that run."""
    where = f"resolved_by = '{check_run_id(by)}' AND resolution <> '{AGAIN}'"
    rows = _query(layout, f'SELECT "table", count(*) AS n FROM rejected WHERE {where} GROUP BY "table"')
    return {row["table"]: row["n"] for row in rows}


def count_reasons(layout: Layout, run_id: str) -> dict[tuple[str, str], int]:
    """Rows of a run's landed pages that are open, by table and reason."""
    rows = _query(
        layout,
        f"""
        SELECT "table", reason, count(*) AS n FROM rejected
        WHERE run_id = '{check_run_id(run_id)}' AND resolved_by IS NULL
        GROUP BY "table", reason ORDER BY "table", reason
        """,
    )
    return {(row["table"], row["reason"]): row["n"] for row in rows}


def reasons_on(layout: Layout, table: str, pages: Collection[int]) -> dict[Place, str]:
    """Why rows on some pages of a table were rejected, and what became of them since."""
    if not pages:
        return {}
    listed = ", ".join(str(page) for page in sorted(pages))
    rows = _query(layout, f"""SELECT * FROM rejected WHERE "table" = '{table}' AND page IN ({listed})""")
    return {(row["run_id"], row.get("part"), row["page"], row["position"]): _reason(row) for row in rows}


def _reason(row: Mapping[str, Any]) -> str:
    by = row["resolved_by"]
    return f"{row['reason']} ({row['resolution']}: run {by})" if by else str(row["reason"])


def _query(layout: Layout, sql: str) -> list[dict[str, Any]]:
    return records.query(layout.quarantine, "rejected", sql) if tables.exists(layout.quarantine) else []
