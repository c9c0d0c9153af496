"""Copies of a source whose rows move, into one lake, a run after the other: whole ones, and landings without Spark."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from pyspark.sql import SparkSession

from jobs import full_ingest
from jobs.steps import record
from jobs.steps.options import Job
from lib.lake.runs import Run
from lib.lake.states import TableState
from lib.lake.storage import Address
from lib.landing import landing as landing_room
from lib.landing import parents
from lib.landing.fetch import FetchPages
from lib.landing.land import land_level
from lib.landing.landing import Landing
from lib.landing.nested import levels
from lib.landing.parsed import Batch, Parsed
from lib.landing.plan import Plan
from lib.reporting.run_end import stop_on_failed_tables
from lib.source.cut import rows_at
from lib.source.row_key import value_at
from tests.moving_server import Manners, MovingServer, MovingTable, Row, append_anew, rows_of
from tests.spark.served_table import Killed, copied, job_of

COLUMNS = '{key: [id], deletes: soft, max_delete_fraction: 1.0, columns: {id: "bigint!", name: "string!"}'


@dataclass
class Copies:
    """Copies of moving tables into one lake, a run after the other. One request at a time, so that their order is known.

    `pagination`, `limits` and `errors` (as YAML) are those of the source YAML, and so is `prove`, for all tables; `own` is the
    pagination of single ones, `body` the method and the body of the API.
    """

    spark: SparkSession
    folder: Path
    server: MovingServer
    prove: str = "counted"
    pagination: dict[str, Any] = field(default_factory=dict)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    errors: str = "[]"
    body: dict[str, str] = field(default_factory=dict)
    n_runs: int = 0
    done: ClassVar[TableState] = TableState.MERGED

    def serve(self, numbers: Iterable[int], manners: Manners | None = None) -> MovingTable:
        """Let the server have a table `things` of these rows."""
        self.server.tables["things"] = MovingTable(rows_of(numbers), manners or Manners())
        return self.server.tables["things"]

    def serve_one_that_never_rests(self) -> dict[str, MovingTable]:
        """Let the server have a table `things` that grows for ever, and a steady one beside it."""
        restless = MovingTable(rows_of(range(1, 11)))
        restless.every(3, append_anew())
        self.server.tables = {"things": restless, "others": MovingTable(rows_of(range(1, 5)))}
        return self.server.tables

    def proved(self, run: Run, table: str = "things") -> tuple[str | None, int | None]:
        """How a table that came through is proved, and after how many rounds of re-reading."""
        found = run.tables[table]
        assert found.error is None
        assert found.state == self.done
        return found.proof, found.rounds

    def failed(self, run: Run, table: str = "things") -> str:
        """Why a table failed."""
        assert run.tables[table].state == TableState.FAILED
        return str(run.tables[table].error)

    def job(self) -> Job:
        """The job of the next run."""
        self.n_runs += 1
        limits = {"concurrency": 1, "attempts": 2, "max_wait_s": 0.02, "timeout_s": 20, **self.limits}
        own = {name: f"pagination: {json.dumps(block)}, " for name, block in self.own.items()}
        tables = "".join(
            f"  {name}: {{path: /{name}, prove: {self.prove}, {own.get(name, '')}{COLUMNS[1:]}}}\n"
            for name in self.server.tables
        )
        path = self.folder / "shop.yml"
        path.write_text(f"source: shop\napi: {{url: '{self.server.url}'}}\ntables:\n{tables}", "utf-8")
        size = {} if self.pagination.get("style") == "none" else {"size": 3}
        pagination = {**size, **self.pagination}
        overrides = [f"api.pagination.{name}={value}" for name, value in pagination.items()]
        overrides += [f"api.limits.{name}={value}" for name, value in limits.items()]
        overrides += [f"api.errors={self.errors}"]
        overrides += [f"api.{name}={value}" for name, value in self.body.items()]
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


@dataclass
class Landings(Copies):
    """Runs that end when their pages are landed and proved. No Spark takes part: delta-rs writes the pages."""

    done: ClassVar[TableState] = TableState.LANDED
    landing: Landing | None = None

    @classmethod
    def without_spark(cls, folder: Path, server: MovingServer, patch: pytest.MonkeyPatch) -> Landings:
        """Landings in place of copies, for as long as `patch` holds."""
        land_without_spark(patch)
        conf = SimpleNamespace(getAll=list)
        spark: Any = SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=2, getConf=lambda: conf))
        patch.setattr(full_ingest, "start", lambda *_: (spark, {}))
        landings = cls(spark, folder, server)
        patch.setattr(full_ingest, "land_complete", landings.land)
        patch.setattr(parents, "landed_values", landings.values)
        patch.setattr(full_ingest, "merge_parsed", lambda *_: None)
        patch.setattr(full_ingest, "_finish", lambda _, __, run, *___: stop_on_failed_tables(run))
        patch.setattr(record, "observed", lambda *_: nullcontext())
        return landings

    def land(self, landing: Landing, plan: Plan, batch: Batch) -> dict[str, Parsed]:
        """Land and prove, and parse nothing."""
        self.landing = landing
        landed: dict[str, Any] = {}
        for names in levels(landing.copy.source, list(landing.copy.run.tables)):
            land_level(landing, plan, batch, names, landed)
            landed |= {name: name for name in names if name not in landing.copy.run.failed}
        return {}

    def values(self, table: Any, columns: list[str]) -> tuple[list[tuple[Any, ...]], bool]:
        """What `landed_values` gives, from the landed pages."""
        assert self.landing is not None
        steps = [self.landing.copy.source.table(table).column(column).steps for column in columns]
        return [tuple(value_at(row, one) for one in steps) for row in self.silver(table)], False

    def silver(self, table: str = "things") -> list[Row]:
        """The rows of the last run's pages as they were read last, by number: what would be merged."""
        assert self.landing is not None
        plan = self.landing.cases[table].plan
        last, which = (
            "row_number() OVER (PARTITION BY page ORDER BY round DESC)",
            f"page BETWEEN {plan.first} AND {plan.last}",
        )
        if plan.in_parts:
            left_out = ", ".join(f"'{part}'" for part in ("", *plan.left_out))
            last, which = "dense_rank() OVER (PARTITION BY part ORDER BY round DESC)", f"part NOT IN ({left_out})"
        sql = f"""SELECT body FROM (
            SELECT body, {last} AS back FROM t
            WHERE "table" = '{table}' AND run_id = '{self.landing.copy.run.run_id}' AND {which}
        ) WHERE back = 1"""
        texts = [row["body"] for row in self.query(self.folder / "lake" / "bronze" / "pages", sql)]
        bodies = [json.loads(text) for text in texts if text]  # a status may say that there are no rows
        source = self.landing.copy.source
        items = source.pagination_of(source.table(table)).items
        return by_number(row for body in bodies for row in cast("list[Row]", rows_at(body, items)))


