"""A key planted in every kind of auth is found nowhere but in the request."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from lib.config import (
    Api,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    HeaderAuth,
    Limits,
    QueryAuth,
    RefreshTokenAuth,
    SessionAuth,
)
from lib.errors import SourceError
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer
from lib.source.access import Access
from lib.source.client import ExchangeFailedError, SourceClient
from lib.source.client import Reply as Got
from lib.source.page import fetch_page
from lib.source.paging import NextUrls, Position
from lib.source.redact import redacted, redacted_url
from tests.scripted_server import Behaviour, Cut, Hang, Raw, Reply, ScriptedServer

# With what must be escaped in a URL, in JSON and in HTML.
KEY = 'pl4nted/k+y "é&<'
PAIR = base64.b64encode(f"anna:{KEY}".encode()).decode()
AUTHS = {
    "bearer": BearerAuth(token=SecretStr(KEY)),
    "header": HeaderAuth(name="X-Api-Key", value=SecretStr(KEY)),
    "basic": BasicAuth(user=SecretStr("anna"), password=SecretStr(KEY)),
    "query": QueryAuth(name="api_key", value=SecretStr(KEY)),
}
# A token comes in an answer, and what a header can hold is all that it may have in it.
TOKEN = "pl4nted/k+y=t0ken"
FORMS = (
    KEY,
    quote(KEY, safe=""),
    quote_plus(KEY),
    quote(KEY, safe="").lower(),
    quote(quote(KEY, safe=""), safe=""),
    json.dumps(KEY)[1:-1],
    json.dumps(KEY, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "".join(f"\\u{ord(character):04x}" for character in KEY),
    html.escape(KEY),
    base64.b64encode(KEY.encode()).decode(),
    PAIR,
)
ECHO = ("You sent " + " and ".join(FORMS)).encode()


def leaks(text: str) -> list[str]:
    return [form for form in ("pl4nted", "k+y", "k%2By", PAIR[:12], FORMS[9][:12]) if form in text]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def access_of(kind: str, server: ScriptedServer) -> Access:
    return replace(Access.of(Api(url=server.url, auth=AUTHS[kind])), timeout_s=0.5, attempts=2, max_wait_s=0.01)


def refuse(reply: Got) -> None:
    raise SourceError(f"refused: {reply.body!r}")


def refuse_in_silence(_: Got) -> None:
    raise SourceError("refused")


BROKEN: tuple[Behaviour, ...] = (
    Reply(ECHO, status=401),
    Reply(ECHO, status=500),
    Reply(ECHO),
    Reply(json.dumps({KEY: 1, FORMS[1]: 2}).encode()),
    Reply(f'{{"items": [], {json.dumps(KEY)}: 1, {json.dumps(KEY)}: 2}}'.encode()),
    Reply(b"x" * 100_000 + KEY.encode(), status=400),
    Reply(b" " * (64 * 1024 - 10) + KEY.encode(), status=400),
    Reply(b"", status=302, headers={"Location": f"/t?again={quote(KEY)}"}),
    Reply(b"", status=302, headers={"Location": f"http://evil.example/{quote(KEY)}"}),
    Reply(b"", status=302, headers={"Location": f"http://{quote(KEY, safe='')}.example/"}),
    Reply(ECHO, headers={"Content-Encoding": quote(KEY)}),
    Cut(ECHO, 10),
    Raw(b"HTTP/1.1 200 " + quote(KEY).encode() + b"\r\nno header at all\r\n\r\n{"),
    Raw(ECHO),
    Hang(2),
)


@pytest.mark.parametrize("behaviour", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("kind", AUTHS)
def test_no_failure_shows_the_key(
    kind: str, behaviour: Behaviour, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    server.play("/t", behaviour)
    access = access_of(kind, server)
    with SourceClient(access) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
        with pytest.raises(ExchangeFailedError) as caught:
            client.get("/t", (), refuse)
    assert row.error is not None
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    seen = [repr(row), str(error), repr(error), repr(vars(error)), caplog.text, repr(access), repr(client)]
    seen += traceback.format_exception(error)
    seen += [repr(pickle.loads(pickle.dumps(one))) for one in (access, row)]
    assert [leak for text in seen for leak in leaks(text)] == []
    sent = server.asked[0]
    expected = {
        "bearer": ("authorization", f"Bearer {KEY}"),
        "header": ("x-api-key", KEY),
        "basic": ("authorization", f"Basic {PAIR}"),
    }
    if kind == "query":
        assert sent.query["api_key"] == [KEY]
    else:
        name, value = expected[kind]
        assert sent.headers[name].encode("latin-1").decode() == value


@pytest.mark.parametrize("named", [quote(KEY, safe=""), quote_plus(KEY), quote(quote(KEY, safe=""), safe="")])
@pytest.mark.parametrize("kind", AUTHS)
def test_an_address_of_a_next_page_that_holds_the_key_is_refused_and_never_shown(
    kind: str, named: str, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    access = replace(access_of(kind, server), paging=NextUrls(next="next"))
    body = json.dumps({"items": [], "next": f"/t?again={named}"}).encode()
    server.play("/t", Reply(body))
    with SourceClient(access) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
    assert str(row.error).endswith("the source names as the next page an address that holds a credential")
    assert (row.body, row.next_cursor) == (None, None)
    assert [leak for text in (repr(row), caplog.text) for leak in leaks(text)] == []


def tokens_of(kind: str, url: str) -> Api:
    """A source whose token is got with the planted key."""
    client = {"token_url": f"{url}/token", "client_id": SecretStr("shop"), "client_secret": SecretStr(KEY)}
    auths = {
        "basic": lambda: ClientCredentialsAuth(**client),
        "post": lambda: ClientCredentialsAuth(**client, client_auth="post"),
        "refresh": lambda: RefreshTokenAuth(**client, refresh_token=SecretStr(f"{KEY}-0")),
        "session": lambda: SessionAuth(login_path="/token", body={"password": SecretStr(KEY)}, token="access_token"),
    }
    return Api(url=url, auth=auths[kind](), limits=Limits(timeout_s=0.5, attempts=2, max_wait_s=0.01))


TOKEN_KINDS = ("basic", "post", "refresh", "session")
TOKEN_ECHO = f"You sent {TOKEN} {quote(TOKEN, safe='')} Bearer {TOKEN}".encode()
GIVEN = Reply(
    json.dumps({"access_token": TOKEN, "token_type": "bearer", "refresh_token": f"{TOKEN}-next", "note": KEY}).encode()
)
ECHOED = (
    Reply(TOKEN_ECHO, status=401),
    Reply(TOKEN_ECHO, status=500),
    Reply(json.dumps({"error": TOKEN}).encode(), status=400),
    Reply(json.dumps({TOKEN: 1}).encode(), status=400),
    Reply(TOKEN_ECHO),
    Reply(b"", status=302, headers={"Location": f"/t?again={quote(TOKEN)}"}),
    Reply(TOKEN_ECHO, headers={"Content-Encoding": TOKEN}),
    Raw(b"HTTP/1.1 200 " + TOKEN.encode() + b"\r\nno header at all\r\n\r\n{"),
)


@pytest.mark.parametrize("fails", ["page", "token"])
@pytest.mark.parametrize("behaviour", [*BROKEN, *ECHOED], ids=range(len(BROKEN) + len(ECHOED)))
@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_no_failure_shows_a_token_or_what_it_is_got_with(
    kind: str, behaviour: Behaviour, fails: str, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    server.play("/token", behaviour if fails == "token" else GIVEN)
    server.play("/t", behaviour)
    api = tokens_of(kind, server.url)
    access, budget = Access.of(api), Budget.of(api)
    with BudgetServer(budget, host="127.0.0.1") as door, SourceClient(access, door.gate) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
        # What a token is got with is not known where pages are fetched, so a body may be shown here only where it has none of it.
        with pytest.raises(ExchangeFailedError) as caught:
            client.get("/t", (), refuse if behaviour in ECHOED else refuse_in_silence)
        packed = pickle.dumps((access, door.gate))
        seen = [
            repr(row),
            str(caught.value),
            repr(vars(caught.value)),
            caplog.text,
            *map(repr, (access, client, budget, api)),
        ]
        seen += [repr(client._token), repr(door.gate), *traceback.format_exception(caught.value)]
    assert row.error is not None
    assert [leak for text in seen for leak in leaks(text)] == []
    assert b"pl4nted" not in packed
    assert (
        "pl4nted"
        in server.asked[0].body.decode()
        + base64.b64decode(server.asked[0].headers.get("authorization", "").removeprefix("Basic ")).decode()
    )
    if fails == "page":
        assert server.asked[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_token_that_was_renewed_is_hidden_as_the_new_one_is(server: ScriptedServer) -> None:
    given = [Reply(json.dumps({"access_token": f"t0ken_{number}"}).encode()) for number in (1, 2)]
    server.play("/token", *given)
    server.play("/t", Reply(status=401), Reply(b'{"t0ken_1": 1, "t0ken_2": 2, "known": 3}', status=400))
    api = tokens_of("basic", server.url)
    with SourceClient(Access.of(api), Budget.of(api)) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
    assert str(row.error).endswith(
        "status 400: a JSON object whose keys are ***, ***, known (40 bytes) (after 2 attempts)"
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_way_of_writing_a_secret_is_hidden(form: str) -> None:
    text = redacted(f"The key {form} is unknown", [KEY, f"anna:{KEY}"])
    assert leaks(text) == []
    assert "***" in text


def test_a_redacted_text_is_one_cut_line_without_control_characters() -> None:
    assert redacted("a\r\n\tb\x00\x1b[0m\u202ec\ufeff", []) == "a b [0m c"
    assert redacted("x" * 201, []) == "x" * 200 + "…"
    assert redacted("key key2", ["key", "key2", ""]) == "*** ***"


def test_a_url_is_shown_with_its_parameters_but_without_credentials() -> None:
    url = redacted_url("https://anna:pw@[::1]:8443/t", (("page", "1"),), (("api key", "secret"),))
    assert url == "https://[::1]:8443/t?page=1&api%20key=***"


def test_a_proxy_s_password_is_a_secret() -> None:
    access = Access(base_url="http://h", proxy="http://anna:p%40ss@proxy:3128")
    assert {"anna:p%40ss", "anna:p@ss", "p%40ss", "p@ss"} <= set(access.secrets)
    assert "p%40ss" not in repr(access)


def test_access_pickles_equal_to_itself_with_secrets_out_of_its_repr() -> None:
    api = Api(url="https://api.example/v1", auth=AUTHS["basic"], allowed_hosts=("files.example",))
    access = Access.of(api)
    assert pickle.loads(pickle.dumps(access)) == access
    assert hash(access) == hash(pickle.loads(pickle.dumps(access)))
    assert leaks(repr(access)) == []
    assert access.base_url == "https://api.example/v1"
    assert access.allowed_hosts == ("files.example",)
    assert access.headers == (("Authorization", f"Basic {PAIR}"),)
    assert {KEY, f"anna:{KEY}", PAIR} <= set(access.secrets)
