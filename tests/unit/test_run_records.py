"""Records of runs, as they are kept and read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lib.errors import ConfigError
from lib.lake import records, runs
from lib.lake.checks import Check, add_check, all_checks, checks_since
from lib.lake.layout import lake_at
from lib.lake.runs import Run, TableRun

AT = datetime(2026, 3, 5, tzinfo=UTC)


def run(run_id: str, **record: Any) -> Run:
    return Run(run_id, "shop", AT, "", "{}", tables={"things": TableRun("things", **record)})


@pytest.mark.parametrize(("name", "value"), [("rows_missing", [{"column": "name", "rows": 2}]), ("pages_skipped", 2)])
def test_a_lake_whose_records_lack_a_field_takes_it(tmp_path: Path, name: str, value: Any) -> None:
    layout = lake_at(str(tmp_path))
    before = pa.struct([field for field in runs.TABLE_RECORD if field.name != name])
    schema = pa.schema([pa.field("tables", pa.list_(before)) if f.name == "tables" else f for f in runs.SCHEMA])
    olds = [{**vars(run(run_id)), "tables": [{"table": "things", "rows_landed": 5}]} for run_id in ("r1", "r2")]
    records.append(layout.runs, schema, [{name: old[name] for name in schema.names} for old in olds])

    # One of two in a file, and a new one.
    for run_id in ("r2", "r3"):
        run(run_id, rows_landed=7, **{name: value}).save(layout)
    found = [(one.run_id, one.tables["things"]) for one in runs.all_runs(layout)]
    assert [(run_id, table.rows_landed, getattr(table, name)) for run_id, table in found] == [
        ("r1", 5, None),
        ("r2", 7, value),
        ("r3", 7, value),
    ]


def test_a_run_has_one_record_however_often_it_is_kept(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    for state in ("running", "merged", "published"):
        for run_id in ("r1", "r10"):
            Run(run_id, "shop", AT, "", "{}", state=state).save(layout)
    assert [(one.run_id, one.state) for one in runs.all_runs(layout)] == [("r1", "published"), ("r10", "published")]


def test_the_last_end_of_each_kind_leaves_out_what_still_runs_and_the_run_that_asks(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    assert runs.last_ends(layout, but_of="r1") == []
    for run_id, state, exit_status, hour in (
        ("r1", "published", 0, 9),
        ("r2", "published", 0, 1),
        ("r3", "published", 0, 3),
        ("r4", "failed", 4, 2),
        ("r5", "running", None, None),
    ):
        ended = None if hour is None else AT.replace(hour=hour)
        Run(run_id, "shop", AT, "", "{}", state=state, exit_status=exit_status, ended_at=ended).save(layout)
    assert sorted(runs.last_ends(layout, but_of="r1")) == [
        ("failed", 4, AT.replace(hour=2)),
        ("published", 0, AT.replace(hour=3)),
    ]


def test_what_was_merged_later_is_what_a_later_run_merged_or_was_killed_at() -> None:
    day = timedelta(days=1)
    # Times say nothing: all of these were written by a clock that went backwards.
    known = [
        run("a replay", state="merged", fetched_by=7, as_of=AT - 3 * day),
        run("the run itself", state="merged", fetched_by=4, as_of=AT),
        run("an earlier one", state="merged", fetched_by=3, as_of=AT + day),
        run("one that failed", state="failed", error="no", fetched_by=5, as_of=AT - day),
        run("one that did not get that far", state="landed"),
        run("one that was killed", state="landed", fetched_by=5, as_of=AT - day),
        Run("one without the table", "shop", AT + day, "", "{}", number=9),
    ]
    later = runs.merged_later(known, "things", 4)
    assert [(record.state, record.fetched_by) for record in later] == [("landed", 5), ("merged", 7)]


def test_the_lake_gives_each_run_the_next_number_and_their_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    for run_id, hours in (("r1", 0), ("future", 5), ("r3", 1), ("same-time", 1)):
        runs.begin(layout, Run(run_id, "shop", AT + timedelta(hours=hours), "", "{}"))
    found = [(one.run_id, one.number) for one in runs.all_runs(layout)]
    assert found == [("r1", 1), ("future", 2), ("r3", 3), ("same-time", 4)]
    assert [one.run_id for one in runs.last_runs(layout, 3)] == ["future", "r3", "same-time"]
    # One that goes on keeps its number; a second one of that name is refused, whatever it was told before.
    runs.begin(layout, runs.all_runs(layout)[0])
    assert [one.number for one in runs.all_runs(layout)] == [1, 2, 3, 4]
    with pytest.raises(ConfigError, match="--run-id r3: this lake has a run of that name"):
        runs.begin(layout, Run("r3", "shop", AT, "", "{}"))


def test_the_last_check_is_the_one_that_was_done_last_whatever_the_clock_says(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    for number, hour in enumerate((5, 1, 3), 1):
        runs.begin(layout, Run(f"r{number}", "shop", AT.replace(hour=hour), "", "{}"))
        name = f"r{number}"
        add_check(layout, Check(name, name, AT.replace(hour=hour), "published", 1, 0, 0, 1, None))
    assert [one.docs_id for one in all_checks(layout)] == ["r3", "r2", "r1"]
    assert [one.docs_id for one in checks_since(layout, 2)] == ["r3", "r2"]
