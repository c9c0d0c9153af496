"""Which alerts are to be told now: those that opened, those that are still open after a while, those that are over.

Pure: the rules, what was seen, what was told before and the time give the events. A channel has a state of its own for each
alert, so that what did not arrive on one stays due there and is not told twice on another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from lib.config.alerts import LOG, Rule
from lib.observe.verdicts import Key, Seen, Verdict, verdicts

SHORTEST = timedelta(minutes=1)
"""Nothing is said, or tried, of one alert on one channel twice within this time, but that it is over."""


class Kind(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    REMINDED = "reminded"
    RECOVERED = "recovered"


@dataclass(frozen=True)
class Event:
    """One thing to tell on one channel. `since` is when the alert opened, `run_id` the run in which it was seen, if in any.

    `delivered`: it arrived. False for what is yet to be sent, and for an attempt that failed. `number` is its place in the order of
    what was told before: a clock that was wrong once changes nothing about that.
    """

    at: datetime
    kind: Kind
    key: Key
    channel: str
    severity: str
    since: datetime
    run_id: str | None
    text: str
    delivered: bool = False
    number: int = field(default=0, compare=False)


@dataclass(frozen=True)
class _State:
    """One alert on one channel: what was tried last, and what arrived last."""

    last: Event
    told: Event | None

    @property
    def is_open(self) -> bool:
        """Whether those who read the channel take the alert for open."""
        return self.told is not None and self.told.kind != Kind.RECOVERED

    @property
    def is_owed(self) -> bool:
        """Whether the last attempt did not arrive."""
        return not self.last.delivered


def due(rules: Sequence[Rule], on: Collection[str], seen: Seen, before: Sequence[Event], now: datetime) -> list[Event]:
    """The events to be sent, by rule, alert and channel.

    `on` are the channels that are not off; the log is one of every rule. `before` has at least the last attempt and the last
    arrival of each alert and channel, in any order. An alert of a rule that is no more is forgotten.
    """
    states = _states(before)
    events: list[Event] = []
    for rule in rules:
        known = {key for key, _ in states if key.rule == rule.name}
        found = verdicts(rule, seen, known, now)
        for key in sorted(known | found.keys()):
            mine = {channel: state for (of, channel), state in states.items() if of == key}
            since = min((state.last.since for state in mine.values() if _is_unsettled(state)), default=now)
            alert = _Alert(rule, key, found.get(key), since, None if seen.run is None else seen.run.run_id, now)
            for channel in dict.fromkeys((LOG, *(name for name in rule.channels if name in on))):
                events += alert.due(channel, mine.get(channel))
    return events


def _is_unsettled(state: _State) -> bool:
    return state.is_open or (state.is_owed and state.last.kind != Kind.RECOVERED)


@dataclass(frozen=True)
class _Alert:
    """One alert now. `verdict` is None where nothing was learnt of it."""

    rule: Rule
    key: Key
    verdict: Verdict | None
    since: datetime
    run_id: str | None
    now: datetime

    def due(self, channel: str, state: _State | None) -> Iterator[Event]:
        is_open = state is not None and state.is_open
        is_over = is_open and self.verdict is not None and not self.verdict.holds
        if state is not None and not is_over and abs(self.now - state.last.at) < SHORTEST:
            return
        if self.verdict is None:
            yield from self._unlearnt(state)
        elif self.verdict.holds and not is_open:
            yield self._event(Kind.OPENED, channel, self.verdict.text)
        elif self.verdict.holds and state is not None and self._is_long_ago(state):
            yield self._event(Kind.REMINDED, channel, self.verdict.text)
        elif not self.verdict.holds and state is not None and (is_open or state.is_owed):
            yield self._event(Kind.RECOVERED, channel, self.verdict.text, state)

    def _unlearnt(self, state: _State | None) -> Iterator[Event]:
        """What is still owed is sent again, and what is open is brought to mind."""
        if state is None:
            return
        if state.is_owed:
            yield replace(state.last, at=self.now)
        elif state.is_open and self._is_long_ago(state):
            yield replace(state.last, at=self.now, kind=Kind.REMINDED, severity=self.rule.severity, delivered=False)

    def _is_long_ago(self, state: _State) -> bool:
        return state.told is not None and abs(self.now - state.told.at) >= self.rule.patience

    def _event(self, kind: Kind, channel: str, text: str, state: _State | None = None) -> Event:
        since = self.since if state is None else state.last.since
        if state is not None and not state.is_open and state.last.kind != Kind.RECOVERED:
            text = f"{text}. It could not be reported before: {state.last.text}"
        elif state is not None and state.is_owed and state.last.kind == Kind.RECOVERED:
            text = state.last.text
        return Event(self.now, kind, self.key, channel, self.rule.severity, since, self.run_id, text)


def _states(before: Sequence[Event]) -> Mapping[tuple[Key, str], _State]:
    states: dict[tuple[Key, str], _State] = {}
    for event in sorted(before, key=lambda event: (event.number, event.at, event.delivered)):
        place = (event.key, event.channel)
        told = event if event.delivered else states[place].told if place in states else None
        states[place] = _State(event, told)
    return states


def open_alerts(rules: Sequence[Rule], before: Sequence[Event]) -> list[Event]:
    """The alerts that are open, oldest first: the last event of each in the log. `before` as for `due`."""
    names = {rule.name for rule in rules}
    states = _states([event for event in before if event.channel == LOG and event.key.rule in names])
    return sorted(
        (state.last for state in states.values() if state.is_open), key=lambda event: (event.since, event.key)
    )


# What an event and its record both have.
_AS_THEY_ARE = ("at", "channel", "severity", "since", "run_id", "text", "delivered", "number")


def to_record(event: Event) -> dict[str, Any]:
    """An event as `ops/alerts` holds it."""
    key = {name: getattr(event.key, name) or None for name in ("metric", "table", "label")}
    rest = {name: getattr(event, name) for name in _AS_THEY_ARE}
    return {**rest, **key, "rule": event.key.rule, "kind": event.kind.value}


def from_record(record: Mapping[str, Any]) -> Event:
    """The event of a record."""
    key = Key(record["rule"], *(record[name] or "" for name in ("metric", "table", "label")))
    rest = {name: record[name] for name in _AS_THEY_ARE}
    return Event(kind=Kind(record["kind"]), key=key, **rest)
