"""What is measured of a run, from its record, the pages it landed, the lake and Spark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pyspark.sql import SparkSession

from jobs.steps.options import Job
from lib.lake import tables
from lib.lake.checks import all_checks
from lib.lake.quarantine import count_reasons
from lib.lake.runs import Run, TableRun
from lib.landing.traffic import Fetching, fetching
from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import Outcome
from lib.observe.spark import spark_work

LANDING = "fetch and land"
# How the parts of the landing are called, which the steps of the job tell as one.
FETCH, LAND = "fetch", "land"


def measure(job: Job, run: Run, outcome: Outcome, *, spark: SparkSession | None, name: str) -> list[Measurement]:
    """Everything that can be told of the run by now. `name` is that of the job that is at work on it.

    `spark` is None for a run that was stopped or killed: then nobody is left to ask.
    """
    fetched = fetching(str(job.layout.pages), run.run_id, job.now) if run.replay_of is None else Fetching()
    found = [*_of_run(job, run, outcome, fetched, name), *_of_checks(job, run)]
    if spark is not None:
        found += _of_spark(spark)
    reasons = _reasons(job, run)
    for record in run.tables.values():
        found += _of_pages(record.table, fetched)
        found += _of_rows(run, record, reasons.get(record.table, Counter()))
        found += _of_files(job, record)
    return found


def _one(metric: Metric, value: float, table: str | None = None, label: str | None = None) -> Measurement:
    return Measurement(Series(metric, table, label), float(value))


def _of_run(job: Job, run: Run, outcome: Outcome, fetched: Fetching, name: str) -> Iterator[Measurement]:
    yield _one(Metric.SUCCEEDED, 1.0 if outcome.is_good else 0.0)
    if run.ended_at is not None and outcome is not Outcome.KILLED:
        yield _one(Metric.SECONDS, (run.ended_at - job.now).total_seconds(), label=name)
    seconds = dict(job.steps.seconds)
    if LANDING in seconds:
        whole = seconds.pop(LANDING)
        seconds[FETCH] = min(fetched.open_s, whole)
        seconds[LAND] = whole - seconds[FETCH]
    for step, took in seconds.items():
        yield _one(Metric.STEP_SECONDS, took, label=step)
    if fetched.in_flight:
        yield _one(Metric.IN_FLIGHT, fetched.in_flight)
    if fetched.open_s:
        yield _one(Metric.ROWS_A_SECOND, fetched.rows / fetched.open_s)


def _of_pages(table: str, fetched: Fetching) -> Iterator[Measurement]:
    traffic = fetched.tables.get(table)
    if traffic is None:
        return
    yield _one(Metric.BYTES, traffic.bytes, table)
    yield _one(Metric.ROWS, traffic.rows, table)
    yield _one(Metric.PAGES, traffic.pages, table)
    yield _one(Metric.CALLS, traffic.calls, table)
    yield _one(Metric.THROTTLED, traffic.throttled, table)
    yield _one(Metric.WAITED, traffic.waited_s, table)
    for reason, number in traffic.retries.items():
        yield _one(Metric.RETRIES, number, table, reason)
    for quantile, seconds in traffic.latency_s.items():
        yield _one(Metric.LATENCY, seconds, table, quantile)


def _of_rows(run: Run, record: TableRun, reasons: Counter[str]) -> Iterator[Measurement]:
    told = {
        Metric.CLAIMED: record.rows_total,
        Metric.DUPLICATES: record.rows_repeated,
        Metric.DIFFERED: record.rows_differed,
        Metric.REJECTED: record.rows_rejected,
        Metric.KEYS: record.keys,
        Metric.INSERTED: record.rows_inserted,
        Metric.UPDATED: record.rows_updated,
        Metric.VANISHED: record.rows_vanished,
    }
    for metric, rows in told.items():
        if rows is not None:
            yield _one(metric, rows, record.table)
    if record.keys is not None and record.rows_inserted is not None and record.rows_updated is not None:
        yield _one(Metric.UNCHANGED, record.keys - record.rows_inserted - record.rows_updated, record.table)
    for reason, number in sorted(reasons.items()):
        yield _one(Metric.REJECTED_FOR, number, record.table, reason)
    for missing in record.rows_missing or ():
        yield _one(Metric.MISSING, missing["rows"], record.table, missing["column"])
    for orphans in record.orphans or ():
        yield _one(Metric.ORPHANS, orphans["pointers"], record.table, orphans["reference"])
    if record.newest_at is not None:
        yield _one(Metric.FRESHNESS, (run.started_at - record.newest_at).total_seconds(), record.table)


def _reasons(job: Job, run: Run) -> dict[str, Counter[str]]:
    """Codes of the rows that the run rejected, by table. A row that has several counts under each."""
    found: dict[str, Counter[str]] = {}
    for (table, reason), rows in count_reasons(job.layout, run.run_id).items():
        for code in reason.split(", "):
            found.setdefault(table, Counter())[code] += rows
    return found


def _of_files(job: Job, record: TableRun) -> Iterator[Measurement]:
    if record.path is None or record.version is None or record.state not in ("merged", "built"):
        return
    files = tables.files_at(job.layout.root / record.path, record.version)
    # A version that was there before was written by another run.
    wrote = bool(record.rows_inserted or record.rows_updated or record.rows_vanished)
    yield _one(Metric.FILES, files.number, record.table)
    yield _one(Metric.TABLE_BYTES, files.n_bytes, record.table)
    yield _one(Metric.FILES_ADDED, files.added if wrote else 0, record.table)
    yield _one(Metric.FILES_REMOVED, files.removed if wrote else 0, record.table)


def _of_checks(job: Job, run: Run) -> Iterator[Measurement]:
    last = next((check for check in all_checks(job.layout) if check.run_id == run.run_id), None)
    if last is not None:
        undone = last.outcome == Outcome.COULD_NOT_CHECK
        yield _one(Metric.CHECKS_FAILED, 0 if undone else last.failed)
        yield _one(Metric.CHECKS_UNDONE, last.failed if undone else 0)
        yield _one(Metric.CHECKS_WARNED, last.warnings)


def _of_spark(spark: SparkSession) -> Iterator[Measurement]:
    work = spark_work(spark)
    yield _one(Metric.SHUFFLED, work.shuffled)
    yield _one(Metric.SPILLED, work.spilled)
    for process, peak in work.peak_memory.items():
        yield _one(Metric.PEAK_MEMORY, peak, label=process)
