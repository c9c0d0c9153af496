"""The APIs of docs/cookbook, one for each YAML, all on one store. A request that is not as its YAML should ask gets a 404."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

Row: TypeAlias = dict[str, Any]
ORDERS: list[Row] = [
    {
        "id": number,
        "status": ("open", "paid", "“sent” 📦")[number % 3],
        "amount": None if number % 5 == 0 else f"{number}.50",
        "placed_at": f"2026-01-{1 + number % 31:02}T10:00:00Z",
    }
    for number in range(1, 251)
]
CHANGED: list[Row] = [
    {**{name: row[name] for name in ("id", "status", "amount")}, "updated_at": row["placed_at"]} for row in ORDERS
]
EVENTS: list[Row] = [{"id": number, "kind": "click"} for number in range(1, 131)]
COUNTRIES: list[Row] = [{"code": "DE", "name": "Deutschland"}, {"code": "FR", "name": "France"}]
NESTED: list[Row] = [
    {
        "order-id": row["id"],
        "order status": row["status"],
        "amount": row["amount"] and {"value": row["amount"], "currency": "EUR"},
        "lines": [{"sku": "ä-1", "qty": row["id"]}] * (row["id"] % 3),
    }
    for row in ORDERS
]
GRAPH: list[Row] = [
    {"id": row["id"], "status": row["status"], "amount": row["amount"], "placedAt": row["placed_at"]} for row in ORDERS
]
WRAPPED: list[Row] = [
    {"id": row["id"], "status": row["status"], "customer": {"id": row["id"] % 7}, "tags": ["new"] * (row["id"] % 2)}
    for row in ORDERS
]
KEYED: list[Row] = [{"status": row["status"], "amount": row["amount"]} for row in ORDERS]
WITH_LINES: list[Row] = [
    {"id": row["id"], "status": row["status"], "lines": [{"sku": "ä-1", "qty": n + 1} for n in range(row["id"] % 3)]}
    for row in ORDERS
]
PARTS = {
    status: [{name: row[name] for name in ("id", "amount", "placed_at")} for row in ORDERS if row["status"] == status]
    for status in ("open", "paid")
}
CUSTOMERS: list[Row] = [{"id": number, "name": f"Anna {number}"} for number in range(101, 221)]
OF_CUSTOMERS: dict[int, list[Row]] = {
    row["id"]: [{"id": row["id"] * 1000 + n, "amount": f"{n}.50"} for n in range((row["id"] % 3) * 60)]
    for row in CUSTOMERS
}
DETAILS: list[Row] = [{**row, "city": "Lyon"} for row in CUSTOMERS]
SECRET, PASSWORD, REFRESH = "s3cret: of a test", "passw+rd of a test", "refresh of a test"
ENV = {"SHOP_CLIENT_SECRET": SECRET, "SHOP_PASSWORD": PASSWORD, "SHOP_REFRESH_TOKEN": REFRESH}


@dataclass(frozen=True)
class Asked:
    """A request. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    host: str
    nth: int
    """How many requests there were before with its path and query."""

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body))


@dataclass(frozen=True)
class Answer:
    content: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


NOT_THERE = Answer({"error": {"code": "NOT_FOUND"}}, 404)
Api: TypeAlias = Callable[[Asked], Answer]


def page_of(rows: list[Row], asked: Asked, page_param: str = "page", size_param: str = "size") -> list[Row]:
    """The rows of a page by its number, where these two parameters and no others are there."""
    if asked.query.keys() != {page_param, size_param}:
        raise LookupError
    page, size = int(asked.query[page_param]), min(int(asked.query[size_param]), 100)
    return rows[(page - 1) * size : page * size]


def page(asked: Asked) -> Answer:
    rows = page_of(ORDERS, asked, size_param="per_page")
    return Answer({"data": rows, "meta": {"total": 250, "last_page": 3}})


def incremental(asked: Asked) -> Answer:
    """As `page`; its rows have the time of their last change."""
    rows = page_of(CHANGED, asked)
    return Answer({"data": rows, "total": 250})


def offset(asked: Asked) -> Answer:
    """Gives 40 rows at most, whatever it is asked for."""
    start, size = int(asked.query["skip"]), min(int(asked.query["take"]), 40)
    return Answer({"items": ORDERS[start : start + size], "count": 250})


def content_range(asked: Asked) -> Answer:
    """As PostgREST."""
    start, limit = int(asked.query["offset"]), int(asked.query["limit"])
    rows = ORDERS[start : start + limit] if asked.query["order"] == "id" else []
    count = "250" if asked.headers.get("prefer") == "count=exact" else "*"
    return Answer(rows, 206, {"Content-Range": f"{start}-{start + len(rows) - 1}/{count}"}) if rows else Answer({}, 416)


