"""`--from-landed`: merge landed pages again, without a request to the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import SparkSession

from jobs.steps.named import check_lake, unknown_run
from jobs.steps.options import Job
from jobs.steps.record import keep_the_rest
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake import runs
from lib.lake.runs import ALL, Run
from lib.lake.states import Step
from lib.landing.plan import plans_of
from lib.landing.replay import merge_again, rebuild


def landed_runs(job: Job, replay_of: str) -> list[Run]:
    """The runs whose landed pages are to be merged again, oldest first, each with those of its tables that were proved.

    Raises:
        ConfigError: there is no lake, no such run, or none of its pages can be merged.
    """
    check_lake(job)
    known = [run for run in runs.all_runs(job.layout) if run.replay_of is None]
    if replay_of != ALL:
        names = [run.run_id for run in known]
        known = [run for run in known if run.run_id == replay_of]
        if not known:
            raise unknown_run(
                job.layout, "--from-landed", replay_of, names, which="run that fetched pages", words=[ALL]
            )
    wanted = [replace(run, tables={name: run.tables[name] for name in _proved(job, run)}) for run in known]
    found = [run for run in wanted if run.tables]
    if not found:
        message = (
            f"--from-landed {replay_of}: no landed pages are known to be whole; a run that did not finish goes on with "
            "--resume"
        )
        raise ConfigError(message)
    return found


def _proved(job: Job, run: Run) -> list[str]:
    """The tables of a run whose pages have landed, and are known to be all (or accepted as they are)."""
    planned = {plan.table for plan in plans_of(run.plan)}
    return [
        name for name in job.tables if name in planned and name in run.tables and run.tables[name].proof is not None
    ]


def replay(spark: SparkSession, job: Job, run: Run, landed: Sequence[Run], *, allow_deletes: bool) -> None:
    """Merge the landed pages of one run again, under its own clock; or those of all, into tables made anew."""
    copy = job.copy(spark, run)
    if run.replay_of == ALL:
        rebuild(copy, landed, allow_deletes=allow_deletes)
    else:
        merge_again(copy, landed[0], runs.all_runs(job.layout), allow_deletes=allow_deletes)
    keep_the_rest(job, run)
    run.ended(Step.MERGE)
    run.save(job.layout)
    reached("all merged")
