"""Tables in parts, up to silver: slices, and a list for each row of another table; what is rejected, deleted, read again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from jobs.full_ingest import take_landed
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib.errors import SourceError
from lib.landing.replay import landed_runs
from lib.lineage.explain import Asked, explain
from tests.lists_server import ListsServer, Query, Row
from tests.spark.served_table import copied, job_of

TABLES = """\
  lines:
    parent: {table: orders, items: lines}
    key: [order_id, line]
    columns: {order_id: {type: bigint!, value: parent.id}, user_id: {type: bigint!, value: parent.user_id}, line: bigint!}
  orders:
    path: /users/{users.id}/orders
    key: [id]
    deletes: soft
    max_delete_fraction: 1.0
    max_rejected_fraction: 1.0
    columns: {id: bigint!, user_id: {type: bigint!, value: users.id}, name: string!}
  users: {path: /users, key: [id], deletes: soft, max_delete_fraction: 1.0, columns: {id: bigint!}}
"""
SLICED = """\
  tickets:
    path: /tickets
    slices: {param: status, values: [open, closed]}
    key: [id]
    newest_by: seen
    columns: {id: bigint!, status: {type: string, value: params.status}, seen: bigint!}
"""


def job(folder: Path, url: str, tables: str, number: int) -> Job:
    """Run `number` of a source with these tables, at three rows a page."""
    path = folder / "shop.yml"
    path.write_text(f"source: shop\napi: {{url: '{url}', pagination: {{size: 3}}}}\ntables:\n{tables}", "utf-8")
    return job_of(path, number, ["api.limits.attempts=1"])


def query(folder: Path, table: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query on a table of the lake, which it calls t."""
    found = QueryBuilder().register("t", DeltaTable(str(folder / "lake" / table))).execute(sql)
    return [tuple(row.values()) for row in pa.table(found).to_pylist()]


def order(number: int, name: str | None = "", lines: int = 0) -> Row:
    return {"id": number, "name": name, "lines": [{"line": line} for line in range(lines)]}


def test_lists_of_the_rows_of_another_table_come_to_silver(spark: SparkSession, tmp_path: Path) -> None:
    """Rows are rejected with their part, deleted with it, and the same from landed pages."""
    of_users: dict[int, list[Row] | int] = {
        1: [order(11, lines=2), order(12, "a", lines=1)],
        2: [order(number, "b") for number in range(21, 26)],
        3: [order(31, None), order(32, "c")],
    }

    def lists(path: str, _: Query) -> list[Row] | int:
        return [{"id": user} for user in of_users] if path == "/users" else of_users[int(path.split("/")[2])]

    with ListsServer(lists) as server:
        first = copied(job(tmp_path, server.url, TABLES, 1))
        assert {name: one.error for name, one in first.tables.items()} == dict.fromkeys(("lines", "orders", "users"))
        live = "SELECT id, user_id FROM t WHERE _deleted_at IS NULL ORDER BY id"
        assert query(tmp_path, "silver/orders", live) == [
            (11, 1), (12, 1), (21, 2), (22, 2), (23, 2), (24, 2), (25, 2), (32, 3)
        ]  # fmt: skip
        lines = "SELECT order_id, user_id, line FROM t ORDER BY order_id, line"
        assert query(tmp_path, "silver/lines", lines) == [(11, 1, 0), (11, 1, 1), (12, 1, 0)]
        rejected = "SELECT part, page, position, reason FROM t"
        assert query(tmp_path, "quarantine/rows", rejected) == [('{"users.id":3}', 1, 0, "missing_value:name")]
        # The rejected row still has its list: only what the source has no more is deleted.
        of_users[2], of_users[1] = 404, [order(12, "a", lines=1)]
        second = copied(job(tmp_path, server.url, TABLES, 2))
        assert second.tables["orders"].parents_missing == 1
        assert query(tmp_path, "silver/orders", live) == [(12, 1), (32, 3)]
        asked = job(tmp_path, server.url, TABLES, 3)
        told = explain(Asked(spark, asked.source, asked.layout, asked.source.table("orders"), {"id": 31}))
        assert (
            'run run-1 (2026-01-02 00:00 UTC, merged, not published): {"users.id":3}, page 1, row 1: rejected: '
            in told[1]
        )
        server.asked.clear()
        assert replayed(asked, "run-2") == {"orders": None, "lines": None, "users": None}
        assert server.asked == []
        assert query(tmp_path, "silver/orders", live) == [(12, 1), (32, 3)]


def replayed(job: Job, of: str) -> dict[str, str | None]:
    """The errors of the tables after the landed pages of a run were merged again."""
    run = record.open_run(job, publishes=False, replay_of=of)
    with suppress(SourceError):
        landed = landed_runs(job.source, job.layout, job.tables, of)
        with record.recorded(job, run, "full-ingest"):
            take_landed(job, run, landed, Choices(no_check=True, allow_deletes=False, accept_incomplete=False))
    return {name: one.error for name, one in run.tables.items()}


def test_a_row_of_two_slices_is_taken_once(spark: SparkSession, tmp_path: Path) -> None:
    found = {
        "open": [{"id": 1, "seen": 1}, {"id": 2, "seen": 1}],
        "closed": [{"id": 2, "seen": 2}, {"id": 3, "seen": 1}],
    }
    with ListsServer(lambda _, query: list(found[query["status"]])) as server:
        run = copied(job(tmp_path, server.url, SLICED, 1))
        assert (run.tables["tickets"].proof, run.tables["tickets"].rows_duplicate) == ("counted", 1)
        rows = query(tmp_path, "silver/tickets", "SELECT id, status FROM t ORDER BY id")
        assert rows == [(1, "open"), (2, "closed"), (3, "closed")]


def test_a_part_that_has_a_key_on_two_pages_is_read_once_more(spark: SparkSession, tmp_path: Path) -> None:
    """The source itself repeats a row: the second reading is the same, and that is that."""
    found = {"open": [{"id": number, "seen": 1} for number in (1, 2, 3, 3)], "closed": [{"id": 4, "seen": 1}]}
    with ListsServer(lambda _, query: list(found[query["status"]])) as server:
        run = copied(job(tmp_path, server.url, SLICED, 1))
        assert (run.tables["tickets"].proof, run.tables["tickets"].rows_duplicate) == ("counted", 1)
        assert [query["status"] for _, query in server.asked].count("closed") == 1
        assert [query["status"] for _, query in server.asked].count("open") == 2 * 3
        assert query(tmp_path, "silver/tickets", "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (4,)]


@pytest.mark.thorough
def test_ten_thousand_lists_come_to_silver(spark: SparkSession, tmp_path: Path) -> None:
    def lists(path: str, _: Query) -> list[Row]:
        if path == "/users":
            return [{"id": user} for user in range(1, 10_001)]
        return [{"id": int(path.split("/")[2]), "name": "a"}]

    with ListsServer(lists) as server:
        one = job(
            tmp_path,
            server.url,
            TABLES.replace("path: /users,", "path: /users, pagination: {style: page, size: 1000},"),
            1,
        )
        run = copied(one)
        assert (run.tables["orders"].proof, run.tables["orders"].rows_landed) == ("counted", 10_000)
        assert server.paths.total() == 10_000 + 10 + 1
        assert set(server.paths.values()) == {1, 11}
        assert query(tmp_path, "silver/orders", "SELECT count(*) FROM t WHERE id = user_id") == [(10_000,)]
