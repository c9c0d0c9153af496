"""`status`, on lakes of records alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobs.status import command
from lib import console
from lib.errors import ConfigError
from lib.lake import metrics, publications
from lib.lake.checks import Check, add_check
from lib.lake.decisions import Decision, Verdict, decide
from lib.lake.layout import claim, lake_at
from lib.lake.lock import writing
from lib.lake.publications import Publication, PublishedTable
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState
from lib.observe.metrics import Measurement, Metric, Series, to_record
from lib.reporting.status import status_of

REPO = Path(__file__).parents[2]
DAY_0 = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)


class Lake:
    """A lake with a run a day."""

    def __init__(self, folder: Path) -> None:
        self.layout = lake_at(f"{folder}/a lake")
        self.days = 0
        claim(self.layout, "demo", DAY_0)

    def ran(self, run_id: str, state: str = "published", *measured: Measurement, **changes: Any) -> None:
        at = DAY_0 + timedelta(days=self.days)
        values = {"exit_status": 0, "ended_at": at + timedelta(seconds=24), **changes}
        Run(run_id, "demo", at, "", "{}", state=state, **values).save(self.layout)
        metrics.save(self.layout, run_id, at, [to_record(one) for one in measured])
        self.days += 1

    def checked(self, run_id: str, outcome: str, message: str | None) -> None:
        at = DAY_0 + timedelta(days=self.days - 1)
        add_check(self.layout, Check(run_id, run_id, at, outcome, 34, 2, 0, 10, message))

    def published(self, name: str, live_rows: int | None = 2000) -> None:
        tables = {"tracks": PublishedTable("tracks", "silver/tracks", 3, 2000, live_rows)}
        at = DAY_0 + timedelta(days=self.days - 1, minutes=1)
        publications.publish(self.layout, Publication(name, name, at, tables))

    def status(self, *options: str) -> Result:
        return CliRunner().invoke(command, ["--lake", str(self.layout.root), *options], catch_exceptions=False)

    def said(self, *options: str) -> Any:
        return json.loads(self.status("--format", "json", *options).stdout)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def measured(metric: Metric, table: str | None, value: float, label: str | None = None) -> Measurement:
    return Measurement(Series(metric, table, label), value)


def odd(value: float) -> Measurement:
    return Measurement(Series(Metric.ROWS, "tracks"), value, low=1900.0, high=2100.0, score=-8.5, is_anomaly=True)


def test_a_run_is_told_with_its_numbers_over_all_tables(lake: Lake) -> None:
    numbers = (
        *(measured(Metric.ROWS, "tracks", 2001), measured(Metric.ROWS, "users", 1000)),
        *(measured(Metric.REJECTED, "tracks", 2), measured(Metric.REJECTED, "users", 0)),
        measured(Metric.ORPHANS, "listen_history", 3, "user_id"),
        measured(Metric.ORPHANS, "listen_history", 1, "items[]"),
    )
    lake.ran("a", "published", *numbers)
    [run] = lake.said()["runs"]
    assert run == {
        "run_id": "a",
        "started_at": "2026-01-01T01:30:00+00:00",
        "ended_at": "2026-01-01T01:30:24+00:00",
        "outcome": "published",
        "is_good": True,
        "exit_status": 0,
        "message": None,
        "docs_id": None,
        "seconds": 24.0,
        "rows": 3001,
        "rejected": 2,
        "orphans": 4,
        "anomalies": [],
    }
    assert "2026-01-01 01:30  published     24.0   3,001         2        4          -  a" in lake.status().stdout


def test_what_was_not_measured_is_a_dash_and_no_zero(lake: Lake) -> None:
    lake.ran("a", "failed", exit_status=4)
    assert "source failed     24.0       -         -        -          -  a" in lake.status().stdout
    assert lake.said()["runs"][0]["rows"] is None


def test_the_seconds_of_a_run_that_was_checked_a_day_later_are_those_of_its_jobs(lake: Lake) -> None:
    jobs = (measured(Metric.SECONDS, None, 20.5, "full-ingest"), measured(Metric.SECONDS, None, 9.25, "sanity-check"))
    lake.ran("a", "published", *jobs, ended_at=DAY_0 + timedelta(days=1))
    assert lake.said()["runs"][0]["seconds"] == 29.75


def test_the_last_runs_come_newest_first_and_as_many_as_asked_for(lake: Lake) -> None:
    for name in "abcdefghijkl":
        lake.ran(name)
    assert [run["run_id"] for run in lake.said()["runs"]] == list("lkjihgfedc")
    assert [run["run_id"] for run in lake.said("--last", "2")["runs"]] == ["l", "k"]
    assert "demo: the last 2 runs" in lake.status("--last", "2").stdout


def test_what_is_odd_is_said_in_words_with_what_was_expected(lake: Lake) -> None:
    lake.ran("a", "published", odd(12.0))
    lines = lake.status().stdout.splitlines()
    assert (
        lines[lines.index("Anomalies in run a:") + 1] == "  copy.rows of tracks: 12 rows, expected 1,900 to 2,100 rows"
    )
    assert lake.said()["runs"][0]["anomalies"] == [
        {"metric": "copy.rows", "table": "tracks", "label": None, "value": 12, "low": 1900, "high": 2100, "score": -8.5}
    ]


def test_of_many_odd_numbers_the_first_are_told_and_the_others_counted(lake: Lake) -> None:
    many = [
        Measurement(Series(Metric.STEP_SECONDS, None, f"step {n}"), 9.0, 1.0, 2.0, 5.0, is_anomaly=True)
        for n in range(8)
    ]
    lake.ran("a", "published", *many)
    printed = lake.status().stdout
    assert printed.count("expected 1.00 s to 2.00 s") == 5
    assert "  and 3 more, in the report" in printed
    assert len(lake.said()["runs"][0]["anomalies"]) == 8


def test_what_is_published_and_since_when(lake: Lake) -> None:
    lake.ran("a")
    lake.published("a")
    lake.ran("b", "failed", exit_status=4)
    printed = lake.status().stdout
    assert "Published: a, since 2026-01-01 01:31 UTC\n           tracks: 2,000 rows, version 3\n" in printed
    assert lake.said()["published"] == {
        "publication_id": "a",
        "run_id": "a",
        "published_at": "2026-01-01T01:31:00+00:00",
        "restores": None,
        "tables": {"tracks": {"version": 3, "rows": 2000, "live_rows": 2000, "proof": None, "increment": None}},
    }


def test_how_the_copy_of_what_is_published_is_proved(lake: Lake) -> None:
    lake.ran("a", tables={"tracks": TableRun("tracks", TableState.MERGED, proof="ended")})
    lake.published("a")
    assert "           tracks: 2,000 rows, version 3, ended\n" in lake.status().stdout
    assert lake.said()["published"]["tables"] == {
        "tracks": {"version": 3, "rows": 2000, "live_rows": 2000, "proof": "ended", "increment": None}
    }


def test_the_rows_of_what_is_published_are_live_and_deleted_ones_stand_apart(lake: Lake) -> None:
    lake.ran("a")
    lake.published("a", live_rows=1999)
    assert "           tracks: 1,999 rows + 1 deleted, version 3\n" in lake.status().stdout
    [table] = lake.said()["published"]["tables"].values()
    assert (table["rows"], table["live_rows"]) == (2000, 1999)
    # An earlier version did not record them.
    lake.published("b", live_rows=None)
    assert "           tracks: 2,000 rows, version 3\n" in lake.status().stdout


def test_who_serves_the_lists_and_why_a_candidate_does_not(lake: Lake) -> None:
    lake.ran("a")
    assert (lake.said()["lists"], "Lists:" in lake.status().stdout) == ({}, False)
    promoted = {"champion": "m1", "champion_before": None, "model_version": "m1", "kind": "ease"}
    decide(lake.layout, [Decision("m1", "discover", DAY_0, Verdict.PROMOTED, ["it is better"], **promoted)])
    at = DAY_0 + timedelta(days=7)
    kept = {"champion_before": None, "model_version": "m2"}
    decide(
        lake.layout,
        [
            Decision("m2", "discover", at, Verdict.KEPT, ["it is worse."], champion="m1", **kept),
            Decision("m2", "again", at, Verdict.KEPT, ["there are no plays"], champion=None, **kept),
        ],
    )
    assert (
        "Lists:     again: the baselines\n"
        "             the candidate of 2026-01-08 was not promoted: there are no plays\n"
        "           discover: model m1 (ease), promoted 2026-01-01\n"
        "             the candidate of 2026-01-08 was not promoted: it is worse.\n"
    ) in lake.status().stdout
    said = lake.said()["lists"]
    assert (said["again"]["champion"], said["again"]["last_decision"]["verdict"]) == (None, "kept")
    assert (said["discover"]["champion"], said["discover"]["kind"]) == ("m1", "ease")
    assert said["discover"]["since"] == "2026-01-01T01:30:00+00:00"


def test_a_build_of_lists_that_failed_is_told_until_one_passes(lake: Lake) -> None:
    lake.ran("a")
    assert lake.said()["lists_built"] is None
    lake.ran("b", "published", Measurement(Series(Metric.LISTS_BUILT), 0))
    lake.ran("c")  # no lists were built with it
    assert lake.said()["lists_built"] is False
    told = "Lists:     the last build failed, and was not published; see the log of build-recommendations\n"
    assert told in lake.status().stdout
    lake.ran("d", "published", Measurement(Series(Metric.LISTS_BUILT), 1))
    assert (lake.said()["lists_built"], told in lake.status().stdout) == (True, False)


def test_models_that_the_last_build_could_not_use_are_told(lake: Lake) -> None:
    lake.ran("a")
    assert lake.said()["models_passed_over"] is None
    lake.ran("b", "published", Measurement(Series(Metric.UNUSABLE), 1))
    assert lake.said()["models_passed_over"] == 1
    told = (
        "Lists:     the last build could not use 1 model: what was promoted before, or the baselines, serve instead; see the log "
        "of build-recommendations\n"
    )
    assert told in lake.status().stdout
    lake.ran("c", "published", Measurement(Series(Metric.UNUSABLE), 0))
    assert (lake.said()["models_passed_over"], told in lake.status().stdout) == (0, False)


def test_failed_checks_are_told_by_their_names(lake: Lake) -> None:
    lake.ran("a")
    lake.ran("b", "checks_failed", exit_status=3, message="2 expectations failed:\n  tracks.x: observed 2")
    lake.checked("b", "checks failed", "tracks.x; users.y")
    assert lake.said()["failing"] == {
        "run_id": "b",
        "outcome": "checks failed",
        "message": "2 expectations failed:\n  tracks.x: observed 2",
        "expectations": ["tracks.x", "users.y"],
        "lines": [],
    }
    told = "Failing:   run b: checks failed: 2 expectations failed\n           tracks.x\n           users.y\n"
    assert told in lake.status().stdout


def test_failed_checks_are_told_by_their_lines_where_the_lake_has_them(lake: Lake) -> None:
    lake.ran("b", "checks_failed", exit_status=3, message="1 critical failed, 1 warning, 3 of 5 checks passed:")
    lines = ["tracks.name must not be null: 2 of 9 rows (id 1, 2) [tracks.x]", "users.age: 1 row [users.y]"]
    at = DAY_0 + timedelta(minutes=1)
    add_check(lake.layout, Check("b", "b", at, "checks failed", 3, 1, 1, 10, "tracks.x", lines=lines))
    assert (lake.said()["failing"]["expectations"], lake.said()["failing"]["lines"]) == (["tracks.x"], lines)
    told = (
        "Failing:   run b: checks failed: 1 critical failed, 1 warning, 3 of 5 checks passed\n"
        f"           {lines[0]}\n           {lines[1]}\n"
    )
    assert told in lake.status().stdout


@pytest.mark.parametrize("url", [None, "json://127.0.0.1:9"])
def test_a_channel_that_is_off_is_said_once_at_the_start(
    lake: Lake, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGELAKE_ALERT_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", url)
    lake.ran("a")
    first, *others = lake.status().stdout.splitlines()
    is_said = first == "Alert channel ops is off: PAGELAKE_ALERT_URL is not set."
    assert is_said == (url is None)
    assert not [line for line in others if "is off" in line]
    json.loads(lake.status("--format", "json").stdout)


GONE = "no connection (is the server running, and the address right?)"


def failed_tables(number: int) -> dict[str, TableRun]:
    """So many tables that failed, and one that did not."""
    names = [f"t{place}" for place in range(1, number + 1)]
    failed = {name: TableRun(name, TableState.FAILED, f"{name} page 1: {GONE}\n  more") for name in names}
    return {**failed, "good": TableRun("good", TableState.MERGED)}


@pytest.mark.parametrize(("number", "shown", "more"), [(1, 1, []), (5, 5, []), (7, 5, ["and 2 more"])])
def test_why_tables_failed_is_told_for_five_of_them_and_to_programs_for_all(
    lake: Lake, number: int, shown: int, more: list[str]
) -> None:
    said = f"{number} of {number + 1} tables failed; nothing is published."
    lake.ran("a", "failed", exit_status=4, message=f"{said}\n  t1 page 1: {GONE}", tables=failed_tables(number))
    lines = [f"t{place} page 1: {GONE}" for place in range(1, number + 1)]
    assert lake.said()["failing"]["lines"] == lines
    told = [f"run a: source failed: {said}", *lines[:shown], *more]
    assert "Failing:   " + "\n           ".join(told) + "\nNext:      fix the cause" in lake.status().stdout


def test_what_a_good_run_has_put_right_fails_no_more(lake: Lake) -> None:
    lake.ran("a", "failed", exit_status=1, message="ZeroDivisionError")
    assert lake.said()["failing"]["message"] == "ZeroDivisionError"
    lake.ran("b")
    assert lake.said()["failing"] is None
    assert "Failing:   nothing\n" in lake.status().stdout


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("published", 0, "nothing to do"),
        ("merged", 0, "./spark-submit.sh sanity-check --source demo --lake '{}'"),
        ("checks_failed", 3, "fix the source or the suite"),
        ("checks_failed", 1, "fix the expectation in expectations/demo, then sanity-check"),
        ("failed", 4, "fix the cause, then run the same command again"),
        ("failed", 130, "./spark-submit.sh full-ingest --source demo --lake '{}' --resume a"),
        ("failed", 143, "./spark-submit.sh full-ingest --source demo --lake '{}' --resume a"),
        ("merged", None, "./spark-submit.sh full-ingest --source demo --lake '{}' --resume a"),
        ("failed", 1, "docs/troubleshooting.md"),
    ],
)
def test_each_end_has_a_next_step(lake: Lake, state: str, status: int | None, words: str) -> None:
    lake.ran("a", state, exit_status=status, ended_at=None if status is None else DAY_0)
    assert words.format(lake.layout.root) in lake.said()["next"]


def test_a_run_at_work_is_waited_for_and_says_nothing_of_how_things_are(lake: Lake) -> None:
    lake.ran("a", "failed", exit_status=4, message="users: 404")
    lake.ran("b", "running", exit_status=None, ended_at=None)
    with writing(lake.layout, "b", DAY_0):
        said = lake.said()
    assert (said["runs"][0]["outcome"], said["runs"][0]["seconds"]) == ("running", None)
    assert said["failing"]["run_id"] == "a"
    assert said["next"] == "wait until run b has ended"


def test_a_lake_without_a_run_says_what_to_start(lake: Lake) -> None:
    assert "demo: no run yet" in lake.status().stdout
    assert lake.said()["runs"] == []
    assert "full-ingest --source demo" in lake.said()["next"]


def test_no_lake_is_a_mistake_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no lake; run \./spark-submit\.sh full-ingest first"):
        CliRunner().invoke(command, ["--lake", str(tmp_path / "nowhere")], catch_exceptions=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("options", [["--last", "0"], ["--last", "many"], ["--format", "xml"]])
def test_a_wrong_option_is_usage(lake: Lake, options: list[str]) -> None:
    assert lake.status(*options).exit_code == 2


def terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of that width in the place of standard output."""
    make: Callable[..., console.Console] = console.Console

    def made(**settings: Any) -> console.Console:
        return make(**{"width": width, **settings}, force_terminal=True, color_system=None)

    monkeypatch.setattr(console, "Console", made)


