"""Tokens that are got for a run: once for all who ask, renewed once for all, by real servers whose tokens die."""

from __future__ import annotations

import base64
import logging
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from lib.config import Api, Auth, ClientCredentialsAuth, Limits, RefreshTokenAuth, SessionAuth
from lib.errors import SourceError
from lib.landing import budget_server
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer
from lib.landing.fetch import FetchPages
from lib.landing.plan import PageRange
from lib.source.access import Access, TokenHeader
from lib.source.client import SourceClient
from lib.source.gate import OPEN_GATE, Gate, Token
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Position
from lib.source.tokens import Tokens
from tests.scripted_server import Behaviour, Hang, Reply, ScriptedServer
from tests.token_server import ENDLESS, PAGES, TokenServer

PAGE = b'{"items": [{"id": 1}], "total": 1}'
GOOD = Reply(b'{"access_token": "tok-1", "token_type": "Bearer", "expires_in": 3600}')
LIMITS = Limits(attempts=2, max_wait_s=0.02, timeout_s=2)
SPAWN = multiprocessing.get_context("spawn")


def by_client(url: str, **more: Any) -> ClientCredentialsAuth:
    known = {"client_id": SecretStr("shop"), "client_secret": SecretStr("s3cret")}
    return ClientCredentialsAuth(token_url=f"{url}/token", **{**known, **more})


def by_refresh_token(url: str, **more: Any) -> RefreshTokenAuth:
    refresh_token = SecretStr("refresh-0")
    return RefreshTokenAuth(**by_client(url, **more).model_dump(exclude={"type"}), refresh_token=refresh_token)


def by_session(**more: Any) -> SessionAuth:
    known = {"login_path": "/token", "body": {"user": "anna", "password": SecretStr("pa55"), "keep": True, "tenant": 7}}
    return SessionAuth.model_validate({**known, "token": "access_token", **more})


def api_at(server: TokenServer | ScriptedServer, auth: Auth | None = None, **more: Any) -> Api:
    return Api(url=server.url, auth=auth or by_client(server.url), limits=LIMITS, **more)


def fetched(api: Api, pages: int = 1, gate: Gate | None = None) -> list[PageRow]:
    """So many pages, one after the other, by one client."""
    with SourceClient(Access.of(api), gate or Budget.of(api)) as client:
        asked = [Position(number) for number in range(1, pages + 1)]
        return [fetch_page(client, run_id="r", table="t", path="/items", position=position) for position in asked]


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.play("/items", Reply(PAGE))
        yield running


# What is sent


def test_a_client_shows_its_credentials_in_a_header_encoded_as_in_a_form() -> None:
    with TokenServer() as server:
        auth = by_client(
            server.url, client_id=SecretStr("a:b c"), client_secret=SecretStr("p+é/"), scope="read write", audience="x"
        )
        assert fetched(api_at(server, auth))[0].error is None
        [(headers, body)] = server.logins
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"a%3Ab%20c:p%2B%C3%A9%2F"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body) == {"grant_type": ["client_credentials"], "scope": ["read write"], "audience": ["x"]}


