"""What is exported at one time, the same for every sink."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lib.observe.metrics import Measurement
from lib.observe.outcome import Outcome, RunSummary
from lib.observe.tasks import TaskEnd


@dataclass(frozen=True)
class Batch:
    """The finite measurements of one run, or of one task or run of a DAG, and the time `at` that they stand for.

    Of a run: how it ended, and when a run of the source was last good (None: never). Of a task: its `group`, by which Prometheus
    holds it beside the run and the other tasks of the source.
    """

    source: str
    at: datetime
    measured: tuple[Measurement, ...]
    outcome: Outcome | None = None
    last_success: datetime | None = None
    group: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, summary: RunSummary, measured: Iterable[Measurement], last_success: datetime | None) -> Batch:
        """The batch of a run, at its end, or its start if it has no end yet.

        The end of a good run is the last success itself, whatever `last_success` says.
        """
        at = summary.ended_at or summary.started_at
        since = at if summary.outcome.is_good else last_success
        return cls(summary.source, at, _finite(measured), summary.outcome, since)

    @classmethod
    def of_task(cls, source: str, end: TaskEnd, measured: Iterable[Measurement]) -> Batch:
        """The batch of a task or of a run of a DAG."""
        return cls(source, end.ended_at, _finite(measured), group=end.group)

    def labels(self, one: Measurement) -> dict[str, str]:
        """What tells the measurement apart from others of its metric: source, table, and the metric's own labels."""
        labels = {"source": self.source}
        if one.series.table is not None:
            labels["table"] = one.series.table
        names = one.series.metric.about.labels
        if names and one.series.label is not None:
            labels |= zip(names, one.series.label.split("/", len(names) - 1), strict=True)
        return labels


def _finite(measured: Iterable[Measurement]) -> tuple[Measurement, ...]:
    return tuple(one for one in measured if math.isfinite(one.value))
