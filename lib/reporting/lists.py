"""How a build of lists ends: measured, and told to everyone who follows the run whose tables the lists were made from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from deltalake.exceptions import DeltaError

from lib.errors import ConfigError
from lib.lake import metrics
from lib.lake.decisions import Decision
from lib.lake.layout import Layout
from lib.lake.runs import Run
from lib.logs import LOGGER
from lib.observe.measure import Work
from lib.observe.metrics import Measurement, Metric, Series, from_record
from lib.recommend.list_numbers import ListNumbers
from lib.recommend.need import Fallen
from lib.reporting.observe import Watch, observe

log = logging.getLogger(LOGGER)


@dataclass
class Found:
    """What a build has come to by now: its numbers, a sentence on each model that cannot be used, whether it is published."""

    numbers: ListNumbers | None = None
    unusable: Sequence[str] = ()
    is_published: bool = False


@contextmanager
def lists_observed(watch: Watch, run: Run, name: str, at: datetime) -> Iterator[Found]:
    """Tell how a build of lists ended, before whatever ended it is raised. The job of that `name` began `at` that time.

    A build that was stopped, or had a mistake in its settings, says nothing of the lists.
    """
    found, is_told = Found(), True
    try:
        yield found
    except (ConfigError, KeyboardInterrupt, SystemExit):
        is_told = found.is_published
        raise
    finally:
        ended = [Measurement(Series(Metric.LISTS_BUILT), float(found.is_published))] if is_told else []
        with watch.steps.step("observe"):
            observe(watch, run, Work(at, datetime.now(UTC), name), [*ended, *measurements_of(found)])


def measurements_of(found: Found) -> list[Measurement]:
    """What a build has found out as measurements of its run."""
    numbers = found.numbers
    if numbers is None:
        return []
    by_label = {
        Metric.MODEL_NDCG: numbers.ndcg,
        Metric.HIT_RATE: numbers.hit_rate,
        Metric.COVERAGE: numbers.coverage,
        Metric.BY_RULE: numbers.by_rule,
        Metric.DRIFT: numbers.drift,
    }
    measured = [
        Measurement(Series(metric, None, label), value)
        for metric, values in by_label.items()
        for label, value in values.items()
    ]
    measured.append(Measurement(Series(Metric.UNUSABLE), float(len(found.unusable))))
    if numbers.training_age_s is not None:
        measured.append(Measurement(Series(Metric.TRAINING_AGE), numbers.training_age_s))
    return measured


def fallen_since(layout: Layout, training: Decision | None) -> list[Fallen]:
    """The lists whose last hit rate is an anomaly; none where no lists from after the last training were measured yet.

    The first hit rate after a training is still that of the lists from before it.
    """
    if training is None:
        return []
    of_list: dict[str, list[Measurement]] = {}
    try:
        records = metrics.since(layout, training.decided_at)
    except (OSError, pa.ArrowException, DeltaError) as error:
        log.warning(
            "%s cannot be read (%s), so a low hit rate cannot ask for a training", layout.metrics, type(error).__name__
        )
        return []
    for record in records:
        one = from_record(record)
        if one is not None and one.series.metric is Metric.HIT_RATE:
            of_list.setdefault(one.series.label or "", []).append(one)
    last = {name: ones[-1] for name, ones in of_list.items() if len(ones) > 1}
    return [
        Fallen(name, one.value, one.low) for name, one in sorted(last.items()) if one.is_anomaly and one.low is not None
    ]
