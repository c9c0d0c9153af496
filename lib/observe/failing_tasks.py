"""Which tasks of DAGs failed when they were last recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.lake import metrics
from lib.lake.layout import Layout
from lib.observe.metrics import Metric

LONGEST = timedelta(days=92)
"""What a scheduler recorded longer ago is looked at no more, so that a lake of many years is read as fast as a young one."""


@dataclass(frozen=True)
class FailingTask:
    """A task of a DAG whose last end was a failure, or (`task` None) a DAG whose last run was, with no such task."""

    dag: str
    task: str | None
    dag_run: str
    try_number: int | None
    started_at: datetime
    run_id: str | None

    def __str__(self) -> str:
        """For people: `task full_ingest of DAG nightly: try 2 of scheduled__..., begun 2026-11-25 02:00 UTC`."""
        what = f"DAG {self.dag}" if self.task is None else f"task {self.task} of DAG {self.dag}"
        number = "" if self.try_number is None else f"try {self.try_number} of "
        return f"{what}: {number}{self.dag_run}, begun {self.started_at:%Y-%m-%d %H:%M} UTC"


def failing_tasks(layout: Layout, now: datetime) -> tuple[FailingTask, ...]:
    """The tasks that failed when they were last recorded, oldest first."""
    names = [metric.about.name for metric in (Metric.TASKS_FAILED, Metric.DAGS_FAILED)]
    found = []
    for record in metrics.of_dags(layout, names, (), last=1, first=now - LONGEST):
        if record["value"]:
            dag, _, task = record["label"].partition("/")
            rest = (record[name] for name in ("dag_run", "try_number", "started_at", "run_id"))
            found.append(FailingTask(dag, task or None, *rest))
    with_tasks = {one.dag for one in found if one.task is not None}
    return tuple(one for one in found if one.task is not None or one.dag not in with_tasks)
