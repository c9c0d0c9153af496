"""Sends the metrics of a run to where the source YAML says."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from deltalake.exceptions import DeltaError

from jobs.steps.options import Job
from jobs.steps.summary import last_success
from lib.observe.export import export
from lib.observe.logs import LOGGER
from lib.observe.metrics import Measurement
from lib.observe.outcome import RunSummary

log = logging.getLogger(LOGGER)


def export_metrics(job: Job, summary: RunSummary, measured: Sequence[Measurement]) -> list[str]:
    """Send what was measured of a run to every sink of `metrics:`; one sentence for each that failed, also logged as a warning.

    Takes `metrics.timeout_s` seconds at most, and a look at `ops/runs` where Prometheus is told of a run that failed.
    """
    settings = job.source.metrics
    problems: list[str] = []
    since = None
    if not summary.outcome.is_good and (settings.prometheus_file or settings.pushgateway):
        try:
            since = last_success(job.layout, summary)
        except (DeltaError, OSError) as error:
            problems.append(f"when a run was last good is not exported, as {job.layout.runs} cannot be read: {error}")
    problems += export(settings, summary, measured, since)
    for problem in problems:
        log.warning(problem)
    return problems
