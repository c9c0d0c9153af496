"""Runs of one incremental table into one lake, a run after the other, without Spark: what is merged is worked out in Python.

Planning, requests, landing, proof, watermarks, publications and records are those of a real run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from jobs import full_ingest
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib.config.incremental import scale_of
from lib.errors import ChecksFailedError, SourceError
from lib.lake import publications, runs
from lib.lake.complete import complete
from lib.lake.opening import open_run
from lib.lake.runs import Run
from lib.lake.states import RunState, Step, TableState
from lib.lake.storage import Address
from lib.lake.watermarks import Watermark, all_watermarks, held
from lib.landing import key_sweep
from lib.landing import landing as landing_room
from lib.landing.bronze import Bronze
from lib.landing.budget import Budget
from lib.landing.increments import WHAT_IS_DUE, Greatest, Wanted, note_watermarks
from lib.landing.land import land_level
from lib.landing.landing import Landing
from lib.landing.parsed import Batch, Parsed
from lib.landing.plan import Plan
from lib.reporting.run_end import stop_on_failed_tables
from lib.source.access import Access
from lib.source.row_key import keys_of
from tests.changing_source import Changing, ChangingServer, Row
from tests.moving_copies import land_without_spark
from tests.spark.served_table import Killed, job_of

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
INCREMENTAL = {"param": "since", "until_param": "until", "column": "at", "overlap": "PT1H"}
COLUMNS = '{id: "bigint!", name: "string!", at: "timestamp!"}'
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = {"id": pa.int64(), "name": pa.string(), "at": TIME, "row": pa.string(), "_deleted_at": TIME}


@dataclass
class Increments:
    """Runs of `changes`, each of which is published unless told otherwise. `clock` is this machine's, which nothing should ask.

    `settings` are those of `incremental`; `more` are lines of the table, `columns` its columns, `api` lines of the API. `kind` is
    the type of its incremental column, if that is no time, `kinds` those of columns beside the usual ones.
    `n_keyless` rows of a sweep have no readable key.
    """

    folder: Path
    server: ChangingServer
    settings: dict[str, Any] = field(default_factory=lambda: dict(INCREMENTAL))
    more: str = "deletes: soft, max_delete_fraction: 1.0"
    columns: str = COLUMNS
    api: str = ""
    clock: datetime = DAY_0
    n_runs: int = 0
    said: list[str] = field(default_factory=list)
    landing: Landing | None = None
    passes: bool = True
    kind: pa.DataType | None = None
    kinds: dict[str, pa.DataType] = field(default_factory=dict)
    n_sparks: int = 0
    n_keyless: int = 0

    @property
    def source(self) -> Changing:
        """What is copied."""
        return self.server.source

    def job(self) -> Job:
        """The job of the next run."""
        self.n_runs += 1
        path = self.folder / "shop.yml"
        path.write_text(
            f"source: shop\napi: {{url: '{self.server.url}', pagination: {{size: 3}}, limits: {{concurrency: 1, attempts: 1}}"
            f"{self.api}}}\ntables:\n  changes: {{path: /changes, key: [id], incremental: {json.dumps(self.settings)}, "
            f"{self.more}, columns: {self.columns}}}\n",
            "utf-8",
        )
        job = job_of(path, self.n_runs)
        job.now = self.clock
        job.steps.note = self.said.append
        return job

    def run(
        self,
        *,
        passes: bool = True,
        resume: str | None = None,
        wanted: Wanted = WHAT_IS_DUE,
        dies_at: str | None = None,
    ) -> Run:
        """One run. It is published if its checks pass; `dies_at` names the point at which it is killed."""
        job, self.passes = self.job(), passes
        run = open_run(
            job.layout, job.source, job.tables, job.now, run_id=None if resume else job.run_id, publishes=True, resume=resume,
            note=self.said.append,
        )  # fmt: skip
        job.tables = tuple(name for name, table in run.tables.items() if table.state == TableState.PLANNED)
        if resume and run.state == RunState.PUBLISHED:
            return run
        choices = Choices(no_check=False, allow_deletes=True, accept_incomplete=False, wanted=wanted)
        access = Access.of(job.source.api, job.source.tables)
        with self._working(dies_at), record.recorded(job, run, "full-ingest"):
            full_ingest.ingest(job, access, Budget(1), run, choices)
        return run

    def plan(self, wanted: Wanted = WHAT_IS_DUE) -> Run:
        """What a dry run finds out."""
        job = self.job()
        run = open_run(
            job.layout, job.source, job.tables, job.now, run_id="dry", publishes=False, note=self.said.append
        )
        access = Access.of(job.source.api, job.source.tables)
        full_ingest.plan_run(job.source, job.layout, access, Budget(1), run, job.steps, wanted)
        return run

    @contextmanager
    def _working(self, dies_at: str | None) -> Iterator[None]:
        def reached(name: str) -> None:
            if name == dies_at:
                raise Killed

        def start(*_: Any) -> tuple[Any, dict[str, Any]]:
            self.n_sparks += 1
            conf = SimpleNamespace(getAll=list)
            return SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=2, getConf=lambda: conf)), {}

        with pytest.MonkeyPatch.context() as patch:
            land_without_spark(patch)
            patch.setattr(full_ingest, "start", start)
            patch.setattr(full_ingest, "land_complete", self._land)
            patch.setattr(key_sweep, "land_complete", self._walk_keys)
            patch.setattr(key_sweep, "forget", _forget_without_spark)
            patch.setattr(full_ingest, "merge_parsed", self._merge)
            patch.setattr(full_ingest, "_finish", self._finish)
            patch.setattr(full_ingest, "reached", reached)
            patch.setattr(landing_room, "reached", reached)
            patch.setattr(key_sweep, "reached", reached)
            patch.setattr(record, "observed", lambda *_: nullcontext())
            # Where nothing is new, no such point is reached.
            with suppress(Killed):
                yield

    def _land(self, landing: Landing, plan: Plan, batch: Batch) -> dict[str, Any]:
        self.landing = landing
        land_level(landing, plan, batch, ["changes"], {})
        return {"changes": SimpleNamespace(n_unreadable=0)}

    def _walk_keys(self, landing: Landing, plan: Plan, batch: Batch) -> dict[str, Any]:
        name = keys_of("changes")
        land_level(landing, plan, batch, [name], {})
        rows = SimpleNamespace(unpersist=lambda: None)
        return {name: SimpleNamespace(n_unreadable=self.n_keyless, rows=rows)}

    def _swept(self, run: Run) -> set[int]:
        """The keys that the sweep of a run met."""
        sql = f"""SELECT body FROM t WHERE run_id = '{run.run_id}' AND "table" = '{keys_of("changes")}' AND error IS NULL"""
        rows = [row for one in self.query("bronze/pages", sql) for row in json.loads(one["body"])]
        assert all(row.keys() == {"id"} for row in rows)
        return {row["id"] for row in rows}

    def _merge(self, batch: Batch, _: dict[str, Parsed]) -> None:
        """What merging does, in Python: rows that were taken, and, where the copy shows all rows, those that are no more."""
        run = batch.copy.run
        stop_on_failed_tables(run)
        table, made = run.tables["changes"], self.taken()
        table.as_of, table.fetched_by = batch.clock.at, batch.clock.number
        before = self.rows(with_deleted=True)
        after = {number: (text, at) for number, (text, at) in before.items()}
        if table.shows_all or table.is_swept:
            there = {*made, *(self._swept(run) if table.is_swept else ())}
            after |= {number: (text, at or self.clock) for number, (text, at) in after.items() if number not in there}
        for number, row in made.items():
            held = json.loads(before[number][0]) if number in before else None
            is_older = held is not None and before[number][1] is None and str(held["at"]) > str(row["at"])
            if not is_older:
                after[number] = (json.dumps(row), None)
        path = str(batch.layout.silver("changes"))
        if after != before or not DeltaTable.is_deltatable(path):
            kinds = {**SCHEMA, **self.kinds, **({self.source.column: self.kind} if self.kind is not None else {})}
            records = [
                {**_typed(json.loads(text), kinds), "row": text, "_deleted_at": at} for text, at in after.values()
            ]
            write_deltalake(path, pa.Table.from_pylist(records, pa.schema(kinds)), mode="overwrite")
        table.path, table.version = "silver/changes", DeltaTable(path).version()
        table.to(TableState.MERGED)
        greatest = self._greatest(batch, list(made.values()))
        note_watermarks(batch.copy.source, batch.layout, run, {"changes": greatest}, (), self.said.append)

    def _greatest(self, batch: Batch, rows: list[Row]) -> Greatest:
        scale, column = scale_of(batch.copy.source.table("changes")), self.source.column

        def greatest(of: list[Row]) -> str | None:
            return max((str(row[column]) for row in of), default=None, key=scale.rank)

        states = {row["state"] for row in rows if "state" in row}
        parts = {
            f'{{"state":"{state}"}}': str(greatest([row for row in rows if row["state"] == state])) for state in states
        }
        asked = Bronze(batch.copy.lake.pages, batch.clock.run_id).first_asked("changes") if parts else {}
        return Greatest(greatest(rows), parts, asked)

    def _finish(self, _: Any, job: Job, run: Run, *__: Any) -> None:
        run.ended(Step.DERIVE)
        run.to(RunState.MERGED)
        if not self.passes:
            run.to(RunState.CHECKS_FAILED)
            raise ChecksFailedError("a check failed")
        n_rows, n_live = len(self.rows(with_deleted=True)), len(self.rows())
        whole = complete(job.source, run)
        publications.publish(
            job.layout, whole.publication(run.run_id, job.now, {"changes": n_rows}, {"changes": n_live})
        )
        run.to(RunState.PUBLISHED)

    def taken(self) -> dict[int, Row]:
        """The rows of the last run's pages as they were read last, the newest of each key."""
        assert self.landing is not None
        plan, run_id = self.landing.cases["changes"].plan, self.landing.copy.run.run_id
        sql = f"""SELECT body FROM (
            SELECT page, body, row_number() OVER (PARTITION BY part, page ORDER BY round DESC) AS back FROM t
            WHERE run_id = '{run_id}' AND "table" = 'changes' AND (part IS NOT NULL OR page BETWEEN {plan.first} AND {plan.last})
            ) WHERE back = 1 ORDER BY page"""
        found: dict[int, Row] = {}
        for one in self.query("bronze/pages", sql):
            for row in json.loads(one["body"] or '{"items": []}')["items"]:
                if row["id"] not in found or str(row["at"]) >= str(found[row["id"]]["at"]):
                    found[row["id"]] = row
        return found

    def rows(self, *, with_deleted: bool = False) -> dict[int, Any]:
        """The live rows of silver by id; or all of them as JSON, with the time of their deletion."""
        if not DeltaTable.is_deltatable(str(self.folder / "lake" / "silver" / "changes")):
            return {}
        found = {row["id"]: (row["row"], row["_deleted_at"]) for row in self.query("silver/changes", "SELECT * FROM t")}
        return found if with_deleted else {key: json.loads(row) for key, (row, at) in found.items() if at is None}

    def query(self, path: str, sql: str) -> list[Row]:
        table = DeltaTable(str(self.folder / "lake" / path))
        rows: list[Row] = pa.table(QueryBuilder().register("t", table).execute(sql)).to_pylist()
        return rows

    @property
    def watermark(self) -> str | None:
        """The watermark that is published."""
        layout = self.job().layout
        self.n_runs -= 1
        found: Watermark | None = held(all_watermarks(layout), publications.current(layout)).get(("changes", None))
        return found and found.watermark

    def days(self, number: float) -> None:
        """Let time pass, at the source and here."""
        self.source.later(days=number)
        self.clock += timedelta(days=number)


