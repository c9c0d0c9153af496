"""Evaluates the rules, sends what is due on every channel, and records what came of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from textwrap import shorten

import pyarrow as pa
from deltalake.exceptions import DeltaError

from lib.config import Alerts, Channel, Source, known_tables
from lib.config.alerts import LOG
from lib.lake import alerts as recorded
from lib.lake import runs, storage
from lib.lake.layout import Layout
from lib.lake.lock import alerting
from lib.logs import LOGGER
from lib.observe.alerts import Event, Kind, due, from_record, open_alerts, to_record
from lib.observe.messages import Message, messages
from lib.observe.metrics import Measurement
from lib.observe.outcome import RunSummary
from lib.observe.send import send
from lib.observe.summaries import last_success, summaries
from lib.observe.verdicts import Seen

log = logging.getLogger(LOGGER)

# How long another process may take to evaluate, on top of the time its channels have.
_PATIENCE_S = 30
# So many characters of an alert are in the log, as the job's summary says the rest.
_LOGGED = 600
# What a table that is damaged, or a disk that is full, raises.
_TROUBLE = (DeltaError, pa.ArrowException, OSError)


@dataclass(frozen=True)
class Notifier:
    """Who tells: the rules and channels, the source with its tables, and the lake that keeps in mind what was told.

    Without a lake nothing is kept in mind: what holds is told anew at each evaluation, and nothing is ever over.
    """

    source: str
    tables: Collection[str]
    alerts: Alerts
    layout: Layout | None

    @classmethod
    def of(cls, source: Source, layout: Layout, alerts: Alerts) -> Notifier:
        """The notifier of a source, whose lake may not be there yet."""
        return cls(source.source, known_tables(source), alerts, layout if storage.is_file(layout.lake_json) else None)


@dataclass(frozen=True)
class Subject:
    """What is told of: a run that ended, or a task of a DAG (`story` and `removed` as in `Seen`); neither if only time passed."""

    run: RunSummary | None = None
    measured: Sequence[Measurement] = ()
    story: str = ""
    removed: Collection[str] = ()


@dataclass(frozen=True)
class Notified:
    """What was told on any channel, the log included; `problems` is what did not arrive or could not be kept in mind."""

    events: list[Event]
    problems: list[str]


def send_alerts(
    notifier: Notifier | None, run: RunSummary, measured: Sequence[Measurement], now: datetime
) -> list[Event]:
    """Tell what the run, which has just ended, opened, left open or fixed. `measured` is what it measured, judged.

    Returns what was told on any channel, the log included. Never raises for trouble with a channel or with `ops/alerts`: that is
    logged, and what did not arrive stays due. Nothing is done without rules (no notifier) or without a lake.
    """
    if notifier is None or notifier.layout is None:
        return []
    return evaluate(notifier, Subject(run, measured), now).events


def check_alerts(notifier: Notifier, now: datetime) -> list[str]:
    """Evaluate, without a run, what time alone brings: no success for too long, reminders, what did not arrive before.

    A last run that was killed is found here, too. Returns the lines to print: what was told, and what is open.
    """
    told = evaluate(notifier, Subject(last_run(notifier.layout) if notifier.layout else None), now).events
    lines = [f"Sent now: {len(told)}", *(_line(event) for event in told)]
    still_open = open_alerts(notifier.alerts.rules, _before(notifier.layout) if notifier.layout else [])
    return [*lines, f"Open: {len(still_open)}", *(_line(event) for event in still_open)]


def try_channels(notifier: Notifier) -> tuple[list[str], bool]:
    """Send a test message on every channel. Returns a line for each, with what came of it, and whether none failed.

    A channel that is off has not failed. Nothing is recorded.
    """
    alerts = notifier.alerts
    body = "This is a test message. Nothing has happened.\n\nHelp:   docs/monitoring.md"
    title = f"[info] {notifier.source}: test"
    on = _on(alerts)
    found = {one.message.channel: one.problem for one in send([Message(name, "info", title, body) for name in on], on)}
    lines = []
    for channel in alerts.channels:
        if channel.name in on:
            lines.append(f"{channel.name}: {found[channel.name] or 'sent'}")
        else:
            lines.append(f"{channel.name}: off, as {channel.url.variable} is not set")
    return lines or ["there is no channel"], not any(found.values())


def evaluate(notifier: Notifier, subject: Subject, now: datetime) -> Notified:
    """Evaluate the rules, and send what is due. Never raises for trouble with a channel or with `ops/alerts`: that is logged."""
    if notifier.layout is None:
        return _tell(notifier, subject, now)
    slowest_s = max((channel.timeout_s for channel in _on(notifier.alerts).values()), default=0)
    with alerting(notifier.layout, patience_s=_PATIENCE_S + slowest_s) as is_mine:
        if is_mine:
            return _tell(notifier, subject, now)
    problem = "another process is still sending alerts; those of this one are not sent"
    log.warning(problem)
    return Notified([], [problem])


def _tell(notifier: Notifier, subject: Subject, now: datetime) -> Notified:
    on = _on(notifier.alerts)
    success, first_start = (None, None) if notifier.layout is None else _known(notifier.layout, subject.run)
    seen = Seen(
        run=subject.run,
        measured=subject.measured,
        last_success=success,
        first_start=first_start,
        tables=notifier.tables,
        story=subject.story,
        removed=subject.removed,
    )
    before = [] if notifier.layout is None else _before(notifier.layout)
    events = due(notifier.alerts.rules, on.keys(), seen, before, now)
    told = [replace(event, delivered=True) for event in events if event.channel == LOG]
    others = [event for event in events if event.channel != LOG]
    # First, so that what a killed process did not send is due the next time.
    is_kept = _record(notifier.layout, [*told, *others])
    _log(messages(told, notifier.source, subject.run))
    sent = send(messages(others, notifier.source, subject.run), on)
    arrived = [replace(event, delivered=True) for one in sent if one.problem is None for event in one.message.events]
    is_kept = _record(notifier.layout, arrived) and is_kept
    problems = [f"channel {one.message.channel}: {one.problem}" for one in sent if one.problem is not None]
    return Notified([*told, *arrived], problems + ["ops/alerts cannot be written"] * (not is_kept))


def _on(alerts: Alerts) -> dict[str, Channel]:
    return {channel.name: channel for channel in alerts.channels if channel.url.url is not None}


def channels_off(alerts: Alerts) -> list[str]:
    """A sentence on each channel that a rule names and that is off."""
    wanted = {name for rule in alerts.rules for name in rule.channels}
    return [
        f"Alert channel {channel.name} is off: {channel.url.variable} is not set."
        for channel in alerts.channels
        if channel.name in wanted and channel.url.url is None
    ]


def _log(told: Sequence[Message]) -> None:
    for message in told:
        level = logging.INFO if message.kind in ("info", "recovered") else logging.WARNING
        texts = "; ".join(shorten(event.text, _LOGGED, placeholder=" …") for event in message.events[:3])
        more = f"; and {len(message.events) - 3} more" if len(message.events) > 3 else ""
        log.log(level, "alert %s: %s%s", message.title, texts, more)


def last_run(layout: Layout) -> RunSummary | None:
    """The newest run, None without any, or where that cannot be read."""
    try:
        return next(iter(summaries(layout, 1)), None)
    except _TROUBLE as error:
        log.warning("ops/runs cannot be read for alerts", extra={"problem": type(error).__name__})
        return None


def _known(layout: Layout, run: RunSummary | None) -> tuple[datetime | None, datetime | None]:
    """The last success and the first start of all runs. Where that cannot be read, the run that has just ended is known."""
    try:
        return last_success(layout, run), runs.first_start(layout)
    except _TROUBLE as error:
        log.warning("ops/runs cannot be read for alerts", extra={"problem": type(error).__name__})
    if run is None:
        return None, None
    return run.ended_at if run.outcome.is_good else None, run.started_at


def _before(layout: Layout) -> list[Event]:
    """What was told before; nothing where that cannot be read, as to tell twice is better than not at all."""
    try:
        return [from_record(record) for record in recorded.latest(layout)]
    except _TROUBLE as error:
        log.warning("ops/alerts cannot be read, so alerts may come again", extra={"problem": type(error).__name__})
        return []


def _record(layout: Layout | None, events: Sequence[Event]) -> bool:
    """Whether all was written that is to be; without a lake that is nothing."""
    if layout is None:
        return True
    try:
        recorded.add(layout, [to_record(event) for event in events])
    except _TROUBLE as error:
        log.warning("ops/alerts cannot be written, so alerts may come again", extra={"problem": type(error).__name__})
        return False
    return True


def _line(event: Event) -> str:
    after = "still open" if event.kind == Kind.REMINDED else event.kind.value
    return f"  {event.channel}  [{event.severity}] {event.key.rule}, {after}: {event.text}"