def test_a_client_may_show_its_credentials_in_the_body() -> None:
    with TokenServer() as server:
        assert fetched(api_at(server, by_client(server.url, client_auth="post")))[0].error is None
        [(headers, body)] = server.logins
    assert "authorization" not in headers
    assert parse_qs(body) == {
        "grant_type": ["client_credentials"], "client_id": ["shop"], "client_secret": ["s3cret"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sent_as", "kind", "body"),
    [
        ("json", "application/json", '{"user": "anna", "password": "pa55", "keep": true, "tenant": 7}'),
        ("form", "application/x-www-form-urlencoded", "user=anna&password=pa55&keep=true&tenant=7"),
    ],
)
def test_a_login_call_sends_its_body_and_what_goes_with_every_request(
    sent_as: str, kind: str, body: str, scripted: ScriptedServer
) -> None:
    scripted.play("/v1/token", Reply(b'{"data": {"key": "abc="}}', status=201))
    scripted.play("/v1/items", Reply(PAGE))
    auth = by_session(**{"as": sent_as, "token": "data.key", "name": "X-Session", "value": "v1 {token};"})
    api = Api(
        url=f"{scripted.url}/v1?tenant=9",
        auth=auth,
        limits=LIMITS,
        headers={"X-App": "1"},
        params={"k": SecretStr("h1dden")},
    )
    assert fetched(api)[0].error is None
    login, page = scripted.asked
    assert (login.method, login.path, login.query) == ("POST", "/v1/token", {"tenant": ["9"], "k": ["h1dden"]})
    assert (login.headers["content-type"], login.headers["x-app"], login.body.decode()) == (kind, "1", body)
    assert page.headers["x-session"] == "v1 abc=;"
    assert "authorization" not in page.headers


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("header:X-Auth-Token", Reply(b"<p>welcome</p>", headers={"x-auth-token": "abc="})),
        ("cookie:sid", Reply(status=204, headers={"Set-Cookie": "sid=abc=; Path=/; HttpOnly"})),
        (
            "cookie:sid",
            Reply(b"{}", headers={"Set-Cookie": 'b=sid=no; Expires=Wed, 21 Oct 2026\r\nSet-Cookie: sid="abc="'}),
        ),
        ("cookie:sid", Reply(b"{}", headers={"Set-Cookie": "xsid=no\r\nSet-Cookie: sid=abc=, SID=no"})),
    ],
)
def test_a_login_call_may_give_its_token_in_a_header_or_a_cookie(
    place: str, answer: Reply, scripted: ScriptedServer
) -> None:
    scripted.play("/token", answer)
    scripted.play("/items", Reply(PAGE))
    auth = by_session(token=place, name="Cookie", value="sid={token}")
    assert fetched(api_at(scripted, auth))[0].error is None
    assert scripted.asked[1].headers["cookie"] == "sid=abc="


@pytest.mark.parametrize("place", ["header:X-Auth-Token", "cookie:sid"])
def test_a_login_call_without_that_header_or_cookie_gives_no_token(place: str, scripted: ScriptedServer) -> None:
    for headers in ({}, {"Set-Cookie": "xsid=s3cret; a=1", "X-Auth-Token": ""}, {"Set-Cookie": "sid=; Max-Age=0"}):
        scripted.play("/token", Reply(b'{"sid": "s3cret", "error": "bad_login"}', headers=headers))
        error = str(fetched(api_at(scripted, by_session(token=place)))[0].error)
        assert (
            f"the answer has no token at {place} (1 to 16,384 characters of ASCII without spaces); it says error bad_login"
            in error
        )
        assert "s3cret" not in error
    assert {asked.path for asked in scripted.asked} == {"/token"}


# How long a token lasts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("expires_in", "good_until"),
    [
        (3600, 3540),
        ("3600", 3540),
        (3600.5, 3540.5),
        (10, 5),
        (100, 50),
        (10**30, 10 * 365 * 86_400 - 60),
        *((unsaid, None) for unsaid in (None, "soon", "", "-5", 0, -1, True, [], {"s": 3600})),
    ],
)
def test_a_token_is_renewed_before_it_expires_or_when_it_is_refused(
    expires_in: object, good_until: float | None
) -> None:
    clock = Clock()
    with TokenServer(expires_in=expires_in) as server:
        tokens = Tokens(api_at(server), by_client(server.url), clock=clock)
        assert tokens.current() == Token(1, "tok-1")
        clock.now = 1e12 if good_until is None else good_until - 0.1
        assert tokens.current() == Token(1, "tok-1")
        if good_until is None:
            assert tokens.current(refused=1) == Token(2, "tok-2")
        else:
            clock.now = good_until
            assert tokens.current() == Token(2, "tok-2")
        assert tokens.current() == Token(2, "tok-2")
        assert len(server.logins) == 2


