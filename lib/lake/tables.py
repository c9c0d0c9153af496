"""What the lake's own log says of a table: its version, and what one run did to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake.exceptions import TableNotFoundError
from pyspark.sql import DataFrame, SparkSession

from lib.lake import storage
from lib.lake.storage import Address


@dataclass(frozen=True)
class Commit:
    """One version of a table: when it was made, what was said of it (`tag`, Delta's userMetadata), and Delta's metrics of it."""

    version: int
    at_ms: int
    tag: str | None
    metrics: dict[str, Any]


def exists(path: Address) -> bool:
    """Whether there is a Delta table at the path."""
    return storage.is_table(path)


def merged_since(path: Address, version: int) -> Commit | None:
    """The last merge after this version, or None if there was none. A clean-up by another writer may have come after it."""
    for later in range(storage.table(path).version(), version, -1):
        entry = storage.commit_info(path, later)
        if entry.get("operation") == "MERGE":
            return _commit(entry, later)
    return None


def newest(path: Address) -> Commit:
    """The newest version of a table that is there."""
    version = storage.table(path).version()
    return _commit(storage.commit_info(path, version), version)


def latest(path: Address) -> Commit | None:
    """The newest version of the table, or None if there is no table."""
    try:
        return newest(path)
    except TableNotFoundError:
        return None


def at_version(spark: SparkSession, path: Address, version: int) -> DataFrame:
    """The table at one version."""
    return spark.read.format("delta").option("versionAsOf", version).load(str(path))


def column_names(path: Address, version: int) -> tuple[str, ...]:
    """The columns of one version."""
    return tuple(field.name for field in storage.table(path, version).schema().fields)


def table_id(path: Address) -> str:
    """The id that Delta gave to the table when it was made: one that is made anew in its place has another."""
    return str(storage.table(path).metadata().id)


def _commit(entry: dict[str, Any], version: int) -> Commit:
    return Commit(
        version, int(entry["timestamp"]), entry.get("userMetadata"), dict(entry.get("operationMetrics") or {})
    )


def data_files(path: Address, version: int) -> tuple[str, ...]:
    """The data files of a version, each by its path from the table's folder.

    They hold its rows and no others only if the table has no deletion vectors.
    """
    found = pa.table(storage.table(path, version).get_add_actions(flatten=True))
    return tuple(sorted(found.column("path").to_pylist()))


@dataclass(frozen=True)
class Files:
    """The data files of one version, their bytes, and how many the commit of that version added and removed."""

    number: int
    n_bytes: int
    added: int
    removed: int


def files_at(path: Address, version: int) -> Files:
    """The files of a version."""
    table = storage.table(path, version)
    sizes = pa.table(table.get_add_actions(flatten=True)).column("size_bytes").to_pylist()
    told = _commit(storage.commit_info(path, version), version).metrics
    added = int(told.get("numTargetFilesAdded", told.get("numFiles", 0)))
    removed = int(told.get("numTargetFilesRemoved", told.get("numRemovedFiles", 0)))
    return Files(len(sizes), sum(sizes), added, removed)
