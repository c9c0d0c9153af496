"""What becomes of an answer with status 200: a page with exactly its rows, or an error that says what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from lib.errors import SourceError
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page, look_at
from lib.source.paging import PageNumbers, Position
from tests.scripted_server import Behaviour, Endless, Raw, Reply, ScriptedServer

TEXT = '{"items": [{"id": 1, "name": "Zoë €"}, {"id": 2, "name": null}], "total": 2, "pages": 1}'
PAGE = TEXT.encode()
HTML = b"<!DOCTYPE html><html><form action=/login>"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def fetch(server: ScriptedServer, *behaviours: Behaviour, **limits: float) -> PageRow:
    server.play("/t", *behaviours)
    settings = {"timeout_s": 5.0, "attempts": 2, "max_wait_s": 0.01, **limits}
    with SourceClient(Access(base_url=server.url, **settings)) as client:
        return fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))


def error(server: ScriptedServer, *behaviours: Behaviour, attempts: int, **limits: float) -> str:
    row = fetch(server, *behaviours, **limits)
    assert (row.body, row.n_items, row.n_bytes, row.sha256, row.total) == (None, None, None, None, None)
    assert row.attempts == attempts
    after = f" (after {attempts} attempts)" if attempts > 1 else ""
    assert row.error is not None
    return row.error.removeprefix(f"{server.url}/t?page=1&size=100: ").removesuffix(after)


def test_a_good_page_is_kept_as_it_came(server: ScriptedServer) -> None:
    row = fetch(server, Reply(PAGE))
    assert (row.body, row.n_items, row.total, row.pages, row.error) == (TEXT, 2, 2, 1, None)
    assert (row.n_bytes, row.sha256) == (len(PAGE), hashlib.sha256(PAGE).hexdigest())


@pytest.mark.parametrize(
    "label", ["text/html", "text/plain; charset=utf-8", "application/octet-stream", "", "x;;charset="]
)
def test_json_is_known_by_what_it_is_and_not_by_its_label(label: str, server: ScriptedServer) -> None:
    assert fetch(server, Reply(PAGE, headers={"Content-Type": label})).body == TEXT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HTML, "the answer looks like HTML or XML and not like JSON (a login page, or an error page of a proxy?)"),
        (
            b"\n <?xml version='1.0'?>",
            "the answer looks like HTML or XML and not like JSON (a login page, or an error page of a proxy?)",
        ),
        (b"", "the answer is empty"),
        (b" \r\n", "the answer is empty"),
        (
            b'{"items": [{"id": 1}, {"id"',
            "the answer is not valid JSON: Expecting ':' delimiter at character 27 (row 1 of the page, counted from 0, column "
            "'id')",
        ),
        (b'{"items": []}{"items": []}', "the answer goes on after the end of its JSON (character 13)"),
        (b'{"items": []}\x00', "the answer goes on after the end of its JSON (character 13)"),
        (b"Service busy", "the answer is not valid JSON: Expecting value at character 0"),
        (b'{"items": [{"a": "\xff"}]}', "the answer is not valid utf-8 text"),
        (b'{"items": [{"a": "\xed\xa0\x80"}]}', "the answer is not valid utf-8 text"),
    ],
)
def test_what_is_no_json_is_asked_for_again_and_then_an_error(
    body: bytes, message: str, server: ScriptedServer
) -> None:
    assert error(server, Reply(body), attempts=2) == message
    assert fetch(server, Reply(body), Reply(PAGE)).body == TEXT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"items": [{"a": 1}], "b": NaN}', "the answer holds NaN or Infinity, which is not JSON"),
        (b'{"items": [{"a": NaN}], "b": -Infinity}', "the answer holds NaN or Infinity, which is not JSON"),
        (b'{"items": [], "items": [{"id": 1}]}', "the key 'items' appears twice in one JSON object"),
        (b'{"items": [], "a": {"b": 1, "c": 2, "\\u0062": 3}}', "the key 'b' appears twice in one JSON object"),
        (
            b'{"items": [], "a": 1e400}',
            "the answer is JSON that cannot be kept as it is: number is infinity when parsed as double",
        ),
        (
            b'{"items": [null], "a": "\\ud800"}',
            "the answer is JSON that cannot be kept as it is: no low surrogate in string",
        ),
        (b"[" * 100_000 + b"]" * 100_000, "the JSON is nested too deeply"),
        (b'{"items": null}', "the answer has no list of rows at api.pagination.items: items (its keys are items)"),
        (b"{}", "the answer has no list of rows at api.pagination.items: items (it has no keys)"),
        (
            b'{"items": {}}',
            "the answer has no list of rows at api.pagination.items: items "
            "(there is an object; if its values are the rows, write items.*)",
        ),
        (b'{"items": "none"}', "the answer has no list of rows at api.pagination.items: items (there is text)"),
        (b"[]", "the answer has no list of rows at api.pagination.items: items (it is a list)"),
        (b"null", "the answer has no list of rows at api.pagination.items: items (it is null)"),
        (
            b'{"error": "bad thing", "code": 17}',
            "the answer has no list of rows at api.pagination.items: items (its keys are error, code)",
        ),
        (
            b'{"items": [], "total": -1}',
            "api.pagination.total: total is not a whole number of rows or pages in the answer",
        ),
        (
            b'{"items": [], "total": "2x"}',
            "api.pagination.total: total is not a whole number of rows or pages in the answer",
        ),
        (
            b'{"items": [], "total": true}',
            "api.pagination.total: total is not a whole number of rows or pages in the answer",
        ),
        (
            b'{"items": [], "total": 2.5}',
            "api.pagination.total: total is not a whole number of rows or pages in the answer",
        ),
        (
            b'{"items": [], "pages": 9223372036854775808}',
            "api.pagination.pages: pages is not a whole number of rows or pages in the answer",
        ),
    ],
)
def test_json_that_is_wrong_is_an_error_at_once(body: bytes, message: str, server: ScriptedServer) -> None:
    assert error(server, Reply(body), Reply(PAGE), attempts=1) == message
    assert len(server.asked) == 1


def test_keys_of_an_error_document_are_named_without_values_and_not_without_end(server: ScriptedServer) -> None:
    document = {f"key{number:02}" + "x" * 50: "value" for number in range(50)}
    message = error(server, Reply(json.dumps(document).encode()), attempts=1)
    assert "value" not in message
    assert "key09" + "x" * 50 + " and 40 others)" in message
    assert "key10" not in message


@pytest.mark.parametrize(
    "number", ["9007199254740993", "9223372036854775808", "-18446744073709551617", "9" * 300, "1e-400"]
)
def test_large_numbers_are_kept_to_the_last_digit(number: str, server: ScriptedServer) -> None:
    text = f'{{"items": [{{"id": {number}}}]}}'
    row = fetch(server, Reply(text.encode()))
    assert (row.body, row.error) == (text, None)


def test_a_count_beyond_two_to_the_53_is_exact(server: ScriptedServer) -> None:
    row = fetch(server, Reply(b'{"items": [], "total": 9007199254740993, "pages": 9223372036854775807}'))
    assert (row.total, row.pages) == (9007199254740993, 9223372036854775807)


@pytest.mark.parametrize(
    ("header", "total"), [("12", 12), ("1" * 5000, None), ("٣", None), ("-1", None), ("1.5", None)]
)
def test_a_count_in_a_header_is_a_plain_number_or_an_error(header: str, total: int | None) -> None:
    paging = PageNumbers(total="header:X-Total-Count", pages=None)
    if total is not None:
        assert look_at('{"items": []}', paging, {"x-total-count": header}).total == total
    else:
        with pytest.raises(SourceError, match=r"api\.pagination\.total"):
            look_at('{"items": []}', paging, {"x-total-count": header})


def test_rows_are_found_below_a_dotted_path_or_as_a_bare_list() -> None:
    assert look_at('{"data": {"rows": [{}, {}]}}', PageNumbers(items="data.rows"), {}).n_items == 2
    assert look_at("[{}, {}, {}]", PageNumbers(items="$"), {}).n_items == 3
    with pytest.raises(SourceError, match="no list of rows"):
        look_at('{"data": [{"rows": []}]}', PageNumbers(items="data.rows"), {})


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_unicode_is_known_by_its_first_bytes(codec: str, server: ScriptedServer) -> None:
    row = fetch(server, Reply(TEXT.encode(codec)))
    assert row.body == TEXT
    assert (row.n_bytes, row.sha256) == (len(PAGE), hashlib.sha256(PAGE).hexdigest())


@pytest.mark.parametrize(
    ("codec", "label"),
    [
        ("cp1252", "windows-1252"),
        ("cp1252", "ISO-8859-1"),
        ("iso8859-15", '"iso-8859-15"'),
        ("utf-8", "iso-8859-1"),
        ("utf-8", "us-ascii"),
        ("utf-8", "no-such-set"),
    ],
)
def test_a_label_counts_where_the_body_is_not_utf8(codec: str, label: str, server: ScriptedServer) -> None:
    reply = Reply(TEXT.encode(codec), headers={"Content-Type": f"application/json; charset={label}"})
    assert fetch(server, reply).body == TEXT


@pytest.mark.parametrize("label", ["utf-7", "shift_jis", "idna", "base64", "no-such-set"])
def test_a_character_set_that_is_not_safe_is_an_error(label: str, server: ScriptedServer) -> None:
    reply = Reply(b'{"items": [{"a": "\xe9"}]}', headers={"Content-Type": f"application/json; charset={label}"})
    assert error(server, reply, attempts=1) == (
        "the answer names a character set that is not known here; api.url must answer in UTF-8"
    )


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # the names of tests are made of it, and have to be the same in each process


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzipped(PAGE), "gzip"),
        (gzipped(PAGE), "x-gzip"),
        (gzipped(PAGE), "GZIP, identity"),
        (gzipped(PAGE), ""),
        (gzipped(PAGE[:30]) + gzipped(PAGE[30:]), "gzip"),
        (zlib.compress(PAGE), "deflate"),
        (raw_deflate(PAGE), "deflate"),
        (PAGE, "identity"),
    ],
)
def test_a_compressed_body_is_unpacked_with_or_without_a_header(
    body: bytes, encoding: str, server: ScriptedServer
) -> None:
    assert fetch(server, Reply(body, headers={"Content-Encoding": encoding})).body == TEXT


@pytest.mark.parametrize(
    ("body", "encoding", "attempts", "message"),
    [
        (gzipped(PAGE)[:-20], "gzip", 2, "the compressed body ended early"),
        (gzipped(PAGE)[:-4] + b"\0\0\0\0", "gzip", 2, "the compressed body is damaged"),
        (gzipped(PAGE) + b"more", "gzip", 2, "the compressed body is damaged"),
        (PAGE, "gzip", 2, "the body is not gzip, though its Content-Encoding says so"),
        (PAGE, "br", 1, "the body's Content-Encoding is neither gzip nor deflate, and only these were asked for"),
        (PAGE, "gzip, br", 1, "the body's Content-Encoding is neither gzip nor deflate, and only these were asked for"),
        (gzipped(b"") * 200, "gzip", 1, "the compressed body has more than 100 parts"),
    ],
)
def test_a_damaged_or_unknown_encoding_is_an_error(
    body: bytes, encoding: str, attempts: int, message: str, server: ScriptedServer
) -> None:
    assert error(server, Reply(body, headers={"Content-Encoding": encoding}), attempts=attempts) == message


TOO_LARGE = "the answer is larger than api.limits.max_body_mb allows (1 MB)"


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_a_gzip_bomb_is_stopped_at_the_cap_with_little_memory(encoding: str, server: ScriptedServer) -> None:
    bomb = gzip.compress(b"0" * 100 * 1024 * 1024)
    tracemalloc.start()
    try:
        reply = Reply(bomb, headers={"Content-Encoding": encoding})
        assert error(server, reply, attempts=1, max_body_bytes=1024 * 1024) == TOO_LARGE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * 1024 * 1024


@pytest.mark.parametrize(
    "behaviour",
    [
        Reply(b" " * (1024 * 1024 + 1)),
        Endless(),
        Endless(headers={"Content-Length": "99999999999999999999"}),
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n{"),
    ],
)
def test_a_body_over_the_cap_is_an_error_at_once(behaviour: Behaviour, server: ScriptedServer) -> None:
    started = time.monotonic()
    assert error(server, behaviour, attempts=1, max_body_bytes=1024 * 1024) == TOO_LARGE
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("status", [404, 500])
def test_an_endless_error_page_is_not_read_to_its_end(status: int, server: ScriptedServer) -> None:
    started = time.monotonic()
    attempts = 1 if status == 404 else 2
    assert error(server, Endless(b"a" * 65536, status=status), attempts=attempts) == f"status {status}: more than 64 KB"
    assert time.monotonic() - started < 3


def test_a_body_without_a_length_ends_where_the_connection_does(server: ScriptedServer) -> None:
    assert fetch(server, Raw(b"HTTP/1.0 200 OK\r\n\r\n" + PAGE)).body == TEXT