def test_an_answer_without_expires_in_or_token_type_is_one_of_a_bearer(scripted: ScriptedServer) -> None:
    scripted.play("/token", Reply(b'{"access_token": "tok-1"}'))
    assert [row.error for row in fetched(api_at(scripted), 3)] == [None] * 3
    assert [asked.path for asked in scripted.asked] == ["/token", "/items", "/items", "/items"]
    assert scripted.asked[1].headers["authorization"] == "Bearer tok-1"


# Tokens that die


def test_a_token_that_dies_is_renewed_and_its_request_repeated() -> None:
    with TokenServer(3, 1) as server:
        rows = fetched(api_at(server), 5)
        # tok-1 is good for three pages, each later one for one.
        assert server.statuses == [200, 200, 200, 401, 200, 401, 200]
        assert len(server.logins) == 3
    assert [row.error for row in rows] == [None] * 5
    assert [(row.attempts, row.retries) for row in rows] == [(1, None)] * 3 + [(2, '{"401": 1}')] * 2


def test_a_second_401_with_a_new_token_is_the_error_of_the_page() -> None:
    with TokenServer(0) as server:
        [row] = fetched(api_at(server))
        assert (server.statuses, len(server.logins)) == ([401, 401], 2)
        assert row.error == (
            f"{server.url}/items?page=1&size=100: status 401: a JSON object whose keys are error (26 bytes) (after 2 attempts)"
        )
    assert (row.status, row.attempts, row.retries) == (401, 2, '{"401": 1}')


def test_an_exchange_renews_once_also_where_another_attempt_follows(scripted: ScriptedServer) -> None:
    scripted.play("/token", GOOD)
    scripted.play("/items", Reply(status=401), Reply(status=500), Reply(status=401))
    [row] = fetched(api_at(scripted))
    assert [asked.path for asked in scripted.asked] == ["/token", "/items", "/token", "/items", "/items"]
    assert (row.status, row.attempts, row.retries) == (401, 3, '{"401": 1, "500": 1}')


def test_a_token_that_dies_while_many_requests_are_on_their_way_costs_one_renewal() -> None:
    with TokenServer(10, ENDLESS) as server:
        api = api_at(server)
        server.slow_s = 0.05
        with BudgetServer(Budget.of(api), host="127.0.0.1") as door:
            part = PageRange("t", "/items", 1, PAGES)
            rows = list(FetchPages(Access.of(api), "r", ((part,),), in_flight=20, gate=door.gate).fetch([part]))
        assert sorted(row.page for row in rows if row.error is None) == list(range(1, PAGES + 1))
        assert len(server.logins) == 2
        refused = server.statuses.count(401)
        assert server.statuses.count(200) == PAGES
        # Those that were on their way when the token died, the one among them that found it dead included.
        assert 1 <= refused <= LIMITS.concurrency
        assert [row.retries for row in rows].count('{"401": 1}') == refused


def test_however_many_report_one_token_it_is_renewed_once() -> None:
    with TokenServer() as server:
        server.slow_s = 0.1
        tokens = Tokens(api_at(server), by_client(server.url))
        with ThreadPoolExecutor(50) as pool:
            assert set(pool.map(lambda _: tokens.current(), range(50))) == {Token(1, "tok-1")}
            assert set(pool.map(lambda _: tokens.current(refused=1), range(200))) == {Token(2, "tok-2")}
        assert len(server.logins) == 2


def test_a_server_that_gives_the_same_token_again_is_still_asked_once_for_all(scripted: ScriptedServer) -> None:
    scripted.play("/token", GOOD)
    tokens = Tokens(api_at(scripted), by_client(scripted.url))
    assert tokens.current() == Token(1, "tok-1")
    assert [tokens.current(refused=1) for _ in range(5)] == [Token(2, "tok-1")] * 5
    assert len(scripted.asked) == 2


