"""Recorded answers of the real service: they keep the contract that `conf/sources/moovitamix.yml` declares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.config import Source, load_source
from lib.source.access import Access
from lib.source.page import look_at

REPO = Path(__file__).parents[2]
SAMPLES = REPO / "tests" / "data" / "moovitamix"
TABLES = ("tracks", "users", "listen_history")


@pytest.fixture(scope="module")
def source() -> Source:
    return load_source("moovitamix", conf_dir=REPO / "conf", env={})


@pytest.mark.parametrize("table", TABLES)
def test_a_recorded_page_has_three_of_a_thousand_rows(source: Source, table: str) -> None:
    body = (SAMPLES / f"{table}.page1.size3.json").read_text("utf-8")
    shape = look_at(body, Access.of(source.api).paging, {})
    assert (shape.n_items, shape.total, shape.pages, shape.own_number) == (3, 1000, 334, 1)


@pytest.mark.parametrize("table", TABLES)
def test_a_recorded_page_past_the_end_is_empty_and_still_says_the_total(source: Source, table: str) -> None:
    body = (SAMPLES / f"{table}.past_the_end.json").read_text("utf-8")
    shape = look_at(body, Access.of(source.api).paging, {})
    assert (shape.n_items, shape.total, shape.pages, shape.own_number) == (0, 1000, 10, 11)


@pytest.mark.parametrize("table", TABLES)
def test_recorded_rows_have_exactly_the_declared_columns_and_every_required_value(source: Source, table: str) -> None:
    rows = json.loads((SAMPLES / f"{table}.page1.size3.json").read_text("utf-8"))["items"]
    declared = source.table(table)
    for row in rows:
        assert list(row) == [column.name for column in declared.columns]
        assert [name for name in declared.required if row[name] is None] == []


def test_the_declared_page_size_is_the_most_that_the_service_gives(source: Source) -> None:
    refusal = json.loads((SAMPLES / "422.json").read_text("utf-8"))["detail"]
    [most] = [problem["ctx"]["le"] for problem in refusal if problem["loc"] == ["query", "size"]]
    assert source.api.pagination.size == most == 100
