"""An e-mail address planted in every place of an answer comes out nowhere: of an answer its kind, keys and length are shown."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lib.config import Api
from lib.source.access import Access
from lib.source.client import ExchangeFailedError, SourceClient
from lib.source.outline import outline
from lib.source.page import fetch_page
from lib.source.paging import Position
from tests.scripted_server import Behaviour, Raw, Reply, ScriptedServer

MAIL = "ada.lovelace@example.org"
ROWS = json.dumps([{"id": 1, "email": MAIL}]).encode()
BODIES = {
    "text": f"no user {MAIL}".encode(),
    "message": json.dumps({"detail": f"no user {MAIL}"}).encode(),
    "rows": ROWS,
    "page": json.dumps({"items": [{"email": MAIL}], "total": MAIL}).encode(),
    "keys": json.dumps({MAIL: {"id": 1}, "ada lovelace": 1, "5551234567": 1}).encode(),
    "twice": f'{{"items": [], "{MAIL}": 1, "{MAIL}": 2}}'.encode(),
    "value": json.dumps(MAIL).encode(),
    "html": f"<html>{MAIL}</html>".encode(),
    "broken": f'{{"items": [{{"email": "{MAIL}'.encode(),
    "escape": f'{{"items": "\\{MAIL}"}}'.encode(),
    "no number": f'{{"items": [{MAIL}]}}'.encode(),
    "no object": json.dumps({"items": [MAIL]}).encode(),
    "no list": json.dumps({"items": MAIL}).encode(),
}
HEADERS = ("Content-Type", "Content-Encoding", "Retry-After", "X-Total-Count", "X-User", "WWW-Authenticate", "Server")
ANSWERS: dict[str, Behaviour] = {
    **{
        f"{status} {name}": Reply(body, status=status)
        for status in (404, 502, 206, 303)
        for name, body in BODIES.items()
    },
    **{f"200 {name}": Reply(body) for name, body in BODIES.items()},
    **{
        f"{status} {name}": Reply(b"{}", status=status, headers={name: MAIL})
        for status in (200, 400, 503)
        for name in HEADERS
    },
    "charset": Reply(b"\xff{}", headers={"Content-Type": f"application/json; charset={MAIL}"}),
    "location": Reply(status=302, headers={"Location": f"http://elsewhere.example/{MAIL}?email={MAIL}"}),
    "location with a user": Reply(status=302, headers={"Location": f"http://{MAIL}/x"}),
    "no location": Reply(status=302, headers={"Location": f"mailto:{MAIL}"}),
    "reason phrase": Raw(f"HTTP/1.1 404 no {MAIL}\r\nContent-Length: 0\r\n\r\n".encode()),
    "status line": Raw(f"HTTP/1.1 {MAIL} no\r\n\r\n".encode()),
    "header line": Raw(f"HTTP/1.1 404 no\r\n{MAIL}\r\n\r\n".encode()),
    "length": Raw(f"HTTP/1.1 200 OK\r\nContent-Length: {MAIL}\r\n\r\n{{}}".encode()),
    "chunk": Raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MAIL}\r\n".encode()),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.mark.parametrize("name", ANSWERS)
def test_no_error_and_no_log_shows_what_an_answer_holds(
    name: str, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    server.play("/t", ANSWERS[name])
    api = Api.model_validate({"url": server.url, "pagination": {"total": "header:X-Total-Count"}})
    access = replace(Access.of(api), timeout_s=0.5, attempts=2, max_wait_s=0.01)
    with SourceClient(access) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
        try:
            client.get("/t", (), lambda _: None)
            seen = ""
        except ExchangeFailedError as error:
            seen = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert (row.error is None) == (row.body is not None)
    for text in (row.error or "", row.url, row.retries or "", seen, caplog.text):
        assert "lovelace" not in text
        assert "5551234567" not in text


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b'{"detail": "no", "items": []}', "", "a JSON object whose keys are detail, items (29 bytes)"),
        (b"{}", "application/json", "a JSON object without keys (2 bytes)"),
        (ROWS, "", f"a JSON list of 1 ({len(ROWS)} bytes)"),
        (b"[]", "", "a JSON list of 0 (2 bytes)"),
        (b'"ada"', "", "a single JSON value (5 bytes)"),
        (b"7", "", "a single JSON value (1 byte)"),
        (b"<html>ada</html>", "Text/HTML; charset=ada", "HTML (16 bytes)"),
        (b"x" * 1234, "text/plain", "text (1,234 bytes)"),
        (b"ada", "ada/lovelace", "something else than JSON (3 bytes)"),
        (b"\xff\xfe", "", "something else than JSON (2 bytes)"),
        (b" \n", "text/html", "no message"),
        (b'{"a@b.org": 1}', "", "a JSON object whose keys are not shown, as they may hold values (14 bytes)"),
        (b'{"a@b.org": 1, "id": 2}', "", "a JSON object whose keys are id and 1 other (23 bytes)"),
        (
            '{"@odata.count": 1, "first-name": 2, "größe": 3, "_id": 4, "x1": 5}'.encode(),
            "",
            "a JSON object whose keys are @odata.count, first-name, größe, _id, x1 (69 bytes)",
        ),
        (b"[" * 1000, "", "something else than JSON (1,000 bytes)"),
    ],
)
def test_an_answer_in_words(body: bytes, content_type: str, said: str) -> None:
    assert outline(body, content_type) == said


def test_of_many_keys_ten_are_shown() -> None:
    body = json.dumps({f"key_{number}": number for number in range(12)}).encode()
    shown = ", ".join(f"key_{number}" for number in range(10))
    assert outline(body, "") == f"a JSON object whose keys are {shown} and 2 others ({len(body)} bytes)"
