"""Which failures are tried again, how often, after what pause, and what a page row keeps of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Position
from lib.source.retry import retry_after_s
from tests.scripted_server import Behaviour, Cut, Hang, Raw, Reply, Reset, ScriptedServer, Trickle

PAGE = b'{"items": [{"id": 1}, {"id": 2}], "total": 2, "pages": 1}'
GOOD = Reply(PAGE)
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def fetch(server: ScriptedServer, *behaviours: Behaviour, **limits: float) -> PageRow:
    server.play("/t", *behaviours)
    settings = {"timeout_s": 5.0, "attempts": 3, "max_wait_s": 0.02, **limits}
    with SourceClient(Access(base_url=server.url, **settings)) as client:
        return fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599])
def test_a_status_that_may_pass_is_tried_again_and_counted(status: int, server: ScriptedServer) -> None:
    row = fetch(server, Reply(b"later", status=status), GOOD)
    assert (row.error, row.n_items, row.attempts, row.status) == (None, 2, 2, 200)
    assert row.retries == f'{{"{status}": 1}}'
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 418, 422, 451, 201, 202, 300, 304])
def test_any_other_status_fails_at_once_and_shows_nothing_of_what_the_server_says(
    status: int, server: ScriptedServer
) -> None:
    said = b"" if status == 304 else b"so it\r\n\x1b[31mis\x00\xe2\x80\xae!"
    row = fetch(server, Reply(said, status=status), GOOD)
    assert (row.attempts, row.status, row.body, row.retries) == (1, status, None, None)
    expected = "no message" if status == 304 else "something else than JSON (19 bytes)"
    assert row.error == f"{server.url}/t?page=1&size=100: status {status}: {expected}"


def test_of_a_long_message_of_the_server_its_length_is_shown(server: ScriptedServer) -> None:
    row = fetch(server, Reply(b"x" * 5000, status=400))
    assert row.error is not None
    assert row.error.endswith("status 400: something else than JSON (5,000 bytes)")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Reset(), "connection"),
        (Raw(b""), "connection"),
        (Cut(PAGE, 20), "body_ended_early"),
        (Cut(PAGE, 20, chunked=True), "body_ended_early"),
        (Cut(PAGE, len(PAGE), chunked=True), "body_ended_early"),
        (Reset(PAGE, 20), "body_ended_early"),
        (Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"), "body_ended_early"),
        (Hang(3), "timeout"),
        (Trickle(PAGE, 20), "timeout"),
        (Trickle(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 500, 20, raw=True), "timeout"),
        (Trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 500, 200, raw=True), "timeout"),
        (Raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 3), "connection"),
        (Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "protocol"),
        (Raw(b"\x00\x01\x02" * 50 + b"\r\n\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 abc OK\r\n\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 5000 + b"\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 200 OK\r\nX-Long: " + b"z" * 200_000 + b"\r\n\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 7\r\n\r\n{}"), "protocol"),
        (Reply(PAGE, headers={"Content-Encoding": "gzip"}), "encoding"),
        (Reply(b"<html>busy</html>"), "not_json"),
        (Reply(PAGE[:30]), "not_json"),
        (Reply(b""), "not_json"),
    ],
)
def test_a_broken_exchange_is_tried_again_and_counted(
    behaviour: Behaviour, reason: str, server: ScriptedServer
) -> None:
    started = time.monotonic()
    row = fetch(server, behaviour, GOOD, timeout_s=0.5)
    assert (row.error, row.n_items, row.attempts) == (None, 2, 2)
    assert row.retries == json.dumps({reason: 1})
    assert time.monotonic() - started < 2


def test_a_trickling_body_does_not_outlive_the_time_for_the_exchange(server: ScriptedServer) -> None:
    started = time.monotonic()
    row = fetch(server, Trickle(PAGE, 10), timeout_s=0.4, attempts=1)
    took_s = time.monotonic() - started
    assert row.error == (f"{server.url}/t?page=1&size=100: no complete answer within 0.4 s (api.limits.timeout_s)")
    assert 0.35 < took_s < 0.8


def test_no_server_at_all_is_a_connection_error_after_all_attempts() -> None:
    with ScriptedServer() as gone:
        pass
    row = fetch(gone)
    assert row.attempts == 3
    assert row.retries == '{"connection": 2}'
    assert row.error == (
        f"{gone.url}/t?page=1&size=100: no connection "
        "(is the server running, and the address right?) (after 3 attempts)"
    )


def test_reasons_are_counted_apart_and_the_last_failure_is_the_error(server: ScriptedServer) -> None:
    row = fetch(server, Reply(status=429), Reply(status=429), Cut(PAGE, 3), Reply(b"down", status=503), attempts=4)
    assert row.retries == '{"429": 2, "body_ended_early": 1}'
    assert (
        row.error
        == f"{server.url}/t?page=1&size=100: status 503: something else than JSON (4 bytes) (after 4 attempts)"
    )
    assert row.status == 503


def test_a_first_answer_waits_for_nothing(server: ScriptedServer) -> None:
    row = fetch(server, GOOD)
    assert (row.attempts, row.waited_ms, row.retries) == (1, 0.0, None)


def test_the_connection_is_kept_between_pages(server: ScriptedServer) -> None:
    server.play("/t", GOOD)
    with SourceClient(Access(base_url=server.url)) as client:
        for page in range(5):
            assert fetch_page(client, run_id="r", table="t", path="/t", position=Position(page)).error is None
    assert server.connections == 1


def test_the_pause_that_the_source_asks_for_is_kept_and_recorded(server: ScriptedServer) -> None:
    row = fetch(server, Reply(status=429, headers={"Retry-After": "0.3"}), GOOD, max_wait_s=0.4)
    assert server.asked[1].at - server.asked[0].at >= 0.3
    assert 300 <= row.waited_ms <= 400


class NotedGate:
    """Notes what happens at the gate, and when."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.pauses: list[float] = []
        self.moments: list[float] = []

    @contextmanager
    def permit(self) -> Iterator[None]:
        self._note("in")
        try:
            yield
        finally:
            self._note("out")

    def slow_down(self, pause_s: float) -> None:
        self._note("slow")
        self.pauses.append(pause_s)

    def page_came(self) -> None:
        self._note("page")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.moments.append(time.monotonic())


