"""Rows where APIs put them: selected by an expression, nested in other rows, with what columns have from outside of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, Row, SparkSession

from jobs.full_ingest import take_landed
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib.config import Source
from lib.errors import SourceError
from lib.lake.runs import Run
from lib.landing.cut_pages import with_rows
from lib.landing.replay import landed_runs
from lib.lineage.explain import Asked, explain
from lib.tables.parse import parse
from tests.moving_server import Fails, MovingServer, MovingTable
from tests.spark.served_table import copied, job_of

ORDERS = """
source: shop
api: {{url: '{url}', pagination: {{size: 2}}, limits: {{concurrency: 2}}}}
tables:
  orders:
    path: /orders
    params: {{country: de}}
    key: [id]
    deletes: soft
    max_delete_fraction: 1.0
    columns:
      id: bigint!
      country: {{type: string!, value: params.country}}
      city: {{type: string, path: 'ship_to."post town"'}}
"""
LINES = """
  order_lines:
    parent: {table: orders, items: "lines[]"}
    key: [order_id, line]
    deletes: soft
    max_delete_fraction: 1.0
    min_rows: 0
    columns:
      order_id: {type: bigint!, value: parent.id}
      line: {type: int!, value: position}
      sku: string!
      price: decimal(10,2)
"""


def parsed(spark: SparkSession, source: Source, name: str, *bodies: str) -> list[Row]:
    """The rows of a table on pages with these bodies, by their page and position."""
    pages = [("r1", number, body) for number, body in enumerate(bodies, start=1)]
    reading = source.reading_of(source.table(name))
    frame: DataFrame = spark.createDataFrame(pages, "run_id string, page bigint, body string").transform(
        with_rows(reading)
    )
    rows = frame.transform(parse(source.table(name), reading.items, reading.constants))
    return rows.orderBy("page", "position").collect()


def test_rows_of_an_object_by_id_have_its_keys_and_those_of_an_edge_have_their_text(
    spark: SparkSession, source_of: Callable[[str], Source]
) -> None:
    source = source_of("""
  users:
    path: /users
    pagination: {style: none, items: data.*, total: null}
    key: [id]
    columns: {id: {type: string!, value: key}, age: int}
  tracks:
    path: /tracks?lang=en
    pagination: {style: cursor, items: "edges[].node", next: "edges[-1].cursor", total: null}
    headers: {X-Shop: "7"}
    key: [id]
    columns:
      id: {type: "decimal(38,0)!", from: "@id"}
      price: {type: "decimal(20,18)", path: cost.amount}
      first: {type: string, path: "tags[0].name"}
      lang: {type: string!, value: params.lang}
      shop: {type: int!, value: headers.x-shop}
