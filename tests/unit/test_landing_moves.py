"""From an API whose rows move to landed pages: what is proved, what is read again, and what fails.

As in a run, but that delta-rs writes the pages and that nothing is merged; what needs Spark is in tests/spark/test_landing.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.landing import land, landing, walk
from tests.moving_copies import Landings, asked_by_resuming, by_number, killed_after, two_pages_a_wave
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
    delete,
    insert,
    replace,
    rows_of,
    swap,
)
from tests.spark.served_table import Killed


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Landings.without_spark(tmp_path, server, monkeypatch)


# A source at rest


def test_a_steady_source_is_counted_and_asked_for_each_page_once_and_for_the_first_at_the_end_again(
    copies: Landings,
) -> None:
    table = copies.serve(range(1, 11))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


def test_what_the_server_does_makes_the_plan(copies: Landings) -> None:
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
        assert copies.proved(run, name) == ("counted", 0)
        assert copies.silver(name) == rows_of(range(1, 11))
        assert table.asked == {1: 2, **dict.fromkeys(range(2, n_pages.get(name, 4) + 1), 1)}


def test_pages_may_be_counted_from_0(copies: Landings) -> None:
    copies.pagination = {"first": 0}
    table = copies.serve(range(1, 11), Manners(first=0))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {0: 2, 1: 1, 2: 1, 3: 1}


def test_a_page_count_that_cannot_be_true_is_not_walked(copies: Landings) -> None:
    table = copies.serve(range(1, 11), Manners(pages=5000))
    assert "claims 5000 pages for 10 rows" in copies.failed(copies.run())
    assert table.asked == {1: 1}


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
def test_rows_that_move_are_read_again_until_they_rest(copies: Landings, moves: str) -> None:
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
        proof, rounds = copies.proved(run, name)
        assert proof == "counted"
        assert (rounds or 0) > 0
        assert copies.silver(name) == by_number(table.rows)


def test_a_total_that_changes_and_changes_back_is_seen_on_the_pages_between(copies: Landings) -> None:
    table = copies.serve(range(1, 11))
    table.after(2, delete(5))
    table.after(3, append(11))
    proof, rounds = copies.proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == by_number(table.rows)


def test_counted_cannot_see_a_row_deleted_on_a_page_already_read_and_one_appended_in_the_same_moment(
    copies: Landings,
) -> None:
    table = copies.serve(range(1, 11))
    table.after(3, delete(5), append(11))
    assert copies.proved(copies.run()) == ("counted", 0)
    # Row 10 moved from page 4 to page 3, which was read; row 5 is a row no more.
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 7, 8, 9, 11])
    assert by_number(table.rows) == rows_of([1, 2, 3, 4, 6, 7, 8, 9, 10, 11])


def test_reread_sees_the_move_that_counted_cannot_see(copies: Landings) -> None:
    copies.prove = "reread"
    table = copies.serve(range(1, 11))
    table.after(3, delete(5), append(11))
    # One walk before the move, one after it, one more that agrees with the second.
    assert copies.proved(copies.run()) == ("reread", 2)
    assert copies.silver() == by_number(table.rows)


def test_reread_sees_a_content_that_changed_and_rows_that_changed_places(copies: Landings) -> None:
    copies.prove = "reread"
    table = copies.serve(range(1, 11))
    table.after(3, replace(5, "changed"), swap(6, 8))
    assert copies.proved(copies.run()) == ("reread", 2)
    assert copies.silver() == by_number(table.rows)


def test_reread_of_a_steady_source_asks_twice_for_each_page(copies: Landings) -> None:
    copies.prove = "reread"
    table = copies.serve(range(1, 11))
    assert copies.proved(copies.run()) == ("reread", 1)
    assert table.asked == {1: 4, 2: 2, 3: 2, 4: 2}


def test_a_source_that_never_rests_fails_with_a_report_and_takes_no_other_table_with_it(copies: Landings) -> None:
    tables = copies.serve_one_that_never_rests()
    copies.limits = {"proof_rounds": 2}
    run = copies.run()
    error = copies.failed(run)
    for part in ("not proved complete after 2 rounds", "rows landed of", "--accept-incomplete", "proof_rounds"):
        assert part in error
    assert copies.version() is None
    assert copies.proved(run, "others") == ("counted", 0)
    assert copies.silver("others") == rows_of(range(1, 5))
    assert tables["things"].asked[1] <= 1 + 3 + 2, "a probe, two rounds, and a closing look after each reading"


# Answers that are wrong once


def test_a_page_that_came_short_once_is_read_again_with_its_neighbours_only(copies: Landings) -> None:
    table = copies.serve(range(1, 22))
    table.once(4, Short())
    assert copies.proved(copies.run()) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 22))
    assert table.asked == {1: 3, 2: 1, 3: 2, 4: 2, 5: 2, 6: 1, 7: 1}


@pytest.mark.parametrize("numbered", [True, False])
def test_a_page_that_came_as_another_page_once_is_read_again(copies: Landings, *, numbered: bool) -> None:
    table = copies.serve(range(1, 22), Manners(numbered=numbered))
    table.once(5, Another(3))
    proof, rounds = copies.proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == rows_of(range(1, 22))


def test_a_page_that_says_it_was_cut_by_another_size_is_read_again(copies: Landings) -> None:
    table = copies.serve(range(1, 22))
    table.once(5, Sized(4))
    assert copies.proved(copies.run()) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 22))
    assert table.asked == {1: 3, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 1}


def test_a_page_that_stays_short_is_no_proof(copies: Landings) -> None:
    table = copies.serve(range(1, 22))
    table.once(4, *[Short()] * 10)
    error = copies.failed(copies.run())
    assert "20 rows landed of 21" in error
    assert "1 missing" in error
    assert "page 4" in error
    assert copies.version() is None


def test_a_page_that_fails_is_tried_again_at_once_and_lands_once(copies: Landings) -> None:
    table = copies.serve(range(1, 11))
    table.once(3, Fails(503))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert table.asked[3] == 2
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


def test_a_page_that_goes_on_failing_stops_its_table_alone_and_is_all_that_a_resumed_run_asks_for(
    copies: Landings,
) -> None:
    broken = MovingTable(rows_of(range(1, 11)))
    broken.once(3, Fails(503), Fails(503))
    copies.server.tables = {"things": broken, "others": MovingTable(rows_of(range(1, 5)))}
    run = copies.run()
    assert "page 3 of 4 failed" in copies.failed(run)
    assert "status 503" in copies.failed(run)
    assert copies.proved(run, "others") == ("counted", 0)
    broken.asked.clear()
    assert copies.proved(copies.run(resume=run.run_id)) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 11))
    assert broken.asked == {1: 1, 3: 1}


def test_a_total_that_is_told_at_the_start_and_not_at_the_end_is_no_proof(copies: Landings) -> None:
    table = copies.serve(range(1, 11))

    def tell_no_total(rows: list[Row]) -> None:
        table.manners = Manners(total="null")

    table.after(4, tell_no_total)
    assert "claimed 10 rows at the start, and reports no number of rows at the end" in copies.failed(copies.run())
    assert copies.version() is None


def test_a_404_in_the_middle_is_no_end(copies: Landings) -> None:
    copies.serve(range(1, 11)).once(2, Fails(404))
    assert "status 404" in copies.failed(copies.run())
    assert copies.version() is None


def test_bare_lists_are_walked_to_their_end(copies: Landings) -> None:
    copies.pagination = {"items": "$"}
    copies.serve(range(1, 21), Manners(bare=True))
    assert copies.proved(copies.run()) == ("ended", 0)
    assert copies.silver() == rows_of(range(1, 21))


@pytest.mark.parametrize("page", [3, 5])
def test_without_a_total_a_page_that_was_empty_by_mistake_is_no_end(copies: Landings, page: int) -> None:
    """Page 5 is the last one that is asked for before the walk goes on."""
    copies.serve(range(1, 21), Manners(total="absent", pages="absent")).once(page, Short(by=3))
    assert copies.proved(copies.run()) == ("ended", 1)
    assert copies.silver() == rows_of(range(1, 21))


def test_without_a_total_a_page_that_stays_short_is_asked_for_again_and_then_taken_as_it_is(copies: Landings) -> None:
    table = copies.serve(range(1, 21), Manners(total="absent", pages="absent"))
    table.once(3, *[Short()] * 5)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 1)
    why = "the source gives no total, and some pages before the last have fewer rows than others: page 3"
    assert run.tables["things"].unproved_because == why
    assert copies.silver() == rows_of(number for number in range(1, 21) if number != 9)
    assert [table.asked[page] for page in (2, 3, 4, 5)] == [2, 2, 2, 1]


def test_without_a_total_a_404_in_the_middle_stops_the_table(copies: Landings) -> None:
    """The pages behind it show that it was no end."""
    copies.serve(range(1, 21), Manners(total="absent", pages="absent")).once(3, Fails(404))
    copies.failed(copies.run())
    assert copies.version() is None


def test_a_source_that_repeats_its_last_page_for_ever_fails(copies: Landings) -> None:
    table = copies.serve(range(1, 11), Manners(total="absent", pages="absent", stuck=True, numbered=False))
    assert "the same rows on" in copies.failed(copies.run())
    assert max(table.asked) <= 1 + walk.PAGES_AHEAD
    assert copies.version() is None


@pytest.mark.parametrize("total", ["always", "absent"])
def test_a_source_that_ignores_the_page_parameter_fails_and_the_message_asks_about_it(
    copies: Landings, total: Any
) -> None:
    copies.serve(range(1, 11), Manners(deaf=True, numbered=False, total=total, pages="absent"))
    assert "page_param" in copies.failed(copies.run())
    assert copies.version() is None


# Kills, within the process: every place at which one may come


@pytest.mark.parametrize("place", ["wave landed", "read again"])
def test_a_run_that_is_killed_while_it_lands_asks_for_no_page_again_when_it_is_resumed(
    copies: Landings, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    table = copies.serve(range(1, 22))
    table.once(4, Short())  # for a round of reading again

    def reached(name: str) -> None:
        if name == place:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(land, "reached", reached)
        patch.setattr(landing, "reached", reached)
        with pytest.raises(Killed):
            copies.run()
    before = Counter(table.asked)
    run = copies.run(resume="run-1")
    assert run.run_id == "run-1"
    assert copies.proved(run)[0] == "counted"
    assert copies.silver() == rows_of(range(1, 22))
    assert max(copies.landed().values()) == 1, "no page stands twice in a round"
    if place == "wave landed":
        # All have landed. That page 4 was short is found now.
        assert table.asked - before == {1: 2, 3: 1, 4: 1, 5: 1}
    else:
        # Pages had been in doubt, and nobody remembers which: all are read once more.
        assert table.asked - before == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1}


def test_a_run_that_is_killed_again_fetches_only_what_neither_of_its_starts_has_landed(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = copies.serve(range(1, 22))
    two_pages_a_wave(monkeypatch)
    killed_after(copies, 1)
    killed_after(copies, 1, resume="run-1")
    assert asked_by_resuming(copies, table) == {1: 1, 6: 1, 7: 1}


def test_a_run_that_is_killed_between_waves_fetches_only_the_pages_of_the_waves_that_did_not_land(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = copies.serve(range(1, 22))
    two_pages_a_wave(monkeypatch)  # 1, which the plan has read, with 2 and 3; 4 and 5; 6 and 7
    killed_after(copies, 2)
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 6)}
    # Page 1 is looked at once more at the end.
    assert asked_by_resuming(copies, table) == {1: 1, 6: 1, 7: 1}
    assert max(copies.landed().values()) == 1
