"""The columns that a table of the lake holds, and how they are added to and widened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import DERIVATIONS, SYSTEM_COLUMNS, recorded_derivations
from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import runs, storage, tables
from lib.lake.layout import Layout
from lib.lake.storage import Address

_NAMES = {"integer": "int", "long": "bigint"}


def held_columns(path: Address, version: int | None = None) -> dict[str, str] | None:
    """Names and Spark DDL of a table's columns, Pagelake's own left out; None where there is no table. Needs no Spark.

    As they are now, or as they were in a version.
    """
    if not tables.exists(path):
        return None
    return {name: ddl for name, ddl in all_columns(path, version).items() if name not in SYSTEM_COLUMNS}


def all_columns(path: Address, version: int | None = None) -> dict[str, str]:
    """Names and Spark DDL of all columns of a table that is there, now or in a version. Needs no Spark."""
    fields = json.loads(storage.table(path, version).schema().to_json())["fields"]
    return {field["name"]: _ddl(field["type"]) for field in fields}


def key_types(layout: Layout, table: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The key of a silver or gold table, and the Spark DDL of its columns. Needs no Spark.

    Raises:
        ConfigError: there is no such table.
    """
    known = {name: (layout.gold(name), one.key) for name, one in DERIVATIONS.items()}
    for run in runs.all_runs(layout):
        settings = json.loads(run.settings)
        known |= {name: (layout.gold(name), one.key) for name, one in recorded_derivations(settings).items()}
        known |= {one["name"]: (layout.silver(one["name"]), tuple(one["key"])) for one in settings["tables"]}
    there = [name for name, (path, _) in known.items() if tables.exists(path)]
    if table not in there:
        listed = ", ".join(there)
        message = f"{layout.root}: there is no table {table!r}{did_you_mean(table, there) or f'; there are {listed}'}"
        raise ConfigError(message)
    path, key = known[table]
    held = held_columns(path) or {}
    return key, {name: held[name] for name in key}


def add_columns(spark: SparkSession, path: Address, rows: DataFrame, tag: str) -> None:
    """Give the table the columns that `rows` has and it has not, null in all of its rows."""
    (
        spark.createDataFrame([], rows.schema)
        .write.format("delta")
        .mode("append")
        .option("mergeSchema", "true")
        .option("userMetadata", tag)
        .save(storage.to_write(path))
    )


def widen_columns(
    spark: SparkSession,
    path: Address,
    widened: Mapping[str, str],
    rehashed: Callable[[DataFrame], DataFrame],
    tag: str,
) -> None:
    """Write the whole table anew with these columns as wider types, in one commit that every reader can still open.

    Delta's own type widening would leave files of both types, which delta-rs cannot read. `rehashed` gives the rows their hash
    anew: a decimal of another scale reads the same and is written otherwise.
    """
    held = spark.read.format("delta").load(str(path))
    wider = held.withColumns({name: F.col(f"`{name}`").cast(kind) for name, kind in widened.items()})
    (
        wider.transform(rehashed)
        .write.format("delta")
        .mode("overwrite")
        .option("overwriteSchema", "true")
        .option("userMetadata", tag)
        .save(storage.to_write(path))
    )


def _ddl(kind: Any) -> str:
    if isinstance(kind, str):
        return _NAMES.get(kind, kind)
    if kind["type"] == "array":
        return f"array<{_ddl(kind['elementType'])}>"
    fields = [f"{field['name']}:{_ddl(field['type'])}" for field in kind["fields"]]
    return f"struct<{','.join(fields)}>"
