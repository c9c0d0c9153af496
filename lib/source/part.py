"""A part of a table in its requests: a slice, or the list of one row of another table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import quote

from lib.config.placeholders import PLACEHOLDER
from lib.config.slices import Slices, written
from lib.errors import SourceError
from lib.source.access import Fixed
from lib.source.paging import Values, in_query

PartValue: TypeAlias = str | bool | int
# What a segment of a path cannot be: a client or a server takes these for a way to somewhere else.
_NO_SEGMENT = ("", ".", "..")


@dataclass(frozen=True)
class Part:
    """A part of a table. `key` is a JSON object of the values that tell it from other parts: the same text for the same values.

    `params` are set in each of its requests, by names of query parameters and of places in the body.
    """

    key: str
    params: Values = ()

    @classmethod
    def of(cls, values: Mapping[str, PartValue], params: Values = ()) -> Part:
        """The part with these values."""
        return cls(json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False), params)

    @property
    def values(self) -> dict[str, PartValue]:
        """What tells it from other parts."""
        found: dict[str, PartValue] = json.loads(self.key)
        return found

    def path(self, path: str) -> str:
        """The path with its placeholders filled, each value as one segment or a part of one.

        Raises:
            SourceError: a value is no segment. The message names the placeholder.
        """
        values = self.values
        address, mark, query = path.partition("?")
        filled = [
            PLACEHOLDER.sub(lambda found: quote(written(values[found[0][1:-1]]), safe=""), segment)
            for segment in address.split("/")
        ]
        for before, after in zip(address.split("/"), filled, strict=True):
            if before != after and after in _NO_SEGMENT:
                message = f"a row has {after!r} for {before}, which no path can hold"
                raise SourceError(message)
        return "/".join(filled) + mark + query

    def fixed(self, fixed: Fixed) -> Fixed:
        """What goes with every request for the table, with its placeholders filled and the parameters of the part."""
        values = self.values
        params = [(name, _filled(value, values)) for name, value in fixed.params]
        own = [(name, written(value)) for name, value in in_query(self.params)]
        body = None if fixed.body is None else fixed.body.of_part(lambda text: _value(text, values), self.params)
        return replace(fixed, params=(*params, *own), body=body)


def slice_parts(slices: Slices | None) -> tuple[Part, ...]:
    """The parts of a table with slices over the values of a parameter; none without them."""
    if slices is None:
        return ()
    name = slices.param or ""
    return tuple(Part.of({name: value}, ((name, value),)) for value in slices.values)


def _filled(text: str, values: Mapping[str, PartValue]) -> str:
    return PLACEHOLDER.sub(lambda found: written(values[found[0][1:-1]]), text)


def _value(text: str, values: Mapping[str, PartValue]) -> PartValue:
    """A text of a body, filled. One that is a placeholder alone is the value, so that a number stays one."""
    alone = PLACEHOLDER.fullmatch(text)
    return _filled(text, values) if alone is None else values[text[1:-1]]