def _typed(row: Row, kinds: dict[str, pa.DataType]) -> Row:
    """The values as silver has them."""
    read = {TIME: datetime.fromisoformat, pa.date32(): date.fromisoformat}
    return {name: read.get(kinds[name], lambda one: one)(value) for name, value in row.items() if name in kinds}


def failed(increments: Increments, **how: Any) -> None:
    """A run whose checks fail, or whose source does."""
    with pytest.raises((ChecksFailedError, SourceError)):
        increments.run(**how)


def rolled_back(increments: Increments) -> None:
    """Make the previous publication current again."""
    layout = increments.job().layout
    increments.n_runs -= 1
    *_, before, now = publications.all_publications(layout)
    again = publications.Publication(
        f"{before.publication_id}.rollback1",
        before.run_id,
        increments.clock,
        before.tables,
        restores=before.publication_id,
    )
    assert now.publication_id != before.publication_id
    publications.publish(layout, again)


def last_run(increments: Increments) -> Run:
    """The last run as the lake has it."""
    layout = increments.job().layout
    increments.n_runs -= 1
    return runs.all_runs(layout)[-1]


def _forget_without_spark(_spark: object, at: Address, run_id: str, tables: Sequence[str]) -> None:
    names = ", ".join(f"'{name}'" for name in tables)
    DeltaTable(str(at)).delete(f"run_id = '{run_id}' AND \"table\" IN ({names})")
