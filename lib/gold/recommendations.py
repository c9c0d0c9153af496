"""The derived table `recommendations`: the lists that a job gives are merged, and what is deleted is taken out of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import Derivation, Source, derivations_of
from lib.config.derivations import GENERATED_AT, RECOMMENDATIONS
from lib.lake import deletion_vectors, derived, tables
from lib.lake.derived import Base, Derived
from lib.lake.layout import Layout
from lib.lake.storage import Address


def merge_lists(
    spark: SparkSession, layout: Layout, source: Source, lists: DataFrame, bases: Sequence[Base]
) -> Derived:
    """Make the table hold exactly these lists, in one commit; in none if it does already.

    `lists` has a row per user, list and rank, with the columns that `lib/config/derivations.py` declares. A row that differs from
    the held one by `generated_at` alone stays as it is. `bases` are the versions that the lists were made from.
    """
    declared = derivations_of(source)[RECOMMENDATIONS]
    rows = lists.select(*(F.col(name).cast(kind).alias(name) for name, kind in declared.columns.items()))
    path, tag = layout.gold(RECOMMENDATIONS), derived.tag_of(bases)
    if not tables.exists(path):
        return derived.overwrite(path, rows, tag)
    return _hold(spark, path, rows, declared.key, tag, ignored=(GENERATED_AT,))


def prune(declared: Derivation, rows: DataFrame, bases: Mapping[str, DataFrame]) -> DataFrame:
    """The rows without what they say of keys that are not live. `bases` are the silver tables that are referred to, by name.

    A row that points at such a key is left out, an array loses that element; all else stays, ranks included. Key and columns are
    those of `rows`.
    """
    for reference in declared.references:
        live = bases[reference.to_table].where(F.col("_deleted_at").isNull())
        keys = live.select(F.col(reference.to_column).alias("_live"))
        if reference.is_array:
            rows = _without_elements(rows, reference.column_name, keys)
        else:
            rows = rows.join(keys, on=F.col(f"`{reference.column_name}`") == F.col("_live"), how="left_semi")
    return rows


def _without_elements(rows: DataFrame, column: str, keys: DataFrame) -> DataFrame:
    """The rows, of whose array `column` only the elements that are among the keys are left, in their order."""
    named = rows.select(F.explode(column).alias("_named")).distinct()
    deleted = named.join(keys, on=F.col("_named") == F.col("_live"), how="left_anti")

    def is_left(element: Column) -> Column:
        return ~F.array_contains("_deleted", element)

    # One row, as deleted keys that a list still names are few.
    in_one = rows.crossJoin(F.broadcast(deleted.agg(F.collect_set("_named").alias("_deleted"))))
    return in_one.withColumn(column, F.filter(column, is_left)).drop("_deleted")


def prune_published(
    spark: SparkSession, layout: Layout, declared: Derivation, version: int, bases: Sequence[Base]
) -> Derived | None:
    """Make of the published version of a table one without what is deleted in these bases; None where nothing of it is.

    A later version, which a job wrote and did not publish, counts for nothing: the rows are those of the published one.
    """
    path = layout.gold(declared.name)
    published = tables.at_version(spark, path, version)
    rows = prune(declared, published, {base.name: tables.at_version(spark, base.path, base.version) for base in bases})
    if derived.changes_to(published, rows, declared.key).isEmpty():
        return None
    return _hold(spark, path, rows, declared.key, derived.tag_of(bases))


def _hold(
    spark: SparkSession, path: Address, rows: DataFrame, key: tuple[str, ...], tag: str, ignored: Collection[str] = ()
) -> Derived:
    """Make the table hold exactly these rows, by what differs from its newest version in other columns than the ignored ones."""
    held = spark.read.format("delta").load(str(path))
    # The source YAML names an id otherwise now, or gives it another type; or an earlier version made the table.
    if sorted(held.dtypes) != sorted(rows.dtypes) or deletion_vectors.may_have_some(path):
        return derived.overwrite(path, rows, tag, new_columns=True)
    changes = derived.changes_to(held, rows, key, ignored)
    return derived.merge_changes(spark, path, changes, key=key, tag=tag)
