"""Every style of which a table is a walk, from an API whose rows move to landed pages; and the one of a single answer.

What is particular to cursors is in `test_landing_styles.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.moving_copies import Landings, asked_by_resuming, by_number, killed_after, two_pages_a_wave
from tests.moving_server import (
    Fails,
    Fault,
    Manners,
    MovingServer,
    MovingTable,
    append,
    append_anew,
    delete,
    insert,
    rows_of,
)
from tests.spark.test_proof_machine import STORIES, Move, faults, moves, once_killed


@dataclass(frozen=True)
class Style:
    """A style as a source YAML has it, how a server speaks it, what a message names, and how a position is shown in it."""

    pagination: dict[str, Any]
    manners: dict[str, Any]
    names: str
    question: str
    shown: str

    def served(self, **manners: Any) -> Manners:
        return Manners(pages="absent", **{**self.manners, **manners})


NEXT_URL = Style(
    {"style": "next_url"},
    {"style": "next_url"},
    "api.pagination.next: next",
    "does api.pagination.next name the next page?",
    "/things?***: ",
)
LINK_HEADER = Style(
    {"style": "link_header"},
    {"style": "link_header"},
    "api.pagination.style: link_header",
    'does rel="next" of its Link header name the next page?',
    "/things?***: ",
)
KEYSET = Style(
    {"style": "keyset", "by": "id", "more": "has_more"},
    {"style": "keyset"},
    "api.pagination.more: has_more",
    "does the source take api.pagination.after_param?",
    "/things?size=3&after=***: ",
)
STYLES = {"next_url": NEXT_URL, "link_header": LINK_HEADER, "keyset": KEYSET}
ADDRESSES = {"next_url": NEXT_URL, "link_header": LINK_HEADER}
ALL_AT_ONCE = {"style": "none"}


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Landings.without_spark(tmp_path, server, monkeypatch)


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest, copies: Landings) -> Style:
    """Each style, which the source YAML has."""
    found = STYLES[request.param]
    copies.pagination = found.pagination
    return found


def test_a_walk_whose_rows_are_as_many_as_the_total_is_counted(copies: Landings, style: Style) -> None:
    table = copies.serve(range(1, 11), style.served())
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


def test_a_page_of_a_walk_may_hold_any_number_of_rows(copies: Landings, style: Style) -> None:
    table = copies.serve(range(1, 11), style.served())
    table.after(1, lambda _: setattr(table, "manners", style.served(cap=2)))
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == rows_of(range(1, 11))


@pytest.mark.parametrize("moves", [[append(11)], [delete(2)], [delete(3)], [insert(0, 50), append(51)]])
def test_rows_that_move_during_a_walk_are_walked_again(copies: Landings, style: Style, moves: list[Any]) -> None:
    table = copies.serve(range(1, 11), style.served())
    table.after(2, *moves)
    proof, rounds = copies.proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == by_number(table.rows)


def test_rows_that_never_rest_are_never_taken_for_counted(copies: Landings, style: Style) -> None:
    table = copies.serve(range(1, 11), style.served())
    table.every(1, append_anew())
    assert "the source claimed" in copies.failed(copies.run())


def test_reread_asks_for_two_walks_that_agree(copies: Landings, style: Style) -> None:
    copies.prove = "reread"
    table = copies.serve(range(1, 11), style.served())
    assert copies.proved(copies.run()) == ("reread", 1)
    assert table.asked == {1: 4, 2: 2, 3: 2, 4: 2}


def test_a_source_that_gives_the_same_page_again_is_stopped_and_the_message_says_what_to_look_at(
    copies: Landings, style: Style
) -> None:
    table = copies.serve(range(1, 11), style.served(deaf=True))
    told = copies.failed(copies.run())
    assert f"by page 2 the walk has come to a page a second time, so it may never end: {style.question}" in told
    assert table.n_asked == 3  # and one look at the first page


def test_a_walk_that_never_ends_is_stopped_by_a_limit_that_has_a_name(copies: Landings, style: Style) -> None:
    copies.pagination, copies.limits = {**style.pagination, "total": "null"}, {"max_pages": 7}
    table = copies.serve(range(1, 11), style.served(total="absent"))
    table.every(1, lambda rows: rows.extend(rows_of(range(len(rows) + 1, len(rows) + 4))))
    assert "api.limits.max_pages (7)" in copies.failed(copies.run())
    assert table.n_asked == 8  # and one look at the first page


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_full_first_page_that_says_nothing_of_a_next_one_is_not_taken_for_all(copies: Landings, name: str) -> None:
    style = ADDRESSES[name]
    copies.pagination = style.pagination
    copies.serve(range(1, 11), style.served(names_next="never", total="absent"))
    told = copies.failed(copies.run())
    assert "the first page is full, and does not say whether there is a next one" in told
    assert f"({style.names}; its keys are items, size)" in told


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_total_of_more_rows_than_an_only_page_has_is_an_error(copies: Landings, name: str) -> None:
    style = ADDRESSES[name]
    copies.pagination = style.pagination
    copies.serve(range(1, 11), style.served(names_next="never"))
    told = copies.failed(copies.run())
    assert "the source claims 10 rows, gives 3 on its first page, and names no next page" in told
    assert style.names in told


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_first_page_that_is_not_full_may_name_no_other(copies: Landings, name: str) -> None:
    style = ADDRESSES[name]
    copies.pagination = {**style.pagination, "total": "null"}
    copies.serve(range(1, 3), style.served(names_next="never", total="absent"))
    assert copies.proved(copies.run()) == ("unproved", 0)
    assert copies.silver() == rows_of(range(1, 3))


def test_an_address_in_a_header_of_any_name_is_followed(copies: Landings) -> None:
    copies.pagination = {"style": "next_url", "next": "header:X-Next"}
    copies.serve(range(1, 12), NEXT_URL.served(names_next="in a header"))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 12))


def test_a_page_that_fails_fails_its_table_and_a_resumed_walk_asks_for_that_page_first(
    copies: Landings, style: Style
) -> None:
    table = copies.serve(range(1, 11), style.served())
    table.once(3, Fails(500), Fails(500))
    assert "page 3 of 3 failed" in copies.failed(copies.run())
    assert asked_by_resuming(copies, table) == {1: 1, 3: 1, 4: 1}


def test_a_walk_that_is_killed_goes_on_behind_its_last_landed_page(
    copies: Landings, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = copies.serve(range(1, 22), style.served())
    two_pages_a_wave(monkeypatch)  # the first page, which the plan has read; 2 and 3; 4 and 5; 6 and 7
    killed_after(copies, 3)
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 6)}
    assert asked_by_resuming(copies, table) == {1: 1, 6: 1, 7: 1}


def test_a_walk_whose_position_is_not_known_any_more_begins_anew_when_it_is_resumed(
    copies: Landings, style: Style
) -> None:
    table = copies.serve(range(1, 11), style.served())
    table.once(3, Fails(410))
    assert "status 410" in copies.failed(copies.run())
    table.asked.clear()
    assert copies.proved(copies.run(resume="run-1"))[0] == "counted"
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


@pytest.mark.parametrize("style", ADDRESSES.values(), ids=ADDRESSES)
def test_a_signed_address_whose_time_is_over_begins_anew_when_it_is_resumed(copies: Landings, style: Style) -> None:
    copies.pagination = style.pagination
    table = copies.serve(range(1, 11), style.served())
    table.once(3, Fails(403))
    assert "status 403" in copies.failed(copies.run())
    table.asked.clear()
    assert copies.proved(copies.run(resume="run-1"))[0] == "counted"
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


def test_an_empty_table_is_one_empty_page(copies: Landings, style: Style) -> None:
    copies.serve([], style.served())
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == []


def test_a_position_is_never_shown_where_its_page_fails(copies: Landings, style: Style) -> None:
    # It may hold what is in a row.
    table = copies.serve(range(701, 711), style.served())
    table.once(2, Fails(400))
    told = copies.failed(copies.run())
    assert f"{style.shown}status 400" in told
    assert "703" not in told
    urls = {row["url"] for row in copies.query(copies.folder / "lake" / "bronze" / "pages", "SELECT url FROM t")}
    assert {url.partition("/things")[2] for url in urls} == {"?size=3", style.shown.removeprefix("/things")[:-2]}


# Keysets alone


def test_a_keyset_without_more_goes_on_until_a_page_has_no_rows(copies: Landings) -> None:
    copies.pagination = {"style": "keyset", "by": "id"}
    for n_rows, n_pages in ((10, 5), (9, 4), (2, 2), (0, 1)):
        copies.serve(range(1, n_rows + 1), KEYSET.served(names_next="never"))
        run = copies.run()
        assert copies.proved(run) == ("counted", 0)
        assert run.tables["things"].pages == n_pages
        assert copies.silver() == rows_of(range(1, n_rows + 1))


def test_a_full_only_page_of_a_keyset_is_taken_for_all_where_the_source_says_so(copies: Landings) -> None:
    copies.pagination = {**KEYSET.pagination, "total": "null"}
    copies.serve(range(1, 4), KEYSET.served(total="absent"))
    assert copies.proved(copies.run()) == ("ended", 0)
    assert copies.silver() == rows_of(range(1, 4))


# Any moves, faults and a kill


@pytest.mark.thorough
@settings(STORIES, max_examples=8)
@given(
    style=st.sampled_from(list(STYLES.values())),
    n_rows=st.integers(0, 14),
    moved=st.lists(moves, max_size=4),
    failing=st.lists(faults, max_size=2),
    killed_at=st.sampled_from((None, "wave landed", "read again")),
)
def test_two_walks_that_agree_are_what_the_source_held_or_the_table_fails(
    tmp_path_factory: pytest.TempPathFactory,
    style: Style,
    n_rows: int,
    moved: list[Move],
    failing: list[tuple[int, Fault]],
    killed_at: str | None,
) -> None:
    table = MovingTable(rows_of(range(1, n_rows + 1)), style.served())
    for n, move in enumerate(moved):
        table.after(move.k, replace(move, number=100 + n))
    for page, fault in failing:
        table.once(page, fault)
    with pytest.MonkeyPatch.context() as patch, MovingServer({"things": table}) as server:
        copies = Landings.without_spark(tmp_path_factory.mktemp("story"), server, patch)
        copies.pagination, copies.prove = style.pagination, "reread"
        run = copies.run(resume=once_killed(copies, killed_at))
        if run.tables["things"].state == "failed":
            event("failed")
            return
        event("proved")
        assert run.tables["things"].proof == "reread"
        assert copies.silver() in [by_number(state) for state in table.states]


# One answer


def test_one_answer_that_holds_as_many_rows_as_its_total_says_is_counted(copies: Landings) -> None:
    copies.pagination = ALL_AT_ONCE
    table = copies.serve(range(1, 211), Manners(style="none", pages="absent"))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 211))
    assert table.n_asked == 2  # once more at the end
    assert copies.landed() == {("things", 1, 0): 1}


def test_one_answer_without_a_total_is_ended(copies: Landings) -> None:
    copies.pagination = {**ALL_AT_ONCE, "total": "null"}
    copies.serve(range(1, 211), Manners(style="none", pages="absent", total="absent"))
    assert copies.proved(copies.run()) == ("ended", 0)
    assert copies.silver() == rows_of(range(1, 211))


def test_one_answer_with_fewer_rows_than_its_total_is_an_error(copies: Landings) -> None:
    copies.pagination = ALL_AT_ONCE
    copies.serve(range(1, 11), Manners(style="none", pages="absent", cap=4, names_next="never"))
    told = copies.failed(copies.run())
    assert "the source claims 10 rows, gives 4 on its first page, and names no next page" in told
    assert "api.pagination.style: none" in told


def test_one_answer_that_changes_is_read_again(copies: Landings) -> None:
    copies.pagination = ALL_AT_ONCE
    table = copies.serve(range(1, 11), Manners(style="none", pages="absent"))
    table.after(1, append(11))
    assert copies.proved(copies.run()) == ("counted", 1)
    assert copies.silver() == rows_of(range(1, 12))
    table.after(table.n_asked + 1, delete(1), append(12))
    copies.prove = "reread"
    proof, rounds = copies.proved(copies.run())
    assert proof == "reread"
    assert (rounds or 0) > 1
    assert copies.silver() == rows_of(range(2, 13))
