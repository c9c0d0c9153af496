"""Rules of `errors` against a server that answers to order: what is tried again, what fails, what ends and what is skipped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from lib.source import page_text
from lib.source import rules as rules_module
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.json_text import Json, parsed
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Cursors, Keysets, PageNumbers, Paging, Position, Ranges
from lib.source.rules import Condition, Do, NoJson, Rule, first_that_fits, json_of
from tests.scripted_server import Behaviour, Reply, ScriptedServer

PAGE = b'{"items": [{"id": 1}, {"id": 2}], "total": 2, "pages": 1}'
GOOD = Reply(PAGE)
# 27 bytes.
LIMITED = Reply(b'{"error": "Ms. Secret, 07"}')
ERROR = Condition("error", "exists", value=True)
NO_ROWS = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"  # printf '[]' | sha256sum


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def fetch(
    server: ScriptedServer,
    rules: Sequence[Rule],
    *behaviours: Behaviour,
    paging: Paging | None = None,
    position: Position | None = None,
    **limits: float,
) -> PageRow:
    server.play("/t", *behaviours)
    settings: dict[str, Any] = {"timeout_s": 5.0, "attempts": 3, "max_wait_s": 0.02, **limits}
    access = Access(base_url=server.url, paging=paging or PageNumbers(), rules=(("t", tuple(rules)),), **settings)
    with SourceClient(access) as client:
        return fetch_page(client, run_id="r", table="t", path="/t", position=position or Position(1))


def rule(do: Do, *statuses: int, about: Condition | None = None, number: int = 0) -> Rule:
    return Rule(f"api.errors[{number}]", do, frozenset(statuses) or None, about)


def told(row: PageRow) -> str:
    """The error of a page behind its address."""
    return str(row.error).partition("size=100: ")[2]


# What a rule is about


@pytest.mark.parametrize(
    ("condition", "answer", "expected"),
    [
        (Condition("e", "equals", "a"), {"e": "a"}, True),
        (Condition("e", "equals", "a"), {"e": "ab"}, False),
        (Condition("e", "equals", "1"), {"e": 1}, False),
        (Condition("e", "equals", 1), {"e": 1}, True),
        (Condition("e", "equals", 1), {"e": 1.0}, True),
        (Condition("e", "equals", 1), {"e": True}, False),
        (Condition("e", "equals", 0), {"e": False}, False),
        (Condition("e", "equals", value=True), {"e": True}, True),
        (Condition("e", "equals", value=True), {"e": 1}, False),
        (Condition("e", "equals", value=False), {"e": None}, False),
        (Condition("e", "equals", None), {"e": None}, True),
        (Condition("e", "equals", None), {}, False),
        (Condition("e", "equals", None), [], False),
        (Condition("e.code", "equals", 7), {"e": {"code": 7}}, True),
        (Condition("e.code", "equals", 7), {"e.code": 7}, True),
        (Condition("e.code", "equals", 7), {"e": [{"code": 7}]}, False),
        (Condition("e", "exists", value=True), {"e": []}, True),
        (Condition("e", "exists", value=True), {"e": False}, True),
        (Condition("e", "exists", value=True), {"e": None}, False),
        (Condition("e", "exists", value=True), {}, False),
        (Condition("e", "exists", value=False), {"e": None}, True),
        (Condition("e", "exists", value=False), {}, True),
        (Condition("e", "exists", value=False), [{"e": 1}], True),
        (Condition("e", "exists", value=False), {"e": 0}, False),
        (Condition("e", "contains", "limit"), {"e": "rate limited"}, True),
        (Condition("e", "contains", "limit"), {"e": "Limit"}, False),
        (Condition("e", "contains", "limit"), {"e": ["limit"]}, False),
        (Condition("e", "contains", "limit"), {}, False),
    ],
)
def test_a_condition_is_met_by_what_is_at_its_place(*, condition: Condition, answer: Json, expected: bool) -> None:
    assert condition.is_met_by(answer) is expected


def test_the_first_rule_that_fits_by_status_and_body_wins() -> None:
    rules = (
        rule("end", 404),
        rule("fail", 200, 404, about=Condition("e", "equals", "gone"), number=1),
        rule("retry", about=ERROR, number=2),
        rule("skip", 500, number=3),
    )
    for status, body, place in (
        (404, {"e": "gone", "error": 1}, 0),
        (200, {"e": "gone", "error": 1}, 1),
        (200, {"error": 1}, 2),
        (500, {"error": 1}, 2),
        (500, {}, 3),
        (200, {"e": "here"}, None),
        (410, {"e": "gone"}, None),
    ):
        found, _ = first_that_fits(rules, status, json.dumps(body).encode(), "application/json")
        assert found is (None if place is None else rules[place])


def test_a_body_that_is_no_json_fits_no_rule_about_a_body() -> None:
    rules = (rule("fail", about=Condition("error", "exists", value=False)),)
    deep = b"[" * 100_000
    for body in (b"", b"<html>error</html>", b'{"error": ', b"\xff\xfe\xff", deep):
        assert isinstance(json_of(body, "application/json"), NoJson)
        assert first_that_fits(rules, 200, body, "application/json")[0] is None
    assert first_that_fits(rules, 200, b"{}", "application/json") == (rules[0], {})


@pytest.mark.parametrize("row", ["NaN", "1e999", '{"a": 1, "a": 2}', '"\\ud800"', "9" * 400])
def test_a_bad_row_hides_no_error(row: str) -> None:
    body = f'{{"items": [{row}], "error": "x"}}'.encode()
    found, strict = first_that_fits([rule("fail", about=ERROR)], 200, body, "application/json")
    assert found is not None
    assert isinstance(strict, NoJson) or strict == {"items": [10**400 - 1], "error": "x"}


def test_a_page_whose_body_a_rule_has_read_is_not_read_again(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[str] = []
    for module in (page_text, rules_module):
        monkeypatch.setattr(module, "parsed", lambda text: readings.append(text) or parsed(text))
    row = fetch(server, [rule("fail", about=ERROR), rule("retry", 503, about=ERROR)], GOOD)
    assert (row.error, row.n_items, row.total) == (None, 2, 2)
    assert readings == [PAGE.decode()]
    assert fetch(server, [rule("retry", 503, about=ERROR)], GOOD).n_items == 2
    assert readings == [PAGE.decode()] * 2


# Retry


def test_an_error_with_status_200_is_tried_again_before_rows_are_looked_for(server: ScriptedServer) -> None:
    row = fetch(server, [rule("retry", 200, about=ERROR)], LIMITED, GOOD)
    assert (row.error, row.n_items, row.attempts, row.status, row.retries) == (None, 2, 2, 200, '{"rule": 1}')


@pytest.mark.parametrize("status", [202, 204, 400, 404, 401])
def test_a_status_that_fails_by_default_is_tried_again_where_a_rule_says_so(
    status: int, server: ScriptedServer
) -> None:
    row = fetch(server, [rule("retry", status)], Reply(status=status), GOOD)
    assert (row.error, row.n_items, row.attempts, row.retries) == (None, 2, 2, '{"rule": 1}')


def test_after_the_last_attempt_the_error_names_the_rule_and_the_keys_and_no_value(server: ScriptedServer) -> None:
    row = fetch(server, [rule("fail", 500), rule("retry", about=ERROR, number=1)], LIMITED, max_wait_s=0)
    assert row.attempts == 3
    assert told(row) == (
        "status 200 (api.errors[1]: retry): a JSON object whose keys are error (27 bytes) (after 3 attempts)"
    )
    assert (row.status, row.body, row.n_items) == (200, None, None)


def test_retry_after_of_an_answer_with_status_200_is_kept_and_slows_all(server: ScriptedServer) -> None:
    busy = Reply(LIMITED.body, headers={"Retry-After": "0.3"})
    row = fetch(server, [rule("retry", about=ERROR)], busy, GOOD, max_wait_s=0.4)
    assert (row.error, row.attempts) == (None, 2)
    assert server.asked[1].at - server.asked[0].at >= 0.3
    assert 300 <= row.waited_ms <= 400


def test_a_reset_of_a_rate_limit_is_kept_too(server: ScriptedServer) -> None:
    busy = Reply(LIMITED.body, headers={"X-RateLimit-Reset": "0.3", "X-RateLimit-Remaining": "0"})
    row = fetch(server, [rule("retry", about=ERROR)], busy, GOOD, max_wait_s=0.4)
    assert 300 <= row.waited_ms <= 400


@pytest.mark.parametrize(("asked", "shown"), [("31", "31 s"), ("9" * 400, "for ever")])
def test_a_longer_pause_than_allowed_fails_at_once_and_says_so(asked: str, shown: str, server: ScriptedServer) -> None:
    busy = Reply(LIMITED.body, headers={"Retry-After": asked})
    started = time.monotonic()
    row = fetch(server, [rule("retry", about=ERROR)], busy, GOOD)
    assert time.monotonic() - started < 2
    assert row.attempts == 1
    assert told(row) == (
        f"status 200 (api.errors[0]: retry): the source asks to wait {shown}; api.limits.max_wait_s allows 0.02 s"
    )


def test_one_that_names_no_time_is_waited_for_as_patiently_as_a_503(server: ScriptedServer) -> None:
    row = fetch(server, [rule("retry", about=ERROR)], LIMITED, GOOD, max_wait_s=0.2)
    assert 100 <= row.waited_ms <= 200  # at least half of the longest pause


# Fail


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_that_is_tried_again_by_default_fails_at_once_where_a_rule_says_so(
    status: int, server: ScriptedServer
) -> None:
    row = fetch(server, [rule("fail", status)], Reply(b"Ms. Secret", status=status), GOOD)
    assert (row.attempts, row.retries, row.status) == (1, None, status)
    assert told(row) == f"status {status} (api.errors[0]: fail): something else than JSON (10 bytes)"


def test_an_error_with_status_200_fails_at_once_though_it_has_rows(server: ScriptedServer) -> None:
    partial = Reply(b'{"items": [{"id": 1}], "total": 2, "error": "half"}')
    row = fetch(server, [rule("fail", about=ERROR)], partial, GOOD)
    assert (row.attempts, row.n_items) == (1, None)
    assert told(row) == "status 200 (api.errors[0]: fail): a JSON object whose keys are items, total, error (51 bytes)"


def test_a_rule_about_a_body_judges_answers_of_any_status_but_a_longer_body_than_64_kb(server: ScriptedServer) -> None:
    fatal = [rule("fail", about=ERROR)]
    row = fetch(server, fatal, Reply(LIMITED.body, status=503), GOOD)
    assert told(row) == "status 503 (api.errors[0]: fail): a JSON object whose keys are error (27 bytes)"
    long = b'{"error": "' + b"x" * 70_000 + b'"}'
    assert fetch(server, fatal, Reply(long, status=503), GOOD).retries == '{"503": 1}'
    # Of an answer that brings a page all is read.
    assert fetch(server, fatal, Reply(long), GOOD).attempts == 1


def test_what_no_rule_fits_is_judged_as_by_default(server: ScriptedServer) -> None:
    rules = [rule("end", 404), rule("skip", 418), rule("fail", about=ERROR)]
    assert fetch(server, rules, Reply(b"{}", status=503), GOOD).retries == '{"503": 1}'
    assert told(fetch(server, rules, Reply(b"{}", status=400))) == ("status 400: a JSON object without keys (2 bytes)")
    assert fetch(server, rules, GOOD).n_items == 2


def test_a_redirect_is_followed_before_anything_is_judged(server: ScriptedServer) -> None:
    server.play("/u", LIMITED)
    row = fetch(server, [rule("fail", about=ERROR)], Reply(status=302, headers={"Location": "/u"}))
    assert "(api.errors[0]: fail)" in told(row)


# End


@pytest.mark.parametrize(
    "answer", [Reply(status=404), Reply(b'{"error": "no such page"}'), Reply(status=204), Reply(b"oops", status=500)]
)
def test_a_page_that_ends_has_no_rows_no_total_and_an_empty_body(answer: Reply, server: ScriptedServer) -> None:
    rules = [rule("end", 404, 204, 500), rule("end", about=ERROR)]
    row = fetch(server, rules, answer, position=Position(3))
    assert (row.error, row.attempts, row.status) == (None, 1, answer.status)
    assert (row.n_items, row.items_sha256, row.total, row.pages, row.next_cursor) == (0, NO_ROWS, None, None, None)
    assert (row.body, row.n_bytes, row.rows, row.is_skipped) == ("", 0, None, False)


def test_a_first_page_that_ends_does_not_say_that_the_source_has_no_rows(server: ScriptedServer) -> None:
    assert fetch(server, [], Reply(status=204)).total == 0
    assert fetch(server, [rule("end", 204)], Reply(status=204)).total is None


@pytest.mark.parametrize(("items", "body"), [("items", b'{"items": [{"id": 1}], "error": 1}'), ("$", b'[{"id": 1}]')])
def test_a_page_that_ends_and_has_rows_is_an_error(items: str, body: bytes, server: ScriptedServer) -> None:
    nothing_more = Condition("more", "exists", value=False)
    row = fetch(server, [rule("end", about=nothing_more)], Reply(body), paging=PageNumbers(items=items))
    assert told(row) == (
        f"status 200 (api.errors[0]: end): there is something at api.pagination.items: {items}; an end has no rows"
    )


def test_a_page_that_ends_a_walk_names_no_next_one_whatever_it_says(server: ScriptedServer) -> None:
    said = Reply(b'{"items": [], "error": "over", "next_cursor": "x"}')
    row = fetch(server, [rule("end", about=ERROR)], said, paging=Cursors(), position=Position(2, cursor="c"))
    assert (row.error, row.next_cursor, row.cursor) == (None, None, "c")


def test_an_object_in_place_of_a_bare_list_is_no_row(server: ScriptedServer) -> None:
    row = fetch(server, [rule("end", about=ERROR)], LIMITED, paging=PageNumbers(items="$"))
    assert (row.error, row.n_items) == (None, 0)


# Skip


@pytest.mark.parametrize("answer", [Reply(b'{"items": [{"id": 1}], "error": "half"}'), Reply(b"oops", status=500)])
def test_a_page_that_is_skipped_has_no_rows_and_neither_body_nor_error(answer: Reply, server: ScriptedServer) -> None:
    row = fetch(server, [rule("skip", 500), rule("skip", about=ERROR)], answer)
    assert (row.error, row.attempts, row.status, row.n_items, row.items_sha256) == (None, 1, answer.status, 0, NO_ROWS)
    assert (row.body, row.n_bytes, row.sha256, row.rows, row.total) == (None, None, None, None, None)
    assert row.is_skipped


def test_a_page_that_was_had_or_failed_is_not_skipped(server: ScriptedServer) -> None:
    assert not fetch(server, [], GOOD).is_skipped
    assert not fetch(server, [], Reply(status=204)).is_skipped
    assert not fetch(server, [], Reply(status=404)).is_skipped


def test_a_walk_goes_on_behind_a_skipped_page_that_names_the_next_one(server: ScriptedServer) -> None:
    said = Reply(b'{"error": "half", "next_cursor": "d"}', status=500)
    row = fetch(server, [rule("skip", 500)], said, paging=Cursors(), position=Position(2, cursor="c"))
    assert (row.error, row.is_skipped, row.next_cursor) == (None, True, "d")
    in_header = Reply(b"oops", status=500, headers={"X-Next": "e"})
    assert fetch(server, [rule("skip", 500)], in_header, paging=Cursors(next="header:X-Next")).next_cursor == "e"


def test_a_skipped_page_may_say_that_it_is_the_last_one_of_a_walk(server: ScriptedServer) -> None:
    said = Reply(b'{"error": "half", "next_cursor": null}')
    row = fetch(server, [rule("skip", about=ERROR)], said, paging=Cursors(), position=Position(2, cursor="c"))
    assert (row.error, row.is_skipped, row.next_cursor) == (None, True, None)


@pytest.mark.parametrize("place", ["next_cursor", "header:X-Next"])
@pytest.mark.parametrize("body", [b'{"error": "half"}', b"oops"])
def test_a_walk_is_not_ended_in_silence_by_a_skipped_page(place: str, body: bytes, server: ScriptedServer) -> None:
    row = fetch(server, [rule("skip", 500)], Reply(body, status=500), paging=Cursors(next=place))
    assert row.status == 500
    assert told(row) == (
        f"status 500 (api.errors[0]: skip): it names no next page (api.pagination.next: {place}), so the rest of the table "
        "would be lost; write do: end if nothing follows, or fail"
    )


def test_a_429_that_a_rule_tries_again_is_counted_as_one_and_slows_all(server: ScriptedServer) -> None:
    row = fetch(server, [rule("retry", 429, 503)], Reply(status=429), Reply(status=503), GOOD)
    assert (row.n_items, row.retries) == (2, '{"429": 1, "rule": 1}')


def test_a_rule_judges_the_body_of_a_range_behind_the_end(server: ScriptedServer) -> None:
    refused = Reply(b'{"code": "X"}', status=416, headers={"Content-Range": "items */0"})
    about = Condition("code", "equals", value="X")
    row = fetch(server, [rule("fail", 416, about=about)], refused, paging=Ranges())
    assert str(row.error).endswith("status 416 (api.errors[0]: fail): a JSON object whose keys are code (13 bytes)")
    row = fetch(server, [], refused, paging=Ranges())
    assert (row.error, row.n_items, row.total) == (None, 0, 0)


@pytest.mark.parametrize(
    "paging", [Cursors(items="data.items", next="data.next"), Keysets(items="data.items", by="id")]
)
def test_an_error_beside_data_that_is_null_neither_ends_nor_is_skipped_to_the_end(
    paging: Paging, server: ScriptedServer
) -> None:
    failed = Reply(b'{"data": null, "errors": [{"message": "Ms. Secret"}]}')
    behind = Position(3, cursor="7")
    row = fetch(server, [], failed, paging=paging, position=behind)
    assert "the answer has no list of rows at api.pagination.items: data.items" in str(row.error)
    skipped = [rule("skip", about=Condition("errors", "exists", value=True))]
    row = fetch(server, skipped, failed, paging=paging, position=behind)
    assert "it names no next page" in str(row.error)


def test_an_end_in_so_many_words_is_one(server: ScriptedServer) -> None:
    paging = Cursors(items="data.items", next="data.next")
    row = fetch(
        server, [], Reply(b'{"data": {"items": null, "next": null}}'), paging=paging, position=Position(3, cursor="7")
    )
    assert (row.error, row.n_items, row.next_cursor) == (None, 0, None)


def test_a_keyset_of_a_source_that_gives_the_newest_first_is_an_error_on_its_second_page(
    server: ScriptedServer,
) -> None:
    newest_first = Reply(b'{"items": [{"id": 9}, {"id": 8}]}')
    row = fetch(server, [], newest_first, paging=Keysets(by="id", total=None), position=Position(2, cursor="7"))
    assert "api.pagination.by: the page is sorted by id in one direction, and lies in the other one" in str(row.error)
    # A source may as well take the value for the greatest.
    row = fetch(server, [], newest_first, paging=Keysets(by="id", total=None), position=Position(2, cursor="10"))
    assert (row.error, row.next_cursor) == (None, "8")
