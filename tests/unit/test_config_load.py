"""Reading a source YAML: the right settings, and for each mistake its file, line and suggestion."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from lib.config import AdoptedColumn, Scalar, Source, load_source
from lib.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf"
GOOD = """\
source: shop
api:
  url: http://127.0.0.1:8000/v1/
  auth: {type: none}
tables:
  users:
    path: /users
    key: [id]
    columns:
      id: bigint!
      name: string
  orders:
    path: /orders
    key: [id]
    newest_by: updated_at
    columns:
      id: bigint!
      user_id: bigint!
      also: array<bigint>
      total: decimal(10,2)
      updated_at: timestamp
    references:
      - {column: user_id, to: users.id}
      - {column: "also[]", to: users.id}
"""


def load(text: str, folder: Path, *, env: dict[str, str] | None = None, **options: object) -> Source:
    (folder / "shop.yml").write_text(text, encoding="utf-8")
    return load_source("./shop.yml", conf_dir=CONF, env=env or {}, **options)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mistakes(text: str, folder: Path, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, folder, **options)
    assert caught.value.exit_status == 2
    return str(caught.value).splitlines()


def mistake(old: str, new: str, folder: Path) -> list[str]:
    assert GOOD.count(old) == 1
    return mistakes(GOOD.replace(old, new), folder)


def test_a_table_may_have_a_pagination_of_its_own_which_is_a_whole_one(folder: Path) -> None:
    own = "path: /users\n    pagination: {style: keyset, by: id}"
    source = load(GOOD.replace("path: /users", own), folder)
    users, other = source.table("users"), next(one for one in source.tables if one.name != "users")
    assert source.pagination_of(users).model_dump() == {
        **{"style": "keyset", "after_param": "after", "by": "id", "more": None},
        **{"size_param": "size", "size": 100, "items": "items", "total": "total"},
    }
    assert source.pagination_of(other) == source.api.pagination
    every = "page, offset, next_url, link_header, cursor, keyset, range, none"
    assert mistake("path: /users", "path: /users\n    pagination: {size: 5}", folder) == [
        f"shop.yml:8: tables.users.pagination.style: missing: write one of {every}"
    ]
    assert mistake("path: /users", "path: /users\n    pagination: {style: offset, by: id}", folder) == [
        "shop.yml:8: tables.users.pagination.by: unknown key: it belongs to style: keyset"
    ]
    assert mistake("path: /users", "path: /users\n    pagination: {style: keyset, by: id, sise: 5}", folder) == [
        "shop.yml:8: tables.users.pagination.sise: unknown key; did you mean 'size'?"
    ]


def test_a_good_source_has_its_tables_in_order_and_defaults_for_the_rest(folder: Path) -> None:
    source = load(GOOD, folder)
    assert [table.name for table in source.tables] == ["users", "orders"]
    assert source.api.url == "http://127.0.0.1:8000/v1"
    orders = source.table("orders")
    assert orders.required == ("id", "user_id")
    assert orders.column("total").type == "decimal(10,2)"
    assert orders.column("id").data_type == Scalar("bigint")
    assert (orders.deletes, orders.max_delete_fraction, orders.max_rejected_fraction, orders.min_rows) == (
        "ignore",
        0.2,
        0.05,
        1,
    )
    also = orders.references[1]
    assert (also.column_name, also.is_array, also.to_table, also.to_column) == ("also", True, "users", "id")
    assert (source.api.limits.concurrency, source.api.limits.timeout_s, source.api.pagination.size) == (16, 30, 100)


def test_the_music_service_is_read_as_it_stands() -> None:
    source = load_source("moovitamix", conf_dir=CONF, env={})
    assert source.api.url == "http://127.0.0.1:8000"
    assert [table.name for table in source.tables] == ["tracks", "users", "listen_history"]
    assert [table.max_delete_fraction for table in source.tables] == [1.0, 1.0, 1.0]
    assert source.table("users").pii == ("first_name", "last_name", "email", "gender")
    assert source.table("users").required == ("id", "first_name", "last_name", "email", "created_at", "updated_at")
    assert source.table("listen_history").column("items").type == "array<bigint>"
    assert all(column.description for table in source.tables for column in table.columns)
    assert source.demo is None


def test_the_demo_has_the_same_tables_and_no_url_until_its_server_runs() -> None:
    demo = load_source("demo", conf_dir=CONF, env={})
    music = load_source("moovitamix", conf_dir=CONF, env={})
    assert [table.columns for table in demo.tables] == [table.columns for table in music.tables]
    assert [table.deletes for table in demo.tables] == ["soft", "soft", "soft"]
    assert [table.max_delete_fraction for table in demo.tables] == [0.2, 0.2, 0.2]
    assert demo.api.url == ""
    assert demo.demo is not None
    assert (demo.demo.seed, demo.demo.tracks, demo.demo.users, demo.demo.sessions) == (7, 2000, 1000, 20000)
    started = demo.with_url("http://127.0.0.1:4711/")
    assert started.api.url == "http://127.0.0.1:4711"
    assert started.settings_hash == demo.settings_hash


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  orders:\n    path", "  orders:\n    paht", "13: tables.orders.paht: unknown key; did you mean 'path'?"),
        (
            "key: [id]\n    newest_by",
            "expires: 1\n    key: [id]\n    newest_by",
            "14: tables.orders.expires: unknown key",
        ),
        (
            "source: shop",
            "source: Shop",
            "1: source: is not a source name: lower case letters, digits, '_' and '-', starting with a letter",
        ),
        (
            "newest_by: updated_at",
            "newest_by: updated",
            "15: tables.orders.newest_by: there is no such column; did you mean 'updated_at'?",
        ),
        (
            "newest_by: updated_at",
            "newest_by: also",
            "15: tables.orders.newest_by: 'also' is array<bigint>, which has no order in time; use a timestamp",
        ),
        (
            "newest_by: updated_at",
            "deletes: sof",
            "15: tables.orders.deletes: must be 'ignore' or 'soft'; did you mean 'soft'?",
        ),
        ("newest_by: updated_at", 'min_rows: "5"', "15: tables.orders.min_rows: must be a whole number"),
        ("newest_by: updated_at", "min_rows: -1", "15: tables.orders.min_rows: must be at least 0"),
        (
            "newest_by: updated_at",
            "max_delete_fraction: 1.5",
            "15: tables.orders.max_delete_fraction: must be at most 1",
        ),
        (
            "newest_by: updated_at",
            "max_rejected_fraction: .nan",
            "15: tables.orders.max_rejected_fraction: must be a number, and not infinite",
        ),
        ("name: string", "name: {type: string, pii: yes}", "11: tables.users.columns.name.pii: must be true or false"),
        (
            "name: string",
            "name: {type: string, ppi: true}",
            "11: tables.users.columns.name.ppi: unknown key; did you mean 'pii'?",
        ),
        (
            "name: string",
            "name: {type: string, epoch: s}",
            "11: tables.users.columns.name.epoch: is for a column of type timestamp, and this one is string",
        ),
        (
            "name: string",
            "name: {type: array<timestamp>, epoch: ms}",
            "11: tables.users.columns.name.epoch: is for a column of type timestamp, and this one is array<timestamp>",
        ),
        (
            "name: string",
            "name: {type: timestamp, epoch: seconds}",
            "11: tables.users.columns.name.epoch: must be 's' or 'ms'",
        ),
        (
            "name: string",
            "name: {type: string, any_json: true}",
            "11: tables.users.columns.name.any_json: unknown key",
        ),
        ("name: string", "name: strin", "11: tables.users.columns.name: unknown type 'strin'; did you mean 'string'?"),
        (
            "name: string",
            "name: {type: strin}",
            "11: tables.users.columns.name.type: unknown type 'strin'; did you mean 'string'?",
        ),
        ("name: string", "name: 5", "11: tables.users.columns.name: must be a mapping (key: value)"),
        (
            "name: string",
            "_run_id: string",
            "11: tables.users.columns._run_id: is a name that Pagelake uses for a column of its own",
        ),
        (
            "name: string",
            "first name: string",
            "11: tables.users.columns.first name: is not a column name: letters, digits and '_', the first no digit; "
            "choose another one, and write from: with the key of the JSON",
        ),
        ("name: string", "ID: string", "11: tables.users.columns.ID: is the same name as 'id' (upper or lower case)"),
        ("name: string", "id: string", "10: tables.users.columns.id: appears twice, in lines 10 and 11; keep one"),
        ("name: string", "5: string", "9: tables.users.columns: a key in line 11 is not text; write it in quotes"),
        (
            "name: string",
            "name: !str string",
            "11: tables.users.columns.name: a tag (a word after '!') is not allowed; write text with a '!' in quotes",
        ),
        ("path: /users", "path: /../users", "7: tables.users.path: must not hold '..'"),
        ("path: /users", "path: /%2e%2e/users", "7: tables.users.path: must not hold '..'"),
        (
            "path: /users",
            "path: //elsewhere/users",
            "7: tables.users.path: must be a path below api.url that starts with one '/', such as /tracks",
        ),
        (
            "path: /users",
            "path: http://x/users",
            "7: tables.users.path: must be a path below api.url that starts with one '/', such as /tracks",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: user, to: users.id}",
            "23: tables.orders.references.0.column: there is no such column; did you mean 'user_id'?",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: user_id, to: user.id}",
            "23: tables.orders.references.0.to: there is no such table; did you mean 'users'?",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: user_id, to: users.idd}",
            "23: tables.orders.references.0.to: users has no such column; did you mean 'id'?",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: user_id, to: users.name}",
            "23: tables.orders.references.0.to: must be the whole key of users, which is 'id'",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: total, to: users.id}",
            "23: tables.orders.references.0.to: users.id is bigint, which cannot be compared with decimal(10,2)",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: also, to: users.id}",
            "23: tables.orders.references.0.column: 'also' is array<bigint>; write \"also[]\" for its elements",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: 'user_id[]', to: users.id}",
            "23: tables.orders.references.0.column: 'user_id' is bigint, not an array; leave out the []",
        ),
        (
            "{column: user_id, to: users.id}",
            "{column: user_id, to: users}",
            "23: tables.orders.references.0.to: must be written table.column, such as users.id",
        ),
        (
            "auth: {type: none}",
            "auth: {}",
            "4: api.auth.type: missing: write one of none, bearer, header, basic, query, "
            "oauth2_client_credentials, oauth2_refresh_token, session",
        ),
        (
            "auth: {type: none}",
            "auth: {type: baerer}",
            "4: api.auth.type: must be 'none', 'bearer', 'header', 'basic', 'query', 'oauth2_client_credentials', "
            "'oauth2_refresh_token' or 'session'; did you mean 'bearer'?",
        ),
        ("auth: {type: none}", "auth: none", "4: api.auth: must be a mapping (key: value)"),
        (
            "auth: {type: none}",
            "pagination: {style: curser}",
            "4: api.pagination.style: must be 'page', 'offset', 'next_url', 'link_header', 'cursor', 'keyset', 'range' or 'none'; "
            "did you mean 'cursor'?",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: cursor, page_param: p}",
            "4: api.pagination.page_param: unknown key: it belongs to style: page",
        ),
        (
            "auth: {type: none}",
            "pagination: {offset_param: skip}",
            "4: api.pagination.offset_param: unknown key: it belongs to style: offset",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: cursor, items: $}",
            "4: api.pagination.next: must be header:NAME where items is $: a bare list has no place for it",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: offset, offset_param: limit}",
            "4: api.pagination.size_param: must not be the same parameter as offset_param",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: offset, first: 2}",
            "4: api.pagination.first: must be at most 1",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: cursor, next: 'a b'}",
            "4: api.pagination.next: must be a dotted path into the answer (meta.next_cursor) or header:X-Next-Cursor",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: next_url, next: header:Link}",
            "4: api.pagination.next: a Link header is read by style: link_header",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: next_url, items: $}",
            "4: api.pagination.next: must be header:NAME where items is $: a bare list has no place for it",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: next_url, next: '.'}",
            "4: api.pagination.next: must be a dotted path into the answer (links.next) or header:X-Next",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: next_url, cursor_param: c}",
            "4: api.pagination.cursor_param: unknown key: it belongs to style: cursor",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: link_header, next: links.next}",
            "4: api.pagination.next: unknown key: it belongs to style: next_url or cursor",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: link_header, size: 0}",
            "4: api.pagination.size: must be at least 1",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: keyset}",
            "4: api.pagination.by: missing",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: keyset, by: 'a b'}",
            "4: api.pagination.by: must be a dotted path into a row, such as id",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: keyset, by: id, after_param: size}",
            "4: api.pagination.size_param: must not be the same parameter as after_param",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: keyset, by: id, after_param: ''}",
            "4: api.pagination.after_param: must not be empty",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: keyset, by: id, more: header:X-More}",
            "4: api.pagination.more: must be a dotted path into the answer, such as meta.has_more, or null",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: keyset, by: id, more: m, items: $}",
            "4: api.pagination.more: must be null where items is $: a bare list has no place for it",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: range, unit: bytes}",
            "4: api.pagination.unit: must be a unit of rows as the source names it in its header Accept-Ranges, such as items",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: range, unit: 'a=b'}",
            "4: api.pagination.unit: must be a unit of rows as the source names it in its header Accept-Ranges, such as items",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: range, size_param: n}",
            "4: api.pagination.size_param: unknown key: it belongs to style: page or offset or next_url or link_header or cursor "
            "or keyset",
        ),
        (
            "auth: {type: none}",
            "pagination: {style: none, size: 5}",
            "4: api.pagination.size: unknown key: it belongs to style: page or offset or next_url or link_header or cursor "
            "or keyset or range",
        ),
        ("auth: {type: none}", "pagination: 3", "4: api.pagination: must be a mapping (key: value)"),
        (
            "auth: {type: none}",
            "pagination: {items: ''}",
            '4: api.pagination.items: must be a dotted path into the answer (data.items) or "$" for a bare list',
        ),
        (
            "auth: {type: none}",
            "pagination: {total: 'header:'}",
            "4: api.pagination.total: must be a dotted path into the answer (meta.total), header:X-Total-Count or null",
        ),
        (
            "auth: {type: none}",
            "pagination: {page_param: size}",
            "4: api.pagination.size_param: must not be the same parameter as page_param",
        ),
        ("auth: {type: none}", "limits: {concurrency: 0}", "4: api.limits.concurrency: must be at least 1"),
        ("auth: {type: none}", "limits: {timeout_s: 0}", "4: api.limits.timeout_s: must be more than 0"),
        ("auth: {type: none}", "limits: {attempts: 2.0}", "4: api.limits.attempts: must be a whole number"),
        ("auth: {type: none}", "limits:", "4: api.limits: must be a mapping (key: value)"),
        ("url: http://127.0.0.1:8000/v1/", "url: ftp://x", "3: api.url: must start with http:// or https://"),
        (
            "url: http://127.0.0.1:8000/v1/",
            "url: http://",
            "3: api.url: has no host that can be used, such as https://api.example.com",
        ),
        (
            "url: http://127.0.0.1:8000/v1/",
            "url: http://x:99999",
            "3: api.url: the host or port of the URL cannot be read",
        ),
        (
            "url: http://127.0.0.1:8000/v1/",
            "url: http://x/#a",
            "3: api.url: must not hold a fragment (nothing from '#' on)",
        ),
        (
            "  url: http://127.0.0.1:8000/v1/\n",
            "",
            "2: api.url: missing: write the address of the API, or pass --api-url",
        ),
    ],
)
def test_each_mistake_has_its_file_line_path_and_reason(old: str, new: str, expected: str, folder: Path) -> None:
    assert mistake(old, new, folder) == [f"shop.yml:{expected}"]


def test_a_key_must_be_an_existing_required_scalar_column(folder: Path) -> None:
    text = GOOD.replace("key: [id]\n    newest_by", "key: [idd, total, also, id, id]\n    newest_by")
    assert mistakes(text, folder) == [
        "shop.yml:14: tables.orders.key.0: there is no such column; did you mean 'id'?",
        "shop.yml:14: tables.orders.key.1: a key column must be required; write total: decimal(10,2)!",
        "shop.yml:14: tables.orders.key.2: 'also' is array<bigint>, and a key cannot hold an array or struct",
        "shop.yml:14: tables.orders.key.4: 'id' appears twice",
    ]


def test_a_reference_may_not_name_a_part_of_a_key(folder: Path) -> None:
    text = GOOD.replace(
        "key: [id]\n    columns:\n      id: bigint!\n      name: string",
        "key: [id, name]\n    columns:\n      id: bigint!\n      name: string!",
    )
    assert mistakes(text, folder)[0] == (
        "shop.yml:23: tables.orders.references.0.to: must be the whole key of users, which is 'id' and 'name'"
    )


def test_a_comma_in_a_flow_map_is_explained(folder: Path) -> None:
    trap = "a comma inside braces starts a new key; write the type in quotes or one column a line"
    flat = "columns: {id: bigint!, amount: decimal(10,2)!}\n"
    text = GOOD.replace("columns:\n      id: bigint!\n      name: string\n", flat)
    assert mistakes(text, folder) == [f"shop.yml:9: tables.users.columns.amount: {trap}"]
    assert mistake("name: string", "name: {type: decimal(10,2)!, pii: true}", folder) == [
        f"shop.yml:11: tables.users.columns.name.type: {trap}"
    ]


def test_types_in_quotes_inside_a_flow_map_are_taken(folder: Path) -> None:
    flat = 'columns: {id: bigint!, amount: "decimal(10,2)!", at: {type: "struct<a: int, b: int>"}}\n'
    users = load(GOOD.replace("columns:\n      id: bigint!\n      name: string\n", flat), folder).table("users")
    assert [(column.type, column.required) for column in users.columns] == [
        ("bigint", True),
        ("decimal(10,2)", True),
        ("struct<a:int,b:int>", False),
    ]


def test_a_time_may_be_seconds_or_milliseconds_since_1970(folder: Path) -> None:
    text = GOOD.replace("name: string", "seen: {type: timestamp!, epoch: s}\n      left: {type: timestamp, epoch: ms}")
    _, seen, left = load(text, folder).table("users").columns
    assert (seen.type, seen.required, seen.data_type) == ("timestamp", True, Scalar("timestamp", epoch="s"))
    assert (left.type, left.required, left.data_type) == ("timestamp", False, Scalar("timestamp", epoch="ms"))


def test_a_column_that_the_yaml_does_not_name_is_text_of_any_json(folder: Path) -> None:
    users = load(GOOD, folder).table("users")
    adopted = AdoptedColumn(name="nickname")
    more = users.model_copy(update={"columns": (*users.columns, adopted)})
    assert more.column("nickname").data_type == Scalar("string", any_json=True)
    assert more.column("name").data_type == Scalar("string", any_json=False)
    with pytest.raises(ValidationError):
        AdoptedColumn(name="nickname", type="int")


def test_all_mistakes_are_told_at_once_and_by_line(folder: Path) -> None:
    text = (
        GOOD.replace("source: shop", "sorce: shop")
        .replace("path: /orders", "path: orders")
        .replace("name: string", "name: text")
    )
    text = text.replace("references:", "refs: 1\n    references:").replace("user_id, to: users", "user_id, to: uzers")
    assert mistakes(text, folder) == [
        "shop.yml:1: sorce: unknown key; did you mean 'source'?",
        "shop.yml:11: tables.users.columns.name: unknown type 'text'; did you mean 'string'?",
        "shop.yml:13: tables.orders.path: must be a path below api.url that starts with one '/', such as /tracks",
        "shop.yml:22: tables.orders.refs: unknown key",
    ]


def test_an_unknown_key_does_not_hide_a_mistake_across_tables(folder: Path) -> None:
    text = GOOD.replace("path: /users", "path: /users\n    pth: 1").replace("user_id, to: users", "user_id, to: uzers")
    assert mistakes(text, folder) == [
        "shop.yml:8: tables.users.pth: unknown key; did you mean 'path'?",
        "shop.yml:24: tables.orders.references.0.to: there is no such table; did you mean 'users'?",
    ]


def test_the_derived_table_s_name_is_taken(folder: Path) -> None:
    text = GOOD.replace("  orders:\n", "  listens:\n")
    assert mistakes(text, folder) == [
        "shop.yml:12: tables.listens: is the name of a table that Pagelake derives; choose another one"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "shop.yml: empty; a source YAML needs source:, api: and tables:"),
        ("# nothing\n", "shop.yml: empty; a source YAML needs source:, api: and tables:"),
        ("- a\n", "shop.yml:1: must be a mapping with source:, api: and tables:"),
        ("a: [1, 2\n", "shop.yml:2:1: not YAML: a '[' without its ']', or a ',' is missing"),
        (
            "a: 1\n\tb: 2\n",
            "shop.yml:2:1: not YAML: a value cannot start like this (a tab, or one of @ ` %); write the value in quotes",
        ),
        ("a: struct<b: int>\n", "shop.yml:1:12: not YAML: a ': ' inside a value; write the value in quotes"),
        (
            "a: *nowhere\n",
            "shop.yml:1:4: not YAML: an alias without its anchor; write a value that starts with '*' in quotes",
        ),
        ("a: 1\n---\nb: 1\n", "shop.yml:2:1: not YAML: a second document ('---'); one file is one source"),
        ("a: {token: ${T}}\n", 'shop.yml:1:13: not YAML: inside braces write "${ENV_NAME}" in quotes'),
        ("a: 1\nb: \x01\n", "shop.yml:2: a character that YAML does not allow"),
        ("a: &x [*x]\n", "shop.yml: nested too deeply, or aliases that repeat too much"),
        ("a: " + "[" * 5000, "shop.yml: nested too deeply, or aliases that repeat too much"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{n}: &{n} [{','.join(['*' + o] * 9)}]\n" for o, n in zip("abcdefg", "bcdefgh", strict=True)),
            "shop.yml: nested too deeply, or aliases that repeat too much",
        ),
    ],
)
def test_what_is_no_source_yaml_says_why(text: str, expected: str, folder: Path) -> None:
    assert mistakes(text, folder) == [expected]


def test_anchors_and_merge_keys_are_taken(folder: Path) -> None:
    text = GOOD.replace("  users:\n", "  users: &base\n").replace(
        "  orders:\n    path: /orders\n    key: [id]\n",
        "  more:\n    <<: *base\n    path: /more\n  orders:\n    path: /orders\n    key: [id]\n",
    )
    source = load(text, folder)
    assert source.table("more").columns == source.table("users").columns
    assert (source.table("users").path, source.table("more").path) == ("/users", "/more")


def test_files_that_cannot_be_read_say_why(folder: Path) -> None:
    (folder / "latin.yml").write_bytes(b"source: shop\nname: caf\xe9\n")
    (folder / "large.yml").write_text("#" * 1_000_001)
    (folder / "folder.yml").mkdir()
    for name, reason in {
        "latin.yml": "latin.yml:2: not UTF-8; save the file as UTF-8",
        "large.yml": "large.yml: larger than 1 MB, and no source YAML is that large",
        "folder.yml": "folder.yml: this is not a file",
        "missing.yaml": "missing.yaml: there is no such file",
        "\0.yml": "--source: must be a name or a file",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_source(name, conf_dir=CONF, env={})
        assert str(caught.value) == reason


def test_a_file_without_permission_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (folder / "closed.yml").write_text(GOOD)
    monkeypatch.setattr(Path, "read_bytes", refuse)  # not chmod, as root may read every file
    with pytest.raises(ConfigError, match=r"^closed.yml: cannot be read \(Permission denied\)$"):
        load_source("closed.yml", conf_dir=CONF, env={})


def test_an_unknown_name_lists_the_sources_there_are(folder: Path) -> None:
    (folder / "conf/sources").mkdir(parents=True)
    for name in ("shop", "demo"):
        (folder / f"conf/sources/{name}.yml").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        load_source("shoop", conf_dir=folder / "conf", env={})
    assert str(caught.value) == "--source: unknown source 'shoop'; did you mean 'shop'? (conf/sources has demo, shop)"


def test_a_message_names_a_file_of_the_conf_folder_relative_to_here(folder: Path) -> None:
    (folder / "conf/sources").mkdir(parents=True)
    (folder / "conf/sources/shop.yml").write_text(GOOD + "tabels: 1\n")
    with pytest.raises(ConfigError) as caught:
        load_source("shop", conf_dir=folder / "conf", env={})
    assert str(caught.value) == "conf/sources/shop.yml:25: tabels: unknown key; did you mean 'tables'?"
