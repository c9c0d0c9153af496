"""How the last runs ended and what was measured of them, for the report, `status`, alerts and exporters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lib.lake import metrics
from lib.lake.checks import ROLLED_BACK, checks_since
from lib.lake.layout import Layout
from lib.lake.lock import run_at_work
from lib.lake.runs import Run, last_ends, last_runs
from lib.lake.site_folder import docs_kept
from lib.observe.metrics import Measurement, Metric, from_record
from lib.observe.outcome import RunSummary, outcome_of


def summaries(layout: Layout, last: int) -> list[RunSummary]:
    """The last runs, oldest first, whatever became of them. Neither the number nor the age of other runs adds to the cost.

    A run without an end is `RUNNING` while it holds the lake's lock, and `KILLED` otherwise.
    """
    runs = last_runs(layout, last)
    if not runs:
        return []
    # A run may be checked long after it, never before.
    checks = checks_since(layout, runs[0].number)
    there = docs_kept(layout.site)
    docs: dict[str, str] = {}
    for check in checks:
        if check.outcome != ROLLED_BACK and check.docs_id in there:
            docs.setdefault(check.run_id, check.docs_id)
    at_work = run_at_work(layout) if any(run.ended_at is None for run in runs) else None
    return [_summary(run, docs.get(run.run_id), is_at_work=run.run_id == at_work) for run in runs]


def measurements(layout: Layout, runs: Sequence[RunSummary]) -> dict[str, list[Measurement]]:
    """What was measured of these runs, by run id. Metrics that this version does not know are left out."""
    found: dict[str, list[Measurement]] = {run.run_id: [] for run in runs}
    for record in metrics.since(layout, min(run.started_at for run in runs)) if runs else ():
        one = from_record(record)
        if one is not None and record["run_id"] in found:
            found[record["run_id"]].append(one)
    return found


def seconds_of(run: RunSummary, measured: Sequence[Measurement]) -> float | None:
    """What the run took, in seconds: of all its jobs, if that was measured; else from its start to its end."""
    by_job = [one.value for one in measured if one.series.metric is Metric.SECONDS]
    if by_job:
        return sum(by_job)
    return None if run.ended_at is None else (run.ended_at - run.started_at).total_seconds()


def summary_of(run: Run, docs_id: str | None) -> RunSummary:
    """One run that has ended, by its record in memory and the id of its docs."""
    return _summary(run, docs_id, is_at_work=False)


def docs_of(layout: Layout, run: Run) -> str | None:
    """The id of the docs of a run's last check, None where there are none."""
    there = docs_kept(layout.site)
    checks = checks_since(layout, run.number)
    return next((one.docs_id for one in checks if one.run_id == run.run_id and one.docs_id in there), None)


def last_success(layout: Layout, also: RunSummary | None = None) -> datetime | None:
    """When a run last ended that did what it was asked to, None before that. Of `also` only what it says itself counts."""
    ends = [
        at
        for state, status, at in last_ends(layout, but_of=None if also is None else also.run_id)
        if outcome_of(state, status, ended=True).is_good
    ]
    if also is not None and also.outcome.is_good and also.ended_at is not None:
        ends.append(also.ended_at)
    return max(ends, default=None)


def _summary(run: Run, docs_id: str | None, *, is_at_work: bool) -> RunSummary:
    return RunSummary(
        run_id=run.run_id,
        source=run.source,
        started_at=run.started_at,
        ended_at=run.ended_at,
        outcome=outcome_of(run.state, run.exit_status, ended=run.ended_at is not None or not is_at_work),
        exit_status=run.exit_status,
        message=run.message,
        docs_id=docs_id,
        number=run.number,
        # A reason of several lines has all of them in the run's message.
        reasons=tuple(reason.partition("\n")[0] for reason in run.reasons),
    )
