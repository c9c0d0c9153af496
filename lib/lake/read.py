"""How people read the lake: the published tables, at the versions that passed together, personal values masked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import overload

from pyspark.sql import Column, DataFrame, SparkSession

from lib.config import Runtime, lake_address
from lib.errors import ConfigError, NotInThisLakeError
from lib.lake import evidence, history, keys, tables
from lib.lake.checks import Check, all_checks
from lib.lake.columns import key_types
from lib.lake.inventory import Entry, inventory
from lib.lake.key_hash import KeyHash, key_hash_of
from lib.lake.keys import KeyValue
from lib.lake.layout import Layout, check_there
from lib.lake.personal import masked, personal_columns
from lib.lake.publications import Publication, all_publications, current
from lib.lake.runs import Run, all_runs
from lib.lake.there import lake_there, nothing, published_there
from lib.lake.without_spark import by_table, check_published, read_published
from lib.session import start_session

__all__ = ["Lake", "at_version", "open_lake", "read_published"]


@dataclass(frozen=True)
class Lake:
    """An open lake. `published` never shows anything unchecked, nor a mixture of two publications, nor a row that is deleted.

    Values of personal columns (`pii: true`) are masked: `***` in place of text, null in place of anything else. `unmasked` names
    the columns to show all the same.
    """

    layout: Layout
    spark: SparkSession = field(repr=False)
    key_secret: str | None = field(default=None, repr=False)

    @property
    def source(self) -> str:
        """The name of the source that the lake is of."""
        known = check_there(self.layout)
        if known is None:
            message = f"{self.layout.root}: there is no lake here any more"
            raise ConfigError(message)
        return known.source

    @property
    def publication(self) -> Publication:
        """The current publication.

        Raises:
            ConfigError: nothing was ever published here.
        """
        return published_there(self.layout)

    @property
    def publications(self) -> list[Publication]:
        """Every publication, in the order in which they became current; the last one is the current one."""
        return all_publications(self.layout)

    @property
    def runs(self) -> list[Run]:
        """Every run, oldest first."""
        return all_runs(self.layout)

    @property
    def last_check(self) -> Check:
        """The check of a run that was done last, passed or not.

        Raises:
            ConfigError: no run was ever checked here.
        """
        known = all_checks(self.layout)
        if not known:
            raise ConfigError(nothing(self.layout, "no run was checked"))
        return known[0]

    @property
    def inventory(self) -> list[Entry]:
        """What is published, table by table: rows, key, files, how new it is, what is masked. No row is read.

        Raises:
            ConfigError: nothing was ever published here.
        """
        return inventory(self.layout, self.publication)

    @overload
    def published(self, table: str, *, unmasked: Collection[str] = (), with_deleted: bool = False) -> DataFrame: ...

    @overload
    def published(self, *, unmasked: Collection[str] = (), with_deleted: bool = False) -> dict[str, DataFrame]: ...

    def published(
        self, table: str | None = None, *, unmasked: Collection[str] = (), with_deleted: bool = False
    ) -> DataFrame | dict[str, DataFrame]:
        """The live rows of one published table; or of all of them, each also as a temporary view of its name for SQL.

        `unmasked` are columns such as `email`; of all tables, such as `users.email`. `with_deleted` shows rows that the source has
        deleted as well: those with a time in `_deleted_at`.

        Raises:
            ConfigError: nothing is published, or no such table or column.
        """
        publication = self.publication
        if table is not None:
            check_published(publication, table)
            return self._at_version(publication, table, unmasked, with_deleted=with_deleted)
        asked = by_table(publication, unmasked)

        def read_one(name: str) -> DataFrame:
            return self._at_version(publication, name, asked[name], with_deleted=with_deleted)

        # Delta looks at all of their logs at once.
        with ThreadPoolExecutor() as pool:
            read = pool.map(read_one, publication.tables)
            frames = dict(zip(publication.tables, read, strict=True))
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        return frames

    def as_of(
        self, table: str, when: datetime | date, *, unmasked: Collection[str] = (), with_deleted: bool = False
    ) -> DataFrame:
        """One published table as readers saw it at a time (no zone: UTC); for a date, at the end of that day in UTC.

        Raises:
            ConfigError: it was not published yet; says since when it is.
        """
        publication = history.publication_at(self.layout, table, when)
        return self._at_version(publication, table, unmasked, with_deleted=with_deleted)

    def changes(self, table: str, run_from: str, run_to: str, *, unmasked: Collection[str] = ()) -> DataFrame:
        """What the runs after `run_from`, up to and including `run_to`, changed in a silver table, net.

        Grain: one row per key whose content or `_deleted_at` differs; key: the table's. Columns: the key, `_change` (inserted,
        updated, deleted, returned), `_columns` (the names of those that differ), `before` and `after` (structs of the table's
        columns; null where there was no row).

        Raises:
            ConfigError: no such run or table, or `run_to` merged before `run_from`.
        """
        found = history.changes(self.spark, self.layout, table, run_from, run_to)
        return self._masked(found, table, unmasked, structs=("before", "after"), beside=("_change", "_columns"))

    def change_feed(self, table: str, run_from: str, run_to: str, *, unmasked: Collection[str] = ()) -> DataFrame:
        """Delta's change feed of a silver table: every change that the runs after `run_from`, up to `run_to`, wrote.

        Grain: one row per image of a changed row: `insert`, `update_preimage`, `update_postimage` or `delete` in `_change_type`.

        Raises:
            ConfigError: no such run or table, or `run_to` merged before `run_from`.
        """
        found = history.change_feed(self.spark, self.layout, table, run_from, run_to)
        return self._masked(found, table, unmasked, beside=history.FEED)

    def row_history(self, table: str, key: Mapping[str, KeyValue], *, unmasked: Collection[str] = ()) -> DataFrame:
        """The versions in which one row of a silver table changed, oldest first; `key` is such as `{"id": 17}`.

        Grain: one row per version with another content or `_deleted_at` than before; key: version. Columns: version, run_id,
        at (the run's time), `_change` (as in `changes`) and `row` (a struct of the table's columns, null where it was removed).

        Raises:
            ConfigError: no such table, or `key` does not name its key columns with values of their types.
        """
        found = history.row_history(self.spark, self.layout, table, key)
        return self._masked(found, table, unmasked, structs=("row",), beside=("version", "run_id", "at", "_change"))

    def need(self, *names: str) -> None:
        """Say that what follows is about these tables; without a name, about whatever is published.

        Raises:
            ConfigError: nothing was ever published here.
            NotInThisLakeError: one of them is not published here. A notebook ends there, and all is well.
        """
        there = self.publication.tables
        if missing := [name for name in names if name not in there]:
            message = (
                f"What follows is about the tables {', '.join(names)}. The source '{self.source}' has no {', '.join(missing)}, so "
                "this notebook ends here."
            )
            raise NotInThisLakeError(message)

    def record(self, name: str) -> DataFrame:
        """What the lake holds of its own doings: runs, publications, checks, failures, metrics or quarantine.

        No row where nothing was written yet. docs/architecture.md has the columns; no personal value is in them.

        Raises:
            ConfigError: there is no such record.
        """
        return evidence.record(self.spark, self.layout, name)

    def rows_behind(self, docs_id: str, expectation: str, *, unmasked: Collection[str] = ()) -> DataFrame:
        """The rows that failed an expectation in one check, as they were then. `docs_id` and `expectation` as in `failures`.

        Raises:
            ConfigError: no row is listed for it; says why, where that is known.
        """
        table, rows = evidence.rows_behind(self.spark, self.layout, docs_id, expectation, self._key_hash)
        return self._masked(rows, table, unmasked)

    def key_hash(self, table: str, key: Mapping[str, KeyValue | Column]) -> Column:
        """What `failures` and `quarantine` have as `key_hash` of the row with this key, such as `{"id": 17}`.

        In place of a value there may be a column of the frame that is asked, such as `{"id": F.col("track_id")}`. The hash is made
        with the lake's secret: no query finds it without. Null where a part of the key is null.

        Raises:
            ConfigError: no such table, `key` does not name its key columns with values of their types, or the lake's secret is not
                at hand.
        """
        names, types = key_types(self.layout, table)
        keys.check_names(table, names, key)
        return self._key_hash()(keys.columns_of(key, types))

    def _key_hash(self) -> KeyHash:
        return key_hash_of(self.spark, self.layout, self.key_secret)

    def _at_version(
        self, publication: Publication, table: str, unmasked: Collection[str], *, with_deleted: bool
    ) -> DataFrame:
        entry = publication.tables[table]
        rows = at_version(self.spark, self.layout, entry.path, entry.version)
        return self._masked(rows if with_deleted else rows.where(entry.live), table, unmasked)

    def _masked(self, frame: DataFrame, table: str, unmasked: Collection[str], **shape: Collection[str]) -> DataFrame:
        return masked(frame, table, personal_columns(self.layout), unmasked, **shape)


def at_version(spark: SparkSession, layout: Layout, path: str, version: int) -> DataFrame:
    """A table of the lake (`path` relative to it) at one version, as it is: nothing is masked."""
    return tables.at_version(spark, layout.root / path, version)


def open_lake(lake: str | None = None, spark: SparkSession | None = None) -> Lake:
    """Open a lake; without a name, the one that PAGELAKE_LAKE names, else `lake/demo`.

    Without a session, one is started that can read Delta, by the Spark options that PYSPARK_SUBMIT_ARGS has.

    Raises:
        ConfigError: there is no lake, or no run in it. It is raised before Spark starts.
    """
    import os

    layout = lake_there(lake_address(os.environ) if lake is None else lake)
    runtime = replace(Runtime.of(os.environ), store=layout.root.store)
    if spark is None:
        publication = current(layout)
        rows = sum(table.rows for table in publication.tables.values()) if publication else 0
        spark = start_session("pagelake-explore", runtime, rows=rows)
    return Lake(layout, spark, runtime.key_secret)
