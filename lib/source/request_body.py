"""The body of a request for a page: what the settings have in it, and what asks for the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pydantic import SecretStr

from lib.config.bodies import IN_LIST, Kind, place_of
from lib.source.paging import Values, in_body

if TYPE_CHECKING:
    from lib.config.bodies import Body

_TYPES: dict[Kind, str] = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class RequestBody:
    """What a POST brings along. `content` is the fixed part as JSON, with its secrets, each of which is one of `secrets` too."""

    kind: Kind
    content: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, body: Body) -> RequestBody:
        """The body that the settings describe."""
        secrets: list[str] = []
        return cls(body.kind, json.dumps(_plain(body.content, secrets)), tuple(secrets))

    @property
    def content_type(self) -> str:
        """The value of the header `Content-Type`."""
        return _TYPES[self.kind]

    def written(self, values: Values) -> bytes:
        """The bytes that ask for a page: with each value at its place, a number in JSON as a number."""
        content = self._with(json.loads(self.content), values)
        return json.dumps(content).encode() if self.kind == "json" else urlencode(content).encode()

    def of_part(self, filled: Callable[[str], str | bool | int], values: Values) -> RequestBody:
        """The body of the requests for a part of the table: each text of it `filled`, and the values at their places."""
        content = self._with(_each(json.loads(self.content), filled), in_body(values))
        return replace(self, content=json.dumps(content))

    def _with(self, content: dict[str, Any], values: Values) -> dict[str, Any]:
        for name, value in values:
            *above, last = place_of(name, self.kind)
            node = content
            for key in above:
                node = node.setdefault(key, {})
            node[last] = [value] if self.kind == "json" and name.endswith(IN_LIST) else value
        return content


def _each(value: Any, filled: Callable[[str], str | bool | int]) -> Any:
    if isinstance(value, dict):
        return {name: _each(one, filled) for name, one in value.items()}
    if isinstance(value, list):
        return [_each(one, filled) for one in value]
    return filled(value) if isinstance(value, str) else value


def _plain(value: Any, secrets: list[str]) -> Any:
    """The same content with its secrets in clear, which are noted."""
    if isinstance(value, dict):
        return {name: _plain(one, secrets) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, secrets) for one in value]
    if isinstance(value, SecretStr):
        secrets.append(value.get_secret_value())
        return value.get_secret_value()
    return value
