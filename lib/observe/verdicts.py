"""What each rule makes of a run: which alerts hold, and which do not any more. Texts name tables, columns and steps, never data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.config.alerts import MetricShape, Rule
from lib.observe.metrics import BY_NAME, Measurement
from lib.observe.outcome import Outcome, RunSummary
from lib.observe.words import amount, expected

_CHECKED = (Outcome.CHECKS_FAILED, Outcome.COULD_NOT_CHECK)
_SHOWN = 400


@dataclass(frozen=True, order=True)
class Key:
    """What tells alerts apart: the rule, and for rules about measurements the series. "" for no table and no label."""

    rule: str
    metric: str = ""
    table: str = ""
    label: str = ""


@dataclass(frozen=True)
class Seen:
    """What is known when rules are evaluated.

    `run` is the last run, None where there was none; `measured` its judged measurements, none where only time is looked at.
    `last_success` is when the last run ended that did what it was asked to, `first_start` when the first run began. `tables`
    are those of the source. Where tasks of a DAG were measured, and not a run, `story` says what happened, and `removed` are the
    tasks (`dag/task`) that the DAG does not have any more.
    """

    run: RunSummary | None
    measured: Sequence[Measurement]
    last_success: datetime | None
    first_start: datetime | None
    tables: Collection[str]
    story: str = ""
    removed: Collection[str] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether an alert holds, in words."""

    holds: bool
    text: str


def _holds(text: str) -> Verdict:
    return Verdict(holds=True, text=text)


def _is_over(text: str) -> Verdict:
    return Verdict(holds=False, text=text)


def metric_shapes() -> dict[str, MetricShape]:
    """The metrics that rules may name, for `load_alerts`."""
    return {name: MetricShape(metric.about.by_table, metric.about.label) for name, metric in BY_NAME.items()}


def verdicts(rule: Rule, seen: Seen, known: Collection[Key], now: datetime) -> dict[Key, Verdict]:
    """What the rule says of each alert. One that is not in it is neither there nor over: nothing was learnt of it.

    `known` are the alerts that the rule had before.
    """
    found = dict(_verdicts(rule, seen, now))
    for key in known:
        if key not in found and (removed := _removed(key, seen)):
            found[key] = _is_over(removed)
    return found


def _verdicts(rule: Rule, seen: Seen, now: datetime) -> Iterator[tuple[Key, Verdict]]:
    if rule.outcome is not None and seen.run is not None:
        yield from _of_outcome(rule.name, rule.outcome, seen.run)
    if rule.longest is not None:
        yield from _of_silence(rule.name, rule.longest, seen, now)
    for one in seen.measured:
        key = Key(rule.name, one.series.metric.about.name, one.series.table or "", one.series.label or "")
        if rule.metric == key.metric and rule.table in (None, key.table) and rule.label in (None, key.label):
            yield key, _of_threshold(rule, one, seen.story)
        if rule.anomalies is not None and key.metric in rule.anomalies and one.score is not None:
            yield key, _of_anomaly(one)


def _of_outcome(name: str, outcomes: Sequence[str], run: RunSummary) -> Iterator[tuple[Key, Verdict]]:
    key = Key(name)
    if run.outcome in outcomes:
        said = _said(run)
        status = "" if run.exit_status is None else f" (exit {run.exit_status})"
        yield key, _holds(f"run {run.run_id} ended as '{run.outcome}'{status}{said}")
    elif _ends(run.outcome, outcomes):
        yield key, _is_over(f"run {run.run_id} ended as '{run.outcome}'")


def _said(run: RunSummary) -> str:
    """Why it ended, behind a colon; of tables that failed, the first few and why."""
    lines = (run.headline, *run.first_reasons) if run.reasons else (run.message,)
    words = "; ".join(clean(line) for line in lines if line)
    return f": {words}" if words else ""


def _ends(now: Outcome, outcomes: Sequence[str]) -> bool:
    """Whether this outcome is an answer to those. Another failure is none; a run without a check is none to a failed check."""
    if now == Outcome.MERGED:
        return not any(outcome in outcomes for outcome in _CHECKED)
    return now.is_good or (now != Outcome.RUNNING and any(Outcome(outcome).is_good for outcome in outcomes))


def _of_silence(name: str, longest: timedelta, seen: Seen, now: datetime) -> Iterator[tuple[Key, Verdict]]:
    since = seen.last_success or seen.first_start
    if since is None:
        return
    what = "the last run that succeeded ended" if seen.last_success else "no run has succeeded; the first one began"
    text = f"{what} {since:%Y-%m-%d %H:%M} UTC, {hours(now - since)} ago"
    holds = now - since >= longest
    yield Key(name), _holds(f"{text}; at most {hours(longest)} is normal") if holds else _is_over(text)


def _of_threshold(rule: Rule, one: Measurement, story: str) -> Verdict:
    unit, bounds = one.series.metric.about.unit, []
    if rule.above is not None:
        bounds.append((one.value > rule.above, f"above {amount(rule.above, unit)}"))
    if rule.below is not None:
        bounds.append((one.value < rule.below, f"below {amount(rule.below, unit)}"))
    value = f"{clean(str(one.series))}: {amount(one.value, unit)}"
    broken = [words for is_broken, words in bounds if is_broken]
    if broken:
        return _holds("; ".join(filter(None, [f"{value}, {broken[0]}{_expected(one)}", clean(story)])))
    return _is_over(f"{value}, not {' nor '.join(words for _, words in bounds)}")


def _of_anomaly(one: Measurement) -> Verdict:
    text = f"{clean(str(one.series))}: {amount(one.value, one.series.metric.about.unit)}{_expected(one)}"
    return _holds(text) if one.is_anomaly else _is_over(text)


def _expected(one: Measurement) -> str:
    if one.low is None or one.high is None or one.score is None:
        return ""
    return f"; expected {expected(one)}, {abs(one.score):.1f} deviations {'above' if one.score > 0 else 'below'} the median"


def _removed(key: Key, seen: Seen) -> str | None:
    """Why an alert about a series that this run did not measure is over; None if that says nothing.

    A label that is absent from a published run which measured its table in that way is a reason or a column that is no more.
    """
    if not key.metric:
        return None
    metric = BY_NAME.get(key.metric)
    named = f"{key.metric} of {key.table or 'the run'}" + (f" ({key.label})" if key.label else "")
    if metric is not None and metric.about.by_dag:
        is_removed = any(key.label == task or key.label.startswith(f"{task}/") for task in seen.removed)
        return f"{clean(f'{key.metric} of {key.label}')}: its DAG has run without it" if is_removed else None
    if metric is None or (key.table and key.table not in seen.tables):
        return f"{clean(named)}: no longer measured"
    family = key.metric.partition(".")[0]
    same = (
        one.series.table == (key.table or None) and one.series.metric.about.name.partition(".")[0] == family
        for one in seen.measured
    )
    if key.label and seen.run is not None and seen.run.outcome == Outcome.PUBLISHED and any(same):
        return f"{clean(named)}: no longer there"
    return None


def hours(span: timedelta) -> str:
    """A duration for people: hours from two of them on, else minutes."""
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"


def clean(text: str) -> str:
    """One line without control characters and without what chats take for mentions and markup, cut after 400 characters."""
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    text = text.replace("->", "to").translate({ord(character): None for character in "<>@`"})
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
