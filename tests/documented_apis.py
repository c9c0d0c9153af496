"""APIs in the shapes of well-known services: the document of each, and a player that answers by it and takes nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tests.cookbook_apis import Answer, Asked, Row, served

Json = dict[str, Any]
TIME, DAY = {"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}
TEXT, WHOLE = {"type": "string"}, {"type": "integer", "format": "int64"}
PEOPLE: list[Row] = [
    {
        "id": n,
        "name": f"Ada {n}",
        "email": f"ada{n}@example.org",
        "updated_at": f"2026-01-{n % 28 + 1:02}T10:00:00Z",
    }
    for n in range(1, 41)
]
ORDERS: list[Row] = [
    {
        "id": n,
        "user_id": n % 40 + 1,
        "status": ("open", "paid")[n % 2],
        "amount": n / 4,
        "note": None if n % 3 else "later",
        "created_at": f"2026-02-{n % 28 + 1:02}T10:00:00Z",
        "updated_at": f"2026-03-{n % 28 + 1:02}T10:00:00.123Z",
    }
    for n in range(1, 251)
]
PERSON = {
    "type": "object",
    "required": ["id", "name", "email"],
    "properties": {"id": WHOLE, "name": TEXT, "email": {"type": "string", "format": "email"}, "updated_at": TIME},
}
ORDER = {
    "type": "object",
    "required": ["id", "user_id", "status", "amount"],
    "properties": {
        "id": {**WHOLE, "description": "Number of the order. Never changes."},
        "user_id": WHOLE,
        "status": {"type": "string", "enum": ["open", "paid"]},
        "amount": {"type": "number"},
        "note": {"type": "string", "nullable": True},
        "created_at": TIME,
        "updated_at": TIME,
    },
}


@dataclass(frozen=True)
class Service:
    """An API: its document without servers, how it answers, and the rows at each path. `style` and `proof` are of its tables."""

    document: Json
    answer: Callable[[Asked, Sequence[Row]], Answer]
    rows: Mapping[str, Sequence[Row]]
    style: str
    proof: str = "counted"
    base: str = ""
    is_yaml: bool = False
    options: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def listing(parameters: Sequence[Json], answer: Json, headers: Sequence[str] = ()) -> Json:
    """A path item with a GET."""
    said = {name: {"schema": TEXT} for name in headers}
    responses = {"200": {"description": "ok", "headers": said, "content": {"application/json": {"schema": answer}}}}
    return {"get": {"summary": "A list", "parameters": list(parameters), "responses": responses}}


def query(name: str, kind: str = "integer", **more: Any) -> Json:
    """A parameter."""
    return {"name": name, "in": "query", "schema": {"type": kind, **more}}


def several(row: Json | str) -> Json:
    """A list of rows."""
    return {"type": "array", "items": row}


def envelope(items: str, row: Json, **others: Json) -> Json:
    """An object with a list of rows."""
    return {"type": "object", "properties": {items: several(row), **others}}


def document(paths: Json, version: str = "3.0.3", **more: Any) -> Json:
    """A document without servers."""
    return {"openapi": version, "info": {"title": "A shop", "version": "1"}, "paths": paths, **more}


REFS = {
    "components": {
        "schemas": {
            "Base": {"type": "object", "required": ["id"], "properties": {"id": WHOLE, "updated_at": TIME}},
            "Person": {"allOf": [{"$ref": "#/components/schemas/Base"}, PERSON]},
            "Order": {
                "allOf": [
                    {"$ref": "#/components/schemas/Base"},
                    ORDER,
                    {"properties": {"user": {"$ref": "#/components/schemas/Loop"}}},
                ]
            },
            "Loop": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Loop"}}},
        },
        "parameters": {"Limit": query("limit", minimum=1, maximum=100, default=10)},
    }
}
_PERSON, _ORDER = {"$ref": "#/components/schemas/Person"}, {"$ref": "#/components/schemas/Order"}
_LIMIT = {"$ref": "#/components/parameters/Limit"}


def number(asked: Asked, name: str, default: int) -> int:
    """A parameter that is a number."""
    return int(asked.query.get(name, default))


def _both(one: Callable[[Json], Json]) -> Json:
    """The lists /users and /orders, and one of a single user's orders."""
    by_id = {"name": "id", "in": "path", "required": True, "schema": WHOLE}
    children = one(ORDER)
    return {
        "/users": one(PERSON),
        "/orders": one(ORDER),
        "/users/{id}/orders": {**children, "parameters": [by_id]},
        "/users/{id}": {"parameters": [by_id], **listing([], PERSON)},
        "/me": listing([], PERSON),
    }


