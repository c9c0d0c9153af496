"""Answers that any client would take: partial statuses, counts as text, rows that are absent, limits of other makers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lib.errors import RetryableSourceError, SourceError
from lib.landing import fetch as fetch_module
from lib.landing.fetch import FetchPages
from lib.landing.plan import PageRange
from lib.source.access import Access, Paging
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page, look_at
from lib.source.retry import TryAgainError, asked_pause_s, exchange_retries
from tests.scripted import Behaviour, Reply, ScriptedServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = 1_767_225_600  # that moment


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def fetch(server: ScriptedServer, behaviour: Behaviour) -> PageRow:
    server.play("/rows", behaviour)
    with SourceClient(Access(base_url=server.url, attempts=1)) as client:
        return fetch_page(client, run_id="r", table="rows", path="/rows", page=1)


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
    assert look_at(f'{{"items": [], "total": {count}}}', Paging(), {}).total == 250


@pytest.mark.parametrize("count", ['"250x"', "true", "-1", "250.5", '""', '"-1"', '"250.5"', "[250]"])
def test_what_is_no_count_is_an_error(count: str) -> None:
    with pytest.raises(SourceError, match=r"api\.pagination\.total"):
        look_at(f'{{"items": [], "total": {count}}}', Paging(), {})


@pytest.mark.parametrize("body", ['{"items": null, "total": 0}', '{"total": 0}', '{"total": "0"}'])
def test_no_rows_where_the_total_is_zero_are_an_empty_page(body: str) -> None:
    assert look_at(body, Paging(), {}, 1).n_items == 0


def test_no_rows_are_an_empty_page_behind_the_end_alone() -> None:
    assert look_at('{"items": null, "total": 250}', Paging(), {}, 4).n_items == 0
    with pytest.raises(SourceError, match="no list of rows"):
        look_at('{"items": null, "total": 250}', Paging(), {}, 3)


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
    assert look_at(body, Paging(total=total), {}).total == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "5", "x-ratelimit-reset": "30"}, 5),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"ratelimit-reset": "30", "ratelimit-remaining": "0"}, 30),
        ({"x-rate-limit-reset": str(EPOCH + 30)}, 30),
        ({"x-ratelimit-reset": str((EPOCH + 30) * 1000)}, 30),
        ({"x-ratelimit-reset": str(EPOCH - 30)}, 0),
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

    def page_of(client: SourceClient, *, page: int, **_: object) -> int:
        asked.append(page)
        return page

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
