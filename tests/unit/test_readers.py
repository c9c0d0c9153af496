"""The lines that index.html gives for readers without Spark, run as they stand against a lake: live rows only, at their version."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lib.reporting.readers import ways_to_read

AT = datetime(2026, 1, 1, tzinfo=UTC)
# A name that Python keeps for itself, one that SQL does, and a derived table, which has no deleted rows.
TABLES = [("class", "silver/class", 0), ("order", "silver/order", 1), ("plays", "gold/plays", 0)]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a lake. In each table of silver a row is deleted; a version after the published ones has other rows."""
    marked = pa.field("_deleted_at", pa.timestamp("us", tz="UTC"))
    for table, path, version in TABLES:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        for number in range(version + 1):
            ids = pa.array([10 * number + one for one in (1, 2, 3)])
            rows = {"id": ids}
            if path.startswith("silver/"):
                rows[marked.name] = pa.array([None, AT, None], marked.type)
            write_deltalake(str(tmp_path / path), pa.table(rows), mode="overwrite")
        write_deltalake(str(tmp_path / path), pa.table({**rows, "id": pa.array([97, 98, 99])}), mode="overwrite")
        assert DeltaTable(str(tmp_path / path)).version() == version + 1, table
    monkeypatch.chdir(tmp_path)


def ids(of: Any) -> list[int]:
    """The ids of a table, whichever reader's it is."""
    if isinstance(of, pl.LazyFrame):
        return sorted(of.collect()["id"].to_list())
    return sorted(of["id"].to_pylist() if isinstance(of, pa.Table) else of["id"].tolist())


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize("reader", ["Polars", "DuckDB", "deltalake", "pandas"])
def test_the_lines_of_a_reader_give_the_live_rows_of_the_published_versions(
    reader: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}
    exec(ways_to_read(TABLES)[reader], given)
    assert {name: ids(given[name]) for name in ("class_", "order", "plays")} == {
        "class_": [1, 3],
        "order": [11, 13],
        "plays": [1, 2, 3],
    }
    # DuckDB shows the rows of the first table.
    assert ("│            2 │" in capfd.readouterr().out) == (reader == "DuckDB")


def test_the_lines_for_spark_have_the_version_and_leave_out_what_is_deleted() -> None:
    assert ways_to_read([*TABLES, ("old", "silver/old", None)])["Spark"].splitlines() == [
        'class_ = spark.read.format("delta").option("versionAsOf", 0).load("silver/class").where("_deleted_at IS NULL")',
        'order = spark.read.format("delta").option("versionAsOf", 1).load("silver/order").where("_deleted_at IS NULL")',
        'plays = spark.read.format("delta").option("versionAsOf", 0).load("gold/plays")',
        'old = spark.read.format("delta").load("silver/old").where("_deleted_at IS NULL")',
    ]
