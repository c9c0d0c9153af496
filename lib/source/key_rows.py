"""The rows of a page cut down to their keys, for a walk that wants nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lib.source.cut import rows_at
from lib.source.json_text import Json
from lib.source.located import Located
from lib.source.row_key import KeyColumns, value_at
from lib.source.rows import RowText


def rows_of_keys(body: str, rows: Sequence[RowText] | None, items: str, columns: KeyColumns) -> str:
    """A JSON list with an object for each row, in their order, that has these columns as the source wrote them.

    `rows` are those of a page that is handed on row by row. A key that cannot be read is null.
    """
    if rows is not None:
        # Where a row is no object, its key is null.
        body, items = "[" + ",".join(row.json or "null" for row in rows) + "]", "$"
    if not body.strip():
        return "[]"
    located = Located(body)
    found = rows_at(located.value, items)
    own: list[Json] = found if isinstance(found, list) else []
    texts = iter(located.texts([value_at(row, steps) for row in own for _, steps in columns]))
    names = [json.dumps(name) for name, _ in columns]
    return "[" + ",".join("{" + ",".join(f"{name}:{next(texts)}" for name in names) + "}" for _ in own) + "]"
