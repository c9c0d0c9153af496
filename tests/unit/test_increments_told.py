"""What the command line takes of increments, and what is said of them: on the terminal, by `status`, on the site, by anomalies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs.full_ingest import command
from jobs.status import command as status
from jobs.steps.options import check_wanted
from lib.config import Table
from lib.errors import ConfigError
from lib.lake import metrics, publications, runs
from lib.lake.layout import claim
from lib.lake.runs import TableRun
from lib.lake.states import TableState
from lib.landing.budget import Budget
from lib.landing.increments import WHAT_IS_DUE, Wanted, plan_run
from lib.lineage.row_history import Occurrence, tell
from lib.observe.measure import Work
from lib.reporting.marks import mark_as_json, mark_lines, marks_of
from lib.reporting.observe import observe
from lib.reporting.pages import TableLine
from lib.reporting.summary import say_done, say_plan
from lib.source.access import Access
from tests.changing_source import NOON, Changing, ChangingServer
from tests.increments import DAY_0, Increments
from tests.made_up_runs import job_at


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[Increments]:
    """A lake with one row of noon, copied and published once."""
    source = Changing()
    source.put(1)
    with ChangingServer(source) as server:
        increments = Increments(tmp_path, server)
        increments.run()
        yield increments


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--full", "--since", "2026-05-01"],
            "--full asks for all rows, and --since for some of them; give one of them",
        ),
        (
            ["--full", "--until", "2026-05-01"],
            "--full asks for all rows, and --until for some of them; give one of them",
        ),
        (
            ["--from-landed", "r1", "--full"],
            "--from-landed asks the source for nothing, so --full has no meaning beside it",
        ),
        (
            ["--from-landed", "all", "--since", "2026-05-01"],
            "--from-landed asks the source for nothing, so --since has no meaning beside it",
        ),
        (
            ["--resume", "r1", "--until", "2026-05-01"],
            "--resume asks for what that run asked for, so --until has no meaning beside it; start a new run",
        ),
        (
            ["--since", "2026-05-01"],
            "--since: tracks has no incremental; name the tables of the backfill with --tables",
        ),
    ],
)
def test_options_that_cannot_be_are_told_before_anything_is_touched(
    tmp_path: Path, options: list[str], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        CliRunner().invoke(command, ["--lake", str(tmp_path / "lake"), *options], catch_exceptions=False)
    assert (str(caught.value), caught.value.exit_status) == (says, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        (
            "yesterday",
            None,
            "--since yesterday: must be a date or a time, such as 2026-05-01 or 2026-05-01T10:00:00Z, as changes.at is",
        ),
        ("2026-05-02", "2026-05-02T00:00:00Z", "--until 2026-05-02T00:00:00Z: must be later than --since 2026-05-02"),
    ],
)
def test_bounds_of_a_backfill_are_checked(changes: Increments, since: str, until: str | None, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_wanted(changes.job(), Wanted(since=since, until=until))
    assert str(caught.value) == says


def test_an_end_needs_a_parameter_for_it(changes: Increments) -> None:
    del changes.settings["until_param"]
    with pytest.raises(ConfigError) as caught:
        check_wanted(changes.job(), Wanted(until="2026-05-01"))
    assert str(caught.value) == (
        "--until: changes has no incremental.until_param, so its source has no such bound; leave it out"
    )
    check_wanted(changes.job(), Wanted(since="2026-05-01"))


def test_a_dry_run_and_the_last_lines_say_what_was_asked_for(
    changes: Increments, capsys: pytest.CaptureFixture[str]
) -> None:
    changes.days(1)
    changes.source.put(2)
    job = changes.job()
    run = runs.new_run("dry", "shop", "", {}, job.now)
    run.tables = {"changes": TableRun("changes")}

    access = Access.of(job.source.api, job.source.tables)
    say_plan(run, plan_run(job.source, job.layout, access, Budget(1), run, job.steps, WHAT_IS_DUE).plan)
    assert capsys.readouterr().out.splitlines() == [
        "Plan for shop; nothing was written, not published.",
        "  table    rows  pages",
        "  changes     2      1",
        "changes: increment since 2026-05-01T11:00:00Z until 2026-05-02T12:00:00Z.",
    ]
    say_done(job.layout, changes.run())
    assert (
        "changes: increment since 2026-05-01T11:00:00Z until 2026-05-02T12:00:00Z, proved by what it asked for; deleted rows are "
        "found by a run that asks for all."
    ) in capsys.readouterr().out.splitlines()


def test_a_run_without_news_says_so_in_four_lines(changes: Increments, capsys: pytest.CaptureFixture[str]) -> None:
    run = changes.run()
    say_done(changes.job().layout, run)
    layout = changes.job().layout
    assert capsys.readouterr().out.splitlines() == [
        "Run run-2: nothing new at the source. Publication run-1 stays current.",
        "         changes: increment since 2026-05-01T11:00:00Z",
        f"Docs:    {layout.site / 'index.html'}  (open it in a browser)",
        f"Tables:  {layout.published_json}  (docs/reading.md says how to read them)",
    ]


def test_status_says_how_far_tables_are_copied_and_how_old_that_is(changes: Increments) -> None:
    changes.days(2)
    changes.source.put(2)
    changes.run()
    layout = changes.job().layout
    [mark] = marks_of(layout, publications.current(layout), NOON + timedelta(days=3))
    assert mark_as_json(mark) == {
        "table": "changes",
        "part": None,
        "watermark": "2026-05-03T12:00:00Z",
        "age_s": 86400.0,
        "run_id": "run-2",
        "set_at": "2026-01-03T00:00:00+00:00",
        "full_at": "2026-01-01T00:00:00+00:00",
        "swept_at": "2026-01-01T00:00:00+00:00",
    }
    assert mark_lines([mark], DAY_0 + timedelta(days=4)) == [
        "Increments: changes: up to 2026-05-03T12:00:00Z, 24 h old; all rows 96 h ago"
    ]


def test_status_prints_watermarks_in_both_forms(changes: Increments) -> None:
    changes.days(2)
    changes.source.put(2)
    changes.run()
    where = ["--source", str(changes.folder / "shop.yml"), "--lake", str(changes.folder / "lake")]
    text = CliRunner().invoke(status, where, catch_exceptions=False).stdout
    assert (
        "changes: 2 rows, version 1, increment since 2026-05-01T11:00:00Z until 2026-05-03T12:00:00Z: counted" in text
    )
    assert "Increments: changes: up to 2026-05-03T12:00:00Z" in text
    said = json.loads(CliRunner().invoke(status, [*where, "--format", "json"], catch_exceptions=False).stdout)
    assert [(one["table"], one["watermark"]) for one in said["watermarks"]] == [("changes", "2026-05-03T12:00:00Z")]
    assert said["published"]["tables"]["changes"]["increment"] == (
        "increment since 2026-05-01T11:00:00Z until 2026-05-03T12:00:00Z"
    )


def test_an_increment_is_not_shown_as_a_complete_copy() -> None:
    line = TableLine("changes", 10, 1, proof="counted", increment="increment since 2026-05-01T11:00:00Z")
    assert (line.is_proved, line.completeness) == (True, "Increment: counted")
    assert TableLine("changes", 10, 1, proof="counted").completeness == "Complete: counted"


def test_an_increment_is_no_table_that_has_shrunk(tmp_path: Path) -> None:
    made = job_at(tmp_path / "lake")
    claim(made.layout, "demo", DAY_0)
    for day in range(30):
        at = DAY_0 + timedelta(days=day)
        # All rows on every second day; at the end an increment with half of its usual rows.
        is_full, keys = day % 2 == 0, 1000 if day % 2 == 0 else 5 if day == 29 else 40
        since = None if is_full else "2026-05-01T11:00:00Z"
        users = TableRun("users", TableState.MERGED, keys=keys, since=since)
        run = runs.Run(f"r{day}", "demo", at, "", "{}", state=runs.PUBLISHED, exit_status=0, ended_at=at)
        run.number, run.tables = day + 1, {"users": users}
        run.save(made.layout)
        observe(made.watch, run, Work(at))
    judged = {
        record["run_id"]: (record["low"], record["high"], record["is_anomaly"])
        for record in metrics.since(made.layout, DAY_0 - timedelta(days=1))
        if record["metric"] == "quality.distinct_keys"
    }
    assert judged["r28"] == (650, 1350, False)
    # 40, give or take 3 + 3 times the root of 40.
    low, high, is_anomaly = judged["r29"]
    assert (round(low, 2), round(high, 2), is_anomaly) == (18.03, 61.97, True)


def test_a_row_that_an_increment_did_not_ask_for_is_told_as_kept_for_that() -> None:
    table = Table.model_validate(
        {"name": "t", "path": "/t", "key": ["id"], "columns": {"id": "bigint!"}, "deletes": "soft"}
    )
    known = [runs.Run(f"r{number}", "shop", DAY_0, "", "{}", state=runs.MERGED) for number in (1, 2)]
    known[0].tables = {"t": TableRun("t", TableState.MERGED)}
    known[1].tables = {"t": TableRun("t", TableState.MERGED, since="17")}
    assert list(tell(table, known, [Occurrence("r1", 1, 0, (), "a", 1, 1)], {}, None)) == [
        "run r1 (2026-01-01 00:00 UTC, merged, not published): page 1, row 1: taken",
        "run r2 (2026-01-01 00:00 UTC, merged, not published): on no page: kept (this run did not ask for all rows: increment "
        "since 17)",
    ]


def test_a_row_that_a_sweep_met_is_not_told_as_deleted_by_it() -> None:
    table = Table.model_validate(
        {"name": "t", "path": "/t", "key": ["id"], "columns": {"id": "bigint!"}, "deletes": "soft"}
    )
    known = [runs.Run(f"r{number}", "shop", DAY_0, "", "{}", state=runs.MERGED) for number in (1, 2)]
    known[0].tables = {"t": TableRun("t", TableState.MERGED)}
    known[1].tables = {"t": TableRun("t", TableState.MERGED, since="17", sweep="counted", rows_deleted=1)}
    hits, head = (
        [Occurrence("r1", 1, 0, (), "a", 1, 1)],
        "run r2 (2026-01-01 00:00 UTC, merged, not published): on no page: ",
    )
    assert list(tell(table, known, hits, {}, None, {"r2"}))[1] == f"{head}kept (the sweep of this run met its key)"
    assert list(tell(table, known, hits, {}, None))[1] == f"{head}marked as deleted"
