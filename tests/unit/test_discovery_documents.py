"""OpenAPI documents as they come: other formats, damage, circles, and texts that are meant to do harm."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config import parse_ddl
from lib.discovery.columns import columns_of
from lib.discovery.credentials import Given, check_needed
from lib.discovery.document import Document, read_document
from lib.discovery.endpoints import lists_of, table_name
from lib.discovery.identity import key_of
from lib.discovery.kinds import of_schema
from lib.discovery.parent_tables import parent_of
from lib.discovery.schemas import schema_of
from lib.discovery.signs import signs_of_schema
from lib.discovery.written import remark, text
from lib.errors import ConfigError, SourceError
from lib.quality.suites import check_personal, read_suite_files
from tests.cookbook_apis import Answer, Asked, served
from tests.documented_apis import ORDER, PERSON, SERVICES, document, envelope, listing, query, several
from tests.new_sources import source_in, start, written_below, yaml_in


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the job writes."""
    return written_below(tmp_path, monkeypatch)


def saved(below: Path, content: str | bytes, name: str = "doc") -> str:
    path = below / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty; an OpenAPI document was expected"),
        (
            "<!doctype html><html></html>",
            "this is HTML or XML, such as a page about the API; name the OpenAPI document that the page loads, often /openapi.json "
            "or /v3/api-docs",
        ),
        (
            '{"swagger": "2.0", "paths": {"/x": {}}}',
            "Swagger 2.0, and OpenAPI 3.0 or 3.1 was expected; convert it first, with a tool such as swagger2openapi or "
            "editor.swagger.io",
        ),
        ("openapi: 4.0.0\npaths: {/x: {}}", "no OpenAPI 3 document: it does not begin with openapi: 3.0 or 3.1"),
        ('{"hello": 1}', "no OpenAPI 3 document: it does not begin with openapi: 3.0 or 3.1"),
        ("openapi: 3.0.0", "the document has no paths, so there is nothing to copy"),
        ("openapi: 3.0.0\npaths: [1]", "the document has no paths, so there is nothing to copy"),
        ("[1, 2]", "no OpenAPI document: there is no mapping at its root"),
        ("just words", "no OpenAPI document: there is no mapping at its root"),
        (b"openapi: \xff", "not UTF-8, so no OpenAPI document"),
        ("[" * 100_000, "no JSON that can be read, or nested too deeply"),
        ("a: &a [*a]\nopenapi: 3.0.0", "no YAML that can be read, or nested too deeply"),
        (LAUGHS, "no OpenAPI 3 document: it does not begin with openapi: 3.0 or 3.1"),
        (
            "!!python/object/apply:os.system ['touch never']",
            "no OpenAPI document: there is no mapping at its root",
        ),
    ],
    ids=str,
)
def test_what_is_no_document_is_told(content: str | bytes, said: str, tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(ConfigError) as error:
        read_document(path)
    assert str(error.value) in (f"{path}: {said}", f"{path}:1: {said}", f"{path}:1: neither JSON nor YAML")


def test_a_mistake_in_yaml_has_its_line_and_shows_nothing_of_it(tmp_path: Path) -> None:
    path = saved(tmp_path, "openapi: 3.0.0\npaths:\n  s3cret: [\n}")
    with pytest.raises(ConfigError, match=f"^{path}:4: no YAML that can be read, or nested too deeply$"):
        read_document(path)


@pytest.mark.parametrize(("place", "said"), [("nowhere.json", "there is no such file"), (".", "is not a file")])
def test_a_file_that_is_none(place: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^--openapi {place}: {said}; name an OpenAPI document, or its http"):
        read_document(place)


def test_a_document_that_its_server_does_not_give_is_told() -> None:
    with served(lambda _: Answer({}, 404)) as (url, _), pytest.raises(SourceError) as error:
        read_document(f"{url}/openapi.json")
    assert str(error.value) == (
        f"{url}/openapi.json: status 404: a JSON object without keys (2 bytes). If the document is not open to everybody, save it "
        "and name the file"
    )


def test_a_document_is_not_followed_to_another_host() -> None:
    with served(lambda _: Answer({})) as (other, asked):
        with (
            served(lambda _: Answer({}, 302, {"Location": f"{other}/x"})) as (url, _),
            pytest.raises(SourceError) as error,
        ):
            read_document(f"{url}/openapi.json")
        assert "is another server than" in str(error.value)
        assert not asked


def test_yaml_aliases_and_numbers_as_keys_are_read(tmp_path: Path) -> None:
    written = """
openapi: 3.1.0
x-row: &row {type: object, properties: {id: {type: integer}, on: {type: string}}}
paths:
  /orders:
    get:
      responses:
        200: {content: {application/json: {schema: {type: array, items: *row}}}}
"""
    (one,) = lists_of(read_document(saved(tmp_path, written))).tables
    assert (one.table, one.items) == ("orders", "$")
    assert list(one.row["properties"]) == ["id", "on"]


def doc(**schemas: Any) -> Document:
    return Document({"components": {"schemas": schemas}}, "doc")


REF = "#/components/schemas/"


def test_schemas_are_joined_over_references_and_choices() -> None:
    base = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    whole = {"allOf": [{"$ref": f"{REF}Base"}, {"required": ["b"], "properties": {"b": {"type": "string"}}}]}
    found = schema_of(doc(Base=base), whole)
    assert (found.kind, list(found.properties), found.required) == ("object", ["id", "b"], {"id", "b"})
    either = {"oneOf": [{"$ref": f"{REF}Base"}, {"properties": {"c": {}}, "required": ["c"]}]}
    found = schema_of(doc(Base=base), either)
    assert (sorted(found.properties), found.required) == (["c", "id"], frozenset())


@pytest.mark.parametrize(
    "node",
    [
        {"type": "string", "nullable": True},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"$ref": f"{REF}Text"}]},
        {"type": "string", "enum": ["a", None]},
    ],
)
def test_a_null_is_found_in_both_versions(node: Mapping[str, Any]) -> None:
    found = schema_of(doc(Text={"type": "string"}), node)
    assert (found.kind, found.is_nullable) == ("string", True)


