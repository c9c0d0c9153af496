"""What `status` says: gathered from the lake's records, for people and for scripts."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lib.console import say, show_table
from lib.errors import LakeError
from lib.lake import publications, runs
from lib.lake.checks import ROLLED_BACK, checks_since
from lib.lake.decisions import Decision, Verdict, all_decisions, serving
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.lake.storage import Address
from lib.logs import LOGGER, printable
from lib.observe.failing_tasks import FailingTask, failing_tasks
from lib.observe.metrics import Measurement, Metric, to_record
from lib.observe.outcome import Outcome, RunSummary
from lib.observe.summaries import measurements, seconds_of, summaries
from lib.observe.words import amount, anomaly
from lib.reporting.marks import Mark, mark_as_json, mark_lines, marks_of

log = logging.getLogger(LOGGER)
# Beyond so many anomalies of a run, the report is the place to read them.
MOST_ANOMALIES = 5
_JUDGED = ("metric", "table", "label", "value", "low", "high", "score")


@dataclass(frozen=True)
class RunStatus:
    """One run in numbers: None for what was not measured. The counts are of all tables together."""

    summary: RunSummary
    seconds: float | None
    rows: int | None
    rejected: int | None
    orphans: int | None
    anomalies: tuple[Measurement, ...]


@dataclass(frozen=True)
class Failing:
    """The last run that has ended, where it did not do what it was asked to.

    `expectations` are the critical ones that failed in it, or could not be checked; `lines` says of each failure what failed, and
    of each table that failed why it did. `shown` are those of them that people get.
    """

    run_id: str
    outcome: Outcome
    message: str | None
    expectations: tuple[str, ...]
    lines: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Serving:
    """Who serves a list of recommendations: the promotion of its champion, None for the baselines; and the last decision on it."""

    of_list: str
    promoted: Decision | None
    last: Decision


@dataclass(frozen=True)
class Status:
    """The state of a lake. `runs` are newest first; `report` is the page with all of it.

    `proofs` says of each table that the run of the current publication copied how it is proved complete; `increments` what it asked
    for, where that was not all rows; `marks` how far such tables are copied.
    `lists_built` is whether the last build of recommendations passed, `models_passed_over` how many promoted models it could not
    use; None where these runs have none.
    """

    source: str
    lake: Address
    runs: tuple[RunStatus, ...]
    published: Publication | None
    proofs: Mapping[str, str | None]
    increments: Mapping[str, str]
    marks: tuple[Mark, ...]
    serving: tuple[Serving, ...]
    lists_built: bool | None
    models_passed_over: int | None
    failing: Failing | None
    failing_tasks: tuple[FailingTask, ...]
    next: str
    report: Address


def status_of(source: str, layout: Layout, last: int, now: datetime, named: str | None = None) -> Status:
    """Read the records of the source's lake, of the last so many runs; nothing is written.

    `named` is what to type for the source, where that is not its name.
    """
    found = summaries(layout, last)
    measured = measurements(layout, found)
    # A run that is at work does not say yet how things are.
    ended = next((run for run in reversed(found) if run.outcome is not Outcome.RUNNING), None)
    published = publications.current(layout)
    failing = None if ended is None or ended.outcome.is_good else _failing(layout, ended)
    tasks = failing_tasks(layout, now)
    newest_first = [one for run in reversed(found) for one in measured[run.run_id]]
    is_built, passed_over = (_first(newest_first, metric) for metric in (Metric.LISTS_BUILT, Metric.UNUSABLE))
    return Status(
        source=source,
        lake=layout.root,
        runs=tuple(_run(run, measured[run.run_id]) for run in reversed(found)),
        published=published,
        proofs={} if published is None else runs.proofs_of(layout, published),
        increments={} if published is None else runs.increments_of(layout, published),
        marks=marks_of(layout, published, now),
        serving=_serving(layout),
        lists_built=None if is_built is None else is_built == 1,
        models_passed_over=None if passed_over is None else round(passed_over),
        failing=failing,
        failing_tasks=tasks,
        next=_next(source, named or source, layout, found[-1] if found else None, ended, tasks),
        report=layout.site / "runs.html",
    )


def _serving(layout: Layout) -> tuple[Serving, ...]:
    """Who serves each list that was ever decided on."""
    try:
        decisions = all_decisions(layout)
    except LakeError as error:
        log.warning("%s; status does not say who serves the lists", error)
        return ()
    last = {one.list: one for one in decisions}
    return tuple(Serving(name, serving(layout, decisions, name), last[name]) for name in sorted(last))


def _first(measured: Sequence[Measurement], metric: Metric) -> float | None:
    return next((one.value for one in measured if one.series.metric is metric), None)


def _run(summary: RunSummary, measured: Sequence[Measurement]) -> RunStatus:
    def total(metric: Metric) -> int | None:
        values = [one.value for one in measured if one.series.metric is metric]
        return round(sum(values)) if values else None

    return RunStatus(
        summary=summary,
        seconds=seconds_of(summary, measured),
        rows=total(Metric.ROWS),
        rejected=total(Metric.REJECTED),
        orphans=total(Metric.ORPHANS),
        anomalies=tuple(one for one in measured if one.is_anomaly),
    )


def _failing(layout: Layout, run: RunSummary) -> Failing:
    checks = checks_since(layout, run.number)
    last = next((one for one in checks if one.run_id == run.run_id and one.outcome != ROLLED_BACK), None)
    if last is None or not last.message or run.outcome not in (Outcome.CHECKS_FAILED, Outcome.COULD_NOT_CHECK):
        return Failing(run.run_id, run.outcome, run.message, (), run.reasons, run.first_reasons)
    names, lines = tuple(last.message.split("; ")), tuple(last.lines or ())
    return Failing(run.run_id, run.outcome, run.message, names, lines, lines or names)


def _next(
    source: str,
    named: str,
    layout: Layout,
    newest: RunSummary | None,
    ended: RunSummary | None,
    tasks: Sequence[FailingTask],
) -> str:
    """What to do now, in one line."""
    own = shlex.join(["--source", named, "--lake", str(layout.root)])
    if newest is None:
        return f"./spark-submit.sh full-ingest {own}"
    if newest.outcome is Outcome.RUNNING or ended is None:
        return f"wait until run {newest.run_id} has ended"
    if ended.outcome is Outcome.PUBLISHED and tasks:
        return "see the log of what failed in the scheduler; its next success clears this"
    resume = f"./spark-submit.sh full-ingest {own} --resume {ended.run_id}"
    return {
        Outcome.PUBLISHED: "nothing to do",
        Outcome.MERGED: f"./spark-submit.sh sanity-check {own}",
        Outcome.CHECKS_FAILED: "fix the source or the suite, then full-ingest; for a fixed suite sanity-check is enough",
        Outcome.COULD_NOT_CHECK: f"fix the expectation in expectations/{source}, then sanity-check",
        Outcome.SOURCE_FAILED: "fix the cause, then run the same command again",
        Outcome.STOPPED: resume,
        Outcome.KILLED: resume,
    }.get(ended.outcome, "see docs/troubleshooting.md; start the same command with --verbose")


def as_json(status: Status) -> str:
    """The same for scripts: one object, whose keys are in docs/monitoring.md. Times are ISO 8601 in UTC."""
    published = status.published and {
        "publication_id": status.published.publication_id,
        "run_id": status.published.run_id,
        "published_at": _time(status.published.published_at),
        "restores": status.published.restores,
        "tables": {
            one.table: {
                "version": one.version,
                "rows": one.rows,
                "live_rows": one.live_rows,
                "proof": status.proofs.get(one.table),
                "increment": status.increments.get(one.table),
            }
            for one in status.published.tables.values()
        },
    }
    failing = status.failing and {
        "run_id": status.failing.run_id,
        "outcome": status.failing.outcome.value,
        "message": status.failing.message,
        "expectations": list(status.failing.expectations),
        "lines": list(status.failing.lines),
    }
    content = {
        "source": status.source,
        "lake": str(status.lake),
        "runs": [_run_as_json(run) for run in status.runs],
        "published": published,
        "watermarks": [mark_as_json(mark) for mark in status.marks],
        "lists": {one.of_list: _serving_as_json(one) for one in status.serving},
        "lists_built": status.lists_built,
        "models_passed_over": status.models_passed_over,
        "failing": failing,
        "failing_tasks": [{**vars(one), "started_at": _time(one.started_at)} for one in status.failing_tasks],
        "next": status.next,
        "report": str(status.report),
    }
    return json.dumps(content, indent=2)


def _serving_as_json(one: Serving) -> dict[str, Any]:
    return {
        "champion": one.promoted and one.promoted.model_version,
        "kind": one.promoted and one.promoted.kind,
        "since": one.promoted and _time(one.promoted.decided_at),
        "last_decision": {
            "verdict": one.last.verdict,
            "decided_at": _time(one.last.decided_at),
            "because": list(one.last.because),
        },
    }


def _run_as_json(run: RunStatus) -> dict[str, Any]:
    summary = run.summary
    return {
        "run_id": summary.run_id,
        "started_at": _time(summary.started_at),
        "ended_at": _time(summary.ended_at),
        "outcome": summary.outcome.value,
        "is_good": summary.outcome.is_good,
        "exit_status": summary.exit_status,
        "message": summary.message,
        "docs_id": summary.docs_id,
        "seconds": None if run.seconds is None else round(run.seconds, 3),
        "rows": run.rows,
        "rejected": run.rejected,
        "orphans": run.orphans,
        "anomalies": [
            {name: value for name, value in to_record(one).items() if name in _JUDGED} for one in run.anomalies
        ],
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def say_status(status: Status, now: datetime) -> None:
    """Print it: tables as wide as the terminal, and plain text where there is none."""
    if not status.runs:
        failed = _failed(None, status.failing_tasks) if status.failing_tasks else []
        lines = [f"{status.source}: no run yet in {status.lake}", *failed, f"Next:      {status.next}"]
        say([printable(line) for line in lines])
        return
    n_runs = len(status.runs)
    say([f"{status.source}: the last {n_runs} runs" if n_runs > 1 else f"{status.source}: its only run", ""])
    heads = ("Started (UTC)", "Outcome", "Seconds", "Landed", "Rejected", "Orphans", "Anomalies")
    show_table(
        heads, [_cells(run) for run in status.runs], optional=("Run", [one.summary.run_id for one in status.runs])
    )
    lines = [
        *_anomalies(status.runs),
        "",
        *_published(status.published, status.proofs, status.increments),
        *mark_lines(status.marks, now),
        *_lists(status),
        *_failed(status.failing, status.failing_tasks),
    ]
    say([printable(line) for line in (*lines, f"Next:      {status.next}", f"Report:    {status.report}")])


def _cells(run: RunStatus) -> list[str]:
    seconds = "-" if run.seconds is None else f"{run.seconds:,.1f}"
    counts = ["-" if count is None else f"{count:,}" for count in (run.rows, run.rejected, run.orphans)]
    anomalies = f"{len(run.anomalies)}" if run.anomalies else "-"
    return [f"{run.summary.started_at:%Y-%m-%d %H:%M}", run.summary.outcome.value, seconds, *counts, anomalies]


def _anomalies(runs: Sequence[RunStatus]) -> list[str]:
    lines = []
    for run in runs:
        if run.anomalies:
            shown = [f"  {anomaly(one)}" for one in run.anomalies[:MOST_ANOMALIES]]
            lines += ["", f"Anomalies in run {run.summary.run_id}:", *shown]
            more = len(run.anomalies) - MOST_ANOMALIES
            lines += [f"  and {more} more, in the report"] * (more > 0)
    return lines


def _published(
    publication: Publication | None, proofs: Mapping[str, str | None], increments: Mapping[str, str]
) -> list[str]:
    if publication is None:
        return ["Published: nothing yet"]
    when = f"{publication.published_at:%Y-%m-%d %H:%M} UTC"
    lines = [f"Published: {publication.publication_id}, since {when}"]
    lines += [f"           by a rollback to {publication.restores}"] if publication.restores else []
    for one in publication.tables.values():
        proof = proofs.get(one.table)
        proof = f"{increments[one.table]}: {proof}" if proof and one.table in increments else proof
        deleted = f" + {one.rows - one.shown_rows:,} deleted" if one.rows > one.shown_rows else ""
        lines.append(
            f"           {one.table}: {amount(one.shown_rows, '{row}')}{deleted}, version {one.version}"
            f"{f', {proof}' if proof else ''}"
        )
    return lines


def _lists(status: Status) -> list[str]:
    lines = []
    if status.lists_built is False:
        lines.append("the last build failed, and was not published; see the log of build-recommendations")
    if status.models_passed_over:
        lines.append(
            f"the last build could not use {amount(status.models_passed_over, '{model}')}: what was promoted before, or the "
            "baselines, serve instead; see the log of build-recommendations"
        )
    for one in status.serving:
        by = "the baselines"
        if one.promoted is not None:
            by = (
                f"model {one.promoted.model_version} ({one.promoted.kind}), promoted {one.promoted.decided_at:%Y-%m-%d}"
            )
        lines.append(f"{one.of_list}: {by}")
        if one.last.verdict == Verdict.KEPT:
            lines.append(f"  the candidate of {one.last.decided_at:%Y-%m-%d} was not promoted: {one.last.because[0]}")
    heads = ["Lists:     ", *["           "] * len(lines)]
    return [f"{head}{line}" for head, line in zip(heads, lines, strict=False)]


def _failed(failing: Failing | None, tasks: Sequence[FailingTask]) -> list[str]:
    lines = [str(task) for task in tasks]
    if failing is not None:
        said = (failing.message or "").partition("\n")[0].rstrip(":")
        run = f"run {failing.run_id}: {failing.outcome.value}{f': {said}' if said else ''}"
        lines = [run, *failing.shown, *lines]
    first, *more = lines or ["nothing"]
    return [f"Failing:   {first}", *(f"           {line}" for line in more)]
