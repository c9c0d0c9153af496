"""Records how a task of a DAG ended: in the lake, in the exporters, and by alerts. What fails of that keeps nothing else back."""

from __future__ import annotations

import logging

import pyarrow as pa
from deltalake.exceptions import DeltaError

from lib.lake import metrics, storage
from lib.lake.layout import Layout
from lib.lake.metrics import DagRecord
from lib.logs import LOGGER
from lib.observe.alerting import Subject, evaluate, last_run
from lib.observe.anomalies import Past, judged
from lib.observe.export import export_task
from lib.observe.failing_tasks import LONGEST
from lib.observe.metrics import Measurement, Metric, from_record, to_record
from lib.observe.outcome import RunSummary
from lib.observe.tasks import State, TaskEnd, measured
from lib.reporting.observe import Watch
from lib.reporting.traced import traced

log = logging.getLogger(LOGGER)
# What a task is judged by: as many of its ends as runs are judged by.
HISTORY = 60
_TROUBLE = (DeltaError, pa.ArrowException, OSError)


def record_end(watch: Watch, end: TaskEnd, *, hint: str) -> tuple[list[str], list[str]]:
    """Record an end. Returns what to say, and what could not be written or sent. `hint` is said where there is no lake."""
    source, layout = watch.site.source, watch.site.layout
    found = measured(end)
    lines = [f"Recorded: {end}"]
    problems = []
    as_it_was: list[Measurement] = []
    removed: tuple[str, ...] = ()
    if storage.is_file(layout.lake_json):
        try:
            found = judged(found, end.started_at, _history(layout, end))
            _save(layout, end, found)
            as_it_was, removed = _as_it_was(layout, end), _removed(layout, end)
        except _TROUBLE as error:
            log.debug("%s", "\n".join(["ops/metrics", *traced(error)]))
            problems.append(f"{layout.metrics} cannot be written ({type(error).__name__})")
    else:
        lines.append(f"There is no lake at {layout.root} yet: nothing was written to it{hint or '.'}")
    problems += export_task(source.metrics, source.source, end, [*found, *as_it_was])
    if watch.notifier is not None:
        subject = Subject(_its_run(layout, end), found, end.story, removed)
        problems += evaluate(watch.notifier, subject, end.ended_at).problems
    return lines, problems


def _history(layout: Layout, end: TaskEnd) -> list[Past]:
    """The ends of the same task or DAG before, this one left out if it was recorded already."""
    names = [one.series.metric.about.name for one in measured(end)]
    return [
        Past(record["started_at"], [one])
        for record in metrics.of_dags(layout, names, end.labels, last=HISTORY, first=end.started_at - LONGEST)
        if (one := from_record(record)) is not None
        and (record["dag_run"], record["try_number"]) != (end.dag_run, end.try_number)
    ]


def _save(layout: Layout, end: TaskEnd, found: list[Measurement]) -> None:
    of = DagRecord(end.dag_run, end.try_number, end.run_id, end.started_at, end.labels)
    metrics.save_of_dag(layout, of, [to_record(one) for one in found])


def _as_it_was(layout: Layout, end: TaskEnd) -> list[Measurement]:
    """What a try that is retried says nothing of, and what Prometheus would hold no more: whether the task failed before."""
    if end.state is not State.RETRIED:
        return []
    names = [Metric.TASKS_FAILED.about.name]
    last = metrics.of_dags(layout, names, [end.name], last=1, first=end.started_at - LONGEST)
    return [one for record in last if (one := from_record(record)) is not None]


def _removed(layout: Layout, end: TaskEnd) -> tuple[str, ...]:
    """Tasks without which the DAG has now run to a good end: nobody will ever record that they are well again."""
    if end.task is not None or end.state is not State.SUCCESS:
        return ()
    known = metrics.of_dags(layout, [Metric.TASKS_FAILED.about.name], (), last=1, first=end.started_at - LONGEST)
    mine = [record for record in known if record["label"].startswith(f"{end.dag}/")]
    return tuple(record["label"] for record in mine if record["dag_run"] != end.dag_run)


def _its_run(layout: Layout, end: TaskEnd) -> RunSummary | None:
    """The run that the task worked on, if it is the last one of the lake."""
    last = last_run(layout) if end.run_id is not None and storage.is_file(layout.lake_json) else None
    return last if last is not None and last.run_id == end.run_id else None
