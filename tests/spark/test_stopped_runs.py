"""Runs that are stopped or fail at one step after the other, and runs whose clock was wrong: what is published stays whole."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs.__main__ import _stop
from jobs.full_ingest import ingest, take_landed
from jobs.sanity_check import check as sanity_check
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib import failpoints
from lib.errors import SourceIncompleteError
from lib.failpoints import FailpointError
from lib.lake.runs import Run, all_runs
from lib.landing.budget import Budget
from lib.landing.replay import landed_runs
from lib.source.access import Access
from tests.moving_server import MovingServer, MovingTable, Row
from tests.on_disk import on_disk
from tests.spark.served_table import Served, copied, day, job_of

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

# In the order in which a run comes to them, all behind landing; each stop comes another way.
BEFORE_THE_END = {"merged": "int", "all merged": "term", "derived": "raise"}
MISSING = {"merged": "merge", "all merged": "derive", "derived": "derive"}
NO_CHOICE = Choices(no_check=False, allow_deletes=False, accept_incomplete=False)


class Shop:
    """A source of tracks and sessions, so that its lake has `listens`; and the jobs that a test starts in this process."""

    def __init__(self, folder: Path, server: MovingServer) -> None:
        self.folder, self.server = folder, server
        self.yaml = folder / "shop.yml"
        self.yaml.write_text(
            f"source: shop\napi: {{url: '{server.url}', pagination: {{size: 50}}, limits: {{concurrency: 2}}}}\ntables:\n"
            "  tracks: {path: /tracks, key: [id], max_rejected_fraction: 1.0, columns: {id: bigint!, name: string!}}\n"
            "  listen_history:\n    path: /listen_history\n    key: [user_id, created_at]\n    deletes: soft\n"
            "    max_delete_fraction: 1.0\n"
            "    columns: {user_id: bigint!, items: array<bigint>, created_at: timestamp!}\n",
            "utf-8",
        )

    def job(self, number: int) -> Job:
        job = job_of(self.yaml, number)
        job.suites = {name: {"expectations": []} for name in ("tracks", "listen_history", "listens")}
        return replace(job, runtime=replace(job.runtime, site_assets=None))

    def serve(self, *sessions: int) -> None:
        """Give a track, one that is rejected, and these sessions, each of one track of its number."""
        self.server.tables["tracks"].rows = [{"id": len(sessions), "name": "a"}, {"id": 99, "name": None}]
        self.server.tables["listen_history"].rows = [session(number) for number in sessions]

    def ingest(self, job: Job, resume: str | None = None) -> Run:
        """full-ingest, in this process."""
        signal.signal(signal.SIGTERM, _stop)
        run = record.open_run(job, publishes=True, resume=resume)
        with record.recorded(job, run, "full-ingest"):
            ingest(job, Access.of(job.source.api), Budget(2, max_wait_s=5), run, NO_CHOICE)
        return run

    def check(self, job: Job) -> None:
        """sanity-check of the last run."""
        signal.signal(signal.SIGTERM, _stop)
        job.run_id = None
        sanity_check(job, None)

    @property
    def published(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "lake" / "published.json").read_text("utf-8")))

    def listened(self) -> tuple[list[int], list[int]]:
        """The users of the published sessions that are there, and of the published listens."""
        found = []
        for name in ("listen_history", "listens"):
            entry = self.published["tables"][name]
            table = DeltaTable(str(self.folder / "lake" / entry["path"]), version=entry["version"])
            where = "WHERE _deleted_at IS NULL" if name == "listen_history" else ""
            rows = Served.rows_of(table, f"SELECT user_id FROM t {where} ORDER BY user_id")
            found.append([row[0] for row in rows])
        return found[0], found[1]


def session(number: int) -> Row:
    return {"user_id": number, "items": [number], "created_at": "2026-01-01T00:00:00"}


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    # The session is that of all tests: a stop must not end it here, as it does in a process of its own.
    monkeypatch.setattr("lib.session.halt_spark", lambda: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with MovingServer({"tracks": MovingTable([]), "listen_history": MovingTable([])}) as server:
        yield Shop(tmp_path, server)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def stopped_at(shop: Shop, job: Job, how: str, place: str, monkeypatch: pytest.MonkeyPatch, resume: str | None) -> None:
    failpoints._times.clear()
    with monkeypatch.context() as patch:
        patch.setenv("PAGELAKE_FAILPOINT", f"{how}:{place}")
        with pytest.raises((FailpointError, SystemExit, KeyboardInterrupt)):
            shop.ingest(job, resume)


@pytest.mark.quick
def test_a_stopped_first_run_can_only_be_resumed_and_publishes_its_tables_together_then(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.serve(1, 2)
    stopped_at(shop, shop.job(1), "term", "all merged", monkeypatch, None)
    with pytest.raises(SourceIncompleteError, match="before its step 'derive' was done"):
        shop.check(shop.job(1))
    assert not (shop.folder / "lake" / "published.json").exists()
    shop.ingest(shop.job(1), "run-1")
    assert shop.published["run_id"] == "run-1"
    assert shop.listened() == ([1, 2], [1, 2])


def test_a_stop_or_a_failure_at_any_step_publishes_nothing_mixed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.serve(1, 2)
    shop.ingest(shop.job(1))
    first = shop.published
    assert shop.listened() == ([1, 2], [1, 2])

    shop.serve(1, 3, 4)
    resume = None
    for place, how in BEFORE_THE_END.items():
        stopped_at(shop, shop.job(2), how, place, monkeypatch, resume)
        resume = "run-2"
        before = all_runs(shop.job(2).layout)[-1]
        assert before.state == "failed", place
        missing = MISSING[place]
        with pytest.raises(SourceIncompleteError, match=f"'{missing}' was done.*\n.*full-ingest --resume run-2") as no:
            shop.check(shop.job(2))
        assert no.value.exit_status == 4
        # Refused before anything was touched, the record included.
        assert all_runs(shop.job(2).layout)[-1] == before, place
        assert shop.published == first, place

    # A fresh run takes what that one left in silver, and publishes it whole; the other may still go on, and changes nothing.
    shop.ingest(shop.job(3))
    assert shop.published["run_id"] == "run-3"
    assert shop.listened() == ([1, 3, 4], [1, 3, 4])
    shop.ingest(shop.job(2), "run-2")
    assert shop.listened() == ([1, 3, 4], [1, 3, 4])


def test_a_stop_behind_the_end_of_deriving_takes_nothing_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (place, how) in enumerate({"recorded as merged": "term", "docs moved in": "raise"}.items(), 1):
        shop.serve(*range(number))
        stopped_at(shop, shop.job(number), how, place, monkeypatch, None)
        assert all_runs(shop.job(number).layout)[-1].state == "failed"
        shop.check(shop.job(number))
        assert shop.published["run_id"] == f"run-{number}"
        assert shop.listened() == (list(range(number)), list(range(number)))


def test_a_stopped_rebuild_leaves_no_second_copy_and_one_that_was_killed_is_cleared_by_the_next_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.serve(1, 2)
    shop.ingest(shop.job(1))
    rebuilds = on_disk(shop.job(1).layout.rebuilds)
    job = shop.job(2)
    for how in ("term:merged", "raise:replaced"):
        failpoints._times.clear()
        signal.signal(signal.SIGTERM, _stop)
        with monkeypatch.context() as patch:
            patch.setenv("PAGELAKE_FAILPOINT", how)
            run = record.open_run(job, publishes=True, replay_of="all", resume="run-2" if "raise" in how else None)
            with pytest.raises((FailpointError, SystemExit)), record.recorded(job, run, "full-ingest"):
                take_landed(job, run, landed_runs(job.source, job.layout, job.tables, "all"), NO_CHOICE)
        assert not rebuilds.exists(), how
    (rebuilds / "run-7" / "silver").mkdir(parents=True)
    shop.ingest(shop.job(3))
    assert not rebuilds.exists()
    assert shop.listened() == ([1, 2], [1, 2])


def test_a_run_after_one_from_the_future_ends_well(things: Served) -> None:
    things.run({"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "bad", "size": 1})
    things.columns["size"] = "int"
    things.settings["max_rejected_fraction"] = 1.0
    ahead = replace(things.job(), now=day(30))
    things.server.tables["things"].rows = [{"id": n, "name": "ab"[n - 1], "size": 1} for n in (1, 2)] + [
        {"id": 4, "name": "x", "size": "?"}
    ]
    copied(ahead)
    # The clock is right again: a new row, a changed one, one deleted, and one that was rejected then and is well now.
    run = things.run(
        {"id": 1, "name": "A", "size": 1}, {"id": 5, "name": "e", "size": 1}, {"id": 4, "name": "x", "size": 2}
    )
    assert things.silver("id, name, _run_id, _deleted_at IS NULL") == [
        (1, "A", "run-3", True),
        (2, "b", "run-3", False),
        (3, "bad", "run-2", False),
        (4, "x", "run-3", True),
        (5, "e", "run-3", True),
    ]
    assert things.quarantine() == [("run-2", "wrong_type:size", "arrived", "run-3")]
    assert [(one.run_id, one.number) for one in all_runs(things.layout)] == [("run-1", 1), ("run-2", 2), ("run-3", 3)]
    assert run.tables["things"].fetched_by == 3
    # Only a replay is behind, whatever its time says: the pages from the future are old news.
    before = things.silver("id, name, _run_id, _deleted_at")
    assert things.replay("run-2").tables["things"].fetched_by == 2
    assert things.silver("id, name, _run_id, _deleted_at") == before