def test_circles_and_references_to_elsewhere_lead_to_nothing() -> None:
    circles = doc(A={"$ref": f"{REF}B"}, B={"$ref": f"{REF}A"}, Tree={"properties": {"of": {"$ref": f"{REF}Tree"}}})
    assert schema_of(circles, {"$ref": f"{REF}A"}).kinds == ()
    assert schema_of(circles, {"$ref": f"{REF}Tree"}).kind == "object"
    assert schema_of(circles, {"$ref": "https://other.example/x.json#/Y"}).kinds == ()
    assert schema_of(circles, {"$ref": "../../etc/passwd"}).kinds == ()
    assert schema_of(circles, {"allOf": [{"$ref": f"{REF}A"}] * 3, "type": "string"}).kind == "string"


def test_schemas_that_name_each_other_without_end_are_joined_once() -> None:
    wide = {"allOf": [{"$ref": f"{REF}Wide"}] * 10, "properties": {"id": {}}}
    assert list(schema_of(doc(Wide=wide), wide).properties) == ["id"]


def test_a_document_that_takes_too_long_is_left() -> None:
    wide = {"allOf": [{"title": str(n)} for n in range(100)]}
    tired = Document({}, "doc", _looks=2_999_950)
    with pytest.raises(
        ConfigError, match=r"^doc: its schemas hold more than can be read; name fewer lists with --tables$"
    ):
        schema_of(tired, wide)


def test_a_type_of_more_parts_than_a_column_has_is_none() -> None:
    names = [f"S{n}" for n in range(40)]
    all_of_all = {
        name: {"type": "object", "properties": {one: {"$ref": f"{REF}{one}"} for one in names}} for name in names
    }
    assert of_schema(doc(**all_of_all), {"$ref": f"{REF}S0"}) is None
    assert of_schema(doc(), {"properties": {"a": {"$ref": {}}, "b": {"$ref": [1]}}}) is None
    loop = {"type": "object", "properties": {"id": {"type": "integer"}, "of": {"$ref": f"{REF}Loop"}}}
    assert of_schema(doc(Loop=loop), {"$ref": f"{REF}Loop"}) == parse_ddl("struct<id: bigint>")


@pytest.mark.parametrize(
    ("servers", "url", "expected"),
    [
        ([{"url": "https://api.example/v1/"}], None, "https://api.example/v1"),
        (
            [
                {
                    "url": "https://{region}.api.example:{port}/v1",
                    "variables": {"region": {"default": "eu"}, "port": {"default": 8443}},
                }
            ],
            None,
            "https://eu.api.example:8443/v1",
        ),
        ([{"url": "/v2"}], "https://docs.example/x/openapi.json", "https://docs.example/v2"),
        ([{"url": "../v2"}], "https://docs.example/a/b/openapi.json", "https://docs.example/a/v2"),
        ([{"url": "/v2"}], None, None),
        ([], None, None),
        (None, "https://docs.example/a/openapi.json", "https://docs.example"),
        ("nonsense", None, None),
    ],
)
def test_the_server_of_a_document(servers: Any, url: str | None, expected: str | None) -> None:
    assert Document({"servers": servers}, "doc", url).server() == expected


