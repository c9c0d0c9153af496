"""What an incremental table is asked for, run after run, and what is known of it after: by a real server, without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lib.lake import publications
from lib.lake.states import TableState
from lib.landing.increments import Wanted
from tests.changing_source import NOON, Changing, ChangingServer
from tests.increments import Increments, failed, last_run, rolled_back

ALL = [(None, None)]


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[Increments]:
    """A lake with seven rows of noon, copied and published once."""
    source = Changing()
    for number in range(1, 8):
        source.put(number)
    with ChangingServer(source) as server:
        increments = Increments(tmp_path, server)
        increments.run()
        assert source.bounds() == ALL
        yield increments


def names(increments: Increments) -> dict[int, str]:
    return {number: row["name"] for number, row in increments.rows().items()}


def test_the_first_run_asks_for_all_rows_and_publishes_its_watermark(changes: Increments) -> None:
    assert len(changes.rows()) == 7
    assert changes.watermark == "2026-05-01T12:00:00Z"
    assert changes.said == ["changes: all rows"]


def test_an_increment_asks_from_the_overlap_on_up_to_the_time_of_the_source(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(3, "changed")
    changes.source.put(8)
    changes.source.later(minutes=10)
    run = changes.run()
    # One look without a bound, which says what time it is there; then all within that bound.
    assert changes.source.bounds() == [
        ("2026-05-01T11:00:00Z", None),
        ("2026-05-01T11:00:00Z", "2026-05-02T12:10:00Z"),
    ]
    assert names(changes) == {**{number: f"row {number}" for number in (1, 2, 4, 5, 6, 7, 8)}, 3: "changed"}
    assert changes.watermark == "2026-05-02T12:00:00Z"
    record = run.tables["changes"]
    assert (record.proof, record.is_increment, record.shows_all) == ("counted", True, False)


def test_without_until_param_no_upper_bound_is_sent(changes: Increments) -> None:
    del changes.settings["until_param"]
    changes.days(1)
    changes.source.put(8)
    changes.run()
    assert changes.source.bounds() == [("2026-05-01T11:00:00Z", None)]
    assert changes.watermark == "2026-05-02T12:00:00Z"


def test_a_run_that_finds_nothing_asks_once_and_starts_no_spark(changes: Increments) -> None:
    n_sparks, before = changes.n_sparks, publications.current(changes.job().layout)
    changes.source.rows = {1: changes.source.rows[1]}  # a page of its own: what the overlap has is published
    changes.days(1)
    run = changes.run()
    assert [one["page"] for one in changes.source.asked] == ["1"]
    assert changes.n_sparks == n_sparks
    assert run.state == "published"
    assert run.tables["changes"].state == TableState.KEPT
    assert publications.current(changes.job().layout) == before
    assert changes.watermark == "2026-05-01T12:00:00Z"
    assert last_run(changes).exit_status == 0


def test_an_empty_answer_is_nothing_new(changes: Increments) -> None:
    changes.source.rows.clear()
    n_sparks = changes.n_sparks
    changes.run()
    assert changes.n_sparks == n_sparks
    assert len(changes.rows()) == 7


@pytest.mark.parametrize("change", ["name", "new", "back"])
def test_what_differs_within_the_overlap_is_something_new(changes: Increments, change: str) -> None:
    changes.source.rows = {1: changes.source.rows[1]}
    if change == "name":
        changes.source.put(1, "another", NOON)  # at the time of the watermark, as it was
    elif change == "new":
        changes.source.put(9, at=NOON)
    else:
        changes.run(wanted=Wanted(is_full=True))
        changes.source.put(7, at=NOON)
    n_sparks = changes.n_sparks
    changes.run()
    assert changes.n_sparks == n_sparks + 1
    expected = {"name": (1, "another"), "new": (9, "row 9"), "back": (7, "row 7")}[change]
    assert expected in names(changes).items()


def test_nothing_new_is_not_said_while_a_version_is_not_published(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    failed(changes, passes=False)
    changes.source.rows.clear()
    n_sparks = changes.n_sparks
    changes.run()
    assert changes.n_sparks == n_sparks + 1


def test_nothing_new_is_not_said_where_the_newest_row_has_become_too_old(changes: Increments) -> None:
    changes.more += ", newest_by: at, max_age: 3650d"
    changes.run(wanted=Wanted(is_full=True))
    changes.source.rows.clear()
    n_sparks = changes.n_sparks
    changes.run()
    assert changes.n_sparks == n_sparks
    changes.clock = NOON + timedelta(days=3651)
    changes.run()
    assert changes.n_sparks == n_sparks + 1


def test_rows_that_come_late_are_found_within_the_overlap_only(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    changes.run()
    changes.source.put(20, at=NOON + timedelta(days=1, minutes=-60))
    changes.source.put(21, at=NOON + timedelta(days=1, minutes=-61))
    changes.run()
    assert 20 in changes.rows()
    assert 21 not in changes.rows()
    changes.run(wanted=Wanted(is_full=True))
    assert 21 in changes.rows()


def test_after_failed_checks_the_next_run_asks_from_what_is_published(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    failed(changes, passes=False)
    assert changes.watermark == "2026-05-01T12:00:00Z"
    changes.days(1)
    changes.source.put(9)
    changes.source.bounds()
    changes.run()
    assert changes.source.bounds()[0] == ("2026-05-01T11:00:00Z", None)
    assert changes.watermark == "2026-05-03T12:00:00Z"


def test_after_a_failed_first_run_all_rows_are_asked_for(tmp_path: Path) -> None:
    source = Changing()
    source.put(1)
    with ChangingServer(source) as server:
        increments = Increments(tmp_path, server)
        failed(increments, passes=False)
        source.bounds()
        increments.run()
        assert source.bounds() == ALL
        assert increments.watermark == "2026-05-01T12:00:00Z"


def test_a_source_that_fails_moves_nothing(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    changes.source.broken = True
    failed(changes)
    changes.source.broken = False
    changes.source.bounds()
    changes.run()
    assert changes.source.bounds()[0] == ("2026-05-01T11:00:00Z", None)
    assert 8 in changes.rows()


def test_after_a_rollback_the_earlier_watermark_counts(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    changes.run()
    rolled_back(changes)
    assert changes.watermark == "2026-05-01T12:00:00Z"
    changes.source.bounds()
    changes.run()
    assert changes.source.bounds()[0] == ("2026-05-01T11:00:00Z", None)
    # Its version, and all before it, are published again.
    assert changes.watermark == "2026-05-02T12:00:00Z"


def test_a_row_of_the_future_hides_no_other(changes: Increments) -> None:
    del changes.settings["until_param"]
    changes.source.put(8, at=NOON + timedelta(days=400))
    changes.days(1)
    changes.run()
    assert 8 in changes.rows()
    assert changes.watermark == "2026-05-02T12:00:00Z"
    changes.source.put(9)
    changes.days(1)
    changes.source.bounds()
    changes.run()
    assert changes.source.bounds()[0][0] == "2026-05-02T11:00:00Z"
    assert 9 in changes.rows()


def test_rows_that_changed_since_the_first_answer_are_asked_for_again(changes: Increments) -> None:
    del changes.settings["until_param"]
    changes.days(1)
    changes.source.put(8)

    def later() -> None:
        changes.source.later(minutes=5)
        changes.source.put(9)

    changes.source.after[1] = later
    changes.run()
    # Row 9 was taken, and what changed beside it may have been missed: from the first answer on all is asked for again.
    assert 9 in changes.rows()
    assert changes.watermark == "2026-05-02T12:00:00Z"


def test_a_source_without_a_date_is_bounded_by_its_rows_alone(changes: Increments) -> None:
    changes.source.silent = True
    changes.days(1)
    changes.source.put(8)
    changes.source.put(9, at=NOON + timedelta(days=400))
    changes.run()
    assert changes.source.bounds() == [("2026-05-01T11:00:00Z", None)]
    assert changes.watermark == "2027-06-05T12:00:00Z"
    assert changes.said[-1] == (
        "changes: its newest at is 2027-06-05T12:00:00Z, later than now, and the source does not tell its time: rows that change "
        "before then are not asked for. Correct that row, and start a run with --full"
    )


@pytest.mark.parametrize("wrong", [timedelta(days=-20_000), timedelta(days=20_000)])
def test_the_clock_of_this_machine_changes_no_request(changes: Increments, wrong: timedelta) -> None:
    changes.settings["full_every"] = "P7D"
    changes.run(wanted=Wanted(is_full=True))
    changes.source.bounds()
    changes.clock += wrong
    changes.source.later(days=6)
    changes.source.put(8)
    changes.run()
    assert changes.source.bounds() == [
        ("2026-05-01T11:00:00Z", None),
        ("2026-05-01T11:00:00Z", "2026-05-07T12:00:00Z"),
    ]


def test_all_rows_are_asked_for_once_the_last_full_run_is_too_old(changes: Increments) -> None:
    changes.settings["full_every"] = "P7D"
    changes.source.drop(2)
    for _ in range(6):
        changes.days(1)
        changes.source.put(8)
        changes.run()
    assert 2 in changes.rows()  # no increment shows what is gone
    changes.source.bounds()
    changes.days(1)
    failed(changes, passes=False)
    assert changes.source.bounds() == [("2026-05-07T11:00:00Z", None), (None, None)]
    changes.run()
    assert changes.source.bounds() == [("2026-05-07T11:00:00Z", None), (None, None)]
    assert 2 not in changes.rows()
    changes.days(1)
    changes.source.put(8)
    changes.run()
    assert changes.source.bounds()[-1] == ("2026-05-07T11:00:00Z", "2026-05-09T12:00:00Z")


def test_where_the_source_has_no_date_the_times_of_runs_say_when_a_full_one_is_due(changes: Increments) -> None:
    changes.settings["full_every"] = "P7D"
    changes.source.silent = True
    changes.run(wanted=Wanted(is_full=True))
    changes.source.bounds()
    changes.days(7)
    changes.run()
    assert changes.source.bounds() == [("2026-05-01T11:00:00Z", None), (None, None)]


def test_a_backfill_in_the_middle_deletes_nothing_and_moves_no_watermark(changes: Increments) -> None:
    changes.days(2)
    changes.source.put(8)
    changes.run()
    changes.source.put(30, at=NOON - timedelta(days=3))
    changes.source.drop(1)
    changes.source.bounds()
    run = changes.run(wanted=Wanted(since="2026-04-27", until="2026-04-29T00:00:00Z"))
    assert changes.source.bounds() == [("2026-04-27T00:00:00Z", "2026-04-29T00:00:00Z")]
    assert 30 in changes.rows()
    assert 1 in changes.rows()
    assert changes.watermark == "2026-05-03T12:00:00Z"
    assert run.tables["changes"].is_backfill


def test_a_backfill_that_leaves_a_gap_moves_no_watermark(changes: Increments) -> None:
    changes.source.put(8, at=NOON + timedelta(hours=10))
    changes.days(3)
    changes.source.put(9)
    changes.run(wanted=Wanted(since="2026-05-03"))
    assert 9 in changes.rows()
    assert 8 not in changes.rows()
    assert changes.watermark == "2026-05-01T12:00:00Z"
    changes.run()
    assert 8 in changes.rows()
    assert changes.watermark == "2026-05-04T12:00:00Z"


def test_a_backfill_from_the_watermark_on_moves_it(changes: Increments) -> None:
    changes.days(3)
    changes.source.put(9)
    changes.run(wanted=Wanted(since="2026-05-01T12:00:00"))
    assert changes.watermark == "2026-05-04T12:00:00Z"


def test_a_backfill_of_a_lake_without_watermark_makes_none(tmp_path: Path) -> None:
    source = Changing()
    source.put(1)
    with ChangingServer(source) as server:
        increments = Increments(tmp_path, server)
        increments.run(wanted=Wanted(since="2026-05-01"))
        assert increments.watermark is None
        source.bounds()
        increments.run()
        assert source.bounds() == ALL


@pytest.mark.parametrize("dies_at", ["planned", "wave landed", "all merged"])
def test_a_resumed_increment_asks_within_the_same_bounds(changes: Increments, dies_at: str) -> None:
    changes.days(1)
    changes.source.put(8)
    assert changes.run(dies_at=dies_at).state == "failed"
    asked = ("2026-05-01T11:00:00Z", "2026-05-02T12:00:00Z")
    assert changes.source.bounds()[-1] == asked
    changes.source.later(hours=5)
    changes.source.put(9)
    run = changes.run(resume="run-2")
    assert changes.source.bounds() == [asked]
    assert set(changes.rows()) == {*range(1, 9)}
    assert (run.state, run.tables["changes"].since) == ("published", "2026-05-01T11:00:00Z")
    assert changes.watermark == "2026-05-02T12:00:00Z"
    changes.run()
    assert 9 in changes.rows()


def test_a_resumed_full_run_is_a_full_one(changes: Increments) -> None:
    changes.source.drop(1)
    changes.run(dies_at="wave landed", wanted=Wanted(is_full=True))
    changes.source.bounds()
    changes.run(resume="run-2")
    assert changes.source.bounds() == ALL
    assert 1 not in changes.rows()


def test_deletes_are_found_by_a_full_run_and_by_no_increment(changes: Increments) -> None:
    changes.source.drop(1)
    changes.days(1)
    changes.source.put(8)
    changes.run()
    assert 1 in changes.rows()
    changes.run(wanted=Wanted(is_full=True))
    assert 1 not in changes.rows()


@pytest.mark.parametrize("change", ["column", "path", "param", "type", "api"])
def test_other_settings_of_what_is_asked_make_the_next_run_a_full_one(changes: Increments, change: str) -> None:
    if change == "column":
        changes.columns = '{id: "bigint!", name: "string!", at: "timestamp!", more: string}'
    elif change == "path":
        changes.more += ", params: {kind: all}"
    elif change == "param":
        changes.settings["param"] = "from"
    elif change == "type":
        changes.columns = '{id: "bigint!", name: string, at: "timestamp!"}'
        changes.more += ", key: [id, at]"
        changes.more = changes.more.replace(", key: [id, at]", "")
        changes.columns = '{id: "bigint!", name: {type: string, from: title}, at: "timestamp!"}'
    else:
        changes.api = ", params: {shop: 5}"
    changes.run()
    assert changes.source.bounds() == ALL


def test_settings_that_ask_for_the_same_rows_keep_the_watermark(changes: Increments) -> None:
    changes.settings["overlap"] = "P1D"
    changes.more += ", min_rows: 0"
    changes.run()
    assert changes.source.bounds()[0] == ("2026-04-30T12:00:00Z", None)


@pytest.mark.parametrize(
    ("format_", "since", "until"),
    [
        ("iso", "2026-05-01T11:00:00Z", "2026-05-02T12:00:00Z"),
        ("date", "2026-05-01", "2026-05-02"),
        ("unix", "1777633200", "1777723200"),
        ("unix_ms", "1777633200000", "1777723200000"),
    ],
)
def test_times_are_written_as_the_source_takes_them(changes: Increments, format_: str, since: str, until: str) -> None:
    changes.settings["format"] = format_
    changes.source.unit = 1000 if format_ == "unix_ms" else 1
    changes.days(1)
    assert changes.plan().tables["changes"].since == "2026-05-01T11:00:00Z"
    assert changes.source.asked[0]["since"] == since
    changes.source.bounds()
    changes.run(wanted=Wanted(since="2026-05-01T11:00:00Z", until="2026-05-02T12:00:00Z"))
    assert changes.source.bounds() == [(since, until)]


def test_a_column_of_numbers_asks_from_the_greatest_one_on(tmp_path: Path) -> None:
    source = Changing(column="n")
    source.put(1, n=7)
    with ChangingServer(source) as server:
        increments = Increments(
            tmp_path,
            server,
            {"param": "since", "column": "n", "overlap": 2},
            columns='{id: "bigint!", name: string, at: "timestamp!", n: "bigint!"}',
            kind=pa.int64(),
        )
        increments.run()
        source.put(2, n=4_000_000_000_000)
        increments.run()
        assert source.bounds() == [(None, None), ("5", None)]
        assert increments.watermark == "4000000000000"
        del increments.settings["overlap"]
        increments.run()
        assert source.bounds() == [("4000000000000", None)]


def test_a_column_of_dates_asks_from_the_day_of_the_overlap_on(tmp_path: Path) -> None:
    source = Changing(column="day")
    source.put(1, day="2026-05-01")
    source.put(2, day="2027-01-01")
    with ChangingServer(source) as server:
        increments = Increments(
            tmp_path,
            server,
            {"param": "since", "until_param": "until", "column": "day", "overlap": "PT1H"},
            columns='{id: "bigint!", name: string, at: "timestamp!", day: "date!"}',
            kind=pa.date32(),
        )
        increments.run()
        assert increments.watermark == "2026-05-01"
        source.later(days=2)
        source.put(3, day="2026-05-03")
        source.bounds()
        increments.run()
        assert source.bounds() == [("2026-04-30", None), ("2026-04-30", "2026-05-03")]
        assert increments.watermark == "2026-05-03"


def test_bounds_may_go_into_the_body(tmp_path: Path) -> None:
    source = Changing()
    source.put(1)
    with ChangingServer(source) as server:
        increments = Increments(
            tmp_path,
            server,
            {"param": "body:filter.since", "until_param": "body:filter.until", "column": "at"},
            more="method: post, json: {}",
        )
        increments.run()
        source.later(days=1)
        source.put(2)
        increments.run()
        assert source.bounds() == [
            (None, None),
            ("2026-05-01T11:00:00Z", None),
            ("2026-05-01T11:00:00Z", "2026-05-02T12:00:00Z"),
        ]
        assert set(increments.rows()) == {1, 2}


def test_a_dry_run_says_what_it_would_ask_for_and_writes_nothing(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    n_runs = changes.n_runs
    run = changes.plan()
    assert (run.tables["changes"].since, run.tables["changes"].until) == (
        "2026-05-01T11:00:00Z",
        "2026-05-02T12:00:00Z",
    )
    assert changes.said[-1] == "changes: increment since 2026-05-01T11:00:00Z until 2026-05-02T12:00:00Z"
    assert last_run(changes).run_id == f"run-{n_runs}"


def test_an_unproved_copy_moves_no_watermark(changes: Increments) -> None:
    changes.days(1)
    changes.source.put(8)
    changes.source.put(9)
    changes.more += ", errors: [{status: 400, do: skip}]"
    changes.run(wanted=Wanted(is_full=True))
    assert changes.watermark == "2026-05-02T12:00:00Z"
    changes.days(1)
    for number in range(10, 14):
        changes.source.put(number)

    def breaks() -> None:
        changes.source.broken = not changes.source.broken

    # The look, the first page, the second one: that one is skipped, so nobody knows its rows.
    changes.source.asked.clear()
    changes.source.after |= {2: breaks, 3: breaks}
    run = changes.run()
    assert (run.tables["changes"].proof, run.state) == ("unproved", "published")
    assert changes.watermark == "2026-05-02T12:00:00Z"


def test_a_lake_of_many_runs_says_the_last_watermark_that_is_published(changes: Increments) -> None:
    for number in range(5):
        changes.days(1)
        changes.source.put(8 + number)
        changes.run()
    assert changes.watermark == "2026-05-06T12:00:00Z"
    assert changes.source.now == datetime(2026, 5, 6, 12, tzinfo=UTC)


def test_each_slice_is_asked_from_its_own_watermark_on(tmp_path: Path) -> None:
    source = Changing()
    source.put(1, state="open")
    source.put(2, at=NOON - timedelta(days=9), state="closed")
    with ChangingServer(source) as server:
        increments = Increments(
            tmp_path,
            server,
            {"param": "since", "column": "at", "full_every": "P7D"},
            more="deletes: soft, max_delete_fraction: 1.0, slices: {param: state, values: [open, closed, new]}",
        )

        def asked() -> dict[str, set[str | None]]:
            found: dict[str, set[str | None]] = {}
            for one in source.asked:
                found.setdefault(one["state"], set()).add(one.get("since"))
            source.asked.clear()
            return found

        increments.run()
        assert asked() == {"open": {None}, "closed": {None}, "new": {None}}
        increments.days(1)
        source.put(3, at=NOON + timedelta(days=300), state="closed")
        source.put(4, at=NOON - timedelta(days=20), state="new")
        source.drop(1)
        failed(increments, passes=False)
        first = {"open": {"2026-05-01T11:00:00Z"}, "closed": {"2026-04-22T11:00:00Z"}, "new": {None}}
        assert asked() == first
        increments.run()
        assert asked() == first
        assert set(increments.rows()) == {1, 2, 3, 4}
        increments.days(1)
        increments.run()
        # The row of the future moved its slice no further than to the time of its first answer.
        assert asked() == {
            "open": {"2026-05-01T11:00:00Z"},
            "closed": {"2026-05-02T11:00:00Z"},
            "new": {"2026-04-11T11:00:00Z"},
        }
        increments.days(5)
        increments.run()
        assert asked() == {"open": {None}, "closed": {None}, "new": {None}}
        assert set(increments.rows()) == {2, 3, 4}


@pytest.fixture
def sliced(tmp_path: Path) -> Iterator[Increments]:
    """A lake with a row in each of two slices, and none in a third, copied and published once."""
    source = Changing()
    source.put(1, state="open")
    source.put(2, at=NOON - timedelta(days=9), state="closed")
    with ChangingServer(source) as server:
        increments = Increments(
            tmp_path,
            server,
            {"param": "since", "column": "at"},
            more="deletes: soft, max_delete_fraction: 1.0, slices: {param: state, values: [open, closed, new]}",
            columns='{id: "bigint!", name: "string!", at: "timestamp!", state: {type: "string!", value: params.state}}',
            kinds={"state": pa.string()},
        )
        increments.run()
        source.asked.clear()
        yield increments


def test_slices_without_news_are_asked_once_each_and_start_no_spark(sliced: Increments) -> None:
    n_sparks = sliced.n_sparks
    run = sliced.run()
    # What the overlap has is published; the slice without a row has no watermark, and is asked for all of its rows.
    assert {one["state"]: one.get("since") for one in sliced.source.asked} == {
        "open": "2026-05-01T11:00:00Z",
        "closed": "2026-04-22T11:00:00Z",
        "new": None,
    }
    assert len(sliced.source.asked) == 3
    assert sliced.n_sparks == n_sparks
    assert (run.state, run.tables["changes"].state) == ("published", TableState.KEPT)


@pytest.mark.parametrize(("number", "name", "state"), [(3, "row 3", "new"), (1, "another", "open")])
def test_one_slice_with_news_starts_spark(sliced: Increments, number: int, name: str, state: str) -> None:
    sliced.source.put(number, name, NOON, state=state)
    n_sparks = sliced.n_sparks
    sliced.run()
    assert sliced.n_sparks == n_sparks + 1
    assert sliced.rows()[number] == sliced.source.rows[number]


def test_a_row_that_moves_to_another_slice_is_news_though_nothing_in_it_changes(sliced: Increments) -> None:
    sliced.source.rows[1]["state"] = "closed"
    n_sparks = sliced.n_sparks
    sliced.run()
    assert sliced.n_sparks == n_sparks + 1


def test_many_slices_are_not_looked_at_one_by_one(sliced: Increments) -> None:
    more = ", ".join(f"s{number}" for number in range(30))
    sliced.more = sliced.more.replace("new]", f"new, {more}]")
    sliced.run()
    sliced.source.asked.clear()
    n_sparks = sliced.n_sparks
    sliced.run()
    assert sliced.n_sparks == n_sparks + 1
