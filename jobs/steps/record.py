"""A run's record from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from jobs.steps.options import Job
from lib.failpoints import reached
from lib.lake import opening, publications, runs
from lib.lake.layout import claim, remove_rebuilds
from lib.lake.lock import writing
from lib.lake.runs import Run
from lib.lake.states import RunState, Step, TableState
from lib.reporting.observe import close_killed
from lib.reporting.run_end import ended, observed
from lib.reporting.site import heal_site


def open_run(
    job: Job,
    *,
    publishes: bool,
    resume: str | None = None,
    or_start: str | None = None,
    replay_of: str | None = None,
) -> Run:
    """The run that the job works on, and its tables. Says of a last run that did not finish how to go on with it.

    Raises:
        ConfigError: what the command line asks for cannot be.
    """
    run = opening.open_run(
        job.layout,
        job.source,
        job.tables,
        job.now,
        run_id=job.run_id,
        publishes=publishes,
        resume=resume,
        or_start=or_start,
        replay_of=replay_of,
        note=job.steps.note,
    )
    if run.state != RunState.PUBLISHED:
        job.tables = tuple(name for name, table in run.tables.items() if table.state == TableState.PLANNED)
    return run


def note_merged(job: Job, run: Run) -> None:
    """Record that every table that could be merged is, and that all is derived from them that can be."""
    run.ended(Step.DERIVE)
    run.to(RunState.MERGED)
    run.save(job.layout)
    reached("recorded as merged")


@contextmanager
def recorded(job: Job, run: Run, name: str) -> Iterator[None]:
    """Keep the run's record in `ops/runs` from now on, whatever happens, and other runs out of the lake; then tell how it ended.

    `name` is that of the job.

    Raises:
        LakeError: another run is at work on this lake.
    """
    with writing(job.layout, run.run_id, datetime.now(UTC)):
        claim(job.layout, job.source.source, job.now, job.runtime.key_secret)
        remove_rebuilds(job.layout)
        publications.heal(job.layout)
        heal_site(job.site)
        close_killed(job.watch, run)
        if run.state == RunState.RUNNING:
            opening.keep_current(job.layout, run)
        runs.begin(job.layout, run)
        with observed(job.watch, run, name, job.now), ended(job.layout, run):
            yield
