"""Suites that name personal columns: only kinds that show counts may, of derived tables too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.config import Source, load_source
from lib.config.runtime import REPO
from lib.errors import ConfigError
from lib.quality.suites import check_personal

YAML = """source: shop
api: {url: "http://127.0.0.1:1"}
tables:
  listen_history:
    path: /listen_history
    key: [user_id, created_at]
    columns: {user_id: {type: "bigint!", pii: true}, items: "array<bigint>!", created_at: "timestamp!"}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "shop.yml").write_text(YAML, "utf-8")
    return load_source(str(tmp_path / "shop.yml"), conf_dir=REPO / "conf", env={})


def suites(table: str, kind: str, column: str) -> dict[str, Any]:
    empty: dict[str, Any] = {name: {"expectations": []} for name in ("listen_history", "listens")}
    return empty | {table: {"expectations": [{"type": kind, "kwargs": {"column": column}}]}}


@pytest.mark.parametrize("table", ["listen_history", "listens"])
def test_a_kind_that_shows_values_may_not_name_a_personal_column_nor_one_made_of_it(table: str, source: Source) -> None:
    with pytest.raises(
        ConfigError, match=rf"expectations/shop/{table}\.json: expect_column_max_to_be_between .* user_id"
    ):
        check_personal(source, suites(table, "expect_column_max_to_be_between", "user_id"))
    check_personal(source, suites(table, "expect_column_values_to_not_be_null", "user_id"))


def test_other_columns_may_show_their_values(source: Source) -> None:
    check_personal(source, suites("listens", "expect_column_max_to_be_between", "track_id"))
    check_personal(source, suites("listen_history", "expect_column_max_to_be_between", "created_at"))
