"""`method`, `json` and `form`: what the YAML may say of a POST, and what is a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.config import Source, load_source
from lib.config.bodies import body_of, method_of
from lib.errors import ConfigError

REPO = Path(__file__).parents[2]
ENV = {"SHOP_KEY": "s3cret value", "PARTNER": "p4rtner"}
WRITTEN_OUT = 'a secret must not be written out: write "${ENV_NAME}" and put the value in that environment variable'
CURSOR = "pagination: {style: cursor, cursor_param: 'body:variables.after', size_param: 'body:variables.first'}"
PAGES = "pagination: {page_param: 'body:page', size_param: 'body:size'}"


def load(tmp_path: Path, api: str, table: str = "", overrides: tuple[str, ...] = (), **env: str) -> Source:
    path = tmp_path / "shop.yml"
    path.write_text(
        f"source: shop\napi:\n  url: http://h\n  {api}\ntables:\n  orders:\n    path: /orders\n    key: [id]\n"
        f"    columns: {{id: bigint!}}\n    {table}\n",
        "utf-8",
    )
    return load_source(str(path), overrides=overrides, conf_dir=tmp_path, env={**ENV, **env})


def mistakes(tmp_path: Path, api: str, table: str = "") -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, api, table)
    return [line.removeprefix(f"{tmp_path}/shop.yml") for line in str(raised.value).splitlines()]


def test_a_body_may_be_nested_and_hold_every_kind_of_value(tmp_path: Path) -> None:
    written = """method: post
  json:
    query: |
      query ($after: String) {
        orders { id }
      }
    variables: {first: 100, ratio: 1.5, all: true, none: null, big: 123456789012345678901, sort: [{id: asc}], key: "${SHOP_KEY}"}"""
    source = load(tmp_path, written)
    body = body_of(source.api, source.table("orders"))
    assert body is not None
    assert (body.kind, body.where) == ("json", ("api", "json"))
    shown = source.public()["api"]["json"]
    assert shown["query"] == "query ($after: String) {\n  orders { id }\n}\n"
    assert shown["variables"] == {
        "first": 100, "ratio": 1.5, "all": True, "none": None, "big": 123456789012345678901, "sort": [{"id": "asc"}],
        "key": "***",
    }  # fmt: skip
    assert body.content["variables"]["key"].get_secret_value() == "s3cret value"
    assert "s3cret" not in repr(source) + json.dumps(source.public())


def test_a_table_has_its_own_method_and_body_and_takes_nothing_of_the_other_body(tmp_path: Path) -> None:
    posts = "method: post\n  json: {a: 1, b: 2}"
    source = load(tmp_path, posts, "form: {c: 3}")
    body = body_of(source.api, source.table("orders"))
    assert body is not None
    assert (body.kind, body.where, body.content) == ("form", ("tables", "orders", "form"), {"c": "3"})
    reads = load(tmp_path, posts, "method: get")
    assert method_of(reads.api, reads.table("orders")) == "get"
    assert body_of(reads.api, reads.table("orders")) is None
    alone = load(tmp_path, "json: {a: 1}", "method: post")
    own = body_of(alone.api, alone.table("orders"))
    assert own is not None
    assert own.content == {"a": 1}
    plain = load(tmp_path, "method: post")
    assert body_of(plain.api, plain.table("orders")) is None


def test_they_count_in_the_hash_of_the_settings_and_secrets_do_not(tmp_path: Path) -> None:
    plain = load(tmp_path, "method: get").settings_hash
    post = load(tmp_path, "method: post").settings_hash
    body = load(tmp_path, "method: post\n  json: {a: {b: 1}}").settings_hash
    other = load(tmp_path, "method: post\n  json: {a: {b: 2}}").settings_hash
    own = load(tmp_path, "method: post", "json: {a: {b: 2}}").settings_hash
    assert len({plain, post, body, other, own}) == 5
    one = load(tmp_path, 'method: post\n  json: {a: ["${SHOP_KEY}"]}').settings_hash
    assert one == load(tmp_path, 'method: post\n  json: {a: ["${PARTNER}"]}').settings_hash
    form = load(tmp_path, 'method: post\n  form: {k: "${SHOP_KEY}"}').settings_hash
    assert form == load(tmp_path, 'method: post\n  form: {k: "${PARTNER}"}').settings_hash


def test_the_example_of_the_docs_is_good(tmp_path: Path) -> None:
    page = (REPO / "docs" / "configuration.md").read_text("utf-8").partition("### Pages asked for by POST\n")[2]
    example = page.partition("\n    api:\n")[2].partition("\n`json` is a mapping")[0]
    text = "source: shop\napi:\n" + "".join(f"{line[4:]}\n" for line in example.splitlines())
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    source = load_source(str(tmp_path / "shop.yml"), conf_dir=REPO / "conf", env=ENV)
    bodies = [body_of(source.api, table) for table in source.tables]
    assert [body and body.kind for body in bodies] == ["json", "json"]
    assert [source.pagination_of(table).style for table in source.tables] == ["keyset", "cursor"]


def test_set_changes_what_is_in_a_body(tmp_path: Path) -> None:
    overrides = ("api.json.variables.state=open", "api.json.ids.1=7")
    source = load(tmp_path, "method: post\n  json: {variables: {state: all}, ids: [1, 2]}", overrides=overrides)
    assert source.api.json_body == {"variables": {"state": "open"}, "ids": [1, 7]}
    whole = load(tmp_path, "method: post", overrides=("tables.orders.form.filter.by=3",))
    assert whole.table("orders").form == {"filter.by": "3"}


@pytest.mark.parametrize(
    ("api", "table", "messages"),
    [
        ("method: put", "", [":4: api.method: must be 'get' or 'post'"]),
        ("method: post\n  json: [1]", "", [":5: api.json: must be a mapping (key: value)"]),
        (
            "method: post\n  json: {a: 1}\n  form: {b: 2}",
            "",
            [":6: api.form: cannot go with json; a request has one body, so leave one of them out"],
        ),
        ("json: {a: 1}", "", [":4: api.json: is the body of a POST, and the method is get; write method: post beside it"]),
        (
            "method: post",
            "method: get\n    form: {a: 1}",
            [":11: tables.orders.form: is the body of a POST, and the method is get; write method: post beside it"],
        ),
        (
            "method: post\n  json:\n    a:\n      - pwd: s3cret\n      - b: x${SHOP_KEY}\n      - c: ${NOPE}\n      - d: .inf",
            "",
            [
                f":7: api.json.a.0.pwd: {WRITTEN_OUT}",
                ':8: api.json.a.1.b: must be "${ENV_NAME}" alone, with nothing before or after it',
                ":9: api.json.a.2.c: the environment variable NOPE is not set or is empty",
                ":10: api.json.a.3.d: must be a number, and not infinite",
            ],
        ),
        ("method: post\n  json: {api_key: [s3cret]}", "", [f":5: api.json.api_key.0: {WRITTEN_OUT}"]),
        ("method: post\n  json: {a: \"\\ud800\"}", "", [":5: api.json.a: holds half of a surrogate pair, which UTF-8 cannot hold"]),
        ("method: post\n  form: {token: s3cret}", "", [f":5: api.form: token: {WRITTEN_OUT}"]),
        (
            "method: post\n  form: {a: [1]}",
            "",
            [':5: api.form.a: must be text, a number, true or false, or "${ENV_NAME}" for a secret'],
        ),
    ],
)  # fmt: skip
def test_mistakes_of_a_body_have_their_line_and_show_no_value(
    tmp_path: Path, api: str, table: str, messages: list[str]
) -> None:
    found = mistakes(tmp_path, api, table)
    assert found == messages
    assert "s3cret" not in "".join(found)


NO_BODY = (
    "is in the body, and the requests for orders have none; write method: post, and json: {} or form: {} if nothing else is "
    "in it"
)
AFTER = "api.pagination.cursor_param"


@pytest.mark.parametrize(
    ("api", "table", "messages"),
    [
        (PAGES, "", [f":4: api.pagination.size_param: {NO_BODY}", f":4: api.pagination.page_param: {NO_BODY}"]),
        (
            "pagination: {style: keyset, by: id, after_param: 'body:a', size_param: s}\n  method: post",
            "",
            [f":4: api.pagination.after_param: {NO_BODY}"],
        ),
        (
            f"{CURSOR}\n  method: post\n  json: {{variables: {{after: x}}}}",
            "",
            [f":6: api.json.variables.after: is {AFTER}, which is set for each page; leave it out"],
        ),
        (
            f"{CURSOR}\n  method: post\n  json: {{variables: {{after: null, first: 5}}}}",
            "",
            [
                ":6: api.json.variables.first: is api.pagination.size_param, which is set for each page; leave it out",
                f":6: api.json.variables.after: is {AFTER}, which is set for each page; leave it out",
            ],
        ),
        (
            "pagination: {style: cursor, cursor_param: 'body:variables.after'}\n  method: post\n  json: {variables: [1]}",
            "",
            [f":6: api.json.variables: is a list, and {AFTER} goes below it; write a mapping, or leave it out"],
        ),
        (
            "method: post\n  json: {}",
            "json: {page: 5, a: null}\n    pagination: {style: page, page_param: 'body:page', size_param: 'body:a.b'}",
            [
                ":11: tables.orders.json.a: is a single value, and tables.orders.pagination.size_param goes below it; "
                "write a mapping, or leave it out",
                ":11: tables.orders.json.page: is tables.orders.pagination.page_param, which is set for each page; leave it out",
            ],
        ),
        (
            f"{PAGES}\n  method: post\n  form: {{page: 5}}",
            "",
            [":6: api.form.page: is api.pagination.page_param, which is set for each page; leave it out"],
        ),
        (
            "pagination: {page_param: 'body:a.b', size_param: 'body:a'}\n  method: post\n  json: {}",
            "",
            [":4: api.pagination.page_param: must not be at the same place of the body as size_param, or below or above it"],
        ),
        (
            "pagination: {page_param: 'body:a', size_param: 'body:a[]'}\n  method: post\n  json: {}",
            "",
            [":4: api.pagination.page_param: must not be at the same place of the body as size_param, or below or above it"],
        ),
        (
            "pagination: {page_param: 'body:ask[0].page', size_param: 'body:size'}\n  method: post\n  json: {ask: [{q: x}]}",
            "",
            [
                ":4: api.pagination.page_param: leads into a list, where no position can be set; use keys with dots between them, "
                "and [] at the end alone"
            ],
        ),
        (
            "pagination: {page_param: 'body:a', size_param: 'body:a'}\n  method: post\n  json: {}",
            "",
            [":4: api.pagination.size_param: must not be the same parameter as page_param"],
        ),
        (
            "pagination: {page_param: 'body:a..b', size_param: 'body:'}\n  method: post\n  json: {}",
            "",
            [
                ":4: api.pagination.page_param: must be a dotted path into the body behind body:, such as body:variables.after",
                ":4: api.pagination.size_param: must be a dotted path into the body behind body:, such as body:variables.after",
            ],
        ),
        (
            "pagination: {style: range}\n  method: post",
            "",
            [
                ":4: api.pagination.style: asks by the header Range, which HTTP has for GET alone; choose another one for the POST "
                "of orders"
            ],
        ),
    ],
)  # fmt: skip
def test_a_place_in_the_body_that_cannot_be_set_is_a_mistake_with_its_line(
    tmp_path: Path, api: str, table: str, messages: list[str]
) -> None:
    assert sorted(mistakes(tmp_path, api, table)) == sorted(messages)


def test_places_in_a_body_are_no_query_parameters(tmp_path: Path) -> None:
    source = load(tmp_path, f"{PAGES}\n  method: post\n  form: {{}}\n  params: {{page: 3, size: 4}}")
    assert source.api.params == {"page": "3", "size": "4"}
    brackets = load(
        tmp_path, "pagination: {page_param: 'body:page[number]', size_param: 'body:n[]'}\n  method: post\n  form: {}"
    )
    assert set(brackets.api.pagination.in_body) == {"body:page[number]", "body:n[]"}
    dotted = load(tmp_path, "pagination: {page_param: 'body:a', size_param: 'body:a.b'}\n  method: post\n  form: {}")
    assert dotted.api.pagination.in_body == {"body:a.b": "size_param", "body:a": "page_param"}
