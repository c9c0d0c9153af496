"""Styles of pagination from an API whose rows move to landed pages: offsets, which are planned, and cursors, which are walked.

As in a run, but that delta-rs writes the pages and that nothing is merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import full_ingest
from lib.errors import SourceError
from lib.lineage.explain import _reading
from lib.source.access import Access
from lib.source.page import look_at
from lib.source.paging import Cursors, Offsets, PageNumbers, Position, Told
from tests.moving_copies import Landings, asked_by_resuming, by_number, killed_after, two_pages_a_wave
from tests.moving_server import (
    Another,
    Fails,
    Manners,
    MovingServer,
    MovingTable,
    Short,
    append,
    append_anew,
    delete,
    insert,
    rows_of,
)
from tests.spark.served_table import Killed

OFFSETS = {"style": "offset"}
CURSORS = {"style": "cursor"}


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Landings.without_spark(tmp_path, server, monkeypatch)


def by_offset(**manners: Any) -> Manners:
    return Manners(style="offset", pages="absent", **manners)


def by_cursor(**manners: Any) -> Manners:
    return Manners(style="cursor", pages="absent", **manners)


# Offsets


def test_offsets_are_planned_and_counted_as_pages_are(copies: Landings) -> None:
    copies.pagination = OFFSETS
    table = copies.serve(range(1, 11), by_offset())
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


def test_a_step_is_what_the_server_gives_and_not_what_it_was_asked_for(copies: Landings) -> None:
    # Asked for 3 rows from 0, 3, 6 and 9 on, a server that gives 2 would leave out rows 3, 6 and 9.
    copies.pagination = OFFSETS
    copies.serve(range(1, 11), by_offset(cap=2))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 6)}


def test_offsets_that_move_are_read_again_until_they_rest(copies: Landings) -> None:
    copies.pagination = OFFSETS
    table = copies.serve(range(1, 11), by_offset())
    table.after(2, insert(0, 50), delete(10))
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == by_number(table.rows)


def test_offsets_without_a_total_are_read_to_an_empty_page(copies: Landings) -> None:
    copies.pagination = OFFSETS
    copies.serve(range(1, 11), by_offset(total="absent"))
    assert copies.proved(copies.run())[0] == "ended"
    assert copies.silver() == rows_of(range(1, 11))


def test_a_server_that_ignores_the_offset_fails_and_the_message_names_the_setting(copies: Landings) -> None:
    copies.pagination = OFFSETS
    copies.serve(range(1, 11), by_offset(deaf=True))
    assert "api.pagination.offset_param" in copies.failed(copies.run())


def test_rows_in_front_of_those_that_were_read_are_found_where_there_is_no_total_too(copies: Landings) -> None:
    for style, manners in ((OFFSETS, by_offset(total="absent")), ({}, Manners(total="absent", pages="absent"))):
        copies.pagination = style
        table = copies.serve(range(1, 10), manners)
        table.after(2, insert(0, *range(50, 60)))
        assert copies.proved(copies.run())[0] == "ended"
        assert copies.silver() == by_number(table.rows)


def test_a_first_page_that_came_short_is_no_step_for_ever(copies: Landings) -> None:
    copies.pagination = OFFSETS
    copies.serve(range(1, 11), by_offset()).once(1, Short())
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == rows_of(range(1, 11))


def test_a_step_that_the_server_changes_on_the_way_is_taken_up(copies: Landings) -> None:
    copies.pagination = OFFSETS
    table = copies.serve(range(1, 20), by_offset(total="absent"))
    table.after(1, lambda _: setattr(table, "manners", by_offset(cap=2, total="absent")))
    assert copies.proved(copies.run())[0] == "ended"
    assert copies.silver() == table.rows


@pytest.mark.parametrize("first", [0, 1])
def test_an_answer_that_counts_its_offsets_from_another_row_is_taken(first: int) -> None:
    paging = Offsets(first=first)
    for number, asked in ((1, first), (2, first + 3), (3, first + 6)):
        for own in (asked - 1, asked, asked + 1):
            assert paging.own(Told({"offset": own}, {}), Position(number, 3))[0] == (number if own >= 0 else None)
    assert paging.own(Told({"offset": first}, {}), Position(2, 3))[0] == 1


# Cursors


def test_an_answer_that_is_empty_by_mistake_is_no_end() -> None:
    for body in ("{}", '{"items": null}'):
        with pytest.raises(SourceError, match="no list of rows"):
            look_at(body, Cursors(), {}, Position(2, cursor="c"))
    assert look_at('{"items": null, "next_cursor": null}', Cursors(), {}, Position(2, cursor="c")).n_items == 0
    assert look_at("{}", PageNumbers(), {}, Position(2)).n_items == 0


@pytest.mark.parametrize("end", ["null", '""', "false"])
def test_a_full_only_page_may_say_in_any_of_these_words_that_it_is_the_last(end: str) -> None:
    paging = Cursors(size=2, total=None)
    body = '{"items": [{}, {}], "next_cursor": ' + end + "}"
    assert look_at(body, paging, {}).next_cursor is None
    for silent in ('{"items": [{}, {}]}', '{"items": [{}, {}], "next": null}'):
        with pytest.raises(SourceError, match="does not say whether there is a next one"):
            look_at(silent, paging, {})


def test_a_cursor_in_a_header_is_sent_back_as_it_was() -> None:
    headers = {"x-next": "café".encode().decode("latin-1")}
    assert Cursors(next="header:X-Next").follows(Told(None, headers)) == "café"


def test_a_walk_whose_rows_are_as_many_as_the_total_is_counted(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


@pytest.mark.parametrize("names_next", ["absent at the end", "in a header"])
def test_the_end_is_a_page_that_names_no_other(copies: Landings, names_next: Any) -> None:
    copies.pagination = {**CURSORS, **({"next": "header:X-Next"} if names_next == "in a header" else {})}
    copies.serve(range(1, 12), by_cursor(names_next=names_next))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 12))


def test_a_page_of_a_walk_may_hold_any_number_of_rows(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    # Behind the first page the server becomes meaner.
    table.after(1, lambda _: setattr(table, "manners", by_cursor(cap=2)))
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == rows_of(range(1, 11))


MOVES = {
    "a row is appended": [append(11)],
    "a row behind the walk is deleted": [delete(2)],
    "a row before the walk is deleted": [delete(9)],
    "the row that the cursor names is deleted": [delete(3)],
    "one at the front, and one more at the end": [insert(0, 50), append(51)],
    "most rows go": [delete(4, 5, 6, 7, 8, 9, 10)],
}


@pytest.mark.parametrize("moves", MOVES)
def test_rows_that_move_during_a_walk_are_walked_again(copies: Landings, moves: str) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    table.after(2, *MOVES[moves])
    proof, rounds = copies.proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == by_number(table.rows)


def test_rows_that_never_rest_are_never_taken_for_counted(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    table.every(1, append_anew())
    assert "the source claimed" in copies.failed(copies.run())


def test_reread_asks_for_two_walks_that_agree(copies: Landings) -> None:
    copies.pagination, copies.prove = CURSORS, "reread"
    table = copies.serve(range(1, 11), by_cursor())
    assert copies.proved(copies.run()) == ("reread", 1)
    assert table.asked == {1: 4, 2: 2, 3: 2, 4: 2}


def test_a_cursor_that_the_server_ignores_is_met_again_and_the_message_names_the_setting(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor(deaf=True))
    told = copies.failed(copies.run())
    assert "the walk has come to a page a second time" in told
    assert "api.pagination.cursor_param" in told
    assert table.n_asked < 2000


def test_a_walk_that_never_ends_is_stopped_by_a_limit_that_has_a_name(copies: Landings) -> None:
    copies.pagination, copies.limits = {**CURSORS, "total": "null"}, {"max_pages": 7}
    table = copies.serve(range(1, 11), by_cursor(total="absent"))
    table.every(1, lambda rows: rows.extend(rows_of(range(len(rows) + 1, len(rows) + 4))))
    assert "api.limits.max_pages (7)" in copies.failed(copies.run())
    assert table.n_asked == 8  # and one look at the first page


@pytest.mark.parametrize("total", ["always", "absent"])
def test_a_full_first_page_that_names_no_other_is_not_taken_for_all(copies: Landings, total: Any) -> None:
    copies.pagination = CURSORS
    copies.serve(range(1, 11), by_cursor(names_next="never", total=total))
    told = copies.failed(copies.run())
    assert "api.pagination.next: next_cursor; its keys are " in told


def test_a_first_page_that_is_not_full_may_name_no_other(copies: Landings) -> None:
    copies.pagination = {**CURSORS, "total": "null"}
    copies.serve(range(1, 3), by_cursor(names_next="never", total="absent"))
    assert copies.proved(copies.run()) == ("unproved", 0)
    assert copies.silver() == rows_of(range(1, 3))


def test_a_page_that_fails_fails_its_table_and_a_resumed_walk_asks_for_that_page_first(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    table.once(3, Fails(500), Fails(500))
    assert "page 3 of 3 failed" in copies.failed(copies.run())
    assert asked_by_resuming(copies, table) == {1: 1, 3: 1, 4: 1}


def test_a_walk_that_is_killed_goes_on_behind_its_last_landed_page(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 22), by_cursor())
    two_pages_a_wave(monkeypatch)  # the first page, which the plan has read; 2 and 3; 4 and 5; 6 and 7
    killed_after(copies, 3)
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 6)}
    assert asked_by_resuming(copies, table) == {1: 1, 6: 1, 7: 1}


def test_a_walk_that_is_killed_again_goes_on_behind_its_last_landed_page_again(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 22), by_cursor())
    two_pages_a_wave(monkeypatch)
    killed_after(copies, 2)
    killed_after(copies, 1, resume="run-1")
    assert asked_by_resuming(copies, table) == {1: 1, 6: 1, 7: 1}


def test_a_walk_whose_cursor_is_not_known_any_more_begins_anew_when_it_is_resumed_again(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    table.once(3, Fails(410))
    assert "status 410" in copies.failed(copies.run())
    before = Counter(table.asked)
    assert copies.proved(copies.run(resume="run-1"))[0] == "counted"
    assert table.asked - before == {1: 2, 2: 1, 3: 1, 4: 1}


def test_a_page_that_was_answered_by_another_one_once_is_no_error_for_ever(copies: Landings) -> None:
    copies.pagination = CURSORS
    copies.serve(range(1, 11), by_cursor()).once(2, Another(1))
    assert "a second time" in copies.failed(copies.run())
    assert copies.proved(copies.run(resume="run-1"))[0] == "counted"
    assert copies.silver() == rows_of(range(1, 11))


def test_what_landed_before_a_second_walk_failed_is_what_an_operator_accepts(copies: Landings) -> None:
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    table.after(4, append(11), lambda _: table.once(3, Fails(500), Fails(500)))
    run = copies.run(accept_incomplete=True)
    assert copies.proved(run)[0] == "incomplete"
    assert run.tables["things"].rows_landed == 7  # of four pages; the third was read last as a failure


def test_a_walk_that_was_planned_and_not_begun_is_begun_when_it_is_resumed(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.pagination = CURSORS
    copies.serve(range(1, 11), by_cursor())

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(full_ingest, "start", killed)
        with pytest.raises(Killed):
            copies.run()
    assert copies.proved(copies.run(resume="run-1")) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))


def test_many_tables_walk_side_by_side_and_one_that_fails_takes_no_other_with_it(copies: Landings) -> None:
    copies.pagination, copies.limits = CURSORS, {"concurrency": 3}
    copies.server.tables = {
        f"t{number}": MovingTable(rows_of(range(1, 5 + number)), by_cursor()) for number in range(8)
    }
    copies.server.tables["t4"].once(2, Fails(500), Fails(500))
    run = copies.run()
    assert set(run.failed) == {"t4"}
    for name, table in copies.server.tables.items():
        if name != "t4":
            assert copies.proved(run, name) == ("counted", 0)
            assert copies.silver(name) == by_number(table.rows)


def test_an_empty_table_is_one_empty_page(copies: Landings) -> None:
    for style, manners in ((CURSORS, by_cursor()), (OFFSETS, by_offset())):
        copies.pagination = style
        copies.serve([], manners)
        assert copies.proved(copies.run()) == ("counted", 0)
        assert copies.silver() == []


def test_a_cursor_is_never_shown_where_its_page_fails(copies: Landings) -> None:
    # A source may make a cursor of what is in a row.
    copies.pagination = CURSORS
    table = copies.serve(range(1, 11), by_cursor())
    table.once(2, Fails(400))
    told = copies.failed(copies.run())
    assert "status 400" in told
    assert "behind" not in told
    assert "cursor=***" in told


# A style of its own for a table


def test_each_table_is_asked_in_its_own_way_within_one_run(copies: Landings) -> None:
    copies.own = {"walked": {"style": "cursor", "size": 2}, "shifted": {"style": "offset", "size": 4}}
    tables = {
        "things": MovingTable(rows_of(range(1, 11))),
        "walked": MovingTable(rows_of(range(1, 6)), by_cursor()),
        "shifted": MovingTable(rows_of(range(1, 10)), by_offset()),
    }
    copies.server.tables = tables
    run = copies.run()
    assert {name: copies.proved(run, name) for name in tables} == dict.fromkeys(tables, ("counted", 0))
    # Ten rows by three, five by two, nine by four; each first page is looked at once more at the end.
    assert {name: dict(table.asked) for name, table in tables.items()} == {
        "things": {1: 2, 2: 1, 3: 1, 4: 1},
        "walked": {1: 2, 2: 1, 3: 1},
        "shifted": {1: 2, 2: 1, 3: 1},
    }


def test_a_message_names_the_settings_where_the_table_has_them(copies: Landings) -> None:
    copies.own = {"walked": {"style": "cursor", "size": 2, "total": None}, "lost": {"style": "page", "items": "rows"}}
    copies.server.tables = {
        "things": MovingTable(rows_of(range(1, 3))),
        "walked": MovingTable(rows_of(range(1, 6)), by_cursor(stuck=True)),
        "lost": MovingTable(rows_of(range(1, 6))),
    }
    run = copies.run()
    assert copies.proved(run) == ("counted", 0)
    assert copies.failed(run, "walked").endswith("does the source take tables.walked.pagination.cursor_param?")
    assert "the answer has no list of rows at tables.lost.pagination.items: rows (its keys are" in copies.failed(
        run, "lost"
    )


def test_a_table_whose_name_is_in_the_setting_is_named_once() -> None:
    access = Access(base_url="http://h", own_paging=(("api", Cursors()),))
    told = access.worded("api", access.worded("api", "look at api.pagination.next"))
    assert told == "look at tables.api.pagination.next"
    assert access.worded("other", "look at api.pagination.next") == "look at api.pagination.next"


def test_rows_are_read_otherwise_once_the_table_itself_says_so() -> None:
    table = {"name": "t", "key": ["id"], "newest_by": None, "columns": []}
    of_api = {"api": {"pagination": {"items": "items"}}}
    before = {**of_api, "tables": [table]}  # of a version that had no pagination by table
    own = {**of_api, "tables": [{**table, "pagination": {"items": "rows"}}]}
    none = {"api": {"pagination": {"items": "data"}}, "tables": [{**table, "pagination": None}]}
    assert [_reading(one, "t")[0] for one in (before, own, none)] == ["items", "rows", "data"]
