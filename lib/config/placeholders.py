"""Placeholders in the requests for a table, such as `{users.id}`: it is read as a list for each row of another table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.config.ddl import Decimal, Scalar
from lib.config.model import Problem, YamlPath
from lib.config.suggest import did_you_mean

if TYPE_CHECKING:
    from lib.config.api import Api
    from lib.config.tables import Table

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)\}")
_HOW = "a placeholder is written {table.column}, such as {users.id}"


@dataclass(frozen=True)
class Placeholder:
    """A column of another table, and `where` in a table's settings it stands."""

    table: str
    column: str
    where: YamlPath = ()

    @property
    def name(self) -> str:
        """As it is written, without the braces."""
        return f"{self.table}.{self.column}"


def placeholders_of(table: Table) -> tuple[Placeholder, ...]:
    """The placeholders in the requests for a table, each once, in their order."""
    found: dict[str, Placeholder] = {}
    for where, text in _texts(table):
        for one in _in_text(where, text):
            found.setdefault(one.name, one)
    return tuple(found.values())


def placeholder_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[Problem]:
    """What placeholders of a table cannot be: columns that are not there, or whose value cannot or must not be in a request."""
    where: YamlPath = ("tables", table.name)
    first: str | None = None
    for place, text in _texts(table):
        for one in _in_text(place, text):
            first = first or one.table
            if problem := _problem(one, first, table, tables):
                yield Problem((*where, *place), problem)
    for name, value in table.headers.items():
        if isinstance(value, str) and PLACEHOLDER.search(value):
            yield Problem(
                (*where, "headers", name), "no header can hold a placeholder; path, params, json and form can"
            )
    if re.search(r"[{}]", PLACEHOLDER.sub("", table.path)):
        yield Problem((*where, "path"), _HOW)
    if table.for_each is not None and _is_circle(table, tables):
        yield Problem(
            (*where, "path"), f"is a circle: {table.name} and {table.for_each} are asked for by rows of each other"
        )


def api_placeholder_problems(api: Api) -> Iterator[Problem]:
    """Placeholders where no table is named."""
    texts = [*_strings(("params",), api.params), *_strings(("json",), api.json_body), *_strings(("form",), api.form)]
    for where, text in (*texts, *_strings(("headers",), api.headers), (("url",), api.url)):
        if PLACEHOLDER.search(text):
            yield Problem(("api", *where), "a placeholder belongs to a table: into its path, params, json or form")


def _in_text(where: YamlPath, text: str) -> Iterator[Placeholder]:
    return (Placeholder(found[1], found[2], where) for found in PLACEHOLDER.finditer(text))


def _texts(table: Table) -> Iterator[tuple[YamlPath, str]]:
    if table.parent is not None:
        return  # it has no requests
    yield ("path",), table.path
    yield from _strings(("params",), table.params)
    yield from _strings(("json",), table.json_body)
    yield from _strings(("form",), table.form)


def _strings(where: YamlPath, value: Any) -> Iterator[tuple[YamlPath, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _strings((*where, key), one)
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _strings((*where, index), one)


def _problem(one: Placeholder, first: str, table: Table, tables: Mapping[str, Table]) -> str | None:
    if one.table == table.name:
        return f"{{{one.name}}} is a column of the table itself; name another table, whose rows it is read for"
    if one.table not in tables:
        return f"there is no table {one.table!r}{did_you_mean(one.table, tables)}"
    if one.table != first:
        return f"has rows of {first} and of {one.table}; a table is read for each row of one table"
    columns = {column.name: column for column in tables[one.table].columns}
    column = columns.get(one.column)
    if column is None:
        return f"{one.table} has no column {one.column!r}{did_you_mean(one.column, columns)}"
    if column.pii:
        return f"{one.name} is personal, and a request would show it; take another column"
    if not isinstance(column.data_type, Scalar | Decimal) or column.type == "double":
        return f"{one.name} is {column.type}, which no request can hold; take a number, a text, a date or a timestamp"
    if not column.required:
        return f"{one.name} may be missing in a row; write {one.column}: {column.type}! there"
    return None


def _is_circle(table: Table, tables: Mapping[str, Table]) -> bool:
    above, seen = needed_by(table), set[str]()
    while above is not None and above in tables and above not in seen:
        if above == table.name:
            return True
        seen.add(above)
        above = needed_by(tables[above])
    return False


def needed_by(table: Table) -> str | None:
    """The table that must be there first: the one whose rows it is read for, or on whose pages it is nested."""
    return table.for_each if table.parent is None else table.parent.table
