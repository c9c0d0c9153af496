"""Sources that cap what they give: what is evidence of it, what is not, and what is said of it.

As in a run, but that delta-rs writes the pages and that nothing is merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.errors import SourceError
from lib.landing.caps import may_be_cap, may_be_cut
from lib.source.page import look_at
from lib.source.paging import AllAtOnce, Cursors, LinkHeaders, NextUrls, PageNumbers, Position
from tests.moving_copies import Landings
from tests.moving_server import Manners, MovingServer, MovingTable

SLICES = (
    "read it in slices (the setting slices of the table): by the values of a parameter that filters, or by windows of time, each "
    "below the cap"
)
CAPPED = f"If the source caps what it gives, {SLICES}"


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet, in pages of 100 rows."""
    with MovingServer({"things": MovingTable([])}) as server:
        landings = Landings.without_spark(tmp_path, server, monkeypatch)
        landings.limits = {"proof_rounds": 0, "concurrency": 4}
        yield landings


def served(copies: Landings, n_rows: int, **manners: Any) -> MovingTable:
    style = manners.get("style", "page")
    total = {"total": "null"} if manners.get("total") == "absent" else {}
    copies.pagination = {"style": style, **({"size": "100"} if style != "none" else {}), **total}
    if style == "keyset":
        copies.pagination |= {"by": "id", "more": "has_more"}
    return copies.serve(range(1, n_rows + 1), Manners(**{"pages": "absent", **manners}))


def test_the_numbers_at_which_sources_cap() -> None:
    assert [n for n in (100, 999, 1000, 1024, 1500, 2000, 3000, 5000, 10_000, 10_001, 50_000) if may_be_cap(n)] == [
        1000, 2000, 5000, 10_000, 50_000,
    ]  # fmt: skip
    assert [n for n in (1, 5, 10, 11, 20, 25, 30, 100, 250, 1000, 0) if may_be_cut(n)] == [10, 20, 25, 100, 250, 1000]


@pytest.mark.parametrize("style", ["page", "offset"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_window_behind_which_pages_are_refused_is_an_error_that_says_what_to_do(
    style: str, status: int, copies: Landings
) -> None:
    served(copies, 1500, style=style, window=1000, refuses=status)
    told = copies.failed(copies.run())
    assert f"pages 11, 12, 13, 14, 15 of 15 failed: {copies.server.url}/things" in told
    assert told.endswith(f". The source gives 1,000 rows, and refuses all pages behind them. {CAPPED}")


def test_so_it_is_where_nobody_tells_a_total(copies: Landings) -> None:
    served(copies, 1500, total="absent", window=700, refuses=400)
    assert copies.failed(copies.run()).endswith(
        f". The source gives 700 rows, and refuses all pages behind them. {CAPPED}"
    )


def test_pages_that_fail_otherwise_are_no_cap(copies: Landings) -> None:
    served(copies, 1500, window=1000, refuses=403)
    assert "slices" not in copies.failed(copies.run())


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_window_behind_which_pages_are_empty_is_an_error_that_says_what_to_do(style: str, copies: Landings) -> None:
    served(copies, 1500, style=style, window=1000)
    told = copies.failed(copies.run())
    assert f"All pages behind 1,000 rows are empty. {CAPPED}, or go on knowingly with --accept-incomplete" in told


def test_a_walk_that_ends_at_a_cap_before_its_total_is_an_error_that_says_what_to_do(copies: Landings) -> None:
    served(copies, 1500, style="cursor", window=1000)
    assert f"fewer than it counts. {CAPPED}" in copies.failed(copies.run())


def test_a_total_behind_which_there_are_rows_is_an_error_that_says_what_to_do(copies: Landings) -> None:
    served(copies, 1500, counts_to=1000)
    assert copies.failed(copies.run()) == (
        f"things: the source counts 1,000 rows, and gives more behind them, so it caps what it counts: {SLICES}"
    )


@pytest.mark.parametrize("past_the_end", [200, 404])
def test_a_table_of_just_so_many_rows_is_counted(past_the_end: int, copies: Landings) -> None:
    table = served(copies, 1000, past_the_end=past_the_end)
    assert copies.proved(copies.run()) == ("counted", 0)
    assert table.asked[11] == 1


def test_other_totals_cost_no_look(copies: Landings) -> None:
    table = served(copies, 900)
    assert copies.proved(copies.run()) == ("counted", 0)
    assert table.asked[10] == 0


def test_a_table_of_just_so_many_rows_whose_next_page_is_refused_is_merged_and_not_proved(copies: Landings) -> None:
    served(copies, 1000, window=1000, refuses=422)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert run.tables["things"].unproved_because == (
        "the source counts exactly 1,000 rows, and refuses the page behind them (status 422), as one that caps what it gives. If "
        f"it does, {SLICES}"
    )


@pytest.mark.parametrize("style", ["cursor", "next_url", "link_header", "page", "offset"])
def test_an_end_at_a_cap_with_a_full_page_is_unproved_with_that_reason(style: str, copies: Landings) -> None:
    served(copies, 1500, style=style, total="absent", window=1000)
    copies.prove = "swept"
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert run.tables["things"].unproved_because == (
        f"it ends, with a full page, at exactly 1,000 rows, as of a source that caps what it gives. If it does, {SLICES}"
    )


@pytest.mark.parametrize(("style", "n_rows"), [("cursor", 1001), ("cursor", 900), ("keyset", 1000)])
def test_other_ends_are_ends_as_are_those_of_keysets_which_can_be_asked_behind(
    style: str, n_rows: int, copies: Landings
) -> None:
    served(copies, n_rows, style=style, total="absent")
    assert copies.proved(copies.run()) == ("ended", 0)


def test_one_answer_that_may_be_cut_is_unproved_with_that_reason(copies: Landings) -> None:
    served(copies, 100, style="none", total="absent")
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert str(run.tables["things"].unproved_because).startswith(
        "one answer has exactly 100 rows, as of a source that caps"
    )


# What an answer says itself


@pytest.mark.parametrize(
    ("total", "answer", "place"),
    [
        (
            "hits.total.value",
            '{"items": [{}], "hits": {"total": {"value": 10000, "relation": "gte"}}}',
            "hits.total.relation",
        ),
        ("total", '{"items": [{}], "total": 10000, "relation": "gte"}', "relation"),
        ("total_count", '{"items": [{}], "total_count": 7, "incomplete_results": true}', "incomplete_results"),
        ("nbHits", '{"items": [{}], "nbHits": 1000, "exhaustiveNbHits": false}', "exhaustiveNbHits"),
    ],
)
def test_a_total_of_which_the_answer_says_that_it_is_none_is_an_error(total: str, answer: str, place: str) -> None:
    with pytest.raises(SourceError) as told:
        look_at(answer, PageNumbers(total=total), {})
    assert str(told.value) == (
        f"api.pagination.total: by {place} of the answer, {total} is not the number of all rows, as of a source that caps what it "
        f"counts; have it count all if it can, or {SLICES}"
    )
    exact = answer.replace("gte", "eq").replace('s": true', 's": false').replace('Hits": false', 'Hits": true')
    assert look_at(exact, PageNumbers(total=total), {}).total is not None


NONE = "api.pagination.style: none: "
NAMED = "the answer names a next page at {}; use style: {}"
SAYS_MORE = "the answer says at {} that there are further rows; use the style by which it gives them"
LINK = "the answer has a Link header that names a next page; use style: link_header"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('"next": "https://h/t?page=2"', NAMED.format("next", "next_url with next: next")),
        ('"links": {"next": "/t?page=2"}', NAMED.format("links.next", "next_url with next: links.next")),
        (
            '"_links": {"next": {"href": "/t?p=2"}}',
            NAMED.format("_links.next.href", "next_url with next: _links.next.href"),
        ),
        ('"@odata.nextLink": "https://h/t"', NAMED.format("@odata.nextLink", "next_url with next: @odata.nextLink")),
        ('"next_cursor": "abc"', NAMED.format("next_cursor", "cursor with next: next_cursor")),
        (
            '"meta": {"nextPageToken": "abc"}',
            NAMED.format("meta.nextPageToken", "cursor with next: meta.nextPageToken"),
        ),
        ('"next_page": 2', NAMED.format("next_page", "page")),
        ('"has_more": true', SAYS_MORE.format("has_more")),
        ('"page_info": {"hasNextPage": true, "x": "y"}', SAYS_MORE.format("page_info.hasNextPage")),
        ('"isLast": false', SAYS_MORE.format("isLast")),
    ],
)
def test_one_answer_that_names_a_next_page_is_an_error_that_names_the_style(more: str, said: str) -> None:
    body = '{"items": [{"id": 1}, {"id": 2}], ' + more + "}"
    with pytest.raises(SourceError) as told:
        look_at(body, AllAtOnce(total=None), {})
    assert str(told.value) == NONE + said
    counted = body[:-1] + ', "total": 2}'
    assert look_at(counted, AllAtOnce(), {}).total == 2  # these are all rows, whatever else is said


