"""The text of a page read as JSON: as one, or, where that cannot be, its rows apart."""

from __future__ import annotations

from lib.errors import SourceError
from lib.source.items import apart_at
from lib.source.json_text import BrokenJsonError, Json, parsed
from lib.source.retry import TryAgainError
from lib.source.rows import Apart, may_be_too_long, place
from lib.source.rules import NoJson

NOT_READ = NoJson()


def some_rows(items: list[Json], rows: Apart | None, which: slice) -> tuple[Json, ...]:
    """Some of the rows; null for one that is no object."""
    if rows is None:
        return tuple(items[which])
    return tuple(None if row.json is None else parsed(row.json) for row in rows.rows[which])


def read_page(body: str, items: str, known: Json | NoJson = NOT_READ) -> tuple[Json, Apart | None]:
    """The answer; and, where it cannot be taken as one, its rows apart, with an empty list in their place."""
    answer: Json = None
    fault: SourceError | None = None
    position: int | None = None
    try:
        answer = parsed(body) if isinstance(known, NoJson) else known
    except BrokenJsonError as error:
        fault, position = error, error.position
    except TryAgainError:
        raise
    except SourceError as error:
        fault = error
    if position is not None:
        raise TryAgainError(f"{fault}{place(body, position, items)}", reason="not_json")
    if fault is None and not may_be_too_long(body):
        return answer, None
    rows = apart_at(body, items)
    if rows is not None:
        return parsed(rows.envelope), rows
    if fault is not None:
        raise fault
    return answer, None