def test_a_server_that_can_be_none_is_told() -> None:
    with pytest.raises(
        ConfigError, match=r"^doc: servers\[0\].url must start with http:// or https://; name the address"
    ):
        Document({"servers": [{"url": "javascript://x/%0aalert(1)"}]}, "doc").server()


def lists(paths: Mapping[str, Any], **more: Any) -> list[tuple[str, str, str | None]]:
    found = lists_of(Document(document(dict(paths), **more), "doc"))
    return [(one.table, one.path, one.items) for one in found.tables]


def test_lists_are_told_from_single_things_and_named_by_their_paths() -> None:
    size = [query("limit")]
    nested = {"type": "object", "properties": {"result": envelope("orders", ORDER), "errors": several(PERSON)}}
    assert lists(
        {
            "/v1/orders": listing(size, several(ORDER)),
            "/v1/archive/orders": listing(size, several(ORDER)),
            "/OrderLines.json": listing(size, envelope("lines", ORDER)),
            "/search": listing(size, nested),
            "/me": listing([], {"type": "object", "properties": {"id": {}, "roles": several(PERSON)}}),
            "/tags": listing(size, several({"type": "string"})),
            "/health": listing([], {"type": "object", "properties": {"ok": {"type": "boolean"}}}),
            "/listens": listing(size, several(ORDER)),
            "/2024": listing(size, several(ORDER)),
            "x": listing(size, several(ORDER)),
        }
    ) == [
        ("orders", "/v1/orders", "$"),
        ("archive_orders", "/v1/archive/orders", "$"),
        ("order_lines", "/OrderLines.json", "lines"),
        ("search", "/search", "result.orders"),
        ("listens_rows", "/listens", "$"),
        ("t_2024", "/2024", "$"),
    ]


def test_a_document_without_lists_is_told() -> None:
    with pytest.raises(ConfigError) as error:
        lists({"/users/{id}/orders": listing([], several(ORDER)), "/me": listing([], PERSON)})
    assert str(error.value) == (
        "doc: no path of it gives a list: there is no GET without {placeholders} whose answer is an array of objects, or an object "
        "with one"
    )


def test_parameters_of_an_operation_go_before_those_of_its_path() -> None:
    item = listing([query("limit", maximum=20), query("kind", "string") | {"required": True}], several(ORDER))
    item["parameters"] = [query("limit", maximum=500), query("v", "string", default="2") | {"required": True}]
    (one,) = lists_of(Document(document({"/orders": item}), "doc")).tables
    assert one.queries["limit"].schema.maximum == 20
    assert (one.fixed, one.needs) == ({"v": "2"}, ("kind",))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("orders", "orders"),
        ("yes", '"yes"'),
        ("null", '"null"'),
        ("a: b #c", '"a: b #c"'),
        ('"\\', '"\\"\\\\"'),
        ("a\nkey: 1", '"a\\U0000000Akey: 1"'),
        ("\u2028\u202e", '"\\U00002028\\U0000202E"'),
        ("${SECRET}", '"${SECRET}"'),
        ("1e5", '"1e5"'),
        ("page[number]", '"page[number]"'),
        (None, "null"),
        (True, "true"),
        (7, "7"),
    ],
)
def test_values_are_escaped(value: Any, written: str) -> None:
    assert text(value) == written


def test_a_comment_is_one_line() -> None:
    assert remark("a\n  b\r\x1b[31m\u2028c") == "a b [31m c"
    assert len(remark("x" * 500)) == 160


def test_table_names() -> None:
    assert [table_name(one) for one in ("OrderLines", "order-lines.json", "Ärger", "42", "a__b", "x" * 300)] == [
        "order_lines", "order_lines", "rger", "t_42", "a_b", "x" * 100
    ]  # fmt: skip


EVIL = 'x"\n    key: [evil]\n#: {a: "b", ${SHOP_TOKEN} %s {{7*7}} \u202e\x1b[31m \'; DROP TABLE x; --'


