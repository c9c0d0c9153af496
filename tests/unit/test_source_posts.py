"""A POST for a page, over real sockets: what is sent, what is tried again, where it may go, and what is never shown."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from lib.config import Api, Limits, Table
from lib.landing.budget import Budget
from lib.source.access import Access
from lib.source.client import ExchangeFailedError, SourceClient
from lib.source.page import PageRow, fetch_page
from lib.source.paging import AllAtOnce, Cursors, Keysets, LinkHeaders, NextUrls, Offsets, PageNumbers, Paging, Position
from tests.scripted_server import Behaviour, Cut, Hang, Reply, ScriptedServer
from tests.unit.test_source_secrets import BROKEN, KEY, leaks, refuse, tokens_of

PAGE = b'{"items": [{"id": 1}], "total": 1}'
GRAPHQL = {"query": "query ($after: String) {\n  orders { id }\n}", "variables": {"state": "all"}}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def access_of(
    server: ScriptedServer, paging: Paging | None = None, *, limits: Limits | None = None, **asked: Any
) -> Access:
    """The access to a table `t` that is asked for so."""
    settings = {"method": "post", **asked}
    table = {"path": "/t?state=all", "key": ["id"], "columns": {"id": "bigint!"}, **settings}
    api = Api(url=f"{server.url}?tenant=7", limits=limits or Limits(timeout_s=2, attempts=2, max_wait_s=0.01))
    return replace(Access.of(api, [Table.model_validate({"name": "t", **table})]), paging=paging or PageNumbers())


def fetch(access: Access, number: int = 1, **position: Any) -> PageRow:
    with SourceClient(access) as client:
        return fetch_page(client, run_id="r", table="t", path="/t?state=all", position=Position(number, **position))


@pytest.mark.parametrize(
    ("paging", "position", "asks"),
    [
        (PageNumbers(page_param="body:page", size_param="body:size"), {"number": 3}, {"page": 3, "size": 100}),
        (Offsets(offset_param="body:from", size_param="body:v.n"), {"number": 3, "given": 50}, {"from": 100, "v": {"n": 100}}),
        (Cursors(cursor_param="body:v.after", size_param="body:v.first"), {"number": 1}, {"v": {"first": 100}}),
        (Cursors(cursor_param="body:v.a", size_param="body:v.n"), {"number": 2, "cursor": '"M"'}, {"v": {"a": "M", "n": 100}}),
        (Cursors(cursor_param="body:after", size_param="body:n"), {"number": 2, "cursor": "17"}, {"after": 17, "n": 100}),
        (Keysets(after_param="body:a.b[]", size_param="body:n"), {"number": 2, "cursor": "1729"}, {"a": {"b": [1729]}, "n": 100}),
        (Keysets(after_param="body:a", size_param="body:n"), {"number": 2, "cursor": '"1729"'}, {"a": "1729", "n": 100}),
        (AllAtOnce(), {"number": 1}, {}),
    ],
)  # fmt: skip
def test_a_json_body_has_what_is_fixed_and_the_position_with_numbers_as_numbers(
    server: ScriptedServer, paging: Paging, position: dict[str, Any], asks: dict[str, Any]
) -> None:
    server.play("/t", Reply(PAGE))
    row = fetch(access_of(server, paging, json={**GRAPHQL, "size_of_it": 1.5}), **position)
    [asked] = server.asked
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/t", "application/json")
    assert asked.query == {"tenant": ["7"], "state": ["all"]}
    assert int(asked.headers["content-length"]) == len(asked.body)
    assert json.loads(asked.body) == {**GRAPHQL, "size_of_it": 1.5, **asks}
    assert row.url == f"{server.url}/t?tenant=7&state=all"


def test_a_form_has_its_fields_and_the_position_as_text(server: ScriptedServer) -> None:
    server.play("/t", Reply(PAGE))
    paging = Keysets(after_param="body:after[]", size_param="body:the.size")
    fetch(access_of(server, paging, form={"q": "a b&ü", "all": True}), 2, cursor='"x"')
    [asked] = server.asked
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(asked.body.decode()) == [("q", "a b&ü"), ("all", "true"), ("the.size", "100"), ("after[]", "x")]


def test_the_position_may_be_in_the_query_and_there_may_be_no_body(server: ScriptedServer) -> None:
    server.play("/t", Reply(PAGE))
    row = fetch(access_of(server), 3)
    [asked] = server.asked
    assert (asked.method, asked.body, asked.headers["content-length"]) == ("POST", b"", "0")
    assert "content-type" not in asked.headers
    assert asked.query == {"page": ["3"], "size": ["100"], "tenant": ["7"], "state": ["all"]}
    assert row.url == f"{server.url}/t?page=3&size=100&tenant=7&state=all"


def test_a_get_has_no_body_beside_a_post(server: ScriptedServer) -> None:
    server.play("/t", Reply(PAGE))
    fetch(access_of(server, method="get"))
    [asked] = server.asked
    assert (asked.method, asked.body) == ("GET", b"")
    assert not {"content-type", "content-length"} & set(asked.headers)


@pytest.mark.parametrize(
    ("paging", "cursors"),
    [
        (Cursors(cursor_param="body:c", size_param="body:n", next="next"), [("9", "9"), ('"9"', '"9"'), ('"é"', '"\\u00e9"')]),
        (Keysets(after_param="body:c", size_param="body:n", by="next"), [("9", "9"), ('"9"', '"9"')]),
        (Cursors(next="next"), [("9", "9"), ('"9"', "9")]),
    ],
)  # fmt: skip
def test_a_cursor_keeps_its_kind_where_it_goes_into_the_body(
    server: ScriptedServer, paging: Paging, cursors: list[tuple[str, str]]
) -> None:
    for given, kept in cursors:
        body = '{"items": [{"next": NEXT}], "next": NEXT}'.replace("NEXT", given)
        server.play("/t", Reply(body.encode()))
        assert fetch(access_of(server, paging, json={})).next_cursor == kept


@pytest.mark.parametrize(
    "behaviour", [Reply(status=503), Reply(status=429), Reply(b"<html>"), Cut(PAGE, 5), Hang(0)], ids=range(5)
)
def test_a_post_is_tried_again_as_a_get_is_with_the_same_body(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.play("/t", behaviour, Reply(PAGE))
    row = fetch(access_of(server, PageNumbers(page_param="body:page", size_param="body:n"), json=GRAPHQL), 2)
    assert (row.error, row.attempts, row.n_items) == (None, 2, 1)
    first, second = server.asked
    assert first.method == second.method == "POST"
    assert first.body == second.body
    assert json.loads(second.body) == {**GRAPHQL, "page": 2, "n": 100}


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", ["/v2", "/v2?page=1&size=100"])
def test_a_redirect_that_keeps_the_method_keeps_the_body(server: ScriptedServer, status: int, location: str) -> None:
    server.play("/t", Reply(status=status, headers={"Location": location}))
    server.play("/v2", Reply(PAGE))
    assert fetch(access_of(server, json=GRAPHQL)).error is None
    first, second = server.asked
    assert (second.method, second.path) == ("POST", "/v2")
    assert first.body == second.body
    assert first.query == second.query


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_make_a_get_of_it_is_an_error_that_says_so(server: ScriptedServer, status: int) -> None:
    server.play("/t", Reply(status=status, headers={"Location": "/v2"}))
    server.play("/v2", Reply(PAGE))
    assert fetch(access_of(server, json=GRAPHQL)).error == (
        f"POST {server.url}/t?page=1&size=100&tenant=7&state=all: status {status} redirects, and would turn the POST into a GET "
        "without its body, which asks for something else; write the address that it leads to into api.url or the table's path"
    )
    assert len(server.asked) == 1


@pytest.mark.parametrize("is_listed", [True, False])
def test_no_redirect_takes_a_body_to_another_host(server: ScriptedServer, *, is_listed: bool) -> None:
    with ScriptedServer() as other:
        other.play("/t", Reply(PAGE))
        server.play("/t", Reply(status=307, headers={"Location": f"{other.url}/t"}))
        access = access_of(server, json=GRAPHQL)
        access = replace(access, allowed_hosts=(urlsplit(other.url).netloc,) if is_listed else ())
        error = str(fetch(access).error)
        assert other.asked == []
    ends = {
        True: "is another server than api.url; a POST goes to api.url alone, as its body is meant for it",
        False: "is another server than api.url; if it may be asked, list it in api.allowed_hosts",
    }
    assert error.endswith(ends[is_listed])


@pytest.mark.parametrize("paging", [NextUrls(size_param="body:size"), LinkHeaders(size_param="body:size")])
def test_an_address_of_a_next_page_is_asked_with_the_same_body(server: ScriptedServer, paging: Paging) -> None:
    named = Reply(b'{"items": [{"id": 1}], "next": "/t?at=2"}', headers={"Link": '</t?at=2>; rel="next"'})
    server.play("/t", named, Reply(b'{"items": [{"id": 2}], "next": null}', headers={"Link": '</t>; rel="first"'}))
    access = access_of(server, paging, json=GRAPHQL)
    first = fetch(access)
    second = fetch(access, 2, cursor=first.next_cursor)
    assert (second.error, second.n_items, second.next_cursor) == (None, 1, None)
    assert server.asked[0].body == server.asked[1].body
    assert json.loads(server.asked[1].body) == {**GRAPHQL, "size": 100}
    assert server.asked[1].query == {"at": ["2"], "tenant": ["7"], "state": ["all"]}


def test_an_address_of_a_next_page_at_another_host_gets_no_post(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        other.play("/t", Reply(PAGE))
        access = replace(access_of(server, NextUrls(), json=GRAPHQL), allowed_hosts=(urlsplit(other.url).netloc,))
        assert "a POST goes to api.url alone" in str(fetch(access, 2, cursor=f"{other.url}/t").error)
        assert other.asked == []


def test_a_body_goes_with_a_renewed_token_again(server: ScriptedServer) -> None:
    tokens = [Reply(json.dumps({"access_token": f"t{number}"}).encode()) for number in (1, 2)]
    server.play("/token", *tokens)
    server.play("/t", Reply(status=401), Reply(PAGE))
    api = tokens_of("basic", server.url)
    access = replace(Access.of(api), fixed=access_of(server, json=GRAPHQL).fixed)
    with SourceClient(access, Budget.of(api)) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
    assert (row.error, row.attempts) == (None, 2)
    one, other = (asked for asked in server.asked if asked.path == "/t")
    assert one.body == other.body == json.dumps(GRAPHQL).encode()
    assert (one.headers["authorization"], other.headers["authorization"]) == ("Bearer t1", "Bearer t2")


def test_an_answer_to_a_post_has_the_same_limits(server: ScriptedServer) -> None:
    server.play("/t", Reply(b'{"items": [], "x": "' + b"x" * 5000 + b'"}'))
    limits = Limits(max_body_mb=0.001, attempts=1)
    assert "api.limits.max_body_mb" in str(fetch(access_of(server, json=GRAPHQL, limits=limits)).error)


# GraphQL

ORDERS = Cursors(
    cursor_param="body:variables.after",
    size_param="body:variables.first",
    size=2,
    items="data.orders.nodes",
    total=None,
    next="data.orders.pageInfo.endCursor",
    more="data.orders.pageInfo.hasNextPage",
)


def connection(ids: list[int], **info: Any) -> Reply:
    return Reply(json.dumps({"data": {"orders": {"nodes": [{"id": one} for one in ids], "pageInfo": info}}}).encode())


def test_a_graphql_connection_is_walked_to_the_page_that_says_it_is_the_last(server: ScriptedServer) -> None:
    server.play(
        "/t",
        connection([1, 2], endCursor="Mg", hasNextPage=True),
        connection([3, 4], endCursor="NA", hasNextPage=False),
    )
    access = access_of(server, ORDERS, json=GRAPHQL)
    first = fetch(access)
    assert (first.error, first.n_items, first.next_cursor) == (None, 2, '"Mg"')
    second = fetch(access, 2, cursor=first.next_cursor)
    assert (second.error, second.n_items, second.next_cursor) == (None, 2, None)
    assert [json.loads(asked.body)["variables"] for asked in server.asked] == [
        {"state": "all", "first": 2},
        {"state": "all", "first": 2, "after": "Mg"},
    ]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            connection([1, 2], endCursor=None, hasNextPage=True),
            "api.pagination.more: data.orders.pageInfo.hasNextPage says that there are further rows, and nothing is at "
            "data.orders.pageInfo.endCursor",
        ),
        (
            connection([1, 2], endCursor="Mg"),
            "api.pagination.more: data.orders.pageInfo.hasNextPage is not true or false in the answer",
        ),
        (
            connection([1, 2], endCursor=["s3cret"], hasNextPage=True),
            "api.pagination.next: data.orders.pageInfo.endCursor is no text and no whole number in the answer",
        ),
        (
            Reply(b'{"errors": [{"message": "s3cret"}], "data": null}'),
            "the answer has no list of rows at api.pagination.items: data.orders.nodes (its keys are errors, data)",
        ),
        (
            Reply(b'{"errors": [{"message": "s3cret"}]}'),
            "the answer has no list of rows at api.pagination.items: data.orders.nodes (its keys are errors)",
        ),
    ],
)
@pytest.mark.parametrize("position", [{"number": 1}, {"number": 2, "cursor": '"Mg"'}], ids=["first", "second"])
def test_an_answer_with_status_200_that_is_no_page_of_a_connection_is_an_error(
    server: ScriptedServer, reply: Reply, message: str, position: dict[str, Any]
) -> None:
    server.play("/t", reply)
    error = str(fetch(access_of(server, ORDERS, json=GRAPHQL), **position).error)
    assert error.endswith(message)
    assert "s3cret" not in error


def test_rows_beside_errors_are_refused_by_a_rule(server: ScriptedServer) -> None:
    rows = json.loads(connection([1], endCursor="MQ", hasNextPage=False).body)
    server.play("/t", Reply(json.dumps({**rows, "errors": [{"message": "s3cret"}]}).encode()))
    rules = [{"body": {"path": "errors", "exists": True}, "do": "fail"}]
    row = fetch(access_of(server, ORDERS, json=GRAPHQL, errors=rules))
    assert str(row.error).endswith(
        "status 200 (tables.t.errors[0]: fail): a JSON object whose keys are data, errors (134 bytes)"
    )
    assert fetch(access_of(server, ORDERS, json=GRAPHQL)).error is None


# Secrets

BODIES: dict[str, dict[str, Any]] = {
    "json": {"json": {"auth": [{"key": SecretStr(KEY)}], "q": "x"}},
    "form": {"form": {"key": SecretStr(KEY), "q": "x"}},
}


@pytest.mark.parametrize("behaviour", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("kind", BODIES)
def test_no_failure_shows_a_secret_of_the_body(
    kind: str, behaviour: Behaviour, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    server.play("/t", behaviour)
    paging = PageNumbers(page_param="body:page", size_param="body:size")
    limits = Limits(timeout_s=0.5, attempts=2, max_wait_s=0.01)
    access = access_of(server, paging, limits=limits, **BODIES[kind])
    with SourceClient(access) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(1))
        with pytest.raises(ExchangeFailedError) as caught:
            client.get("/t", (), refuse, access.fixed_for("t"))
    error = caught.value
    assert row.error is not None
    assert (error.__cause__, error.__context__) == (None, None)
    seen = [
        repr(row),
        str(error),
        repr(vars(error)),
        caplog.text,
        repr(access),
        repr(client),
        *traceback.format_exception(error),
    ]
    assert [leak for text in seen for leak in leaks(text)] == []
    sent = server.asked[0].body.decode()
    assert KEY in (json.loads(sent)["auth"][0]["key"] if kind == "json" else dict(parse_qsl(sent))["key"])


def test_an_access_with_bodies_pickles_equal_to_itself(server: ScriptedServer) -> None:
    for asked in BODIES.values():
        access = access_of(server, **asked)
        again = pickle.loads(pickle.dumps(access))
        assert again == access
        assert hash(again) == hash(access)
        assert KEY in access.secrets
