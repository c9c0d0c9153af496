"""The tables of a source: paths, keys, contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from lib.config.answer_rules import AnswerRules
from lib.config.api import Proof
from lib.config.bodies import JsonBody, Method
from lib.config.columns import FLOW_TRAP, Column, ColumnName, Reference, TypeText, flow_trap
from lib.config.ddl import Decimal, Scalar
from lib.config.derivations import DERIVED_NAMES
from lib.config.duration import Duration, parse_duration
from lib.config.expression import is_place
from lib.config.fixed import FixedHeaders, FixedParams
from lib.config.incremental import Incremental, incremental_problems
from lib.config.model import Problem, Settings, problems_error
from lib.config.network import checked_path
from lib.config.pagination import OwnPagination
from lib.config.placeholders import placeholders_of
from lib.config.slices import Slices
from lib.config.suggest import did_you_mean

_NAME = re.compile(r"[a-z][a-z0-9_]*")
TableName: TypeAlias = Annotated[str, Field(pattern=f"^{_NAME.pattern}$", max_length=128)]
"""A table's name as a key of the YAML."""


# What decides how pages are asked for; a table with a parent asks for none.
_OF_REQUESTS = ("path", "params", "headers", "errors", "pagination", "prove", "slices", "incremental")


class Parent(Settings):
    """Where the rows of a nested table are: in an array of each row of another table, on whose pages they landed."""

    table: str
    """The table whose rows hold them."""
    items: str
    """Where such a row has them: a dotted path such as `lines`, or a JMESPath expression such as `"shipments[].lines[]"`. Null or
    nothing is no rows."""

    @field_validator("items")
    @classmethod
    def _items_is_a_place(cls, items: str) -> str:
        if not is_place(items):
            raise ValueError("must be a dotted path into a row of the parent, such as lines")
        return items


