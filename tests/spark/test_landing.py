"""From an API whose rows move to silver: what is proved, what is read again, and what fails."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark import TaskContext
from pyspark.sql import SparkSession

from jobs.steps import land
from lib.lake.runs import Run, TableRun
from lib.landing import plan
from lib.landing.fetch import FetchPages
from lib.landing.traffic import fetching
from tests.moving_server import (
    Another,
    Fails,
    Manners,
    MovingServer,
    MovingTable,
    Row,
    Short,
    Sized,
    append,
    append_anew,
    delete,
    insert,
    replace,
    rows_of,
    swap,
)
from tests.spark.moving_copies import Copies, by_number
from tests.spark.served_table import DAY_0, Killed

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough


@pytest.fixture
def copies(spark: SparkSession, tmp_path: Path) -> Iterator[Copies]:
    """Copies of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Copies(spark, tmp_path, server)


def things(copies: Copies, numbers: Iterable[int], manners: Manners | None = None) -> MovingTable:
    """Let the server have these rows."""
    copies.server.tables["things"] = MovingTable(rows_of(numbers), manners or Manners())
    return copies.server.tables["things"]


def proved(run: Run, table: str = "things") -> tuple[str | None, int | None]:
    """How a table that was merged is proved, and after how many rounds of reading again."""
    found: TableRun = run.tables[table]
    assert found.error is None
    assert found.state == "merged"
    return found.proof, found.rounds


def failed(run: Run, table: str = "things") -> str:
    """Why a table failed."""
    assert run.tables[table].state == "failed"
    return str(run.tables[table].error)


# A source at rest


@pytest.mark.quick
def test_a_steady_source_is_counted_and_asked_for_each_page_once_and_for_the_first_at_the_end_again(
    copies: Copies,
) -> None:
    table = things(copies, range(1, 11))
    assert proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


def test_what_the_server_does_makes_the_plan(copies: Copies) -> None:
    copies.server.tables = {
        "size_capped": MovingTable(rows_of(range(1, 11)), Manners(cap=2)),
        "more_pages_claimed": MovingTable(rows_of(range(1, 11)), Manners(pages=6)),
        "fewer_pages_claimed": MovingTable(rows_of(range(1, 11)), Manners(pages=2)),
        "no_page_count": MovingTable(rows_of(range(1, 11)), Manners(pages="absent")),
        "total_on_the_first_page": MovingTable(rows_of(range(1, 11)), Manners(total="on the first page")),
        "pages_without_number": MovingTable(rows_of(range(1, 11)), Manners(numbered=False)),
    }
    run = copies.run()
    n_pages = {"size_capped": 5, "more_pages_claimed": 6}
    for name, table in copies.server.tables.items():
        assert proved(run, name) == ("counted", 0)
        assert copies.silver(name) == rows_of(range(1, 11))
        assert table.asked == {1: 2, **dict.fromkeys(range(2, n_pages.get(name, 4) + 1), 1)}


def test_pages_may_be_counted_from_0(copies: Copies) -> None:
    copies.pagination = {"first": 0}
    table = things(copies, range(1, 11), Manners(first=0))
    assert proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {0: 2, 1: 1, 2: 1, 3: 1}


def test_a_page_count_that_cannot_be_true_is_not_walked(copies: Copies) -> None:
    table = things(copies, range(1, 11), Manners(pages=5000))
    assert "claims 5000 pages for 10 rows" in failed(copies.run())
    assert table.asked == {1: 1}


def test_a_row_that_the_source_itself_has_on_two_pages_costs_a_look_at_these_pages_and_no_more(copies: Copies) -> None:
    table = things(copies, [1, 2, 3, 4, 5, 6, 2, 8, 9, 10])
    run = copies.run()
    assert proved(run) == ("counted", 0)
    assert run.tables["things"].rows_repeated == 1
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 8, 9, 10])
    # Page 1 has its closing look too.
    assert table.asked == {1: 3, 2: 1, 3: 2, 4: 1}


# Rows that move while they are read: ten rows on four pages, whose requests are 1, 2, 3, 4 and a last look at the first


MOVES = {
    "a row is appended": [append(11)],
    "rows are appended on a new page": [append(11, 12, 13)],
    "a row is deleted in the middle": [delete(5)],
    "the last page goes": [delete(8, 9, 10)],
    "a row is inserted at the front": [insert(0, 50)],
    "one at the front, and the last one gone: the total stays": [insert(0, 50), delete(10)],
    "one moves off the first page: the total stays": [insert(3, 50), delete(2)],
}


