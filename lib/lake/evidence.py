"""The records of a lake as tables for people: what ran, what was checked, what failed, what is in quarantine."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import checks, failures, metrics, publications, quarantine, runs, tables
from lib.lake.key_hash import KeyHash
from lib.lake.layout import Layout

SCHEMAS: dict[str, pa.Schema] = {
    "runs": runs.SCHEMA,
    "publications": publications.SCHEMA,
    "checks": checks.SCHEMA,
    "failures": failures.SCHEMA,
    "metrics": metrics.SCHEMA,
    "quarantine": quarantine.SCHEMA,
}


def record(spark: SparkSession, layout: Layout, name: str) -> DataFrame:
    """One of `SCHEMAS`, with no row where nothing was written yet. Grain and key: docs/architecture.md.

    Raises:
        ConfigError: there is no such record.
    """
    if name not in SCHEMAS:
        message = f"there is no record {name!r}{did_you_mean(name, SCHEMAS)}; there are {', '.join(SCHEMAS)}"
        raise ConfigError(message)
    path = layout.quarantine if name == "quarantine" else layout.root / "ops" / name
    if not tables.exists(path):
        return spark.createDataFrame(SCHEMAS[name].empty_table())
    return spark.read.format("delta").load(str(path))


def rows_behind(
    spark: SparkSession, layout: Layout, docs_id: str, expectation: str, key_hash: Callable[[], KeyHash]
) -> tuple[str, DataFrame]:
    """The table of an expectation, and the rows that failed it in one check, in the version that was checked.

    Raises:
        ConfigError: no row is listed for it; says why, where that is known.
    """
    which = (F.col("docs_id") == docs_id) & (F.col("expectation") == expectation)
    listed = record(spark, layout, "failures").where(which)
    first = listed.orderBy(F.col("key").isNull()).select("run_id", "table", "version", "key", "note").first()
    if first is None or first["key"] is None:
        why = first["note"] if first else "it did not fail in that check, or there is no such check"
        message = f"no row is listed for {expectation} in check {docs_id}: {why}"
        raise ConfigError(message)
    table, version = first["table"], first["version"]
    path = next(
        one.tables[table].path or f"silver/{table}" for one in runs.all_runs(layout) if one.run_id == first["run_id"]
    )
    rows = tables.at_version(spark, layout.root / path, version)
    # A key may hold personal values, which are not in the list: rows are found by its hash.
    hashed = key_hash()(list(json.loads(first["key"])), within="")
    return table, rows.join(listed, on=hashed == listed["key_hash"], how="left_semi")
