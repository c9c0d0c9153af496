"""The training set: from published tables to the plays of each user, in blocks that a Spark task takes one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from scipy import sparse

from lib.config import Recommend, Source
from lib.recommend.histories import Catalogue, Histories

# Into so many parts the users are cut, on any machine: sums of floating point numbers depend on their order, and the same data
# are to give the same model.
PARTS = 4
DELETED = "_deleted_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
_PACKED = pa.schema({"block": pa.binary(), "first": pa.int64(), "last": pa.int64()})
# Of users by items: 8 MB a matrix of floats, of which a task holds about ten.
_BLOCK_CELLS, _MOST_USERS = 2_000_000, 1000
# Sums of squares of sums of them stay far below what a float can hold.
MOST_WEIGHT = 1e6


@dataclass(frozen=True)
class Items:
    """The live items by position: their ids in ascending order, and the groups that they are in."""

    ids: pa.Array
    groups: tuple[str, ...]
    member: sparse.csr_array

    @property
    def catalogue(self) -> Catalogue:
        """What models need to know of the items."""
        return Catalogue(len(self.ids), np.ones(len(self.ids), np.bool_), self.member)

    def positions(self, ids: pa.Array) -> NDArray[np.int64]:
        """The position of each of these ids, -1 for one that is not among the items."""
        found = pc.index_in(ids.cast(self.ids.type), value_set=self.ids)
        return np.asarray(found.fill_null(-1), np.int64)


@dataclass(frozen=True)
class TrainingSet:
    """Who played what. `first` is the time of the first play, `end` just after the last one: microseconds since 1970, or None.

    `users` has a row a user, those who never played too: `user`, `favourites` (an array of names of groups), `plays` (an array
    of at, position and weight, in the order of time; null where there is none). Key: user. Deleted users are left out, and so are
    plays of a user or an item that is not there. `packed` holds the same rows, a block of users a row, for tasks that take them
    by `blocks`.
    """

    items: Items
    users: DataFrame
    packed: DataFrame
    settings: Recommend
    first: int | None = None
    end: int | None = None

    @property
    def last_play(self) -> datetime | None:
        """The time of the last play, to the microsecond."""
        return None if self.end is None else _EPOCH + timedelta(microseconds=self.end - 1)


@contextmanager
def opened(
    spark: SparkSession, source: Source, settings: Recommend, tables: Mapping[str, DataFrame], until: datetime
) -> Iterator[TrainingSet]:
    """The training set that these tables, published at `until`, hold; cached meanwhile, as it is read many times."""
    keys = source.table(settings.users.table).key[0], source.table(settings.items.table).key[0]
    items, users = training_set(spark, settings, keys, tables, until)
    block = block_rows(len(items.ids))
    packed = users.mapInArrow(_Pack(block), from_arrow_schema(_PACKED)).persist()
    try:
        # Small batches while users are packed. Of blocks, Spark takes at most 64 MB at a time by itself.
        spark.conf.set(_BATCH_ROWS, str(block))
        try:
            [(first, last)] = packed.select(F.min("first"), F.max("last")).collect()
        finally:
            spark.conf.unset(_BATCH_ROWS)
        end = None if last is None else last + 1
        yield TrainingSet(items, users, packed.select("block"), settings, first, end)
    finally:
        packed.unpersist()


def block_rows(n_items: int) -> int:
    """So many users are a block: what is worked out for a block has a few numbers for each of its users and items."""
    return max(1, min(_MOST_USERS, _BLOCK_CELLS // max(1, n_items)))


def items_of(rows: DataFrame, key: str, groups: str | None) -> Items:
    """The items of the catalogue. They are few enough for the driver."""
    live = rows.where(F.col(DELETED).isNull())
    found = live.select(F.col(key).alias("id"), _groups(rows, groups).alias("groups")).orderBy("id").toArrow()
    of_each: list[list[str]] = found["groups"].to_pylist()
    names = tuple(sorted({name for groups in of_each for name in groups}))
    member = membership(of_each, {name: place for place, name in enumerate(names)})
    return Items(found["id"].combine_chunks(), names, member)


def membership(of_each: Sequence[Sequence[str]], places: Mapping[str, int]) -> sparse.csr_array:
    """Which row is in which group, as a matrix of booleans; a group without a place is left out."""
    chosen = [sorted({places[name] for name in groups if name in places}) for groups in of_each]
    start = np.concatenate([[0], np.cumsum([len(one) for one in chosen], dtype=np.int64)])
    flat = np.fromiter((place for one in chosen for place in one), np.int64, count=int(start[-1]))
    return sparse.csr_array((np.ones(len(flat), bool), flat, start), shape=(len(of_each), len(places)))


def training_set(
    spark: SparkSession, settings: Recommend, keys: tuple[str, str], tables: Mapping[str, DataFrame], until: datetime
) -> tuple[Items, DataFrame]:
    """The items and the users of a `TrainingSet`. `keys` are the key columns of users and items, `tables` what the settings name.

    Plays after `until` (when the tables were published) are left out. A play weighs 1 where its weight is missing or no number,
    0 where it is less, and a million at most.
    """
    plays, users_of, items_from = settings.plays, settings.users, settings.items
    user_key, item_key = keys
    items = items_of(tables[items_from.table], item_key, items_from.groups)
    people, played = tables[users_of.table], tables[plays.table]
    if DELETED in played.columns:
        played = played.where(F.col(DELETED).isNull())
    weight = F.lit(1.0)
    if plays.weight is not None:
        given = F.nanvl(F.coalesce(F.col(plays.weight).cast("double"), F.lit(1.0)), F.lit(1.0))
        weight = F.least(F.greatest(given, F.lit(0.0)), F.lit(MOST_WEIGHT))
    positions = pa.table({"item": items.ids, "position": pa.array(np.arange(len(items.ids), dtype=np.int32))})
    of_each = (
        played.select(
            # An id that does not fit is none of theirs.
            F.col(plays.user).try_cast(people.schema[user_key].dataType).alias("user"),
            F.col(plays.item).try_cast(tables[items_from.table].schema[item_key].dataType).alias("item"),
            F.unix_micros(plays.at).alias("at"),
            weight.cast("float").alias("weight"),
        )
        # Ages are counted to the last play: one by a clock that is wrong would make all others old.
        .where(F.col("at") <= F.unix_micros(F.lit(until)))
        .join(F.broadcast(spark.createDataFrame(positions)), on="item", how="inner")
        .groupBy("user")
        .agg(F.sort_array(F.collect_list(F.struct("at", "position", "weight"))).alias("plays"))
    )
    users = (
        people.where(F.col(DELETED).isNull())
        .select(
            F.col(user_key).alias("user"),
            _groups(people, users_of.groups).alias("favourites"),
        )
        .join(of_each, on="user", how="left")
        .repartition(PARTS, "user")
        .sortWithinPartitions("user")
    )
    return items, users


def _groups(rows: DataFrame, column: str | None) -> Column:
    """The names in a column of groups: an array as it is, a text cut at its commas. Empty where there is none."""
    none = F.array().cast("array<string>")
    if column is None:
        return none
    names = F.col(column)
    if rows.schema[column].dataType.simpleString() == "string":
        names = F.split(names, ",")
    names = F.transform(names, lambda name: F.trim(name))
    return F.coalesce(F.filter(names, lambda name: name != ""), none)


@dataclass(frozen=True)
class Block:
    """Some users: their ids, and what they played."""

    users: pa.Array
    histories: Histories


@dataclass(frozen=True)
class _Pack:
    """A Spark task: puts so many users into a block each, in the format of an Arrow stream.

    Every pass over the users reads them so. As rows they would be turned into Arrow anew in each, play by play.
    """

    users: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            # Batches are larger where Spark packs anew what a lost machine had packed: the blocks are to be the same.
            while sum(one.num_rows for one in held) >= self.users:
                whole = pa.Table.from_batches(held)
                yield _packed(whole.slice(0, self.users))
                held = whole.slice(self.users).to_batches()
        if held:
            yield _packed(pa.Table.from_batches(held))


def _packed(users: pa.Table) -> pa.RecordBatch:
    whole = users.combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_table(whole)
    at = whole.column("plays").combine_chunks().flatten().field("at")
    ends = pc.min_max(at)
    return pa.record_batch(
        [
            pa.array([sink.getvalue().to_pybytes()], pa.binary()),
            pa.array([ends["min"]], pa.int64()),
            pa.array([ends["max"]], pa.int64()),
        ],
        schema=_PACKED,
    )


def blocks(batches: Iterable[pa.RecordBatch], groups: Sequence[str]) -> Iterator[Block]:
    """The blocks of users that a Spark task gets of `TrainingSet.packed`. `groups` are those of the items, in their order."""
    places = {name: place for place, name in enumerate(groups)}
    for batch in batches:
        for packed in batch.column("block"):
            for users in pa.ipc.open_stream(packed.as_buffer()):
                yield _block(users, places)


def _block(batch: pa.RecordBatch, places: Mapping[str, int]) -> Block:
    plays = batch.column("plays")
    lengths = np.asarray(pc.list_value_length(plays).fill_null(0), np.int64)
    flat = plays.flatten()
    histories = Histories(
        start=np.concatenate([[0], np.cumsum(lengths)]),
        item=np.asarray(flat.field("position"), np.int32),
        at=np.asarray(flat.field("at"), np.int64),
        weight=np.asarray(flat.field("weight"), np.float32),
        favourites=membership(batch.column("favourites").to_pylist(), places),
    )
    return Block(batch.column("user"), histories)