@pytest.mark.parametrize("moves", MOVES)
def test_rows_that_move_are_read_again_until_they_rest(copies: Copies, moves: str) -> None:
    # A page without rows may be answered by 404, and so may a page that has no rows any more.
    tables = {
        "early": MovingTable(rows_of(range(1, 11))),
        "late": MovingTable(rows_of(range(1, 11))),
        "early_404": MovingTable(rows_of(range(1, 11)), Manners(past_the_end=404)),
    }
    copies.server.tables = tables
    for name, table in tables.items():
        table.after(4 if name == "late" else 2, *MOVES[moves])
    run = copies.run()
    for name, table in tables.items():
        proof, rounds = proved(run, name)
        assert proof == "counted"
        assert (rounds or 0) > 0
        assert copies.silver(name) == by_number(table.rows)


@pytest.mark.quick
def test_a_row_that_moves_from_a_page_not_read_to_one_that_was_is_found_by_its_neighbour_s_key(copies: Copies) -> None:
    """Page 2 was read as 4, 5, 6. Then 50 comes in front of 4, and the last row goes: page 3 begins with 6, once more."""
    table = things(copies, range(1, 11))
    table.after(2, insert(3, 50), delete(10))
    proof, rounds = proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 7, 8, 9, 50])


def test_a_total_that_changes_and_changes_back_is_seen_on_the_pages_between(copies: Copies) -> None:
    table = things(copies, range(1, 11))
    table.after(2, delete(5))
    table.after(3, append(11))
    proof, rounds = proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == by_number(table.rows)


def test_rows_that_change_pages_for_ever_are_no_proof_though_all_counts_stay(copies: Copies) -> None:
    """The rows of pages 2 and 3 move up by one after each request, and the first of them to the end of page 3."""

    def rotate(rows: list[Row]) -> None:
        rows[3:9] = [*rows[4:9], rows[3]]

    things(copies, range(1, 11)).every(1, rotate)
    assert "keys stand on more than one page" in failed(copies.run())
    assert copies.version() is None


def test_counted_cannot_see_a_row_deleted_on_a_page_already_read_and_one_appended_in_the_same_moment(
    copies: Copies,
) -> None:
    table = things(copies, range(1, 11))
    table.after(3, delete(5), append(11))
    assert proved(copies.run()) == ("counted", 0)
    # Row 10 moved from page 4 to page 3, which was read; row 5 is a row no more.
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 7, 8, 9, 11])
    assert by_number(table.rows) == rows_of([1, 2, 3, 4, 6, 7, 8, 9, 10, 11])


def test_reread_sees_the_move_that_counted_cannot_see(copies: Copies) -> None:
    copies.prove = "reread"
    table = things(copies, range(1, 11))
    table.after(3, delete(5), append(11))
    # One walk before the move, one after it, one more that agrees with the second.
    assert proved(copies.run()) == ("reread", 2)
    assert copies.silver() == by_number(table.rows)


def test_reread_sees_a_content_that_changed_and_rows_that_changed_places(copies: Copies) -> None:
    copies.prove = "reread"
    table = things(copies, range(1, 11))
    table.after(3, replace(5, "changed"), swap(6, 8))
    assert proved(copies.run()) == ("reread", 2)
    assert copies.silver() == by_number(table.rows)


def test_reread_of_a_steady_source_asks_twice_for_each_page(copies: Copies) -> None:
    copies.prove = "reread"
    table = things(copies, range(1, 11))
    assert proved(copies.run()) == ("reread", 1)
    assert table.asked == {1: 4, 2: 2, 3: 2, 4: 2}


# A source that never rests


def never_rests(copies: Copies) -> dict[str, MovingTable]:
    restless = MovingTable(rows_of(range(1, 11)))
    restless.every(3, append_anew())
    copies.server.tables = {"things": restless, "others": MovingTable(rows_of(range(1, 5)))}
    return copies.server.tables


