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

from lib.config import Api, BasicAuth, BearerAuth, HeaderAuth, QueryAuth
from lib.errors import SourceError
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
