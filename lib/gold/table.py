"""What a derived table is, beyond what is declared of it: how it is built, and how it follows the changes of a base."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame

from lib.config import Derivation, Source

Bases = Mapping[str, DataFrame]


@dataclass(frozen=True)
class Feed:
    """How a derived table follows the change feed of one of its bases, so that a small change is a small commit.

    `digest` sums the feed up: a row for each thing that changed. `changes` makes of that, and of all bases as they are now, a row
    per key of the derived table, with its columns and `is_deleted` where the key is to be deleted. `applies_to` says of which
    sources it can: of others the table is written anew.
    """

    base: str
    digest: Callable[[DataFrame], DataFrame]
    changes: Callable[[DataFrame, Bases], DataFrame]
    applies_to: Callable[[Source], bool]


@dataclass(frozen=True)
class DerivedTable:
    """A table that a run derives: what is declared of it, and how it is built as a whole from its bases, silver tables by name.

    `feed` is the one that it follows, None if it is always built as a whole.
    """

    declared: Derivation
    build: Callable[[Bases], DataFrame]
    feed: Feed | None = None
