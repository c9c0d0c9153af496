"""Observe: measure a run, judge, record, export, alert, show; whatever happened, and without a say in how the run ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from jobs.steps.alert import send_alerts
from jobs.steps.export import export_metrics
from jobs.steps.measure import Work, measure
from jobs.steps.options import Job
from jobs.steps.report import measurements
from jobs.steps.site import copy_site, write_site
from jobs.steps.summary import docs_of, summaries, summary_of
from jobs.steps.traced import traced
from lib.lake import metrics, runs
from lib.lake.runs import Run
from lib.observe.anomalies import Past, judged
from lib.observe.logs import LOGGER
from lib.observe.metrics import Measurement, from_record, to_record

log = logging.getLogger(LOGGER)
T = TypeVar("T")
# Runs that a measurement is judged by, itself included: two months of daily ones, so that each weekday has come often enough.
HISTORY = 60
KILLED = "was killed, or its machine went down: it left no end"


def observe(job: Job, run: Run, work: Work) -> None:
    """Tell everyone who wants to know how a run ended. What fails of that is logged, and changes nothing else."""
    summary = summary_of(run, _tried("looking for the run's docs", lambda: docs_of(job.layout, run)))
    measured = _tried("measuring the run", lambda: _measured(job, run, work, succeeded=summary.outcome.is_good))
    _tried("exporting metrics", lambda: export_metrics(job, summary, measured or []))
    _tried("sending alerts", lambda: send_alerts(job, summary, measured or [], datetime.now(UTC)))
    _tried("writing the site's pages", lambda: write_site(job))
    _tried("copying the site", lambda: copy_site(job))


def close_killed(job: Job, run: Run) -> None:
    """Give an end to every run that was killed. Nobody else is at work on the lake, and `run` is about to start."""
    for known in runs.without_end(job.layout):
        if known.run_id != run.run_id:
            known.ended_at, known.message = datetime.now(UTC), KILLED
            if known.state == runs.RUNNING:
                known.state = runs.FAILED
            known.save(job.layout)
            job.steps.note(f"run {known.run_id} {KILLED}")
            observe(job, known, Work(known.started_at))


def _measured(job: Job, run: Run, work: Work, *, succeeded: bool) -> list[Measurement]:
    """What was measured of the run, judged by the runs before it, and recorded.

    What an earlier process measured of the same run (one that was resumed, or is checked apart) stays, unless it is measured anew.
    """
    layout = job.layout
    before = summaries(layout, HISTORY)
    known = measurements(layout, before)
    mine = [from_record(record) for record in metrics.of_run(layout, run.run_id)]
    anew = measure(job.source, layout, run, work, succeeded=succeeded)
    series = {one.series for one in anew}
    kept = [one for one in mine if one is not None and one.series not in series]
    history = [Past(past.started_at, known[past.run_id]) for past in before if past.run_id != run.run_id]
    found = judged([*kept, *anew], run.started_at, history)
    metrics.save(layout, run.run_id, run.started_at, [to_record(one) for one in found])
    return found


def _tried(what: str, step: Callable[[], T]) -> T | None:
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - it is told, and ends nothing
        # Whatever it is: nothing that goes wrong here may change how the run ends.
        log.warning("%s failed (%s); the run is as it would have been", what, type(error).__name__)
        log.debug("%s", "\n".join([what, *traced(error)]))
        return None
