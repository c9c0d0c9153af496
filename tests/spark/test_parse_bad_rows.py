"""Pages with bad rows, with keys that are no column names, and with empty texts: as fetched, parsed in Spark."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession

from lib.config import Column, Source, Table
from lib.source.page import look_at
from lib.source.paging import PageNumbers
from lib.tables.newest import ranked
from lib.tables.parse import parse
from lib.tables.reject import count_rows
from lib.tables.shape import columns_seen

THINGS = """
  things:
    path: /things
    key: [id]
    columns:
      id: bigint!
      name: string!
      price: "decimal(10,2)"
      mail: {type: string, pii: true}
"""
ODD = r"""
  things:
    path: /things
    key: [id]
    newest_by: changed_at
    columns:
      id: {type: "bigint!", from: "@id"}
      first_name: {type: "string!", from: "first-name", pii: true}
      size: {type: int, from: größe}
      dotted: {type: string, from: a.b}
      quoted: {type: "array<struct<x:int>>", from: "it's \"that\" [0]\\?"}
      nothing: {type: string, from: ""}
      changed_at: {type: timestamp, from: "changed at", empty_is_null: true}
      note: {type: string, empty_is_null: true}
      must: {type: "string!", empty_is_null: true}
      tags: {type: "array<string>", empty_is_null: true}
      plain: string
