"""What a row is known by, as a number: two readings of a table are compared by these."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from lib.source.json_text import Json


def key_hash(row: Json, key: Sequence[str]) -> int:
    """64 bits of a hash of the row's key, as the source gives it: those of a `bigint`.

    A row of which a part of the key is missing is known by all that is in it.
    """
    values = [row.get(name) for name in key] if isinstance(row, dict) else []
    known_by = row if not values or None in values else values
    text = json.dumps(known_by, sort_keys=True, ensure_ascii=False)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
