"""How the rows of a table are read from landed pages: whose pages, where on them, and what columns have from outside of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from lib.config.expression import is_expression
from lib.config.fixed import query_of
from lib.config.model import Problem, YamlPath
from lib.config.suggest import did_you_mean

if TYPE_CHECKING:
    from lib.config.api import Api
    from lib.config.columns import Column
    from lib.config.tables import Table

KEY, POSITION = "key", "position"
PARENT, PARAMS, HEADERS = "parent", "params", "headers"
Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Cut:
    """How rows are cut out of a page before Spark reads them.

    `items` is where the page has its rows, `nested` where such a row has those of the nested table (None: they are the rows
    themselves). `of_row` are columns with their `KEY` or `POSITION`, `of_parent` columns with the steps to a value of the row
    that they are nested in; no steps are its own key.
    """

    items: str
    nested: str | None = None
    of_row: tuple[tuple[str, str], ...] = ()
    of_parent: tuple[tuple[str, Steps], ...] = ()

    @property
    def needs_names(self) -> bool:
        """Whether the key is wanted under which a row stands in its object."""
        return any(what == KEY for _, what in self.of_row) or any(not steps for _, steps in self.of_parent)


@dataclass(frozen=True)
class Reading:
    """`pages_of` is the table whose pages hold the rows. Spark finds them at the path `items`; with a `cut` they come cut.

    `constants` are the columns that are the same in each row, with their value as text. `of_part` are those that are the same in
    each row of a part, with the name that their value has in the part.
    """

    pages_of: str
    items: str
    cut: Cut | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    of_part: Mapping[str, str] = field(default_factory=dict)


def reading_of(table: Table, tables: Mapping[str, Table], api: Api) -> Reading:
    """How a table is read whose settings hold together."""
    asked = table if table.parent is None else tables[table.parent.table]
    items = (api.pagination if asked.pagination is None else asked.pagination).items
    constants: dict[str, str] = {}
    of_part: dict[str, str] = {}
    of_row: list[tuple[str, str]] = []
    of_parent: list[tuple[str, Steps]] = []
    for column in table.columns:
        if column.value is None:
            continue
        what, _, name = column.value.partition(".")
        of = asked.column(name) if what == PARENT else column
        if what in (KEY, POSITION):
            of_row.append((column.name, what))
        elif what == PARENT and of.value in (None, KEY):
            of_parent.append((column.name, () if of.value else of.steps))
        elif part_name := _part_name(of, asked):
            of_part[column.name] = part_name
        else:
            constants[column.name] = str(_constant(of, asked, api))
    is_cut = table.parent is not None or is_expression(items) or bool(of_row)
    if not is_cut:
        return Reading(asked.name, items, None, constants, of_part)
    nested = None if table.parent is None else table.parent.items
    return Reading(asked.name, "$", Cut(items, nested, tuple(of_row), tuple(of_parent)), constants, of_part)


def _part_name(column: Column, asked: Table) -> str | None:
    """What tells a part from others, and is the value of the column; None for another column."""
    what, _, name = (column.value or "").partition(".")
    if what == PARAMS:
        is_slice = asked.slices is not None and not asked.slices.is_windows and asked.slices.param == name
        return name if is_slice else None
    return column.value if what not in (PARENT, HEADERS) and column.value in asked.part_names else None


def reading_problems(table: Table, tables: Mapping[str, Table], api: Api) -> Iterator[Problem]:
    """What a table says of its rows that cannot be: a parent that is none, a value that the request or the parent has not."""
    where: YamlPath = ("tables", table.name)
    asked: Table | None = table
    if table.parent is not None:
        asked = tables.get(table.parent.table)
        if asked is None or asked is table:
            unknown = f"there is no such table{did_you_mean(table.parent.table, tables)}"
            yield Problem((*where, "parent", "table"), unknown if asked is None else "is the table itself")
            return
        if asked.parent is not None:
            message = f"is nested itself; name {asked.parent.table}, and where a row of it has these rows: a[].b[]"
            yield Problem((*where, "parent", "table"), message)
            return
        if asked.incremental is not None and asked.incremental.sweep is not None:
            message = (
                f"reads the keys of {asked.name} alone, and so finds no deleted rows of {table.name}; take full_every"
            )
            yield Problem(("tables", asked.name, "incremental", "sweep"), message)
    for column in table.columns:
        if column.value is not None and (problem := _value_problem(column, table, asked or table, api)):
            yield Problem((*where, "columns", column.name, "value"), problem)


def _value_problem(column: Column, table: Table, asked: Table, api: Api) -> str | None:
    what, _, name = (column.value or "").partition(".")
    if what in (PARENT, POSITION) and table.parent is None:
        return "is for a table with a parent"
    if what == PARENT:
        columns = {one.name: one for one in asked.columns}
        if name not in columns:
            return f"{asked.name} has no such column{did_you_mean(name, columns)}"
        if columns[name].pii and not column.pii:
            return f"is personal in {asked.name}; write pii: true here, too"
        return None
    if what in (KEY, POSITION) or _part_name(column, asked):
        return None
    if what not in (PARAMS, HEADERS):
        return f"no request for {asked.name} has a placeholder {{{column.value}}}"
    if what == PARAMS and asked.slices is not None and name in asked.slices.parameters:
        return "is a bound of a window, and no value of its rows"
    found = _constant(column, asked, api)
    if found is None:
        return f"no request for {asked.name} has such a {'parameter' if what == PARAMS else 'header'}"
    return "is a secret, which no table holds" if isinstance(found, SecretStr) else None


def _constant(column: Column, asked: Table, api: Api) -> str | SecretStr | None:
    """What goes with every request for a table under that name; None where nothing does."""
    what, _, name = (column.value or "").partition(".")
    if what == HEADERS:
        headers = {key.lower(): value for one in (api.headers, asked.headers) for key, value in one.items()}
        return headers.get(name.lower())
    params = {**dict(query_of(api.url)), **api.params, **dict(query_of(asked.path)), **asked.params}
    return params.get(name)
