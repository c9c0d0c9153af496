"""Copies of a source whose rows move, into one lake, a run after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from jobs.steps.options import Job
from lib.lake.runs import Run
from tests.moving_server import MovingServer, Row
from tests.spark.served_table import copied, job_of

COLUMNS = '{key: [id], deletes: soft, max_delete_fraction: 1.0, columns: {id: "bigint!", name: "string!"}'


@dataclass
class Copies:
    """Copies of moving tables into one lake, a run after the other. One request at a time, so that their order is known.

    `pagination` and `limits` are those of the source YAML, and so is `prove`, for all tables.
    """

    spark: SparkSession
    folder: Path
    server: MovingServer
    prove: str = "counted"
    pagination: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    n_runs: int = 0

    def job(self) -> Job:
        """The job of the next run."""
        self.n_runs += 1
        limits = {"concurrency": 1, "attempts": 2, "max_wait_s": 0.02, "timeout_s": 20, **self.limits}
        tables = "".join(
            f"  {name}: {{path: /{name}, prove: {self.prove}, {COLUMNS[1:]}}}\n" for name in self.server.tables
        )
        path = self.folder / "shop.yml"
        path.write_text(f"source: shop\napi: {{url: '{self.server.url}'}}\ntables:\n{tables}", "utf-8")
        pagination = {"size": 3, **self.pagination}
        overrides = [f"api.pagination.{name}={value}" for name, value in pagination.items()]
        overrides += [f"api.limits.{name}={value}" for name, value in limits.items()]
        return job_of(path, self.n_runs, overrides)

    def run(self, *, resume: str | None = None, accept_incomplete: bool = False, allow_deletes: bool = False) -> Run:
        """One run up to silver. Its tables say how it went; anything but a table's own failure is raised."""
        return copied(self.job(), resume=resume, accept_incomplete=accept_incomplete, allow_deletes=allow_deletes)

    def silver(self, table: str = "things") -> list[Row]:
        """The live rows of a table, by number."""
        return self.query(
            self.folder / "lake" / "silver" / table, "SELECT id, name FROM t WHERE _deleted_at IS NULL ORDER BY id"
        )

    def version(self, table: str = "things") -> int | None:
        """The newest version of a silver table, None where there is no table."""
        path = str(self.folder / "lake" / "silver" / table)
        return DeltaTable(path).version() if DeltaTable.is_deltatable(path) else None

    def landed(self) -> Counter[tuple[str, int, int]]:
        """How often each page stands in bronze, by table, page and round."""
        rows = self.query(self.folder / "lake" / "bronze" / "pages", 'SELECT "table", page, round FROM t')
        return Counter((row["table"], row["page"], row["round"]) for row in rows)

    def query(self, path: Path, sql: str) -> list[Row]:
        rows: list[Row] = pa.table(QueryBuilder().register("t", DeltaTable(str(path))).execute(sql)).to_pylist()
        return rows


def by_number(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["id"])
