"""The column type that values have, that a schema has, and that both agree on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lib.config import Array, DataType, Decimal, Scalar, Struct
from lib.discovery.document import Document
from lib.discovery.schemas import Schema, schema_of

STRING, BOOLEAN, BIGINT, DOUBLE = Scalar("string"), Scalar("boolean"), Scalar("bigint"), Scalar("double")
DATE, TIMESTAMP, MONEY = Scalar("date"), Scalar("timestamp"), Decimal(38, 9)
# As lib/tables/scalars.py takes them.
_DAY = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = re.compile(
    rf"{_DAY}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?"
    r"(?:[Zz]|[+-](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?)?"
)
_DATE = re.compile(_DAY)
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_MONEY = re.compile(r"-?[0-9]{1,29}(?:\.[0-9]{1,9})?")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH = 6
_MOST_FIELDS = 200
_MOST_PARTS = 2000
_DECIMALS = frozenset({"decimal", "decimal128", "money", "currency"})
_EPOCHS = {"s": (1e8, 5e9), "ms": (1e11, 5e12)}
"""Numbers that are times since 1970, from 1973 to 2128."""


class MixedError(ValueError):
    """Values of which no single column type takes all. The message says what they are."""


def of_values(values: Iterable[Any], depth: int = 0) -> DataType | None:
    """The type that takes all of these values; None where they say nothing: they are null, empty lists, empty objects.

    Raises:
        MixedError: there is none.
    """
    some = [value for value in values if value is not None]
    if not some:
        return None
    kinds = {type(value) for value in some}
    if kinds == {bool}:
        return BOOLEAN
    if kinds <= {int, float}:
        return _of_numbers(some)
    if kinds == {str}:
        return _of_texts(some)
    if kinds == {list} and depth < _DEPTH:
        element = of_values((one for value in some for one in value), depth + 1)
        return None if element is None else Array(element)
    if kinds == {dict} and depth < _DEPTH:
        return _of_objects(some, depth)
    if kinds == {int, str} and all(_WHOLE.fullmatch(str(value)) for value in some):
        return BIGINT
    if kinds <= {list, dict} and len(kinds) == 1:
        raise MixedError("is nested too deeply")
    raise MixedError("holds values of different kinds")


def _of_numbers(values: list[Any]) -> DataType:
    if all(isinstance(value, int) for value in values):
        if max(abs(value) for value in values) >= 2**63:
            raise MixedError("holds whole numbers of more than 64 bits")
        return BIGINT
    return DOUBLE


def _of_texts(values: list[str]) -> DataType:
    if all(_TIME.fullmatch(value) for value in values):
        return TIMESTAMP
    return DATE if all(_DATE.fullmatch(value) for value in values) else STRING


def _of_objects(values: list[dict[str, Any]], depth: int) -> DataType | None:
    names = list(dict.fromkeys(name for value in values for name in value))
    fields: dict[str, DataType] = {}
    for name in _fields(names):
        try:
            kind = of_values((value.get(name) for value in values), depth + 1)
        except MixedError:
            continue
        if kind is not None:
            fields[name] = kind
    return Struct(tuple(fields.items())) if fields else None


def _fields(names: Iterable[str]) -> list[str]:
    """Those that can be fields of a struct, each once whatever its case, unless there are too many for a type."""
    found: dict[str, str] = {}
    for name in names:
        if _FIELD.fullmatch(name) and len(name) <= 200:
            found.setdefault(name.lower(), name)
    return list(found.values())[:_MOST_FIELDS]


def of_schema(document: Document, node: Any) -> DataType | None:
    """The type that a schema has; None where it says none, or more than a column can be."""
    reader = _Reader(document)
    found = reader.read(node, 0, frozenset())
    return found if reader.parts <= _MOST_PARTS else None


class _Reader:
    """Reads a schema of many parts. One that leads to itself ends there."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.parts = 0

    def read(self, node: Any, depth: int, above: frozenset[str]) -> DataType | None:
        """The type of a part, below schemas of these names."""
        self.parts += 1
        name = str(node["$ref"]) if isinstance(node, dict) and "$ref" in node else None
        if self.parts > _MOST_PARTS or depth > _DEPTH or name in above:
            return None
        within = above if name is None else above | {name}
        schema = schema_of(self._document, node)
        if schema.kind == "array":
            element = self.read(schema.items, depth + 1, within)
            return None if element is None else Array(element)
        if schema.kind != "object":
            return _of_scalar(schema)
        fields = {one: self.read(schema.properties[one], depth + 1, within) for one in _fields(schema.properties)}
        known = tuple((one, kind) for one, kind in fields.items() if kind is not None)
        return Struct(known) if known else None


def _of_scalar(schema: Schema) -> DataType | None:
    form = schema.format.lower()
    if schema.kind == "string":
        if form in _DECIMALS:
            return MONEY
        return {"date-time": TIMESTAMP, "datetime": TIMESTAMP, "date": DATE}.get(form, STRING)
    if schema.kind == "number" and form in _DECIMALS:
        return MONEY
    return {"integer": BIGINT, "number": DOUBLE, "boolean": BOOLEAN}.get(schema.kind)


def agreed(said: DataType | None, seen: DataType | None, values: Iterable[Any] = ()) -> DataType | None:
    """The type that takes what was seen, in the document's words where these hold."""
    if said is None or seen is None or said == seen:
        return seen if said is None else said
    if isinstance(said, Struct) and isinstance(seen, Struct):
        objects = [value for value in values if isinstance(value, dict)]
        names = _fields([name for name, _ in (*said.fields, *seen.fields)])
        one, other = dict(said.fields), dict(seen.fields)
        return Struct(
            tuple(
                (name, kind)
                for name in names
                if (kind := agreed(one.get(name), other.get(name), [value.get(name) for value in objects])) is not None
            )
        )
    if isinstance(said, Array) and isinstance(seen, Array):
        elements = [one for value in values if isinstance(value, list) for one in value]
        element = agreed(said.element, seen.element, elements)
        return None if element is None else Array(element)
    if said == DOUBLE and seen == BIGINT:
        return DOUBLE
    if said == MONEY and seen in (STRING, BIGINT, DOUBLE):
        texts = [str(value) for value in values if value is not None]
        return MONEY if all(_MONEY.fullmatch(text) for text in texts) else seen
    if said == BIGINT and seen == STRING:
        texts = [str(value) for value in values if value is not None]
        return BIGINT if texts and all(_WHOLE.fullmatch(text) for text in texts) else STRING
    return seen


def epoch_of(values: Iterable[Any]) -> str | None:
    """The unit in which numbers are times since 1970: `s` or `ms`. None: they are not."""
    some = [value for value in values if value is not None]
    if not some or not all(isinstance(value, int | float) and not isinstance(value, bool) for value in some):
        return None
    return next(
        (unit for unit, (low, high) in _EPOCHS.items() if all(low <= value < high for value in some)),
        None,
    )


def parts_of(kind: DataType) -> Iterable[tuple[str, DataType]]:
    """The fields of a struct, also where it is the element of a list."""
    if isinstance(kind, Array):
        return parts_of(kind.element)
    return kind.fields if isinstance(kind, Struct) else ()