def test_a_link_header_or_a_part_is_an_error_in_any_case() -> None:
    with pytest.raises(SourceError, match="names a next page; use style: link_header"):
        look_at('{"items": [{}], "total": 1}', AllAtOnce(), {"link": '</t?page=2>; rel="next"'})
    with pytest.raises(
        SourceError, match=r"style: none: the answer is a part of the rows \(status 206\); use style: range"
    ):
        look_at('{"items": [{}], "total": 1}', AllAtOnce(), {}, None, 206)


@pytest.mark.parametrize(
    "more",
    ['"next": null', '"next": ""', '"next": {"id": 7}', '"has_more": false, "next_cursor": "for later"', '"isLast": true',
     '"rows": [{"next": "x"}]', '"next_page": 0', '"next": false'],
)  # fmt: skip
def test_what_names_no_next_page_is_no_error(more: str) -> None:
    assert look_at('{"items": [{"id": 1, "next": "/t"}], ' + more + "}", AllAtOnce(total=None), {}).is_end


@pytest.mark.parametrize(
    "paging", [Cursors(total=None), NextUrls(next="links.next", total=None), LinkHeaders(total=None)]
)
def test_a_walk_is_not_ended_by_a_page_that_names_the_next_one_elsewhere(paging: Any) -> None:
    for number in (1, 2):
        with pytest.raises(SourceError) as told:
            look_at(
                '{"items": [{"id": 1}], "next_token": "abc"}',
                paging,
                {},
                Position(number, cursor="c" * (number - 1) or None),
            )
        assert str(told.value) == (
            f"{paging.names_next}: no next page is named there, and {NAMED.format('next_token', 'cursor with next: next_token')}"
        )


def test_an_end_in_so_many_words_beside_one_that_says_more_is_an_error() -> None:
    paging = Cursors(total=None)
    with pytest.raises(SourceError, match="says at has_more that there are further rows"):
        look_at('{"items": [{"id": 1}], "next_cursor": null, "has_more": true}', paging, {})
    # A number of a next page is given behind the last one too.
    assert look_at('{"items": [{"id": 1}], "next_cursor": null, "next_page": 2}', paging, {}).is_end
    with pytest.raises(SourceError, match="use style: link_header"):
        look_at('{"items": [{"id": 1}], "next_cursor": null}', paging, {"link": '</t?page=2>; rel="next"'})
