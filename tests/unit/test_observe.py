"""What is measured of a run, and who is told, worked out by hand for made-up records."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.steps.options import Job
from lib.lake import alerts as told
from lib.lake import metrics, runs
from lib.lake.checks import Check, add_check
from lib.lake.layout import claim
from lib.lake.runs import Run, TableRun
from lib.landing.fetch import PAGE_SCHEMA
from lib.observe.measure import Work, measure
from lib.observe.metrics import Metric, from_record
from lib.observe.outcome import Outcome
from lib.observe.summaries import summaries
from lib.reporting import observe as observing
from lib.reporting.observe import close_killed, observe
from tests.alert_rules import alerts
from tests.made_up_runs import DAY_0, job_at
from tests.on_disk import on_disk

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Values = dict[tuple[str | None, str | None], float]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job of the demo source that began at 01:30, without assets, with rules and no channel that is on."""
    made = job_at(tmp_path / "lake")
    claim(made.layout, "demo", DAY_0)
    return replace(made, runtime=replace(made.runtime, site_assets=None), alerts=alerts(tmp_path))


def a_run(run_id: str = "r1", **changes: object) -> Run:
    run = Run(run_id, "demo", DAY_0, "", "{}")
    for name, value in changes.items():
        setattr(run, name, value)
    return run


def recorded(job: Job, run_id: str) -> dict[Metric, Values]:
    """What `ops/metrics` has of a run: metric, then table and label, to value."""
    found: dict[Metric, Values] = {}
    for record in metrics.since(job.layout, LONG_AGO):
        one = from_record(record)
        if record["run_id"] == run_id and one is not None:
            found.setdefault(one.series.metric, {})[one.series.table, one.series.label] = one.value
    return found


def land(job: Job, run_id: str, *ended_s: float) -> None:
    """Pages of `users` of 10 rows each, whose one try took half a second and ended so long after 01:30."""
    pages = [
        {"run_id": run_id, "table": "users", "page": number, "round": 0, "status": 200, "attempts": 1, "n_items": 10,
         "n_bytes": 100, "waited_ms": 0.0, "elapsed_ms": 500.0, "fetched_at": DAY_0 + timedelta(seconds=end)}
        for number, end in enumerate(ended_s)
    ]  # fmt: skip
    write_deltalake(
        str(job.layout.pages), pa.Table.from_pylist(pages, PAGE_SCHEMA), mode="append", partition_by=["run_id", "table"]
    )


def test_rows_of_a_table_are_told_by_its_record(job: Job) -> None:
    users = TableRun(
        "users", state="merged", rows_total=100, rows_landed=100, rows_rejected=3, rows_duplicate=2, rows_differed=1, keys=95,
        rows_inserted=5, rows_updated=7, rows_deleted=4, rows_missing=[{"column": "email", "rows": 3}],
        newest_at=DAY_0 - timedelta(hours=2),
    )  # fmt: skip
    listens = TableRun(
        "listen_history",
        state="kept",
        orphans=[
            {"reference": "user_id", "pointers": 6, "keys": 2},
            {"reference": "items[]", "pointers": 0, "keys": 0},
        ],
    )
    run = a_run(tables={"users": users, "listen_history": listens})
    found = {
        (one.series.metric, one.series.table, one.series.label): one.value
        for one in measure(job.source, job.layout, run, Work(DAY_0), succeeded=True)
    }
    missing = {key[2]: value for key, value in found.items() if key[0] is Metric.MISSING}
    assert missing.pop("email") == 3
    # A column without a gap is measured, too: only so can a gap be an anomaly.
    assert set(missing) == {column.name for column in job.source.table("users").columns} - {"email"}
    assert set(missing.values()) == {0.0}
    rest = {key: value for key, value in found.items() if key[0] is not Metric.MISSING}
    assert rest == {
        (Metric.SUCCEEDED, None, None): 1,
        (Metric.CLAIMED, "users", None): 100,
        (Metric.REJECTED, "users", None): 3,
        (Metric.DUPLICATES, "users", None): 2,
        (Metric.DIFFERED, "users", None): 1,
        (Metric.KEYS, "users", None): 95,
        (Metric.INSERTED, "users", None): 5,
        (Metric.UPDATED, "users", None): 7,
        (Metric.DELETED, "users", None): 4,
        (Metric.UNCHANGED, "users", None): 83,
        (Metric.FRESHNESS, "users", None): 7200,
        (Metric.ORPHANS, "listen_history", "user_id"): 6,
        (Metric.ORPHANS, "listen_history", "items[]"): 0,
    }


def test_the_landing_is_fetching_while_a_request_is_open_and_landing_after_that(job: Job) -> None:
    # Open from 0.5 to 1.5, as the two pages overlap by nothing and leave no gap, and from 3.5 to 4: 1.5 s.
    land(job, "r1", 1.0, 1.5, 4.0)
    work = Work(DAY_0, DAY_0 + timedelta(seconds=20), "full-ingest", {"plan": 0.25, "fetch and land": 6.0})
    run = a_run(state=runs.PUBLISHED, exit_status=0, ended_at=work.ended_at, tables={"users": TableRun("users")})
    run.save(job.layout)
    observe(job.watch, run, work)
    found = recorded(job, "r1")
    assert found[Metric.STEP_SECONDS] == {(None, "plan"): 0.25, (None, "fetch"): 1.5, (None, "land"): 4.5}
    assert found[Metric.SECONDS] == {(None, "full-ingest"): 20}
    assert found[Metric.ROWS_A_SECOND] == {(None, None): 20}
    assert found[Metric.IN_FLIGHT] == {(None, None): 1}
    assert found[Metric.CALLS] == {("users", None): 3}


