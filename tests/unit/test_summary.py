"""How the last runs ended, from records as jobs write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from lib.lake import runs
from lib.lake.checks import Check, add_check
from lib.lake.layout import Layout, lake_at
from lib.lake.lock import run_at_work, writing
from lib.lake.runs import Run
from lib.observe.outcome import Outcome, RunSummary
from lib.observe.summaries import summaries
from tests.on_disk import on_disk

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return lake_at(str(tmp_path))


def ran(layout: Layout, run_id: str, day: int, state: str = "published", **changes: Any) -> None:
    at = DAY_0 + timedelta(days=day)
    values: dict[str, Any] = {"state": state, "exit_status": 0, "ended_at": at + timedelta(seconds=25), **changes}
    Run(run_id, "demo", at, "", "{}", number=day + 1, **values).save(layout)


def checked(layout: Layout, docs_id: str, run_id: str, day: int, outcome: str = "published") -> None:
    add_check(layout, Check(docs_id, run_id, DAY_0 + timedelta(days=day), outcome, 1, 0, 0, 1, None))
    (on_disk(layout.site) / "runs" / docs_id).mkdir(parents=True)


def test_a_lake_without_a_run_has_no_summary(layout: Layout) -> None:
    assert summaries(layout, 10) == []


def test_the_last_runs_are_told_oldest_first(layout: Layout) -> None:
    for day, run_id in ((2, "c"), (0, "a"), (3, "d"), (1, "b")):
        ran(layout, run_id, day)
    assert [one.run_id for one in summaries(layout, 3)] == ["b", "c", "d"]
    assert [one.run_id for one in summaries(layout, 90)] == ["a", "b", "c", "d"]


def test_a_summary_says_all_that_the_record_does(layout: Layout) -> None:
    ran(layout, "a", 0, "failed", exit_status=4, message="1 of 3 tables failed.")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    end = datetime(2026, 1, 1, 0, 0, 25, tzinfo=UTC)
    said = "1 of 3 tables failed."
    assert summaries(layout, 1) == [RunSummary("a", "demo", at, end, Outcome.SOURCE_FAILED, 4, said)]


def test_a_run_without_an_end_runs_while_it_holds_the_lock_and_was_killed_otherwise(layout: Layout) -> None:
    ran(layout, "a", 0, "merged", exit_status=None, ended_at=None)
    ran(layout, "b", 1, "running", exit_status=None, ended_at=None)
    with writing(layout, "b", DAY_0):
        assert [one.outcome for one in summaries(layout, 2)] == [Outcome.KILLED, Outcome.RUNNING]
    assert [one.outcome for one in summaries(layout, 2)] == [Outcome.KILLED, Outcome.KILLED]
    with writing(layout, "sanity-check --rollback", DAY_0):
        assert [one.outcome for one in summaries(layout, 2)] == [Outcome.KILLED, Outcome.KILLED]


def test_the_lock_is_not_looked_at_where_every_run_has_an_end(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(layout, "a", 0)

    def refuse(*_: object) -> None:
        raise AssertionError

    with writing(layout, "b", DAY_0), monkeypatch.context() as patch:
        patch.setattr("lib.lake.local_files.fcntl.flock", refuse)
        assert [one.outcome for one in summaries(layout, 1)] == [Outcome.PUBLISHED]


def test_looking_who_is_at_work_keeps_nobody_out(layout: Layout) -> None:
    assert run_at_work(layout) is None
    assert not on_disk(layout.lock).exists()
    with writing(layout, "a", DAY_0):
        assert run_at_work(layout) == "a"
    assert run_at_work(layout) is None
    with writing(layout, "b", DAY_0):
        assert run_at_work(layout) == "b"


def test_the_docs_are_those_of_the_last_check_that_are_still_there(layout: Layout) -> None:
    ran(layout, "a", 0)
    ran(layout, "b", 1, "checks_failed", exit_status=3)
    ran(layout, "c", 2, "checks_failed", exit_status=3)
    checked(layout, "a", "a", 0)
    checked(layout, "b", "b", 1, "checks failed")
    checked(layout, "b.check2", "b", 5, "checks failed")
    checked(layout, "a.rollback1", "a", 6, "rolled back")
    checked(layout, "c", "c", 2)
    (on_disk(layout.site) / "runs" / "c").rmdir()
    assert [one.docs_id for one in summaries(layout, 3)] == ["a", "b.check2", None]
    assert [one.docs_id for one in summaries(layout, 2)] == ["b.check2", None]


def test_runs_and_checks_of_long_ago_are_not_read(layout: Layout) -> None:
    for day in range(12):
        ran(layout, f"r{day:02}", day)
        checked(layout, f"r{day:02}", f"r{day:02}", day)
    # A file of the oldest run that is gone would stop whoever reads it.
    for folder in (layout.runs, layout.root / "ops" / "checks"):
        for file in DeltaTable(str(folder)).file_uris():
            if parquet.read_table(file)["run_id"].to_pylist() == ["r00"]:
                Path(file).unlink()
    assert [one.run_id for one in summaries(layout, 2)] == ["r10", "r11"]
    with pytest.raises(pa.ArrowInvalid, match="No such file"):
        runs.all_runs(layout)