@pytest.mark.parametrize("width", [80, 160])
def test_a_table_fits_the_terminal_and_cuts_no_number(lake: Lake, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = "20260101T013000Z-6a97"
    lake.ran(
        run_id, "merged", measured(Metric.ROWS, "tracks", 123_456_789), measured(Metric.REJECTED, "tracks", 12_345)
    )
    terminal(width, monkeypatch)
    table = lake.status().stdout.partition("Published:")[0]
    assert max(len(line.rstrip()) for line in table.splitlines()) <= width
    assert "123,456,789" in table
    assert "12,345" in table
    assert (run_id in table) == (width == 160)


def test_text_from_records_moves_no_cursor(lake: Lake) -> None:
    lake.ran("a", "failed", exit_status=1, message="\x1b[2Jgone [red]x[/red]")
    printed = lake.status().stdout
    assert "\x1b" not in printed
    assert "gone [red]x[/red]" in printed


def test_it_starts_no_java_and_reads_no_gx(lake: Lake) -> None:
    lake.ran("a")
    script = (
        "import sys; from jobs.status import command; from pyspark import SparkContext\n"
        "command.main(sys.argv[1:], standalone_mode=False)\n"
        "print(sorted({'great_expectations', 'altair'} & set(sys.modules)), SparkContext._gateway)"
    )
    arguments = [sys.executable, "-c", script, "--lake", str(lake.layout.root)]
    done = subprocess.run(arguments, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] None"
    assert "published" in done.stdout


def test_what_to_type_names_the_source_as_it_was_given(lake: Lake) -> None:
    status = status_of("demo", lake.layout, 5, DAY_0, "./my demo.yml")
    assert status.source == "demo"
    assert status.next == f"./spark-submit.sh full-ingest --source './my demo.yml' --lake '{lake.layout.root}'"
