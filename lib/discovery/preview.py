"""The dry run of a new source: its file as it was written is loaded, planned, and held against two pages of each table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from lib.config import MASK, Column, Source, Table, load_source
from lib.config.placeholders import placeholders_of
from lib.console import columns, number_of
from lib.discovery.children import MOST_TRIED, tagged
from lib.discovery.columns import Row, outside
from lib.discovery.parent_tables import parts_of
from lib.discovery.probe import GONE, RUN_ID, Proof, prove
from lib.errors import SourceError
from lib.landing.budget import Budget
from lib.landing.plan import Plan, make_plan
from lib.source.access import Access
from lib.source.row_key import value_at

_SHOWN_LISTS = 2
SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_SIGNS = 3, 8, 24


@dataclass(frozen=True)
class Preview:
    """What a dry run found: the plan, and of each table its first rows as they may be shown and what two of its pages say."""

    source: Source
    plan: Plan = field(repr=False)
    proofs: Mapping[str, Proof] = field(repr=False)

    @property
    def contradictions(self) -> list[str]:
        """A line for each table of which two pages do not fit each other."""
        return [f"{name}: {proof.said}" for name, proof in self.proofs.items() if not proof.holds]

    @property
    def plan_lines(self) -> list[str]:
        """The plan: of each table its rows and pages, as far as its first page says."""
        rows = [("table", "rows", "pages")]
        for table in self.source.tables:
            if table.for_each is not None:
                rows.append((table.name, "unknown", f"one list for each row of {table.for_each}"))
        for one in self.plan.tables:
            total = "unknown" if one.total is None else f"{one.total:,}"
            rows.append((one.table, total, "unknown" if one.is_walk else f"{one.n_pages:,}"))
        return [f"Plan for {self.source.source}; nothing has landed yet.", *columns(rows)]

    def rows(self, table: Table) -> tuple[list[str], list[list[str]]]:
        """The names of the first columns, and the first rows. Personal values are masked."""
        first = table.columns[:SHOWN_COLUMNS]
        rows = self.proofs[table.name].rows[:SHOWN_ROWS]
        return [column.name for column in first], [[_shown(column, row) for column in first] for row in rows]


def previewed(yaml: Path, conf: Path, env: Mapping[str, str], doubts: Mapping[str, str]) -> Preview:
    """Load the file, plan its tables, and ask for two pages of each; of one that is read for each row of another, for two rows.

    `doubts`: why one answer of a table cannot be all of it.

    Raises:
        ConfigError: it does not load.
    """
    source = load_source(str(yaml), conf_dir=conf, env=env)
    access, budget = Access.of(source.api, source.tables), Budget.of(source.api)
    whole = [table for table in source.tables if table.for_each is None]
    plan = make_plan(access, RUN_ID, [(table.name, table.path) for table in whole], budget)
    proofs = {table.name: prove(access, table.name, table.path, budget, _key(table)) for table in whole}
    waiting = [table for table in source.tables if table.for_each is not None]
    while waiting:  # what a table is read for goes before it, and there is no circle in a source that loads
        table = next(one for one in waiting if one.for_each in proofs)
        waiting.remove(table)
        rows = proofs[table.for_each or ""].rows
        proofs[table.name] = _of_rows(access, budget, table, source.table(table.for_each or ""), rows)
    for table in source.tables:
        if table.name in doubts and source.pagination_of(table).style == "none" and proofs[table.name].holds:
            proofs[table.name] = replace(proofs[table.name], said=doubts[table.name], holds=False)
    return Preview(source, plan, proofs)


def _of_rows(access: Access, budget: Budget, table: Table, parent: Table, rows: Sequence[Mapping[str, Any]]) -> Proof:
    """What the first lists of a table say that is read for each row of another one: two that are there, of a few."""
    columns = [parent.column(one.column) for one in placeholders_of(table)]
    names = [one.name for one in placeholders_of(table)]
    values = [[_in_request(column, _value(column, row)) for column in columns] for row in rows]
    proofs: list[Proof] = []
    found: list[Row] = []
    n_gone = 0
    for part in islice(parts_of(names, values), MOST_TRIED):
        try:
            path = part.path(table.path)
        except SourceError as error:
            return Proof(str(error), found)
        proof = prove(access, table.name, path, budget, _key(table), part)
        if not proof.holds and proof.first is not None and proof.first.status in GONE:
            n_gone += 1
            continue
        found += [tagged(row, part) for row in proof.rows]
        proofs.append(proof)
        if not proof.holds:
            return replace(proof, rows=found, said=f"for a row of {parent.name}: {proof.said}")
        if len(proofs) == _SHOWN_LISTS:
            break
    if not proofs:
        none = (
            f"{parent.name} has no row to try it with"
            if not n_gone
            else f"no list for any of {n_gone:,} rows of {parent.name}"
        )
        return Proof(none)
    said = "; ".join(proof.said for proof in proofs)
    gone = f", and {n_gone:,} without a list (404 or 410)" if n_gone else ""
    return Proof(f"for {number_of(len(proofs), 'row')} of {parent.name}{gone}: {said}", found, holds=True)


def _in_request(column: Column, value: Any) -> Any:
    if value is None or column.type != "bigint":
        return value
    return int(value) if re.fullmatch(r"-?[0-9]+", str(value)) else None


def _value(column: Column, row: Mapping[str, Any]) -> Any:
    """The value of a column, which may be from outside of the row."""
    return value_at(dict(row), column.steps) if column.value is None else row.get(outside(column.value))


def _key(table: Table) -> Sequence[str]:
    """The keys of a row's JSON that name it among those of one list, as far as they are at its top."""
    steps = [table.column(name).steps for name in table.key if table.column(name).value is None]
    return [str(one[0]) for one in steps] if all(len(one) == 1 for one in steps) else []


def _shown(column: Column, row: Mapping[str, Any]) -> str:
    value = _value(column, row)
    if value is None:
        return ""
    if column.pii:
        return MASK
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= SHOWN_SIGNS else f"{text[: SHOWN_SIGNS - 3]}..."
