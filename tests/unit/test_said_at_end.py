"""What a run says in its last lines, and a step beside its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lib.console import Step, number_of
from lib.lake import results
from lib.lake.checks import Check, add_check
from lib.lake.layout import Layout, lake_at
from lib.lake.runs import Run, TableRun
from lib.lake.states import RunState, TableState
from lib.landing.plan import Plan, TablePlan
from lib.logs import BAD, GOOD
from lib.quality.validate import Finding, Findings
from lib.reporting.summary import say_done, say_plan, why_not_published

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return lake_at(str(tmp_path / "a lake"))


def table(name: str = "things", state: TableState = TableState.MERGED, **numbers: Any) -> TableRun:
    record = TableRun(name, state)
    for key, value in numbers.items():
        setattr(record, key, value)
    return record


def test_a_published_run_ends_with_four_lines_below_what_is_to_be_known(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    record = table(rows_landed=9, rows_rejected=1, rows_duplicate=0, rows_inserted=8, rows_resolved=1)
    run = Run("r1", "shop", AT, "", "{}", state=RunState.PUBLISHED, tables={"things": record}, number=1)
    run.save(layout)
    warning = "warning: things.name must not be null: 1 of 8 rows (id 3) [things.x]"
    add_check(layout, Check("r1", "r1", AT, "published", 7, 0, 1, 8, None, lines=[warning]))
    say_done(layout, run)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "  table   rows landed  rejected  duplicate  inserted  updated  deleted",
        "  things            9         1          0         8        -        -",
        "",
        "1 row of things left quarantine.",
        warning,
        "Run r1 is published.",
        "Checks:  1 warning, 7 of 8 checks passed",
        f"Docs:    {layout.site / 'index.html'}  (open it in a browser)",
        f"Tables:  {layout.published_json}  (docs/reading.md says how to read them)",
    ]


def test_a_run_says_how_many_lists_the_source_has_no_more(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run("r1", "shop", AT, "", "{}", state=RunState.MERGED, tables={"things": table(parents_missing=2)}, number=1)
    run.save(layout)
    say_done(layout, run)
    said = "The source has no list of things for 2 rows that it should be read for (status 404 or 410)."
    assert said in capsys.readouterr().out.splitlines()


def test_a_plan_says_how_tables_are_read_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    in_parts = TablePlan("lists", "/of/{things.id}", 1, 0, 0, None, n_parts=0, for_each="things")
    say_plan(
        "shop",
        Plan(
            (
                TablePlan("things", "/things", 1, 3, 100, 250),
                in_parts,
                replace(in_parts, table="slices", for_each=None, n_parts=2),
                replace(in_parts, table="windows", for_each=None, n_parts=7, until="2024-06-15T12:00:00Z"),
            ),
            {},
        ),
    )
    assert capsys.readouterr().out.splitlines() == [
        "Plan for shop; nothing was written, not published.",
        "  table       rows    pages",
        "  things       250        3",
        "  lists    unknown  unknown",
        "  slices   unknown  unknown",
        "  windows  unknown  unknown",
        "lists: one list for each row of things.",
        "slices: 2 slices.",
        "windows: 7 windows of time, up to 2024-06-15T12:00:00Z.",
    ]


def test_a_failed_check_says_each_failure_the_command_for_its_rows_and_what_to_do(layout: Layout) -> None:
    failed = Finding(
        name="things.orphans.user",
        table="things",
        expectation="unexpected_rows_expectation",
        about="Every things.user points at a row of users.",
        severity="critical",
        success=False,
        said="observed 1",
        unexpected=1,
        meta={"reference": "user", "refers_to": "users", "meets": "nothing"},
        keys="user 900",
    )
    passed = Finding("things.y", "things", "kind", "", "critical", success=True, said="")
    findings = Findings((failed, passed), {"things": 8})
    assert why_not_published("./my shop.yml", layout, "r1", findings, findings.gating).splitlines() == [
        "1 critical failed, 1 of 2 checks passed:",
        "  critical: things.user -> users: 1 orphan (user 900) [things.orphans.user]",
        "What was published before stays current.",
        f"Rows:    ./spark-submit.sh failures --source './my shop.yml' --lake '{layout.root}' --run r1",
        f"Docs:    {layout.site / 'runs' / 'r1' / 'index.html'}",
        "Next:    fix the source or the suite, then full-ingest; for a fixed suite sanity-check is enough",
        "Or:      sanity-check --accept 'things.orphans.user' --reason TEXT, to publish once despite this failure",
    ]


def test_what_a_step_came_to_in_a_few_words() -> None:
    one = table(
        rows_landed=1_001, rows_rejected=2, rows_duplicate=3, rows_inserted=200, rows_updated=5, proof="counted"
    )
    other = table("others", rows_landed=1, rows_updated=1, rows_deleted=4, proof="unproved")
    assert results.parsed([one, other]) == "1,002 rows, 2 rejected, 3 duplicate"
    assert results.parsed([other]) == "1 row"
    assert results.changed([one, other]) == "200 new, 6 changed, 4 deleted"
    assert results.changed([]) == "nothing new"
    assert results.proved([one, other]) == "1 of 2 tables complete"
    assert (number_of(1, "page"), number_of(0, "page"), number_of(2001, "page")) == ("1 page", "0 pages", "2,001 pages")


def test_a_step_names_the_tables_that_have_failed() -> None:
    run = Run("r1", "shop", AT, "", "{}", tables={"things": table(), "others": table("others", TableState.PLANNED)})
    step = Step(0)
    results.tell(step, run, "8 new")
    assert (step.sign, step.result) == (GOOD, "8 new")
    run.fail("others", "others: 404")
    results.tell(step, run, "8 new")
    assert (step.sign, step.result) == (BAD, "8 new; failed: others")


def test_a_step_has_never_more_done_than_there_is_whoever_counts_twice() -> None:
    seen: list[int] = []
    step = Step(5)
    step.moved = seen.append
    for _ in range(4):
        step.advance()
    step.advance(3)
    step.reach(2)
    assert (seen, step.done) == ([1, 2, 3, 4, 5, 5], 5)
    open_ended = Step(0)
    open_ended.advance(7)
    assert open_ended.done == 7
