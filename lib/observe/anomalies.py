"""Judges what a run measured against what the runs before it measured: what was to be expected, and what is an anomaly.

Four ways to explain a series are tried: a level, a trend, a level for each weekday, and both. The simplest one counts, unless
another explains the series clearly better. What is normal is a median and a spread, so that no single anomalous run moves it much:

- The spread is the median absolute deviation times 1.4826, which makes it a standard deviation where values are normally
  distributed: Leys et al. (2013), "Detecting outliers: Do not use standard deviation around the mean, use absolute deviation
  around the median", J. Exp. Soc. Psychol. 49(4).
- A value is an anomaly from 3.5 such deviations on: Iglewicz & Hoaglin (1993), "How to Detect and Handle Outliers". Their modified
  z-score, 0.6745 (x - median) / MAD, is the same number, as 0.6745 = 1 / 1.4826.
- The slope of a trend is the median of the slopes of all pairs: Sen (1968), "Estimates of the regression coefficient based on
  Kendall's tau", JASA 63. With weekdays, of all pairs of one weekday: Hirsch, Slack & Smith (1982), "Techniques of trend
  analysis for monthly water quality data", Water Resources Research 18(1).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from statistics import fmean, median

from lib.observe.metrics import Bad, Measurement, Metric, Series

MOST_RUNS = 28
"""A level or a trend is that of so many runs, four weeks of daily ones."""
FEWEST_RUNS = 7
"""With fewer runs before it, nothing is an anomaly."""
FEWEST_OF_WEEKDAY = 2
"""Nor with fewer runs on the same weekday: a first Sunday is compared with nothing."""
_OF_WEEKDAY = MOST_RUNS // 7
_FEWEST_FOR_TREND = 14
_DEVIATIONS = 3.5
_SCALED_MAD = 1.4826
# How much smaller the mean error must become before a richer explanation is taken: noise alone gives a trend some 5 % and
# weekdays some 30 %.
_BETTER_TREND, _BETTER_WEEKDAYS = 0.8, 0.5
# A line that has come from less than this part of what it has now is too steep to be carried on.
_LEAST_PART = 0.2


@dataclass(frozen=True)
class Past:
    """What an earlier run measured. `started_at` has a time zone."""

    started_at: datetime
    measured: Sequence[Measurement]


@dataclass(frozen=True)
class _Floor:
    """How far from the expected value nothing is an anomaly, however steady the series was.

    The greater of `share` of the value and `least + by_root * sqrt(value)`, in the metric's unit.
    """

    share: float
    least: float
    by_root: float = 0

    def around(self, centre: float) -> float:
        return max(self.share * abs(centre), self.least + self.by_root * math.sqrt(abs(centre)))


# Things counted one by one vary by the root of their number (Poisson) even where nothing changed.
_COUNTS = _Floor(share=0.35, least=3, by_root=3)
_MEMORY = _Floor(share=0.35, least=64e6)
_SHARE = _Floor(share=0.2, least=0.02)
_BY_UNIT = {
    # Durations are skewed: on a busy machine one in a thousand takes twice as long for no reason.
    "s": _Floor(share=1.5, least=2),
    "By": _Floor(share=0.35, least=100_000),
    "{row}/s": _Floor(share=0.5, least=10),
    "1": _Floor(share=0.3, least=0.5),
}
_BY_METRIC = {
    Metric.LATENCY: _Floor(share=1.5, least=0.25),
    Metric.FRESHNESS: _Floor(share=0.5, least=3600),
    Metric.PEAK_MEMORY: _MEMORY,
    Metric.SHUFFLED: _MEMORY,
    Metric.SPILLED: _MEMORY,
    **dict.fromkeys((Metric.MODEL_NDCG, Metric.HIT_RATE, Metric.COVERAGE, Metric.BY_RULE), _SHARE),
    Metric.DRIFT: _Floor(share=1, least=0.1),
}


def judged(
    now: Sequence[Measurement], at: datetime, history: Sequence[Past], *, in_order: bool = False
) -> list[Measurement]:
    """The measurements of the run that started `at`, in their order, with `low`, `high`, `score` and `is_anomaly`.

    Only runs of `history` that started before `at` count, in any order; or, if they are told to be `in_order`, all of them,
    whatever their times say. `low`, `high` and `score` stay None where the history is too short: fewer than `FEWEST_RUNS` runs
    with that series, or fewer than `FEWEST_OF_WEEKDAY` of them on the weekday (UTC).
    """
    before: dict[Series, list[tuple[int, float]]] = defaultdict(list)
    if not in_order:
        history = sorted((past for past in history if past.started_at < at), key=lambda past: past.started_at)
    for past in history:
        for one in past.measured:
            if math.isfinite(one.value):
                before[one.series].append((_weekday(past.started_at), one.value))
    return [_judged(one, _weekday(at), before[one.series]) for one in now]


def _weekday(at: datetime) -> int:
    return at.astimezone(UTC).weekday()


def _judged(one: Measurement, today: int, before: list[tuple[int, float]]) -> Measurement:
    days = [weekday for weekday, _ in before]
    if len(days) < FEWEST_RUNS or days.count(today) < FEWEST_OF_WEEKDAY or not math.isfinite(one.value):
        return replace(one, low=None, high=None, score=None, is_anomaly=False)
    expected = _expected([_Point(i - len(before), *pair) for i, pair in enumerate(before)], today)
    metric = one.series.metric
    floor = _BY_METRIC.get(metric) or _BY_UNIT.get(metric.about.unit, _COUNTS)
    width = max(_DEVIATIONS * expected.deviation, floor.around(expected.centre))
    low, high = expected.centre - width, expected.centre + width
    bad = {
        Bad.MORE: one.value > high,
        Bad.LESS: one.value < low,
        Bad.EITHER: not low <= one.value <= high,
        Bad.NEVER: False,
    }
    score = (one.value - expected.centre) / (width / _DEVIATIONS)
    # Nothing that is measured can be less than nothing.
    return replace(one, low=max(0.0, low), high=max(0.0, high), score=score, is_anomaly=bad[metric.about.bad])


@dataclass(frozen=True)
class _Point:
    """One earlier value: -1 for the last run, -2 for the one before it."""

    position: int
    weekday: int
    value: float


@dataclass(frozen=True)
class _Fit:
    """What a way to explain the series expects now, the deviation around it, and its mean error over the series."""

    centre: float
    deviation: float
    error: float


def _expected(points: list[_Point], today: int) -> _Fit:
    """The simplest fit that explains the series well."""
    recent = points[-MOST_RUNS:]
    plain = _fit_of_one(recent)
    week = _last_of_each_weekday(points)
    if len({point.weekday for point in week}) < 2:
        return plain
    by_weekday: dict[int, list[_Point]] = defaultdict(list)
    for point in week:
        by_weekday[point.weekday].append(point)
    weekly = _fit_with_or_without_trend(list(by_weekday.values()), by_weekday[today])
    plain_there = plain if week == recent else _fit_of_one(week)
    return weekly if weekly.error < _BETTER_WEEKDAYS * plain_there.error else plain


def _last_of_each_weekday(points: list[_Point]) -> list[_Point]:
    """The last four runs on each weekday that has enough of them: daily runs of four weeks."""
    kept = {
        point
        for weekday in range(7)
        for same in [[point for point in points if point.weekday == weekday]]
        if len(same) >= FEWEST_OF_WEEKDAY
        for point in same[-_OF_WEEKDAY:]
    }
    return [point for point in points if point in kept]


def _fit_of_one(points: list[_Point]) -> _Fit:
    return _fit_with_or_without_trend([points], points)


def _fit_with_or_without_trend(groups: list[list[_Point]], mine: list[_Point]) -> _Fit:
    flat = _fit(groups, mine, 0.0)
    if sum(map(len, groups)) < _FEWEST_FOR_TREND:
        return flat
    growths = [growth for group in groups for pair in combinations(group, 2) for growth in _growth(*pair)]
    growth = median(growths) if growths else 0.0
    if 1 + growth * min(point.position for group in groups for point in group) < _LEAST_PART:
        return flat
    sloped = _fit(groups, mine, growth)
    return sloped if sloped.error < _BETTER_TREND * flat.error else flat


def _growth(earlier: _Point, later: _Point) -> Iterator[float]:
    """The growth a run, as a part of what a line through the two points has now; nothing where that is not above 0."""
    now = earlier.value * later.position - later.value * earlier.position
    if now > 0:
        yield (later.value - earlier.value) / now


def _fit(groups: list[list[_Point]], mine: list[_Point], growth: float) -> _Fit:
    """Each group around its own median, once the growth is taken out of it; `mine` is the group of the run to be judged."""
    centre = _middle(mine, growth)
    middles = [_middle(group, growth) for group in groups]
    errors = [
        [abs(point.value / (1 + growth * point.position) - middle) for point in group]
        for group, middle in zip(groups, middles, strict=True)
    ]
    pooled = [error for group in errors for error in group]
    # A weekend with a third of the rows moves by a third of the rows, too.
    alike = pooled
    if min(middles) > 0:
        alike = [error * centre / middle for group, middle in zip(errors, middles, strict=True) for error in group]
    # Medians of a few values lie close to these values; so many degrees of freedom are lost.
    lost = len(groups) if len(groups) > 1 else 0
    widened = math.sqrt(len(pooled) / (len(pooled) - lost))
    return _Fit(centre, _SCALED_MAD * median(alike) * widened, fmean(pooled))


def _middle(group: list[_Point], growth: float) -> float:
    return median(point.value / (1 + growth * point.position) for point in group)
