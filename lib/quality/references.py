"""References between tables: the pointers that meet no live row, in one pass over a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lib.config import Reference, Table
from lib.quality.declared import DELETED, NOTHING, POINTER, QUARANTINED, unmatched_view
from lib.quality.validate import live_rows

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

KeyHash = Callable[[Sequence[str], str], Column]


class Pointing(Protocol):
    """A table with references: one of the source, or a derived one."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of its key."""

    @property
    def references(self) -> tuple[Reference, ...]:
        """Its columns that name keys of other tables."""


def register_unmatched(
    table: Pointing,
    frame: DataFrame,
    targets: Mapping[str, tuple[Table, DataFrame, DataFrame | None]],
    key_hash: KeyHash,
) -> DataFrame:
    """Make the view of the table's unmatched references: those of its live rows that meet no live row.

    `targets` has for each table referred to its settings, its silver rows, and its quarantined rows if there are any. By
    `key_hash` these are found, as quarantine holds no key of a personal column: it takes names of columns and where they are,
    and gives what `quarantine/rows` has of such a key. Grain: one row a pointer; columns: the table's key, `_reference` (as in
    the source YAML), `_pointer` (as text), and what it `_meets`: a row that was deleted, one in quarantine, or nothing, which
    makes it an orphan.
    """
    live = live_rows(frame)
    unmatched = [
        _unmatched(table, live, reference, *targets[reference.to_table], key_hash) for reference in table.references
    ]
    found = reduce(DataFrame.unionByName, unmatched).persist()
    found.createOrReplaceTempView(unmatched_view(table.name))
    return found


@dataclass(frozen=True)
class Unmatched:
    """Pointers of one reference that meet no live row, all of one kind: how many, and how many distinct keys they name."""

    table: str
    reference: Reference
    meets: str
    pointers: int
    keys: int

    def __str__(self) -> str:
        """A sentence for people, without any value."""
        keys = f"{self.keys:,} distinct key{'' if self.keys == 1 else 's'}"
        references = f"reference{'' if self.pointers == 1 else 's'} to"
        if self.meets == NOTHING:
            said = f"{self.pointers:,} orphaned {references}"
        else:
            said = f"{self.pointers:,} {references} {f'a {self.meets} row' if self.pointers == 1 else f'{self.meets} rows'} of"
        return f"{self.table}.{self.reference.column}: {said} {self.reference.to_table} ({keys})."


def count_unmatched(table: Pointing, unmatched: DataFrame) -> list[Unmatched]:
    """How many there are by reference, in the YAML's order, and by what they meet. One pass; values are counted, not collected."""
    counts = unmatched.groupBy("_reference", "_meets").agg(
        F.count("*").alias("pointers"), F.count_distinct(POINTER).alias("keys")
    )
    found = {(row["_reference"], row["_meets"]): (row["pointers"], row["keys"]) for row in counts.collect()}
    return [
        Unmatched(table.name, reference, meets, *found[reference.column, meets])
        for reference in table.references
        for meets in (NOTHING, QUARANTINED, DELETED)
        if (reference.column, meets) in found
    ]


def describe_unmatched(suite: ExpectationSuite, unmatched: Sequence[Unmatched]) -> None:
    """Put the counts into the descriptions of the table's references, so that the docs and a failure say them.

    What GX itself says of a query is its number of rows alone.
    """
    for expectation in suite.expectations:
        reference = (expectation.meta or {}).get("reference")
        if said := " ".join(str(one) for one in unmatched if one.reference.column == reference):
            expectation.description = f"{expectation.description} Found: {said}"


def _unmatched(
    table: Pointing,
    live: DataFrame,
    reference: Reference,
    target: Table,
    silver: DataFrame,
    quarantine: DataFrame | None,
    key_hash: KeyHash,
) -> DataFrame:
    column = F.col(reference.column_name)
    pointer: Column = F.explode(column) if reference.is_array else column
    pointers = live.select(*table.key, pointer.alias("_key")).where(F.col("_key").isNotNull())
    key = target.key[0]
    held = silver.select(F.col(key).alias("_key"), F.col("_deleted_at").isNotNull().alias("_is_deleted"))
    unmatched = pointers.join(held, on="_key", how="left").where(F.coalesce("_is_deleted", F.lit(True)))
    met = F.when(F.col("_is_deleted"), F.lit(DELETED)).otherwise(F.lit(NOTHING))
    if quarantine is not None:
        rejected = quarantine.select(F.col("key_hash").alias("_hash"), F.lit(QUARANTINED).alias("_there")).distinct()
        # In a struct, for the pointing table may have a column that is named as the key.
        named = unmatched.withColumn("_named", F.struct(F.col("_key").alias(key)))
        unmatched = named.withColumn("_hash", key_hash((key,), "_named.")).join(rejected, on="_hash", how="left")
        met = F.coalesce("_there", met)
    return unmatched.select(
        *table.key,
        F.lit(reference.column).alias("_reference"),
        F.col("_key").cast("string").alias(POINTER),
        met.alias("_meets"),
    )
