"""Sends the metrics of a run to where the source YAML says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from deltalake.exceptions import DeltaError

from jobs.steps.options import Job
from lib.lake import runs
from lib.observe.export import export
from lib.observe.logs import LOGGER
from lib.observe.metrics import Measurement
from lib.observe.outcome import RunSummary, outcome_of

log = logging.getLogger(LOGGER)


def export_metrics(job: Job, summary: RunSummary, measured: Sequence[Measurement]) -> list[str]:
    """Send what was measured of a run to every sink of `metrics:`; one sentence for each that failed, also logged as a warning.

    Takes `metrics.timeout_s` seconds at most, and a look at `ops/runs` where Prometheus is told of a run that failed.
    """
    settings = job.source.metrics
    problems: list[str] = []
    last_success = None
    if not summary.outcome.is_good and (settings.prometheus_file or settings.pushgateway):
        try:
            last_success = _last_success(job, summary)
        except (DeltaError, OSError) as error:
            problems.append(f"when a run was last good is not exported, as {job.layout.runs} cannot be read: {error}")
    problems += export(settings, summary, measured, last_success)
    for problem in problems:
        log.warning(problem)
    return problems


def _last_success(job: Job, summary: RunSummary) -> datetime | None:
    """The end of the last good run other than this one, None where there is none."""
    ends = runs.last_ends(job.layout, but_of=summary.run_id)
    return max((at for state, status, at in ends if outcome_of(state, status, ended=True).is_good), default=None)
