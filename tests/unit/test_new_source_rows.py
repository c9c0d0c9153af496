"""new-source: rows that are the values of an object, rows in wrappers, and ids below the top of a row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.discovery.row_places import items_in, rows_at, wrapper_of
from tests.cookbook_apis import Answer, Asked, Row, served
from tests.documented_apis import ENV, TEXT, WHOLE, Json, document, listing, query, several
from tests.landed_source import landed
from tests.new_sources import source_in, start, written_below, yaml_in

ROWS: list[Row] = [{"name": f"n{n}", "size": n} for n in range(1, 121)]
ROW: Json = {"type": "object", "properties": {"name": TEXT, "size": WHOLE}}
SIZED = [query("page"), query("size", maximum=50)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the job writes."""
    return written_below(tmp_path, monkeypatch)


def paged(around: Callable[[list[Row], int], Any]) -> Callable[[Asked], Answer]:
    """Pages of the rows by their number, each as `around` has its rows and the number of the first of them."""

    def api(asked: Asked) -> Answer:
        page, size = int(asked.query.get("page", "1")), min(int(asked.query.get("size", "20")), 50)
        begin = (page - 1) * size
        return Answer(around(ROWS[begin : begin + size], begin + 1))

    return api


def started(api: Callable[[Asked], Answer], answer: Json | None, folder: Path, *, status: int = 0) -> list[Row]:
    """The rows that land by the YAML of `/things`: of a document with this answer, or of the address alone."""
    with served(api) as (url, _):
        if answer is None:
            said = start("--url", f"{url}/things", status=status)
        else:
            file = folder / "openapi.json"
            file.write_text(json.dumps(document({"/things": listing(SIZED, answer)})), "utf-8")
            said = start("--openapi", str(file), "--api-url", url, status=status)
        assert status or "things: " in said
        return [] if status else landed(yaml_in(folder), folder, ENV)["things"].rows


def by_key(rows: list[Row], first: int) -> Any:
    return {"users": {str(n): row for n, row in enumerate(rows, first)}, "total": 120}


def by_code(rows: list[Row], first: int) -> Any:
    return {"result": {"rates": {f"c{n}": row for n, row in enumerate(rows, first)}}, "total": 120}


def nodes(rows: list[Row], first: int) -> Any:
    return {"edges": [{"cursor": str(n), "node": {"id": n, **row}} for n, row in enumerate(rows, first)], "total": 120}


def wrapped(rows: list[Row], first: int) -> Any:
    return {"data": [{"item-x": {"id": n, **row}} for n, row in enumerate(rows, first)], "total": 120}


MAP: Json = {"type": "object", "additionalProperties": ROW}
WITH_ID: Json = {"type": "object", "properties": {"id": WHOLE, "name": TEXT, "size": WHOLE}}
NODE: Json = {"type": "object", "properties": {"cursor": TEXT, "node": WITH_ID}}


def of(**parts: Json) -> Json:
    return {"type": "object", "properties": {**parts, "total": WHOLE}}


SHAPES: dict[str, tuple[Any, Json, str, str, str | None]] = {
    "by number": (by_key, of(users=MAP), "users.*", "bigint", "key"),
    "by code": (
        by_code,
        of(result={"type": "object", "properties": {"rates": MAP}}),
        "result.rates.*",
        "string",
        "key",
    ),
    "nodes": (nodes, of(edges=several(NODE)), "edges[].node", "bigint", None),
    "wrapped": (
        wrapped,
        of(data=several({"type": "object", "properties": {"item-x": WITH_ID}})),
        'data[]."item-x"',
        "bigint",
        None,
    ),
}


@pytest.mark.parametrize("is_documented", [True, False])
@pytest.mark.parametrize("name", SHAPES)
def test_rows_that_are_no_plain_list_land_whole(name: str, *, is_documented: bool, folder: Path) -> None:
    around, answer, items, kind, value = SHAPES[name]
    rows = started(paged(around), answer if is_documented else None, folder)
    source = source_in(folder)
    table, pagination = source.table("things"), source.api.pagination
    assert (pagination.style, pagination.items, pagination.total) == ("page", items, "total")
    assert [(row["name"], row["size"]) for row in rows] == [(f"n{n}", n) for n in range(1, 121)]
    assert (table.key, table.column("id").type, table.column("id").value) == (("id",), kind, value)
    assert [one.name for one in table.columns] == ["id", "name", "size"]
    why = (
        "the values of an object, each the row of its key"
        if value
        else "each element holds a row, and nothing else that counts"
    )
    assert f"  # {why}" in yaml_in(folder).read_text("utf-8")


