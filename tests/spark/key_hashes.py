"""Hashes of keys for tests that have rows and no lake."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from functools import cache

from pyspark.sql import SparkSession

from lib.lake.key_hash import KeyHash, key_hash_of
from lib.lake.layout import claim, lake_at


@cache
def key_hash_for(spark: SparkSession) -> KeyHash:
    """The same for all tests of a session, as of one lake."""
    with tempfile.TemporaryDirectory() as folder:
        layout = lake_at(str(folder))
        claim(layout, "shop", datetime(2026, 1, 1, tzinfo=UTC))
        return key_hash_of(spark, layout, None)
