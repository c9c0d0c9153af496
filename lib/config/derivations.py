"""What is declared of derived tables: all that settings and readers need, and no engine. How they are made is in `lib/gold`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lib.config.columns import Reference

if TYPE_CHECKING:  # which comes after the names of the tables
    from lib.config.source import Source


@dataclass(frozen=True)
class Derivation:
    """A derived table `name` with this key and these columns, each with its type as Spark DDL.

    It is made from `bases`: tables of the source or derived ones, with the columns and types that it needs of each. `origins` says
    from which column of which table of the source each of its columns is: it is personal where that one is. None stands for a
    column that holds no value of the source. `references` are its columns that name keys of live rows.

    Every run that merges its bases builds it, unless it is `apart`: then another job does. A run publishes such a table as it was
    published, without what it says of rows that are deleted.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    bases: Mapping[str, Mapping[str, str]]
    origins: Mapping[str, tuple[str, str] | None]
    apart: bool = False
    references: tuple[Reference, ...] = ()

    def applies_to(self, source: Source) -> bool:
        """Whether the source has all that the table is made from."""
        held: dict[str, Mapping[str, str]] = {
            table.name: {column.name: column.type for column in table.columns} for table in source.tables
        }
        held |= {name: DERIVATIONS[name].columns for name in self.bases if is_derived(source, name)}
        return all(needed.items() <= held.get(base, {}).items() for base, needed in self.bases.items())

    def pii(self, source: Source) -> tuple[str, ...]:
        """Its columns that are personal."""
        return tuple(
            name
            for name, origin in self.origins.items()
            if origin is not None and origin[1] in source.table(origin[0]).pii
        )


DERIVATIONS: Mapping[str, Derivation] = {
    one.name: one
    for one in (
        Derivation(
            "listens",
            ("user_id", "listened_at", "position"),
            {"user_id": "bigint", "listened_at": "timestamp", "position": "bigint", "track_id": "bigint"},
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
"""Those that any source has whose tables have what they need."""

RECOMMENDATIONS = "recommendations"
"""The one that a source has whose YAML has a block `recommend`; its columns are named by that."""

LIST, RANK, GENERATED_AT = "list", "rank", "generated_at"
ListName = Literal["discover", "again"]
DISCOVER: ListName = "discover"
"""The list of items that a user never played."""
AGAIN: ListName = "again"
"""The list of items that a user played, by what they will want next."""
LISTS = (DISCOVER, AGAIN)

FALLBACKS = ("popular_in_favourite_groups", "popular", "own_plays")
"""The rules that fill a list where the model has too little to say; null stands for the model."""

OWN_COLUMNS: Mapping[str, str] = {
    LIST: "string",
    RANK: "int",
    "score": "double",
    "model_version": "string",
    GENERATED_AT: "timestamp",
    "fallback": "string",
}
"""The columns of recommendations that are called so in each source, and hold no value of it."""

BECAUSE = "because"
"""The column with the user's own items that gave most of a score."""

DERIVED_NAMES = (*DERIVATIONS, RECOMMENDATIONS)
"""The names that no table of a source may have."""


def is_derived(source: Source, name: str) -> bool:
    """Whether each run of the source builds a table of this name."""
    return name in DERIVATIONS and DERIVATIONS[name].applies_to(source)


def derivations_of(source: Source) -> dict[str, Derivation]:
    """The derived tables that the source has."""
    found = {name: one for name, one in DERIVATIONS.items() if one.applies_to(source)}
    if source.recommend is not None:
        keys = {table.name: table.key for table in source.tables}
        types = {table.name: {column.name: column.type for column in table.columns} for table in source.tables}
        found[RECOMMENDATIONS] = _recommendations(source.recommend.model_dump(), keys, types)
    return found


def are_items_personal(source: Source) -> bool:
    """Whether the ids of what is recommended are personal. The source has a block `recommend`."""
    return BECAUSE in derivations_of(source)[RECOMMENDATIONS].pii(source)


def recorded_derivations(settings: Mapping[str, Any]) -> dict[str, Derivation]:
    """The derived tables that a run may have, by its settings as `ops/runs` has them: for readers who have no source YAML."""
    found = dict(DERIVATIONS)
    if (block := settings.get("recommend")) is not None:
        keys = {table["name"]: tuple(table["key"]) for table in settings["tables"]}
        types = {table["name"]: {one["name"]: one["type"] for one in table["columns"]} for table in settings["tables"]}
        # A run that was published with other columns than the block names does not say what the lists are.
        with suppress(KeyError):
            found[RECOMMENDATIONS] = _recommendations(block, keys, types)
    return found


def known_tables(source: Source) -> tuple[str, ...]:
    """The names of tables that suites and alerts may be about: those of the source, and all that are ever derived."""
    return (*(table.name for table in source.tables), *DERIVED_NAMES)


def _recommendations(
    block: Mapping[str, Any], keys: Mapping[str, tuple[str, ...]], types: Mapping[str, Mapping[str, str]]
) -> Derivation:
    """What a block `recommend` makes of it. `keys` and `types` are those of the source's tables."""
    plays, users, items = block["plays"], block["users"]["table"], block["items"]["table"]
    user, item = plays["user"], plays["item"]
    [user_key], [item_key] = keys[users], keys[items]
    held = {name: one.columns for name, one in DERIVATIONS.items()} | dict(types)
    needed = [
        *((plays["table"], plays[name]) for name in ("user", "item", "at", "weight") if plays[name] is not None),
        *((block[name]["table"], block[name]["groups"]) for name in ("users", "items") if block[name]["groups"]),
        *((users, user_key), (items, item_key)),
    ]
    bases: dict[str, dict[str, str]] = {plays["table"]: {}, users: {}, items: {}}
    for table, column in needed:
        bases[table][column] = held[table][column]
    of_user, of_item = types[users][user_key], types[items][item_key]
    lists = {name: OWN_COLUMNS[name] for name in (LIST, RANK)}
    rest = {name: kind for name, kind in OWN_COLUMNS.items() if name not in lists}
    return Derivation(
        RECOMMENDATIONS,
        (user, LIST, RANK),
        {user: of_user, **lists, item: of_item, **rest, BECAUSE: f"array<{of_item}>"},
        bases,
        {
            user: (users, user_key),
            item: (items, item_key),
            BECAUSE: (items, item_key),
            **dict.fromkeys(OWN_COLUMNS),
        },
        apart=True,
        references=(
            Reference(column=user, to=f"{users}.{user_key}"),
            Reference(column=item, to=f"{items}.{item_key}"),
            Reference(column=f"{BECAUSE}[]", to=f"{items}.{item_key}"),
        ),
    )
