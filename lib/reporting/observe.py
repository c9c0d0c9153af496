"""Observe: measure a run, judge, record, export, alert, show; whatever happened, and without a say in how the run ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from lib.console import Steps, number_of
from lib.lake import metrics, runs
from lib.lake.runs import Run
from lib.lake.states import RunState
from lib.logs import LOGGER
from lib.observe.alerting import Notifier, send_alerts
from lib.observe.anomalies import Past, judged
from lib.observe.export import export_run
from lib.observe.measure import Work, measure
from lib.observe.metrics import Measurement, from_record, to_record
from lib.observe.outcome import RunSummary
from lib.observe.summaries import docs_of, measurements, summaries, summary_of
from lib.reporting.mirror import mirror
from lib.reporting.pages import Site
from lib.reporting.site import write_site
from lib.reporting.traced import traced

log = logging.getLogger(LOGGER)
T = TypeVar("T")
# Runs that a measurement is judged by, itself included: two months of daily ones, so that each weekday has come often enough.
HISTORY = 60
KILLED = "was killed, or its machine stopped: it recorded no end"


@dataclass(frozen=True)
class Watch:
    """Who is to know how the runs of a lake end: its site, a notifier (None without rules), and who follows this process."""

    site: Site
    notifier: Notifier | None
    steps: Steps


def observe(watch: Watch, run: Run, work: Work, also: Sequence[Measurement] = ()) -> None:
    """Tell everyone who wants to know how a run ended. What fails of that is logged, and changes nothing else.

    `also` is what the caller measured of it.
    """
    source, layout = watch.site.source, watch.site.layout
    summary = summary_of(run, _tried("looking for the run's docs", lambda: docs_of(layout, run)))
    measured = _tried("measuring the run", lambda: _measured(watch, run, work, also, succeeded=summary.outcome.is_good))
    _tried("exporting metrics", lambda: export_run(source.metrics, layout, summary, measured or []))
    _tried("sending alerts", lambda: send_alerts(watch.notifier, summary, measured or [], datetime.now(UTC)))
    _tried("writing the site's pages", lambda: write_site(watch.site))
    _tried("copying the site", lambda: copy_site(watch))


def close_killed(watch: Watch, run: Run) -> None:
    """Give an end to every run that was killed. Nobody else is at work on the lake, and `run` is about to start."""
    layout = watch.site.layout
    for known in runs.without_end(layout):
        if known.run_id != run.run_id:
            known.ended_at, known.message = datetime.now(UTC), KILLED
            if known.state == runs.RUNNING:
                known.to(RunState.FAILED)
            known.save(layout)
            watch.steps.note(f"run {known.run_id} {KILLED}")
            observe(watch, known, Work(known.started_at))


def _measured(watch: Watch, run: Run, work: Work, also: Sequence[Measurement], *, succeeded: bool) -> list[Measurement]:
    """What was measured of the run, judged by the runs before it, and recorded.

    What an earlier process measured of the same run (one that was resumed, or is checked apart) stays, unless it is measured anew.
    """
    layout = watch.site.layout
    before = summaries(layout, HISTORY)
    known = measurements(layout, before)
    mine = [from_record(record) for record in metrics.of_run(layout, run.run_id)]
    anew = [*measure(watch.site.source, layout, run, work, succeeded=succeeded), *also]
    series = {one.series for one in anew}
    kept = [one for one in mine if one is not None and one.series not in series]
    asked = runs.asked_by_run(layout, HISTORY)
    own = {name: table.asked for name, table in run.tables.items() if table.is_increment}
    history = [
        Past(past.started_at, _comparable(known[past.run_id], asked.get(past.run_id, {}), own))
        for past in _before(before, run)
    ]
    found = judged([*kept, *anew], run.started_at, history, in_order=True)
    metrics.save(layout, run.run_id, run.started_at, [to_record(one) for one in found])
    return found


def _comparable(measured: Sequence[Measurement], asked: Mapping[str, str], own: Mapping[str, str]) -> list[Measurement]:
    """What another run measured of tables that it asked for the same: an increment is no table that has shrunk.

    Of a run as a whole nothing, where it asked any table for something else.
    """
    return [
        one
        for one in measured
        if (asked == own if one.series.table is None else asked.get(one.series.table) == own.get(one.series.table))
    ]


def copy_site(watch: Watch) -> None:
    """Bring the copy of the site up to date, where the source YAML asks for one.

    Raises:
        LakeError: it could not be written.
    """
    publish_to = watch.site.source.site.publish_to
    if publish_to is not None:
        with watch.steps.step("copy site") as step:
            step.result = number_of(mirror(watch.site.layout.site, publish_to), "file")


def _before(summaries: Sequence[RunSummary], run: Run) -> list[RunSummary]:
    """The runs that came before this one, in their order."""
    ids = [one.run_id for one in summaries]
    return list(summaries[: ids.index(run.run_id)] if run.run_id in ids else summaries)


def _tried(what: str, step: Callable[[], T]) -> T | None:
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - it is told, and ends nothing
        # Whatever it is: nothing that goes wrong here may change how the run ends.
        log.warning("%s failed (%s); the run itself is not affected", what, type(error).__name__)
        log.debug("%s", "\n".join([what, *traced(error)]))
        return None
