"""Alerts of a job: a lake, real receivers on loopback, and what is recorded."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.status import notifier_of
from jobs.steps.options import Job, open_job
from lib.config import Runtime, load_source
from lib.config.runtime import REPO
from lib.console import Steps
from lib.errors import ConfigError
from lib.lake import alerts as recorded
from lib.lake import runs
from lib.lake.layout import claim, lake_at
from lib.lake.lock import alerting, writing
from lib.lake.runs import new_run
from lib.observe.alerting import channels_off, check_alerts, send_alerts, try_channels
from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import Outcome, RunSummary
from tests.alert_rules import alerts
from tests.message_receivers import Receiver, http_receiver
from tests.on_disk import on_disk

START = datetime(2026, 3, 5, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
ODD = Measurement(Series(Metric.ROWS, "users"), 500, low=650, high=1350, score=-5, is_anomaly=True)


def job(folder: Path, **channels: Receiver | None) -> Job:
    source = load_source("demo", conf_dir=REPO / "conf", env=os.environ)
    layout = lake_at(str(folder / "lake"))
    claim(layout, "demo", START)
    rules = alerts(folder, **channels)
    return Job(source, layout, (), None, {}, Runtime.of(os.environ), START, Steps(), rules)


def ended(outcome: Outcome, at: datetime = START) -> RunSummary:
    status = 0 if outcome.is_good else 1
    return RunSummary("r1", "demo", at - HOUR, at, outcome, status, None if outcome.is_good else "out of memory")


def record_run(job: Job, run_id: str, started_at: datetime, ended_at: datetime | None, status: int | None) -> None:
    run = new_run(run_id, "demo", "", {}, started_at)
    run.ended_at, run.exit_status = ended_at, status
    run.state = runs.PUBLISHED if status == 0 else runs.RUNNING if ended_at is None else runs.FAILED
    run.save(job.layout)


def states(job: Job) -> set[tuple[str, str, str, bool]]:
    return {(one["rule"], one["channel"], one["kind"], one["delivered"]) for one in recorded.latest(job.layout)}


def test_a_failed_run_is_told_once_on_every_channel_and_its_recovery_too(tmp_path: Path) -> None:
    with http_receiver() as ops, http_receiver() as chat:
        mine = job(tmp_path, ops=ops, chat=chat)
        for hour, outcome in enumerate((Outcome.FAILED, Outcome.FAILED, Outcome.PUBLISHED, Outcome.PUBLISHED)):
            send_alerts(mine.notifier, ended(outcome, START + hour * HOUR), [], START + hour * HOUR)
    assert ops.titles == chat.titles == ["[critical] demo: failed", "[recovered] demo: failed"]
    assert [body["type"] for body in ops.bodies] == ["failure", "success"]
    assert states(mine) == {
        ("failed", "log", "recovered", True),
        ("failed", "ops", "recovered", False),
        ("failed", "ops", "recovered", True),
        ("failed", "chat", "recovered", False),
        ("failed", "chat", "recovered", True),
    }


def test_a_channel_that_fails_gets_it_the_next_time_and_the_other_not_again(tmp_path: Path) -> None:
    with http_receiver(status=500) as ops, http_receiver() as chat:
        mine = job(tmp_path, ops=ops, chat=chat)
        told = send_alerts(mine.notifier, ended(Outcome.FAILED), [ODD], START)
        assert [(event.channel, event.key.rule) for event in told] == [
            ("log", "failed"),
            ("log", "anomalies"),
            ("chat", "failed"),
        ]
        ops.status = 200
        lines = check_alerts(notifier_of(mine), START + HOUR)
    assert ops.titles == ["[critical] demo: failed", "[warning] demo: anomalies"]
    assert "500 rows; expected 650 to 1,350 rows" in ops.bodies[1]["message"]
    assert chat.titles == ["[critical] demo: failed"]
    assert [line.split("  ")[-1].partition(":")[0] for line in lines] == [
        "Sent now",
        "[critical] failed, opened",
        "[warning] anomalies, opened",
        "Open",
        "[warning] anomalies, opened",
        "[critical] failed, opened",
    ]


@pytest.mark.parametrize("kind", ["hangs", "is down"])
def test_a_channel_in_trouble_does_not_stop_the_job_and_is_due_again(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with http_receiver(hangs=kind == "hangs") as ops, http_receiver() as chat:
        mine = job(tmp_path, ops=ops, chat=chat)
        if kind == "is down":
            mine.alerts = alerts(tmp_path, ops=Receiver(port=1), chat=chat)
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
        assert not ops.release.is_set()
    assert chat.titles == ["[critical] demo: failed"]
    problems = {
        "hangs": "no answer within 1 s",
        "is down": "it could not be reached, or refused the message",
    }
    [warning] = [vars(record) for record in caplog.records if record.msg == "a channel did not take an alert"]
    assert (warning["channel"], warning["problem"]) == ("ops", problems[kind])
    assert ("failed", "ops", "opened", False) in states(mine)
    with http_receiver() as ops:
        mine.alerts = alerts(tmp_path, ops=ops, chat=chat)
        check_alerts(notifier_of(mine), START + HOUR)
    assert ops.titles == ["[critical] demo: failed"]


def test_channels_that_are_off_are_said_to_be_and_the_log_has_the_alert(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mine = job(tmp_path)
    told = send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
    assert [event.channel for event in told] == ["log"]
    assert mine.alerts is not None
    assert channels_off(mine.alerts) == [
        "Alert channel ops is off: OPS is not set.",
        "Alert channel chat is off: CHAT is not set.",
    ]
    # A run does not say so each time.
    assert not [record for record in caplog.records if "off" in record.getMessage()]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "alert [critical] demo: failed: run r1 ended as 'failed' (exit 1): out of memory"
    ]


def test_the_log_has_the_start_of_a_long_alert_and_a_channel_more_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reasons = tuple(f"{letter * 250}: gone" for letter in "xyz")
    failed = replace(ended(Outcome.FAILED), message="3 of 3 tables failed", reasons=reasons)
    with http_receiver() as ops:
        send_alerts(job(tmp_path, ops=ops).notifier, failed, [], START)
    [line] = [record.getMessage() for record in caplog.records if "alert [" in record.getMessage()]
    head = f"run r1 ended as 'failed' (exit 1): 3 of 3 tables failed; {'x' * 250}: gone; {'y' * 250}: gone;"
    assert line == f"alert [critical] demo: failed: {head} …"
    assert ops.bodies[0]["message"].startswith(f"{head} {'z' * 250}: gone\n")


def test_without_a_run_silence_and_reminders_are_told(tmp_path: Path) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        record_run(mine, "r1", START - HOUR, START, 0)
        assert check_alerts(notifier_of(mine), START + 25 * HOUR) == ["Sent now: 0", "Open: 0"]
        check_alerts(notifier_of(mine), START + 26 * HOUR)
        check_alerts(notifier_of(mine), START + 49 * HOUR)
        check_alerts(notifier_of(mine), START + 50 * HOUR)
        record_run(mine, "r2", START + 50 * HOUR, START + 51 * HOUR, 0)
        check_alerts(notifier_of(mine), START + 52 * HOUR)
    assert ops.titles == ["[critical] demo: late", "[critical, still open] demo: late", "[recovered] demo: late"]
    assert "ended 2026-03-05 02:00 UTC, 26 h ago; at most 26 h is normal" in ops.bodies[0]["message"]


def test_a_run_that_was_killed_is_found_by_the_next_check(tmp_path: Path) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        record_run(mine, "r1", START, None, None)
        with writing(mine.layout, "r1", START):
            check_alerts(notifier_of(mine), START + HOUR)
            assert ops.bodies == []
        check_alerts(notifier_of(mine), START + HOUR)
    assert ops.titles == ["[critical] demo: failed"]
    assert "run r1 ended as 'killed'" in ops.bodies[0]["message"]


def test_a_killed_process_leaves_what_it_did_not_send_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        with monkeypatch.context() as patched:
            patched.setattr("lib.observe.alerting.send", killed)
            with pytest.raises(KeyboardInterrupt):
                send_alerts(mine.notifier, ended(Outcome.PUBLISHED), [ODD], START)
        check_alerts(notifier_of(mine), START + HOUR)
    assert ops.titles == ["[warning] demo: anomalies"]


def test_a_record_that_cannot_be_read_is_told_in_the_log_and_the_alert_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
        for file in on_disk(mine.layout.alerts).glob("*.parquet"):
            file.unlink()
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START + HOUR)
    assert ops.titles == ["[critical] demo: failed"] * 2
    assert any(record.msg.startswith("ops/alerts cannot be read") for record in caplog.records)


def test_a_lake_that_cannot_be_written_does_not_keep_an_alert_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        on_disk(mine.layout.alerts).parent.mkdir()
        on_disk(mine.layout.alerts).write_text("no folder", "utf-8")
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
    assert ops.titles == ["[critical] demo: failed"]
    assert any(record.msg.startswith("ops/alerts cannot be written") for record in caplog.records)


def test_a_lake_that_takes_no_lock_does_not_keep_an_alert_back(tmp_path: Path) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        on_disk(mine.layout.alerts_lock).mkdir()
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
    assert ops.titles == ["[critical] demo: failed"]


def test_runs_that_cannot_be_read_do_not_keep_an_alert_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        record_run(mine, "r0", START - HOUR, START, 0)
        for file in on_disk(mine.layout.runs).glob("*.parquet"):
            file.unlink()
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
        assert check_alerts(notifier_of(mine), START + HOUR)[0] == "Sent now: 0"
    assert ops.titles == ["[critical] demo: failed"]
    assert any(record.msg == "ops/runs cannot be read for alerts" for record in caplog.records)


def test_two_processes_do_not_tell_at_one_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lib.observe.alerting._PATIENCE_S", 0.05)
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        with alerting(mine.layout, patience_s=0) as is_mine:
            assert is_mine
            assert send_alerts(mine.notifier, ended(Outcome.FAILED), [], START) == []
        send_alerts(mine.notifier, ended(Outcome.FAILED), [], START)
    assert ops.titles == ["[critical] demo: failed"]
    assert any("another process" in record.msg for record in caplog.records)


def test_where_there_is_no_lake_or_no_rule_nothing_is_told(tmp_path: Path) -> None:
    with http_receiver() as ops:
        mine = job(tmp_path, ops=ops)
        on_disk(mine.layout.lake_json).unlink()
        assert send_alerts(mine.notifier, ended(Outcome.FAILED), [], START) == []
        mine = job(tmp_path, ops=ops)
        mine.alerts = None
        assert send_alerts(mine.notifier, ended(Outcome.FAILED), [], START) == []
        for asked in (lambda: check_alerts(notifier_of(mine), START), lambda: try_channels(notifier_of(mine))):
            with pytest.raises(ConfigError, match=r"alerts\.yml: there is no such file, and so no alert"):
                asked()
    assert ops.bodies == []
    assert not on_disk(mine.layout.alerts).exists()


def test_a_test_message_goes_to_every_channel_and_each_says_what_came_of_it(tmp_path: Path) -> None:
    with http_receiver() as ops, http_receiver(status=403) as chat:
        mine = job(tmp_path, ops=ops, chat=chat)
        assert try_channels(notifier_of(mine)) == (["ops: sent", "chat: it answered 403"], False)
        mine.alerts = alerts(tmp_path, ops=ops)
        assert try_channels(notifier_of(mine)) == (["ops: sent", "chat: off, as CHAT is not set"], True)
    assert ops.titles == ["[info] demo: test"] * 2
    assert not on_disk(mine.layout.alerts).exists()


def opened(tmp_path: Path) -> Job:
    return open_job(
        name="demo",
        api_url=None,
        lake=str(tmp_path / "lake"),
        tables=None,
        run_id=None,
        overrides=(),
        log_format="text",
        verbose=False,
    )


def test_a_job_knows_its_rules_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGELAKE_ALERT_URL", "json://127.0.0.1:1")
    mine = opened(tmp_path)
    assert mine.alerts is not None
    [channel] = mine.alerts.channels
    assert channel.url.url is not None
    monkeypatch.setenv("PAGELAKE_ALERT_URL", "nonsense")
    with pytest.raises(
        ConfigError, match=r"channels\.ops\.url: the environment variable PAGELAKE_ALERT_URL holds no URL"
    ):
        opened(tmp_path)


def test_the_latest_word_is_the_one_recorded_last_whatever_the_clock_said(tmp_path: Path) -> None:
    mine = job(tmp_path)
    for hours, outcome in ((2, Outcome.FAILED), (0, Outcome.PUBLISHED), (0.5, Outcome.FAILED), (1, Outcome.PUBLISHED)):
        at = START + hours * HOUR
        assert [event.key.rule for event in send_alerts(mine.notifier, ended(outcome, at), [], at)] == ["failed"]
    assert states(mine) == {("failed", "log", "recovered", True)}
