"""What the charts of the last runs show: which measurements, as which series, and how anomalies are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import RunSummary
from lib.observe.vega import COLOURS, OTHERS, Spec, are_unlike, plot
from lib.observe.words import amount, anomaly, plain, said

# Fewer runs than that make no chart: their numbers are shown.
FEWEST_RUNS = 5


@dataclass(frozen=True)
class Chart:
    """One chart. `name` is an id for the page, `says` a sentence below the title.

    Without a `spec` it has `numbers`: for each series its name, and a text for each of the runs `heads`. Where all are 0 it has
    neither, and its sentence says so.
    """

    name: str
    title: str
    says: str
    spec: Spec | None = None
    heads: tuple[str, ...] = ()
    numbers: tuple[tuple[str, tuple[str, ...]], ...] = ()


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
    _Shown("rows", "Landed rows", "Rows that arrived, by table.", Metric.ROWS, _table, is_stack=False),
    _Shown("seconds", "Time by step", "How long the steps of the job took.", Metric.STEP_SECONDS, _label),
    _Shown("rejected", "Rejected rows", "Landed rows in quarantine, by table.", Metric.REJECTED, _table),
    _Shown("duplicates", "Duplicate rows", "Landed rows that repeat a key, by table.", Metric.DUPLICATES, _table),
    _Shown("orphans", "Orphans", "References to a row that does not exist, by reference.", Metric.ORPHANS, _reference),
    _Shown(
        *("latency", "Latency of the API", "How long an answer took, by quantile; of the slowest table."),
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

    Of fewer runs than `FEWEST_RUNS`, and where all is 0, there is no picture.

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
            if not any(point["end"] or "anomalies" in point for point in points):
                made.append(Chart(shown.name, shown.title, f"{shown.says} All are 0."))
                continue
            if len(summaries) < FEWEST_RUNS:
                heads = tuple(f"{one.started_at:%m-%d %H:%M}" for one in summaries)
                made.append(Chart(shown.name, shown.title, shown.says, None, heads, _numbers(shown, list(keys), found)))
                continue
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


def _numbers(shown: _Shown, run_ids: Sequence[str], found: _Found) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """For each series what it is in each run, as text; empty where it was not measured."""
    unit = shown.metric.about.unit

    def text(ones: Sequence[Measurement]) -> str:
        if not ones:
            return ""
        value = plain(_value(shown, ones), unit)
        return f"{value} (anomaly)" if any(one.is_anomaly for one in ones) else value

    return tuple(
        (name, tuple(text(found.get((run_id, name), ())) for run_id in run_ids))
        for name in _in_order(name for _, name in found)
    )


def _value(shown: _Shown, ones: Sequence[Measurement]) -> float:
    return max(one.value for one in ones) if shown.is_greatest else sum(one.value for one in ones)


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(set(names), key=lambda name: (name == OTHERS, name))


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
    names = _in_order(name for _, name in found)
    points: list[Spec] = []
    ends = dict.fromkeys(keys, 0.0)
    for run_id, name in sorted(found, key=lambda pair: (list(keys).index(pair[0]), names.index(pair[1]))):
        ones = found[run_id, name]
        value = _value(shown, ones)
        worst = max(ones, key=lambda one: one.value)
        words = said(worst) if shown.is_greatest or len(ones) == 1 else amount(value, shown.metric.about.unit)
        whose = f"{words} ({worst.series.table})" if shown.is_greatest and worst.series.table else words
        start = ends[run_id] if shown.is_stack else 0.0
        ends[run_id] = start + value
        point = {"run": keys[run_id], "series": name, "start": start, "end": ends[run_id], "said": whose}
        anomalies = "; ".join(anomaly(one) for one in ones if one.is_anomaly)
        points.append({**point, "anomalies": anomalies} if anomalies else point)
    return points
