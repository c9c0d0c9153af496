"""Tables that are read in parts: what their settings say together with those of the API and of other tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lib.config.bodies import BODY
from lib.config.fixed import looks_secret, set_by_pagination
from lib.config.model import Problem, YamlPath
from lib.config.placeholders import api_placeholder_problems, placeholder_problems
from lib.config.secret import WRITTEN_OUT

if TYPE_CHECKING:
    from lib.config.api import Api
    from lib.config.tables import Table


def part_problems(api: Api, tables: Mapping[str, Table]) -> Iterator[Problem]:
    """Slices and placeholders that cannot be."""
    yield from api_placeholder_problems(api)
    for table in tables.values():
        where: YamlPath = ("tables", table.name)
        yield from placeholder_problems(table, tables)
        if table.slices is not None:
            yield from _slices_problems((*where, "slices"), api, table)
        if not table.in_parts or table.parent is not None:
            continue
        if (table.prove or api.prove) == "swept":
            own = "take reread" if table.prove else f"and {table.name} has api.prove; write prove: reread here"
            yield Problem((*where, "prove"), f"swept is not for a table that is read in parts; {own}")


def _slices_problems(where: YamlPath, api: Api, table: Table) -> Iterator[Problem]:
    if table.slices is None:
        return
    if table.for_each is not None:
        yield Problem(where, f"is not for a table with placeholders, which is read for each row of {table.for_each}")
    taken = set_by_pagination(api, table)
    for name, key in table.slices.parameters.items():
        if name in taken:
            yield Problem((*where, key), f"is {taken[name]}, which is set for each page; take another parameter")
        if looks_secret(name.removeprefix(BODY)):
            yield Problem((*where, key), WRITTEN_OUT)