@pytest.mark.parametrize("is_documented", [True, False])
def test_nodes_are_followed_by_the_cursor_of_their_page(*, is_documented: bool, folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        begin, size = int(asked.query.get("after", "c0")[1:]), min(int(asked.query.get("first", "20")), 50)
        found = [{"node": {"id": n, **row}} for n, row in enumerate(ROWS, 1)][begin : begin + size]
        page = {"endCursor": f"c{begin + len(found)}", "hasNextPage": begin + size < len(ROWS)}
        return Answer({"edges": found, "pageInfo": page})

    answer = of(edges=several(NODE), pageInfo={"type": "object", "properties": {"endCursor": TEXT, "hasNextPage": {}}})
    file = folder / "openapi.json"
    item = listing([query("first", maximum=50), query("after", "string")], answer)
    file.write_text(json.dumps(document({"/things": item})), "utf-8")
    with served(api) as (url, _):
        start(*(["--openapi", str(file), "--api-url", url] if is_documented else ["--url", f"{url}/things?first=20"]))
        rows = landed(yaml_in(folder), folder, ENV)["things"].rows
    found = source_in(folder).public()["api"]["pagination"]
    assert (found["style"], found["items"], found["next"], found["more"]) == (
        "cursor",
        "edges[].node",
        "pageInfo.endCursor",
        "pageInfo.hasNextPage",
    )
    assert [row["id"] for row in rows] == list(range(1, 121))


def test_a_whole_answer_may_be_the_object_and_its_rows_have_an_id_of_their_own(folder: Path) -> None:
    rows = {f"k{n}": {"id": n, "name": "a"} for n in range(1, 30)}
    found = started(lambda _: Answer(rows), None, folder)
    source = source_in(folder)
    table = source.table("things")
    assert (source.api.pagination.items, source.api.pagination.style) == ("*", "none")
    assert [(one.name, one.type, one.value) for one in table.columns] == [
        ("key", "string", "key"),
        ("id", "bigint", None),
        ("name", "string", None),
    ]
    assert table.key == ("id",)
    assert [row["id"] for row in found] == list(range(1, 30))


def test_values_of_an_object_show_their_keys_in_the_dry_run(folder: Path) -> None:
    with served(lambda _: Answer({"users": {"17": {"size": 3}, "18": {"size": 4}}})) as (url, _):
        said = start("--url", f"{url}/users")
    assert re.search(r"^ *17 +3 *$", said, re.MULTILINE)
    assert re.search(r"^ *18 +4 *$", said, re.MULTILINE)


def test_keys_that_are_personal_are_called_so_and_not_shown(folder: Path) -> None:
    users = {f"ada{n}@h.example": {"size": n} for n in range(1, 4)}
    with served(lambda _: Answer({"users": users})) as (url, _):
        said = start("--url", f"{url}/users")
    column = source_in(folder).table("users").column("id")
    assert (column.value, column.type, column.pii) == ("key", "string", True)
    assert "@h.example" not in said + yaml_in(folder).read_text("utf-8")


def test_rows_by_key_have_lists_of_their_own(folder: Path) -> None:
    answers = {
        "/users": {"users": {"a 1": {"size": 1}, "b/2": {"size": 2}}},
        "/users/a%201/orders": {"orders": {"1": {"sum": 1}, "2": {"sum": 2}}},
        "/users/b%2F2/orders": {"orders": {"1": {"sum": 3}}},
    }
    at = {"name": "id", "in": "path", "required": True, "schema": TEXT}
    number: Json = {"type": "object", "properties": {"sum": WHOLE}}
    paths = {
        "/users": listing([], {"type": "object", "properties": {"users": MAP}}),
        "/users/{id}/orders": listing(
            [at], {"type": "object", "properties": {"orders": {"type": "object", "additionalProperties": number}}}
        ),
    }
    file = folder / "openapi.json"
    file.write_text(json.dumps(document(paths)), "utf-8")
    with served(lambda asked: Answer(answers.get(asked.path, {}), 200 if asked.path in answers else 404)) as (url, _):
        said = start("--openapi", str(file), "--api-url", url)
    table = source_in(folder).table("orders")
    assert (table.path, table.key) == ("/users/{users.id}/orders", ("user_id", "id"))
    assert [(one.name, one.value) for one in table.columns] == [("user_id", "users.id"), ("id", "key"), ("sum", None)]
    assert re.search(r"^ *a 1 +2 +2 *$", said, re.MULTILINE)


NO_ROWS: dict[str, Any] = {
    "two objects of one kind": {"billing": {"city": "a", "zip": "1"}, "shipping": {"city": "b", "zip": "2"}},
    "links": {"_links": {"self": {"href": "/a"}, "next": {"href": "/b"}, "first": {"href": "/c"}}, "size": 1},
    "numbers by key": {"rates": {"EUR1": 1.0, "USD2": 1.2}},
    "parts of another kind": {"a1": {"x": 1}, "meta": {"page": 1}, "links": {"self": 3}},
    "nothing": {"users": {}},
}


@pytest.mark.parametrize("name", NO_ROWS)
def test_objects_that_are_no_rows_by_key(name: str, folder: Path) -> None:
    with served(lambda _: Answer(NO_ROWS[name])) as (url, _):
        said = start("--url", f"{url}/things", status=2)
    assert said.splitlines()[1] == "/things: the answer holds no list of objects"


def test_a_map_of_numbers_in_a_document_is_no_list(folder: Path) -> None:
    numbers: Json = {"type": "object", "additionalProperties": {"type": "number"}}
    file = folder / "openapi.json"
    file.write_text(json.dumps(document({"/rates": listing([], of(rates=numbers))})), "utf-8")
    assert "no path of it gives a list" in start("--openapi", str(file), "--api-url", "http://127.0.0.1:1", status=2)


def test_a_list_goes_before_an_object_and_what_is_near_before_what_is_deep() -> None:
    assert items_in({"a": {"1": {"x": 1}}, "b": [{"x": 1}]}, None, "/things") == "a.*"
    assert items_in({"things": [{"x": 1}], "a": {"1": {"x": 1}}}, None, "/things") == "things"
    assert items_in({"a": {"1": {"tags": [{"x": 1}]}}}, None, "/things") == "a.*"
    assert items_in({"x y": {"1": {"x": 1}}, "a-b": {"1": {"x": 1}}}, None, "/things") == '"a-b".*'


def test_what_the_document_says_is_held_against_the_answer() -> None:
    assert items_in({"edges": [{"id": 1}]}, "edges[].node", "/things") == "edges"
    assert items_in({"edges": []}, "edges[].node", "/things") == "edges[].node"
    assert items_in({"users": [{"id": 1}]}, "users.*", "/users") == "users"
    assert items_in({"users": {}}, "users.*", "/users") == "users.*"


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ([{"node": {"id": 1}}, {"node": {"id": 2}, "cursor": "a"}], "node"),
        ([{"track": {"id": 1}}], "track"),
        ([{"track": {"id": 1}, "added_at": "2026-01-01"}], None),
        ([{"node": {"id": 1}}, {"node": None}], None),
        ([{"node": {"id": 1}}, {}], None),
        ([{"id": 1}], None),
        ([], None),
    ],
)
def test_a_wrapper_has_a_row_and_nothing_else(rows: list[Row], key: str | None) -> None:
    assert wrapper_of(rows) == key