def test_a_source_that_never_rests_fails_with_a_report_and_takes_no_other_table_with_it(copies: Copies) -> None:
    tables = never_rests(copies)
    copies.limits = {"proof_rounds": 2}
    run = copies.run()
    error = failed(run)
    for part in ("not proved complete after 2 rounds", "rows landed of", "--accept-incomplete", "proof_rounds"):
        assert part in error
    assert copies.version() is None
    assert proved(run, "others") == ("counted", 0)
    assert copies.silver("others") == rows_of(range(1, 5))
    assert tables["things"].asked[1] <= 1 + 3 + 2, "a probe, two rounds, and a closing look after each reading"


@pytest.mark.quick
def test_a_table_that_fails_leaves_what_was_merged_before(copies: Copies) -> None:
    things(copies, range(1, 11))
    copies.run()
    version = copies.version()
    never_rests(copies)
    failed(copies.run())
    assert copies.version() == version
    assert copies.silver() == rows_of(range(1, 11))


def test_what_an_operator_accepts_incomplete_is_merged_and_recorded_and_nothing_vanishes(copies: Copies) -> None:
    things(copies, range(1, 11))
    copies.run()
    restless = never_rests(copies)["things"]
    restless.change(delete(7))
    run = copies.run(accept_incomplete=True)
    assert proved(run) == ("incomplete", 3)
    assert run.tables["things"].rows_vanished == 0
    assert {row["id"] for row in copies.silver()} >= set(range(1, 11))
    assert {row["id"] for row in copies.silver()} & {row["id"] for row in append_rows(restless)}


def append_rows(table: MovingTable) -> list[Row]:
    return [row for row in table.rows if row["id"] >= 1000]


# Answers that are wrong once


@pytest.mark.quick
def test_a_page_that_came_short_once_is_read_again_with_its_neighbours_only(copies: Copies) -> None:
    table = things(copies, range(1, 22))
    table.once(4, Short())
    assert proved(copies.run()) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 22))
    assert table.asked == {1: 3, 2: 1, 3: 2, 4: 2, 5: 2, 6: 1, 7: 1}


@pytest.mark.parametrize("numbered", [True, False])
def test_a_page_that_came_as_another_page_once_is_read_again(copies: Copies, *, numbered: bool) -> None:
    table = things(copies, range(1, 22), Manners(numbered=numbered))
    table.once(5, Another(3))
    proof, rounds = proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == rows_of(range(1, 22))


def test_a_page_that_says_it_was_cut_by_another_size_is_read_again(copies: Copies) -> None:
    table = things(copies, range(1, 22))
    table.once(5, Sized(4))
    assert proved(copies.run()) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 22))
    assert table.asked == {1: 3, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 1}


def test_a_page_that_stays_short_is_no_proof(copies: Copies) -> None:
    table = things(copies, range(1, 22))
    table.once(4, *[Short()] * 10)
    error = failed(copies.run())
    assert "20 rows landed of 21" in error
    assert "1 missing" in error
    assert "page 4" in error
    assert copies.version() is None


def test_a_page_that_fails_is_tried_again_at_once_and_lands_once(copies: Copies) -> None:
    table = things(copies, range(1, 11))
    table.once(3, Fails(503))
    assert proved(copies.run()) == ("counted", 0)
    assert table.asked[3] == 2
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


def test_a_page_that_goes_on_failing_stops_its_table_alone_and_is_all_that_a_resumed_run_asks_for(
    copies: Copies,
) -> None:
    broken = MovingTable(rows_of(range(1, 11)))
    broken.once(3, Fails(503), Fails(503))
    copies.server.tables = {"things": broken, "others": MovingTable(rows_of(range(1, 5)))}
    run = copies.run()
    assert "page 3 of 4 failed" in failed(run)
    assert "status 503" in failed(run)
    assert proved(run, "others") == ("counted", 0)
    broken.asked.clear()
    assert proved(copies.run(resume=run.run_id)) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 11))
    assert broken.asked == {1: 1, 3: 1}


def test_a_total_that_is_told_at_the_start_and_not_at_the_end_is_no_proof(copies: Copies) -> None:
    table = things(copies, range(1, 11))

    def tell_no_total(rows: list[Row]) -> None:
        table.manners = Manners(total="null")

    table.after(4, tell_no_total)
    assert "claimed 10 rows at the start, and tells no number of rows at the end" in failed(copies.run())
    assert copies.version() is None