""")
    users = parsed(spark, source, "users", '{"data": {"u1": {"age": 3}, "u\\"2": {"age": "x"}, "u3": null}}')
    assert [(row.row.id, row.row.age, row.problems) for row in users] == [
        ("u1", 3, []),
        ('u"2', None, ["wrong_type:age"]),
        (None, None, ["not_an_object"]),
    ]
    body = (
        '{"edges": [{"node": {"@id": 12345678901234567890123456789012345678, "cost": {"amount": 0.123456789012345678},'
        ' "tags": [{"name": "a"}, {"name": "b"}]}, "cursor": "c1"}, {"node": {"@id": 2, "x": NaN}, "cursor": "c2"}]}'
    )
    [first, second] = parsed(spark, source, "tracks", body.replace("NaN", "1"))
    assert str(first.row.id) == "12345678901234567890123456789012345678"
    assert str(first.row.price) == "0.123456789012345678"
    assert (first.row.first, first.row.lang, first.row.shop, first.problems) == ("a", "en", 7, [])
    assert (second.row.id, second.row.price, second.row.first, second.problems) == (2, None, None, [])
    assert [row.problems for row in parsed(spark, source, "tracks", body)] == [[], ["unreadable_number"]]


def test_nested_rows_have_the_key_of_their_parent_and_those_that_cannot_be_known_are_rejected(
    spark: SparkSession, source_of: Callable[[str], Source]
) -> None:
    source = source_of(ORDERS.partition("tables:")[2].replace("{{", "{").replace("}}", "}") + LINES)
    body = """{"items": [
        {"id": 1, "lines": [{"sku": "a", "price": 1.10}, {"sku": "b"}]},
        {"id": 2, "lines": null},
        {"id": 3},
        {"id": 4, "lines": {"sku": "c"}},
        {"id": 5, "lines": [{"sku": "d"}, 7, {"price": 2}]},
        {"id": 6, "id": 7, "lines": [{"sku": "e"}]},
        8
    ]}"""
    rows = parsed(spark, source, "order_lines", body)
    assert [(row.row.order_id, row.row.line, row.row.sku, row.problems) for row in rows] == [
        (1, 0, "a", []),
        (1, 1, "b", []),
        (4, None, None, ["no_list"]),
        (5, 0, "d", []),
        (5, 1, None, ["not_an_object"]),
        (5, 2, None, ["missing_value:sku"]),
        (None, None, None, ["parent_unreadable"]),
        (None, None, None, ["parent_unreadable"]),
    ]
    assert str(rows[0].row.price) == "1.10"


class Shop:
    """A shop whose orders a test changes between its runs."""

    def __init__(self, spark: SparkSession, folder: Path, server: MovingServer) -> None:
        self.spark, self.folder, self.server = spark, folder, server
        self.n_runs = 0

    def job(self, tables: str = LINES) -> Job:
        self.n_runs += 1
        path = self.folder / "shop.yml"
        path.write_text(ORDERS.format(url=self.server.url) + tables, "utf-8")
        return job_of(path, self.n_runs)

    def run(self, *orders: tuple[int, list[str] | None], tables: str = LINES, allow_deletes: bool = False) -> Run:
        """One run up to silver, of orders by their number, each with the articles on its lines."""
        self.server.tables["orders"].rows = [
            {
                "id": number,
                "ship_to": {"post town": f"town {number}"},
                "lines": None if lines is None else [{"sku": sku, "price": 1.5} for sku in lines],
            }
            for number, lines in orders
        ]
        return copied(self.job(tables), allow_deletes=allow_deletes)

    def replay(self, of: str) -> Run:
        job = self.job()
        run = record.open_run(job, publishes=False, replay_of=of)
        with suppress(SourceError):
            landed = landed_runs(job.source, job.layout, job.tables, of)
            with record.recorded(job, run, "full-ingest"):
                take_landed(job, run, landed, Choices(no_check=True, allow_deletes=False, accept_incomplete=False))
        return run

    def silver(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        held = DeltaTable(str(self.folder / "lake" / "silver" / table))
        rows = pa.table(
            QueryBuilder().register("t", held).execute(f"SELECT {columns} FROM t ORDER BY 1, 2")
        ).to_pylist()
        return [tuple(row.values()) for row in rows]

    def lines(self) -> list[tuple[Any, ...]]:
        return self.silver("order_lines", "order_id, line, sku, _deleted_at IS NOT NULL AS deleted")


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Iterator[Shop]:
    with MovingServer({"orders": MovingTable([])}) as server:
        yield Shop(spark, tmp_path, server)


def test_nested_rows_come_without_a_request_are_as_complete_as_their_parents_and_are_deleted_with_them(
    shop: Shop,
) -> None:
    first = shop.run((1, ["a", "b"]), (2, None), (3, ["c"]), (4, ["d"]), (5, []))
    assert first.failed == {}
    # Three pages, and the first once more at the end.
    assert shop.server.tables["orders"].n_asked == 4
    orders, lines = first.tables["orders"], first.tables["order_lines"]
    assert (orders.proof, orders.rows_landed, lines.proof, lines.rows_landed, lines.keys) == (
        "counted",
        5,
        "counted",
        4,
        4,
    )
    assert shop.silver("orders", "id, country, city")[:2] == [(1, "de", "town 1"), (2, "de", "town 2")]
    assert shop.lines() == [(1, 0, "a", False), (1, 1, "b", False), (3, 0, "c", False), (4, 0, "d", False)]

    second = shop.run((1, ["a"]), (2, ["e"]), (3, ["c"]), (5, []))
    assert (second.failed, second.tables["order_lines"].rows_deleted) == ({}, 2)
    assert shop.lines() == [
        (1, 0, "a", False),
        (1, 1, "b", True),
        (2, 0, "e", False),
        (3, 0, "c", False),
        (4, 0, "d", True),
    ]

    third = shop.run((1, ["a"]), (2, ["e"]), (3, ["c"]), (5, []))
    assert (third.tables["order_lines"].rows_inserted, third.tables["order_lines"].rows_updated) == (0, 0)
    job = shop.job()
    asked = Asked(shop.spark, job.source, job.layout, job.source.table("order_lines"), {"order_id": 1, "line": 1})
    told = "\n".join(explain(asked))
    assert "run-1" in told
    assert "silver: deleted: run run-2" in told


def test_a_nested_table_that_is_declared_later_is_filled_from_pages_that_have_landed(shop: Shop) -> None:
    assert shop.run((1, ["a", "b"]), (2, ["c"]), tables="").failed == {}
    again = shop.replay("run-1")
    assert again.failed == {}
    assert again.tables["order_lines"].proof == "counted"
    assert shop.lines() == [(1, 0, "a", False), (1, 1, "b", False), (2, 0, "c", False)]
    assert shop.server.tables["orders"].n_asked == 2


def test_a_nested_table_fails_with_its_parent(shop: Shop) -> None:
    shop.run((1, ["a"]), (2, ["b"]), (3, ["c"]))
    shop.server.tables["orders"].once(2, *[Fails(404)] * 20)
    failed = shop.run((1, ["a"]), (2, ["b"]), (3, ["c"])).failed
    assert failed["order_lines"] == "order_lines: its rows are on the pages of orders, which failed"
