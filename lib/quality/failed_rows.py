"""The rows that failed the checks of a run, for `ops/failures`: keys and never values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from lib.logs import printable
from lib.quality.declared import POINTER
from lib.quality.failing import failing_rows
from lib.quality.validate import MOST_KEYS, Finding, Findings, Keys, live_rows

# Characters of a key that is shown.
_LONGEST = 80
_LITERALS = {
    "docs_id": "string",
    "run_id": "string",
    "checked_at": "timestamp",
    "table": "string",
    "version": "bigint",
    "expectation": "string",
    "severity": "string",
    "rule": "string",
}


@dataclass(frozen=True)
class CheckOf:
    """A check: of which run, by which docs, and when."""

    run: Run
    docs_id: str
    at: datetime


@dataclass(frozen=True)
class Listed:
    """The rows that fail a check: few of them here, or many in Spark; and what is to be said of expectations without a list."""

    findings: Findings
    about: Mapping[str, dict[str, Any]]
    few: list[dict[str, Any]] = field(default_factory=list)
    many: DataFrame | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def with_keys(self) -> Findings:
        """The findings with some keys of the rows that fail each, where no part of them is personal."""
        shown = (replace(one, keys=self._keys_of(one)) if one.name in self.about else one for one in self.findings.all)
        return replace(self.findings, all=tuple(shown))

    def write(self, spark: SparkSession, layout: Layout) -> None:
        """Write all of them to `ops/failures`. Nothing failed: nothing is written, and no Spark job."""
        if self.many is not None:
            counts = {row["expectation"]: row["count"] for row in self.many.groupBy("expectation").count().collect()}
            noted = spark.createDataFrame(pa.Table.from_pylist(self._noted(counts), SCHEMA))
            add_many(layout, self.many.unionByName(noted))
            self.many.unpersist()
        elif self.about:
            add_few(layout, [*self.few, *self._noted(Counter(row["expectation"] for row in self.few))])

    def _keys_of(self, finding: Finding) -> Keys | None:
        if self.many is None:
            return _keys(finding, [row for row in self.few if row["expectation"] == finding.name], is_all=True)
        some = self.many.where(F.col("expectation") == finding.name).select("key", "pointer")
        if finding.is_of_reference:
            some = some.dropDuplicates(["pointer"])
        rows = [row.asDict() for row in some.limit(MOST_KEYS + 1).collect()]
        return _keys(finding, rows, is_all=len(rows) <= MOST_KEYS)

    def _noted(self, listed: Mapping[str, int]) -> list[dict[str, Any]]:
        """A record without a key for each expectation of which rows are not listed, or other than GX counts."""
        said = dict(self.notes)
        for finding in self.findings.failed:
            n_listed = listed.get(finding.name, 0)
            if finding.name not in self.notes and n_listed != finding.unexpected:
                said[finding.name] = (
                    f"{n_listed} {'row is' if n_listed == 1 else 'rows are'} listed, Great Expectations counts {finding.unexpected}"
                )
        blank = {"key": None, "key_hash": None, "pointer": None}
        return [self.about[name] | blank | {"note": note} for name, note in said.items()]


def list_failures(
    source: Source,
    key_hash: Callable[[], KeyHash],
    check: CheckOf,
    frames: Mapping[str, DataFrame],
    findings: Findings,
) -> Listed:
    """Find the keys of all rows that fail an expectation of this check. Nothing failed: no Spark job.

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
            pointer = _pointer(source, finding, failing.rows)
            lists.append(failing.rows.select(*_literals(about[finding.name]), *_keyed(key, personal, hashed), pointer))
    if not lists:
        return Listed(findings, about, notes=notes)
    rows = reduce(DataFrame.unionByName, lists)
    if sum(finding.unexpected or 0 for finding in findings.failed) > FEW:
        return Listed(findings, about, many=rows.persist(), notes=notes)
    few = sorted(rows.toArrow().to_pylist(), key=lambda row: row["key"])
    return Listed(findings, about, few=few, notes=notes)


def _keys(finding: Finding, rows: Sequence[Mapping[str, Any]], *, is_all: bool) -> Keys | None:
    """Keys of rows, of which these are all or some; None where one is personal.

    Of a reference these are the keys that it names and that are not there.
    """
    keys = [json.loads(row["key"]) for row in rows]
    if finding.is_of_reference:
        name = str(finding.meta["reference"]).removesuffix("[]")
        keys = [{name: row["pointer"]} for row in rows]
    if not keys or any(MASK in key.values() for key in keys):
        return None
    texts = list(dict.fromkeys(printable(" ".join(map(str, key.values())))[:_LONGEST] for key in keys))
    if all(text.isdigit() for text in texts):
        texts.sort(key=int)
    names = " ".join(keys[0]) + (":" if len(keys[0]) > 1 else "")
    return Keys(names, tuple(texts[:MOST_KEYS]), len(texts) if is_all else None)


def key_of(source: Source, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The key of a table, and those of its columns that are personal."""
    derived = derivations_of(source).get(table)
    key = derived.key if derived else source.table(table).key
    personal = derived.pii(source) if derived else source.table(table).pii
    return key, tuple(name for name in key if name in personal)


def _about(check: CheckOf, finding: Finding) -> dict[str, Any]:
    run, version = check.run, check.run.tables[finding.table].version
    values = check.docs_id, run.run_id, check.at, finding.table, version, finding.name, finding.severity, finding.rule
    return dict(zip(_LITERALS, values, strict=True))


def _literals(about: dict[str, Any]) -> list[Column]:
    return [F.lit(value).cast(_LITERALS[name]).alias(name) for name, value in about.items()]


def _pointer(source: Source, finding: Finding, rows: DataFrame) -> Column:
    """The value of a reference that meets no row, as the column `pointer`; null for other expectations."""
    if not finding.is_of_reference or POINTER not in rows.columns:
        return F.lit(None).cast("string").alias("pointer")
    return (F.lit(MASK) if is_pointer_personal(source, finding) else F.col(POINTER)).alias("pointer")


def is_pointer_personal(source: Source, finding: Finding) -> bool:
    """Whether the values of the reference are personal: its column is, or the key that it names."""
    target = source.table(finding.meta["refers_to"])
    derived = derivations_of(source).get(finding.table)
    personal = derived.pii(source) if derived else source.table(finding.table).pii
    column = str(finding.meta["reference"]).removesuffix("[]")
    return column in personal or target.key[0] in target.pii


def _keyed(key: tuple[str, ...], personal: tuple[str, ...], hashed: Column) -> list[Column]:
    shown = [(F.lit(MASK) if column in personal else F.col(column)).alias(column) for column in key]
    return [
        F.to_json(F.struct(*shown), {"ignoreNullFields": "false"}).alias("key"),
        hashed.alias("key_hash"),
        F.lit(None).cast("string").alias("note"),
    ]
