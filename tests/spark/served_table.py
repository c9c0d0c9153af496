"""Runs of a source with one table, whose YAML and rows a test may change between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from jobs.full_ingest import ingest, take_landed
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib.config import Runtime, load_source
from lib.console import Steps
from lib.errors import SourceError
from lib.lake.layout import Layout, lake_at
from lib.lake.runs import ALL, Run
from lib.lake.storage import Address
from lib.landing.budget import Budget
from lib.landing.merging import check_columns_held
from lib.landing.replay import landed_runs
from lib.source.access import Access
from tests.moving_server import MovingServer, MovingTable, Row

REPO = Path(__file__).parents[2]
DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """The time of the run of that number, counted from 1."""
    return DAY_0 + timedelta(days=number)


class Killed(BaseException):
    """Takes the place of a kill."""


def job_of(yaml: Path, number: int, overrides: Sequence[str] = ()) -> Job:
    """The job of run `run-<number>` of that day: all tables of a source YAML, into the lake beside it."""
    source = load_source(str(yaml), overrides=overrides, conf_dir=REPO / "conf", env={})
    return Job(
        source=source,
        layout=lake_at(str(yaml.parent / "lake")),
        tables=tuple(table.name for table in source.tables),
        run_id=f"run-{number}",
        suites={},
        runtime=Runtime.of(os.environ),
        now=day(number),
        steps=Steps(),
    )


def copied(job: Job, *, resume: str | None = None, allow_deletes: bool = False, accept_incomplete: bool = False) -> Run:
    """One run up to silver. Its tables say how it went; anything but a table's own failure is raised."""
    run = record.open_run(job, publishes=False, resume=resume)
    check_columns_held(job.source, job.layout, job.tables)
    choices = Choices(no_check=True, allow_deletes=allow_deletes, accept_incomplete=accept_incomplete)
    limits = job.source.api.limits
    try:
        with record.recorded(job, run, "full-ingest"):
            budget = Budget(limits.concurrency, max_wait_s=limits.max_wait_s)
            ingest(job, Access.of(job.source.api, job.source.tables), budget, run, choices)
    except SourceError:
        assert run.failed, "a run that fails says which table failed"
    return run


@dataclass
class Served:
    """One table `things` of one lake. `settings` and `columns` are its YAML; run n is called run-n and starts on day n.

    `blocks` are further lines of the YAML.
    """

    spark: SparkSession
    folder: Path
    server: MovingServer
    columns: dict[str, str] = field(default_factory=lambda: {"id": "bigint!", "name": "string"})
    settings: dict[str, Any] = field(default_factory=lambda: {"deletes": "soft", "max_delete_fraction": 1.0})
    n_runs: int = 0
    blocks: str = ""

    @property
    def layout(self) -> Layout:
        """The lake."""
        return lake_at(str(self.folder / "lake"))

    @property
    def n_asked(self) -> int:
        """Requests that the server has answered."""
        return self.server.tables["things"].n_asked

    def job(self) -> Job:
        """The job of the next run."""
        self.n_runs += 1
        settings = "".join(f"    {name}: {value}\n" for name, value in self.settings.items())
        columns = "".join(f"      {name}: {kind}\n" for name, kind in self.columns.items())
        path = self.folder / "shop.yml"
        path.write_text(
            f"source: shop\napi: {{url: '{self.server.url}', pagination: {{size: 3}}, limits: {{concurrency: 2}}}}\n"
            f"tables:\n  things:\n    path: /things\n    key: [id]\n{settings}    columns:\n{columns}{self.blocks}",
            "utf-8",
        )
        return job_of(path, self.n_runs)

    def run(self, *rows: Row, resume: str | None = None, allow_deletes: bool = False) -> Run:
        """One run up to silver, of a source that has these rows. Its table says how it went."""
        self.server.tables["things"].rows = list(rows)
        return copied(self.job(), resume=resume, allow_deletes=allow_deletes)

    def replay(self, of: str, *, allow_deletes: bool = False, resume: str | None = None) -> Run:
        """One run that merges again what another one, or all of them, landed."""
        job = self.job()
        run = record.open_run(job, publishes=False, replay_of=of, resume=resume)
        if of != ALL:
            check_columns_held(job.source, job.layout, job.tables)
        with suppress(SourceError):
            landed = landed_runs(job.source, job.layout, job.tables, of)
            with record.recorded(job, run, "full-ingest"):
                take_landed(
                    job, run, landed, Choices(no_check=True, allow_deletes=allow_deletes, accept_incomplete=False)
                )
        return run

    def silver(self, columns: str = "id, name, _run_id") -> list[tuple[Any, ...]]:
        """Rows of the silver table, by id, as an independent reader sees them."""
        return self.rows(self.layout.silver("things"), f"SELECT {columns} FROM t ORDER BY id")

    def quarantine(self, columns: str = "run_id, reason, resolution, resolved_by") -> list[tuple[Any, ...]]:
        """Rows of the quarantine, in the order in which they came."""
        return self.rows(self.layout.quarantine, f"SELECT {columns} FROM t ORDER BY run_id, page, position")

    def version(self) -> int:
        """The silver table's newest version."""
        return DeltaTable(str(self.layout.silver("things"))).version()

    def rows(self, path: Address, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on one table, which it calls t."""
        return self.rows_of(DeltaTable(str(path)), sql)

    @staticmethod
    def rows_of(table: DeltaTable, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on a table at a version."""
        found = pa.table(QueryBuilder().register("t", table).execute(sql)).to_pylist()
        return [tuple(row.values()) for row in found]


def serving() -> MovingServer:
    """A server of a table that has no rows yet."""
    return MovingServer({"things": MovingTable([])})
