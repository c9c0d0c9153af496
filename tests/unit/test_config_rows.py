"""Where rows and values are, as the YAML says it: what is taken, and what is an error at its line before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.config import Source, load_source, parse_tables
from lib.config.reading import Cut, Reading
from lib.errors import ConfigError
from tests.spark.served_table import REPO

SHOP = """\
source: shop
api:
  url: http://h?lang=en
  params: {{tier: "1", key_of_all: "${{KEY}}"}}
  headers: {{X-Shop: "7"}}
  pagination: {pagination}
tables:
  orders:
    path: /orders?region=eu
    params: {{country: de}}
    key: [id]
    columns:
      id: bigint!
      email: {{type: string, pii: true}}
      {column}
  lines:
    parent: {parent}
    key: [order_id, line]
    columns:
      order_id: {{type: bigint!, value: parent.id}}
      line: {{type: int!, value: position}}
      {nested}
"""
PARTS = {
    "pagination": "{items: 'data.edges[].node'}",
    "column": "name: string",
    "parent": "{table: orders, items: 'lines[]'}",
    "nested": "sku: string",
}


def load(folder: Path, **parts: str) -> Source:
    (folder / "shop.yml").write_text(SHOP.format(**{**PARTS, **parts}), "utf-8")
    return load_source(str(folder / "shop.yml"), conf_dir=folder, env={"KEY": "s3cret"})


def test_a_table_is_read_as_its_settings_say(tmp_path: Path) -> None:
    source = load(
        tmp_path,
        column="city: {type: string, path: 'ship.to[0].\"post town\"'}\n      region: {type: string, value: params.region}\n"
        "      lang: {type: string, value: params.lang}\n      tier: {type: int, value: params.tier}\n"
        "      shop: {type: int, value: headers.x-shop}\n      by: {type: string, value: key}",
        nested="country: {type: string, value: params.country}\n      shop: {type: int, value: parent.shop}\n"
        "      town: {type: string, value: parent.city}\n      by: {type: string, value: parent.by}",
    )
    orders, lines = source.tables
    assert source.reading_of(orders) == Reading(
        "orders",
        "$",
        Cut("data.edges[].node", None, (("by", "key"),)),
        {"region": "eu", "lang": "en", "tier": "1", "shop": "7"},
    )
    assert source.reading_of(lines) == Reading(
        "orders",
        "$",
        Cut(
            "data.edges[].node",
            "lines[]",
            (("line", "position"),),
            (("order_id", ("id",)), ("town", ("ship", "to", 0, "post town")), ("by", ())),
        ),
        {"country": "de", "shop": "7"},
    )
    # The column that has the parent's key refers to it, without being told so.
    assert [(one.column, one.to) for one in lines.references] == [("order_id", "orders.id")]
    assert [column.json_key for column in orders.columns][:3] == ["id", "email", "ship"]


def test_a_table_at_a_path_is_not_cut_whatever_is_the_same_in_each_of_its_rows(tmp_path: Path) -> None:
    source = load(tmp_path, pagination="{items: data.items}", column="land: {type: string, value: params.country}")
    assert source.reading_of(source.tables[0]) == Reading("orders", "data.items", None, {"land": "de"})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"pagination": "{items: 'edges['}"},
            ":6: api.pagination.items: is no JMESPath expression: it is not complete",
        ),
        (
            {"pagination": "{items: 'edges[]]'}"},
            ":6: api.pagination.items: is no JMESPath expression: ']' is unexpected at character 7",
        ),
        (
            {"pagination": "{items: 'rows(data)'}"},
            ":6: api.pagination.items: is no JMESPath expression: there is no function rows()",
        ),
        (
            {"pagination": "{items: 'values()'}"},
            ":6: api.pagination.items: is no JMESPath expression: values() takes 1 argument, and has 0",
        ),
        (
            {"pagination": "{items: 'data[::0]'}"},
            ":6: api.pagination.items: is no JMESPath expression: the step of a slice must not be 0",
        ),
        (
            {"pagination": "{style: cursor, next: \"links[?rel='next'\"}"},
            ":6: api.pagination.next: is no JMESPath expression: there is something unexpected at character 10",
        ),
        (
            {"pagination": "{total: 'sum(n'}"},
            ":6: api.pagination.total: is no JMESPath expression: it is not complete",
        ),
        (
            {"column": "name: {type: string, path: 'a[*].b'}"},
            ':15: tables.orders.columns.name.path: must be keys and indexes, such as user.name, tags[0].id or user."first name"',
        ),
        (
            {"column": "name: {type: string, path: a.b, from: c}"},
            ":15: tables.orders.columns.name.path: from says already where the value is; leave one out",
        ),
        (
            {"column": "name: {type: string, path: email.domain}"},
            ":15: tables.orders.columns.name.path: is a part of what 'email' is read from, or holds it; one of them is too much",
        ),
        (
            {"column": "name: {type: string, path: email}"},
            ":15: tables.orders.columns.name.path: is what 'email' is read from already; one key of the JSON is one column",
        ),
        (
            {"column": "name: {type: string, value: DE}"},
            ":15: tables.orders.columns.name.value: must be key, position, parent.COLUMN, params.NAME, headers.NAME or "
            "TABLE.COLUMN",
        ),
        (
            {"column": "name: {type: string, value: position}"},
            ":15: tables.orders.columns.name.value: is for a table with a parent",
        ),
        (
            {"column": "name: {type: string, value: params.land}"},
            ":15: tables.orders.columns.name.value: no request for orders has such a parameter",
        ),
        (
            {"column": "name: {type: string, value: params.key_of_all}"},
            ":15: tables.orders.columns.name.value: is a secret, which no table holds",
        ),
        (
            {"column": "name: {type: string, value: headers.x-land}"},
            ":15: tables.orders.columns.name.value: no request for orders has such a header",
        ),
        (
            {"parent": "{table: order, items: lines}"},
            ":17: tables.lines.parent.table: there is no such table; did you mean 'orders'?",
        ),
        (
            {"parent": "{table: lines, items: lines}"},
            ":17: tables.lines.parent.table: is the table itself",
        ),
        (
            {"parent": "{table: orders, items: 'lines['}"},
            ":17: tables.lines.parent.items: is no JMESPath expression: it is not complete",
        ),
        (
            {"parent": "{table: orders, items: lines}\n    path: /lines"},
            ":18: tables.lines.path: belongs to orders, whose pages hold these rows; leave it out",
        ),
        (
            {"parent": "{table: orders, item: lines}"},
            ":17: tables.lines.parent.item: unknown key; did you mean 'items'?",
        ),
        (
            {"nested": "who: {type: string, value: parent.email}"},
            ":22: tables.lines.columns.who.value: is personal in orders; write pii: true here, too",
        ),
        (
            {"nested": "who: {type: string, value: parent.nam}"},
            ":22: tables.lines.columns.who.value: orders has no such column; did you mean 'name'?",
        ),
    ],
)
def test_a_mistake_has_its_line(tmp_path: Path, part: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, **part)
    lines = str(error.value).splitlines()
    assert f"{tmp_path}/shop.yml{message}" in lines
    assert "s3cret" not in str(error.value)


def test_a_table_that_is_nested_in_a_nested_one_names_the_table_with_the_pages(tmp_path: Path) -> None:
    parts = (
        "sku: string\n  parts:\n    parent: {table: lines, items: parts}\n    key: [n]\n    columns: {n: {type: int!, "
        "value: position}}"
    )
    with pytest.raises(ConfigError) as error:
        load(tmp_path, nested=parts)
    assert str(error.value).endswith(
        ":24: tables.parts.parent.table: is nested itself; name orders, and where a row of it has these rows: a[].b[]"
    )


def test_tables_are_asked_for_with_those_that_they_are_nested_in(tmp_path: Path) -> None:
    source = load(tmp_path)
    assert parse_tables(source, "lines,orders") == ("orders", "lines")
    assert parse_tables(source, "orders") == ("orders",)
    with pytest.raises(ConfigError, match=r"^--tables: lines is nested in orders; name orders, too$"):
        parse_tables(source, "lines")


def test_the_example_of_nested_tables_in_the_docs_is_good(tmp_path: Path) -> None:
    page = (REPO / "docs" / "configuration.md").read_text("utf-8")
    example = page.partition("#### Nested tables\n\n")[2].partition("\n\n")[0]
    text = "\n".join(["source: shop", "api: {url: 'http://h'}", *(line[4:] for line in example.splitlines())])
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    orders, lines = load_source(str(tmp_path / "shop.yml"), conf_dir=REPO / "conf", env={}).tables
    assert lines.parent is not None
    assert (orders.path, lines.parent.table, lines.parent.items, lines.key) == (
        "/orders",
        "orders",
        "lines[]",
        ("order_id", "line"),
    )
