"""Derived tables: from which version of another table one was made, and how it follows that table's changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.lake import deletion_vectors, storage, tables
from lib.lake.storage import Address

IS_DELETED = "is_deleted"
_TAG = "spark.databricks.delta.commitInfo.userMetadata"
# What Delta says of a feed that begins later, was off for a while, or has lost files; some of it without a class of its own.
_OUT_OF_REACH = re.compile(r"\[(DELTA_\w+|FAILED_READ_FILE\.FILE_NOT_EXIST)\]")


@dataclass(frozen=True)
class Base:
    """The version of a table that another one is made from."""

    name: str
    path: Address
    version: int

    @property
    def tag(self) -> str:
        """How the derived table's commit names it: by its version, of the table that has this id."""
        return f"{self.name}@{self.version} of {tables.table_id(self.path)}"


@dataclass(frozen=True)
class Derived:
    """The version of a derived table, and what was done to it. A table written anew has no count of what was updated or deleted."""

    version: int
    inserted: int
    updated: int | None
    deleted: int | None


def tag_of(bases: Sequence[Base]) -> str:
    """What the derived table's commit says of all that it was made from."""
    return ", ".join(base.tag for base in bases)


def made_from(path: Address, bases: Sequence[Base]) -> dict[str, int] | None:
    """The version of each base that the derived table was made from; None where there is no telling.

    That is: no table, a newest version that does not say, or a base that was itself made anew since.
    """
    made = tables.latest(path)
    one_each = ", ".join(rf"{re.escape(base.name)}@(0|[1-9][0-9]*) of (\S+)" for base in bases)
    match = re.fullmatch(one_each, (made and made.tag) or "")
    if match is None or list(match.groups()[1::2]) != [tables.table_id(base.path) for base in bases]:
        return None
    return {base.name: int(version) for base, version in zip(bases, match.groups()[::2], strict=True)}


def unchanged(path: Address) -> Derived:
    """The newest version, to which nothing was done."""
    return Derived(tables.newest(path).version, 0, 0, 0)


def overwrite(path: Address, rows: DataFrame, tag: str, *, new_columns: bool = False) -> Derived:
    """Write a derived table anew, as a whole; with `new_columns` it takes the columns of the rows and their types, too.

    It has no deletion vectors from then on, as those that earlier versions made (docs/adr/0020-live-rows-by-default.md).
    """
    if tables.exists(path):
        deletion_vectors.settle(rows.sparkSession, path, wanted=False)
    whole = rows.write.format("delta").mode("overwrite").option("userMetadata", tag).options(**deletion_vectors.WITHOUT)
    (whole.option("overwriteSchema", "true") if new_columns else whole).save(storage.to_write(path))
    done = tables.newest(path)
    return Derived(done.version, int(done.metrics.get("numOutputRows", 0)), None, None)


def changes_after(
    spark: SparkSession, base: Base, version: int, digest: Callable[[DataFrame], DataFrame]
) -> DataFrame | None:
    """The change feed of the base after that version, as `digest` sums it up; persisted, as it is read only here.

    None where the feed does not reach back so far.
    """
    reader = spark.read.format("delta").option("readChangeFeed", "true")
    span = reader.option("startingVersion", version + 1).option("endingVersion", base.version)
    try:
        digested = span.load(str(base.path)).transform(digest).persist()
        digested.count()
    except (PySparkException, Py4JJavaError) as error:
        if _OUT_OF_REACH.search(str(error)) is None:
            raise
        return None
    return digested


def changes_to(held: DataFrame, rows: DataFrame, key: tuple[str, ...], ignored: Collection[str] = ()) -> DataFrame:
    """What `merge_changes` has to do so that a table which holds `held` has these rows. No action.

    Both have the same columns, and one row per key. A row that differs in the `ignored` columns alone stays as it is held.
    """
    values = [name for name in rows.columns if name not in key]
    is_new, is_deleted = F.col(f"held.`{key[0]}`").isNull(), F.col(f"new.`{key[0]}`").isNull()
    same_key, differs = F.lit(True), is_new | is_deleted
    for name in key:
        same_key = same_key & (F.col(f"held.`{name}`") == F.col(f"new.`{name}`"))
    for name in values:
        if name not in ignored:
            differs = differs | ~F.col(f"held.`{name}`").eqNullSafe(F.col(f"new.`{name}`"))
    both = rows.alias("new").join(held.alias("held"), on=same_key, how="full").where(differs)
    return both.select(
        *(F.coalesce(f"new.`{name}`", f"held.`{name}`").alias(name) for name in key),
        *(F.col(f"new.`{name}`").alias(name) for name in values),
        is_deleted.alias(IS_DELETED),
    )


def merge_changes(spark: SparkSession, path: Address, changes: DataFrame, *, key: tuple[str, ...], tag: str) -> Derived:
    """Bring a derived table up to date in one commit, or in none if the changes make no difference to it.

    `changes` has a row per key, with the table's columns, and `is_deleted` where the key's row is to be deleted.
    """
    before = tables.newest(path)
    values = [name for name in changes.columns if name not in (*key, IS_DELETED)]
    same_key, differs = F.lit(True), F.lit(False)
    for name in key:
        same_key = same_key & (F.col(f"held.`{name}`") == F.col(f"new.`{name}`"))
    for name in values:
        differs = differs | ~F.col(f"held.`{name}`").eqNullSafe(F.col(f"new.`{name}`"))
    is_deleted = F.col(f"new.{IS_DELETED}")
    # Counted first, Spark knows how few rows they are, and sends them to the table's instead of sorting both.
    changes = changes.persist()
    changes.count()
    with _tagged(spark, tag):
        (
            DeltaTable.forPath(spark, storage.to_write(path))
            .alias("held")
            .merge(changes.alias("new"), same_key)
            .whenMatchedDelete(is_deleted)
            .whenMatchedUpdate(differs, {name: F.col(f"new.`{name}`") for name in values})
            .whenNotMatchedInsert(~is_deleted, {name: F.col(f"new.`{name}`") for name in (*key, *values)})
            .execute()
        )
    changes.unpersist()
    done = tables.newest(path)
    if done.version == before.version:
        return unchanged(path)
    inserted, updated, deleted = (
        int(done.metrics.get(f"numTargetRows{what}", 0)) for what in ("Inserted", "Updated", "Deleted")
    )
    return Derived(done.version, inserted, updated, deleted)


@contextmanager
def _tagged(spark: SparkSession, tag: str) -> Iterator[None]:
    """A MERGE takes its tag from the session alone: of all that commits meanwhile, so nothing else may."""
    spark.conf.set(_TAG, tag)
    try:
        yield
    finally:
        spark.conf.unset(_TAG)
