"""Places in an answer: what is at a dotted path, selected by an expression or in a header, and counts as sources write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from lib.config.expression import head_of, is_expression
from lib.errors import SourceError
from lib.source.json_text import Json
from lib.source.select import selected

HEADER = "header:"
MAX_COUNT = 2**63 - 1
_CONTENT_RANGE = f"{HEADER}content-range"
_OF_A_RANGE = re.compile(r"(?:[^\s/]+\s+)?(?:[0-9]+-[0-9]+|\*)/([0-9]{1,19}|\*)", re.ASCII)
_COUNT_TEXT = re.compile(r"[0-9]{1,19}(?:\.0{1,9})?", re.ASCII)


def at(answer: Json, place: str) -> Json:
    """What is at a place: a dotted path or an expression.

    A key that itself holds the dots of a path goes before one that is nested, the longest first.
    """
    return selected(answer, place) if is_expression(place) else _at(answer, place)


def _at(answer: Json, dotted: str) -> Json:
    if not isinstance(answer, dict) or dotted in answer:
        return answer.get(dotted) if isinstance(answer, dict) else None
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found = _at(answer.get(".".join(parts[:end])), ".".join(parts[end:]))
        if found is not None:
            return found
    return None


def at_or_in_header(answer: Json, headers: Mapping[str, str], place: str) -> Json:
    """What is at a place, or in a header. Names of `headers` are in lower case."""
    if place.startswith(HEADER):
        value = headers.get(place.removeprefix(HEADER).strip().lower())
        with suppress(UnicodeError):  # http.client reads headers as Latin-1, whatever was sent
            value = value and value.encode("latin-1").decode()
        return value
    return at(answer, place)


def is_null(answer: Json, place: str) -> bool:
    """Whether a place is a null that is there, be it on the way; of an expression, the path that it begins with."""
    path = _path(place)
    return path is not None and _is_null(answer, path)


def _is_null(answer: Json, dotted: str) -> bool:
    if not isinstance(answer, dict):
        return False
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        key, rest = ".".join(parts[:end]), ".".join(parts[end:])
        if key in answer:
            return answer[key] is None or (rest != "" and _is_null(answer[key], rest))
    return False


def is_null_itself(answer: Json, place: str) -> bool:
    """Whether there is a null at a place. A null on the way is none: beside it may stand what went wrong."""
    path = _path(place)
    return path is not None and _is_null_itself(answer, path)


def _is_null_itself(answer: Json, dotted: str) -> bool:
    if not isinstance(answer, dict):
        return False
    if dotted in answer:
        return answer[dotted] is None
    parts = dotted.split(".")
    return any(
        _is_null_itself(answer.get(".".join(parts[:end])), ".".join(parts[end:]))
        for end in range(len(parts) - 1, 0, -1)
    )


def says(answer: Json, place: str) -> bool:
    """Whether an answer has something at a place, a null too. An expression that finds nothing in what is there says that."""
    if at(answer, place) is not None or is_null_itself(answer, place):
        return True
    path = _path(place)
    return path is not None and path != place and _at(answer, path) is not None


def _path(place: str) -> str | None:
    return head_of(place) if is_expression(place) else place


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
        message = f"api.pagination.{what}: {place} is not a whole number of rows or pages in the answer"
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
