"""The rows that failed the checks of a run, for `ops/failures`: keys and never values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import MASK, Source, derivations_of
from lib.lake.failures import FEW, SCHEMA, add_few, add_many
from lib.lake.key_hash import KeyHash
from lib.lake.layout import Layout
from lib.lake.runs import Run
from lib.quality.failing import failing_rows
from lib.quality.validate import Finding, Findings, live_rows

_LITERALS = {
    "docs_id": "string",
    "run_id": "string",
    "checked_at": "timestamp",
    "table": "string",
    "version": "bigint",
    "expectation": "string",
    "severity": "string",
}


@dataclass(frozen=True)
class CheckOf:
    """A check: of which run, by which docs, and when."""

    run: Run
    docs_id: str
    at: datetime


def write_failures(
    spark: SparkSession,
    source: Source,
    layout: Layout,
    key_hash: Callable[[], KeyHash],
    check: CheckOf,
    frames: dict[str, DataFrame],
    findings: Findings,
) -> None:
    """Write the keys of all rows that fail an expectation of this check. Nothing failed: nothing is written, and no Spark job.

    `key_hash` gives the lake's, which is asked for only if a row failed.
    """
    lists: list[DataFrame] = []
    notes: dict[str, str] = {}
    about = {finding.name: _about(check, finding) for finding in findings.failed}
    for finding in findings.failed:
        key, personal = key_of(source, finding.table)
        failing = failing_rows(live_rows(frames[finding.table]), key, finding)
        if failing.rows is None:
            notes[finding.name] = f"no rows are listed: {failing.why}"
        else:
            hashed = key_hash()(key, within="")
            lists.append(failing.rows.select(*_literals(about[finding.name]), *_keyed(key, personal, hashed)))
    if not about:
        return
    if lists and sum(finding.unexpected or 0 for finding in findings.failed) > FEW:
        listed = reduce(DataFrame.unionByName, lists).persist()
        counts = {row["expectation"]: row["count"] for row in listed.groupBy("expectation").count().collect()}
        noted = spark.createDataFrame(pa.Table.from_pylist(_noted(about, notes, findings, counts), SCHEMA))
        add_many(layout, listed.unionByName(noted))
        listed.unpersist()
    else:
        few = reduce(DataFrame.unionByName, lists).toArrow().to_pylist() if lists else []
        add_few(layout, [*few, *_noted(about, notes, findings, Counter(row["expectation"] for row in few))])


def _noted(
    about: Mapping[str, dict[str, Any]], notes: dict[str, str], findings: Findings, listed: Mapping[str, int]
) -> list[dict[str, Any]]:
    """A record without a key for each expectation of which rows are not listed, or other than GX counts."""
    said = dict(notes)
    for finding in findings.failed:
        n_listed = listed.get(finding.name, 0)
        if finding.name not in notes and n_listed != finding.unexpected:
            said[finding.name] = (
                f"{n_listed} {'row is' if n_listed == 1 else 'rows are'} listed, Great Expectations counts {finding.unexpected}"
            )
    return [about[name] | {"key": None, "key_hash": None, "note": note} for name, note in said.items()]


def key_of(source: Source, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The key of a table, and those of its columns that are personal."""
    derived = derivations_of(source).get(table)
    key = derived.key if derived else source.table(table).key
    personal = derived.pii(source) if derived else source.table(table).pii
    return key, tuple(name for name in key if name in personal)


def _about(check: CheckOf, finding: Finding) -> dict[str, Any]:
    run, version = check.run, check.run.tables[finding.table].version
    values = check.docs_id, run.run_id, check.at, finding.table, version, finding.name, finding.severity
    return dict(zip(_LITERALS, values, strict=True))


def _literals(about: dict[str, Any]) -> list[Column]:
    return [F.lit(value).cast(_LITERALS[name]).alias(name) for name, value in about.items()]


def _keyed(key: tuple[str, ...], personal: tuple[str, ...], hashed: Column) -> list[Column]:
    shown = [(F.lit(MASK) if column in personal else F.col(column)).alias(column) for column in key]
    return [
        F.to_json(F.struct(*shown), {"ignoreNullFields": "false"}).alias("key"),
        hashed.alias("key_hash"),
        F.lit(None).cast("string").alias("note"),
    ]