def killed_after(copies: Copies, waves: int, *, resume: str | None = None) -> None:
    """Start a run, and kill it when so many waves have landed."""
    left = [waves]

    def reached(name: str) -> None:
        left[0] -= name == "wave landed"
        if not left[0]:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing_room, "reached", reached)
        with pytest.raises(Killed):
            copies.run(resume=resume)


def asked_by_resuming(copies: Copies, table: MovingTable) -> Counter[int]:
    """What run-1 asks for when it is resumed, and comes to its end with what the source holds."""
    before = Counter(table.asked)
    assert copies.proved(copies.run(resume="run-1"))[0] == "counted"
    assert copies.silver() == table.rows
    return table.asked - before


def two_pages_a_wave(patch: pytest.MonkeyPatch) -> None:
    """Cut waves so that each has two pages: for one request at a time, and two seconds an answer of one."""
    patch.setattr(landing_room, "LEAST_ANSWER_S", 1000.0)
    patch.setattr(landing_room, "WAVE_S", 2000.0)


def land_without_spark(patch: pytest.MonkeyPatch) -> None:
    """Have the pages that Spark's tasks would fetch be fetched here, and written by delta-rs."""

    def write(fetch: FetchPages, at: Address) -> None:
        tasks = pa.RecordBatch.from_pydict({"id": list(range(len(fetch.parts)))})
        write_deltalake(str(at), pa.Table.from_batches(fetch([tasks])), mode="append", partition_by=["run_id", "table"])

    patch.setattr(landing_room, "land", write)
    patch.setattr(landing_room, "fetched", lambda _, fetch: fetch)


def by_number(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["id"])