_ROWS = {"/users": PEOPLE, "/orders": ORDERS}


def _stripe(asked: Asked, rows: Sequence[Row]) -> Answer:
    ids = [str(row["id"]) for row in rows]
    start = ids.index(asked.query["starting_after"]) + 1 if "starting_after" in asked.query else 0
    size = number(asked, "limit", 10)
    return Answer(
        {"object": "list", "url": asked.path, "has_more": start + size < len(rows), "data": rows[start : start + size]}
    )


def _github(asked: Asked, rows: Sequence[Row]) -> Answer:
    page, size = number(asked, "page", 1), min(number(asked, "per_page", 30), 100)
    links = [f'<http://{asked.host}{asked.path}?per_page={size}&page=1>; rel="first"']
    if page * size < len(rows):
        links.append(f'<http://{asked.host}{asked.path}?per_page={size}&page={page + 1}>; rel="next"')
    return Answer(rows[(page - 1) * size : page * size], headers={"Link": ", ".join(links)})


def _zendesk(asked: Asked, rows: Sequence[Row]) -> Answer:
    page, size = number(asked, "page", 1), min(number(asked, "per_page", 100), 100)
    following = f"http://{asked.host}{asked.path}?page={page + 1}&per_page={size}" if page * size < len(rows) else None
    name = asked.path.rpartition("/")[2]
    return Answer(
        {name: rows[(page - 1) * size : page * size], "count": len(rows), "next_page": following, "previous_page": None}
    )