def fetch_through(gate: NotedGate, server: ScriptedServer, *behaviours: Behaviour, attempts: int = 3) -> PageRow:
    server.play("/t", *behaviours)
    access = Access(base_url=server.url, attempts=attempts, max_wait_s=0.4)
    with SourceClient(access, gate) as client:
        return fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_the_source_asks_for_is_one_for_all_and_is_waited_without_a_permit(
    status: int, server: ScriptedServer
) -> None:
    gate = NotedGate()
    row = fetch_through(gate, server, Reply(status=status, headers={"Retry-After": "0.3"}), GOOD)
    assert gate.events == ["in", "out", "slow", "in", "out"]
    assert gate.pauses == pytest.approx([row.waited_ms / 1000])
    assert gate.moments[3] - gate.moments[1] >= 0.3
    assert gate.moments[2] - gate.moments[1] < 0.25


def test_a_429_slows_all_even_where_it_names_no_pause(server: ScriptedServer) -> None:
    gate = NotedGate()
    row = fetch_through(gate, server, Reply(status=429), GOOD)
    assert gate.events == ["in", "out", "slow", "in", "out"]
    assert gate.pauses == pytest.approx([row.waited_ms / 1000])


@pytest.mark.parametrize("behaviour", [Reply(status=503), Reply(b"no json"), Reset(), Cut(PAGE, 20)])
def test_a_failure_of_one_request_slows_nobody_else(behaviour: Behaviour, server: ScriptedServer) -> None:
    gate = NotedGate()
    assert fetch_through(gate, server, behaviour, GOOD).attempts == 2
    assert gate.events == ["in", "out", "in", "out"]


def test_a_pause_asked_for_after_the_last_attempt_still_holds_for_the_others(server: ScriptedServer) -> None:
    gate = NotedGate()
    row = fetch_through(gate, server, Reply(status=429, headers={"Retry-After": "0.3"}), attempts=1)
    assert row.status == 429
    assert (gate.events, gate.pauses) == (["in", "out", "slow"], [0.3])


def test_redirects_are_part_of_the_attempt_that_holds_the_permit(server: ScriptedServer) -> None:
    gate = NotedGate()
    server.play("/u", GOOD)
    row = fetch_through(gate, server, Reply(status=302, headers={"Location": "/u"}))
    assert (row.error, len(server.asked)) == (None, 2)
    assert gate.events == ["in", "out"]


@pytest.mark.parametrize("asked", ["0", "-5", "soon", "", "nan", "1_0", "Wed, 99 Foo 2026 99:99:99 GMT"])
def test_no_or_a_senseless_pause_leaves_the_usual_one(asked: str, server: ScriptedServer) -> None:
    row = fetch(server, Reply(status=503, headers={"Retry-After": asked}), GOOD)
    assert (row.error, row.attempts) == (None, 2)
    assert 0 < row.waited_ms <= 20


@pytest.mark.parametrize(
    ("asked", "shown"), [("31536000", "3.1536e+07 s"), ("1", "1 s"), ("9" * 400, "for ever"), ("0.5", "0.5 s")]
)
def test_a_longer_pause_than_allowed_fails_at_once_and_says_so(asked: str, shown: str, server: ScriptedServer) -> None:
    row = fetch(server, Reply(status=429, headers={"Retry-After": asked}), GOOD)
    assert row.attempts == 1
    assert row.error == (
        f"{server.url}/t?page=1&size=100: status 429: the source asks to wait {shown}; "
        "api.limits.max_wait_s allows 0.02 s"
    )


def test_a_date_a_year_ahead_fails_at_once(server: ScriptedServer) -> None:
    ahead = format_datetime(datetime.now(UTC) + timedelta(days=365), usegmt=True)
    row = fetch(server, Reply(status=503, headers={"Retry-After": ahead}), GOOD)
    assert row.attempts == 1
    assert "asks to wait" in (row.error or "")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("+2", 2.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("9" * 400, float("inf")),
        ("inf", None),
        ("NaN", None),
        ("1e3", None),
        ("1_000", None),
        ("٣", None),
        ("tomorrow", None),
        ("Wed, 25 Nov 2026 12:01:30 GMT", 90.0),
        ("Wednesday, 25-Nov-26 12:01:30 GMT", 90.0),
        ("Wed, 25 Nov 2026 13:01:30 +0100", 90.0),
        ("Wed, 25 Nov 2026 12:01:30 -0000", 90.0),
        ("Wed, 25 Nov 2020 12:00:00 GMT", 0.0),
        ("Wed, 25 Nov 99999999999999999999 12:00:00 GMT", None),
        ("Wed, 25 Nov 2026 99:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds
