"""The words of alerts: one message for each rule, channel and kind of event, however many alerts it is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lib.observe.alerts import Event, Kind
from lib.observe.outcome import RunSummary

_LISTED = 10


@dataclass(frozen=True)
class Message:
    """What one channel gets. `kind` is how loud it is: info, warning, critical or recovered."""

    channel: str
    kind: str
    title: str
    body: str
    events: tuple[Event, ...] = ()


def messages(events: Sequence[Event], source: str, run: RunSummary | None) -> list[Message]:
    """The messages for the events, in their order. `run` is the last run, whose docs are named where it has some."""
    groups: dict[tuple[str, str, Kind], list[Event]] = defaultdict(list)
    for event in events:
        groups[event.channel, event.key.rule, event.kind].append(event)
    return [_message(group, source, run) for group in groups.values()]


def _message(events: list[Event], source: str, run: RunSummary | None) -> Message:
    first = events[0]
    if first.kind == Kind.RECOVERED:
        kind = mark = "recovered"
    else:
        kind = first.severity
        mark = kind if first.kind == Kind.OPENED else f"{kind}, still open"
    return Message(
        first.channel,
        kind,
        f"[{mark}] {source}: {first.key.rule}",
        "\n".join(_body(events, source, run)),
        tuple(events),
    )


def _body(events: list[Event], source: str, run: RunSummary | None) -> list[str]:
    first = min(events, key=lambda event: event.since)
    lines = [event.text for event in events[:_LISTED]]
    if len(events) > _LISTED:
        lines.append(f"and {len(events) - _LISTED} more")
    is_one = len({event.since for event in events}) == 1
    lines += ["", f"Since:  {first.since:%Y-%m-%d %H:%M} UTC{'' if is_one else ' (the first of them)'}"]
    run_ids = list(dict.fromkeys(event.run_id for event in events if event.run_id))
    if run_ids:
        lines.append(f"Run:    {', '.join(run_ids[:3])}")
    if run is not None and run.docs_id and run.run_id in run_ids:
        lines.append(f"Docs:   site/runs/{run.docs_id}/index.html in the lake")
    lines += [f"Next:   ./spark-submit.sh status --source {source}", "Help:   docs/monitoring.md"]
    return lines