def next_url(asked: Asked) -> Answer:
    number = int(asked.query.get("page", "1"))
    size = int(asked.query["page_size"])
    following = f"http://{asked.host}/v1/orders?page={number + 1}&page_size={size}" if number < 3 else None
    return Answer({"count": 250, "next": following, "results": ORDERS[(number - 1) * size : number * size]})


def link_header(asked: Asked) -> Answer:
    number, size = int(asked.query.get("page", "1")), int(asked.query["per_page"])
    links = [f'</v1/orders?per_page={size}&page=3>; rel="last"']
    if number < 3:
        links.insert(0, f'<http://{asked.host}/v1/orders?per_page={size}&page={number + 1}>; rel="next"')
    headers = {"Link": ", ".join(links), "X-Total-Count": "250"}
    return Answer(ORDERS[(number - 1) * size : number * size], headers=headers)


def cursor(asked: Asked) -> Answer:
    start, size = int(asked.query.get("cursor", "c0")[1:]), int(asked.query["limit"])
    following = f"c{start + size}" if start + size < 250 else ""
    return Answer({"orders": ORDERS[start : start + size], "response_metadata": {"next_cursor": following}})


def keyset(asked: Asked) -> Answer:
    last, size = int(asked.query.get("starting_after", "0")), int(asked.query["limit"])
    rows = [row for row in ORDERS if row["id"] > last]
    return Answer({"data": rows[:size], "has_more": len(rows) > size})


def range_(asked: Asked) -> Answer:
    unit, _, span = asked.headers["range"].partition("=")
    first, last = (int(number) for number in span.split("-"))
    if unit != "orders":
        raise LookupError
    rows = ORDERS[first : last + 1]
    if not rows:
        return Answer([], 416, {"Content-Range": "orders */250"})
    return Answer(rows, 206, {"Content-Range": f"orders {first}-{first + len(rows) - 1}/250"})


def none(asked: Asked) -> Answer:
    """Not 250 rows: at that number an answer could have been cut."""
    if asked.query:
        raise LookupError
    return Answer(ORDERS[:237])


def nested_rows(asked: Asked) -> Answer:
    return Answer({"result": {"orders": page_of(NESTED, asked), "paging": {"total": 250}}})


def wrapped_rows(asked: Asked) -> Answer:
    start, size = int(asked.query.get("after", "c0")[1:]), int(asked.query["first"])
    edges = [{"cursor": f"c{row['id']}", "node": row} for row in WRAPPED[start : start + size]]
    info = {"endCursor": f"c{start + len(edges)}", "hasNextPage": start + len(edges) < 250}
    return Answer({"edges": edges, "pageInfo": info, "totalCount": 250})


def keyed_object(asked: Asked) -> Answer:
    ids = page_of(ORDERS, asked)
    return Answer({"orders": {f"o-{row['id']}": KEYED[row["id"] - 1] for row in ids}, "total": 250})


def nested_table(asked: Asked) -> Answer:
    return Answer({"items": page_of(WITH_LINES, asked), "total": 250})


def capped(asked: Asked) -> Answer:
    """A third of the rows is asked for by each value of `status` that has a table; there is no other."""
    query = dict(asked.query)
    rows = PARTS[query.pop("status")]
    return Answer({"items": page_of(rows, replace(asked, query=query)), "total": len(rows)})


def windows(asked: Asked) -> Answer:
    """Nothing behind the 40th row is given, however many there are; bounds are outside of a window."""
    query = dict(asked.query)
    after, before = query.pop("placed_after"), query.pop("placed_before")
    rows = [row for row in ORDERS if after < row["placed_at"] < before]
    given = page_of(rows[:40], replace(asked, query=query))
    return Answer({"items": given, "total": len(rows)})


def list_per_row(asked: Asked) -> Answer:
    if asked.path == "/v1/customers":
        return Answer({"items": page_of(CUSTOMERS, asked), "total": 120})
    rows = OF_CUSTOMERS[int(asked.path.split("/")[3])]
    return Answer({"items": page_of(rows, asked), "total": len(rows)})


def details(asked: Asked) -> Answer:
    if asked.path == "/v1/customers":
        return Answer({"items": page_of(CUSTOMERS, asked), "total": 120})
    return Answer(next(row for row in DETAILS if row["id"] == int(asked.path.split("/")[3]) and not asked.query))


