"""The rows that failed the checks of a run, for `ops/failures`: keys and never values."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.steps.options import Job
from lib.config import Source
from lib.lake.failures import SCHEMA, add_failures
from lib.lake.runs import Run
from lib.quality.failing import failing_rows
from lib.quality.validate import Finding, Findings, live_rows
from lib.tables import listens
from lib.tables.parse import MASK
from lib.tables.reject import key_hash

_LITERALS = {
    "docs_id": "string",
    "run_id": "string",
    "checked_at": "timestamp",
    "table": "string",
    "version": "bigint",
    "expectation": "string",
    "severity": "string",
}


def write_failures(
    spark: SparkSession, job: Job, run: Run, frames: dict[str, DataFrame], findings: Findings, docs_id: str
) -> None:
    """Write the keys of all rows that fail an expectation of this check. Nothing failed: nothing is written, and no Spark job."""
    lists: list[DataFrame] = []
    notes: dict[str, str] = {}
    about = {finding.name: _about(run, finding, docs_id, job.now) for finding in findings.failed}
    for finding in findings.failed:
        key, personal = key_of(job.source, finding.table)
        failing = failing_rows(live_rows(frames[finding.table]), key, finding)
        if failing.rows is None:
            notes[finding.name] = f"no rows are listed: {failing.why}"
        else:
            lists.append(failing.rows.select(*_literals(about[finding.name]), *_keyed(key, personal)))
    if not about:
        return
    listed = reduce(DataFrame.unionByName, lists).persist() if lists else spark.createDataFrame([], SCHEMA)
    counts = {row["expectation"]: row["count"] for row in listed.groupBy("expectation").count().collect()}
    for finding in findings.failed:
        if finding.name not in notes and counts.get(finding.name, 0) != finding.unexpected:
            n_listed = counts.get(finding.name, 0)
            notes[finding.name] = f"{n_listed} rows are listed, Great Expectations counts {finding.unexpected}"
    noted = [(*about[name].values(), None, None, note) for name, note in notes.items()]
    add_failures(job.layout, listed.unionByName(spark.createDataFrame(noted, SCHEMA)))
    listed.unpersist()


def key_of(source: Source, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The key of a table, and those of its columns that are personal."""
    if table == listens.NAME:
        personal = source.table(listens.DERIVED_FROM).pii
        return listens.KEY, tuple(name for name in listens.KEY if listens.ORIGINS[name] in personal)
    known = source.table(table)
    return known.key, tuple(name for name in known.key if name in known.pii)


def _about(run: Run, finding: Finding, docs_id: str, at: datetime) -> dict[str, Any]:
    values = docs_id, run.run_id, at, finding.table, run.tables[finding.table].version, finding.name, finding.severity
    return dict(zip(_LITERALS, values, strict=True))


def _literals(about: dict[str, Any]) -> list[Column]:
    return [F.lit(value).cast(_LITERALS[name]).alias(name) for name, value in about.items()]


def _keyed(key: tuple[str, ...], personal: tuple[str, ...]) -> list[Column]:
    shown = [(F.lit(MASK) if column in personal else F.col(column)).alias(column) for column in key]
    return [
        F.to_json(F.struct(*shown), {"ignoreNullFields": "false"}).alias("key"),
        key_hash(key, within="").alias("key_hash"),
        F.lit(None).cast("string").alias("note"),
    ]