def test_a_401_of_another_host_renews_nothing_and_no_token_goes_there(scripted: ScriptedServer) -> None:
    with ScriptedServer() as other:
        other.play("/items", Reply(status=401))
        scripted.play("/token", GOOD)
        scripted.play("/items", Reply(status=302, headers={"Location": f"{other.url}/items"}))
        [row] = fetched(api_at(scripted, allowed_hosts=(urlsplit(other.url).netloc,)))
        [asked] = other.asked
    assert (row.status, row.attempts) == (401, 1)
    assert "authorization" not in asked.headers
    assert [asked.path for asked in scripted.asked] == ["/token", "/items"]


def test_a_parameter_in_the_path_of_the_login_goes_before_one_of_the_api(scripted: ScriptedServer) -> None:
    scripted.play("/token", GOOD)
    params = {"tenant": "7", "lang": SecretStr("de"), "v": "2"}
    auth = by_session(login_path="/token?tenant=9&lang=en")
    [row] = fetched(api_at(scripted, auth, params=params))
    assert row.error is None
    assert scripted.asked[0].query == {"tenant": ["9"], "lang": ["en"], "v": ["2"]}


# Refresh tokens


def test_a_refresh_token_that_is_rotated_is_used_from_then_on_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with TokenServer(1) as server:
        server.rotates = True
        rows = fetched(api_at(server, by_refresh_token(server.url)), 3)
        used = [parse_qs(body)["refresh_token"] for _, body in server.logins]
    assert [row.error for row in rows] == [None] * 3
    assert used == [["refresh-0"], ["refresh-1"], ["refresh-2"]]
    assert [record.getMessage() for record in caplog.records if record.name == "pagelake"] == [
        "api.auth: the server rotates refresh tokens. This run goes on with the new ones; the one in the environment may be used "
        "up, so the next run may need a new one there"
    ]
    assert "refresh-" not in caplog.text


