"""Answers that any client would take: partial statuses, counts as text, rows that are absent, limits of other makers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lib.errors import RetryableSourceError, SourceError
from lib.landing import fetch as fetch_module
from lib.landing.fetch import FetchPages
from lib.landing.plan import PageRange
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page, look_at
from lib.source.paging import Offsets, PageNumbers, Position
from lib.source.retry import TryAgainError, asked_pause_s, exchange_retries
from tests.scripted_server import Behaviour, Reply, ScriptedServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = 1_767_225_600  # that moment


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def fetch(server: ScriptedServer, behaviour: Behaviour) -> PageRow:
    server.play("/rows", behaviour)
    with SourceClient(Access(base_url=server.url, attempts=1)) as client:
        return fetch_page(client, run_id="r", table="rows", path="/rows", position=Position(1))


def fetch_twice(server: ScriptedServer, behaviour: Behaviour) -> PageRow:
    server.play("/rows", behaviour, Reply(b'{"items": [], "total": 0}'))
    with SourceClient(Access(base_url=server.url, attempts=2, max_wait_s=0.4)) as client:
        return fetch_page(client, run_id="r", table="rows", path="/rows", position=Position(1))


@pytest.mark.parametrize("status", [200, 203, 206])
def test_a_page_of_these_statuses_is_taken(status: int, server: ScriptedServer) -> None:
    row = fetch(server, Reply(b'{"items": [{"id": 1}], "total": 1}', status=status))
    assert (row.error, row.n_items, row.total, row.status) == (None, 1, 1, status)


@pytest.mark.parametrize("status", [204, 205])
def test_an_answer_without_content_is_an_empty_page(status: int, server: ScriptedServer) -> None:
    row = fetch(server, Reply(b"", status=status))
    assert (row.error, row.n_items, row.body) == (None, 0, "")


def test_an_answer_that_is_only_accepted_is_no_page(server: ScriptedServer) -> None:
    assert "status 202" in str(fetch(server, Reply(b'{"items": [], "total": 0}', status=202)).error)


@pytest.mark.parametrize("count", ["250", "250.0", "2.5e2", '"250"', '" 250 "', '"250.0"'])
def test_a_count_is_read_however_it_is_written(count: str) -> None:
    assert look_at(f'{{"items": [], "total": {count}}}', PageNumbers(), {}).total == 250


@pytest.mark.parametrize(
    "count",
    [
        *('"250x"', '"250 rows"', '"1e3"', '"+250"', '"1,250"', '"0xfa"', '"٢"', '""', '"-5"', '"-1"', '"250.5"'),
        *("true", "-1", "-5.0", "250.5", "1e30", "[250]", '{"value": 250}', "9223372036854775808"),
    ],
)
def test_what_is_no_count_is_an_error(count: str) -> None:
    with pytest.raises(SourceError, match=r"api\.pagination\.total"):
        look_at(f'{{"items": [], "total": {count}}}', PageNumbers(), {})


@pytest.mark.parametrize(("text", "total"), [("250", 250), (" 250 ", 250), ("250.0", 250), (None, None)])
def test_a_count_in_a_header_is_read_in_the_same_way(text: str | None, total: int | None) -> None:
    headers = {} if text is None else {"x-total-count": text}
    assert look_at("[]", PageNumbers(items="$", total="header:X-Total-Count"), headers).total == total


@pytest.mark.parametrize("text", ["250 rows", "1e3", "-5", "", "0-99/250"])
def test_a_header_that_is_no_count_is_an_error(text: str) -> None:
    with pytest.raises(SourceError, match=r"api\.pagination\.total"):
        look_at("[]", PageNumbers(items="$", total="header:X-Total-Count"), {"x-total-count": text})


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("0-24/250", 250),
        ("items 0-24/250", 250),
        ("*/0", 0),
        (" 0-24/250 ", 250),
        ("0-24/*", None),
        ("*/*", None),
        ("250", 250),
    ],
)
def test_a_count_behind_a_range_of_rows_is_that_of_all(text: str, total: int | None) -> None:
    paging = Offsets(items="$", total="header:Content-Range")
    assert look_at("[]", paging, {"content-range": text}).total == total


@pytest.mark.parametrize("text", ["0-24/", "0-24", "/250", "0-24/250 rows", "0-24/-1", "a/b/250", "0-24/1e3"])
def test_a_range_of_rows_that_cannot_be_read_is_an_error(text: str) -> None:
    message = r"api\.pagination\.total: header:Content-Range is not a whole number of rows or pages in the answer"
    with pytest.raises(SourceError, match=message):
        look_at("[]", Offsets(items="$", total="header:Content-Range"), {"content-range": text})


def test_a_first_page_without_content_says_that_there_are_no_rows_at_all(server: ScriptedServer) -> None:
    server.play("/rows", Reply(b"", status=204))
    with SourceClient(Access(base_url=server.url, attempts=1)) as client:
        totals = [
            fetch_page(client, run_id="r", table="rows", path="/rows", position=Position(page)).total for page in (1, 2)
        ]
    assert totals == [0, None]


def test_a_first_page_without_content_says_nothing_where_the_source_tells_no_total(server: ScriptedServer) -> None:
    server.play("/rows", Reply(b"", status=204))
    with SourceClient(Access(base_url=server.url, attempts=1, paging=PageNumbers(total=None))) as client:
        assert fetch_page(client, run_id="r", table="rows", path="/rows", position=Position(1)).total is None


@pytest.mark.parametrize(
    "body",
    [
        '{"items": null}',
        '{"items": null, "total": null, "next": null}',
        "{}",
        '{"page": 4, "size": 100, "total": null}',
    ],
)
def test_without_a_total_no_rows_are_an_empty_page_behind_the_first_one_alone(body: str) -> None:
    assert look_at(body, PageNumbers(), {}, Position(4)).n_items == 0
    with pytest.raises(SourceError, match="no list of rows"):
        look_at(body, PageNumbers(), {}, Position(1))


@pytest.mark.parametrize(
    "body", ['{"error": "too many"}', '{"rows": [1], "page": 4}', '{"items": {}}', '{"items": 0}', "[]", "7"]
)
def test_without_a_total_what_may_be_something_else_is_no_empty_page(body: str) -> None:
    with pytest.raises(SourceError, match="no list of rows"):
        look_at(body, PageNumbers(), {}, Position(4))


def test_rows_at_a_path_that_ends_in_null_are_an_empty_page() -> None:
    paging = PageNumbers(items="data.rows")
    assert look_at('{"data": {"rows": null}, "more": 1}', paging, {}, Position(4)).n_items == 0
    assert look_at('{"data": null, "more": 1}', paging, {}, Position(4)).n_items == 0
    assert look_at('{"data.rows": null, "more": 1}', paging, {}, Position(4)).n_items == 0
    with pytest.raises(SourceError, match="no list of rows"):
        look_at('{"data": {"row": null}, "more": 1}', paging, {}, Position(4))


@pytest.mark.parametrize("rows", ['{"data": null', '{"data": {"rows": null}'])
def test_rows_that_are_null_beside_an_error_are_no_empty_page(rows: str) -> None:
    paging = PageNumbers(items="data.rows")
    for said in ('"errors": [{"message": "m"}]', '"error": "m"'):
        with pytest.raises(SourceError, match="no list of rows"):
            look_at(f"{rows}, {said}}}", paging, {}, Position(4))
    assert look_at(f'{rows}, "errors": []}}', paging, {}, Position(4)).n_items == 0


def test_a_bare_null_behind_the_first_page_is_a_bare_list_without_rows() -> None:
    assert look_at("null", PageNumbers(items="$"), {}, Position(4)).n_items == 0
    with pytest.raises(SourceError, match="no list of rows"):
        look_at("null", PageNumbers(items="$"), {}, Position(1))


@pytest.mark.parametrize("body", ['{"items": null, "total": 0}', '{"total": 0}', '{"total": "0"}'])
def test_no_rows_where_the_total_is_zero_are_an_empty_page(body: str) -> None:
    assert look_at(body, PageNumbers(), {}, Position(1)).n_items == 0


def test_no_rows_are_an_empty_page_behind_the_end_alone() -> None:
    assert look_at('{"items": null, "total": 250}', PageNumbers(), {}, Position(4)).n_items == 0
    with pytest.raises(SourceError, match="no list of rows"):
        look_at('{"items": null, "total": 250}', PageNumbers(), {}, Position(3))


@pytest.mark.parametrize(
    ("total", "body"),
    [
        ("@odata.count", '{"items": [], "@odata.count": 7}'),
        ("meta.page.total", '{"items": [], "meta.page.total": 7}'),
        ("meta.page.total", '{"items": [], "meta.page": {"total": 7}}'),
        ("meta.page.total", '{"items": [], "meta": {"page.total": 7}}'),
        ("meta.page.total", '{"items": [], "meta": {"page": {"total": 7}}}'),
        ("meta.total", '{"items": [], "meta.total": 7, "meta": {"total": 8}}'),
    ],
)
def test_a_key_that_holds_dots_is_found_and_goes_before_a_path(total: str, body: str) -> None:
    assert look_at(body, PageNumbers(total=total), {}).total == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "5", "x-ratelimit-reset": "30"}, 5),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"ratelimit-reset": "30", "ratelimit-remaining": "0"}, 30),
        ({"x-rate-limit-reset": str(EPOCH + 30)}, 30),
        ({"x-ratelimit-reset": str((EPOCH + 30) * 1000)}, 30),
        ({"x-ratelimit-reset": str(EPOCH - 30)}, 0),
        ({"x-ratelimit-reset": str((EPOCH + 30) * 10**6)}, 30),
        ({"x-ratelimit-reset": str((EPOCH + 30) * 10**9)}, 30),
        ({"x-ratelimit-reset": f"{EPOCH + 30}.5"}, 30.5),
        ({"x-rate-limit-reset": "-5"}, 0),
        ({"x-ratelimit-reset": "0"}, 0),
        ({"x-ratelimit-reset": "2026-01-01T00:00:30Z"}, 30),
        ({"x-ratelimit-reset": "2026-01-01T01:00:30+01:00"}, 30),
        ({"x-ratelimit-reset": "2026-01-01 00:00:30"}, 30),
        ({"x-ratelimit-reset": "2025-12-31T23:59:30Z"}, 0),
        ({"ratelimit-reset": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30),
        ({"ratelimit-reset": "9" * 400}, float("inf")),
        # The server's clock is an hour ahead of ours: what it says is held against it.
        ({"x-ratelimit-reset": str(EPOCH + 3630), "date": "Thu, 01 Jan 2026 01:00:00 GMT"}, 30),
        ({"retry-after": "Thu, 01 Jan 2026 01:00:30 GMT", "date": "Thu, 01 Jan 2026 01:00:00 GMT"}, 30),
        ({"x-ratelimit-reset": "30", "date": "Thu, 01 Jan 2026 01:00:00 GMT"}, 30),
        # A clock that is years away, or no date, is not believed.
        ({"x-ratelimit-reset": str(EPOCH + 30), "date": "Thu, 01 Jan 1970 00:00:00 GMT"}, 30),
        ({"x-ratelimit-reset": str(EPOCH + 30), "date": "today"}, 30),
        # The longest of the limits that are used up.
        ({"ratelimit": '"second";r=5;t=1, "hour";r=0;t=90'}, 90),
        ({"ratelimit": '"second";r=0;t=1, "hour";r=5;t=90'}, 1),
        ({"ratelimit": "Limit=100, Remaining=0, Reset=30"}, 30),
        ({"ratelimit-reset": "20", "x-ratelimit-reset": str(EPOCH + 30)}, 30),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": "limit=100, remaining=0, reset=30"}, 30),
        ({"ratelimit": '"default";r=5;t=30'}, None),
        ({"x-ratelimit-reset": "30", "x-ratelimit-remaining": "5"}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)
def test_the_pause_that_a_source_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_pause_s(headers, NOW) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_that_says_when_it_starts_anew_is_waited_for(status: int, server: ScriptedServer) -> None:
    row = fetch_twice(server, Reply(status=status, headers={"X-RateLimit-Reset": "0.3"}))
    assert (row.error, row.attempts, row.retries) == (None, 2, f'{{"{status}": 1}}')
    assert 300 <= row.waited_ms <= 400


def test_a_403_is_waited_for_only_where_it_says_that_no_requests_are_left(server: ScriptedServer) -> None:
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0.3"}
    row = fetch_twice(server, Reply(status=403, headers=used_up))
    assert (row.error, row.attempts, row.retries) == (None, 2, '{"403": 1}')
    for headers in ({}, {"X-RateLimit-Reset": "0.3"}, {**used_up, "X-RateLimit-Remaining": "9"}):
        row = fetch_twice(server, Reply(status=403, headers=headers))
        assert (row.attempts, row.status) == (1, 403)


def test_a_limit_says_nothing_of_an_error_that_is_none_of_it(server: ScriptedServer) -> None:
    row = fetch_twice(server, Reply(status=502, headers={"X-RateLimit-Reset": "3600"}))
    assert (row.error, row.attempts) == (None, 2)


def test_a_limit_that_starts_anew_too_late_is_an_error_that_names_the_setting(server: ScriptedServer) -> None:
    row = fetch_twice(server, Reply(status=429, headers={"X-RateLimit-Reset": "3600"}))
    assert row.attempts == 1
    assert "the source asks to wait 3600 s; api.limits.max_wait_s allows 0.4 s" in str(row.error)


@pytest.mark.parametrize("reason", ["429", "503"])
@pytest.mark.parametrize("asked_s", [None, 0.0])
def test_a_bare_limit_of_half_a_minute_is_outlasted_by_the_default_attempts(reason: str, asked_s: float | None) -> None:
    pauses: list[float] = []

    def heard(_: RetryableSourceError, pause_s: float) -> None:
        pauses.append(pause_s)

    retries = exchange_retries(6, 120, heard)
    retries.sleep = lambda _: None

    def busy() -> None:
        raise TryAgainError("busy", reason=reason, retry_after_s=asked_s)

    with pytest.raises(TryAgainError):
        retries(busy)
    assert len(pauses) == 5
    assert sum(pauses) >= 30
    assert max(pauses) <= 120


class CountedClient(SourceClient):
    """Counts how many are open."""

    open = 0

    def __init__(self, *args: object) -> None:
        type(self).open += 1

    def close(self) -> None:
        type(self).open -= 1


def test_clients_are_closed_and_few_bodies_held_however_a_fetch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def page_of(client: SourceClient, *, position: Position, **_: object) -> int:
        asked.append(position.number)
        return position.number

    monkeypatch.setattr(fetch_module, "SourceClient", CountedClient)
    monkeypatch.setattr(fetch_module, "fetch_page", page_of)
    span = PageRange("rows", "/rows", 1, 100)
    pages = FetchPages(Access(base_url="http://127.0.0.1:1"), "r", ((span,),), 4).fetch([span])
    for taken in range(1, 11):
        next(pages)
        assert len(asked) <= taken + 3  # four are held with the one that was taken just now
    assert CountedClient.open > 0
    pages.close()  # type: ignore[attr-defined] # a generator
    assert CountedClient.open == 0
