"""Pages asked for by POST, in every style, to landed pages: with the position in a JSON body or a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.moving_copies import Landings, asked_by_resuming, by_number, killed_after, two_pages_a_wave
from tests.moving_server import Fails, Manners, MovingServer, MovingTable, append, insert, rows_of

# How each is set where its parameters are places in the body; `{}` goes before their names.
STYLES = {
    "page": {"page_param": "{}page", "size_param": "{}size"},
    "offset": {"offset_param": "{}offset", "size_param": "{}limit"},
    "cursor": {"cursor_param": "{}cursor", "size_param": "{}size"},
    "keyset": {"after_param": "{}after", "size_param": "{}size", "by": "id", "more": "has_more"},
    "next_url": {"size_param": "{}size"},
    "link_header": {"size_param": "{}size"},
}
JSON = {"method": "post", "json": "{variables: {state: all}, flags: [1]}"}
FORM = {"method": "post", "form": "{state: all}"}


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Landings.without_spark(tmp_path, server, monkeypatch)


def set_up(copies: Landings, style: str, body: dict[str, str]) -> Manners:
    """Let the source YAML have the style, with its parameters in the body, and say how the server answers it."""
    before = "body:" if "form" in body else "body:variables.paging."
    copies.pagination = {name: value.replace("{}", before) for name, value in {"style": style, **STYLES[style]}.items()}
    copies.body = body
    return Manners(style=style, pages="absent")


@pytest.fixture(params=STYLES)
def manners(request: pytest.FixtureRequest, copies: Landings) -> Manners:
    """Each style, by a JSON body."""
    return set_up(copies, request.param, JSON)


@pytest.mark.parametrize("body", [JSON, FORM], ids=["json", "form"])
@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_copied_and_proved(copies: Landings, style: str, body: dict[str, str]) -> None:
    table = copies.serve(range(1, 11), set_up(copies, style, body))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


def test_rows_that_move_are_read_again(copies: Landings, manners: Manners) -> None:
    table = copies.serve(range(1, 11), manners)
    table.after(2, insert(0, 50), append(51))
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == by_number(table.rows)


def test_a_killed_run_goes_on_where_it_was(copies: Landings, manners: Manners, monkeypatch: pytest.MonkeyPatch) -> None:
    table = copies.serve(range(1, 22), manners)
    two_pages_a_wave(monkeypatch)
    killed_after(copies, 2)
    asked = asked_by_resuming(copies, table)
    assert asked[2] == 0
    assert asked[7] == 1


def test_a_failed_page_is_asked_for_again_and_its_error_names_the_method_and_no_position(
    copies: Landings, manners: Manners
) -> None:
    table = copies.serve(range(1, 11), manners)
    table.once(2, Fails(503))
    assert copies.proved(copies.run()) == ("counted", 0)
    table.once(2, Fails(400))
    told = copies.failed(copies.run())
    assert f"POST {copies.server.url}/things" in told
    assert "status 400" in told
    assert re.search(r"behind \d", told) is None


def test_a_server_that_does_not_look_into_the_body_is_noticed(copies: Landings, manners: Manners) -> None:
    table = copies.serve(range(1, 11), replace(manners, deaf=True))
    named = "its Link header" if manners.style == "link_header" else "api.pagination."
    assert named in copies.failed(copies.run())
    assert table.n_asked < 2000


def test_a_list_may_hold_the_value_of_the_last_row(copies: Landings) -> None:
    copies.pagination = {"style": "keyset", "by": "id", "after_param": "body:search.after[]", "size_param": "body:size"}
    copies.body = JSON
    copies.serve(range(1, 11), Manners(style="keyset", pages="absent", names_next="never"))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))


def test_one_answer_may_be_asked_for_by_post(copies: Landings) -> None:
    copies.pagination, copies.body = {"style": "none"}, {"method": "post"}
    copies.serve(range(1, 11), Manners(style="none", pages="absent"))
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 11))


def test_another_body_is_another_run(copies: Landings, monkeypatch: pytest.MonkeyPatch) -> None:
    copies.pagination = {"style": "cursor", "cursor_param": "body:cursor", "size_param": "body:size"}
    copies.body = JSON
    copies.serve(range(1, 22), Manners(style="cursor", pages="absent"))
    two_pages_a_wave(monkeypatch)
    killed_after(copies, 2)
    copies.body = {**JSON, "json": "{variables: {state: open}, flags: [1]}"}
    with pytest.raises(Exception, match="settings"):
        copies.run(resume="run-1")