@pytest.mark.parametrize("again", [{}, {"refresh_token": "refresh-0"}, {"refresh_token": None}, {"refresh_token": ""}])
def test_a_refresh_token_that_stays_is_told_nothing_of(again: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with TokenServer(1, **again) as server:
        fetched(api_at(server, by_refresh_token(server.url)), 2)
        used = [parse_qs(body)["refresh_token"] for _, body in server.logins]
    assert used == [["refresh-0"], ["refresh-0"]]
    assert "rotates" not in caplog.text


# A server that gives no token


NO_TOKEN = "the answer has no token at access_token (1 to 16,384 characters of ASCII without spaces)"


@pytest.mark.parametrize(
    ("behaviour", "asked", "message"),
    [
        (
            Reply(b'{"error": "invalid_client", "error_description": "s3cret"}', 401),
            1,
            "status 401: error invalid_client",
        ),
        (Reply(b'{"error": "invalid_grant"}', 400), 1, "status 400: error invalid_grant"),
        (Reply(b'{"error": "Wrong password s3cret"}', 400), 1, "status 400: no error code of OAuth2"),
        (Reply(b'{"error": {"code": 1}}', 400), 1, "status 400: no error code of OAuth2"),
        (Reply(b'["s3cret"]', 404), 1, "status 404: no error code of OAuth2"),
        (Reply(b"<html>s3cret</html>", 403), 1, "status 403: no error code of OAuth2"),
        (Reply(b'{"error": "' + b"a" * 41 + b'"}', 400), 1, "status 400: no error code of OAuth2"),
        (Reply(b"", 503), 2, "status 503: no error code of OAuth2 (after 2 attempts)"),
        (
            Reply(b'{"error": "temporarily_unavailable"}', 503),
            2,
            "status 503: error temporarily_unavailable (after 2 attempts)",
        ),
        (
            Reply(b"", 429, {"Retry-After": "9"}),
            1,
            "status 429: the source asks to wait 9 s; api.limits.max_wait_s allows 0.02 s",
        ),
        (Reply(b"s3cret"), 2, "the answer is not a JSON object (after 2 attempts)"),
        (Reply(b"[]"), 2, "the answer is not a JSON object (after 2 attempts)"),
        (Reply(b"", 204), 2, "the answer is not a JSON object (after 2 attempts)"),
        (Reply(b"{}"), 1, NO_TOKEN),
        (Reply(b'{"error": "bad_verification_code"}'), 1, f"{NO_TOKEN}; it says error bad_verification_code"),
        (Reply(b'{"access_token": null}'), 1, NO_TOKEN),
        (Reply(b'{"access_token": 17}'), 1, NO_TOKEN),
        (Reply(b'{"access_token": ""}'), 1, NO_TOKEN),
        (Reply(b'{"access_token": "a b"}'), 1, NO_TOKEN),
        (Reply(b'{"access_token": "a\\r\\nX: b"}'), 1, NO_TOKEN),
        (Reply(b'{"access_token": "' + b"a" * 16_385 + b'"}'), 1, NO_TOKEN),
        (
            Reply(b'{"access_token": "tok", "token_type": "mac"}'),
            1,
            "the answer's token_type is not bearer, which is the only one that can be sent",
        ),
        (
            Reply(b'{"access_token": "tok", "token_type": ["bearer"]}'),
            1,
            "the answer's token_type is not bearer, which is the only one that can be sent",
        ),
        (Reply(b"", 302, {"Location": "/other"}), 1, "status 302 redirects, which is not followed with credentials"),
        (
            Reply(b"", 307, {"Location": "http://evil.example/token"}),
            1,
            "status 307 redirects, which is not followed with credentials",
        ),
        (Hang(5), 2, "no answer within 0.3 s (api.limits.timeout_s) (after 2 attempts)"),
    ],
)
def test_a_server_that_gives_no_token_is_told_by_host_status_and_code_alone(
    behaviour: Behaviour, asked: int, message: str, scripted: ScriptedServer
) -> None:
    scripted.play("/token", behaviour)
    limits = Limits(attempts=2, max_wait_s=0.02, timeout_s=0.3)
    api = Api(url=scripted.url, auth=by_client(scripted.url), limits=limits)
    rows = fetched(api, 3)
    host = urlsplit(scripted.url).netloc
    assert rows[0].error == f"{scripted.url}/items?page=1&size=100: api.auth: no token from {host}: {message}"
    assert (rows[0].status, rows[0].attempts) == (None, 1)
    assert [str(row.error).partition(": ")[2] for row in rows] == [f"api.auth: no token from {host}: {message}"] * 3
    # However many pages ask: once for the run, with the attempts of that.
    assert [(one.method, one.path) for one in scripted.asked] == [("POST", "/token")] * asked


def test_a_server_that_fails_for_a_moment_is_asked_again(scripted: ScriptedServer) -> None:
    scripted.play("/token", Reply(status=503), GOOD)
    assert fetched(api_at(scripted))[0].error is None


def test_a_renewal_that_fails_is_the_error_of_the_page_that_was_refused(scripted: ScriptedServer) -> None:
    scripted.play("/token", GOOD, Reply(b'{"error": "invalid_client"}', 401))
    scripted.play("/items", Reply(PAGE), Reply(status=401))
    rows = fetched(api_at(scripted), 3)
    host = urlsplit(scripted.url).netloc
    assert [row.error is None for row in rows] == [True, False, False]
    assert f"api.auth: no token from {host}: status 401: error invalid_client" in str(rows[1].error)


def test_a_token_is_not_asked_for_at_a_server_that_the_source_does_not_name(scripted: ScriptedServer) -> None:
    # The settings refuse it; the demo server's address comes later, and is looked at when the request is sent.
    with ScriptedServer() as other:
        api = api_at(scripted, by_client(other.url), allowed_hosts=(urlsplit(other.url).netloc,))
        rows = fetched(api.model_copy(update={"allowed_hosts": ()}))
        assert other.asked == []
    assert str(rows[0].error).endswith(
        f"{other.url} is another server than api.url; if it may be asked, list it in api.allowed_hosts"
    )


# Through the driver's door


def fetch_in_process(access: Access, gate: Gate) -> None:
    part = PageRange("t", "/items", 1, PAGES // 2)
    rows = list(FetchPages(access, "r", ((part,),), in_flight=4, gate=gate).fetch([part]))
    if any(row.error for row in rows):
        raise SystemExit(7)


def test_tasks_in_other_processes_share_the_token_of_the_driver() -> None:
    with TokenServer() as server:
        api = api_at(server)
        with BudgetServer(Budget.of(api), host="127.0.0.1") as door:
            processes = [SPAWN.Process(target=fetch_in_process, args=(Access.of(api), door.gate)) for _ in range(2)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert (server.statuses, len(server.logins)) == ([200] * PAGES, 1)


def test_a_task_hears_that_the_driver_lives_while_it_waits_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_server, "BEAT_S", 0.02)
    monkeypatch.setattr(budget_server, "SILENCE_S", 0.2)
    with TokenServer() as server:
        server.slow_s = 0.5  # longer than the silence that ends a connection
        with BudgetServer(Budget.of(api_at(server)), host="127.0.0.1") as door:
            assert door.gate.source_token() == Token(1, "tok-1")


def test_a_task_learns_why_there_is_no_token(scripted: ScriptedServer) -> None:
    scripted.play("/token", Reply(b'{"error": "invalid_scope"}', 400))
    with BudgetServer(Budget.of(api_at(scripted)), host="127.0.0.1") as door:
        for _ in range(2):
            with pytest.raises(SourceError, match=r"^api\.auth: no token from 127.*: status 400: error invalid_scope$"):
                door.gate.source_token()
        with door.gate.permit():
            pass  # the connection is as good as before


def test_the_longest_token_passes_the_door(scripted: ScriptedServer) -> None:
    longest = "!~" * 8192
    scripted.play("/token", Reply(f'{{"access_token": "{longest}"}}'.encode()))
    with BudgetServer(Budget.of(api_at(scripted)), host="127.0.0.1") as door:
        assert door.gate.source_token().text == longest


@pytest.mark.parametrize("ask", [lambda door: door.gate.source_token(), lambda door: door.gate.source_token(refused=1)])
def test_a_source_that_asks_for_no_token_has_none(ask: Callable[[BudgetServer], Token]) -> None:
    budget = Budget(1)
    with BudgetServer(budget, host="127.0.0.1") as door, pytest.raises(RuntimeError, match="cannot be reached"):
        ask(door)
    with pytest.raises(ValueError, match="asks for no token"):
        budget.source_token()
    with pytest.raises(SourceError, match="this process cannot get a token"):
        OPEN_GATE.source_token()


def test_all_permits_may_be_held_by_those_who_wait_for_a_token() -> None:
    with TokenServer() as server:
        api = Api(url=server.url, auth=by_client(server.url), limits=LIMITS.model_copy(update={"concurrency": 1}))
        assert fetched(api)[0].error is None


# What travels


def test_what_a_token_is_got_with_stays_on_the_driver() -> None:
    with TokenServer() as server:
        api = api_at(server, by_refresh_token(server.url))
        access = Access.of(api)
        with BudgetServer(Budget.of(api), host="127.0.0.1") as door:
            packed = pickle.dumps(FetchPages(access, "r", (), 1, door.gate))
    assert access.token_header == TokenHeader("Authorization", "Bearer ")
    assert pickle.loads(pickle.dumps(access)) == access
    for secret in (b"s3cret", b"refresh-0", b"tok-1"):
        assert secret not in packed


def test_a_source_that_is_given_its_secret_has_no_tokens() -> None:
    assert Tokens.of(Api(url="http://h")) is None
    assert Access.of(Api(url="http://h")).token_header is None
