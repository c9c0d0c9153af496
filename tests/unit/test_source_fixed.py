"""What goes with every request: sent beside paging and credentials, hidden where it is secret, never to another host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from lib.config import Api, Column, QueryAuth, Table
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Position
from tests.scripted_server import Reply, ScriptedServer

PAGE = b'{"items": [{"id": 1}], "total": 1}'


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def access(server: ScriptedServer, **changed: object) -> Access:
    orders = Table(
        name="orders",
        path="/orders?state=all&filter[x]=a%20b",
        key=("id",),
        params={"lang": "de", "partner": SecretStr("p4rtner")},
        headers={"X-Tenant": "Zoë", "X-Sign": SecretStr("s1gn"), "Accept": "application/vnd.api+json"},
        columns=(Column(name="id", type="bigint", required=True),),
    )
    api = Api(
        url=f"{server.url}/api/?tenant=7&lang=en",
        params={"v": "2"},
        headers={"x-tenant": "other", "X-Api": "1"},
        auth=QueryAuth(type="query", name="k", value=SecretStr("s3cret")),
    )
    return replace(Access.of(api, [orders]), timeout_s=2, attempts=1, max_wait_s=0.01, **changed)


def fetch(access: Access, table: str = "orders") -> PageRow:
    with SourceClient(access) as client:
        return fetch_page(
            client, run_id="r", table=table, path="/orders?state=all&filter[x]=a%20b", position=Position(3)
        )


def sent(target: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(target).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_all_of_them_go_with_the_request_and_the_table_goes_before_the_api(server: ScriptedServer) -> None:
    server.play("/api/orders", Reply(PAGE))
    row = fetch(access(server))
    assert row.error is None
    [asked] = server.asked
    assert urlsplit(asked.target).path == "/api/orders"
    assert sent(asked.target) == {
        "page": "3", "size": "100", "tenant": "7", "v": "2", "state": "all", "filter[x]": "a b", "lang": "de",
        "partner": "p4rtner", "k": "s3cret",
    }  # fmt: skip
    headers = asked.headers
    assert headers["x-tenant"].encode("latin-1").decode() == "Zoë"
    assert (headers["x-api"], headers["x-sign"], headers["accept"]) == ("1", "s1gn", "application/vnd.api+json")
    assert sent(row.url)["partner"] == sent(row.url)["k"] == "***"
    assert sent(row.url)["lang"] == "de"
    assert "p4rtner" not in repr(access(server))
    assert "s1gn" not in repr(access(server))


def test_a_server_that_repeats_a_secret_does_not_bring_it_into_the_error(server: ScriptedServer) -> None:
    server.play("/api/orders", Reply(b'{"p4rtner": "s1gn"}', status=400))
    error = fetch(access(server)).error or ""
    assert "p4rtner" not in error
    assert "s1gn" not in error


@pytest.mark.parametrize(
    "location", ["/v2/orders", "/v2/orders?page=3&size=100", "/v2/orders?page=3&size=100&tenant=7"]
)
def test_a_redirect_on_the_same_host_keeps_them(server: ScriptedServer, location: str) -> None:
    server.play("/api/orders", Reply(status=301, headers={"Location": location}))
    server.play("/v2/orders", Reply(PAGE))
    assert fetch(access(server)).error is None
    assert sent(server.asked[1].target) == sent(server.asked[0].target)
    assert server.asked[1].headers["x-sign"] == "s1gn"


def test_a_redirect_to_another_host_takes_none_of_them(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        other.play("/orders", Reply(PAGE))
        server.play("/api/orders", Reply(status=302, headers={"Location": f"{other.url}/orders"}))
        host = urlsplit(other.url).netloc
        assert fetch(access(server, allowed_hosts=(host,))).error is None
        [asked] = other.asked
    assert sent(asked.target) == {"page": "3", "size": "100"}
    assert not set(asked.headers) & {"x-tenant", "x-sign", "x-api"}
