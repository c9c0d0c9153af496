"""The column types of a source YAML: a part of Spark's DDL, as a tree that the typed parse walks.

Read here and not by Spark, because settings are checked before a JVM is there. Only types that JSON can fill and that
every Delta reader knows are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from lib.config.suggest import did_you_mean

SCALARS = ("string", "boolean", "int", "bigint", "double", "date", "timestamp")
ALIASES = {"integer": "int", "long": "bigint"}
EpochUnit: TypeAlias = Literal["s", "ms"]
_WITH_PARTS = ("decimal", "array", "struct")
_ALL_NAMES = (*SCALARS, *ALIASES, *_WITH_PARTS)
# Names that other systems use, and that no likeness of letters would find.
_ELSEWHERE = {
    "text": "string",
    "varchar": "string",
    "char": "string",
    "uuid": "string",
    "str": "string",
    "float": "double",
    "real": "double",
    "number": "double",
    "numeric": "decimal",
    "dec": "decimal",
    "short": "int",
    "smallint": "int",
    "byte": "int",
    "tinyint": "int",
    "bool": "boolean",
    "datetime": "timestamp",
    "timestamp_ntz": "timestamp",
    "timestamptz": "timestamp",
    "list": "array",
    "object": "struct",
    "record": "struct",
    "map": "struct",
}
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)|([0-9]+)|(.))", re.DOTALL)


def _in_any_case(names: Iterable[str]) -> str:
    return "|".join("".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names)


DDL_PATTERN = rf"\s*(?:{_in_any_case((*SCALARS, *ALIASES))}|(?:{_in_any_case(_WITH_PARTS)})\s*[(<][\s\S]*[)>])\s*"
"""What every type looks like, for editors. What is inside brackets is judged by `parse_ddl` alone."""
_MAX_DEPTH = 32
_MAX_LENGTH = 20_000


class DdlError(ValueError):
    """The text is no column type that Pagelake takes. The message says why, and what is close."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts: string, boolean, int, bigint, double, date or timestamp.

    A timestamp with an `epoch` is written as the seconds (`s`) or milliseconds (`ms`) since 1970. A string of `any_json` takes
    any JSON value, as its text.
    """

    name: str
    epoch: EpochUnit | None = None
    any_json: bool = False

    @property
    def ddl(self) -> str:
        """The type as Spark DDL."""
        return self.name


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal of `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int

    @property
    def ddl(self) -> str:
        """The type as Spark DDL."""
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class Array:
    """A list whose elements have one type."""

    element: DataType

    @property
    def ddl(self) -> str:
        """The type as Spark DDL."""
        return f"array<{self.element.ddl}>"


@dataclass(frozen=True, slots=True)
class Struct:
    """An object with named fields, in their order."""

    fields: tuple[tuple[str, DataType], ...]

    @property
    def ddl(self) -> str:
        """The type as Spark DDL."""
        return f"struct<{','.join(f'{name}:{kind.ddl}' for name, kind in self.fields)}>"


DataType: TypeAlias = Scalar | Decimal | Array | Struct


@lru_cache(maxsize=1024)
def parse_ddl(text: str) -> DataType:
    """Read a type such as `array<struct<id: bigint, price: decimal(10,2)>>`; letter case and spaces do not matter.

    Raises:
        DdlError: the text is not such a type.
    """
    if len(text) > _MAX_LENGTH:
        raise DdlError(f"a type of more than {_MAX_LENGTH} characters")
    parser = _Parser(text)
    found = parser.type()
    parser.end()
    return found


def comparable(one: str, other: str) -> bool:
    """Whether ids of these two types can be the same."""
    return one == other or {one, other} == {"int", "bigint"}


class _Parser:
    """Recursive descent over the tokens of one type."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group(1) or match.group(2) or match.group(3) for match in _TOKEN.finditer(text.strip())]
        self._at = 0

    def type(self, depth: int = 0) -> DataType:
        if depth > _MAX_DEPTH:
            raise DdlError(f"a type nested more than {_MAX_DEPTH} deep")
        name = self._next("a type").lower()
        name = ALIASES.get(name, name)
        if name in SCALARS:
            return Scalar(name)
        if name == "decimal":
            return self._decimal()
        if name == "array":
            self._expect("<", "array is written array<type>")
            element = self.type(depth + 1)
            self._expect(">", "array is written array<type>")
            return Array(element)
        if name == "struct":
            return self._struct(depth)
        if name in _ELSEWHERE:
            raise DdlError(f"unknown type {name!r}; did you mean {_ELSEWHERE[name]!r}?")
        raise DdlError(f"unknown type {name[:60]!r}{did_you_mean(name, _ALL_NAMES)}")

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise DdlError(f"{self._tokens[self._at][:60]!r} is unexpected after the type")

    def _decimal(self) -> Decimal:
        shape = "decimal is written decimal(precision,scale), such as decimal(10,2)"
        self._expect("(", shape)
        precision = self._number(shape)
        self._expect(",", shape)
        scale = self._number(shape)
        self._expect(")", shape)
        if not 1 <= precision <= 38:
            raise DdlError("the precision of a decimal is 1 to 38")
        if scale > precision:
            raise DdlError("the scale of a decimal is 0 to its precision")
        return Decimal(precision, scale)

    def _struct(self, depth: int) -> Struct:
        shape = "struct is written struct<name: type, ...>"
        self._expect("<", shape)
        fields: list[tuple[str, DataType]] = []
        while True:
            name = self._next("a field's name")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise DdlError(f"{name[:60]!r} is not a field name; {shape}")
            if name.lower() in (known.lower() for known, _ in fields):
                raise DdlError(f"the field {name[:60]!r} appears twice (upper and lower case are the same)")
            self._expect(":", shape)
            fields.append((name, self.type(depth + 1)))
            separator = self._next("',' or '>'")
            if separator == ">":
                return Struct(tuple(fields))
            if separator != ",":
                raise DdlError(f"{separator[:60]!r} where ',' or '>' should be; {shape}")

    def _next(self, wanted: str) -> str:
        if self._at >= len(self._tokens):
            raise DdlError(f"the type ends where {wanted} should be")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, token: str, shape: str) -> None:
        if self._at >= len(self._tokens) or self._tokens[self._at] != token:
            raise DdlError(f"{token!r} is missing; {shape}")
        self._at += 1

    def _number(self, shape: str) -> int:
        token = self._next("a number")
        if not re.fullmatch(r"[0-9]{1,3}", token):
            raise DdlError(f"{token[:60]!r} is not a number of digits; {shape}")
        return int(token)
