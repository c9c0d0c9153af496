"""Whether a table has deletion vectors, which not every reader takes, and how it gets or loses them."""

from __future__ import annotations

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from lib.lake import storage
from lib.lake.storage import Address

_FEATURE, _ENABLED = "deletionVectors", "delta.enableDeletionVectors"
WITHOUT = {_ENABLED: "false"}
"""Options of a write that makes a table without deletion vectors: pandas and Arrow datasets refuse one that may have some."""


def may_have_some(path: Address, version: int | None = None) -> bool:
    """Whether a reader of the table, or of one of its versions, has to know deletion vectors."""
    return _FEATURE in (storage.table(path, version).protocol().reader_features or ())


def settle(spark: SparkSession, path: Address, *, wanted: bool) -> None:
    """Give a table deletion vectors or take them from it; nothing is written where it has what is wanted.

    Where they are taken, files that have some are written anew; versions before that stay readable, with theirs. It is several
    commits: a table on which a kill came between them still may have some, and is taken up again.
    """
    if not wanted:
        if may_have_some(path):
            DeltaTable.forPath(spark, storage.to_write(path)).dropFeatureSupport(_FEATURE)
    elif storage.table(path).metadata().configuration.get(_ENABLED) != "true":
        name = storage.to_write(path).replace("`", "``")
        spark.sql(f"ALTER TABLE delta.`{name}` SET TBLPROPERTIES ('{_ENABLED}' = 'true')")
