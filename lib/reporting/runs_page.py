"""runs.html, from what the lake's records say of the last runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lib.lake import site_folder as site
from lib.lake.checks import ROLLED_BACK, checks_since
from lib.lake.layout import Layout
from lib.lake.publications import restorations
from lib.observe.charts import charts
from lib.observe.metrics import Measurement, Metric
from lib.observe.outcome import RunSummary
from lib.observe.summaries import measurements, seconds_of, summaries
from lib.observe.vega import MARKS
from lib.observe.words import amount, anomaly, expected, plain
from lib.quality.counts import Counts
from lib.quality.docs import copy_assets
from lib.reporting import pages
from lib.reporting.card import Serving
from lib.reporting.model_cards import has_cards
from lib.reporting.pages import Site
from lib.reporting.report import Cell, Figure, Mark, NumbersGroup, NumbersRow, Report, RunSection

OF_THE_RUN = "the run"
# By the first part of a metric's name.
_GROUPS = {
    "copy": "Fetching and landing",
    "quality": "Data and checks",
    "run": "The whole run",
    "spark": "Spark",
    "lake": "Files of the tables",
    "recommend": "Recommendations",
}


def write_report(of: Site, kept: Collection[str], serving: Sequence[Serving] = ()) -> RunSummary | None:
    """Write runs.html: the last runs, whatever became of them, and what was measured of each. To be called once a run has its end.

    `kept` are the docs that are linked, `serving` says who serves each list of recommendations. The cost is that of these runs,
    however old the lake. Returns the latest run.

    Raises:
        LakeError: files of the site's assets are missing.
    """
    runs = summaries(of.layout, pages.LAST)
    # With fewer runs than that, all of the lake's checks have their place.
    first = runs[0].number if len(runs) == pages.LAST else 0
    measured = measurements(of.layout, runs)
    report = _report(of.layout, of.assets, runs, measured)
    lines = _lines(of.layout, runs, first, kept)
    lake = str(of.layout.root)
    text = pages.render_runs(of.source.source, lines, report, has_models=has_cards(of), serving=serving, lake=lake)
    site.write_page(of.layout.site, "runs.html", text)
    return runs[-1] if runs else None


def _lines(layout: Layout, runs: Sequence[RunSummary], first: int, kept: Collection[str]) -> list[pages.RunLine]:
    checks = checks_since(layout, first)
    has_rollback = any(check.outcome == ROLLED_BACK for check in checks)
    restored = restorations(layout) if has_rollback else {}
    docs = {check.docs_id: restored.get(check.docs_id, check.docs_id) for check in checks}
    checked = {check.run_id for check in checks if check.outcome != ROLLED_BACK}
    lines = [
        pages.RunLine(
            run_id=check.run_id,
            docs_id=docs[check.docs_id] if docs[check.docs_id] in kept else "",
            checked_at=check.checked_at,
            outcome=check.outcome,
            counts=Counts.recorded(check),
            rows=check.rows,
            # The lines of a check that failed have the names that its message has.
            message=None if check.lines and check.outcome != "published" else check.message,
            place=(check.last_run, check.number),
            failures=check.lines or (),
        )
        for check in checks
    ]
    lines += [
        pages.RunLine(
            run_id=run.run_id,
            docs_id="",
            checked_at=run.started_at,
            outcome=run.outcome.value,
            counts=None,
            rows=None,
            message=run.headline if run.reasons else run.message,
            place=(run.number, 0),
            failures=run.first_reasons,
        )
        for run in runs
        if run.run_id not in checked
    ]
    return lines


def _report(
    layout: Layout, assets: Path | None, runs: Sequence[RunSummary], measured: Mapping[str, Sequence[Measurement]]
) -> Report:
    figures = tuple(Figure(**vars(chart)) for chart in charts(runs, measured))
    outcomes = {run.outcome for run in runs}
    known = {one.series.metric for ones in measured.values() for one in ones}
    return Report(
        sections=tuple(_section(run, measured[run.run_id]) for run in reversed(runs)),
        figures=figures,
        marks=tuple(Mark(outcome.value, **vars(mark)) for outcome, mark in MARKS.items() if outcome in outcomes),
        metrics={metric.about.name: metric.about.says for metric in Metric if metric in known},
        assets_href=copy_assets(assets, layout.site) if assets and any(one.spec for one in figures) else "",
    )


def _section(run: RunSummary, measured: Sequence[Measurement]) -> RunSection:
    columns, rows = _numbers(measured)
    seconds = seconds_of(run, measured)
    return RunSection(
        run_id=run.run_id,
        started_at=run.started_at,
        outcome=run.outcome.value,
        seconds="" if seconds is None else amount(seconds, "s"),
        message=run.message,
        anomalies=tuple(anomaly(one) for one in measured if one.is_anomaly),
        columns=columns,
        numbers=rows,
    )


def _numbers(measured: Sequence[Measurement]) -> tuple[tuple[str, ...], tuple[NumbersGroup, ...]]:
    """A row for each metric and label, in groups, and a column for the run and each of its tables."""
    tables = dict.fromkeys(one.series.table for one in measured if one.series.table is not None)
    whole = [None] if any(one.series.table is None for one in measured) else []
    columns: list[str | None] = [*whole, *tables]
    order = {metric: place for place, metric in enumerate(Metric)}
    cells: dict[tuple[Metric, str], dict[str | None, Cell]] = {}
    telling: set[tuple[Metric, str]] = set()
    for one in sorted(measured, key=lambda one: order[one.series.metric]):
        unit = one.series.metric.about.unit
        cell = Cell(plain(one.value, unit), expected(one), one.is_anomaly)
        key = one.series.metric, one.series.label or ""
        cells.setdefault(key, {})[one.series.table] = cell
        if one.value or one.is_anomaly:
            telling.add(key)
    groups: dict[str, tuple[list[NumbersRow], list[NumbersRow]]] = {}
    for (metric, label), found in cells.items():
        name = metric.about.name
        rows, zeros = groups.setdefault(_GROUPS.get(name.partition(".")[0], name), ([], []))
        row = NumbersRow(name, _labelled(metric, label), tuple(found.get(column) for column in columns))
        (rows if (metric, label) in telling else zeros).append(row)
    heads = tuple(OF_THE_RUN if column is None else column for column in columns)
    return heads, tuple(NumbersGroup(name, tuple(rows), tuple(zeros)) for name, (rows, zeros) in groups.items())


def _labelled(metric: Metric, label: str) -> str:
    return f"{metric.about.label}: {label}" if label and metric.about.label else label
