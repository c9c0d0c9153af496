"""Servers that others wrote, copied: each table in silver is their store, read past their APIs, also after the store changed.

FastAPI with fastapi-pagination, strawberry, and Django REST framework behind a session login and behind OAuth2 by authlib.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from lib.errors import SourceError
from tests.e2e.jobs_and_lakes import ROOT, Step, free_port, step
from tests.e2e.own_environment import python_with, started
from tests.e2e.servers.copied import Served, copy_of, copy_should_be
from tests.e2e.servers.store import CLIENT_SECRET, PASSWORD, Row, Store, order, orders
from tests.e2e.warm_process import WarmProcess
from tests.landed_source import landed

pytestmark = pytest.mark.e2e
PINS = ROOT / "tests" / "requirements-servers.txt"
VENV = ROOT / ".servers" / "venv"
# On 22 pages, the last of them short.
ROWS = 151
ENV = {"SHOP_PASSWORD": PASSWORD, "SHOP_SECRET": CLIENT_SECRET}
RESULTS = "size_param: page_size, size: 7, items: results"
TABLES = {
    "fastapi_page": Served("/fastapi/page", "style: page, size: 7"),
    "fastapi_offset": Served("/fastapi/offset", "style: offset, size: 7"),
    "fastapi_cursor": Served("/fastapi/cursor", "style: cursor, size: 7, next: next_page"),
    "django_page": Served("/django/page", f"style: page, {RESULTS}, total: count, pages: null"),
    "django_next": Served("/django/page", f"style: next_url, {RESULTS}, total: count"),
    "django_offset": Served("/django/offset", "style: offset, size: 7, items: results, total: count"),
    "django_cursor": Served("/django/cursor", f"style: next_url, {RESULTS}, total: null", "ended"),
    "django_swept": Served(
        "/django/cursor", f"style: next_url, {RESULTS}, total: null", "swept", more="    prove: swept\n"
    ),
}
QUERY = """
    query($first: Int, $after: String) {
      orders(first: $first, after: $after) {
        totalCount
        edges { node { number name price serial placedAt details { tags size { w h } } } }
        pageInfo { hasNextPage endCursor }
      }
    }
