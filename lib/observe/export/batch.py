"""What is exported of one run, the same for every sink."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lib.observe.metrics import Measurement
from lib.observe.outcome import RunSummary


@dataclass(frozen=True)
class Batch:
    """One run: how it ended, its finite measurements, and when a run of the source was last good (None: never)."""

    summary: RunSummary
    measured: tuple[Measurement, ...]
    last_success: datetime | None

    @classmethod
    def of(cls, summary: RunSummary, measured: Iterable[Measurement], last_success: datetime | None) -> Batch:
        """The batch of a run. The end of a good run is the last success itself, whatever `last_success` says."""
        finite = tuple(one for one in measured if math.isfinite(one.value))
        good = summary.outcome.is_good
        return cls(summary, finite, (summary.ended_at or summary.started_at) if good else last_success)

    @property
    def at(self) -> datetime:
        """The time that the values stand for: the end of the run, its start if it has no end yet."""
        return self.summary.ended_at or self.summary.started_at

    def labels(self, one: Measurement) -> dict[str, str]:
        """What tells the measurement apart from others of its metric: source, table, and the metric's own label."""
        labels = {"source": self.summary.source}
        if one.series.table is not None:
            labels["table"] = one.series.table
        if one.series.metric.about.label is not None and one.series.label is not None:
            labels[one.series.metric.about.label] = one.series.label
        return labels
