"""What a run records of a nested table: how complete it is, and why it failed, follow from the table whose pages hold its rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.config import Source, load_source
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState
from lib.landing.nested import follow_parents, nested_in, with_nested

SHOP = """\
source: shop
api: {url: http://h}
tables:
  lines:
    parent: {table: orders, items: lines}
    key: [order_id, line]
    columns: {order_id: {type: bigint!, value: parent.id}, line: {type: int!, value: position}}
  orders: {path: /orders, key: [id], columns: {id: bigint!}}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "shop.yml").write_text(SHOP, "utf-8")
    return load_source(str(tmp_path / "shop.yml"), conf_dir=tmp_path, env={})


def run_of(*records: TableRun) -> Run:
    run = Run("r1", "shop", datetime(2026, 1, 1, tzinfo=UTC), "", "{}")
    run.tables = {record.table: record for record in records}
    return run


def test_a_nested_table_has_the_proof_of_its_parent_and_loses_it_with_it(source: Source) -> None:
    orders = TableRun("orders", TableState.LANDED, proof="counted", pages=3, rounds=1, rows_landed=250, rows_total=250)
    run = run_of(TableRun("lines"), orders)
    follow_parents(source, run)
    lines = run.tables["lines"]
    assert (lines.state, lines.proof, lines.pages, lines.rounds) == ("landed", "counted", 3, 1)
    assert (lines.rows_landed, lines.rows_total) == (None, None)

    orders.proof, orders.unproved_because, orders.pages_skipped = "unproved", "1 page was skipped", 1
    follow_parents(source, run)
    lines = run.tables["lines"]
    assert (lines.proof, lines.unproved_because, lines.pages_skipped) == ("unproved", "1 page was skipped", 1)


def test_a_nested_table_fails_with_its_parent_though_that_was_proved_before(source: Source) -> None:
    run = run_of(TableRun("lines"), TableRun("orders", TableState.LANDED, proof="counted"))
    follow_parents(source, run)
    run.fail("orders", "orders: page 2 failed")
    follow_parents(source, run)
    assert run.failed["lines"] == "lines: its rows are on the pages of orders, which failed"
    # Said once.
    follow_parents(source, run)
    assert run.tables["lines"].state == "failed"


def test_a_nested_table_waits_for_its_parent_and_one_that_is_kept_stays(source: Source) -> None:
    run = run_of(TableRun("lines"), TableRun("orders"))
    follow_parents(source, run)
    assert run.tables["lines"].state == "planned"
    kept = run_of(TableRun("lines", TableState.KEPT), TableRun("orders", TableState.LANDED, proof="counted"))
    follow_parents(source, kept)
    assert (kept.tables["lines"].state, kept.tables["lines"].proof) == ("kept", None)
    assert nested_in(source, "orders") == ["lines"]
    assert nested_in(source, "lines") == []


def test_pages_that_have_landed_hold_the_rows_of_a_table_that_was_nested_in_them_since(source: Source) -> None:
    orders = TableRun("orders", TableState.MERGED, proof="reread", pages=3)
    before = TableRun("lines", TableState.FAILED, error="lines: 3 of 4 rows break the contract", rows_landed=4)
    assert with_nested(source, {"orders": orders}, {}, ["lines", "orders"]) == {
        "lines": TableRun("lines", TableState.LANDED, proof="reread", pages=3),
        "orders": orders,
    }
    again = with_nested(source, {"orders": orders}, {"lines": before}, ["lines", "orders"])["lines"]
    assert (again.proof, again.rows_landed) == ("reread", 4)
    assert with_nested(source, {}, {"lines": before}, ["lines", "orders"]) == {}
    assert with_nested(source, {"orders": orders}, {"lines": before}, ["orders"]) == {"orders": orders}