def _hubspot(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = number(asked, "after", 0), number(asked, "limit", 10)
    more = {"paging": {"next": {"after": str(start + size), "link": f"?after={start + size}"}}}
    return Answer({"results": rows[start : start + size], **(more if start + size < len(rows) else {"paging": None})})


def _salesforce(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = number(asked, "start", 0), 60
    done = start + size >= len(rows)
    following = {} if done else {"nextRecordsUrl": f"{asked.path}?start={start + size}"}
    return Answer({"totalSize": len(rows), "done": done, **following, "records": rows[start : start + size]})


def _spring(asked: Asked, rows: Sequence[Row]) -> Answer:
    page, size = number(asked, "page", 0), number(asked, "size", 20)
    pages = -(-len(rows) // size)
    return Answer(
        {
            "content": rows[page * size : (page + 1) * size],
            "totalElements": len(rows),
            "totalPages": pages,
            "last": page + 1 >= pages,
            "size": size,
            "number": page,
        }
    )


def _fastapi(asked: Asked, rows: Sequence[Row]) -> Answer:
    page, size = number(asked, "page", 1), number(asked, "size", 50)
    if page < 1:
        return Answer({"detail": "page"}, 422)
    items = rows[(page - 1) * size : page * size]
    return Answer({"items": items, "total": len(rows), "page": page, "size": size, "pages": -(-len(rows) // size)})


def _django(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = number(asked, "offset", 0), number(asked, "limit", 20)
    following = (
        f"http://{asked.host}{asked.path}?limit={size}&offset={start + size}" if start + size < len(rows) else None
    )
    return Answer({"count": len(rows), "next": following, "previous": None, "results": rows[start : start + size]})


def _jira(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = number(asked, "startAt", 0), min(number(asked, "maxResults", 50), 50)
    name = "issues" if asked.path.endswith("orders") else "values"
    return Answer({"startAt": start, "maxResults": size, "total": len(rows), name: rows[start : start + size]})


def _json_api(asked: Asked, rows: Sequence[Row]) -> Answer:
    page, size = number(asked, "page[number]", 1), number(asked, "page[size]", 10)
    last = -(-len(rows) // size)
    link = f"{asked.path}?page%5Bnumber%5D={page + 1}&page%5Bsize%5D={size}"
    return Answer(
        {
            "data": rows[(page - 1) * size : page * size],
            "links": {"self": asked.path, "next": link if page < last else None},
            "included": [{"id": "1", "type": "shops"}],
        }
    )


def _odata(asked: Asked, rows: Sequence[Row]) -> Answer:
    """Counts where it is asked to."""
    start, top = number(asked, "$skip", 0), min(number(asked, "$top", 50), 50)
    more = start + top < len(rows)
    link = {"@odata.nextLink": f"http://{asked.host}{asked.path}?$top={top}&$skip={start + top}"} if more else {}
    link |= {"@odata.count": len(rows)} if asked.query.get("$count") == "true" else {}
    return Answer({"@odata.context": "$metadata#x", "value": rows[start : start + top], **link})


def _atlassian(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = number(asked, "start", 0), number(asked, "limit", 25)
    return Answer(
        {
            "values": rows[start : start + size],
            "start": start,
            "limit": size,
            "size": len(rows[start : start + size]),
            "isLast": start + size >= len(rows),
        }
    )


def _slack(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = int(asked.query.get("cursor", "c0")[1:]), number(asked, "limit", 100)
    following = f"c{start + size}" if start + size < len(rows) else ""
    name = "members" if asked.path.endswith("users") else "channels"
    return Answer({"ok": True, name: rows[start : start + size], "response_metadata": {"next_cursor": following}})


def _shopify(asked: Asked, rows: Sequence[Row]) -> Answer:
    start, size = int(asked.query.get("page_info", "p0")[1:]), number(asked, "limit", 50)
    link = f'<http://{asked.host}{asked.path}?limit={size}&page_info=p{start + size}>; rel="next"'
    headers = {"Link": link} if start + size < len(rows) else {"Link": ""}
    return Answer({asked.path.rpartition("/")[2].removesuffix(".json"): rows[start : start + size]}, headers=headers)


def _whole(asked: Asked, rows: Sequence[Row]) -> Answer:
    return Answer(list(rows))


def _resources(rows: Sequence[Row], kind: str) -> list[Row]:
    """As JSON:API has them."""
    return [
        {
            "id": str(row["id"]),
            "type": kind,
            "attributes": {key: value for key, value in row.items() if key != "id"},
            "links": {"self": f"/{kind}/{row['id']}"},
        }
        for row in rows
    ]


def _resource(row: Json) -> Json:
    own = {key: value for key, value in row["properties"].items() if key != "id"}
    return {
        "type": "object",
        "required": ["id", "type"],
        "properties": {"id": TEXT, "type": TEXT, "attributes": {"type": "object", "properties": own}},
    }


NULLABLE_31 = {"anyOf": [TEXT, {"type": "null"}]}
ORDER_31 = {
    **ORDER,
    "properties": {
        **ORDER["properties"],
        "note": NULLABLE_31,
        "updated_at": {"type": ["string", "null"], "format": "date-time"},
    },
}
_BOOL, _NEXT = {"type": "boolean"}, {"type": "string", "format": "uri", "nullable": True}
_PAGE, _SIZE = query("page", minimum=1, default=1), query("size", minimum=1, maximum=100, default=50)


def _of(row: Json) -> str:
    return "orders" if "user_id" in row["properties"] else "users"


SERVICES = {
    "stripe": Service(
        document(
            {
                "/v1/users": listing(
                    [_LIMIT, query("starting_after", "string"), query("ending_before", "string")],
                    envelope("data", _PERSON, has_more=_BOOL, object=TEXT, url=TEXT),
                ),
                "/v1/orders": listing(
                    [_LIMIT, query("starting_after", "string"), query("status", "string")],
                    envelope("data", _ORDER, has_more=_BOOL, object=TEXT, url=TEXT),
                ),
            },
            **REFS,
        ),
        _stripe,
        {"/v1/users": PEOPLE, "/v1/orders": ORDERS},
        "keyset",
        "ended",
        is_yaml=True,
    ),
    "github": Service(
        document(
            _both(
                lambda row: listing([query("per_page", default=30), query("page", default=1)], several(row), ["Link"])
            ),
            "3.1.0",
        ),
        _github,
        _ROWS,
        "link_header",
        "ended",
    ),
    "zendesk": Service(
        document(
            _both(
                lambda row: listing(
                    [_PAGE, query("per_page", maximum=100)],
                    envelope(_of(row), row, count=WHOLE, next_page=_NEXT, previous_page=_NEXT),
                )
            )
        ),
        _zendesk,
        _ROWS,
        "page",
        base="/api/v2",
    ),
    "hubspot": Service(
        document(
            _both(
                lambda row: listing(
                    [query("limit", maximum=100, default=10), query("after", "string")],
                    envelope(
                        "results",
                        row,
                        paging={
                            "type": "object",
                            "properties": {"next": {"type": "object", "properties": {"after": TEXT, "link": TEXT}}},
                        },
                    ),
                )
            ),
            "3.1.0",
        ),
        _hubspot,
        _ROWS,
        "cursor",
        "ended unproved",  # a short list names no next page, and says nothing of its end
    ),
    "salesforce": Service(
        document(
            _both(lambda row: listing([], envelope("records", row, totalSize=WHOLE, done=_BOOL, nextRecordsUrl=TEXT)))
        ),
        _salesforce,
        _ROWS,
        "next_url",
        base="/services/data",
        is_yaml=True,
    ),
    "spring": Service(
        document(
            _both(
                lambda row: listing(
                    [
                        query("page", minimum=0, default=0),
                        query("size", minimum=1, maximum=2000, default=20),
                        query("sort", "string"),
                    ],
                    envelope(
                        "content", row, totalElements=WHOLE, totalPages=WHOLE, last=_BOOL, number=WHOLE, size=WHOLE
                    ),
                )
            )
        ),
        _spring,
        _ROWS,
        "page",
    ),
    "fastapi": Service(
        document(
            _both(
                lambda row: listing(
                    [_PAGE, _SIZE], envelope("items", row, total=WHOLE, page=WHOLE, size=WHOLE, pages=WHOLE)
                )
            ),
            "3.1.0",
        ),
        _fastapi,
        _ROWS,
        "page",
    ),
    "django": Service(
        document(
            _both(
                lambda row: listing(
                    [query("limit"), query("offset")], envelope("results", row, count=WHOLE, next=_NEXT, previous=_NEXT)
                )
            )
        ),
        _django,
        _ROWS,
        "offset",
        is_yaml=True,
    ),
    "jira": Service(
        document(
            _both(
                lambda row: listing(
                    [query("startAt", default=0), query("maxResults", default=50)],
                    envelope(
                        "issues" if _of(row) == "orders" else "values",
                        row,
                        startAt=WHOLE,
                        maxResults=WHOLE,
                        total=WHOLE,
                    ),
                )
            )
        ),
        _jira,
        _ROWS,
        "offset",
        base="/rest/api/3",
    ),
    "json_api": Service(
        document(
            _both(
                lambda row: listing(
                    [query("page[number]", default=1), query("page[size]", maximum=30, default=10)],
                    envelope("data", _resource(row), links={"type": "object", "properties": {"next": NULLABLE_31}}),
                )
            ),
            "3.1.0",
        ),
        _json_api,
        {"/users": _resources(PEOPLE, "users"), "/orders": _resources(ORDERS, "orders")},
        "next_url",
        "ended",
    ),
    "odata": Service(
        document(
            _both(
                lambda row: listing(
                    [
                        query("$top", minimum=0),
                        query("$skip", minimum=0),
                        query("$filter", "string"),
                        query("$count", "boolean"),
                    ],
                    envelope("value", row, **{"@odata.nextLink": TEXT}),
                )
            )
        ),
        _odata,
        _ROWS,
        "offset",
    ),
    "atlassian": Service(
        document(
            _both(
                lambda row: listing(
                    [query("start", default=0), query("limit", default=25, maximum=100)],
                    envelope("values", row, start=WHOLE, limit=WHOLE, size=WHOLE, isLast=_BOOL),
                )
            )
        ),
        _atlassian,
        _ROWS,
        "offset",
        "ended",
    ),
    "slack": Service(
        document(
            _both(
                lambda row: listing(
                    [query("cursor", "string"), query("limit", maximum=1000)],
                    envelope(
                        "channels" if _of(row) == "orders" else "members",
                        row,
                        ok=_BOOL,
                        response_metadata={"type": "object", "properties": {"next_cursor": TEXT}},
                    ),
                )
            )
        ),
        _slack,
        _ROWS,
        "cursor",
        "ended",
        options=("--bearer-env", "SHOP_TOKEN"),
        headers={"authorization": "Bearer let-me-in"},
    ),
    "shopify": Service(
        document(
            {
                "/users.json": listing([query("limit", maximum=250, default=50)], envelope("users", PERSON), ["Link"]),
                "/orders.json": listing([query("limit", maximum=250, default=50)], envelope("orders", ORDER), ["Link"]),
            }
        ),
        _shopify,
        {"/users.json": PEOPLE, "/orders.json": [*ORDERS, *({**row, "id": row["id"] + 1000} for row in ORDERS)]},
        "link_header",
        "ended",
        base="/admin/api/2026-01",
        options=("--header-env", "X-Access-Token", "SHOP_TOKEN"),
        headers={"x-access-token": "let-me-in"},
    ),
    "nothing": Service(
        document(_both(lambda row: listing([], several(row)))),
        _whole,
        {"/users": PEOPLE, "/orders": ORDERS[:237]},
        "none",
        "ended",
    ),
}


def with_lists_of_users(service: Service) -> Service:
    """The same, where `/users/{id}/orders` answers: user 2 has 130 orders, user 5 is not known, and orders are numbered by user."""
    listed = {
        f"/users/{user['id']}/orders": [
            {key: value for key, value in row.items() if key != "user_id"} for row in ORDERS[: number_of_orders(n)]
        ]
        for n, user in enumerate(PEOPLE, 1)
        if n != 5
    }
    is_json_api = "attributes" in service.rows["/orders"][0]
    own = {path: _resources(rows, "orders") if is_json_api else rows for path, rows in listed.items()}
    return replace(service, rows={**service.rows, **own})


def number_of_orders(user: int) -> int:
    """Orders of a user: none of the first one, and 1, 2 or 3 of most."""
    return {1: 0, 2: 130}.get(user, user % 3 + 1)


ENV = {"SHOP_TOKEN": "let-me-in"}
_OF_NEXT_ADDRESSES = {"start", "page", "per_page", "limit", "offset", "page_info", "$skip", "$top"}


def played(service: Service) -> Callable[[Asked], Answer]:
    """What the service answers. Parameters that its document does not have, or not so, are refused."""
    paths = service.document["paths"]

    def api(asked: Asked) -> Answer:
        path = asked.path.removeprefix(service.base)
        if any(asked.headers.get(name) != value for name, value in service.headers.items()):
            return Answer({"error": "unauthorized"}, 401)
        if path not in service.rows:
            return Answer({"error": "no such path"}, 404)
        shape = re.sub(r"/[0-9]+(?=/|$)", "/{}", path)
        documented = next(one for one in paths if re.sub(r"\{[^}]+\}", "{}", one) == shape)
        known = {one["name"]: one["schema"] for one in map(_resolved, paths[documented]["get"]["parameters"])}
        for name, value in asked.query.items():
            if name not in known and name not in _OF_NEXT_ADDRESSES:
                return Answer({"error": f"unknown parameter {name}"}, 400)
            if int(known.get(name, {}).get("maximum", 10**9)) < (int(value) if value.isdecimal() else 0):
                return Answer({"error": f"{name} is too large"}, 422)
        return service.answer(asked, service.rows[path])

    return api


def _resolved(parameter: Json) -> Json:
    name = parameter.get("$ref", "").rpartition("/")[2]
    found: Json = REFS["components"]["parameters"][name] if name else parameter
    return found


def saved(service: Service, url: str, folder: Path) -> Path:
    """The document of the service as a file, with the address in it."""
    whole = {**service.document, "servers": [{"url": f"{url}{service.base}"}]}
    path = folder / ("openapi.yaml" if service.is_yaml else "openapi.json")
    if service.is_yaml:
        path.write_text(yaml.safe_dump(json.loads(json.dumps(whole)), sort_keys=False), "utf-8")
    else:
        path.write_text(json.dumps(whole), "utf-8")
    return path


@contextmanager
def running(service: Service) -> Any:
    """The address of the service, and the requests that it got."""
    with served(played(service)) as found:
        yield found
