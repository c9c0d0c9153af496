"""`key_hash`: by what quarantine and failures find a row again without holding its key. An HMAC that Spark computes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Protocol

import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from lib.lake.layout import Layout, key_secret

_BLOCK_BYTES = 64  # of SHA-256
# Written out, as settings of the session would change them; and with Spark's own format keys that differ below a millisecond would
# have one hash.
_JSON_OPTIONS = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "timeZone": "UTC"}


class KeyHash(Protocol):
    """HMAC-SHA256 of a row's key as JSON; null if the row has none."""

    def __call__(self, key: Sequence[str] | Sequence[Column], within: str = "row.") -> Column:
        """`within` is where the columns `key` are: in the struct of parsed rows, or (empty) at the top. Or `key` are columns."""


def key_hash_of(spark: SparkSession, layout: Layout, given_secret: str | None) -> KeyHash:
    """The hash of keys in one lake.

    Raises:
        ConfigError: the lake's secret is not at hand.
    """
    inner, outer = _pads(key_secret(layout, given_secret))
    made_with = pa.table({"inner": pa.array([inner], pa.binary()), "outer": pa.array([outer], pa.binary())})
    # The value of a subquery: a plan, Spark's pages and its event log show its name alone, where a literal would be in clear.
    secret = spark.createDataFrame(made_with).select(F.struct("inner", "outer").alias("secret")).scalar()

    def key_hash(key: Sequence[str] | Sequence[Column], within: str = "row.") -> Column:
        parts = [one if isinstance(one, Column) else F.col(f"{within}`{one}`").alias(one) for one in key]
        is_there = reduce(and_, [part.isNotNull() for part in parts])
        text = F.encode(F.to_json(F.struct(*parts), _JSON_OPTIONS), "UTF-8")
        inside = F.unhex(F.sha2(F.concat(secret["inner"], text), 256))
        return F.when(is_there, F.sha2(F.concat(secret["outer"], inside), 256))

    return key_hash


def _pads(secret: bytes) -> tuple[bytes, bytes]:
    """The two keys of HMAC (RFC 2104)."""
    key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret
    padded = key.ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
