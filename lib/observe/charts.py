"""What the charts of the last runs show: which measurements, as which series, and how anomalies are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import RunSummary
from lib.observe.vega import COLOURS, OTHERS, Spec, are_unlike, plot
from lib.observe.words import amount, anomaly, said


@dataclass(frozen=True)
class Chart:
    """One chart. `name` is an id for the page, `says` a sentence below the title."""

    name: str
    title: str
    says: str
    spec: Spec


@dataclass(frozen=True)
class _Shown:
    """Which measurements a chart shows, as which series. Several in one series are added up, or the greatest is taken."""

    name: str
    title: str
    says: str
    metric: Metric
    series: Callable[[Series], str]
    is_stack: bool = True
    is_greatest: bool = False


_Found = dict[tuple[str, str], list[Measurement]]


def _table(series: Series) -> str:
    return str(series.table)


def _label(series: Series) -> str:
    return str(series.label)


def _reference(series: Series) -> str:
    return f"{series.table}: {series.label}" if series.label else str(series.table)


_SHOWN = (
    _Shown("rows", "Rows by table", "Rows landed.", Metric.ROWS, _table, is_stack=False),
    _Shown("seconds", "Seconds by step", "What the steps of the job took.", Metric.STEP_SECONDS, _label),
    _Shown("rejected", "Rejected rows", "Rows put into quarantine, by table.", Metric.REJECTED, _table),
    _Shown("duplicates", "Duplicates", "Rows that repeat a key, by table.", Metric.DUPLICATES, _table),
    _Shown("orphans", "Orphans", "Pointers at no row, by reference.", Metric.ORPHANS, _reference),
    _Shown(
        *("latency", "Latency of the API", "Seconds an answer took, by quantile; of the slowest table."),
        *(Metric.LATENCY, _label),
        is_stack=False,
        is_greatest=True,
    ),
    _Shown(
        *("ndcg", "NDCG@10 of the models", "Of the model that serves each list, as the last training measured it."),
        *(Metric.MODEL_NDCG, _label),
        is_stack=False,
    ),
    _Shown(
        *(
            "hit-rate",
            "Hit rate of the lists",
            "Of those who played anything, the share who played an item of their list.",
        ),
        *(Metric.HIT_RATE, _label),
        is_stack=False,
    ),
    _Shown(
        *("coverage", "Coverage of the lists", "The share of the live items that each list has for anybody."),
        *(Metric.COVERAGE, _label),
        is_stack=False,
    ),
    _Shown(
        *(
            "drift",
            "Drift of the plays",
            "Population stability index since the last training: above 0.25, much has moved.",
        ),
        *(Metric.DRIFT, _label),
        is_stack=False,
    ),
)


def charts(summaries: Sequence[RunSummary], measured: Mapping[str, Sequence[Measurement]]) -> list[Chart]:
    """The charts of these runs, oldest first. `measured` is by run id; a chart without any measurement is left out.

    In every datum `run` is the run's start and its id with a space between, so that the id is the last word.
    """
    keys = {one.run_id: f"{one.started_at:%Y-%m-%d %H:%M:%S} {one.run_id}" for one in summaries}
    # What went wrong is drawn last, above its neighbours where columns are narrow.
    in_order = sorted(summaries, key=lambda one: not one.outcome.is_good)
    outcomes = [{"run": keys[one.run_id], "outcome": one.outcome.value} for one in in_order]
    made = []
    for shown in _SHOWN:
        found = _folded(_found(shown, list(keys), measured))
        if found:
            points = _points(shown, keys, found)
            is_log = shown.metric is Metric.ROWS and are_unlike(points)
            says = f"{shown.says} Logarithmic." if is_log else shown.says
            unit = shown.metric.about.unit
            spec = plot(
                list(keys.values()), outcomes, points, is_stack=shown.is_stack, is_logarithmic=is_log, unit=unit
            )
            made.append(Chart(shown.name, shown.title, says, spec))
    return made


def _found(shown: _Shown, run_ids: Sequence[str], measured: Mapping[str, Sequence[Measurement]]) -> _Found:
    found: _Found = {}
    for run_id in run_ids:
        for one in measured.get(run_id, ()):
            if one.series.metric is shown.metric:
                found.setdefault((run_id, shown.series(one.series)), []).append(one)
    return found


def _folded(found: _Found) -> _Found:
    """The same with the smallest series as one, where there are more series than colours."""
    totals: dict[str, float] = {}
    for (_, name), ones in found.items():
        totals[name] = totals.get(name, 0) + sum(one.value for one in ones)
    if len(totals) <= len(COLOURS):
        return found
    kept = sorted(totals, key=lambda name: -totals[name])[: len(COLOURS) - 1]
    folded: _Found = {}
    for (run_id, name), ones in found.items():
        folded.setdefault((run_id, name if name in kept else OTHERS), []).extend(ones)
    return folded


def _points(shown: _Shown, keys: Mapping[str, str], found: _Found) -> list[Spec]:
    """One datum for each run and series, which reaches from `start` to `end`: 0 to its value, but in a stack."""
    names = sorted({name for _, name in found} - {OTHERS}) + [OTHERS] * any(name == OTHERS for _, name in found)
    points: list[Spec] = []
    ends = dict.fromkeys(keys, 0.0)
    for run_id, name in sorted(found, key=lambda pair: (list(keys).index(pair[0]), names.index(pair[1]))):
        ones = found[run_id, name]
        value = max(one.value for one in ones) if shown.is_greatest else sum(one.value for one in ones)
        worst = max(ones, key=lambda one: one.value)
        words = said(worst) if shown.is_greatest or len(ones) == 1 else amount(value, shown.metric.about.unit)
        whose = f"{words} ({worst.series.table})" if shown.is_greatest and worst.series.table else words
        start = ends[run_id] if shown.is_stack else 0.0
        ends[run_id] = start + value
        point = {"run": keys[run_id], "series": name, "start": start, "end": ends[run_id], "said": whose}
        anomalies = "; ".join(anomaly(one) for one in ones if one.is_anomaly)
        points.append({**point, "anomalies": anomalies} if anomalies else point)
    return points
