"""Pages by ranges of rows: what is asked for, what an answer may say, and from an API whose rows move to landed pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.landing.plan import make_plan
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.gate import OPEN_GATE
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Position, Ranges
from tests.moving_copies import Landings, asked_by_resuming, by_number, killed_after, two_pages_a_wave
from tests.moving_server import Fails, Manners, MovingServer, MovingTable, Says, Short, append, delete, insert, rows_of
from tests.scripted_server import Reply, ScriptedServer

RANGES = {"style": "range"}
TWO = b'{"items": [{"id": 1}, {"id": 2}]}'


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        landings = Landings.without_spark(tmp_path, server, monkeypatch)
        landings.pagination = RANGES
        yield landings


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def by_range(**manners: Any) -> Manners:
    return Manners(style="range", pages="absent", **manners)


def access(server: ScriptedServer, **settings: Any) -> Access:
    return Access(base_url=server.url, timeout_s=3, attempts=1, paging=Ranges(**settings))


def fetch(access: Access, number: int = 1, given: int = 0) -> PageRow:
    with SourceClient(access) as client:
        return fetch_page(client, run_id="r", table="t", path="/t", position=Position(number, given))


def part(content_range: str | None, body: bytes = TWO, status: int = 206) -> Reply:
    return Reply(body, status=status, headers={} if content_range is None else {"Content-Range": content_range})


def test_rows_are_asked_for_by_a_header_alone_and_the_step_is_what_the_source_gave(server: ScriptedServer) -> None:
    server.play("/t", part("rows 0-1/7"), part("rows 4-5/7"))
    asking = access(server, unit="rows", size=5)
    assert [(row.error, row.total, row.own_number) for row in (fetch(asking), fetch(asking, 3, 2))] == [
        (None, 7, 1),
        (None, 7, 3),
    ]
    assert [(asked.target, asked.headers["range"]) for asked in server.asked] == [
        ("/t", "rows=0-4"),
        ("/t", "rows=4-8"),
    ]


def test_the_range_is_asked_for_behind_a_redirect_too(server: ScriptedServer) -> None:
    server.play("/t", Reply(b"", status=302, headers={"Location": "/u"}))
    server.play("/u", part("items 0-1/2"))
    assert fetch(access(server)).error is None
    assert server.asked[1].headers["range"] == "items=0-99"


@pytest.mark.parametrize(
    ("content_range", "total"),
    [("items 0-1/2", 2), ("0-1/2", 2), ("  items  0-1/2 ", 2), ("items 0-1/*", None), ("items */2", 2), ("*/*", None)],
)
def test_the_number_of_all_rows_stands_behind_the_slash(
    content_range: str, total: int | None, server: ScriptedServer
) -> None:
    server.play("/t", part(content_range), part(content_range, status=200))
    for _ in range(2):
        row = fetch(access(server))
        assert (row.error, row.n_items, row.total, row.own_number) == (None, 2, total, 1)


def test_where_it_is_a_star_the_place_total_counts(server: ScriptedServer) -> None:
    server.play("/t", part("items 0-1/*", b'{"items": [{}, {}], "total": 9}'), part("items 0-1/*"))
    assert fetch(access(server)).total == 9
    assert fetch(access(server, total="header:X-Total")).total is None


@pytest.mark.parametrize("content_range", ["items", "items 0-1", "items 0-1/x", "items a-b/2", "0-1/2 items", "/2"])
def test_a_header_that_cannot_be_read_is_an_error(content_range: str, server: ScriptedServer) -> None:
    server.play("/t", part(content_range))
    expected = "the header Content-Range cannot be read; such as items 0-99/1234 is expected"
    assert fetch(access(server)).error == f"{server.url}/t: {expected}"


def test_other_rows_than_those_that_were_asked_for_are_an_error(server: ScriptedServer) -> None:
    server.play("/t", part("items 0-1/7"))
    expected = "the header Content-Range says rows from 0 on, and those from 4 on were asked for"
    assert fetch(access(server), 3, 2).error == f"{server.url}/t: {expected}"


def test_a_part_that_does_not_say_which_one_it_is_is_an_error(server: ScriptedServer) -> None:
    expected = "the answer has no header Content-Range, so it does not say which rows it holds"
    server.play("/t", part(None), part(None, status=200))
    assert fetch(access(server)).error == f"{server.url}/t: {expected}"
    assert fetch(access(server), 3, 2).error == f"{server.url}/t: {expected}"  # all rows, where two were asked for


def test_a_range_past_the_end_has_no_rows(server: ScriptedServer) -> None:
    server.play("/t", part("items */7", b"{}", 416), part(None, b"{}", 416))
    row = fetch(access(server), 9, 2)
    assert (row.error, row.status, row.n_items, row.total) == (None, 416, 0, 7)
    row = fetch(access(server), 9, 2)
    assert (row.error, row.status) == (f"{server.url}/t: status 416: a JSON object without keys (2 bytes)", 416)


def test_a_full_answer_that_does_not_say_which_rows_it_holds_is_not_taken_for_all(server: ScriptedServer) -> None:
    server.play("/t", Reply(TWO))
    plan = make_plan(access(server, size=2, total=None), "r", [("t", "/t")], OPEN_GATE)
    assert plan.failed == {
        "t": f"{server.url}/t: the first page is full, and does not say whether there is a next one "
        "(there is no header Content-Range; its keys are items)"
    }


@pytest.mark.parametrize(("size", "total"), [(3, None), (1, None), (2, 2)])
def test_a_source_that_takes_no_ranges_gives_all_rows_at_once(
    size: int, total: int | None, server: ScriptedServer
) -> None:
    body = TWO if total is None else b'{"items": [{"id": 1}, {"id": 2}], "total": 2}'
    server.play("/t", Reply(body))
    [plan] = make_plan(access(server, size=size), "r", [("t", "/t")], OPEN_GATE).tables
    assert (plan.style, plan.first, plan.last, plan.total) == ("none", 1, 1, total)


# From a source to landed pages


def test_ranges_are_planned_and_counted_as_pages_are(copies: Landings) -> None:
    table = copies.serve(range(1, 11), by_range())
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}
    assert copies.landed() == {("things", page, 0): 1 for page in (1, 2, 3, 4)}


def test_a_step_is_what_the_server_gives_and_not_what_it_was_asked_for(copies: Landings) -> None:
    copies.serve(range(1, 11), by_range(cap=2))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 6)}


@pytest.mark.parametrize("moves", [[append(11)], [delete(2)], [insert(0, 50), delete(10)], [delete(*range(4, 11))]])
def test_ranges_that_move_are_read_again_until_they_rest(copies: Landings, moves: list[Any]) -> None:
    table = copies.serve(range(1, 11), by_range())
    table.after(2, *moves)
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == by_number(table.rows)


def test_ranges_without_a_total_are_read_to_one_that_has_no_rows(copies: Landings) -> None:
    for n_rows in (10, 9, 1):
        copies.serve(range(1, n_rows + 1), by_range(total="absent"))
        assert copies.proved(copies.run())[0] == "ended"
        assert copies.silver() == rows_of(range(1, n_rows + 1))


def test_a_range_that_came_short_is_read_again(copies: Landings) -> None:
    copies.serve(range(1, 11), by_range()).once(2, Short())
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == rows_of(range(1, 11))


def test_a_server_that_gives_its_first_rows_again_fails(copies: Landings) -> None:
    copies.serve(range(1, 11), by_range(deaf=True))
    assert "says rows from 0 on, and those from 3 on were asked for" in copies.failed(copies.run())


def test_reread_asks_for_two_readings_that_agree(copies: Landings) -> None:
    copies.prove = "reread"
    table = copies.serve(range(1, 11), by_range())
    assert copies.proved(copies.run()) == ("reread", 1)
    assert table.asked == {1: 4, 2: 2, 3: 2, 4: 2}


def test_an_empty_table_is_one_range_past_the_end(copies: Landings) -> None:
    copies.serve([], by_range())
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.landed() == {("things", 1, 0): 1}


def test_a_run_that_is_killed_fetches_only_what_has_not_landed(
    copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = copies.serve(range(1, 22), by_range())
    two_pages_a_wave(monkeypatch)
    killed_after(copies, 2)
    # The first page, which the plan has read, lands with the first two of the six others.
    assert {page for _, page, _ in copies.landed()} == {1, 2, 3, 4, 5}
    assert asked_by_resuming(copies, table) == {1: 1, 6: 1, 7: 1}


def test_a_range_that_fails_fails_its_table(copies: Landings) -> None:
    table = copies.serve(range(1, 11), by_range())
    table.once(3, Fails(500), Fails(500))
    assert "page 3 of 4 failed" in copies.failed(copies.run())


def test_all_rows_at_once_are_landed_and_ended(copies: Landings) -> None:
    # The server takes no notice of the header.
    copies.pagination = {"style": "range", "size": "3", "total": "null"}
    copies.serve(range(1, 12), Manners(style="none", pages="absent", total="absent"))
    assert copies.proved(copies.run()) == ("ended", 0)
    assert copies.silver() == rows_of(range(1, 12))
    assert copies.landed() == {("things", 1, 0): 1}


@pytest.mark.parametrize("total", ["null", "total"])
def test_a_source_that_answered_once_as_if_it_took_no_ranges_is_read_by_ranges_after_all(
    total: str, copies: Landings
) -> None:
    copies.pagination = {**RANGES, "total": total}
    table = copies.serve(range(1, 10), by_range(total="always" if total == "total" else "absent"))
    # A cache, once: two rows, and no word of others.
    table.once(1, Says({"items": rows_of([1, 2])}))
    assert copies.proved(copies.run())[0] == ("counted" if total == "total" else "ended")
    assert copies.silver() == rows_of(range(1, 10))
