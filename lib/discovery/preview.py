"""The dry run of a new source: its file as it was written is loaded, planned, and held against two pages of each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from lib.config import MASK, Column, Source, Table, load_source
from lib.console import columns
from lib.discovery.probe import RUN_ID, Proof, prove
from lib.landing.budget import Budget
from lib.landing.plan import Plan, make_plan
from lib.source.access import Access

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
    """Load the file, plan its tables, and ask for two pages of each. `doubts`: why one answer of a table cannot be all of it.

    Raises:
        ConfigError: it does not load.
    """
    source = load_source(str(yaml), conf_dir=conf, env=env)
    access, budget = Access.of(source.api, source.tables), Budget.of(source.api)
    plan = make_plan(access, RUN_ID, [(table.name, table.path) for table in source.tables], budget)
    proofs = {table.name: prove(access, table.name, table.path, budget, _key(table)) for table in source.tables}
    for table in source.tables:
        if table.name in doubts and source.pagination_of(table).style == "none" and proofs[table.name].holds:
            proofs[table.name] = replace(proofs[table.name], said=doubts[table.name], holds=False)
    return Preview(source, plan, proofs)


def _key(table: Table) -> Sequence[str]:
    """The keys of a row's JSON that name it, as far as they are at its top."""
    steps = [table.column(name).steps for name in table.key]
    return [str(one[0]) for one in steps] if all(len(one) == 1 for one in steps) else []


def _shown(column: Column, row: Mapping[str, Any]) -> str:
    value: Any = row
    for step in column.steps:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return ""
    if column.pii:
        return MASK
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= SHOWN_SIGNS else f"{text[: SHOWN_SIGNS - 3]}..."
