"""The columns of a table: types, names, references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, WithJsonSchema, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from lib.config.ddl import DDL_PATTERN, DataType, EpochUnit, Scalar, parse_ddl
from lib.config.expression import keys_and_indexes
from lib.config.model import Problem, Settings, problems_error

SYSTEM_COLUMNS = (
    "_row_hash",
    "_run_id",
    "_first_seen_at",
    "_changed_at",
    "_deleted_at",
    "_is_deleted",
    "_deleted_since",
)
FLOW_TRAP = "a comma inside braces starts a new key; write the type in quotes or one column a line"
MAX_NAME = 255
MAX_JSON_KEY = 1000
# Stands where a personal value is.
MASK = "***"
_VALUE = re.compile(r"key|position|(?:parent|params|headers)\..+|[a-z][a-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*")
_COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ColumnName: TypeAlias = Annotated[str, Field(pattern=f"^{_COLUMN_NAME.pattern}$", max_length=MAX_NAME)]
"""A column's name as a key of the YAML."""
TypeText: TypeAlias = Annotated[
    str,
    WithJsonSchema({"type": "string", "title": "column type, such as `bigint!`", "pattern": rf"^{DDL_PATTERN}!?\s*$"}),
]
"""A column's type as it is written."""


def is_column_name(name: str) -> bool:
    """Whether a column of a source can have this name in every engine, beside Pagelake's own columns."""
    usable = _COLUMN_NAME.fullmatch(name) is not None and len(name) <= MAX_NAME
    return usable and name.lower() not in SYSTEM_COLUMNS


class Column(Settings):
    """One column. In the YAML `id: bigint!` (`!` = required) or `id: {type: "bigint!", pii: true, description: "..."}`.

    Once read, `type` is in lower case without spaces and without the `!`.
    """

    any_json: ClassVar[bool] = False

    name: SkipJsonSchema[Annotated[str, Field(min_length=1, max_length=255)]]
    type: TypeText
    """Spark DDL; a `!` at its end means required."""
    required: bool = False
    """A row without a value goes to quarantine; the same as the `!`."""
    pii: bool = False
    """Personal: the values never reach docs, logs, alerts or quarantine."""
    epoch: EpochUnit | None = None
    """For a timestamp that is a number in the JSON: seconds (`s`) or milliseconds (`ms`) since 1970."""
    description: str | None = None
    """The column's comment in the Delta table."""
    renamed_from: Annotated[str, Field(max_length=MAX_JSON_KEY)] | None = Field(default=None, alias="from")
    """Key in the API's JSON, where it is another one than the name. It is one key of the row, no path."""
    path: Annotated[str, Field(min_length=1, max_length=MAX_JSON_KEY)] | None = None
    """Where the value is nested in the row: keys and indexes, such as `user.name`, `tags[0].id` or `user."first name"`."""
    value: Annotated[str, Field(max_length=MAX_JSON_KEY)] | None = None
    """A value from outside of the row. `key`: the key of the row, where an object holds the rows. `params.NAME`, `headers.NAME`:
    what goes with every request, or a slice has. `TABLE.COLUMN`: what the request had for that placeholder. With a `parent`:
    `parent.COLUMN` of the row that it is nested in; `position` there, from 0."""
    empty_is_null: bool = False
    """The text `""` is null, whatever the type."""

    @property
    def steps(self) -> tuple[str | int, ...]:
        """The keys and indexes that lead from a row to the value; none where it is not in the row."""
        if self.value is not None:
            return ()
        if self.path is not None:
            return keys_and_indexes(self.path)
        return (self.name if self.renamed_from is None else self.renamed_from,)

    @property
    def json_key(self) -> str | None:
        """The key of the row that holds the column's value, alone or with others; None where it is not in the row."""
        return str(self.steps[0]) if self.steps else None

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
        if "type" in flow_trap(data):
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
            raise ValueError(
                "is not a column name: letters, digits and '_', the first no digit; choose another one, and write "
                "from: with the key of the JSON"
            )
        if not is_column_name(name):
            raise ValueError("is a name that Pagelake uses for a column of its own")
        return name

    @field_validator("type")
    @classmethod
    def _known_type(cls, text: str) -> str:
        return parse_ddl(text).ddl

    @field_validator("path")
    @classmethod
    def _path_of_keys(cls, path: str | None) -> str | None:
        if path is not None:
            keys_and_indexes(path)
        return path

    @field_validator("value")
    @classmethod
    def _known_value(cls, value: str | None) -> str | None:
        if value is not None and not _VALUE.fullmatch(value):
            raise ValueError("must be key, position, parent.COLUMN, params.NAME, headers.NAME or TABLE.COLUMN")
        return value

    @model_validator(mode="after")
    def _from_one_place(self) -> Column:
        said = [
            name
            for name, value in (("from", self.renamed_from), ("path", self.path), ("value", self.value))
            if value is not None
        ]
        if len(said) > 1:
            raise problems_error([Problem((said[1],), f"{said[0]} already says where the value is; leave one out")])
        return self

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
    """The column, such as `user_id`, or `"items[]"` for each element of an array."""
    to: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")]
    """Where it points, as `table.column`: the whole key of a table with one key column."""

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


def flow_trap(mapping: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys whose type was cut at a comma, as in `{amount: decimal(10,2)!}`: an open bracket, an empty key."""
    items = list(mapping.items())
    for (name, value), (following, nothing) in pairwise(items):
        is_open = isinstance(value, str) and (
            value.count("(") > value.count(")") or value.count("<") > value.count(">")
        )
        if is_open and nothing is None and re.search(r"[)>,:(<]", following):
            yield name
