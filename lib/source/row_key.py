"""What a row is known by, as a number: two readings of a table are compared by these."""

from __future__ import annotations

import hashlib
import json
from typing import TypeAlias

from lib.source.json_text import Json

Key: TypeAlias = tuple[tuple[str | int, ...], ...]
"""The keys and indexes that lead from a row to each part of its key; none to a part that is not in the row."""

KeyColumns: TypeAlias = tuple[tuple[str, tuple[str | int, ...]], ...]
"""The name of each column of a key, with the keys and indexes that lead to it from a row."""
_KEYS = " (keys)"


def keys_of(table: str) -> str:
    """The name under which the keys of a table are walked and landed by themselves. No table can have it."""
    return f"{table}{_KEYS}"


def table_of(name: str) -> str:
    """The table that is walked under this name."""
    return name.removesuffix(_KEYS)


def key_hash(row: Json, key: Key) -> int:
    """64 bits of a hash of the row's key, as the source gives it: those of a `bigint`.

    A row of which a part of the key is missing is known by all that is in it.
    """
    values = [value_at(row, steps) for steps in key]
    known_by = row if not values or None in values else values
    text = json.dumps(known_by, sort_keys=True, ensure_ascii=False)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def value_at(row: Json, steps: tuple[str | int, ...]) -> Json:
    """What these keys and indexes lead to from a row; None where they lead nowhere."""
    value = row if steps else None
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        else:
            return None
    return value
