"""`max_age`: how old a table's newest row may be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lib.config import Table, load_source
from lib.errors import ConfigError

TEXT = """\
source: shop
api: {url: "http://127.0.0.1:1"}
tables:
  orders:
    path: /orders
    key: [id]
    newest_by: NEWEST
    max_age: AGE
    columns: {id: bigint!, name: string, made_on: date, changed_at: timestamp}
"""


def load(age: str, folder: Path, newest_by: str = "newest_by: changed_at") -> Table:
    (folder / "shop.yml").write_text(TEXT.replace("newest_by: NEWEST", newest_by).replace("AGE", age), "utf-8")
    return load_source(str(folder / "shop.yml"), conf_dir=folder, env={}).table("orders")


def mistakes(age: str, folder: Path, newest_by: str = "newest_by: changed_at") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(age, folder, newest_by)
    return [line.partition("shop.yml:8: tables.orders.max_age: ")[2] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90m", timedelta(minutes=90)),
        ("26h", timedelta(hours=26)),
        ("7d", timedelta(days=7)),
        ("99999d", timedelta(days=99_999)),
    ],
)
def test_an_age_is_a_number_of_minutes_hours_or_days(text: str, meant: timedelta, tmp_path: Path) -> None:
    table = load(text, tmp_path)
    assert (table.max_age, table.oldest) == (text, meant)


def test_a_date_will_do_as_newest_by(tmp_path: Path) -> None:
    assert load("2d", tmp_path, "newest_by: made_on").oldest == timedelta(days=2)


def test_without_one_any_age_is_fine(tmp_path: Path) -> None:
    assert load("null", tmp_path).oldest is None


@pytest.mark.parametrize(
    "text", ["26", "26 h", "0h", "-1h", "1.5h", "1h30m", "h", "26H", "100000d", "2w", "true", "[26h]"]
)
def test_anything_else_is_no_age(text: str, tmp_path: Path) -> None:
    assert mistakes(text, tmp_path) == [
        "is not a duration; write a whole number and m, h or d (minutes, hours, days), such as 26h"
    ]


def test_an_age_needs_a_column_with_times(tmp_path: Path) -> None:
    assert mistakes("26h", tmp_path, "deletes: soft") == ["needs newest_by, the column that says how old a row is"]
    assert mistakes("26h", tmp_path, "newest_by: name") == [
        "needs a newest_by that is a timestamp or date, and 'name' is string"
    ]
