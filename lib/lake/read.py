"""How people read the lake: the published tables, at the versions that passed together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import overload

from pyspark.sql import DataFrame, SparkSession

from lib.config import Runtime
from lib.errors import ConfigError
from lib.lake import history
from lib.lake.keys import KeyValue
from lib.lake.layout import Layout, lake_at
from lib.lake.publications import Publication, in_force
from lib.session import start_session


@dataclass(frozen=True)
class Lake:
    """An open lake. `published` never shows anything unchecked, nor a mixture of two publications."""

    layout: Layout
    spark: SparkSession = field(repr=False)

    @property
    def publication(self) -> Publication:
        """The publication in force.

        Raises:
            ConfigError: nothing was ever published here.
        """
        publication = in_force(self.layout)
        if publication is None:
            message = f"{self.layout.root}: nothing is published here; run ./spark-submit.sh full-ingest first"
            raise ConfigError(message)
        return publication

    @overload
    def published(self, table: str) -> DataFrame: ...

    @overload
    def published(self) -> dict[str, DataFrame]: ...

    def published(self, table: str | None = None) -> DataFrame | dict[str, DataFrame]:
        """One published table; or all of them, each also as a temporary view of its name for SQL.

        Raises:
            ConfigError: nothing is published, or no such table.
        """
        publication = self.publication
        if table is not None:
            if table not in publication.tables:
                message = f"no table '{table}' is published; there are {', '.join(sorted(publication.tables))}"
                raise ConfigError(message)
            return self._at_version(publication, table)
        frames = {name: self._at_version(publication, name) for name in publication.tables}
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        return frames

    def as_of(self, table: str, when: datetime | date) -> DataFrame:
        """One published table as readers saw it at a time (no zone: UTC); for a date, at the end of that day in UTC.

        Raises:
            ConfigError: it was not published yet; says since when it is.
        """
        return self._at_version(history.publication_at(self.layout, table, when), table)

    def changes(self, table: str, run_from: str, run_to: str) -> DataFrame:
        """What the runs after `run_from`, up to and including `run_to`, changed in a silver table, net.

        Grain: one row per key whose content or `_deleted_at` differs; key: the table's. Columns: the key, `_change` (inserted,
        updated, vanished, returned), `before` and `after` (structs of the table's columns; null where there was no row).

        Raises:
            ConfigError: no such run or table, or `run_to` merged before `run_from`.
        """
        return history.changes(self.spark, self.layout, table, run_from, run_to)

    def row_history(self, table: str, key: Mapping[str, KeyValue]) -> DataFrame:
        """The versions in which one row of a silver table changed, oldest first; `key` is such as `{"id": 17}`.

        Grain: one row per version with another content or `_deleted_at` than before; key: version. Columns: version, run_id,
        at (the run's time), `_change` (as in `changes`) and `row` (a struct of the table's columns, null where it was removed).

        Raises:
            ConfigError: no such table, or `key` does not name its key columns with values of their types.
        """
        return history.row_history(self.spark, self.layout, table, key)

    def _at_version(self, publication: Publication, table: str) -> DataFrame:
        entry = publication.tables[table]
        return at_version(self.spark, self.layout, entry.path, entry.version)


def at_version(spark: SparkSession, layout: Layout, path: str, version: int) -> DataFrame:
    """A table of the lake (`path` relative to it) at one version."""
    return spark.read.format("delta").option("versionAsOf", version).load(str(layout.root / path))


def open_lake(lake: str, spark: SparkSession | None = None) -> Lake:
    """Open the lake at a path. Without a session, one is started that can read Delta."""
    if spark is None:
        import os

        spark = start_session("pagelake-explore", Runtime.of(os.environ), rows=0)
    return Lake(lake_at(lake), spark)