def test_a_document_that_means_harm_is_written_as_text_alone(folder: Path) -> None:
    properties = {
        "id": {"type": "integer", "description": EVIL},
        EVIL: {"type": "string", "description": EVIL},
        "select * from x": {"type": "string"},
        "__class__": {"type": "string"},
        "_row_hash": {"type": "string"},
        "kind": {"type": "string", "enum": [EVIL, "$PARAMETER", "${SHOP_TOKEN}"], "description": "${SHOP_TOKEN}"},
        "many": {"type": "string", "enum": [f"v{n}" for n in range(100_000)]},
    }
    row = {"type": "object", "required": ["id"], "properties": properties}
    item = listing(
        [query("limit"), query(EVIL), query("mode", "string", default=EVIL) | {"required": True}], several(row)
    )
    item["get"]["summary"] = EVIL
    bad = listing([query("limit")], several(row))
    good = listing([query("limit"), query("offset")], several(row))
    good["get"]["summary"] = EVIL
    whole = document(
        {f"/{EVIL}": item, "/a b": bad, "/../../etc": bad, "//other.example/x": bad, "/good": good}, title=EVIL
    )
    rows = [
        {name: f"{EVIL}{n}" for name in properties} | {"id": n, "kind": "$PARAMETER", "many": "v1"} for n in range(5)
    ]

    def api(asked: Asked) -> Answer:
        start_, size = int(asked.query.get("offset", 0)), int(asked.query.get("limit", 100))
        return Answer(rows[start_ : start_ + size] if asked.path == "/good" else [])

    with served(api) as (url, log):
        whole["servers"] = [{"url": url}]
        said = start("--openapi", saved(folder, json.dumps(whole)))
    source = source_in(folder)
    assert {asked.path for asked in log} == {"/good"}
    (table,) = source.tables
    assert (table.name, table.key, table.path) == ("good", ("id",), "/good")
    assert {column.name: column.json_key for column in table.columns}["select_from_x"] == "select * from x"
    assert {column.name: column.json_key for column in table.columns}["row_hash"] == "_row_hash"
    assert EVIL not in [column.json_key for column in table.columns]
    written = yaml_in(folder).read_text("utf-8")
    assert "let-me-in" not in written + said
    assert all(sign.isprintable() or sign == "\n" for sign in written)
    assert "evil]" not in [line.strip() for line in written.splitlines()]
    suites = read_suite_files(folder / "expectations" / "shop", ("good",))
    check_personal(source, suites)
    assert [one["kwargs"]["value_set"] for one in suites["good"]["expectations"]] == [
        [EVIL, "$PARAMETER", "${SHOP_TOKEN}"]
    ]


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=5), st.just([]), st.just({}),
    st.just([None, 5, {}]), st.just({"$ref": "#"}), st.just({"$ref": "#/paths"}), st.just({"type": ["x", None]}),
)  # fmt: skip


@given(st.data())
def test_damage_anywhere_in_a_document_is_a_sentence_or_nothing(data: st.DataObject) -> None:
    service = SERVICES[data.draw(st.sampled_from(["stripe", "spring"]))]
    found = json.loads(json.dumps({**service.document, "security": [{"a": []}], "servers": [{"url": "/v1"}]}))
    for _ in range(3):
        at: Any = found
        while True:
            keys: list[Any] = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and data.draw(st.integers(0, 3)):
                at = at[key]
                continue
            at[key] = deepcopy(data.draw(JUNK))  # the next one may go into it
            break
    damaged = Document(found, "doc", "https://docs.example/openapi.json")
    with suppress(ConfigError):
        damaged.server()
    with suppress(ConfigError):
        lists = lists_of(damaged)
        tables = lists.tables
        for child in lists.children:
            with suppress(SourceError):
                parent_of(child, [])
        for one in (*tables, *lists.children):
            columns = columns_of(damaged, one.row, [], one.table)
            key_of(columns.found, [], one.table)
            signs_of_schema(damaged, one.answer, one.items or "$")
        check_needed(damaged, tables, Given())


def test_a_large_document_is_read_in_time(tmp_path: Path) -> None:
    service = SERVICES["stripe"].document
    paths = {f"/v1/list_{n}": service["paths"]["/v1/orders"] for n in range(400)}
    path = saved(tmp_path, json.dumps({**service, "paths": paths}))
    began = time.monotonic()
    assert len(lists_of(read_document(path)).tables) == 400
    assert time.monotonic() - began < 30
