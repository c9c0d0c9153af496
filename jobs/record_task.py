"""`record-task`: note how a task of a DAG ended, or a run of the DAG; for a scheduler's callbacks."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from jobs.steps.options import open_settings, read_alerts, run_options
from lib.config import Runtime, check_dag_name, check_dag_run, check_run_id
from lib.console import say
from lib.errors import ConfigError
from lib.lake.named import near_lake
from lib.observe.alerting import Notifier, Subject, evaluate
from lib.observe.tasks import State, TaskEnd, measured
from lib.observe.verdicts import clean
from lib.reporting.task_record import record_end


@click.command(
    "record-task",
    help="Record how a try of a task of a DAG ended, or (without --task) a run of the DAG: in ops/metrics, and wherever the "
    "source's metrics go; then evaluate the rules of conf/alerts.yml, so that a failed task is reported at once. For the "
    "callbacks of a scheduler; needs no Spark. Without a lake nothing is written there, and the rest is the same. Exit 1 if "
    "something could not be written or sent.",
)
@run_options("The run of Pagelake that the task worked on.")
@click.option("--dag", required=True, metavar="ID", help="The DAG.")
@click.option("--dag-run", required=True, metavar="ID", help="The run of the DAG.")
@click.option("--task", metavar="ID", help="The task.  [default: the run of the DAG as a whole]")
@click.option("--try", "try_number", type=click.IntRange(1, 10_000), metavar="N", help="Which try of the task, from 1.")
@click.option(
    "--state",
    required=True,
    type=click.Choice([state.value for state in State]),
    help="How it ended. retried: it failed, and will be tried again.",
)
@click.option("--seconds", required=True, type=click.FloatRange(min=0), metavar="F", help="How long it took.")
def command(**options: Any) -> int:
    """The command line of the job."""
    names = ("dag", "dag_run", "task", "try_number", "state", "seconds")
    end = _end(**{name: options.pop(name) for name in names}, run_id=options["run_id"])
    try:
        job = open_settings(**options)
    except ConfigError:
        _alert_without_settings(options["name"], end)
        raise
    lines, problems = record_end(job.watch, end, hint=near_lake(job.layout))
    say([*lines, *(f"Not done: {problem}" for problem in problems)])
    return 1 if problems else 0


def _end(
    *,
    dag: str,
    dag_run: str,
    task: str | None,
    try_number: int | None,
    state: str,
    seconds: float,
    run_id: str | None,
) -> TaskEnd:
    if (task is None) != (try_number is None):
        raise ConfigError("--task and --try go together; a run of the DAG has neither")
    if task is None and state == State.RETRIED:
        raise ConfigError("--state retried: only a task is tried again; give --task and --try")
    if not math.isfinite(seconds):
        raise ConfigError(f"--seconds {seconds}: must be a number of seconds")
    return TaskEnd(
        dag=check_dag_name("--dag", dag),
        dag_run=check_dag_run("--dag-run", dag_run),
        task=None if task is None else check_dag_name("--task", task),
        try_number=try_number,
        state=State(state),
        seconds=seconds,
        ended_at=datetime.now(UTC),
        run_id=None if run_id is None else check_run_id(run_id),
    )


def _alert_without_settings(name: str, end: TaskEnd) -> None:
    """Tell of a task where the settings of the source are wrong, which may be why it failed. No lake keeps it in mind."""
    runtime = Runtime.of(os.environ)
    try:
        alerts = read_alerts(runtime, _AnyTable())
    except ConfigError:
        return  # it is what is wrong, and is told by the job
    if alerts is not None:
        notifier = Notifier(clean(Path(name).stem), (), alerts, None)
        evaluate(notifier, Subject(measured=measured(end), story=end.story), end.ended_at)


class _AnyTable(Collection[str]):
    """Every name there is: rules may name tables of a source that cannot be read."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