def test_what_could_not_be_checked_is_told_apart_from_what_failed(job: Job) -> None:
    for run_id, outcome, unchecked in (("r1", "checks failed", 0), ("r2", "could not check", 2)):
        add_check(job.layout, Check(run_id, run_id, DAY_0, outcome, 9, 3, 1, 100, None, unchecked))
        observe(job.watch, a_run(run_id, state=runs.CHECKS_FAILED, exit_status=3, ended_at=DAY_0), Work(DAY_0))
    counts = [Metric.CHECKS_FAILED, Metric.CHECKS_UNDONE, Metric.CHECKS_WARNED]
    assert [recorded(job, "r1")[metric][None, None] for metric in counts] == [3, 0, 1]
    assert [recorded(job, "r2")[metric][None, None] for metric in counts] == [3, 2, 1]


def test_two_processes_of_one_run_add_up(job: Job) -> None:
    run = a_run(state=runs.MERGED, exit_status=0, ended_at=DAY_0)
    observe(job.watch, run, Work(DAY_0, DAY_0 + timedelta(seconds=30), "full-ingest", {"parse": 3.0, "derive": 1.0}))
    run.state = runs.PUBLISHED
    later = DAY_0 + timedelta(hours=1)
    observe(job.watch, run, Work(later, later + timedelta(seconds=9), "sanity-check", {"check": 5.0, "parse": 4.0}))
    found = recorded(job, "r1")
    assert found[Metric.SECONDS] == {(None, "full-ingest"): 30, (None, "sanity-check"): 9}
    assert found[Metric.STEP_SECONDS] == {(None, "derive"): 1, (None, "check"): 5, (None, "parse"): 4}
    assert found[Metric.SUCCEEDED] == {(None, None): 1}


def test_a_killed_run_is_closed_measured_and_told_by_the_next_one(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    killed, ended = (
        a_run("killed", tables={"users": TableRun("users")}),
        a_run("ended", state=runs.FAILED, exit_status=4, ended_at=DAY_0),
    )
    for run in (killed, ended):
        run.save(job.layout)
    land(job, "killed", 1.0, 2.0)
    close_killed(job.watch, a_run("next"))
    one = {run.run_id: run for run in runs.all_runs(job.layout)}["killed"]
    assert (one.state, one.exit_status, one.message) == (runs.FAILED, None, observing.KILLED)
    assert one.ended_at is not None
    assert {run.run_id: run.outcome for run in summaries(job.layout, 9)} == {
        "killed": Outcome.KILLED,
        "ended": Outcome.SOURCE_FAILED,
    }
    found = recorded(job, "killed")
    assert (found[Metric.SUCCEEDED], found[Metric.ROWS]) == ({(None, None): 0}, {("users", None): 20})
    assert Metric.SECONDS not in found
    assert recorded(job, "ended") == {}
    assert [(one["rule"], one["run_id"]) for one in told.latest(job.layout)] == [
        ("failed", "killed"),
        ("late", "killed"),
    ]
    assert "killed" in (on_disk(job.layout.site) / "runs.html").read_text("utf-8")
    close_killed(job.watch, a_run("next"))
    assert len([record for record in caplog.records if "run killed was killed" in record.getMessage()]) == 1


def test_a_run_that_goes_on_is_not_closed_by_itself(job: Job) -> None:
    a_run("r1").save(job.layout)
    close_killed(job.watch, a_run("r1"))
    assert runs.all_runs(job.layout)[0].ended_at is None


def test_what_cannot_be_measured_keeps_no_alert_back(
    job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("ada@example.org")

    monkeypatch.setattr(observing, "measure", broken)
    observe(job.watch, a_run(state=runs.FAILED, exit_status=1, ended_at=DAY_0), Work(DAY_0))
    assert [one["rule"] for one in told.latest(job.layout)] == ["failed"]
    assert "measuring the run failed (ValueError)" in caplog.text
    assert "ada@example.org" not in caplog.text
    assert (on_disk(job.layout.site) / "runs.html").exists()


def test_checks_that_cannot_be_read_keep_no_alert_back(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    add_check(job.layout, Check("r1", "r1", DAY_0, "checks failed", 9, 3, 1, 100, None, 0))
    for part in (on_disk(job.layout.root) / "ops" / "checks").glob("*.parquet"):
        part.write_bytes(b"no parquet")
    observe(job.watch, a_run(state=runs.FAILED, exit_status=1, ended_at=DAY_0), Work(DAY_0))
    assert [one["rule"] for one in told.latest(job.layout)] == ["failed"]
    assert "looking for the run's docs failed" in caplog.text


def test_a_measurement_is_judged_by_the_runs_before_it(job: Job) -> None:
    for day in range(15):
        at = DAY_0 + timedelta(days=day)
        users = TableRun("users", keys=500 if day == 14 else 1000)
        run = a_run(f"r{day}", started_at=at, state=runs.PUBLISHED, exit_status=0, ended_at=at, tables={"users": users})
        run.save(job.layout)
        observe(job.watch, run, Work(at))
    judged = {
        record["run_id"]: (record["low"], record["high"], record["is_anomaly"])
        for record in metrics.since(job.layout, LONG_AGO)
        if record["metric"] == "quality.distinct_keys"
    }
    # The fifteenth is the first to be judged, by a level of 1000 give or take 35 %.
    assert judged["r13"] == (None, None, False)
    assert judged["r14"] == (650, 1350, True)
    assert ("anomalies", "quality.distinct_keys", "r14") in {
        (one["rule"], one["metric"], one["run_id"]) for one in told.latest(job.layout)
    }
