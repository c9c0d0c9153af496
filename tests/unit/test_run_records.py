"""Records of runs, as they are kept and read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from lib.lake import records, runs
from lib.lake.layout import lake_at
from lib.lake.runs import Run, TableRun

AT = datetime(2026, 3, 5, tzinfo=UTC)


def run(run_id: str, **record: Any) -> Run:
    return Run(run_id, "shop", AT, "", "{}", tables={"things": TableRun("things", **record)})


def test_a_lake_whose_records_know_no_missing_values_takes_them(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    before = pa.struct([field for field in runs.TABLE_RECORD if field.name != "rows_missing"])
    schema = pa.schema([pa.field("tables", pa.list_(before)) if f.name == "tables" else f for f in runs.SCHEMA])
    olds = [{**vars(run(run_id)), "tables": [{"table": "things", "rows_landed": 5}]} for run_id in ("r1", "r2")]
    records.append(layout.runs, schema, [{name: old[name] for name in schema.names} for old in olds])

    missing = [{"column": "name", "rows": 2}]
    # One of two in a file, and a new one.
    for run_id in ("r2", "r3"):
        run(run_id, rows_landed=7, rows_missing=missing).save(layout)
    found = [(one.run_id, one.tables["things"]) for one in runs.all_runs(layout)]
    assert [(run_id, table.rows_landed, table.rows_missing) for run_id, table in found] == [
        ("r1", 5, None),
        ("r2", 7, missing),
        ("r3", 7, missing),
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
    known = [
        run("a replay", state="merged", as_of=AT + 3 * day),
        run("the run itself", state="merged", as_of=AT),
        run("an earlier one", state="merged", as_of=AT - day),
        run("one that failed", state="failed", error="no", as_of=AT + day),
        run("one that did not get so far", state="landed"),
        run("one that was killed", state="landed", as_of=AT + day),
        Run("one without the table", "shop", AT + day, "", "{}"),
    ]
    later = runs.merged_later(known, "things", AT)
    assert [(record.state, record.as_of) for record in later] == [("landed", AT + day), ("merged", AT + 3 * day)]
