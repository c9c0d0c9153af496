"""What is said of a publication, and to those who ask a lake without one; no Spark starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lib.errors import ConfigError
from lib.lake.inventory import Entry
from lib.lake.layout import Layout, claim, lake_at
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import Lake, open_lake
from lib.lake.runs import TableRun, new_run
from lib.lake.without_spark import read_published
from tests.on_disk import on_disk

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)


def day(number: int) -> datetime:
    return AT + timedelta(days=number)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = lake_at(str(tmp_path / "lake"))
    claim(layout, "shop", AT)
    return layout


def run(layout: Layout, number: int, key: str, table: TableRun) -> None:
    columns = [{"name": "id", "pii": False}, {"name": "mail", "pii": True}]
    settings = {"tables": [{"name": "people", "key": [key], "columns": columns}]}
    record = new_run(f"r{number}", "shop", "", settings, day(number))
    record.tables = {"people": table}
    record.save(layout)


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """In place of a session: nothing here may start or use one."""
    monkeypatch.setattr("lib.lake.read.start_session", lambda *_, **__: pytest.fail("Spark is started"))
    return None


def test_the_inventory_is_of_the_published_version_and_of_the_last_run_that_took_rows(
    layout: Layout, no_spark: Any
) -> None:
    path = layout.silver("people")
    for ids in ([1, 2], [3], [4, 5, 6]):
        write_deltalake(str(path), pa.table({"id": ids, "mail": ["m"] * len(ids)}), mode="append")
    files = sorted(on_disk(path).glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    assert len(files) == 3
    run(layout, 0, "number", TableRun("people", state="merged", path="silver/people", version=0, newest_at=day(-5)))
    run(layout, 1, "id", TableRun("people", state="merged", path="silver/people", version=1, newest_at=day(-4)))
    run(layout, 2, "id", TableRun("people", state="failed", error="502", newest_at=day(-3)))
    run(layout, 3, "id", TableRun("people", state="kept", path="silver/people", version=1))
    run(layout, 4, "mail", TableRun("people", state="merged", path="silver/people", version=2, newest_at=day(-2)))
    publish(layout, Publication("p", "r3", day(3), {"people": PublishedTable("people", "silver/people", 1, 3)}))
    assert Lake(layout, no_spark).inventory == [
        Entry(
            table="people",
            key=("id",),
            rows=3,
            files=2,
            n_bytes=sum(file.stat().st_size for file in files[:2]),
            version=1,
            newest_at=day(-4),
            checked_at=day(3),
            masked=("mail",),
        )
    ]


def test_a_lake_in_which_nothing_is_published_or_checked_says_what_to_run(layout: Layout, no_spark: Any) -> None:
    run(layout, 0, "id", TableRun("people"))
    root = layout.root
    lake = Lake(layout, no_spark)
    for ask in (lambda: read_published(str(root)), lambda: lake.inventory, lake.published):
        with pytest.raises(ConfigError) as stopped:
            ask()
        assert str(stopped.value) == (
            f"{root}: nothing is published here; run ./spark-submit.sh full-ingest --lake {root} first"
        )
    with pytest.raises(ConfigError) as stopped:
        assert lake.last_check
    assert (
        str(stopped.value) == f"{root}: no run was checked here; run ./spark-submit.sh full-ingest --lake {root} first"
    )


def test_there_must_be_a_lake_before_spark_is_started(tmp_path: Path, no_spark: Any) -> None:
    for ask in (open_lake, read_published):
        with pytest.raises(ConfigError, match="there is no lake here"):
            ask(str(tmp_path))
