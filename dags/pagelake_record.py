"""Callbacks that record how tasks and DAG runs ended, by the job `record-task`: durations, failures, retries, alerts.

Those of a task run in the task's own process after its state is known, so they are lines of its log. Those of a DAG run are
run by the DAG processor. Whatever goes wrong here is a line in the log, and changes nothing of the task.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pagelake_command import ROOT, RUN_ID, command, job_environment, redacted, run_id_of

JOB = "record-task"
# Airflow ends a task's process [core] task_success_overtime after its end, and a callback of a DAG run after
# [dag_processor] dag_file_processor_timeout: both are longer than this.
TIMEOUT_S = 40
Callback = Callable[[Any], None]

log = logging.getLogger(__name__)


def task_callback(state: str) -> Callback:
    """The callback of a task that ended in `state`: success, failed or retried."""

    def recorded(context: Any) -> None:
        ti = context["ti"]
        seconds = _seconds(ti.start_date, ti.end_date)
        _record(context, "--task", ti.task_id, "--try", str(ti.try_number), "--state", state, "--seconds", seconds)

    return _never_failing(recorded)


def dag_callback(state: str) -> Callback:
    """The callback of a DAG run that ended in `state`: success or failed."""

    def recorded(context: Any) -> None:
        run = context["dag_run"]
        _record(context, "--state", state, "--seconds", _seconds(run.start_date, run.end_date))

    return _never_failing(recorded)


def _never_failing(callback: Callback) -> Callback:
    def guarded(context: Any) -> None:
        try:
            callback(context)
        except (OSError, subprocess.SubprocessError) as error:  # of any other Airflow itself makes a line in the log
            log.warning("Not recorded: %s", redacted(f"{type(error).__name__}: {error}"))

    return guarded


def _seconds(start: datetime | None, end: datetime | None) -> str:
    return f"{((end or datetime.now(UTC)) - start).total_seconds():.3f}" if start else "0"


def _record(context: Any, *options: str) -> None:
    dag_id, dag_run_id = context["dag"].dag_id, context["run_id"]
    params = {name: context["params"].get(name) for name in ("source", "lake")}
    which = ["--dag", dag_id, "--dag-run", dag_run_id]
    if RUN_ID in getattr(context.get("task"), "options", ()):
        which += ["--run-id", run_id_of(dag_id, dag_run_id)]
    done = subprocess.run(
        command(JOB, [*which, *options], params=params),
        cwd=ROOT,
        env=job_environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        log.warning("Not recorded (%s ended with %s): %s", JOB, done.returncode, redacted(said))
