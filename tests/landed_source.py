"""A source YAML landed and proved without Spark: what its API gave, as it stands in bronze, and what is known of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from jobs.full_ingest import ingest
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib.config import Runtime, Source, Table, load_source
from lib.console import Steps
from lib.lake.layout import lake_at
from lib.lake.runs import TableRun
from lib.landing.budget import Budget
from lib.landing.plan import plans_of
from lib.source.access import Access
from tests.moving_copies import Landings
from tests.moving_server import MovingServer, Row
from tests.spark.served_table import REPO, day


@dataclass(frozen=True)
class Landed:
    """A table of a run: its record, and the rows that its pages gave in the order of the pages."""

    record: TableRun
    rows: list[Row]


def landed(
    yaml: Path, folder: Path, env: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
) -> dict[str, Landed]:
    """All tables of a source, after a run into an empty lake below `folder`. A failed table is raised."""
    source = load_source(str(yaml), overrides=overrides, conf_dir=REPO / "conf", env=env or {})
    lake, names = folder / "lake", tuple(table.name for table in source.tables)
    runtime, layout = Runtime.of(os.environ), lake_at(str(lake))
    job = Job(source, layout, names, run_id="run-1", suites={}, runtime=runtime, now=day(1), steps=Steps())
    with pytest.MonkeyPatch.context() as patch, MovingServer({}) as unused:
        Landings.without_spark(folder, unused, patch)
        run = record.open_run(job, publishes=False)
        with record.recorded(job, run, "full-ingest"):
            choices = Choices(allow_deletes=False, accept_incomplete=False, no_check=True)
            ingest(job, Access.of(source.api, source.tables), Budget.of(source.api), run, choices)
    return {table.name: Landed(run.tables[table.name], _rows_of(lake, source, table)) for table in source.tables}


def _rows_of(lake: Path, source: Source, table: Table) -> list[Row]:
    if table.parent is None:
        return _rows(lake, table.name, (table.pagination or source.api.pagination).items)
    parents = _rows_of(lake, source, source.table(table.parent.table))
    return [row for parent in parents for row in jmespath.search(table.parent.items, parent) or ()]


def _rows(lake: Path, table: str, items: str) -> list[Row]:
    """The rows of each page as it was read last, part by part."""
    pages = DeltaTable(str(lake / "bronze" / "pages"))
    [plan] = pa.table(
        QueryBuilder().register("t", DeltaTable(str(lake / "ops" / "runs"))).execute("SELECT plan FROM t")
    ).to_pylist()
    [own] = [one for one in plans_of(plan["plan"]) if one.table == table]
    left_out = ", ".join(f"'{part}'" for part in ("", *own.left_out))
    sql = f"""SELECT body FROM (
        SELECT part, page, body, row_number() OVER (PARTITION BY part, page ORDER BY round DESC) AS back FROM t
        WHERE "table" = '{table}' AND error IS NULL AND coalesce(part, '-') NOT IN ({left_out})
    ) WHERE back = 1 ORDER BY part, page"""
    bodies = pa.table(QueryBuilder().register("t", pages).execute(sql)).to_pylist()
    return [row for body in bodies for row in _at(json.loads(body["body"] or "null"), items) or ()]


def _at(answer: Any, items: str) -> Any:
    return answer if items == "$" else jmespath.search(items, answer)
