"""How a task of a DAG ended, or a whole run of the DAG, and what is measured of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.words import amount


class State(StrEnum):
    """How a try of a task ended. `RETRIED`: it failed, and the scheduler will try again."""

    SUCCESS = "success"
    FAILED = "failed"
    RETRIED = "retried"


@dataclass(frozen=True)
class TaskEnd:
    """The end of one try of a task, or (`task` and `try_number` None) of a run of a DAG.

    `run_id` is the run of Pagelake that it started, None where there was none or where nobody knows.
    """

    dag: str
    dag_run: str
    task: str | None
    try_number: int | None
    state: State
    seconds: float
    ended_at: datetime
    run_id: str | None = None

    @property
    def started_at(self) -> datetime:
        """When it began."""
        return self.ended_at - timedelta(seconds=self.seconds)

    @property
    def name(self) -> str:
        """`nightly/full_ingest` for a task, `nightly` for a DAG: what its measurements have as label."""
        return self.dag if self.task is None else f"{self.dag}/{self.task}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a measurement of this task or DAG may have, however it ends."""
        return (self.name, *(f"{self.name}/{state}" for state in State))

    @property
    def group(self) -> Mapping[str, str]:
        """What tells it apart from others of its source: `dag`, and for a task `task`."""
        return {"dag": self.dag} if self.task is None else {"dag": self.dag, "task": self.task}

    def __str__(self) -> str:
        """For people: `task full_ingest of DAG nightly, try 2: failed after 31 s`."""
        whole = f"DAG {self.dag}" if self.task is None else f"task {self.task} of DAG {self.dag}, try {self.try_number}"
        return f"{whole}: {self.state} after {amount(self.seconds, 's')}"

    @property
    def story(self) -> str:
        """What an alert says besides the number: `try 2 of scheduled__2026-11-25T02:00:00+00:00, after 31 s`."""
        which = self.dag_run if self.try_number is None else f"try {self.try_number} of {self.dag_run}"
        return f"{which}, after {amount(self.seconds, 's')}"


def measured(end: TaskEnd) -> list[Measurement]:
    """What is to be recorded. A try that is retried says nothing yet of whether the task fails."""
    failed = float(end.state is State.FAILED)
    labelled = f"{end.name}/{end.state}"
    if end.try_number is None:
        return [_one(Metric.DAG_SECONDS, labelled, end.seconds), _one(Metric.DAGS_FAILED, end.name, failed)]
    retries = end.try_number if end.state is State.RETRIED else end.try_number - 1
    found = [_one(Metric.TASK_SECONDS, labelled, end.seconds), _one(Metric.TASK_RETRIES, end.name, float(retries))]
    return found if end.state is State.RETRIED else [*found, _one(Metric.TASKS_FAILED, end.name, failed)]


def _one(metric: Metric, label: str, value: float) -> Measurement:
    return Measurement(Series(metric, label=label), value)