class Table(Settings):
    """One table of a source: one endpoint, or an array in the rows of another table; one silver table, one row per `key`."""

    model_config = ConfigDict(
        json_schema_extra={"if": {"not": {"required": ["parent"]}}, "then": {"required": ["path"]}}
    )

    name: SkipJsonSchema[Annotated[str, Field(max_length=128)]]
    path: Annotated[str, Field(json_schema_extra={"pattern": "^/(?!/)"})] = ""
    """Path below `api.url`, starting with one `/`; a query goes with every request. Required without a `parent`. With a
    placeholder, as in `/users/{users.id}/orders`, the table is read for each row of another one."""
    parent: Parent | None = None
    """The rows are nested in those of another table, and come from its pages without further requests."""
    params: FixedParams = Field(default_factory=dict)
    """Query parameters of every request for the table; they go before those of the API."""
    headers: FixedHeaders = Field(default_factory=dict)
    """Headers of every request for the table; they go before those of the API."""
    method: Method | None = None
    """Method of the requests for its pages, in place of that of the API."""
    json_body: JsonBody | None = Field(default=None, alias="json")
    """Body of a POST for its pages as JSON, in place of the body of the API, of which nothing is taken."""
    form: FixedParams | None = None
    """Body of a POST for its pages as a form, in place of the body of the API, of which nothing is taken."""
    slices: Slices | None = None
    """The table is read slice by slice, side by side: over a list of values of a parameter, or over windows of time."""
    errors: AnswerRules = ()
    """Rules that judge its answers, before those of the API."""
    key: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Columns that identify a row. They must be required, and no array or struct."""
    newest_by: str | None = None
    """Column that says which of two rows with one key is newer."""
    pagination: OwnPagination | None = None
    """How its pages are asked for, in place of `api.pagination`: a whole block, of which nothing is taken from there."""
    prove: Proof | None = None
    """How the copy is proved, in place of `api.prove`."""
    incremental: Incremental | None = None
    """Only what is new or changed is asked for, once all rows were copied and published."""
    deletes: Literal["ignore", "soft"] = "ignore"
    """A row that the source no longer has. `ignore`: nothing is deleted. `soft`: it gets a time in `_deleted_at`."""
    max_delete_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2
    """If more of the live rows than this are deleted, the table fails, unless `--allow-deletes`."""
    max_rejected_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    """If more of the landed rows than this break the contract, the table fails."""
    on_new_column: Literal["evolve", "ignore", "fail"] = "ignore"
    """A key of the rows that is not declared. `ignore`: it stays in `bronze`. `evolve`: it becomes a column. `fail`: the
    table fails."""
    on_missing_column: Literal["null", "fail"] = "fail"
    """A declared column that no row has, not even as null. `fail`: the table fails. `"null"` (in quotes): it is null."""
    on_bad_row: Literal["quarantine", "fail"] = "quarantine"
    """A row that breaks the contract. `quarantine`: it goes there. `fail`: a single one also fails the table."""
    min_rows: Annotated[int, Field(ge=0)] = 1
    """Fewer live rows than this fail the check."""
    max_age: Duration | None = None
    """If the newest live row by `newest_by` is older than this, the check fails."""
    columns: Annotated[tuple[Column, ...], Field(strict=False, min_length=1)]
    """Names of the columns, each with its type or a mapping; keys of the API that are not named stay in `bronze`."""
    references: Annotated[tuple[Reference, ...], Field(strict=False)] = ()
    """Columns that point at keys of other tables."""

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

    @property
    def for_each(self) -> str | None:
        """The table for each of whose rows this one is read, as its placeholders say; None without any."""
        return next((one.table for one in placeholders_of(self)), None)

    @property
    def part_names(self) -> tuple[str, ...]:
        """What tells the parts of the table apart, such as `users.id`, in their order; nothing if it is read as a whole."""
        if self.slices is None:
            return tuple(sorted(one.name for one in placeholders_of(self)))
        return ("from", "to") if self.slices.is_windows else (self.slices.param or "",)

    @property
    def in_parts(self) -> bool:
        """Whether it is read in parts: slices, or a list for each row of another table."""
        return bool(self.part_names)

    @property
    def oldest(self) -> timedelta | None:
        """How old the newest row may be, as `max_age` says it."""
        return None if self.max_age is None else parse_duration(self.max_age)

    @field_validator("name")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("is not a table name: lower case letters, digits and '_', starting with a letter")
        if name in DERIVED_NAMES:
            raise ValueError("is the name of a table that Pagelake derives; choose another one")
        return name

    @field_validator("path")
    @classmethod
    def _path_below_the_url(cls, path: str) -> str:
        return checked_path(path)

    @field_validator(
        "columns",
        mode="before",
        json_schema_input_type=Annotated[dict[ColumnName, TypeText | Column], Field(min_length=1)],
    )
    @classmethod
    def _columns_from_a_mapping(cls, columns: Any) -> Any:
        if not isinstance(columns, Mapping):
            if isinstance(columns, list | tuple) and all(isinstance(column, Column) for column in columns):
                return columns
            raise ValueError("must be a mapping, such as id: bigint!")
        if trapped := [Problem((name,), FLOW_TRAP) for name in flow_trap(columns)]:
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
        found = [_request_problems, _column_problems, _key_problems, _newest_by_problems, incremental_problems]
        if problems := [problem for problems_of in found for problem in problems_of(self)]:
            raise problems_error(problems)
        return self


def _named(name: str, value: Any) -> Any:
    return {"name": name, **value} if isinstance(value, Mapping) else value


def _request_problems(table: Table) -> Iterator[Problem]:
    if table.parent is None:
        if not table.path:
            yield Problem(("path",), "missing")
        return
    for name in _OF_REQUESTS:
        if name in table.model_fields_set:
            yield Problem((name,), f"belongs to {table.parent.table}, whose pages hold these rows; leave it out")


def _column_problems(table: Table) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for column in table.columns:
        first = seen.setdefault(column.name.lower(), column.name)
        if first is not column.name:
            yield Problem(("columns", column.name), f"is the same name as {first!r} (upper or lower case)")
    read = [column for column in table.columns if column.steps]
    for number, column in enumerate(read):
        for other in read[:number]:
            n_common = min(len(column.steps), len(other.steps))
            if column.steps[:n_common] != other.steps[:n_common]:
                continue
            # A second reading would also show what the first may have as personal.
            named = column if column.renamed_from is not None or column.path is not None else other
            twice = other if named is column else column
            where = ("columns", named.name, "path" if named.path is not None else "from")
            if len(column.steps) == len(other.steps):
                yield Problem(where, f"is already what {twice.name!r} is read from; one key of the JSON is one column")
            else:
                yield Problem(
                    where, f"is a part of what {twice.name!r} is read from, or holds it; leave one of them out"
                )
            break


def _key_problems(table: Table) -> Iterator[Problem]:
    by_name = {column.name: column for column in table.columns}
    for index, name in enumerate(table.key):
        column = by_name.get(name)
        if column is None:
            yield Problem(("key", index), f"there is no such column{did_you_mean(name, by_name)}")
        elif name in table.key[:index]:
            yield Problem(("key", index), f"{name!r} appears twice")
        elif not isinstance(column.data_type, Scalar | Decimal):
            yield Problem(("key", index), f"{name!r} is {column.type}, and a key cannot hold an array or struct")
        elif not column.required:
            yield Problem(("key", index), f"a key column must be required; write {name}: {column.type}!")


def _newest_by_problems(table: Table) -> Iterator[Problem]:
    by_name = {column.name: column for column in table.columns}
    if table.newest_by is None:
        if table.max_age is not None:
            yield Problem(("max_age",), "needs newest_by, the column that says how old a row is")
        return
    column = by_name.get(table.newest_by)
    if column is None:
        yield Problem(("newest_by",), f"there is no such column{did_you_mean(table.newest_by, by_name)}")
    elif not isinstance(column.data_type, Scalar | Decimal) or column.type == "boolean":
        yield Problem(("newest_by",), f"{column.name!r} is {column.type}, which has no order in time; use a timestamp")
    elif table.max_age is not None and column.type not in ("timestamp", "date"):
        yield Problem(
            ("max_age",), f"needs a newest_by that is a timestamp or date, and {column.name!r} is {column.type}"
        )
