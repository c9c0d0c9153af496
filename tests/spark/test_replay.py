"""Landed pages that are merged again, rows that leave quarantine, and runs that come late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from delta.exceptions import ConcurrentAppendException
from pyspark.sql import SparkSession

from lib.errors import ConfigError, LakeError
from lib.lake import merge
from lib.lake.lock import writing
from lib.lake.runs import all_runs
from lib.landing import merging as merge_step
from lib.landing import replay as replay_step
from lib.lineage.explain import Asked, explain
from lib.lineage.key import read_key
from tests.moving_server import Manners, Row
from tests.on_disk import on_disk
from tests.spark.served_table import Killed, Served, day

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

EVERYTHING = "id, name, _row_hash, _run_id, _first_seen_at, _changed_at, _deleted_at"
BAD: Row = {"id": 2, "name": "b", "size": "12 cm"}


@pytest.fixture
def sized(things: Served) -> Served:
    """A table whose sizes are whole numbers, as its YAML says at first."""
    things.columns["size"] = "int"
    things.settings["max_rejected_fraction"] = 1.0
    return things


def explained(things: Served, key: str) -> list[str]:
    """What explain-row says."""
    job = things.job()
    things.n_runs -= 1
    table = job.source.table("things")
    return explain(Asked(things.spark, job.source, job.layout, table, read_key(table, (key,))))


# One run again


@pytest.mark.quick
def test_rejected_rows_are_taken_from_landed_pages_when_the_yaml_is_fixed(sized: Served) -> None:
    sized.settings["newest_by"] = "id"
    sized.columns["note"] = "int"
    sized.run({"id": 1, "name": "a", "size": 3, "note": None}, {"id": 2, "name": "b", "size": 4, "note": "x"})
    assert sized.quarantine() == [("run-1", "wrong_type:note", None, None)]
    asked = sized.n_asked
    sized.settings["on_new_column"] = "ignore"
    del sized.columns["note"]
    sized.columns["note"] = "string"
    with pytest.raises(ConfigError, match="note: the lake holds int, which cannot become string"):
        sized.replay("run-1")
    run = sized.replay("all")
    assert run.replay_of == "all"
    assert sized.silver("id, note, _run_id") == [(1, None, "run-1"), (2, "x", "run-1")]
    assert sized.quarantine() == []
    assert sized.n_asked == asked, "the source is asked for nothing"


def test_a_row_that_a_replay_takes_is_marked_as_accepted_and_comes_under_its_own_run(sized: Served) -> None:
    sized.columns["size"] = "int"
    sized.run({"id": 1, "name": "a", "size": 3}, {"id": 2, "name": "b", "size": 2**40})
    sized.columns["size"] = "bigint"
    run = sized.replay("run-1")
    assert (run.run_id, run.replay_of) == ("run-2", "run-1")
    record = run.tables["things"]
    assert (record.rows_inserted, record.rows_rejected, record.rows_resolved, record.as_of) == (1, 0, 1, day(1))
    assert sized.silver("id, size, _run_id, _first_seen_at") == [(1, 3, "run-1", day(1)), (2, 2**40, "run-1", day(1))]
    assert sized.quarantine() == [("run-1", "wrong_type:size", "accepted", "run-2")]
    told = explained(sized, "id=2")
    assert told[1].endswith("page 1, row 2: rejected: wrong_type:size (accepted: run run-2)")
    assert told[2].startswith("silver: present; first seen 2026-01-02 00:00 UTC")
    # Again: nothing more to do, and nothing written.
    before = sized.version()
    assert sized.replay("run-1").tables["things"].rows_inserted == 0
    assert sized.version() == before


@pytest.mark.parametrize("of", ["run-1", "all"])
def test_a_row_that_is_rejected_again_by_a_replay_has_the_reasons_of_now(sized: Served, of: str) -> None:
    sized.run({"id": 1, "name": "a", "size": 3}, {"id": 2, "name": None, "size": "?"})
    assert sized.quarantine() == [("run-1", "wrong_type:size", None, None)]
    sized.columns["name"] = "string!"
    sized.replay(of)
    assert sized.quarantine() == [("run-1", "wrong_type:size, missing_value:name", None, None)]


def test_a_replay_of_an_unknown_run_or_of_one_that_did_not_land_says_so(sized: Served) -> None:
    sized.run({"id": 1, "name": "a", "size": 3})
    with pytest.raises(ConfigError, match=r"--from-landed run-7: .* has no run that fetched pages of that name"):
        sized.replay("run-7")
    sized.server.shutdown()
    sized.server.server_close()
    assert sized.run().failed
    with pytest.raises(ConfigError, match="no landed pages are known to be whole"):
        sized.replay(all_runs(sized.layout)[-1].run_id)


# Runs that come late


@pytest.mark.quick
def test_an_older_run_changes_no_row_of_a_newer_one_lets_none_return_and_takes_none_away(things: Served) -> None:
    things.run({"id": 1, "name": "old"}, {"id": 2, "name": "b"})
    things.run({"id": 1, "name": "new"}, {"id": 3, "name": "c"})
    before = things.silver(EVERYTHING)
    assert [(row[0], row[1], row[6]) for row in before] == [(1, "new", None), (2, "b", day(2)), (3, "c", None)]
    record = things.replay("run-1").tables["things"]
    assert (record.rows_inserted, record.rows_updated, record.rows_deleted) == (0, 0, 0)
    assert things.silver(EVERYTHING) == before


def test_an_older_run_wins_only_with_a_row_that_is_newer_by_newest_by(sized: Served) -> None:
    sized.columns["at"] = "date"
    sized.settings["newest_by"] = "at"
    # The rows of the first run do not fit at first, so those of the second are there when it is merged again.
    first: Row = {"name": "first", "size": 2**40}
    then: Row = {"name": "then", "size": 3, "at": "2026-01-10"}
    dates = {1: "2026-01-11", 2: "2026-01-10", 3: "2026-01-09", 4: None}
    sized.run(*({"id": number, "at": at, **first} for number, at in dates.items()))
    sized.run(*({"id": number, **then} for number in dates))
    sized.columns["size"] = "bigint"
    assert sized.replay("run-1").tables["things"].rows_updated == 1
    assert sized.silver("id, name") == [(1, "first"), (2, "then"), (3, "then"), (4, "then")]


def test_a_row_taken_late_that_the_source_has_no_more_comes_as_deleted(sized: Served) -> None:
    sized.run(
        {"id": 1, "name": "a", "size": 3}, {"id": 2, "name": "b", "size": 2**40}, {"id": 3, "name": "c", "size": 2**41}
    )
    sized.run({"id": 1, "name": "a", "size": 3}, {"id": 3, "name": "c", "size": 2**41})
    sized.columns["size"] = "bigint"
    sized.replay("run-1")
    # 2 was gone on day 2. 3 was still there, and is in quarantine: it is not deleted.
    assert sized.silver("id, size, _first_seen_at, _deleted_at") == [
        (1, 3, day(1), None),
        (2, 2**40, day(1), day(2)),
        (3, 2**41, day(1), None),
    ]


# What becomes of rows in quarantine


def test_a_row_leaves_quarantine_when_it_arrives_well_is_rejected_anew_or_is_gone(sized: Served) -> None:
    bad = [{"id": number, "name": "x", "size": "?"} for number in (1, 2, 3)]
    unreadable: Row = {"id": "?", "name": "x", "size": 1}
    sized.run(*bad, unreadable)
    run = sized.run({"id": 1, "name": "x", "size": 5}, {"id": 2, "name": "x", "size": "!"})
    assert sized.quarantine() == [
        ("run-1", "wrong_type:size", "arrived", "run-2"),
        ("run-1", "wrong_type:size", "rejected again", "run-2"),
        ("run-1", "wrong_type:size", "deleted", "run-2"),
        ("run-1", "wrong_type:id", "deleted", "run-2"),
        ("run-2", "wrong_type:size", None, None),
    ]
    # One was rejected again: it is still there, under the later run.
    assert run.tables["things"].rows_resolved == 3
    assert sized.run({"id": 2, "name": "x", "size": 6}).tables["things"].rows_resolved == 1
    assert sized.quarantine("resolution, resolved_at")[4] == ("arrived", day(3))


def test_a_run_that_was_not_proved_complete_takes_no_rejected_row_for_gone(sized: Served) -> None:
    sized.server.tables["things"].manners = Manners(total="absent", pages="absent")
    sized.run({"id": 1, "name": "a", "size": 3}, {"id": 2, "name": "x", "size": "?"})
    assert sized.run({"id": 1, "name": "a", "size": 3}).tables["things"].proof == "ended"
    assert sized.quarantine() == [("run-1", "wrong_type:size", None, None)]


# All runs again


def history(things: Served) -> None:
    """Four days: a row that changes, one that is deleted and returns, one that is rejected and fixed, repeats."""
    things.columns["size"] = "int"
    things.settings["max_rejected_fraction"] = 1.0
    one: Row = {"id": 1, "name": "a", "size": 1}
    things.run(one, {"id": 2, "name": "b", "size": 2}, BAD | {"id": 3}, one)
    things.run({**one, "name": "A"}, {"id": 3, "name": "c", "size": 3})
    things.run(one, {"id": 2, "name": "b", "size": 2}, {"id": 4, "name": "d", "size": 4}, BAD | {"id": 5})


def test_a_rebuild_from_all_landed_runs_gives_the_rows_that_the_runs_gave_however_often_it_is_killed(
    things: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(things)
    rows, quarantined = things.silver(f"{EVERYTHING}, size"), things.quarantine("*")
    assert [(row[0], row[1], row[3], row[6]) for row in rows] == [
        (1, "a", "run-3", None),
        (2, "b", "run-3", None),
        (3, "c", "run-3", day(3)),
        (4, "d", "run-3", None),
    ]
    for module, place in ((merge_step, "merged"), (replay_step, "replaced")):
        with monkeypatch.context() as patch:
            patch.setattr(module, "reached", kill_at(place))
            with pytest.raises(Killed):
                things.replay("all")
        assert things.silver(f"{EVERYTHING}, size") == rows, place
        before = things.version()
        record = things.replay("all", resume=f"run-{things.n_runs}").tables["things"]
        assert things.silver(f"{EVERYTHING}, size") == rows, place
        assert things.quarantine("*") == quarantined, place
        assert (record.state, record.version, record.as_of) == ("merged", before + 1, day(3)), place
        assert not list(on_disk(things.layout.root).glob("rebuild/*")), place
    # The next run goes on from there.
    assert things.run({"id": 1, "name": "a", "size": 1}).tables["things"].rows_deleted == 2


def kill_at(place: str) -> Callable[[str], None]:
    def reached(name: str) -> None:
        if name == place:
            raise Killed

    return reached


def test_a_rebuild_leaves_out_what_failed_then_and_takes_the_deletes_that_were_allowed_then(things: Served) -> None:
    things.run({"id": 1, "name": "a"})
    assert "the source has no rows" in things.run().failed["things"]
    assert things.run(allow_deletes=True).tables["things"].rows_deleted == 1
    things.run({"id": 2, "name": "b"})
    assert not things.replay("all").failed
    assert things.silver("id, name, _run_id, _deleted_at") == [(1, "a", "run-3", day(3)), (2, "b", "run-4", None)]


def test_a_rebuild_that_cannot_take_what_was_merged_replaces_nothing(things: Served) -> None:
    things.run({"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    before = things.version()
    things.columns["name"] = "bigint"
    run = things.replay("all")
    assert "run run-1: things: 2 of 2 rows break the contract" in run.failed["things"]
    assert things.version() == before


# Other writers


def test_a_second_run_of_one_lake_says_that_the_first_is_at_work_and_touches_nothing(things: Served) -> None:
    things.run({"id": 1, "name": "a"})
    asked, before = things.n_asked, things.version()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with writing(things.layout, "the-first", datetime(2026, 1, 1, 8, tzinfo=UTC)):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        with pytest.raises(
            LakeError, match=r"run the-first \(process \d+ on \S+, since 2026-01-01 08:00:00 UTC\) is at work"
        ):
            things.run({"id": 1, "name": "b"})
    finally:
        done.set()
        thread.join()
    assert (things.n_asked, things.version()) == (asked, before)
    assert [run.run_id for run in all_runs(things.layout)] == ["run-1"]
    assert things.run({"id": 1, "name": "b"}).tables["things"].rows_updated == 1


def test_a_merge_that_meets_another_writer_is_done_again_from_what_the_table_is_then(
    things: Served, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    things.run({"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    path = str(things.layout.silver("things"))
    once = merge.merge
    times = 0

    def meets_another(*arguments: Any, **options: Any) -> merge.Merged:
        nonlocal times
        times += 1
        if times == 1:
            # Another writer takes a row away between our look at the table and our commit.
            spark.sql(f"DELETE FROM delta.`{path}` WHERE id = 2")
            raise ConcurrentAppendException("another writer came first")
        return once(*arguments, **options)

    monkeypatch.setattr(merge, "merge", meets_another)
    record = things.run({"id": 1, "name": "A"}, {"id": 2, "name": "b"}).tables["things"]
    assert times == 2
    assert (record.rows_inserted, record.rows_updated) == (1, 1)
    assert things.silver("id, name") == [(1, "A"), (2, "b")]