"""
TABLES["graphql"] = Served(
    "/graphql",
    "style: cursor, cursor_param: 'body:variables.after', size_param: 'body:variables.first', size: 7, "
    "items: 'data.orders.edges[].node', total: data.orders.totalCount, next: data.orders.pageInfo.endCursor, "
    "more: data.orders.pageInfo.hasNextPage",
    columns=Served.columns.replace("id: bigint!", "id: {type: bigint!, from: number}").replace(
        "placed_at: timestamp!", "placed_at: {type: timestamp!, from: placedAt}"
    ),
    more=f"    method: post\n    json: {{query: {json.dumps(QUERY)}, variables: {{}}}}\n",
)
BY_COOKIE = (
    '{type: session, login_path: /django/login, body: {username: anna, password: "${SHOP_PASSWORD}"}, '
    'token: "cookie:sessionid", name: Cookie, value: "sessionid={token}"}'
)
BY_TOKEN = (
    '{type: session, login_path: /django/token, as: form, body: {username: anna, password: "${SHOP_PASSWORD}"}, '
    'token: token, value: "Token {token}"}'
)
CLIENT = '{type: TYPE, token_url: "URL/django/oauth/token", client_secret: "${SHOP_SECRET}", scope: orders, MORE}'


@dataclass(frozen=True)
class Shop:
    """The servers, their store, and the YAML of the source that they are."""

    url: str
    store: Store
    yaml: Path

    def auth(self, kind: str, more: str) -> str:
        """A token of OAuth2, as YAML."""
        return CLIENT.replace("TYPE", kind).replace("URL", self.url).replace("MORE", more)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    python = python_with(PINS, VENV)
    folder, port = tmp_path_factory.mktemp("shop"), free_port()
    url, store = f"http://127.0.0.1:{port}", Store(folder / "shop.sqlite")
    yaml = folder / "shop.yml"
    tables = "".join(table.yaml(name) for name, table in TABLES.items())
    yaml.write_text(f"source: shop\napi:\n  url: {url}\n  auth: {BY_COOKIE}\ntables:\n{tables}", "utf-8")
    command = [str(python), "-m", "tests.e2e.servers", str(store.path), str(port)]
    with started(command, ROOT, folder / "log", f"{url}/openapi.json"):
        yield Shop(url, store, yaml)


@dataclass(frozen=True)
class Copied:
    """A run, and what the store held meanwhile."""

    step: Step
    held: dict[int, Row]


@pytest.fixture(scope="module")
def first(warm: WarmProcess, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Copied:
    shop.store.write(orders(ROWS))
    lake = tmp_path_factory.mktemp("servers") / "lake"
    return Copied(
        step(warm.ingest(lake, "first", "--source", str(shop.yaml), "--no-check", **ENV), lake), shop.store.rows()
    )


@pytest.fixture(scope="module")
def second(warm: WarmProcess, shop: Shop, first: Copied) -> Copied:
    """The store has changed, and the client shows itself in another way."""
    shop.store.delete(2, 140, 142, 2**63 - 1)
    shop.store.write([order(1), order(77), order(9001), *(order(number, "changed ✓") for number in (4, 18, 300))])
    auth = shop.auth("oauth2_client_credentials", "client_id: by-header")
    lake, options = first.step.lake.root, ("--source", str(shop.yaml), "--no-check", "--set", f"api.auth={auth}")
    return Copied(step(warm.ingest(lake, "second", *options, **ENV), lake), shop.store.rows())


@pytest.mark.parametrize("table", TABLES)
def test_a_copy_is_the_store(first: Copied, table: str) -> None:
    assert first.step.ended.status == 0, first.step.ended.err
    assert len(first.held) == ROWS
    assert copy_of(first.step, "first", table) == copy_should_be(TABLES[table].proof, first.held, before={})


def test_a_token_of_django_rest_framework_is_got_by_a_form(shop: Shop, first: Copied, tmp_path: Path) -> None:
    assert pages_by(shop, BY_TOKEN, tmp_path) == first.held


def test_a_client_that_shows_itself_in_the_form_gets_a_token(shop: Shop, first: Copied, tmp_path: Path) -> None:
    auth = shop.auth("oauth2_client_credentials", "client_id: by-form, client_auth: post")
    assert pages_by(shop, auth, tmp_path) == first.held


def test_a_client_that_shows_itself_in_the_wrong_way_is_told_so(shop: Shop, first: Copied, tmp_path: Path) -> None:
    auth = shop.auth("oauth2_client_credentials", "client_id: by-form")
    with pytest.raises(
        SourceError, match=r"api\.auth: no token from 127\.0\.0\.1:\d+: status 401: error invalid_client"
    ):
        pages_by(shop, auth, tmp_path)


def test_a_refresh_token_that_rotates_is_good_for_one_run(shop: Shop, first: Copied, tmp_path: Path) -> None:
    shop.store.tell(
        "INSERT INTO tokens (user_id, client_id, token_type, access_token, refresh_token, scope, issued_at, expires_in, revoked) "
        "VALUES (1, 'by-header', 'Bearer', 'used up', 'rotating-1', 'orders', 0, 1, 0)"
    )
    auth = shop.auth("oauth2_refresh_token", "client_id: by-header, refresh_token: '${SHOP_REFRESH}'")
    assert pages_by(shop, auth, tmp_path / "one") == first.held
    known = "SELECT refresh_token = 'rotating-1', revoked FROM tokens WHERE refresh_token IS NOT NULL ORDER BY id"
    assert shop.store.tell(known) == [(1, 1), (0, 0)]
    with pytest.raises(SourceError, match="error invalid_grant"):
        pages_by(shop, auth, tmp_path / "two")


@pytest.mark.parametrize("table", TABLES)
def test_a_copy_is_the_store_after_it_changed(first: Copied, second: Copied, table: str) -> None:
    assert second.step.ended.status == 0, second.step.ended.err
    assert first.held.keys() - second.held.keys() == {2, 140, 142, 2**63 - 1}
    assert second.held.keys() - first.held.keys() == {1, 77, 9001}
    assert copy_of(second.step, "second", table) == copy_should_be(TABLES[table].proof, second.held, before=first.held)


def pages_by(shop: Shop, auth: str, folder: Path) -> dict[int, Row]:
    """The orders that are landed with these credentials, as a copy should have them."""
    folder.mkdir(exist_ok=True)
    yaml, table = folder / "shop.yml", TABLES["django_page"]
    yaml.write_text(f"source: shop\napi:\n  url: {shop.url}\n  auth: {auth}\ntables:\n{table.yaml('orders')}", "utf-8")
    one = landed(yaml, folder, {**ENV, "SHOP_REFRESH": "rotating-1"})["orders"]
    assert (one.record.proof, one.record.rows_landed) == (table.proof, len(one.rows))
    return {row["id"]: as_held(row) for row in one.rows}


def as_held(row: Row) -> Row:
    """A row of an answer with its price and time as they are in the store."""
    price = None if row["price"] is None else Decimal(row["price"])
    return {**row, "price": price, "placed_at": datetime.fromisoformat(row["placed_at"])}