def own_pagination(asked: Asked) -> Answer:
    if asked.path == "/v1/orders":
        return Answer({"items": page_of(ORDERS, asked), "total": 250, "pages": 3})
    if asked.path == "/v1/countries" and not asked.query:
        return Answer(COUNTRIES)
    start = int(asked.query.get("after", "e0")[1:])
    return Answer({"events": EVENTS[start : start + 50], "next": f"e{start + 50}" if start + 50 < 130 else None})


def counted(asked: Asked) -> Answer:
    """Pages as they are without a word on them."""
    return Answer({"items": page_of(ORDERS, asked), "total": 250, "pages": 3})


def graphql(asked: Asked) -> Answer:
    body = json.loads(asked.body)
    if asked.method != "POST" or "orders(first: $first, after: $after)" not in body["query"]:
        return Answer({"data": None, "errors": [{"message": "no such query"}]})
    start = int((body["variables"].get("after") or "c0")[1:])
    rows = GRAPH[start : start + int(body["variables"]["first"])]
    info = {"endCursor": f"c{start + len(rows)}", "hasNextPage": start + len(rows) < 250}
    return Answer({"data": {"orders": {"totalCount": 250, "nodes": rows, "pageInfo": info}}})


def post_body(asked: Asked) -> Answer:
    body = json.loads(asked.body)
    if asked.path != "/v1/orders/search" or asked.query or body.pop("filter") != {"state": ["open", "paid"]}:
        raise LookupError
    number, size = body["paging"]["number"], body["paging"]["size"]
    return Answer({"items": ORDERS[(number - 1) * size : number * size], "total": 250})


def oauth2_client_credentials(asked: Asked) -> Answer:
    if asked.path == "/oauth/token":
        shown = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
        is_good = shown == "pagelake:s3cret%3A%20of%20a%20test"
        is_good &= asked.form == {"grant_type": "client_credentials", "scope": "orders.read"}
        return Answer(
            {"access_token": f"token-{asked.nth}", "expires_in": 3600} if is_good else {}, 200 if is_good else 401
        )
    # The first token dies on the way.
    is_good = asked.headers.get("authorization") == f"Bearer token-{int(asked.query['page'] != '1')}"
    is_good |= asked.nth > 0 and asked.headers.get("authorization") == "Bearer token-1"
    return counted(asked) if is_good else Answer({"error": "invalid_token"}, 401)


def oauth2_refresh_token(asked: Asked) -> Answer:
    if asked.path == "/oauth/token":
        form = {"grant_type": "refresh_token", "refresh_token": REFRESH}
        is_good = asked.form == {**form, "client_id": "pagelake", "client_secret": SECRET}
        return Answer({"access_token": "token", "expires_in": 3600} if is_good else {}, 200 if is_good else 400)
    return counted(asked) if asked.headers.get("authorization") == "Bearer token" else Answer({}, 401)


def session_login(asked: Asked) -> Answer:
    if (asked.method, asked.path) == ("POST", "/v1/login"):
        is_good = json.loads(asked.body) == {"user": "pagelake", "password": PASSWORD}
        return Answer({"data": {"session": "3f1c"}} if is_good else {}, 200 if is_good else 403)
    return counted(asked) if asked.headers.get("x-session") == "3f1c" else Answer({}, 401)


def errors(asked: Asked) -> Answer:
    """Page 2 cannot be read, and page 3 is limited at first."""
    rows = page_of(ORDERS, asked)
    number = int(asked.query["page"])
    if number == 2:
        return Answer({"error": {"code": "BROKEN_RECORD"}}, 500)
    if number == 3 and asked.nth == 0:
        return Answer({"error": {"code": "RATE_LIMITED"}})
    return Answer({"data": rows}) if rows else Answer({"message": f"page {number} is past the last page"}, 400)


def rate_limits(asked: Asked) -> Answer:
    """Each page is limited at first."""
    return counted(asked) if asked.nth else Answer({"error": "slow down"}, 429, {"Retry-After": "0"})


@contextmanager
def served(api: Api) -> Any:
    """The address of an API on a free port of 127.0.0.1, and the requests that it got."""
    log: list[Asked] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                nth = sum((one.path, one.query) == (parts.path, query) for one in log)
                asked = Asked(method, parts.path, query, headers, body, headers["host"], nth)
                log.append(asked)
            try:
                answer = api(asked)
            except (LookupError, ValueError):
                answer = NOT_THERE
            data = json.dumps(answer.content).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", log
        server.shutdown()
