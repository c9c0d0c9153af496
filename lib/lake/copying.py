"""One run that copies a source into a lake: what every step of it works with."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import SparkSession

from lib.config import Source
from lib.console import Steps
from lib.lake.key_hash import KeyHash, key_hash_of
from lib.lake.layout import Layout
from lib.lake.runs import Run


@dataclass(frozen=True)
class Copy:
    """The copy of a source into a lake. `run` is the record that is kept of it.

    The lake has the secret of keys, unless `secret` is given.
    """

    spark: SparkSession
    source: Source
    lake: Layout
    secret: str | None
    progress: Steps
    run: Run

    @property
    def key_hash(self) -> KeyHash:
        """By what the lake finds a row in quarantine again; one of tables that are made anew, too."""
        return key_hash_of(self.spark, self.lake, self.secret)
