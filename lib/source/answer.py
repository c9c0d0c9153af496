"""Places in an answer: what is at a dotted path or in a header, and counts as sources write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from lib.errors import SourceError
from lib.source.json_text import Json

HEADER = "header:"
MAX_COUNT = 2**63 - 1
_CONTENT_RANGE = f"{HEADER}content-range"
_OF_A_RANGE = re.compile(r"(?:[^\s/]+\s+)?(?:[0-9]+-[0-9]+|\*)/([0-9]{1,19}|\*)", re.ASCII)
_COUNT_TEXT = re.compile(r"[0-9]{1,19}(?:\.0{1,9})?", re.ASCII)


def at(answer: Json, dotted: str) -> Json:
    """What is at a dotted path. A key that itself holds the dots goes before one that is nested, the longest first."""
    if not isinstance(answer, dict) or dotted in answer:
        return answer.get(dotted) if isinstance(answer, dict) else None
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found = at(answer.get(".".join(parts[:end])), ".".join(parts[end:]))
        if found is not None:
            return found
    return None


def at_or_in_header(answer: Json, headers: Mapping[str, str], place: str) -> Json:
    """What is at a place, a dotted path or a header. Names of `headers` are in lower case."""
    if place.startswith(HEADER):
        value = headers.get(place.removeprefix(HEADER).strip().lower())
        with suppress(UnicodeError):  # http.client reads headers as Latin-1, whatever was sent
            value = value and value.encode("latin-1").decode()
        return value
    return at(answer, place)


def is_null(answer: Json, dotted: str) -> bool:
    """Whether a dotted path ends in a null that is there, be it on the way."""
    if not isinstance(answer, dict):
        return False
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        key, rest = ".".join(parts[:end]), ".".join(parts[end:])
        if key in answer:
            return answer[key] is None or (rest != "" and is_null(answer[key], rest))
    return False


def is_null_itself(answer: Json, dotted: str) -> bool:
    """Whether there is a null at a dotted path. A null on the way is none: beside it may stand what went wrong."""
    if not isinstance(answer, dict):
        return False
    if dotted in answer:
        return answer[dotted] is None
    parts = dotted.split(".")
    return any(
        is_null_itself(answer.get(".".join(parts[:end])), ".".join(parts[end:])) for end in range(len(parts) - 1, 0, -1)
    )


def count(answer: Json, place: str | None, headers: Mapping[str, str], what: str) -> int | None:
    """A count that the source gives, or None where it gives none: 250, 250.0, "250" or, in `Content-Range`, "0-99/250".

    Raises:
        SourceError: what is there is no count. The message does not show it.
    """
    value = None if place is None else at_or_in_header(answer, headers, place)
    if place is not None and place.lower() == _CONTENT_RANGE and isinstance(value, str):
        is_range = _OF_A_RANGE.fullmatch(value.strip())
        value = value if is_range is None else is_range[1].replace("*", "") or None
    if value is None:
        return None
    found = _number_of(value)
    if found is None:
        message = f"api.pagination.{what}: {place} is no whole number of rows or pages in the answer"
        raise SourceError(message)
    return found


def whole(value: Json) -> int | None:
    """A whole number that a `bigint` holds and that is not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def _number_of(value: Json) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        return whole(int(text.partition(".")[0])) if _COUNT_TEXT.fullmatch(text) else None
    if isinstance(value, float):
        return whole(int(value)) if value.is_integer() else None
    return whole(value)
