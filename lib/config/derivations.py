"""What is declared of derived tables: all that settings and readers need, and no engine. How they are made is in `lib/gold`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which comes after the names of the tables
    from lib.config.source import Source


@dataclass(frozen=True)
class Derivation:
    """A derived table `name` with this key, made from `bases`: tables of the source, with the columns and types that it needs.

    `origins` says from which column of which base each of its columns is: it is personal where that one is. Every run that merges
    its bases builds it, unless it is `apart`: then another job does, and a run publishes it as it was published.
    """

    name: str
    key: tuple[str, ...]
    bases: Mapping[str, Mapping[str, str]]
    origins: Mapping[str, tuple[str, str]]
    apart: bool = False

    def applies_to(self, source: Source) -> bool:
        """Whether the source has all that the table is made from."""
        types = {table.name: {column.name: column.type for column in table.columns} for table in source.tables}
        return all(needed.items() <= types.get(base, {}).items() for base, needed in self.bases.items())

    def pii(self, source: Source) -> tuple[str, ...]:
        """Its columns that are personal."""
        return tuple(name for name, (base, column) in self.origins.items() if column in source.table(base).pii)


DERIVATIONS: Mapping[str, Derivation] = {
    one.name: one
    for one in (
        Derivation(
            "listens",
            ("user_id", "listened_at", "position"),
            {"listen_history": {"user_id": "bigint", "items": "array<bigint>", "created_at": "timestamp"}},
            {
                "user_id": ("listen_history", "user_id"),
                "listened_at": ("listen_history", "created_at"),
                "position": ("listen_history", "items"),
                "track_id": ("listen_history", "items"),
            },
        ),
    )
}


def derivations_of(source: Source) -> dict[str, Derivation]:
    """The derived tables that the source has."""
    return {name: one for name, one in DERIVATIONS.items() if one.applies_to(source)}


def known_tables(source: Source) -> tuple[str, ...]:
    """The names of tables that suites and alerts may be about: those of the source, and all that are ever derived."""
    return (*(table.name for table in source.tables), *DERIVATIONS)
