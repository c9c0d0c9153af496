"""Where one row came from, and what became of it: looked up in bronze, quarantine, silver and the publication."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.steps.key import shown_key
from jobs.steps.options import Job
from jobs.steps.record import planned_before
from jobs.steps.verdicts import Hit, minute, tell
from lib.config import Table
from lib.lake import keys, publications, records, runs, tables
from lib.lake.keys import KeyValue
from lib.lake.publications import Publication
from lib.lake.read import at_version
from lib.lake.runs import Run
from lib.landing.bronze import LandedOf, all_landed_pages, landed_by_run
from lib.tables.find import may_hold, rows_with_key


@dataclass(frozen=True)
class Asked:
    """The row that is asked for, and its key as literals of Spark."""

    spark: SparkSession
    job: Job
    table: Table
    key: Mapping[str, KeyValue]
    values: Mapping[str, Column]

    @classmethod
    def of(cls, spark: SparkSession, job: Job, table: Table, key: Mapping[str, KeyValue]) -> Asked:
        """The question."""
        return cls(spark, job, table, key, {n: keys.literal(n, v, table.column(n).type) for n, v in key.items()})


def explain(asked: Asked) -> list[str]:
    """The answer, a line each: the runs, oldest first, then silver and the publication."""
    job, table = asked.job, asked.table
    known = runs.all_runs(job.layout)
    landed = landed_by_run(str(job.layout.pages), table.name)
    hits = _hits(asked, known, landed)
    silver, published = _states(asked)
    publication = publications.in_force(job.layout)
    lines = list(tell(table, known, hits, _quarantined(asked, hits), silver["_run_id"] if silver else None))
    head = f"{table.name} {shown_key(table, asked.key)}"
    looked = _looked_at(known, landed)
    if not (lines or silver or published):
        where = "quarantine/rows, silver and the publication"
        return [f"{head}: nowhere. Looked at {looked}, {where}."]
    lines = [f"{head}:", *lines, _in_silver(asked, silver), _in_publication(asked, publication, silver, published)]
    lines += [f"Looked at {looked}."]
    if changed := [run.run_id for run in known if run.run_id in landed and _is_read_otherwise(asked, run)]:
        lines.append(
            f"The settings of {table.name} have changed since: pages of {', '.join(changed)} are read as they are now."
        )
    return lines


def _hits(asked: Asked, known: Sequence[Run], landed: Mapping[str, LandedOf]) -> list[Hit]:
    """The rows with the key on the pages of all runs."""
    if not landed:
        return []
    job, table = asked.job, asked.table
    reread = any(one.last_round for one in landed.values())
    pages = all_landed_pages(asked.spark, str(job.layout.pages), table.name, reread=reread)
    for run in known:
        # Pages behind the last one were read when the source was longer, and did not count.
        ends = [plan.last for plan in planned_before(run) if plan.table == table.name and plan.total is not None]
        if ends and run.run_id in landed and landed[run.run_id].last_page > ends[0]:
            pages = pages.where((F.col("run_id") != run.run_id) | (F.col("page") <= ends[0]))
    is_row = keys.is_row({name: F.col(f"row.{name}") for name in table.key}, asked.values)
    items = job.source.api.pagination.items
    rows = pages.where(may_hold(table, asked.key)).transform(rows_with_key(table, items, is_row)).collect()
    return [Hit(**{**row.asDict(), "problems": tuple(row["problems"])}) for row in rows]


def _quarantined(asked: Asked, hits: Sequence[Hit]) -> dict[tuple[str, int, int], str]:
    """What quarantine says of those of the rows that are in it, by run, page and position."""
    path = asked.job.layout.quarantine
    if not hits or not tables.exists(path):
        return {}
    pages = ", ".join(str(page) for page in sorted({hit.page for hit in hits}))
    query = f"""
        SELECT * FROM rejected
        WHERE "table" = '{asked.table.name}' AND page IN ({pages})
    """
    rows = records.query(path, "rejected", query)
    return {(row["run_id"], row["page"], row["position"]): _reason(row) for row in rows}


def _reason(row: Mapping[str, Any]) -> str:
    """Why a row was rejected, and what became of it since."""
    return (
        f"{row['reason']} ({row['resolution']}: run {row['resolved_by']})" if row.get("resolved_by") else row["reason"]
    )


def _states(asked: Asked) -> tuple[Row | None, Row | None]:
    """The row in silver, and in the publication in force."""
    layout, name = asked.job.layout, asked.table.name
    newest = tables.latest(layout.silver(name))
    path = layout.relative(layout.silver(name))
    silver = _row_at(asked, path, newest.version) if newest else None
    publication = publications.in_force(layout)
    entry = publication.tables.get(name) if publication else None
    if entry is None:
        return silver, None
    if newest and (entry.path, entry.version) == (path, newest.version):
        return silver, silver
    return silver, _row_at(asked, entry.path, entry.version)


def _row_at(asked: Asked, path: str, version: int) -> Row | None:
    rows: DataFrame = at_version(asked.spark, asked.job.layout, path, version)
    times = [
        F.date_format(name, "yyyy-MM-dd HH:mm 'UTC'").alias(name)
        for name in ("_first_seen_at", "_changed_at", "_deleted_at")
    ]
    own = rows.where(keys.is_row({name: F.col(f"`{name}`") for name in asked.table.key}, asked.values))
    return next(iter(own.select("_run_id", "_row_hash", *times).collect()), None)


def _in_silver(asked: Asked, row: Row | None) -> str:
    if row is None:
        return (
            "silver: not there" if tables.exists(asked.job.layout.silver(asked.table.name)) else "silver: no table yet"
        )
    seen = f"first seen {row['_first_seen_at']}"
    if row["_deleted_at"] is not None:
        return f"silver: vanished: run {row['_run_id']} ({row['_deleted_at']}) found it no more; {seen}"
    return f"silver: there; {seen}, last changed by run {row['_run_id']} ({row['_changed_at']})"


def _in_publication(asked: Asked, publication: Publication | None, silver: Row | None, row: Row | None) -> str:
    if publication is None:
        return "publication: nothing is published"
    entry = publication.tables.get(asked.table.name)
    head = f"publication {publication.publication_id} ({minute(publication.published_at)})"
    if entry is None:
        return f"{head}: has no table {asked.table.name}"
    head = f"{head}, version {entry.version}"
    if row is None:
        return f"{head}: not there"
    if row["_deleted_at"] is not None:
        return f"{head}: there, as vanished"
    if silver is not None and row != silver:
        return f"{head}: there, as run {row['_run_id']} left it; silver has changed since"
    return f"{head}: there"


def _looked_at(known: Sequence[Run], landed: Mapping[str, LandedOf]) -> str:
    ids = [run.run_id for run in known if run.run_id in landed]
    if not ids:
        return "no page of any run: bronze has none of this table"
    n_pages = sum(landed[run_id].n_pages for run_id in ids)
    pages = f"{n_pages:,} {'page' if n_pages == 1 else 'pages'}"
    return f"{pages} of run {ids[0]}" if len(ids) == 1 else f"{pages} of {len(ids)} runs ({ids[0]} to {ids[-1]})"


def _is_read_otherwise(asked: Asked, run: Run) -> bool:
    """Whether the run read its pages by other settings than those of now."""
    return _reading(json.loads(run.settings), asked.table.name) != _reading(asked.job.source.public(), asked.table.name)


def _reading(settings: Mapping[str, Any], table: str) -> tuple[Any, ...]:
    """What decides which rows a page gives, which are rejected, and which one wins."""
    for one in settings["tables"]:
        if one["name"] == table:
            columns = [(column["name"], column["type"], column["required"]) for column in one["columns"]]
            return settings["api"]["pagination"]["items"], one["key"], one["newest_by"], columns
    return ()
