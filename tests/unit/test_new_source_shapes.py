"""new-source before APIs whose document says little, nothing, or what is not so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cookbook_apis import Answer, Asked, Row, served
from tests.documented_apis import ENV, TEXT, WHOLE
from tests.landed_source import landed
from tests.new_sources import source_in, start, written_below, yaml_in

ROWS: list[Row] = [{"id": f"u-{n:03}", "kind": "a"} for n in range(1, 231)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the job writes."""
    return written_below(tmp_path, monkeypatch)


def document_in(folder: Path, paths: Mapping[str, Any]) -> str:
    """A document of these paths, each with its parameters and the schema of its answer, or as it is."""
    items = {
        path: {
            "get": {
                "parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in one[0].items()],
                "responses": {"200": {"content": {"application/json": {"schema": one[1]}}}},
            }
        }
        if isinstance(one, tuple)
        else one
        for path, one in paths.items()
    }
    file = folder / "document.json"
    file.write_text(json.dumps({"openapi": "3.0.3", "paths": items}), "utf-8")
    return str(file)


def square(asked: Asked) -> Answer:
    begin, size = int(asked.query.get("cursor", "c0")[1:]), min(int(asked.query.get("limit", "100")), 100)
    more = {"cursor": f"c{begin + size}"} if begin + size < len(ROWS) else {}
    return Answer({"payments": ROWS[begin : begin + size], **more})


def intercom(asked: Asked) -> Answer:
    begin, size = int(asked.query.get("starting_after", "X0")[1:]), min(int(asked.query.get("per_page", "50")), 150)
    after = {"page": 2, "starting_after": f"X{begin + size}"} if begin + size < len(ROWS) else None
    return Answer({"data": ROWS[begin : begin + size], "total_count": len(ROWS), "pages": {"next": after}})


def servicenow(asked: Asked) -> Answer:
    begin, size = int(asked.query.get("sysparm_offset", "0")), int(asked.query.get("sysparm_limit", "100"))
    rows = [{"number": "INC1", "sys_id": row["id"]} for row in ROWS[begin : begin + size]]
    return Answer({"result": rows}, headers={"X-Total-Count": str(len(ROWS))})


def ckan(asked: Asked) -> Answer:
    begin, size = int(asked.query.get("start", "0")), int(asked.query.get("rows", "10"))
    return Answer({"success": True, "result": {"count": len(ROWS), "results": ROWS[begin : begin + size]}})


def named_as_nobody_names_it(asked: Asked) -> Answer:
    begin = int(asked.query.get("pos", "0"))
    more = f"/list?pos={begin + 50}" if begin + 50 < len(ROWS) else None
    return Answer({"rows": ROWS[begin : begin + 50], "paging": {"self_url": "/list?pos=0", "more_url": more}})


def airtable(asked: Asked) -> Answer:
    begin, size = int(asked.query.get("offset", "itr0")[3:]), min(int(asked.query.get("pageSize", "100")), 100)
    more = {"offset": f"itr{begin + size}"} if begin + size < len(ROWS) else {}
    return Answer({"records": ROWS[begin : begin + size], **more})


def in_brackets(asked: Asked) -> Answer:
    page, size = int(asked.query.get("page[number]", "1")), int(asked.query.get("page[size]", "20"))
    return Answer({"data": ROWS[(page - 1) * size : page * size], "meta": {"total": 230}, "x[y]": 230, "next[0]": None})


