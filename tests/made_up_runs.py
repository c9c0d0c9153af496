"""A lake with the records of many made-up runs: the same at every call, and no table but `ops/*`."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.steps.options import Job
from lib.config import Runtime, load_source
from lib.console import Steps
from lib.lake import checks, metrics, records, runs
from lib.lake.layout import claim, lake_at
from lib.lake.runs import Run
from lib.observe.metrics import Measurement, Metric, Series, to_record

REPO = Path(__file__).parents[1]
DAY_0 = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
EVIL = "</script><script>alert(1)</script><img src=https://foreign.example/x.png onerror=alert(2)> \"'&"
LONG = "a-word-without-an-end-" * 60
STEPS = {
    **{
        "plan": 0.2,
        "start Spark": 5.0,
        "fetch and land": 4.0,
        "prove": 0.6,
        "parse, reject, newest": 1.2,
        "merge": 5.5,
    },
    **{"derive": 2.4, "check": 3.6, "publish": 1.1, "observe": 0.3},
}
TABLES = {"tracks": 2001, "users": 1000, "listen_history": 20000}
# By the number of the run: state, exit status (None: killed), message, outcome of its check (None: not checked).
SPECIAL: dict[int, tuple[str, int | None, str | None, str | None]] = {
    12: ("checks_failed", 3, "2 expectations failed:\n  listen_history.orphans.user_id: observed 3", "checks failed"),
    25: ("failed", 4, f"1 of 3 tables failed; nothing is published.\n  users: {EVIL}", None),
    33: ("failed", 1, LONG, None),
    40: ("running", None, None, None),
    51: ("checks_failed", 1, "1 expectation could not be checked", "could not check"),
    60: ("failed", 130, "stopped by Ctrl-C", None),
    70: ("merged", 0, None, None),
}


def job_at(folder: Path) -> Job:
    """A job of the demo source on a lake in that folder."""
    source = load_source("demo", conf_dir=REPO / "conf", env={})
    return Job(source, lake_at(str(folder)), (), None, {}, Runtime.of(os.environ), DAY_0, Steps())


def make_runs(job: Job, n_runs: int) -> None:
    """Record so many runs, one a day, and what was measured of all that came as far as landing."""
    chance = random.Random(7)
    claim(job.layout, "demo", DAY_0)
    made, measured, checked = [], [], []
    for number in range(n_runs):
        state, status, message, outcome = SPECIAL.get(number % 90, ("published", 0, None, "published"))
        at, run_id = DAY_0 + timedelta(days=number), f"run-{number:04}"
        ended = None if status is None else at + timedelta(seconds=24)
        run = Run(run_id, "demo", at, "", "{}", None, state, message, status, ended, number=number + 1)
        made.append({**{name: getattr(run, name) for name in runs.SCHEMA.names if name != "tables"}, "tables": []})
        if status not in (4, None):
            ones = _measured(chance, number)
            measured += [{**to_record(one), "run_id": run_id, "started_at": at} for one in ones]
        if outcome:
            failed = int(outcome != "published")
            said = "listen_history.orphans.user_id" if failed else None
            checked.append(
                vars(
                    checks.Check(
                        run_id, run_id, at, outcome, 36 - failed, failed, 0, 232867, said, 0, number + 1, number + 1
                    )
                )
            )
    records.append(job.layout.runs, runs.SCHEMA, made)
    records.append(job.layout.metrics, metrics.SCHEMA, measured)
    records.append(job.layout.root / "ops" / "checks", checks.SCHEMA, checked)


def _measured(chance: random.Random, number: int) -> list[Measurement]:
    slow, lost = number % 90 == 47, number % 90 == 64
    ones = [
        judged(
            Metric.STEP_SECONDS,
            None,
            step,
            seconds * chance.uniform(0.85, 1.2) * (4 if slow and step == "merge" else 1),
            seconds * 0.5,
            seconds * 2,
        )
        for step, seconds in STEPS.items()
    ]
    for table, rows in TABLES.items():
        landed = round((rows + number * rows / 400) * (0.3 if lost and table == "users" else 1))
        ones += [
            judged(Metric.ROWS, table, None, landed, rows * 0.8, rows * 1.6),
            judged(Metric.REJECTED, table, None, int(chance.random() * 3) + (40 if lost else 0), 0, 6),
            judged(Metric.DUPLICATES, table, None, int(chance.random() * 2), 0, 4),
            judged(Metric.MISSING, table, "genres", int(chance.random() * 9), 0, 12),
            judged(Metric.BYTES, table, None, landed * 240, 0, rows * 600),
        ]
        for quantile, seconds in (("p50", 0.012), ("p95", 0.04), ("p99", 0.09)):
            ones.append(judged(Metric.LATENCY, table, quantile, seconds * chance.uniform(0.8, 1.3), 0, seconds * 2))
    for reference in ("user_id -> users.id", "items[] -> tracks.id"):
        ones.append(judged(Metric.ORPHANS, "listen_history", reference, 3 if number % 90 == 12 else 0, 0, 0))
    return [*ones, judged(Metric.SECONDS, None, "full-ingest", sum(one.value for one in ones[: len(STEPS)]), 10, 40)]


def judged(metric: Metric, table: str | None, label: str | None, value: float, low: float, high: float) -> Measurement:
    """A measurement that is an anomaly where it lies outside of low to high."""
    return Measurement(
        Series(metric, table, label), float(value), float(low), float(high), 0.0, not low <= value <= high
    )
