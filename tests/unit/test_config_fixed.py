"""Parameters and headers that go with every request, `from` and `empty_is_null`: what the YAML may say, and what is a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.config import Source, load_source
from lib.errors import ConfigError

REPO = Path(__file__).parents[2]
ENV = {"SHOP_KEY": "s3cret value", "PARTNER": "p4rtner"}
COLUMNS = "    columns: {id: bigint!}\n"


def load(tmp_path: Path, api: str, table: str = "", columns: str = COLUMNS, overrides: tuple[str, ...] = ()) -> Source:
    path = tmp_path / "shop.yml"
    path.write_text(
        f"source: shop\napi: {{{api}}}\ntables:\n  orders:\n    path: /orders\n    key: [id]\n{columns}{table}", "utf-8"
    )
    return load_source(str(path), overrides=overrides, conf_dir=REPO / "conf", env=ENV)


def mistakes(tmp_path: Path, api: str, table: str = "", columns: str = COLUMNS) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, api, table, columns)
    return [line.removeprefix(f"{tmp_path}/shop.yml") for line in str(raised.value).splitlines()]


def test_values_are_text_numbers_and_truth_and_secrets_come_from_the_environment(tmp_path: Path) -> None:
    source = load(
        tmp_path,
        'url: "http://h/api?tenant=7", params: {limit_to: 5, all: true, key: "${SHOP_KEY}"}',
        '    params: {since: 2026-01-01, ratio: 1.5, empty: ""}\n    headers: {Accept: application/vnd.api+json}\n',
    )
    assert source.public()["api"]["params"] == {"limit_to": "5", "all": "true", "key": "***"}
    assert source.public()["api"]["url"] == "http://h/api?tenant=7"
    table = source.public()["tables"][0]
    assert table["params"] == {"since": "2026-01-01", "ratio": "1.5", "empty": ""}
    assert table["headers"] == {"Accept": "application/vnd.api+json"}
    assert "s3cret" not in repr(source)


def test_they_count_in_the_hash_of_the_settings_and_secrets_do_not(tmp_path: Path) -> None:
    plain = load(tmp_path, 'url: "http://h"').settings_hash
    assert load(tmp_path, 'url: "http://h?a=1"').settings_hash != plain
    assert load(tmp_path, 'url: "http://h", params: {a: 1}').settings_hash != plain
    assert load(tmp_path, 'url: "http://h"', "    headers: {X-Tenant: a}\n").settings_hash != plain
    renamed = load(tmp_path, 'url: "http://h"', columns='    columns: {id: {type: "bigint!", from: "@id"}}\n')
    assert renamed.settings_hash != plain
    one = load(tmp_path, 'url: "http://h", params: {k: "${SHOP_KEY}"}').settings_hash
    other = load(tmp_path, 'url: "http://h", params: {k: "${PARTNER}"}').settings_hash
    assert one == other != plain


def test_set_gives_one_of_them_and_a_name_with_dots_is_one_name(tmp_path: Path) -> None:
    overrides = ("tables.orders.params.state=open", "tables.orders.params.filter.by=3", "api.headers.X-Tenant=a")
    source = load(tmp_path, 'url: "http://h"', overrides=overrides)
    assert source.tables[0].params == {"state": "open", "filter.by": "3"}
    assert source.api.headers == {"X-Tenant": "a"}


@pytest.mark.parametrize(
    ("api", "table", "message"),
    [
        (
            'url: "http://h?page=2"',
            "",
            ":2: api.url: the parameter 'page' is api.pagination.page_param, and is set for each page; leave it out",
        ),
        (
            'url: "http://h"',
            "    params: {size: 5}\n",
            ":8: tables.orders.params.size: is api.pagination.size_param, which is set for each request; leave it out",
        ),
        (
            'url: "http://h?after=2", pagination: {style: keyset, by: id}',
            "",
            ":2: api.url: the parameter 'after' is api.pagination.after_param, and is set for each page; leave it out",
        ),
        (
            'url: "http://h"',
            "    params: {after: 5}\n    pagination: {style: keyset, by: id}\n",
            ":8: tables.orders.params.after: is tables.orders.pagination.after_param, which is set for each request; leave it out",
        ),
        (
            'url: "http://h", params: {after: 5}',
            "    pagination: {style: keyset, by: id}\n",
            ":2: api.params.after: is tables.orders.pagination.after_param, which is set for each request; leave it out",
        ),
        (
            'url: "http://h", auth: {type: session, login_path: /in, token: t, body: {user: anna, pwd: s3cret}}',
            "",
            ':2: api.auth.body: pwd: a secret must not be written out: write "${ENV_NAME}" and put the value in that environment '
            "variable",
        ),
        ('url: "http://h?a=1", params: {a: 2}', "", ":2: api.params.a: appears twice: in url as well"),
        (
            'url: "http://h", auth: {type: query, name: k, value: "${SHOP_KEY}"}, params: {k: x}',
            "",
            ":2: api.params.k: is api.auth, which is set for each request; leave it out",
        ),
        (
            'url: "http://h", auth: {type: header, name: X-Key, value: "${SHOP_KEY}"}, headers: {x-key: x}',
            "",
            ":2: api.headers.x-key: is the header of api.auth; leave it out",
        ),
        ('url: "http://h#f"', "", ":2: api.url: must not hold a fragment (nothing from '#' on)"),
        (
            'url: "http://h?api_key=s3cret"',
            "",
            ':2: api.url: must not hold a secret (api_key); use api.auth, or params with "${ENV_NAME}"',
        ),
        (
            'url: "http://h", headers: {Authorization: x}',
            "",
            ":2: api.headers: Authorization carries credentials; use api.auth",
        ),
        ('url: "http://h", headers: {HOST: x}', "", ":2: api.headers: HOST is a header that Pagelake sets itself"),
        (
            'url: "http://h", headers: {content-length: 5}',
            "",
            ":2: api.headers: content-length is a header that Pagelake sets itself",
        ),
        ('url: "http://h", headers: {a: 1, A: 2}', "", ":2: api.headers: A appears twice (upper or lower case)"),
        (
            'url: "http://h", headers: {"a b": 1}',
            "",
            ":2: api.headers: has a key that is not the name of an HTTP header",
        ),
        (
            'url: "http://h", headers: {X-A: "a\\r\\nb"}',
            "",
            ":2: api.headers.X-A: must not hold a line break or another control character",
        ),
        (
            'url: "http://h", params: {a: [1]}',
            "",
            ':2: api.params.a: must be text, a number, true or false, or "${ENV_NAME}" for a secret',
        ),
        (
            'url: "http://h", params: {a: "x${SHOP_KEY}"}',
            "",
            ':2: api.params.a: must be "${ENV_NAME}" alone, with nothing before or after it',
        ),
        (
            'url: "http://h", params: {a: "${NOPE}"}',
            "",
            ":2: api.params.a: the environment variable NOPE is not set or is empty",
        ),
        (
            'url: "http://h", params: {access_token: s3cret}',
            "",
            ':2: api.params: access_token: a secret must not be written out: write "${ENV_NAME}" and put the value in that '
            "environment variable",
        ),
    ],
)
def test_mistakes_have_their_line_and_show_no_value(tmp_path: Path, api: str, table: str, message: str) -> None:
    assert mistakes(tmp_path, api, table) == [message]


def test_a_parameter_of_the_paging_in_a_path_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(
        "source: shop\napi: {url: 'http://h'}\ntables:\n  orders:\n    path: /orders?page=1&state=a\n"
        "    params: {state: b}\n    key: [id]\n    columns: {id: bigint!}\n"
    )
    with pytest.raises(ConfigError) as raised:
        load_source(str(path), conf_dir=REPO / "conf", env={})
    assert [line.removeprefix(f"{tmp_path}/shop.yml") for line in str(raised.value).splitlines()] == [
        ":5: tables.orders.path: the parameter 'page' is api.pagination.page_param, and is set for each page; leave it out",
        ":6: tables.orders.params.state: appears twice: in path as well",
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            "{id: bigint!, a: {type: string, from: id}}",
            ":7: tables.orders.columns.a.from: is already what 'id' is read from; one key of the JSON is one column",
        ),
        (
            '{id: {type: "bigint!", from: b}, b: string}',
            ":7: tables.orders.columns.id.from: is already what 'b' is read from; one key of the JSON is one column",
        ),
        ("{id: bigint!, a: {type: string, from: 7}}", ":7: tables.orders.columns.a.from: must be text"),
        (
            '{id: bigint!, a: {type: string, empty_is_null: "yes"}}',
            ":7: tables.orders.columns.a.empty_is_null: must be true or false",
        ),
        (
            "{id: bigint!, a: {type: string, form: x}}",
            ":7: tables.orders.columns.a.form: unknown key; did you mean 'from'?",
        ),
        (
            "{id: bigint!, first-name: string}",
            ":7: tables.orders.columns.first-name: is not a column name: letters, digits and '_', the first no digit; "
            "choose another one, and write from: with the key of the JSON",
        ),
    ],
)
def test_mistakes_of_columns_have_their_line(tmp_path: Path, columns: str, message: str) -> None:
    assert mistakes(tmp_path, 'url: "http://h"', columns=f"    columns: {columns}\n") == [message]


def test_names_may_be_exchanged_and_differ_in_case_alone(tmp_path: Path) -> None:
    columns = (
        '    columns: {id: {type: "bigint!", from: a}, a: {type: string, from: id}, b: {type: string, from: Id}}\n'
    )
    source = load(tmp_path, 'url: "http://h"', columns=columns)
    assert [(column.name, column.json_key) for column in source.tables[0].columns] == [
        ("id", "a"),
        ("a", "id"),
        ("b", "Id"),
    ]


def test_a_parameter_that_no_table_is_paged_by_is_free(tmp_path: Path) -> None:
    text = (
        'source: shop\napi: {url: "http://h", params: {page: 3}}\ntables:\n  orders: {path: /o, key: [id], '
        "pagination: {style: none}, columns: {id: bigint!}}\n"
    )
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    source = load_source(str(tmp_path / "shop.yml"), conf_dir=tmp_path, env={})
    assert source.api.params == {"page": "3"}
