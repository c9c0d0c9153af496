"""What a row is known by, which of two rows is newer, and which columns point at rows of other tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lib.config import Array
from lib.config.ddl import comparable
from lib.discovery import kinds
from lib.discovery.columns import Found, Row
from lib.discovery.endpoints import singular
from lib.discovery.signs import plain

_KEYS = (
    "id",
    "uuid",
    "guid",
    "gid",
    "sysid",
    "objectid",
    "key",
    "code",
    "slug",
    "number",
    "identifier",
    "sku",
    "ref",
    "reference",
)
_ACCOUNTS = ("username", "login", "email")
_NEWEST = (
    *(
        "updatedat",
        "updated",
        "modifiedat",
        "lastmodified",
        "modified",
        "lastupdated",
        "lastmodifieddate",
        "updateddate",
    ),
    *("dateupdated", "datemodified", "updatetime", "updatedtime", "lastupdatetime", "systemmodstamp", "lastmodifiedat"),
    *(
        "lastmodifieddatetime",
        "modifieddate",
        "modifieddatetime",
        "updatedon",
        "modifiedon",
        "lasteditedtime",
        "lastupdate",
    ),
)
_MOST_TRIED = 8


@dataclass(frozen=True)
class Key:
    """The columns that name a row, and by what they were found. `is_named`: they are named as what names a row is."""

    columns: tuple[str, ...]
    because: str
    is_named: bool = True


@dataclass(frozen=True)
class Pointer:
    """A column that points at the key of another table, or looks as if it did: then `contradiction` says why it does not."""

    column: str
    to: str
    contradiction: str | None = None


def key_of(columns: Sequence[Found], rows: Sequence[Row], table: str, within: Sequence[Found] = ()) -> Key | None:
    """What names a row: an id by its name, else columns that are unique together. None: nothing does.

    It names a row among those with the same values `within` these columns, which belong to the key.
    """
    around, n_groups = (
        tuple(one.name for one in within),
        len({json.dumps([one.of(row) for one in within]) for row in rows}),
    )
    usable = [one for one in columns if one.is_scalar and one.kind not in (kinds.BOOLEAN, kinds.DOUBLE)]
    usable = [one for one in usable if all(one.of(row) is not None for row in rows)]
    read = f"unique on the {len(rows):,} rows that were read"
    for one in _by_name(usable, table):
        if not rows:
            return Key((*around, one.name), "by its name alone, as the list has no rows to try it on")
        if is_unique([*within, one], rows):
            return Key((*around, one.name), f"by its name, and {read}")
    if not rows:
        return None
    # A name of a person is the last that names a row.
    usable = sorted(usable, key=lambda one: (one.pii, plain(one.name) not in _ACCOUNTS))
    ids = [one for one in usable if plain(one.name).endswith("id")]
    times = [one for one in usable if one.is_time]
    first = [*ids, *times, *(one for one in usable if one not in ids and one not in times)][:_MOST_TRIED]
    for size in (1, 2, 3):
        for some in combinations(first, size):
            if size == 1 and some[0].is_time:
                continue
            if len(rows) > n_groups and is_unique([*within, *some], rows):
                names = tuple(one.name for one in some)
                return Key((*around, *names), f"a guess: no column is named as an id is; {read}", is_named=False)
    return None


def _by_name(columns: Iterable[Found], table: str) -> list[Found]:
    single = singular(table)
    names = ["id", f"{plain(single)}id", f"{plain(table)}id", *_KEYS[1:]]
    known = [one for one in columns if plain(one.name) in names]
    return sorted(known, key=lambda one: names.index(plain(one.name)))


def is_unique(columns: Sequence[Found], rows: Sequence[Row]) -> bool:
    """Whether no two rows that differ have the same values. The same row twice is a duplicate, and says nothing."""
    seen: dict[str, str] = {}
    for row in rows:
        key = json.dumps([one.of(row) for one in columns])
        if seen.setdefault(key, text := json.dumps(row, sort_keys=True)) != text:
            return False
    return True


def newest_of(columns: Sequence[Found]) -> str | None:
    """The column that says when a row was last changed."""
    times = {plain(one.name): one.name for one in columns if one.is_time}
    return next((times[name] for name in _NEWEST if name in times), None)


@dataclass(frozen=True)
class Known:
    """What is known of a table that others may point at. `is_whole`: all of its rows were read."""

    columns: tuple[Found, ...]
    key: tuple[str, ...]
    rows: Sequence[Row]
    is_whole: bool

    def values(self) -> set[Any]:
        """The keys of the rows that were read."""
        column = next(one for one in self.columns if one.name == self.key[0])
        return {str(column.of(row)) for row in self.rows}


def pointers_of(table: str, known: Mapping[str, Known]) -> list[Pointer]:
    """Columns that are named after another table, of its key's type, such as `user_id` and `track_ids`."""
    own, found = known[table], []
    for one in own.columns:
        if one.value is not None or (one.name in own.key and len(own.key) == 1):
            continue
        element = one.kind.element if isinstance(one.kind, Array) else one.kind
        after = stem(one.name, is_list=isinstance(one.kind, Array))
        target = next(
            (name for name in known if after and name != table and after in (plain(name), plain(singular(name)))), None
        )
        if target is None or len(known[target].key) != 1:
            continue
        other = known[target]
        key = next(column for column in other.columns if column.name == other.key[0])
        if not comparable(element.ddl, key.kind.ddl) or (key.pii and not one.pii):
            continue
        column = f"{one.name}[]" if isinstance(one.kind, Array) else one.name
        values = [value for row in own.rows if (value := one.of(row)) is not None]
        flat = {str(part) for value in values for part in (value if isinstance(value, list) else [value])}
        missing = len(flat - other.values()) if other.is_whole and other.rows else 0
        why = (
            f"{missing:,} of {len(flat):,} values that were read are not among the rows of {target}"
            if missing
            else None
        )
        found.append(Pointer(column, f"{target}.{key.name}", why))
    return found


def stem(name: str, *, is_list: bool) -> str:
    """What a column is named after: `user_id` after user, `track_ids` after track. Empty: it is named as no pointer is."""
    snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    found = re.fullmatch(r"(.+?)_?(id|ids|uuid|key|ref)", snake)
    if found is None or (found[2] == "ids") != is_list:
        return ""
    return plain(found[1])