LIST = {"type": "object", "properties": {"payments": {"type": "array", "items": {"properties": {"id": TEXT}}}}}
SHAPES: dict[str, tuple[Callable[[Asked], Answer], tuple[Any, Any] | None, str, str]] = {
    "square": (square, ({"cursor": TEXT, "limit": WHOLE}, LIST), "cursor", "payments"),
    "square without a document": (square, None, "cursor", "payments"),
    "intercom": (intercom, ({"starting_after": TEXT, "per_page": WHOLE}, {}), "cursor", "data"),
    "intercom without a document": (intercom, None, "cursor", "data"),
    "servicenow": (servicenow, ({"sysparm_offset": WHOLE, "sysparm_limit": WHOLE}, {}), "offset", "result"),
    "ckan": (ckan, ({"start": WHOLE, "rows": WHOLE}, {"type": "object"}), "offset", "result.results"),
    "ckan without a document": (ckan, None, "offset", "result.results"),
    "airtable": (airtable, ({"offset": TEXT, "pageSize": WHOLE}, {}), "cursor", "records"),
    "airtable without a document": (airtable, None, "cursor", "records"),
    "brackets": (in_brackets, ({"page[number]": WHOLE, "page[size]": WHOLE}, {}), "page", "data"),
    "another name": (named_as_nobody_names_it, ({"pos": WHOLE}, {}), "next_url", "rows"),
    "another name without a document": (named_as_nobody_names_it, None, "next_url", "rows"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_row_lands_where_the_document_says_little(name: str, folder: Path) -> None:
    api, document, style, items = SHAPES[name]
    with served(api) as (url, _):
        if document is None:
            start("--url", f"{url}/list")
        else:
            start("--openapi", document_in(folder, {"/list": document}), "--api-url", url)
        pages = source_in(folder).api.pagination
        table = landed(yaml_in(folder), folder, ENV)["list"]
    assert (pages.style, pages.items) == (style, items)
    assert len({row.get("id") or row["sys_id"] for row in table.rows}) == len(table.rows) == 230
    assert source_in(folder).table("list").key == (("sys_id",) if name == "servicenow" else ("id",))


def test_parameters_of_pages_in_an_address_are_taken_as_the_names_that_the_source_knows(folder: Path) -> None:
    with served(servicenow) as (url, _):
        start("--url", f"{url}/list?sysparm_limit=5&sysparm_offset=20")
        assert len(landed(yaml_in(folder), folder, ENV)["list"].rows) == 230
    assert dict(source_in(folder).table("list").params) == {}


def test_an_address_keeps_its_last_slash(folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        return ckan(asked) if asked.path == "/v2/things/" else Answer({}, status=404)

    with served(api) as (url, _):
        start("--url", f"{url}/v2/things/")
    assert (source_in(folder).api.url, source_in(folder).table("things").path) == (f"{url}/v2", "/things/")


def first_rows(asked: Asked) -> Answer:
    return Answer(ROWS[: int(asked.query.get("limit", "20"))])


@pytest.mark.parametrize("is_documented", [True, False])
def test_a_list_that_takes_a_size_and_nothing_more_is_not_called_whole(*, is_documented: bool, folder: Path) -> None:
    row = {"type": "array", "items": {"type": "object", "properties": {"id": TEXT}}}
    with served(first_rows) as (url, _):
        words = ["--openapi", document_in(folder, {"/list": ({"limit": WHOLE}, row)}), "--api-url", url]
        said = start(*(words if is_documented else ["--url", f"{url}/list"]), status=4)
    assert said == (
        "The files are written, and do not fit the API yet; change what these lines name:\n"
        "list: its only answer has 20 rows, and with limit=100 it has 100; nothing was found that asks for the rows behind them, "
        "so write pagination: of the table by hand"
    )
    assert "  # Not proved by its first two pages: its only answer has 20 rows" in yaml_in(folder).read_text("utf-8")


def test_halves_that_end_before_the_whole_contradict_it(folder: Path) -> None:
    rows = ROWS[:37]

    def api(asked: Asked) -> Answer:
        found = [] if "after" in asked.query else rows[: int(asked.query.get("limit", "20"))]
        return Answer({"data": found})

    with served(api) as (url, _):
        document = document_in(folder, {"/list": ({"limit": WHOLE, "after": TEXT}, {})})
        said = start("--openapi", document, "--api-url", url, status=4)
    assert said.splitlines()[1] == (
        "list: one page holds all 37 rows, and in pages of 19 they end after 19: does the source take api.pagination.after_param?"
    )


def test_a_document_whose_paths_are_in_other_files_is_told_to_be_made_one(folder: Path) -> None:
    document = document_in(folder, {"/a": {"$ref": "./a.yaml"}, "/b": {"get": {"$ref": "paths/b.yaml#/get"}}})
    assert start("--openapi", document, "--api-url", "http://127.0.0.1:1", status=2) == (
        f"{document}: its paths are in other files, such as ./a.yaml, and only one is read; make one document of them first, with "
        "a tool such as redocly bundle"
    )


def test_a_list_in_another_file_is_named_and_a_schema_there_is_made_up_for_by_the_rows(folder: Path) -> None:
    answer = {"$ref": "./answers.yaml#/List"}
    with served(lambda _: Answer({"data": ROWS[:37]})) as (url, _):
        start(
            "--openapi",
            document_in(
                folder, {"/list": ({}, answer), "/other": {"$ref": "https://me:s3cret@h.example/b.yaml?key=s3cret#/x"}}
            ),
            "--api-url",
            url,
        )
    lines = yaml_in(folder).read_text("utf-8").splitlines()
    assert lines[-2:] == [
        "# Lists that are left out:",
        "#   /other: it is in https://h.example/b.yaml, and only the document itself is read",
    ]
    assert [(one.name, one.type) for one in source_in(folder).table("list").columns] == [
        ("id", "string"),
        ("kind", "string"),
    ]


def test_what_the_document_says_nothing_of_is_a_list_if_its_answer_is_one(folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        return Answer(ROWS[:37] if asked.path == "/list" else {"status": "up"})

    with served(api) as (url, _):
        start("--openapi", document_in(folder, {"/list": ({}, {}), "/health": ({}, {})}), "--api-url", url)
    assert [one.path for one in source_in(folder).tables] == ["/list"]
    assert yaml_in(folder).read_text("utf-8").splitlines()[-1] == "#   /health: the answer holds no list of objects"


def test_one_thing_with_a_list_among_what_it_has_is_no_list(folder: Path) -> None:
    cards = {"type": "object", "properties": {"data": {"type": "array", "items": {"properties": {"id": TEXT}}}}}
    account = {"type": "object", "properties": {"id": TEXT, "cards": cards}}
    with served(lambda _: Answer({"data": ROWS[:37]})) as (url, _):
        document = document_in(folder, {"/account": ({}, account), "/list": ({}, cards)})
        start("--openapi", document, "--api-url", url)
    assert [one.path for one in source_in(folder).tables] == ["/list"]


def test_descriptions_are_sentences_without_tags(folder: Path) -> None:
    long = "word " * 40
    about = {"id": "<b>Its name</b> (e.g. <i>u-1</i>). More.", "kind": f"{long}. More."}
    row = {"type": "object", "properties": {key: {"type": "string", "description": one} for key, one in about.items()}}
    document = document_in(folder, {"/list": ({}, {"type": "array", "items": row})})
    said = json.loads(Path(document).read_text("utf-8"))
    said["paths"]["/list"]["get"]["summary"] = "<p>All   of them.</p>"
    Path(document).write_text(json.dumps(said), "utf-8")
    with served(lambda _: Answer(ROWS[:37])) as (url, _):
        start("--openapi", document, "--api-url", url)
    assert "  # All of them." in yaml_in(folder).read_text("utf-8").splitlines()
    columns = source_in(folder).table("list").columns
    assert [one.description for one in columns] == ["Its name (e.g. u-1 )", f"{long[:157]}..."]


def asana(asked: Asked) -> Answer:
    begin, size = int(asked.query.get("offset", "t0")[1:]), int(asked.query.get("limit", "20"))
    after = {"offset": f"t{begin + size}", "path": f"/list?offset=t{begin + size}"} if begin + size < 230 else None
    return Answer({"data": ROWS[begin : begin + size], "next_page": after})


def test_an_offset_that_is_a_token_is_a_cursor(folder: Path) -> None:
    document = document_in(folder, {"/list": ({"limit": WHOLE, "offset": TEXT}, {})})
    with served(asana) as (url, _):
        start("--openapi", document, "--api-url", url)
        assert len(landed(yaml_in(folder), folder, ENV)["list"].rows) == 230
    assert source_in(folder).public()["api"]["pagination"]["cursor_param"] == "offset"


def test_numbers_of_pages_that_the_document_calls_text(folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        page, size = int(asked.query.get("page", "1")), int(asked.query.get("count", "20"))
        return Answer({"files": ROWS[(page - 1) * size : page * size], "paging": {"total": 230}})

    document = document_in(folder, {"/list": ({"count": TEXT, "page": TEXT, "from": TEXT}, {})})
    with served(api) as (url, _):
        start("--openapi", document, "--api-url", url)
        assert len(landed(yaml_in(folder), folder, ENV)["list"].rows) == 230


def test_a_value_that_every_list_needs_is_taken_from_the_environment(folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        is_right = asked.headers["x-tenant"] == "let-me-in" and asked.query["team"] == "let-me-in"
        return Answer(ROWS[:37]) if is_right else Answer({}, status=400)

    document = document_in(folder, {"/list": ({}, {})})
    said = json.loads(Path(document).read_text("utf-8"))
    said["paths"]["/list"]["get"]["parameters"] = [
        {"name": "X-Tenant", "in": "header", "required": True, "schema": TEXT},
        {"name": "team", "in": "query", "required": True, "schema": TEXT},
    ]
    Path(document).write_text(json.dumps(said), "utf-8")
    with served(api) as (url, log):
        words = ["--openapi", document, "--api-url", url]
        assert start(*words, status=2).splitlines()[1] == (
            "/list: needs a value that the document does not say: X-Tenant, team; give it with --header-env X-Tenant NAME "
            "--query-env team NAME, or write the table by hand"
        )
        assert not log
        start(*words, "--header-env", "x-tenant", "SHOP_TOKEN", "--query-env", "team", "SHOP_TOKEN")
    assert [one.path for one in source_in(folder).tables] == ["/list"]
    assert "let-me-in" not in yaml_in(folder).read_text("utf-8")


def test_attributes_of_json_api_are_found_under_keys_of_any_signs(folder: Path) -> None:
    rows = [{"id": str(n), "type": "x", "attributes": {"first-name": "a", 'a "b': n}} for n in range(1, 38)]
    with served(lambda _: Answer({"data": rows})) as (url, _):
        said = start("--url", f"{url}/list")
    table = source_in(folder).table("list")
    assert [table.column(name).steps for name in ("first_name", "a_b")] == [
        ("attributes", "first-name"),
        ("attributes", 'a "b'),
    ]
    assert re.search(r"^1 +x +\*\*\* +1$", said, re.MULTILINE)