"""


def landed(spark: SparkSession, *bodies: str, items: str = "items") -> DataFrame:
    """Pages as bronze has them."""
    schema = "run_id string, page bigint, body string, rows array<struct<json: string, shown: string, problems: array<string>>>"
    pages = []
    for number, body in enumerate(bodies, start=1):
        rows = look_at(body, PageNumbers(items=items), {}).rows
        kept = None if rows is None else [(row.json, row.shown, list(row.problems)) for row in rows]
        pages.append(("r1", number, body, kept))
    return spark.createDataFrame(pages, schema)


def parsed(pages: DataFrame, table: Table, items: str = "items") -> list[Row]:
    return pages.transform(parse(table, items)).orderBy("page", "position").collect()


def test_bad_rows_of_a_page_are_rejected_with_their_reasons_and_all_others_are_taken(
    spark: SparkSession, source_of: Callable[[str], Source]
) -> None:
    table = source_of(THINGS).tables[0]
    long = "x" * 20_000_001
    rows = [
        r'{"id":1,"name":"a\ud800b","mail":"a@b.de"}',
        '{"id":2,"name":"good","price":1.10,"more":[1]}',
        "null",
        "17",
        '{"id":NaN,"name":"no key"}',
        f'{{"id":6,"name":"{long}"}}',
        r'{"id":7,"name":"z","mail":"\udc00 c@d.de","other":NaN}',
        '{"id":8,"name":"z","price":1,"price":2}',
        r'{"id":9,"name":"\u0000"}',
        '{"id":10,"price":"x","name":' + "[" * 900 + "]" * 900 + "}",
        '{"id":11,"name":"y","price":' + "1" * 3000 + "}",
    ]
    whole = '{"items":[' + ",".join(rows) + "]}"
    only_bad = '{"items":[null, 1e400]}'
    ordinary = '{"items":[{"id":20,"name":"good","price":2}]}'
    pages = landed(spark, whole, only_bad, ordinary)
    found = parsed(pages, table)
    assert [(row.page, row.position, row.row.id, row.row.name, row.problems) for row in found] == [
        (1, 0, 1, None, ["unreadable_text:name"]),
        (1, 1, 2, "good", []),
        (1, 2, None, None, ["not_an_object"]),
        (1, 3, None, None, ["not_an_object"]),
        (1, 4, None, "no key", ["unreadable_number:id"]),
        (1, 5, 6, None, ["too_long:name"]),
        (1, 6, 7, "z", ["unreadable_text:mail", "unreadable_number"]),
        (1, 7, 8, "z", ["duplicate_key:price"]),
        (1, 8, 9, "\0", []),
        (1, 9, 10, None, ["too_deep:name", "wrong_type:price"]),
        (1, 10, 11, "y", ["unreadable_number:price"]),
        (2, 0, None, None, ["not_an_object"]),
        (2, 1, None, None, ["not_an_object"]),
        (3, 0, 20, "good", []),
    ]
    shown = [None if row.json is None else json.loads(row.json) for row in found]
    assert shown[0] == {"id": 1, "name": r'"a\ud800b"', "price": None, "mail": "***"}
    assert shown[2] == dict.fromkeys(["id", "name", "price", "mail"])
    assert shown[4] == {"id": "NaN", "name": "no key", "price": None, "mail": None}
    assert shown[5]["name"] == '"' + "x" * 999 + "… (20,000,003 characters)"
    assert shown[6]["mail"] == "***"
    counts = (
        pages.transform(parse(table, "items"))
        .transform(ranked(table))
        .transform(lambda rows: count_rows(rows, ("id",)))
    )
    [row] = counts.collect()
    # Rejected without a key: two that are no object on each page, and the one whose key is NaN.
    assert (row.n_parsed, row.n_rejected, row.n_unreadable, row.n_keys) == (14, 11, 5, 3)
    assert columns_seen(row.shapes) == {
        "id": "bigint",
        "mail": "string",
        "more": "array<bigint>",
        "name": "string",
        "other": None,
        "price": "string",
    }
    # A value that is bad is there; rows 3, 4 and those of page 2 have none.
    assert row.missing.asDict()["name"] == 4


def test_a_long_value_of_a_row_that_is_bad_otherwise_is_cut_in_quarantine(
    spark: SparkSession, source_of: Callable[[str], Source]
) -> None:
    table = source_of(THINGS).tables[0]
    [row] = parsed(landed(spark, '[{"name":"' + "y" * 10_001 + '"}]', items="$"), table, "$")
    assert row.problems == ["missing_value:id"]
    assert json.loads(row.json)["name"] == "y" * 10_000 + "… (the first 10,000 of 10,001 characters)"


def test_keys_that_are_no_column_names_and_empty_texts_are_read_as_declared(
    spark: SparkSession, source_of: Callable[[str], Source]
) -> None:
    table = source_of(ODD).tables[0]
    good = {
        "@id": 1,
        "first-name": "Zoë",
        "größe": 3,
        "a.b": "dot",
        "a": {"b": "nested"},
        'it\'s "that" [0]\\?': [{"x": 1}],
        "": "empty name",
        "changed at": "2026-01-31T10:00:00Z",
        "note": "n",
        "must": " ",
        "tags": ["", "t"],
        "plain": "",
        "id": 99,
    }
    empty = good | {"@id": 2, "changed at": "", "note": "", "must": "", "tags": ""}
    wrong = good | {"@id": 3, "first-name": 4, "größe": "x", 'it\'s "that" [0]\\?': "", "changed at": " ", "tags": " "}
    one, two, three = parsed(landed(spark, json.dumps({"items": [good, empty, wrong]})), table)
    at = datetime(2026, 1, 31, 10, tzinfo=UTC).replace(tzinfo=None)
    assert one.problems == []
    assert tuple(one.row.asDict(recursive=True).values()) == (
        1, "Zoë", 3, "dot", [{"x": 1}], "empty name", at, "n", " ", ["", "t"], "",
    )  # fmt: skip
    assert two.problems == ["missing_value:must"]
    assert (two.row.changed_at, two.row.note, two.row.must, two.row.tags, two.row.plain) == (None, None, None, None, "")
    assert three.problems == [f"wrong_type:{name}" for name in ("first_name", "size", "quoted", "changed_at", "tags")]
    assert json.loads(three.json) | {"quoted": None} == {
        "id": 3, "first_name": "***", "size": "x", "dotted": "dot", "quoted": None, "nothing": "empty name",
        "changed_at": " ", "note": "n", "must": " ", "tags": " ", "plain": "",
    }  # fmt: skip
    bad = json.dumps({"items": [good]}).replace('"n"', "NaN").replace('"Zo\\u00eb"', r'"\ud800"')
    [row] = parsed(landed(spark, bad), table)
    assert row.problems == ["unreadable_text:first_name", "unreadable_number:note"]
    assert json.loads(row.json)["first_name"] == "***"


def test_rows_are_found_under_a_key_that_itself_holds_a_dot(
    spark: SparkSession, source_of: Callable[[str], Source]
) -> None:
    table = source_of(THINGS).tables[0]
    for body in ('{"odata.value":[{"id":1,"name":"a"}]}', '{"odata":{"value":[{"id":1,"name":"a"}]}}'):
        assert [row.row.id for row in parsed(landed(spark, body, items="odata.value"), table, "odata.value")] == [1]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    keys=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=12, max_size=12, unique=True)
)
def test_whatever_a_key_is_it_can_be_declared(spark: SparkSession, keys: list[str]) -> None:
    columns = tuple(Column(**{"name": f"c{n}", "type": "int", "from": key}) for n, key in enumerate(keys))
    table = Table(
        name="t",
        path="/t",
        key=("c0",),
        columns=(Column(**{**columns[0].model_dump(by_alias=True), "required": True}), *columns[1:]),
    )
    pages = landed(spark, json.dumps({"items": [{key: n for n, key in enumerate(keys)}]}))
    rows = pages.transform(parse(table, "items"))
    [row] = rows.collect()
    assert (list(row.row), row.problems) == (list(range(12)), [])
    assert columns_seen([row.shape]) == dict.fromkeys(keys, "bigint")