def test_values_of_an_object_know_their_key_and_stay_as_they_are() -> None:
    answer = {"users": {"17": {"a": 1}, "18": None}}
    assert rows_at(answer, "users.*") == [{"a": 1, "\x00key": "17"}]
    assert answer == {"users": {"17": {"a": 1}, "18": None}}
    assert rows_at({"a-b": {"c": {"17": {"a": 1}}}}, '"a-b".c.*') == [{"a": 1, "\x00key": "17"}]


@pytest.mark.parametrize(
    ("ids", "path", "kind"),
    [
        ([{"_id": {"$oid": f"a{n}"}} for n in range(1, 31)], '_id."$oid"', "string"),
        ([{"id": {"value": n}} for n in range(1, 31)], "id.value", "bigint"),
    ],
)
def test_an_id_in_an_object_of_its_own_names_a_row(ids: list[Row], path: str, kind: str, folder: Path) -> None:
    rows = [{**one, "note": "a"} for one in ids]
    found = started(lambda _: Answer({"data": rows}), None, folder)
    table = source_in(folder).table("things")
    [key] = table.key
    assert (table.column(key).path, table.column(key).type) == (path, kind)
    assert found == rows


@pytest.mark.parametrize("other", [{"id": {"value": 1, "unit": "x"}}, {"id": {"number": 2}}, {"id": {"value": [1]}}])
def test_an_id_whose_object_is_not_always_the_same_is_none(other: Row, folder: Path) -> None:
    rows = [{"id": {"value": 7}, "code": "a"}, {**other, "code": "b"}]
    started(lambda _: Answer({"data": rows}), None, folder)
    assert source_in(folder).table("things").key == ("code",)