def test_a_page_that_cannot_be_had_is_left_out_where_the_operator_accepts_that(copies: Copies) -> None:
    table = things(copies, range(1, 11))
    copies.run()
    table.once(3, Fails(503), Fails(503))
    table.change(replace(1, "changed"))
    run = copies.run(accept_incomplete=True)
    assert proved(run) == ("incomplete", 0)
    # Rows 7 to 9 stand on the page that failed: they stay as they were, and have not vanished.
    assert run.tables["things"].rows_vanished == 0
    assert {row["id"] for row in copies.silver()} == set(range(1, 11))
    assert {row["name"] for row in copies.silver() if row["id"] == 1} == {"changed"}


def test_a_404_in_the_middle_is_no_end(copies: Copies) -> None:
    things(copies, range(1, 11)).once(2, Fails(404))
    assert "status 404" in failed(copies.run())
    assert copies.version() is None


# A source that tells no total


def test_without_a_total_a_source_is_walked_to_its_end_and_nothing_vanishes(copies: Copies) -> None:
    # 7 pages, and the walk takes 4 at a time.
    copies.server.tables = {
        "no_total": MovingTable(rows_of(range(1, 21)), Manners(total="absent", pages="absent")),
        "null_total": MovingTable(rows_of(range(1, 21)), Manners(total="null", pages="absent")),
        "no_total_then_404": MovingTable(rows_of(range(1, 21)), Manners(total="absent", past_the_end=404)),
    }
    run = copies.run()
    for name, table in copies.server.tables.items():
        assert proved(run, name) == ("unproved", 0)
        assert copies.silver(name) == rows_of(range(1, 21))
        assert [table.asked[page] for page in range(1, 10)] == [2, 1, 1, 1, 1, 1, 1, 1, 1]
        table.change(delete(7))
    run = copies.run()
    for name in copies.server.tables:
        assert proved(run, name) == ("unproved", 0)
        assert run.tables[name].rows_vanished == 0
        assert copies.silver(name) == rows_of(range(1, 21))


def test_bare_lists_are_walked_to_their_end(copies: Copies) -> None:
    copies.pagination = {"items": "$"}
    things(copies, range(1, 21), Manners(bare=True))
    assert proved(copies.run()) == ("unproved", 0)
    assert copies.silver() == rows_of(range(1, 21))


@pytest.mark.parametrize("page", [3, 5])
def test_without_a_total_a_page_that_was_empty_by_mistake_is_no_end(copies: Copies, page: int) -> None:
    """Page 5 is the last one that is asked for before the walk goes on."""
    things(copies, range(1, 21), Manners(total="absent", pages="absent")).once(page, Short(by=3))
    assert proved(copies.run()) == ("unproved", 1)
    assert copies.silver() == rows_of(range(1, 21))


def test_without_a_total_a_page_that_stays_short_is_asked_for_again_and_then_taken_as_it_is(copies: Copies) -> None:
    table = things(copies, range(1, 21), Manners(total="absent", pages="absent"))
    table.once(3, *[Short()] * 5)
    assert proved(copies.run()) == ("unproved", 1)
    assert copies.silver() == rows_of(number for number in range(1, 21) if number != 9)
    assert [table.asked[page] for page in (2, 3, 4, 5)] == [2, 2, 2, 1]


def test_without_a_total_a_404_in_the_middle_stops_the_table(copies: Copies) -> None:
    """The pages behind it show that it was no end."""
    things(copies, range(1, 21), Manners(total="absent", pages="absent")).once(3, Fails(404))
    failed(copies.run())
    assert copies.version() is None


def test_a_source_that_repeats_its_last_page_for_ever_fails(copies: Copies) -> None:
    table = things(copies, range(1, 11), Manners(total="absent", pages="absent", stuck=True, numbered=False))
    assert "the same rows on" in failed(copies.run())
    assert max(table.asked) <= 1 + land.PAGES_AHEAD
    assert copies.version() is None


@pytest.mark.parametrize("total", ["always", "absent"])
def test_a_source_that_ignores_the_page_parameter_fails_and_the_message_asks_about_it(
    copies: Copies, total: Any
) -> None:
    things(copies, range(1, 11), Manners(deaf=True, numbered=False, total=total, pages="absent"))
    assert "page_param" in failed(copies.run())
    assert copies.version() is None


# An empty source


