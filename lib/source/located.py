"""A JSON text with the place of its objects, so that a row which an expression selects keeps the text that the source gave it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import cast

from lib.source.json_text import Json

_SPACE = re.compile(r"[ \t\n\r]*")
# Python makes no whole number of more.
_MOST_DIGITS = 4000
_PASSING = json.JSONDecoder(parse_int=float)


class Located:
    """A JSON text, its value, and which text is which part of the value.

    It is read without a judgement: a key that stands twice has its last value, numbers may be of any size. Raises a
    `json.JSONDecodeError` for what is no JSON, a `RecursionError` for what is nested too deeply.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        # By identity; the float is held, so that no other one gets its identity. By itself it does not keep how it was written.
        self._floats: dict[int, tuple[float, str]] = {}
        kept = json.JSONDecoder(parse_float=self._float, parse_int=self._whole, parse_constant=self._float)
        self.value: Json = kept.decode(text)

    def texts(self, values: Iterable[Json]) -> list[str]:
        """The text of each of these parts. One that an expression has put together is written anew, its numbers as they were.

        The whole text is gone through for that, once for all of them.
        """
        wanted = list(values)
        spans = self._spans({id(one) for one in wanted if isinstance(one, dict | list)})
        return [self._written(one, spans) for one in wanted]

    def without(self, values: Iterable[Json]) -> str:
        """The whole text with a null in the place of each of these parts."""
        spans = self._spans({id(one) for one in values if isinstance(one, dict | list)})
        kept, at = [], 0
        for start, end in sorted(spans.values()):
            if start >= at:
                kept.append(self._text[at:start])
                at = end
        return "null".join([*kept, self._text[at:]])

    def names(self) -> dict[int, str]:
        """The key under which each object and list stands in an object, by the identity of its value."""
        return dict(self._named(self.value))

    def _float(self, text: str) -> float:
        value = float(text)
        self._floats[id(value)] = (value, text)
        return value

    def _whole(self, text: str) -> float:
        return int(text) if len(text) <= _MOST_DIGITS else self._float(text)

    def _named(self, value: Json) -> Iterator[tuple[int, str]]:
        if isinstance(value, dict):
            yield from ((id(part), key) for key, part in value.items() if isinstance(part, dict | list))
        if isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                yield from self._named(part)

    def _spans(self, wanted: set[int]) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        holders: set[int] = set()
        _mark(self.value, wanted, holders)
        start = self._skip(0)
        if id(self.value) in wanted:
            found[id(self.value)] = (start, len(self._text.rstrip()))
        if id(self.value) in holders:
            self._locate(self.value, start, wanted, holders, found)
        return found

    def _locate(
        self, value: Json, at: int, wanted: set[int], holders: set[int], found: dict[int, tuple[int, int]]
    ) -> None:
        """Find the parts of the object or list that opens at `at`. What is not wanted is passed over by the decoder."""
        members: dict[int | str, tuple[int, int]] = {}
        at, is_object = self._skip(at + 1), isinstance(value, dict)
        while self._text[at] not in "]}":
            key: int | str = len(members)
            if is_object:
                key, at = _PASSING.raw_decode(self._text, at)
                at = self._skip(self._skip(at) + 1)
            _, end = _PASSING.raw_decode(self._text, at)
            members[key] = (at, end)
            at = self._skip(end)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        parts: Iterable[tuple[int | str, Json]] = (
            value.items() if isinstance(value, dict) else enumerate(cast("list[Json]", value))
        )
        for name, part in parts:
            if id(part) in wanted:
                found[id(part)] = members[name]
            if id(part) in holders:
                self._locate(part, members[name][0], wanted, holders, found)

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        return at if space is None else space.end()

    def _written(self, value: Json, spans: dict[int, tuple[int, int]]) -> str:
        if id(value) in spans:
            start, end = spans[id(value)]
            return self._text[start:end]
        if isinstance(value, dict):
            return (
                "{" + ",".join(f"{json.dumps(key)}:{self._written(part, spans)}" for key, part in value.items()) + "}"
            )
        if isinstance(value, list):
            return "[" + ",".join(self._written(part, spans) for part in value) + "]"
        _, text = self._floats.get(id(value), (value, None))
        return json.dumps(value) if text is None else text


def _mark(value: Json, wanted: set[int], holders: set[int]) -> bool:
    """Note which objects and lists hold something that is wanted. Whether the value is wanted, or holds it."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [_mark(part, wanted, holders) for part in parts if isinstance(part, dict | list)]
    if any(below):
        holders.add(id(value))
    return any(below) or id(value) in wanted
