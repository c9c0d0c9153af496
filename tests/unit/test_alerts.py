"""Which alerts are told, when, and in which words. All expectations are worked out by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config import Rule
from lib.config.alerts import LOG
from lib.observe.alerts import SHORTEST, Event, Kind, due, from_record, open_alerts, to_record
from lib.observe.messages import messages
from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import Outcome, RunSummary
from lib.observe.verdicts import Key, Seen, clean, hours

START = datetime(2026, 3, 5, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rule(name: str = "mine", **what: Any) -> Rule:
    given = {"severity": "warning", "channels": ("ops",), "remind_after": "24h", **what}
    return Rule.model_construct(name=name, **given)


def run(outcome: Outcome, message: str | None = None, run_id: str = "r1") -> RunSummary:
    status = {Outcome.PUBLISHED: 0, Outcome.MERGED: 0, Outcome.CHECKS_FAILED: 3, Outcome.SOURCE_FAILED: 4}.get(
        outcome, 1
    )
    return RunSummary(run_id, "shop", START, START, outcome, status, message, "r1.check2")


def seen(ended: RunSummary | None = None, *measured: Measurement, **more: Any) -> Seen:
    known = {"last_success": START, "first_start": START, "tables": ("orders",), **more}
    return Seen(ended, measured, **known)


def rows(value: float, table: str = "orders", *, is_anomaly: bool = False) -> Measurement:
    return Measurement(
        Series(Metric.ROWS, table), value, low=650, high=1350, score=(value - 1000) / 100, is_anomaly=is_anomaly
    )


def missing(value: float, column: str, *, is_anomaly: bool = False) -> Measurement:
    return Measurement(
        Series(Metric.MISSING, "orders", column), value, low=0, high=3, score=value, is_anomaly=is_anomaly
    )


@dataclass
class Channels:
    """What was told so far, as `ops/alerts` would have it. `works` says which channels take what is sent to them."""

    rules: Sequence[Rule]
    on: tuple[str, ...] = ("ops",)
    works: set[str] = field(default_factory=lambda: {"ops", "chat"})
    told: list[Event] = field(default_factory=list)

    def evaluate(self, at: timedelta, what: Seen) -> list[tuple[str, str, str]]:
        """Evaluate, send and record. Returns (channel, kind, label or table) of what was tried, without the log."""
        events = due(self.rules, self.on, what, self.told, START + at)
        number = max((event.number for event in self.told), default=0) + 1
        for event in (replace(event, number=number) for event in events):
            self.told.append(replace(event, delivered=event.channel == LOG))
            if event.channel in self.works:
                self.told.append(replace(event, delivered=True))
        return [(event.channel, event.kind, event.key.label) for event in events if event.channel != LOG]


FAILED = rule(outcome=("failed", "checks failed"))
ODD = rule(anomalies=("copy.rows", "quality.missing_values"))
OPENED, REMINDED, RECOVERED = (("ops", kind, "") for kind in ("opened", "reminded", "recovered"))


def test_an_alert_is_told_when_it_opens_and_when_it_is_over() -> None:
    ops = Channels([FAILED])
    assert ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED))) == []
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.FAILED))) == []
    assert ops.evaluate(3 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    assert ops.evaluate(4 * HOUR, seen(run(Outcome.PUBLISHED))) == []
    assert ops.evaluate(5 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]


def test_an_open_alert_is_brought_to_mind_after_a_while() -> None:
    ops = Channels([FAILED])
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED)))
    assert ops.evaluate(23.9 * HOUR, seen(run(Outcome.FAILED))) == []
    assert ops.evaluate(24 * HOUR, seen(run(Outcome.FAILED))) == [REMINDED]
    assert ops.evaluate(47 * HOUR, seen(run(Outcome.FAILED))) == []
    assert ops.evaluate(48 * HOUR, seen(run(Outcome.FAILED))) == [REMINDED]
    assert {event.since for event in ops.told} == {START}


def test_a_clock_that_was_ahead_once_keeps_nothing_back_and_its_word_is_not_the_last() -> None:
    ops = Channels([FAILED])
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]  # two hours ahead
    assert ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    assert open_alerts(ops.rules, ops.told) == []
    assert ops.evaluate(0.1 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.evaluate(0.2 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    assert open_alerts(ops.rules, ops.told) == []


def test_another_kind_of_failure_is_no_recovery() -> None:
    ops = Channels([rule(outcome=("failed",))])
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED)))
    for other in (Outcome.SOURCE_FAILED, Outcome.STOPPED, Outcome.RUNNING, Outcome.CHECKS_FAILED, Outcome.KILLED):
        assert ops.evaluate(1 * HOUR, seen(run(other))) == []
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.MERGED))) == [RECOVERED]


@pytest.mark.parametrize("outcome", ["checks failed", "could not check"])
def test_a_run_that_is_not_checked_answers_no_failed_check(outcome: str) -> None:
    ops = Channels([rule(outcome=(outcome,))])
    ops.evaluate(0 * HOUR, seen(run(Outcome(outcome))))
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.MERGED))) == []
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]


def test_a_good_outcome_may_have_a_rule_too() -> None:
    ops = Channels([rule(outcome=("published",))])
    assert ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED))) == [OPENED]
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.FAILED))) == [RECOVERED]


def test_each_series_is_an_alert_of_its_own() -> None:
    ops = Channels([ODD])
    odd = [missing(9, "name", is_anomaly=True), missing(9, "email", is_anomaly=True)]
    assert ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED), *odd)) == [
        ("ops", "opened", "email"),
        ("ops", "opened", "name"),
    ]
    now = [missing(1, "name"), missing(9, "email", is_anomaly=True)]
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED), *now)) == [("ops", "recovered", "name")]


def test_a_metric_may_be_too_high_or_too_low() -> None:
    ops = Channels([rule(metric="copy.rows", above=1000.0, below=10.0, table="orders")])
    assert ops.evaluate(0 * HOUR, seen(None, rows(1000), rows(9999, "users"))) == []
    assert ops.evaluate(1 * HOUR, seen(None, rows(1001))) == [OPENED]
    assert ops.evaluate(2 * HOUR, seen(None, rows(10))) == [RECOVERED]
    assert ops.evaluate(3 * HOUR, seen(None, rows(9))) == [OPENED]


def test_a_rule_may_be_about_one_label() -> None:
    ops = Channels([rule(metric="quality.missing_values", label="email", above=0.0)])
    assert ops.evaluate(0 * HOUR, seen(None, missing(5, "name"), missing(5, "email"))) == [("ops", "opened", "email")]


def test_no_success_for_too_long() -> None:
    ops = Channels([rule(no_success_for="26h")])
    assert ops.evaluate(25.9 * HOUR, seen()) == []
    assert ops.evaluate(26 * HOUR, seen()) == [OPENED]
    assert ops.evaluate(51 * HOUR, seen(last_success=START + 50 * HOUR)) == [RECOVERED]


def test_where_no_run_ever_succeeded_the_first_one_counts() -> None:
    late = rule(no_success_for="26h")
    assert Channels([late]).evaluate(30 * HOUR, seen(last_success=None, first_start=START + 5 * HOUR)) == []
    assert Channels([late]).evaluate(30 * HOUR, seen(last_success=None, first_start=START + 4 * HOUR)) == [OPENED]
    assert Channels([late]).evaluate(99 * HOUR, seen(last_success=None, first_start=None)) == []


def test_what_does_not_arrive_stays_due_and_keeps_its_time() -> None:
    ops = Channels([FAILED], works=set())
    assert ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]
    ops.works = {"ops"}
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.told[-1].since == START
    assert ops.evaluate(3 * HOUR, seen(run(Outcome.FAILED))) == []


def test_what_did_not_arrive_is_sent_without_a_run_too() -> None:
    ops = Channels([ODD], works=set())
    ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED), rows(100, is_anomaly=True)))
    ops.works = {"ops"}
    assert ops.evaluate(1 * HOUR, seen()) == [OPENED]
    assert "100 rows" in ops.told[-1].text
    assert ops.evaluate(2 * HOUR, seen()) == []
    assert ops.evaluate(25 * HOUR, seen()) == [REMINDED]


def test_an_alert_that_is_over_before_it_could_be_told_is_told_once() -> None:
    ops = Channels([FAILED], works=set())
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED, "out of memory")))
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    ops.works = {"ops"}
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    assert ops.told[-1].text == (
        "run r1 ended as 'published'. It could not be reported before: run r1 ended as 'failed' (exit 1): out of memory"
    )
    assert ops.evaluate(3 * HOUR, seen(run(Outcome.PUBLISHED))) == []


def test_a_recovery_that_did_not_arrive_stays_due() -> None:
    ops = Channels([FAILED])
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED)))
    ops.works = set()
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    ops.works = {"ops"}
    assert ops.evaluate(3 * HOUR, seen()) == [RECOVERED]
    assert ops.evaluate(4 * HOUR, seen()) == []


def test_a_channel_that_works_is_not_told_twice_for_one_that_does_not() -> None:
    both = Channels([rule(outcome=("failed",), channels=("ops", "chat"))], on=("ops", "chat"), works={"ops"})
    assert both.evaluate(0 * HOUR, seen(run(Outcome.FAILED))) == [OPENED, ("chat", "opened", "")]
    assert both.evaluate(1 * HOUR, seen(run(Outcome.FAILED))) == [("chat", "opened", "")]


def test_a_channel_that_is_switched_on_later_learns_what_is_open_and_since_when() -> None:
    ops = Channels([FAILED], on=())
    assert ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED))) == []
    assert [event.channel for event in ops.told] == [LOG]
    ops.on = ("ops",)
    assert ops.evaluate(5 * HOUR, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.told[-1].since == START


def test_nothing_is_told_twice_within_a_minute() -> None:
    ops = Channels([FAILED], works=set())
    second = timedelta(seconds=1)
    assert ops.evaluate(0 * second, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.evaluate(30 * second, seen(run(Outcome.FAILED))) == []  # it may have arrived all the same
    assert ops.evaluate(59 * second, seen(run(Outcome.PUBLISHED))) == []
    assert ops.evaluate(60 * second, seen(run(Outcome.PUBLISHED))) == [RECOVERED]


def test_that_it_is_over_is_told_at_once_and_that_it_is_back_not_within_a_minute() -> None:
    ops, second = Channels([FAILED]), timedelta(seconds=1)
    assert ops.evaluate(0 * second, seen(run(Outcome.FAILED))) == [OPENED]
    assert ops.evaluate(1 * second, seen(run(Outcome.PUBLISHED))) == [RECOVERED]
    assert ops.evaluate(2 * second, seen(run(Outcome.FAILED))) == []
    assert ops.evaluate(61 * second, seen(run(Outcome.FAILED))) == [OPENED]


def test_a_series_that_is_not_measured_stays_as_it_was() -> None:
    ops = Channels([ODD])
    ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED), rows(100, is_anomaly=True)))
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED))) == []
    assert ops.evaluate(2 * HOUR, seen(run(Outcome.PUBLISHED), Measurement(Series(Metric.ROWS, "orders"), 5))) == []
    assert ops.evaluate(3 * HOUR, seen(run(Outcome.PUBLISHED), rows(1000))) == [RECOVERED]


def test_an_alert_of_a_table_that_the_source_no_longer_has_is_over() -> None:
    ops = Channels([ODD])
    ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED), rows(100, is_anomaly=True)))
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED), tables=("users",))) == [RECOVERED]


def test_an_alert_of_a_label_that_a_published_run_did_not_meet_is_over() -> None:
    ops = Channels([ODD])
    ops.evaluate(0 * HOUR, seen(run(Outcome.PUBLISHED), missing(9, "name", is_anomaly=True)))
    assert ops.evaluate(1 * HOUR, seen(run(Outcome.FAILED), missing(0, "email"))) == []
    assert (
        ops.evaluate(2 * HOUR, seen(run(Outcome.PUBLISHED), rows(1000))) == []
    )  # copy.*, and so not what is looked for
    assert ops.evaluate(3 * HOUR, seen(run(Outcome.PUBLISHED), missing(0, "email"))) == [("ops", "recovered", "name")]


def test_an_alert_of_a_rule_that_is_no_more_is_forgotten() -> None:
    ops = Channels([FAILED])
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED)))
    assert [event.key for event in open_alerts(ops.rules, ops.told)] == [Key("mine")]
    ops.rules = [rule("other", outcome=("failed",))]
    assert open_alerts(ops.rules, ops.told) == []
    ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED)))
    assert len(ops.told) == 3  # the opening in the log, tried and arrived on the channel


def test_what_is_open_is_what_the_log_has_not_seen_recover() -> None:
    ops = Channels([FAILED, ODD.model_copy(update={"name": "anomalies"})])
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED), rows(100, is_anomaly=True)))
    assert [event.key.rule for event in open_alerts(ops.rules, ops.told)] == ["anomalies", "mine"]
    ops.evaluate(1 * HOUR, seen(run(Outcome.PUBLISHED), rows(100, is_anomaly=True)))
    assert [event.key.rule for event in open_alerts(ops.rules, ops.told)] == ["anomalies"]


HAPPENINGS = st.tuples(st.integers(1, 200), st.sampled_from(["bad", "good", "unknown"]), st.booleans())


@given(st.lists(HAPPENINGS, max_size=30))
def test_whatever_happens_a_channel_hears_openings_and_recoveries_in_turn_and_loses_none(
    happenings: list[tuple[int, str, bool]],
) -> None:
    ops = Channels([FAILED])
    at, arrived_at = timedelta(), []
    what = {"bad": seen(run(Outcome.FAILED)), "good": seen(run(Outcome.PUBLISHED)), "unknown": seen()}
    for minutes, state, works in happenings:
        at += timedelta(minutes=minutes)
        ops.works = {"ops"} if works else set()
        ops.evaluate(at, what[state])
    last = next((state for _, state, _ in reversed(happenings) if state != "unknown"), "good")
    at += timedelta(minutes=1)
    ops.works = {"ops"}
    ops.evaluate(at, what[last])
    heard = [event for event in ops.told if event.channel == "ops" and event.delivered]
    arrived_at = [event.at for event in heard]
    assert all(later - earlier >= SHORTEST for earlier, later in itertools.pairwise(arrived_at))
    # Once the channel works, it knows how things are.
    assert (bool(heard) and heard[-1].kind != Kind.RECOVERED) == (last == "bad")
    changes = [event.kind for event in heard if event.kind != Kind.REMINDED]
    assert not any(pair == (Kind.OPENED, Kind.OPENED) for pair in itertools.pairwise(changes))
    # Each alert that opened was heard of, if only by its recovery.
    opened = {event.since for event in ops.told if event.channel == LOG and event.kind == Kind.OPENED}
    assert bool(opened) == bool(heard)


def test_an_event_is_kept_as_it_is() -> None:
    ops = Channels([ODD])
    ops.evaluate(0 * HOUR, seen(run(Outcome.FAILED), missing(9, "name", is_anomaly=True), rows(1, is_anomaly=True)))
    assert [from_record(to_record(event)) for event in ops.told] == ops.told
    assert to_record(ops.told[0])["label"] is None


def texts(rules: Sequence[Rule], what: Seen, at: timedelta = HOUR) -> list[tuple[str, str]]:
    events = [event for event in due(rules, ["ops"], what, [], START + at) if event.channel == "ops"]
    return [(message.title, message.body) for message in messages(events, "shop", what.run)]


def test_a_message_says_what_since_when_how_far_and_where_to_look() -> None:
    assert texts([ODD], seen(run(Outcome.PUBLISHED), rows(500, is_anomaly=True))) == [
        (
            "[warning] shop: mine",
            "copy.rows of orders: 500 rows; expected 650 to 1,350 rows, 5.0 deviations below the median\n"
            "\n"
            "Since:  2026-03-05 03:00 UTC\n"
            "Run:    r1\n"
            "Docs:   site/runs/r1.check2/index.html in the lake\n"
            "Next:   ./spark-submit.sh status --source shop\n"
            "Help:   docs/monitoring.md",
        )
    ]


def test_many_series_of_one_rule_are_one_message() -> None:
    odd = [missing(9, f"column_{n:02}", is_anomaly=True) for n in range(14)]
    [(_, body)] = texts([ODD], seen(run(Outcome.PUBLISHED), *odd))
    lines = body.splitlines()
    assert lines[0].startswith("quality.missing_values of orders (column: column_00): 9 rows; expected 0 to 3 rows")
    assert lines[10:12] == ["and 4 more", ""]


@pytest.mark.parametrize(
    ("one", "what", "at", "text"),
    [
        (
            rule(outcome=("source failed",)),
            seen(run(Outcome.SOURCE_FAILED, "orders: the API\nanswers  503")),
            HOUR,
            "run r1 ended as 'source failed' (exit 4): orders: the API answers 503",
        ),
        (
            rule(outcome=("source failed",)),
            seen(
                replace(
                    run(Outcome.SOURCE_FAILED, "2 of 3 tables failed\n  orders"), reasons=("orders: 503", "users: gone")
                )
            ),
            HOUR,
            "run r1 ended as 'source failed' (exit 4): 2 of 3 tables failed; orders: 503; users: gone",
        ),
        (
            rule(no_success_for="26h"),
            seen(),
            30 * HOUR,
            "the last run that succeeded ended 2026-03-05 02:00 UTC, 30 h ago; at most 26 h is normal",
        ),
        (
            rule(no_success_for="90m"),
            seen(last_success=None),
            91 * HOUR / 60,
            "no run has succeeded; the first one began 2026-03-05 02:00 UTC, 91 min ago; at most 90 min is normal",
        ),
        (
            rule(metric="quality.missing_values", above=3.0),
            seen(None, replace(missing(4, "name"), score=None)),
            HOUR,
            "quality.missing_values of orders (column: name): 4 rows, above 3 rows",
        ),
        (
            rule(metric="copy.rows", below=10.0),
            seen(None, rows(9)),
            HOUR,
            "copy.rows of orders: 9 rows, below 10 rows; expected 650 to 1,350 rows, 9.9 deviations below the median",
        ),
    ],
)
def test_each_kind_of_rule_has_its_words(one: Rule, what: Seen, at: timedelta, text: str) -> None:
    [(_, body)] = texts([one], what, at)
    assert body.splitlines()[0] == text


def test_titles_tell_openings_reminders_and_recoveries_apart() -> None:
    ops = Channels([FAILED])
    for hour, outcome in ((0, Outcome.FAILED), (24, Outcome.FAILED), (25, Outcome.PUBLISHED)):
        ops.evaluate(hour * HOUR, seen(run(outcome)))
    told = [event for event in ops.told if event.channel == LOG]
    assert [(message.kind, message.title) for message in messages(told, "shop", None)] == [
        ("warning", "[warning] shop: mine"),
        ("warning", "[warning, still open] shop: mine"),
        ("recovered", "[recovered] shop: mine"),
    ]


def test_a_duration_is_in_hours_from_two_on() -> None:
    assert [hours(timedelta(minutes=minutes)) for minutes in (5, 119, 120)] == ["5 min", "119 min", "2 h"]


def test_texts_have_no_markup_and_no_mention() -> None:
    assert clean("a <!channel>\n`b`\x00 @here") == "a !channel b here"
    assert clean("history.user_id -> users: 1 orphan") == "history.user_id to users: 1 orphan"
    assert len(clean("x" * 1000)) == 401
