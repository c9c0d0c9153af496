"""Whatever bytes come back: a page row with exactly the JSON's rows, or one with an error; never an exception."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import SourceError
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import fetch_page, look_at
from lib.source.paging import PageNumbers, Position
from tests.scripted_server import Behaviour, Raw, Reply, ScriptedServer
from tests.suite_parts import examples

PAGE = b'{"items": [{"id": 1, "name": "Zo\xc3\xab"}, {"id": 2, "name": null}], "total": 2, "pages": 1}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE
QUICK = settings(
    max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
pages = st.fixed_dictionaries(
    {"items": st.lists(st.dictionaries(st.text(max_size=5), values, max_size=4) | values, max_size=5)},
    optional={"total": st.integers() | values, "pages": st.integers() | values},
)


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with a few of them changed, left out, doubled or cut off."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(found)))
        match draw(st.sampled_from(["change", "delete", "insert", "cut", "double"])):
            case "change":
                found[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "delete":
                del found[at : at + draw(st.integers(1, 10))]
            case "insert":
                found[at:at] = draw(
                    st.binary(max_size=8) | st.sampled_from([b"NaN", b"{", b'"id": 1,', b"\xff", b"\r\n"])
                )
            case "cut":
                del found[at:]
            case "double":
                found += found[at : at + 200]
    return bytes(found)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def check(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.play("/t", behaviour)
    started = time.monotonic()
    with SourceClient(Access(base_url=server.url, timeout_s=0.3, attempts=2, max_wait_s=0.01)) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
    assert time.monotonic() - started < 2
    assert (row.body is None) == (row.error is not None) == (row.n_items is None)
    if row.body is not None:
        items = json.loads(row.body)["items"]
        assert row.n_items == len(items)
        assert all(isinstance(item, dict) for item in items)
        assert row.n_bytes == len(row.body.encode("utf-8"))


@QUICK
@given(body=st.binary() | mutated(PAGE))
def test_any_body_is_a_page_or_an_error(body: bytes, server: ScriptedServer) -> None:
    check(server, Reply(body))


@QUICK
@given(data=st.binary() | mutated(ANSWER))
def test_any_bytes_on_the_wire_are_a_page_or_an_error(data: bytes, server: ScriptedServer) -> None:
    check(server, Raw(data))


@QUICK
@given(
    body=mutated(PAGE) | st.just(PAGE),
    encoding=st.sampled_from(["", "gzip", "deflate", "br"]),
    charset=st.sampled_from(["", "utf-16", "latin-1", "shift_jis", "utf-7", "punycode", "hex"]),
)
def test_any_labels_are_a_page_or_an_error(body: bytes, encoding: str, charset: str, server: ScriptedServer) -> None:
    check(server, Reply(body, headers={"Content-Encoding": encoding, "Content-Type": f"text/html; charset={charset}"}))


@settings(max_examples=examples(400))
@given(
    text=st.text()
    | values.map(json.dumps)
    | pages.map(json.dumps)
    | mutated(PAGE).map(lambda body: body.decode("latin-1"))
)
def test_a_body_that_is_taken_has_the_same_rows_for_the_standard_library(text: str) -> None:
    try:
        shape = look_at(text, PageNumbers(), {})
    except SourceError:
        return
    answer = json.loads(text)
    assert shape.n_items == len(answer["items"])
    assert shape.total == answer.get("total")
    assert shape.pages == answer.get("pages")


@settings(max_examples=examples(200))
@given(
    items=st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=4), max_size=5)
)
def test_a_page_of_objects_is_always_taken(items: list[dict[str, object]]) -> None:
    body = json.dumps({"items": items, "total": len(items)}, ensure_ascii=False)
    assert look_at(body, PageNumbers(), {}).n_items == len(items)
