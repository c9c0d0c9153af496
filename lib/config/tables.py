"""The tables of a source: columns, keys, references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote

from pydantic import Field, field_validator, model_validator

from lib.config.ddl import DataType, Decimal, EpochUnit, Scalar, parse_ddl
from lib.config.model import Problem, Settings, problems_error
from lib.config.suggest import did_you_mean

SYSTEM_COLUMNS = ("_row_hash", "_run_id", "_first_seen_at", "_changed_at", "_deleted_at")
DERIVED_TABLES = ("listens",)
FLOW_TRAP = "a comma inside braces starts a new key; write the type in quotes or one column a line"
_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Column(Settings):
    """One column. In the YAML `id: bigint!` (`!` = required) or `id: {type: "bigint!", pii: true, description: "..."}`.

    `type` is Spark DDL in lower case without spaces. `epoch` says that a timestamp is a number in the JSON: seconds (`s`) or
    milliseconds (`ms`) since 1970. Values of a `pii` column never reach docs, logs, alerts or quarantine.
    """

    any_json: ClassVar[bool] = False

    name: Annotated[str, Field(min_length=1, max_length=255)]
    type: str
    required: bool = False
    pii: bool = False
    epoch: EpochUnit | None = None
    description: str | None = None

    @property
    def data_type(self) -> DataType:
        """The type as a tree."""
        kind = parse_ddl(self.type)
        return replace(kind, epoch=self.epoch, any_json=self.any_json) if isinstance(kind, Scalar) else kind

    @model_validator(mode="before")
    @classmethod
    def _read_the_exclamation_mark(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        if "type" in _flow_trap(data):
            raise problems_error([Problem(("type",), FLOW_TRAP)])
        kind = data.get("type")
        if not isinstance(kind, str) or not kind.rstrip().endswith("!"):
            return data
        if data.get("required") is False:
            raise problems_error([Problem(("required",), "the '!' of the type says that it is required")])
        return {**data, "type": kind.rstrip()[:-1], "required": True}

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not _COLUMN_NAME.fullmatch(name):
            raise ValueError("is no column name: letters, digits and '_', the first no digit")
        if name.lower() in SYSTEM_COLUMNS:
            raise ValueError("is a name that Pagelake uses for a column of its own")
        return name

    @field_validator("type")
    @classmethod
    def _known_type(cls, text: str) -> str:
        return parse_ddl(text).ddl

    @model_validator(mode="after")
    def _epoch_of_a_timestamp(self) -> Column:
        if self.epoch is not None and self.type != "timestamp":
            raise problems_error(
                [Problem(("epoch",), f"is for a column of type timestamp, and this one is {self.type}")]
            )
        return self


class AdoptedColumn(Column):
    """A column that the source YAML does not name and the source has: its values are the text of any JSON value.

    A JSON string is taken as its characters, null as null, anything else as its compact JSON.
    """

    any_json: ClassVar[bool] = True
    type: Literal["string"] = "string"


class Reference(Settings):
    """A column (`user_id`), or each element of an array (`items[]`), that must be a key elsewhere (`users.id`)."""

    column: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\[\])?$")]
    to: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")]

    @property
    def column_name(self) -> str:
        """The column without the `[]`."""
        return self.column.removesuffix("[]")

    @property
    def is_array(self) -> bool:
        """Whether each element of an array is meant."""
        return self.column.endswith("[]")

    @property
    def to_table(self) -> str:
        """The table referred to."""
        return self.to.partition(".")[0]

    @property
    def to_column(self) -> str:
        """The key column referred to."""
        return self.to.partition(".")[2]


class Table(Settings):
    """One table of a source: one endpoint, one silver table, one row per `key`."""

    name: Annotated[str, Field(max_length=128)]
    path: str
    key: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    newest_by: str | None = None
    prove: Literal["counted", "reread"] = "counted"
    deletes: Literal["ignore", "soft"] = "ignore"
    max_delete_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2
    max_rejected_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    min_rows: Annotated[int, Field(ge=0)] = 1
    columns: Annotated[tuple[Column, ...], Field(strict=False, min_length=1)]
    references: Annotated[tuple[Reference, ...], Field(strict=False)] = ()

    def column(self, name: str) -> Column:
        """Return the column of that name. KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that a row must have, in their order."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def pii(self) -> tuple[str, ...]:
        """Names of the columns with personal data, in their order."""
        return tuple(column.name for column in self.columns if column.pii)

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError("is no table name: lower case letters, digits and '_', starting with a letter")
        if name in DERIVED_TABLES:
            raise ValueError("is the name of a table that Pagelake derives; take another one")
        return name

    @field_validator("path")
    @classmethod
    def _path_below_the_url(cls, path: str) -> str:
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("must be a path below api.url that starts with one '/', such as /tracks")
        if not path.isprintable() or re.search(r"[\s\\?#]", path):
            raise ValueError("must not hold spaces, backslashes, '?' or '#'")
        if ".." in unquote(path).replace("\\", "/").split("/"):
            raise ValueError("must not hold '..'")
        return path

    @field_validator("columns", mode="before")
    @classmethod
    def _columns_from_a_mapping(cls, columns: Any) -> Any:
        if not isinstance(columns, Mapping):
            if isinstance(columns, list | tuple) and all(isinstance(column, Column) for column in columns):
                return columns
            raise ValueError("must be a mapping, such as id: bigint!")
        if trapped := [Problem((name,), FLOW_TRAP) for name in _flow_trap(columns)]:
            raise problems_error(trapped)
        if named := [
            Problem((name, "name"), "unknown key; the column's name is the key before it")
            for name, column in columns.items()
            if isinstance(column, Mapping) and "name" in column
        ]:
            raise problems_error(named)
        return [
            _named(name, {"type": column} if isinstance(column, str) else column) for name, column in columns.items()
        ]

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        if problems := [*_column_problems(self), *_key_problems(self), *_newest_by_problems(self)]:
            raise problems_error(problems)
        return self


