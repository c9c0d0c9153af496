"""`sanity-check`: check what the last run merged, and publish it if it passes."""

from __future__ import annotations

from typing import Any

import click

from jobs.steps import record
from jobs.steps.decision import decision_options
from jobs.steps.options import Job, open_job, run_options
from jobs.steps.publish import check_and_publish, start
from lib.errors import ConfigError
from lib.lake import runs
from lib.lake.complete import complete
from lib.lake.lock import run_at_work
from lib.lake.named import check_lake, unknown_run
from lib.lake.opening import with_current
from lib.lake.publications import Accepted
from lib.lake.runs import Run
from lib.quality.accept import check_accepted
from lib.reporting.roll_back import roll_back
from lib.reporting.run_end import stop_on_failed_tables
from lib.reporting.summary import say_done

NAME = "sanity-check"


@click.command(
    NAME,
    help="Check what the last run merged (or the run of --run-id), and publish it if it passes. A publication always has "
    "all tables. An operator decides what no check can know: --rollback goes back, --accept goes on.",
)
@run_options("The run to check.  [default: the last one]")
@decision_options
def command(*, rollback: bool, accepted: Accepted | None, **options: Any) -> None:
    """The command line of the job."""
    job = open_job(**options)
    if rollback:
        roll_back(job.watch, job.now)
    else:
        check(job, accepted)


def check(job: Job, accepted: Accepted | None) -> None:
    """Check what is merged, and publish it if it passes, the accepted failure aside."""
    run = _run_to_check(job)
    if accepted is not None:
        check_accepted(job.source, job.layout, job.suites, run, accepted, job.now)
    if run_at_work(job.layout) is None:
        # Before anything is touched, and anyone is told.
        stop_on_failed_tables(run)
        complete(job.source, run)
    with record.recorded(job, run, NAME):
        spark, suites = start(job, NAME, run, sum(table.rows_landed or 0 for table in run.tables.values()))
        check_and_publish(spark, job, run, suites, accepted)
    say_done(job.layout, run, job.named, job.source)


def _run_to_check(job: Job) -> Run:
    """The last run, or the one that was asked for: what it merged, it says itself.

    Raises:
        ConfigError: there is no such run.
    """
    check_lake(job.layout)
    known = runs.all_runs(job.layout)
    if job.run_id is not None:
        names = [run.run_id for run in known]
        known = [run for run in known if run.run_id == job.run_id]
        if not known:
            raise unknown_run(job.layout, "--run-id", job.run_id, names, which="run that merged anything")
    if not known:
        message = f"{job.layout.root}: there is no run that merged anything; run ./spark-submit.sh full-ingest first"
        raise ConfigError(message)
    return with_current(job.layout, job.source, known[-1])
