"""What a table holds against what its source YAML declares: columns to add, to widen, to keep, and what cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lib.config import AdoptedColumn, Array, Column, DataType, Decimal, Struct, Table, parse_ddl

_WIDER = {("int", "bigint"), ("int", "double")}


@dataclass(frozen=True)
class Fit:
    """How the held columns (name to DDL) fit the declared ones.

    `added` are declared and not held, `widened` are held as a narrower type, `adopted` are held and not declared. `problems`
    says of each column that cannot be made to fit what to do.
    """

    added: dict[str, str]
    widened: dict[str, str]
    adopted: dict[str, str]
    problems: tuple[str, ...]


def fit(table: Table, held: Mapping[str, str]) -> Fit:
    """Compare a table's declared columns with those that the lake holds. `_` columns of Pagelake are to be left out."""
    declared = {column.name: column.type for column in table.columns}
    changed = {name: kind for name, kind in declared.items() if name in held and held[name] != kind}
    widened = {name: kind for name, kind in changed.items() if _is_wider(parse_ddl(held[name]), parse_ddl(kind))}
    adopted = {name: kind for name, kind in held.items() if name not in declared}
    problems = [
        f"tables.{table.name}.columns.{name}: the lake holds {held[name]}, which cannot become {kind} without loss; "
        f"declare {held[name]} again, or rebuild the tables from all landed pages: full-ingest --from-landed all"
        for name, kind in changed.items()
        if name not in widened
    ]
    if table.on_new_column != "evolve":
        problems += [
            f"tables.{table.name}.columns: the lake holds a column {name!r} that is not declared; declare {name}: {kind}, or "
            "rebuild the tables from all landed pages: full-ingest --from-landed all"
            for name, kind in adopted.items()
        ]
    read_as = {column.json_key: column.name for column in table.columns}
    problems += [
        f"tables.{table.name}.columns.{read_as[name]}.from: the lake holds a column {name!r} that was made from the same key of "
        f"the JSON; declare it as {name}, or rebuild the tables from all landed pages: full-ingest --from-landed all"
        for name in adopted
        if name in read_as and table.on_new_column == "evolve"
    ]
    added = {name: kind for name, kind in declared.items() if name not in held}
    by_case = {name.lower(): name for name in held}
    problems += [
        f"tables.{table.name}.columns.{name}: the lake holds {by_case[name.lower()]!r}, and a table cannot have two "
        "columns whose names differ only in case"
        for name in added
        if name.lower() in by_case
    ]
    return Fit(added, widened, adopted, tuple(problems))


def with_adopted(table: Table, adopted: Mapping[str, str]) -> Table:
    """The table with columns that its source YAML does not declare, and that its contract lets in."""
    if not adopted:
        return table
    columns = [
        AdoptedColumn(name=name) if kind == "string" else Column(name=name, type=kind) for name, kind in adopted.items()
    ]
    return table.model_copy(update={"columns": (*table.columns, *columns)})


def _is_wider(held: DataType, declared: DataType) -> bool:
    """Whether each value of the held type has its exact equal in the declared one."""
    if isinstance(held, Decimal) and isinstance(declared, Decimal):
        whole = declared.precision - declared.scale >= held.precision - held.scale
        return whole and declared.scale >= held.scale
    if isinstance(held, Array) and isinstance(declared, Array):
        return held.element == declared.element or _is_wider(held.element, declared.element)
    if isinstance(held, Struct) and isinstance(declared, Struct):
        names = [name for name, _ in held.fields]
        return names == [name for name, _ in declared.fields] and all(
            one == other or _is_wider(one, other)
            for (_, one), (_, other) in zip(held.fields, declared.fields, strict=True)
        )
    return (held.ddl, declared.ddl) in _WIDER