def test_an_empty_source_makes_its_tables_and_takes_nothing_from_a_lake_that_has_rows(copies: Copies) -> None:
    tables = {
        "things": MovingTable([]),
        "without_total": MovingTable([], Manners(total="absent", pages="absent")),
    }
    copies.server.tables = dict(tables)
    run = copies.run()
    assert tables["things"].asked == {1: 2}
    for name, table in tables.items():
        assert run.tables[name].state == "merged"
        assert copies.silver(name) == []
        table.change(append(1, 2, 3))
    copies.run()
    versions = [copies.version(name) for name in tables]
    for table in tables.values():
        table.change(delete(1, 2, 3))
    run = copies.run()
    for name in tables:
        assert "the source has no rows, the lake has 3" in failed(run, name)
        assert copies.silver(name) == rows_of([1, 2, 3])
    assert [copies.version(name) for name in tables] == versions


def test_an_operator_may_say_that_an_empty_source_is_right(copies: Copies) -> None:
    table = things(copies, [1, 2, 3])
    copies.run()
    table.change(delete(1, 2, 3))
    run = copies.run(allow_deletes=True)
    assert run.tables["things"].rows_vanished == 3
    assert copies.silver() == []


# Kills, within the process: every place at which one may come


@pytest.mark.quick
@pytest.mark.parametrize("place", ["wave landed", "read again"])
def test_a_run_that_is_killed_while_it_lands_asks_for_no_page_again_when_it_is_resumed(
    copies: Copies, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    table = things(copies, range(1, 22))
    table.once(4, Short())  # for a round of reading again

    def reached(name: str) -> None:
        if name == place:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(land, "reached", reached)
        with pytest.raises(Killed):
            copies.run()
    before = Counter(table.asked)
    run = copies.run(resume="run-1")
    assert run.run_id == "run-1"
    assert proved(run)[0] == "counted"
    assert copies.silver() == rows_of(range(1, 22))
    assert max(copies.landed().values()) == 1, "no page stands twice in a round"
    if place == "wave landed":
        # All have landed. That page 4 was short is found now.
        assert table.asked - before == {1: 2, 3: 1, 4: 1, 5: 1}
    else:
        # Pages had been in doubt, and nobody remembers which: all are read once more.
        assert table.asked - before == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1}


def test_a_run_that_is_killed_between_waves_fetches_only_the_pages_of_the_waves_that_did_not_land(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = things(copies, range(1, 22))
    # Two pages a wave: (1, 2, 3), (4, 5), (6, 7), the first with the page of the plan.
    monkeypatch.setattr(plan, "LEAST_ANSWER_S", 1000.0)
    monkeypatch.setattr(plan, "WAVE_S", 2000.0)
    waves = 0

    def reached(name: str) -> None:
        nonlocal waves
        waves += name == "wave landed"
        if waves == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(land, "reached", reached)
        with pytest.raises(Killed):
            copies.run()
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 6)}
    before = Counter(table.asked)
    assert proved(copies.run(resume="run-1"))[0] == "counted"
    assert copies.silver() == rows_of(range(1, 22))
    # Page 1 is looked at once more at the end.
    assert table.asked - before == {1: 1, 6: 1, 7: 1}
    assert max(copies.landed().values()) == 1


# Spark's own failures


class DiesOnce(FetchPages):
    """A task that dies half-way in its first attempt: by an error, or with its whole Python worker."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None
        for n, batch in enumerate(super().__call__(batches)):
            yield batch
            if n == 0 and context.attemptNumber() == 0:
                self.die()

    def die(self) -> None:
        raise RuntimeError("half-way")


class WorkerKilledOnce(DiesOnce):
    def die(self) -> None:
        os._exit(9)


@pytest.mark.parametrize("fetch", [DiesOnce, WorkerKilledOnce])
def test_a_task_that_dies_half_way_lands_each_page_once(
    copies: Copies, monkeypatch: pytest.MonkeyPatch, fetch: type[FetchPages]
) -> None:
    table = things(copies, range(1, 101), Manners(cap=2))
    copies.limits = {"concurrency": 4}
    monkeypatch.setattr(land, "FetchPages", fetch)
    assert proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 101))
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 51)}
    assert table.n_asked > 51, "a task did die, and asked again"
    counted = fetching(str(copies.folder / "lake" / "bronze" / "pages"), "run-1", DAY_0).tables["things"]
    assert (counted.pages, counted.rows, counted.calls) == (50, 100, 50)