def _named(name: str, value: Any) -> Any:
    return {"name": name, **value} if isinstance(value, Mapping) else value


def _flow_trap(mapping: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys whose type was cut at a comma, as in `{amount: decimal(10,2)!}`: an open bracket, an empty key."""
    items = list(mapping.items())
    for (name, value), (following, nothing) in pairwise(items):
        is_open = isinstance(value, str) and (
            value.count("(") > value.count(")") or value.count("<") > value.count(">")
        )
        if is_open and nothing is None and re.search(r"[)>,:(<]", following):
            yield name


def _column_problems(table: Table) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for column in table.columns:
        first = seen.setdefault(column.name.lower(), column.name)
        if first is not column.name:
            yield Problem(("columns", column.name), f"is the same name as {first!r} (upper or lower case)")


def _key_problems(table: Table) -> Iterator[Problem]:
    by_name = {column.name: column for column in table.columns}
    for index, name in enumerate(table.key):
        column = by_name.get(name)
        if column is None:
            yield Problem(("key", index), f"there is no such column{did_you_mean(name, by_name)}")
        elif name in table.key[:index]:
            yield Problem(("key", index), f"{name!r} is there twice")
        elif not isinstance(column.data_type, Scalar | Decimal):
            yield Problem(("key", index), f"{name!r} is {column.type}, and a key cannot hold an array or struct")
        elif not column.required:
            yield Problem(("key", index), f"a key column must be required; write {name}: {column.type}!")


def _newest_by_problems(table: Table) -> Iterator[Problem]:
    by_name = {column.name: column for column in table.columns}
    if table.newest_by is None:
        return
    column = by_name.get(table.newest_by)
    if column is None:
        yield Problem(("newest_by",), f"there is no such column{did_you_mean(table.newest_by, by_name)}")
    elif not isinstance(column.data_type, Scalar | Decimal) or column.type == "boolean":
        yield Problem(("newest_by",), f"{column.name!r} is {column.type}, which has no newest; take a timestamp")
