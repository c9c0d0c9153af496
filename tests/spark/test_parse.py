from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from lib.config import Column, Source, Table
from lib.tables.newest import newest, ranked
from lib.tables.parse import parse
from lib.tables.reject import count_rows, rejected
from tests.spark.key_hashes import key_hash_for

ALL_TYPES = """
  things:
    path: /things
    key: [id]
    columns:
      id: bigint!
      name: string
      flag: boolean
      small: int
      ratio: double
      price: "decimal(20,2)"
      day: date
      at: timestamp
      tags: array<bigint>
      place: "struct<city:string,pos:array<double>>"
      mail: {type: string, pii: true}
"""


@pytest.fixture
def things(source_of: Callable[[str], Source]) -> Table:
    return source_of(ALL_TYPES).tables[0]


def pages(spark: SparkSession, *bodies: str) -> DataFrame:
    return spark.createDataFrame(
        [("r1", number, body) for number, body in enumerate(bodies, start=1)], "run_id string, page bigint, body string"
    )


def parsed(spark: SparkSession, table: Table, *rows: str, items: str = "items") -> list[Row]:
    body = '{"items":[' + ",".join(rows) + "]}"
    return pages(spark, body).transform(parse(table, items)).orderBy("page", "position").collect()


def test_every_type_is_read_as_it_was_written(spark: SparkSession, things: Table) -> None:
    text = (
        '{"id":9007199254740993,"name":"a\\u0000\\ud83d\\ude00 é","flag":true,"small":-2147483648,"ratio":1.5e3,'
        '"price":123456789012345678.91,"day":"2026-02-28","at":"2026-11-25T14:09:43.168716","tags":[1,null,3],'
        '"place":{"city":"Ulm","pos":[48.4,10]},"mail":"a@b.de"}'
    )
    [row] = parsed(spark, things, text)
    assert row.problems == []
    assert row.json is None
    assert row.row.asDict(recursive=True) == {
        "id": 9007199254740993,
        "name": "a\x00😀 é",
        "flag": True,
        "small": -2147483648,
        "ratio": 1500.0,
        "price": Decimal("123456789012345678.91"),
        "day": date(2026, 2, 28),
        "at": datetime.fromisoformat("2026-11-25T14:09:43.168716"),  # without a zone, as Spark gives it
        "tags": [1, None, 3],
        "place": {"city": "Ulm", "pos": [48.4, 10.0]},
        "mail": "a@b.de",
    }


def test_a_null_and_an_absent_value_are_null(spark: SparkSession, things: Table) -> None:
    [row] = parsed(spark, things, '{"id":1,"name":null}')
    assert row.problems == []
    assert row.row.asDict() == dict.fromkeys(things_names(things), None) | {"id": 1}


def things_names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def test_a_required_column_without_a_value_is_missing(spark: SparkSession, things: Table) -> None:
    rows = parsed(spark, things, '{"id":null,"name":"a"}', '{"name":"b"}', '{"id":"x"}')
    assert [row.problems for row in rows] == [["missing_value:id"], ["missing_value:id"], ["wrong_type:id"]]


def test_a_page_keeps_the_order_of_its_rows(spark: SparkSession, things: Table) -> None:
    rows = parsed(spark, things, '{"id":5}', '{"id":3}', '{"id":4}')
    assert [(row.position, row.row.id) for row in rows] == [(0, 5), (1, 3), (2, 4)]


def test_rows_may_lie_deeper_or_be_the_whole_answer(spark: SparkSession, things: Table) -> None:
    deep = pages(spark, '{"data":{"rows":[{"id":1},{"id":2}]}}').transform(parse(things, "data.rows"))
    bare = pages(spark, '[{"id":1},{"id":2}]').transform(parse(things, "$"))
    assert [row.row.id for row in deep.collect()] == [1, 2]
    assert [row.row.id for row in bare.collect()] == [1, 2]


def test_a_rejected_row_goes_to_quarantine_with_its_place_and_without_personal_values(
    spark: SparkSession, things: Table
) -> None:
    body = '{"items":[{"id":1},{"id":2,"small":"many","mail":"ann@example.org","secret":"ann@example.org"}]}'
    rows = (
        pages(spark, body)
        .transform(parse(things, "items"))
        .transform(rejected("things", ("id",), key_hash_for(spark)))
        .collect()
    )
    assert [(r.run_id, r.table, r.page, r.position, r.reason) for r in rows] == [
        ("r1", "things", 1, 1, "wrong_type:small")
    ]
    held = json.loads(rows[0].row)
    assert (held["id"], held["small"], held["mail"]) == (2, "many", "***")
    assert "ann" not in rows[0].row


def test_a_personal_value_of_a_wrong_type_is_masked_too(spark: SparkSession, things: Table) -> None:
    body = '{"items":[{"id":1,"mail":4915112345},{"id":2,"mail":{"of":"ann"},"name":7},{"id":3,"mail":null,"flag":2}]}'
    rows = (
        pages(spark, body)
        .transform(parse(things, "items"))
        .transform(rejected("things", ("id",), key_hash_for(spark)))
        .orderBy("position")
        .collect()
    )
    assert [row.reason for row in rows] == ["wrong_type:mail", "wrong_type:name, wrong_type:mail", "wrong_type:flag"]
    held = [json.loads(row.row) for row in rows]
    assert [(one["id"], one["mail"], one["name"], one["flag"]) for one in held] == [
        (1, "***", None, None),
        (2, "***", 7, None),
        (3, None, None, 2),
    ]


def test_a_type_may_be_nested_as_deep_as_the_yaml_allows(spark: SparkSession) -> None:
    kind = "array<" * 16 + "struct<a:array<" * 8 + "int" + ">>" * 8 + ">" * 16
    columns = (Column(name="id", type="int", required=True), Column(name="deep", type=kind))
    table = Table(name="things", path="/things", key=("id",), columns=columns)
    good, bad = ("[" * 16 + '{"a":[' * 8 + leaf + "]}" * 8 + "]" * 16 for leaf in ("1", '"x"'))
    rows = parsed(spark, table, f'{{"id":1,"deep":{good}}}', f'{{"id":2,"deep":{bad}}}')
    assert [row.problems for row in rows] == [[], ["wrong_type:deep"]]


def test_rows_are_counted_once_each(spark: SparkSession, things: Table) -> None:
    one, bad = '{"id":1,"at":"2026-01-02T03:04:05"}', '{"id":2,"at":"2027-01-01T00:00:00","small":"x"}'
    text = (one, one, bad, '{"id":"x"}', '{"id":3}')
    frame = pages(spark, '{"items":[' + ",".join(text) + "]}").transform(parse(things, "items"))
    frame = frame.transform(ranked(things))
    counts = count_rows(frame, ("id",), "at").collect()[0].asDict()
    shapes, missing = counts.pop("shapes"), counts.pop("missing").asDict()
    # The value of a wrong type is there: what is missing is missing in the source.
    assert (missing["id"], missing["small"], missing["mail"]) == (0, 4, 5)
    # The newest is that of a good row.
    assert counts.pop("newest").isoformat() == "2026-01-02T03:04:05"
    assert counts.pop("greatest") is None
    assert counts == {"n_parsed": 5, "n_rejected": 2, "n_unreadable": 1, "n_keys": 2, "n_differ": 0}
    assert shapes == ["ARRAY<OBJECT<at: STRING, id: VARIANT, small: STRING>>"]
    assert sorted(row.id for row in frame.transform(newest(things)).collect()) == [1, 3]
