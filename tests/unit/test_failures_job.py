"""`failures`, on records as checks write them: which rows failed, without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from jobs.failures import command
from lib.errors import ConfigError
from lib.lake import records
from lib.lake.checks import ROLLED_BACK, Check, add_check
from lib.lake.failures import SCHEMA, add_few
from lib.lake.layout import Layout, claim, lake_at
from lib.lake.lock import writing
from lib.lake.runs import Run
from lib.lake.states import RunState
from lib.reporting import failures

REPO = Path(__file__).parents[2]
AT = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
ORPHANS, NULLS = "listen_history.orphans.user_id", "users.column_values_to_not_be_null.email"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = lake_at(str(tmp_path / "lake"))
    claim(layout, "demo", AT)
    return layout


def checked(layout: Layout, docs_id: str, run_id: str, *rows: dict[str, Any], outcome: str = "checks failed") -> None:
    lines = [f"the line of {docs_id}"] if rows else None
    add_check(layout, Check(docs_id, run_id, AT, outcome, 34, 1, 1, 10, None, lines=lines))
    if rows:
        add_few(layout, [{**dict.fromkeys(SCHEMA.names), "docs_id": docs_id, "run_id": run_id, **row} for row in rows])


def orphan(user_id: int, day: int) -> dict[str, Any]:
    key = json.dumps({"user_id": user_id, "created_at": f"2026-03-0{day}"})
    about = {"table": "listen_history", "version": 3, "expectation": ORPHANS, "severity": "critical"}
    about["rule"] = "listen_history.user_id -> users"
    return {**about, "key": key, "pointer": str(user_id), "key_hash": f"hash of {user_id}"}


def null(name: str) -> dict[str, Any]:
    about = {"table": "users", "version": 4, "expectation": NULLS, "severity": "warning"}
    return {**about, "key": json.dumps({"name": name})}


NOTED = {
    "table": "users",
    "version": 4,
    "expectation": "users.floor",
    "severity": "critical",
    "note": "no rows are listed",
}


def said(layout: Layout, *options: str) -> str:
    return CliRunner().invoke(command, ["--lake", str(layout.root), *options], catch_exceptions=False).stdout


def as_lines(printed: str) -> Sequence[str]:
    """The lines without the commands: none ends in blanks."""
    lines = printed.splitlines()
    assert lines == [line.rstrip() for line in lines]
    return [line for line in lines if "explain-row" not in line]


def explained(layout: Layout, *options: str) -> list[str]:
    """The commands that say where the first row of each expectation came from."""
    found = [line for line in said(layout, *options).splitlines() if "explain-row" in line]
    head = f"  Where the first one came from: ./spark-submit.sh explain-row --source demo --lake {layout.root} --table "
    assert all(line.startswith(head) for line in found)
    return [line.removeprefix(head) for line in found]


def ran(layout: Layout, run_id: str, number: int, **changes: Any) -> None:
    Run(run_id, "demo", AT, "", "{}", number=number, **{"state": RunState.FAILED, "ended_at": AT, **changes}).save(
        layout
    )


def test_the_rows_of_the_last_check_are_tables_by_expectation(layout: Layout) -> None:
    checked(layout, "one", "one", orphan(7, 1))
    checked(layout, "two", "two", orphan(900, 1), orphan(901, 2), null("***"), NOTED)
    assert as_lines(said(layout)) == [
        "Check two of 2026-03-05 14:30 UTC: checks failed; these rows failed.",
        "",
        f"{ORPHANS} (critical), 2 rows:",
        "  listen_history.user_id -> users",
        "user_id  created_at  refers to",
        "900      2026-03-01        900",
        "901      2026-03-02        901",
        "",
        f"{NULLS} (warning), 1 row:",
        "name",
        "***",
        "",
        "users.floor (critical), 0 rows:",
        "  no rows are listed",
    ]


@pytest.mark.parametrize(
    ("run", "which"), [("one", "one"), ("two", "two"), ("two.check2", "two.check2"), (None, "two.check2")]
)
def test_a_run_stands_for_its_first_check_and_no_run_for_the_last_of_all(
    layout: Layout, run: str | None, which: str
) -> None:
    checked(layout, "one", "one", orphan(1, 1))
    checked(layout, "two", "two", orphan(2, 1))
    checked(layout, "two.check2", "two", orphan(3, 1))
    checked(layout, "one.rollback1", "one", outcome=ROLLED_BACK)
    found = json.loads(said(layout, "--format", "json", *(["--run", run] if run else [])))
    assert (found["docs_id"], found["lines"]) == (which, [f"the line of {which}"])


def test_json_has_every_row_with_its_key_as_an_object(layout: Layout) -> None:
    checked(layout, "two", "two", orphan(900, 1), null("a"))
    found = json.loads(said(layout, "--format", "json", "--expectation", ORPHANS))
    assert found == {
        "run_id": "two",
        "docs_id": "two",
        "checked_at": "2026-03-05T14:30:00+00:00",
        "outcome": "checks failed",
        "lines": ["the line of two"],
        "newest_run": None,
        "rows": [
            {
                "table": "listen_history",
                "version": 3,
                "expectation": ORPHANS,
                "severity": "critical",
                "rule": "listen_history.user_id -> users",
                "key": {"user_id": 900, "created_at": "2026-03-01"},
                "pointer": "900",
                "key_hash": "hash of 900",
                "note": None,
            }
        ],
    }


def test_keys_are_listed_by_their_number_and_texts_by_their_letters(layout: Layout) -> None:
    checked(layout, "two", "two", *(orphan(number, 1) for number in (100, 20, 3)), null("b"), null("a"), null("B"))
    found = json.loads(said(layout, "--format", "json"))
    keys = [next(iter(row["key"].values())) for row in found["rows"]]
    assert keys == [3, 20, 100, "B", "a", "b"]


def test_the_command_for_the_first_row_has_its_whole_key(layout: Layout) -> None:
    checked(layout, "two", "two", orphan(100, 1), orphan(20, 2), null("it's"))
    assert explained(layout) == [
        "listen_history --key user_id=20 --key created_at=2026-03-02",
        "users --key 'name=it'\"'\"'s'",
    ]


def test_there_is_no_such_command_for_a_personal_key_nor_for_a_derived_table(layout: Layout) -> None:
    checked(layout, "two", "two", {**orphan(1, 1), "table": "listens"}, null("***"), NOTED)
    assert explained(layout) == []


def test_that_the_newest_run_was_not_checked_is_said_above_an_older_check(layout: Layout) -> None:
    ran(layout, "one", 1)
    checked(layout, "one", "one", orphan(7, 1))
    assert said(layout).startswith("Check one of ")
    assert json.loads(said(layout, "--format", "json"))["newest_run"] is None
    ran(layout, "two", 2, exit_status=4)
    assert as_lines(said(layout))[:3] == [
        "The newest run, two, was not checked: it ended as 'source failed'. ./spark-submit.sh status --source demo "
        f"--lake {layout.root} says why. An older check:",
        "",
        "Check one of 2026-03-05 14:30 UTC: checks failed; these rows failed.",
    ]
    assert json.loads(said(layout, "--format", "json"))["newest_run"] == {"run_id": "two", "outcome": "source failed"}
    # Whoever asks for a check by name gets that one.
    assert said(layout, "--run", "one").startswith("Check one of ")


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"exit_status": 4}, "it ended as 'source failed'"),
        ({"exit_status": None, "ended_at": None, "state": RunState.RUNNING}, "it ended as 'killed'"),
        ({"exit_status": 0, "state": RunState.MERGED}, "it ended as 'merged, not published'"),
    ],
)
def test_a_run_that_was_never_checked_is_known_and_says_how_it_ended(
    layout: Layout, changes: dict[str, Any], how: str
) -> None:
    checked(layout, "one", "one", orphan(7, 1))
    ran(layout, "two", 2, **changes)
    with pytest.raises(ConfigError) as refused:
        said(layout, "--run", "two")
    assert str(refused.value) == (
        f"--run two: that run was not checked: {how}; ./spark-submit.sh status says how the last runs ended"
    )


def test_a_run_that_is_at_work_was_not_checked_yet(layout: Layout) -> None:
    ran(layout, "two", 2, exit_status=None, ended_at=None, state=RunState.RUNNING)
    with writing(layout, "two", AT), pytest.raises(ConfigError, match="that run was not checked: it is still running;"):
        said(layout, "--run", "two")


def test_people_get_the_first_rows_and_are_told_of_the_others(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST_ROWS", 2)
    checked(layout, "two", "two", *(orphan(number, 1) for number in range(5)))
    assert as_lines(said(layout))[-3:] == [
        "0        2026-03-01          0",
        "1        2026-03-01          1",
        "  and 3 more: --format json has all of them",
    ]
    assert len(json.loads(said(layout, "--format", "json"))["rows"]) == 5


def test_a_check_that_passed_has_no_rows(layout: Layout) -> None:
    checked(layout, "one", "one", outcome="published")
    assert as_lines(said(layout)) == ["Check one of 2026-03-05 14:30 UTC: published; no row failed."]


def test_text_of_a_key_moves_no_cursor(layout: Layout) -> None:
    checked(layout, "one", "one", null("\x1b[2Jgone [red]x[/red]"))
    printed = said(layout)
    assert "\x1b" not in printed
    assert "gone [red]x[/red]" in printed


def test_rows_of_a_lake_from_before_references_had_their_values_are_listed(layout: Layout) -> None:
    add_check(layout, Check("old", "old", AT, "checks failed", 34, 1, 0, 10, ORPHANS))
    added = ("pointer", "rule")
    schema = pa.schema([field for field in SCHEMA if field.name not in added])
    row = {name: value for name, value in orphan(7, 1).items() if name not in added}
    records.append(layout.failures, schema, [{**dict.fromkeys(schema.names), "docs_id": "old", **row}])
    assert "7        2026-03-01" in as_lines(said(layout))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--run", "tow"], "--run tow: {lake} has no checked run of that name; did you mean 'two'?"),
        (
            ["--expectation", "listen_history.orphan.user_id"],
            "--expectation listen_history.orphan.user_id: none of that name failed in check two; did you mean "
            "'listen_history.orphans.user_id'?",
        ),
        (
            ["--expectation", "zzz"],
            f"--expectation zzz: none of that name failed in check two; those that did are {ORPHANS}, {NULLS}",
        ),
    ],
)
def test_an_unknown_name_says_what_there_is(layout: Layout, options: list[str], words: str) -> None:
    checked(layout, "two", "two", orphan(900, 1), null("a"))
    with pytest.raises(ConfigError) as refused:
        said(layout, *options)
    assert str(refused.value) == words.format(lake=layout.root)


def test_a_lake_without_a_check_says_what_to_start(layout: Layout) -> None:
    with pytest.raises(ConfigError) as refused:
        said(layout)
    assert str(refused.value) == f"{layout.root}: no run was checked yet; run ./spark-submit.sh full-ingest first"


def test_it_starts_no_java(layout: Layout) -> None:
    checked(layout, "two", "two", orphan(900, 1))
    script = (
        "import sys; from jobs.failures import command; from pyspark import SparkContext\n"
        "command.main(sys.argv[1:], standalone_mode=False)\n"
        "print('great_expectations' in sys.modules, SparkContext._gateway)"
    )
    arguments = [sys.executable, "-c", script, "--lake", str(layout.root)]
    done = subprocess.run(arguments, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False None"
