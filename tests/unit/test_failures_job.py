"""`failures`, on records as checks write them: which rows failed, without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.failures import command
from lib.errors import ConfigError
from lib.lake import records
from lib.lake.checks import ROLLED_BACK, Check, add_check
from lib.lake.failures import SCHEMA, add_few
from lib.lake.layout import Layout, claim, lake_at
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
    return [line.rstrip() for line in printed.splitlines()]


def test_the_rows_of_the_last_check_are_tables_by_expectation(layout: Layout) -> None:
    checked(layout, "one", "one", orphan(7, 1))
    checked(layout, "two", "two", orphan(900, 1), orphan(901, 2), null("***"), NOTED)
    assert as_lines(said(layout)) == [
        "Check two of 2026-03-05 14:30 UTC: checks failed; these rows failed.",
        "",
        f"{ORPHANS} (critical), 2 rows:",
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
        "rows": [
            {
                "table": "listen_history",
                "version": 3,
                "expectation": ORPHANS,
                "severity": "critical",
                "key": {"user_id": 900, "created_at": "2026-03-01"},
                "pointer": "900",
                "key_hash": "hash of 900",
                "note": None,
            }
        ],
    }


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
    schema = SCHEMA.remove(SCHEMA.get_field_index("pointer"))
    row = {name: value for name, value in orphan(7, 1).items() if name != "pointer"}
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
