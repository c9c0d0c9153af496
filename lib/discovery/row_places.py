"""Where an answer has its rows: in a list, as the values of an object by key, or each of them in a wrapper of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.config.expression import is_expression
from lib.config.reading import KEY
from lib.discovery.columns import Row, outside
from lib.discovery.signs import ITEMS, NO_ITEMS, holder_of, plain
from lib.errors import SourceError
from lib.source.answer import at
from lib.source.items import items_of, values_of

_DEPTH = 3
# What stands beside a row in its wrapper, and is no part of it.
_BESIDE = {"node": {"cursor"}}
_FEW = 3


def items_in(answer: Any, said: str | None, path: str) -> str | None:
    """Where the rows are: at the place that the document says, if they are there, else where they are found; None: nowhere."""
    place = said if said is not None and _holds(answer, said) else _found(answer, path)
    if place is None or is_expression(place):
        return place
    wrapper = wrapper_of(rows_at(answer, place))
    return place if wrapper is None else of_wrapped(place, wrapper)


def rows_at(answer: Any, items: str) -> list[Row]:
    """The objects at a place of an answer. Values of an object have its keys as what is outside of them."""
    if _is_of_values(items):
        holder = answer if items == "*" else at(answer, items.removesuffix(".*"))
        named = holder.items() if isinstance(holder, dict) else ()
        return [{**one, outside(KEY): name} for name, one in named if isinstance(one, dict)]
    found = items_of(answer, items)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def of_wrapped(place: str, key: str) -> str:
    """The place of rows that are each below this key of an element of the list at a place."""
    head = "" if place == "$" else values_of(place).removesuffix(".*")
    word = key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else json.dumps(key, ensure_ascii=False)
    return f"{head}[].{word}"


def wrapper_of(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The key below which each element of a list has its row, and nothing else that counts; None where they are the rows."""
    keys = {key for row in rows for key in row}
    for key in keys:
        alone = keys - _BESIDE.get(key, set()) == {key}
        if alone and all(isinstance(row.get(key), dict) for row in rows):
            return key
    return None


def because_of(items: str) -> dict[str, str]:
    """What is written beside a place that is more than a path."""
    if _is_of_values(items):
        return {"items": "the values of an object, each the row of its key"}
    return {"items": "each element holds a row, and nothing else that counts"} if is_expression(items) else {}


def _is_of_values(items: str) -> bool:
    return items == "*" or items.endswith(".*")


def _holds(answer: Any, place: str) -> bool:
    """Whether there are rows at a place, or none in what should hold them."""
    try:
        found = items_of(answer, place)
    except SourceError:
        return False
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return False
    holder = answer if holder_of(place) == "$" else at(answer, holder_of(place))
    return bool(found) or not holder or not is_expression(place)


def _found(answer: Any, path: str) -> str | None:
    """The likeliest list of objects, or object of them, that is nearest to the top."""
    if isinstance(answer, list):
        return "$"
    if _is_by_key(answer):
        return "*"
    last = plain(path.rstrip("/").rpartition("/")[2])
    level: list[tuple[tuple[str, ...], Any]] = [((), answer)]
    for _ in range(_DEPTH):
        found: list[tuple[tuple[bool, int], str]] = []
        below: list[tuple[tuple[str, ...], Any]] = []
        for before, key, value in _members(level):
            place, name = ".".join((*before, key)), plain(key)
            rank = 0 if name == last else ITEMS.index(name) + 1 if name in ITEMS else 100
            if isinstance(value, list) and all(isinstance(one, dict) for one in value):
                found.append(((not value, rank), place))
            elif _is_by_key(value):
                found.append(((False, rank), values_of(place)))
            elif isinstance(value, dict):
                below.append(((*before, key), value))
        if found:
            return min(found, key=lambda one: one[0])[1]
        level = below
    return None


def _members(level: Sequence[tuple[tuple[str, ...], Any]]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    for before, one in level:
        for key, value in one.items() if isinstance(one, dict) else ():
            if key and not re.search(r"[\s.]", key) and plain(key) not in NO_ITEMS:
                yield before, key, value


def _is_by_key(value: Any) -> bool:
    """Whether an object holds rows by their keys: these are numbered, or there are several rows of one kind."""
    if not isinstance(value, dict) or not value or not all(isinstance(one, dict) and one for one in value.values()):
        return False
    if all(re.search(r"[0-9]", key) for key in value):
        return True
    kinds = [set(one) for one in value.values()]
    return len(kinds) >= _FEW and 2 * len(set.intersection(*kinds)) >= len(set.union(*kinds))
