"""What is measured of a run, from its record, the pages it landed, the lake and Spark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import SparkSession

from lib.config import Source
from lib.lake import tables
from lib.lake.checks import checks_since
from lib.lake.layout import Layout
from lib.lake.quarantine import count_reasons
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState
from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.spark import spark_work
from lib.observe.traffic import Fetching, fetching

# What the job times as one step, and its parts by the pages' own times.
LANDING, FETCH, LAND = "fetch and land", "fetch", "land"


@dataclass(frozen=True)
class Work:
    """What one process did for a run: the job's name, its time, the seconds of its steps, its Spark if that can still be asked.

    None of the three for a run that was killed: nobody can tell any more.
    """

    began_at: datetime
    ended_at: datetime | None = None
    job: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    spark: SparkSession | None = None


def measure(source: Source, layout: Layout, run: Run, work: Work, *, succeeded: bool) -> list[Measurement]:
    """Everything that can be told of the run by now."""
    columns = {table.name: [column.name for column in table.columns] for table in source.tables}
    pages = fetching(layout.pages, run.run_id, work.began_at) if run.replay_of is None else Fetching()
    found = [_one(Metric.SUCCEEDED, succeeded), *_of_work(work, pages), *_of_checks(layout, run)]
    reasons = _reasons(layout, run)
    for record in run.tables.values():
        found += _of_pages(record.table, pages)
        found += _of_rows(run, record, reasons.get(record.table, Counter()), columns.get(record.table, []))
        found += _of_files(layout, record)
    return found


def _one(metric: Metric, value: float, table: str | None = None, label: str | None = None) -> Measurement:
    return Measurement(Series(metric, table, label), float(value))


def _of_work(work: Work, pages: Fetching) -> Iterator[Measurement]:
    if work.ended_at is not None and work.job is not None:
        yield _one(Metric.SECONDS, (work.ended_at - work.began_at).total_seconds(), label=work.job)
    seconds = dict(work.seconds)
    if LANDING in seconds:
        whole = seconds.pop(LANDING)
        seconds[FETCH] = min(pages.open_s, whole)
        seconds[LAND] = whole - seconds[FETCH]
    for step, took in seconds.items():
        yield _one(Metric.STEP_SECONDS, took, label=step)
    if pages.open_s:
        yield _one(Metric.IN_FLIGHT, pages.in_flight)
        yield _one(Metric.ROWS_A_SECOND, pages.rows / pages.open_s)
    if work.spark is not None:
        yield from _of_spark(work.spark)


def _of_pages(table: str, pages: Fetching) -> Iterator[Measurement]:
    traffic = pages.tables.get(table)
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


def _of_rows(run: Run, record: TableRun, reasons: Counter[str], columns: list[str]) -> Iterator[Measurement]:
    told = {
        Metric.CLAIMED: record.rows_total,
        Metric.DUPLICATES: record.rows_duplicate,
        Metric.DIFFERED: record.rows_differed,
        Metric.REJECTED: record.rows_rejected,
        Metric.KEYS: record.keys,
        Metric.INSERTED: record.rows_inserted,
        Metric.UPDATED: record.rows_updated,
        Metric.DELETED: record.rows_deleted,
    }
    for metric, rows in told.items():
        if rows is not None:
            yield _one(metric, rows, record.table)
    if record.keys is not None and record.rows_inserted is not None and record.rows_updated is not None:
        yield _one(Metric.UNCHANGED, record.keys - record.rows_inserted - record.rows_updated, record.table)
    for reason, number in sorted(reasons.items()):
        yield _one(Metric.REJECTED_FOR, number, record.table, reason)
    if record.rows_missing is not None:
        missing = dict.fromkeys(columns, 0) | {one["column"]: one["rows"] for one in record.rows_missing}
        for column, number in missing.items():
            yield _one(Metric.MISSING, number, record.table, column)
    for orphans in record.orphans or ():
        yield _one(Metric.ORPHANS, orphans["pointers"], record.table, orphans["reference"])
    if record.newest_at is not None:
        yield _one(Metric.FRESHNESS, (run.started_at - record.newest_at).total_seconds(), record.table)


def _reasons(layout: Layout, run: Run) -> dict[str, Counter[str]]:
    """Codes of the rows that the run rejected, by table. A row that has several counts under each."""
    found: dict[str, Counter[str]] = {}
    for (table, reason), rows in count_reasons(layout, run.run_id).items():
        for code in reason.split(", "):
            found.setdefault(table, Counter())[code] += rows
    return found


def _of_files(layout: Layout, record: TableRun) -> Iterator[Measurement]:
    if record.path is None or record.version is None or record.state not in (TableState.MERGED, TableState.BUILT):
        return
    files = tables.files_at(layout.root / record.path, record.version)
    # A version that was there before was written by another run.
    wrote = bool(record.rows_inserted or record.rows_updated or record.rows_deleted)
    yield _one(Metric.FILES, files.number, record.table)
    yield _one(Metric.TABLE_BYTES, files.n_bytes, record.table)
    yield _one(Metric.FILES_ADDED, files.added if wrote else 0, record.table)
    yield _one(Metric.FILES_REMOVED, files.removed if wrote else 0, record.table)


def _of_checks(layout: Layout, run: Run) -> Iterator[Measurement]:
    last = next((check for check in checks_since(layout, run.number) if check.run_id == run.run_id), None)
    if last is not None:
        yield _one(Metric.CHECKS_FAILED, last.failed)
        yield _one(Metric.CHECKS_UNDONE, last.unchecked)
        yield _one(Metric.CHECKS_WARNED, last.warnings)


def _of_spark(spark: SparkSession) -> Iterator[Measurement]:
    work = spark_work(spark)
    yield _one(Metric.SHUFFLED, work.shuffled)
    if work.spilled is not None:
        yield _one(Metric.SPILLED, work.spilled)
    for process, peak in work.peak_memory.items():
        yield _one(Metric.PEAK_MEMORY, peak, label=process)
