"""Schemas of an OpenAPI document, 3.0 and 3.1: references followed, `allOf` joined, null told apart from the type."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lib.discovery.document import Document, Object

_MOST_JOINED = 200
_KINDS = ("object", "array", "string", "integer", "number", "boolean")
MOST_VALUES = 50


@dataclass(frozen=True)
class Schema:
    """What a schema says of a value: its kinds, whether it may be null, its properties as they are written.

    `kinds` is empty where it says nothing, and has several where one of several schemas holds. `additional` is the schema of values
    whose keys are not known.
    """

    kinds: tuple[str, ...] = ()
    is_nullable: bool = False
    format: str = ""
    description: str = ""
    values: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Any = None
    has_items: bool = False
    additional: Any = None
    default: Any = None
    minimum: int | None = None
    maximum: int | None = None

    @property
    def kind(self) -> str:
        """The only kind, or nothing."""
        return self.kinds[0] if len(self.kinds) == 1 else ""


def schema_of(document: Document, node: Any) -> Schema:
    """What is written at a place, all of its parts joined."""
    kinds: dict[str, None] = {}
    properties: Object = {}
    required: set[str] = set()
    merged: Object = {}
    nullable = False
    parts = list(_parts(document, node, set()))
    for part, is_choice in parts:
        types = part.get("type")
        named = [one for one in (types if isinstance(types, list) else [types]) if isinstance(one, str)]
        if not named and isinstance(part.get("properties"), dict):
            named = ["object"]
        if not named and "items" in part:
            named = ["array"]
        nullable |= "null" in named or part.get("nullable") is True or _has_null(part)
        kinds.update(dict.fromkeys(one for one in named if one in _KINDS))
        if isinstance(part.get("properties"), dict):
            properties = {**properties, **{k: v for k, v in part["properties"].items() if k not in properties}}
        if not is_choice and isinstance(part.get("required"), list):
            required |= {one for one in part["required"] if isinstance(one, str)}
        for key, value in part.items():
            merged.setdefault(key, value)
    if {"integer", "number"} <= kinds.keys():
        del kinds["integer"]
    choices = merged.get("enum")
    texts = choices if isinstance(choices, list) else []
    has_texts = 0 < len(texts) <= MOST_VALUES and all(isinstance(one, str | None) for one in texts)
    return Schema(
        kinds=tuple(kinds),
        is_nullable=nullable,
        format=_text(merged.get("format")),
        description=_text(merged.get("description")) or _text(merged.get("title")),
        values=tuple(one for one in texts if isinstance(one, str)) if has_texts else (),
        properties=properties,
        required=frozenset(required),
        items=merged.get("items"),
        has_items="items" in merged,
        additional=more if isinstance(more := merged.get("additionalProperties"), dict) else None,
        default=merged.get("default"),
        minimum=_whole(merged.get("minimum")),
        maximum=_whole(merged.get("maximum")),
    )


def _parts(document: Document, node: Any, seen: set[int], *, is_choice: bool = False) -> Iterator[tuple[Object, bool]]:
    """The schema itself and those that it is made of, each once; `is_choice`: one of several, so what it requires need not hold."""
    if id(node) in seen or len(seen) > _MOST_JOINED:
        return
    seen.add(id(node))
    found = document.followed(node)
    yield found, is_choice
    for word, chooses in (("allOf", False), ("oneOf", True), ("anyOf", True)):
        listed = found.get(word)
        parts = listed if isinstance(listed, list) else []
        real = [one for one in parts if not _is_null(one)]
        for one in real:
            yield from _parts(document, one, seen, is_choice=is_choice or (chooses and len(real) > 1))


def _is_null(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") == "null"


def _has_null(part: Object) -> bool:
    choices = [part[word] for word in ("oneOf", "anyOf") if isinstance(part.get(word), list)]
    listed = [one for parts in choices for one in parts]
    values = part.get("enum")
    return any(_is_null(one) for one in listed) or (isinstance(values, list) and None in values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None
