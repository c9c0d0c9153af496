"""What a table looked like, and what changed in it: from the publications, Delta's versions and its change feed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lib.config import SYSTEM_COLUMNS
from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import keys, runs, tables
from lib.lake.keys import KeyValue
from lib.lake.layout import Layout
from lib.lake.publications import Publication, all_publications
from lib.lake.runs import Run
from lib.lake.storage import Address

# Before the first version of a table.
NO_VERSION = -1

# A change is an image of the row before it and one after it. Where a whole table is written anew, they are a delete and an insert.
_BEFORE = ("update_preimage", "delete")
FEED = ("_change_type", "_commit_version", "_commit_timestamp")
_FEED = (*FEED, "_is_before")


def publication_at(layout: Layout, table: str, when: datetime | date) -> Publication:
    """The publication that was current at a time (no zone: UTC), or at the end of a day in UTC.

    Raises:
        ConfigError: there was none yet with this table; says since when there is one.
    """
    if not isinstance(when, datetime):
        when = datetime.combine(when, time.max)
    moment = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    known = all_publications(layout)
    having = [publication for publication in known if table in publication.tables]
    if not having:
        names = sorted({name for publication in known for name in publication.tables})
        message = f"{layout.root}: no table {table!r} was ever published here{_instead(table, names)}"
        raise ConfigError(message)
    then = [publication for publication in known if publication.published_at <= moment][-1:]
    if not then or table not in then[0].tables:
        first = min(having, key=lambda publication: publication.published_at)
        message = (
            f"{table}: not published yet on {moment:%Y-%m-%d %H:%M:%S} UTC; it is since "
            f"{first.published_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC (publication {first.publication_id})"
        )
        raise ConfigError(message)
    return then[0]


def changes(spark: SparkSession, layout: Layout, table: str, run_from: str, run_to: str) -> DataFrame:
    """What the runs after `run_from`, up to and including `run_to`, changed in a silver table.

    Grain: one row per key whose content or `_deleted_at` differs; key: the table's. Columns: the key, `_change` (inserted,
    updated, deleted, returned), `_columns` (the names of those that differ; null unless there was a row before and is one after),
    `before` and `after` (structs of the table's columns; null where there was no row).

    Raises:
        ConfigError: no such run or table, or `run_to` came before `run_from`.
    """
    path, start, end = _versions(layout, table, run_from, run_to)
    key = _silver(layout, runs.all_runs(layout), table)[1]
    feed = _feed(spark, path, min(start + 1, end), end)
    if start == end:
        feed = feed.where(F.lit(False))
    image = _image(feed)
    # Where a version has both images of a row, the one before comes first.
    order = F.struct("_commit_version", ~F.col("_is_before"))
    ends = feed.groupBy(*key).agg(F.min_by(image, order).alias("first"), F.max_by(image, order).alias("last"))
    return (
        ends.withColumn("before", F.when(F.col("first._is_before"), F.col("first.row")))
        .withColumn("after", F.when(~F.col("last._is_before"), F.col("last.row")))
        .where(~_same("before", "after", _content(feed)))
        .select(
            *key,
            _change("before", "after").alias("_change"),
            _differing("before", "after", _content(feed)).alias("_columns"),
            "before",
            "after",
        )
    )


def change_feed(spark: SparkSession, layout: Layout, table: str, run_from: str, run_to: str) -> DataFrame:
    """Delta's change feed of a silver table: every change that the runs after `run_from`, up to `run_to`, wrote.

    Grain: one row per image of a changed row. Columns: those of the table, `_change_type`, `_commit_version`, `_commit_timestamp`.

    Raises:
        ConfigError: no such run or table, or `run_to` merged before `run_from`.
    """
    path, start, end = _versions(layout, table, run_from, run_to)
    changed = _feed(spark, path, min(start + 1, end), end).drop("_is_before")
    return changed.where(F.lit(start < end))


def row_history(spark: SparkSession, layout: Layout, table: str, key: Mapping[str, KeyValue]) -> DataFrame:
    """The versions in which one row of a silver table changed, oldest first.

    Grain: one row per version with another content or `_deleted_at` than before; key: version. Columns: version, run_id, at
    (the run's time), `_change` and `row` (a struct of the table's columns, null where the row was removed).

    Raises:
        ConfigError: no such table, or `key` does not name its key columns with values of their types.
    """
    path, names = _silver(layout, runs.all_runs(layout), table)
    keys.check_names(table, names, key)
    feed = _feed(spark, path, 0, None)
    own = feed.where(keys.is_row(key, {name: feed.schema[name].dataType.simpleString() for name in names}))
    last = F.max_by(_image(feed), ~F.col("_is_before")).alias("last")
    # All are of one key; a window over nothing would make Spark warn of it.
    one = F.xxhash64(*key).alias("_key")
    versions = own.groupBy(one, "_commit_version", "_commit_timestamp").agg(last)
    in_order = Window.partitionBy("_key").orderBy("_commit_version")
    return (
        versions.withColumn("row", F.when(~F.col("last._is_before"), F.col("last.row")))
        .withColumn("before", F.lag("row").over(in_order))
        .where(~_same("before", "row", _content(feed)))
        .select(
            F.col("_commit_version").alias("version"),
            F.col("row._run_id").alias("run_id"),
            F.coalesce("row._changed_at", "_commit_timestamp").alias("at"),
            _change("before", "row").alias("_change"),
            "row",
        )
        .orderBy("version")
    )


def _silver(layout: Layout, known: Sequence[Run], table: str) -> tuple[Address, tuple[str, ...]]:
    """A silver table's path, and its key as the settings of the newest run have it."""
    declared: dict[str, tuple[str, ...]] = {}
    for run in known:
        declared |= {one["name"]: tuple(one["key"]) for one in json.loads(run.settings)["tables"]}
    path = layout.silver(table)
    if table not in declared or not tables.exists(path):
        merged = [name for name in declared if tables.exists(layout.silver(name))]
        message = f"{layout.root}: there is no silver table {table!r}{_instead(table, merged)}"
        raise ConfigError(message)
    return path, declared[table]


def _versions(layout: Layout, table: str, run_from: str, run_to: str) -> tuple[Address, int, int]:
    """A silver table's path, and its versions after two runs."""
    known = runs.all_runs(layout)
    path, _ = _silver(layout, known, table)
    start, end = (_version_after(layout, known, run_id, table) for run_id in (run_from, run_to))
    if start > end:
        message = f"{table}: run {run_to} merged before run {run_from}; give the earlier run first"
        raise ConfigError(message)
    if end == NO_VERSION:
        message = f"{table}: neither run {run_from} nor {run_to} nor one before them merged this table"
        raise ConfigError(message)
    return path, start, end


def _instead(table: str, names: Sequence[str]) -> str:
    """What to ask for instead of a table that is not there."""
    return did_you_mean(table, names) or (f"; there are {', '.join(names)}" if names else "")


def _version_after(layout: Layout, known: Sequence[Run], run_id: str, table: str) -> int:
    """The silver table's version after a run: its own, or where it did not merge the table, that of the runs before it."""
    ids = [run.run_id for run in known]
    if run_id not in ids:
        message = f"{layout.root}: there is no run {run_id!r}{did_you_mean(run_id, ids)}"
        raise ConfigError(message)
    merged = []
    for run in known[: ids.index(run_id) + 1]:
        record = run.tables.get(table)
        if record is not None and record.state == "merged" and record.version is not None:
            if run.run_id == run_id:
                return record.version
            merged.append(record.version)
    return max(merged, default=NO_VERSION)


def _feed(spark: SparkSession, path: Address, first: int, last: int | None) -> DataFrame:
    """Delta's change feed of some versions, with `_is_before` for the images of rows before a change."""
    reader = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", first)
    feed = (reader if last is None else reader.option("endingVersion", last)).load(str(path))
    return feed.withColumn("_is_before", F.col("_change_type").isin(*_BEFORE))


def _image(feed: DataFrame) -> Column:
    """A row of the feed as a struct: which side of a change it is, and what people see of it."""
    shown = [name for name in feed.columns if name not in (*_FEED, "_row_hash")]
    return F.struct("_is_before", F.struct(*shown).alias("row"))


def _content(feed: DataFrame) -> list[str]:
    """What makes a row another one: its declared columns, and whether it was deleted. The stamps of a rewrite do not."""
    return [name for name in feed.columns if name not in (*_FEED, *SYSTEM_COLUMNS)] + ["_deleted_at"]


def _same(one: str, other: str, content: Sequence[str]) -> Column:
    """Whether two images of a row, each of which may be missing, say the same."""
    # A missing image has nulls only; a row never has, as its key is never null.
    sides = (F.struct(*(F.col(f"{side}.`{name}`") for name in content)) for side in (one, other))
    return next(sides).eqNullSafe(next(sides))


def _differing(before: str, after: str, content: Sequence[str]) -> Column:
    """The names of the columns in which two images of a row differ; null where one is missing."""
    names = [
        F.when(~F.col(f"{before}.`{name}`").eqNullSafe(F.col(f"{after}.`{name}`")), F.lit(name)) for name in content
    ]
    both = F.col(before).isNotNull() & F.col(after).isNotNull()
    return F.when(both, F.array_compact(F.array(*names)))


def _change(before: str, after: str) -> Column:
    """What happened between two images that differ. A row that is no more was deleted; one that came and went is inserted."""
    was_deleted, is_deleted = (F.col(f"{side}._deleted_at").isNotNull() for side in (before, after))
    return (
        F.when(F.col(before).isNull(), "inserted")
        .when(F.col(after).isNull() | is_deleted, "deleted")
        .when(was_deleted, "returned")
        .otherwise("updated")
    )
