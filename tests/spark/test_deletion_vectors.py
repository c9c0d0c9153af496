"""Silver without deletion vectors, by the setting: readers that know none of them open every version, run after run."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaProtocolError

from lib.lake import deletion_vectors
from tests.moving_server import Row
from tests.spark.served_table import Killed, Served

WITHOUT = "readers: {deletion_vectors: false}\n"
COLUMNS = ["id", "name", "_deleted_at"]


def rows(*names: str | None) -> list[Row]:
    """Rows with the ids 1, 2, ...; None for one that the source no longer has."""
    return [{"id": number, "name": name} for number, name in enumerate(names, 1) if name is not None]


def path_of(things: Served) -> str:
    return str(things.layout.silver("things"))


def as_pandas(table: DeltaTable) -> list[tuple[Any, ...]]:
    found = table.to_pandas(columns=COLUMNS).sort_values("id")
    return list(found.assign(_deleted_at=found["_deleted_at"].notna()).itertuples(index=False, name=None))


def as_arrow(table: DeltaTable) -> list[tuple[Any, ...]]:
    found = table.to_pyarrow_dataset().to_table(columns=COLUMNS).sort_by("id").to_pylist()
    return [(row["id"], row["name"], row["_deleted_at"] is not None) for row in found]


def as_duckdb(table: DeltaTable) -> list[tuple[Any, ...]]:
    held = table.to_pyarrow_dataset()
    with duckdb.connect() as connection:
        connection.register("held", held)
        return connection.sql("SELECT id, name, _deleted_at IS NOT NULL FROM held ORDER BY id").fetchall()


def as_polars(table: DeltaTable) -> list[tuple[Any, ...]]:
    found = pl.read_delta(table, columns=COLUMNS).sort("id")
    return found.with_columns(pl.col("_deleted_at").is_not_null()).rows()


def as_sql(table: DeltaTable) -> list[tuple[Any, ...]]:
    found = (
        QueryBuilder().register("t", table).execute("SELECT id, name, _deleted_at IS NOT NULL AS d FROM t ORDER BY id")
    )
    return [tuple(row.values()) for row in pa.table(found).to_pylist()]


KNOWING, NOT_KNOWING = (as_polars, as_sql), (as_pandas, as_arrow, as_duckdb)


def test_a_table_that_is_made_without_has_none_after_inserts_updates_deletes_and_new_columns(things: Served) -> None:
    things.blocks = WITHOUT
    things.columns["id"] = "int!"
    nights = [
        (rows("a", "b", "c"), [(1, "a", False), (2, "b", False), (3, "c", False)]),
        (rows("a", "B", None, "d"), [(1, "a", False), (2, "B", False), (3, "c", True), (4, "d", False)]),
        (rows(None, "B", "c", "d"), [(1, "a", True), (2, "B", False), (3, "c", False), (4, "d", False)]),
    ]
    published: list[tuple[int | None, list[tuple[Any, ...]]]] = []
    for given, held in nights:
        if len(published) == 2:
            # The whole table is written anew with the wider type, and gets a column.
            things.columns |= {"id": "bigint!", "new": "string"}
            things.settings["on_missing_column"] = '"null"'
        version = things.run(*given).tables["things"].version
        published.append((version, held))
        for reader in (*KNOWING, *NOT_KNOWING):
            assert reader(DeltaTable(path_of(things))) == held, reader.__name__
    # Also the versions that a rollback would publish again.
    for version, held in published:
        assert [reader(DeltaTable(path_of(things), version=version)) for reader in NOT_KNOWING] == [held] * 3
    assert DeltaTable(path_of(things)).protocol().min_reader_version == 1


def test_a_table_loses_them_at_the_next_merge_though_nothing_changed_and_gets_them_back(things: Served) -> None:
    things.run(*rows("a", "b", "c"))
    things.run(*rows("a", "B"))
    marked = things.version()
    held = [(1, "a", False), (2, "B", False), (3, "c", True)]
    table = DeltaTable(path_of(things))
    with pytest.raises(DeltaProtocolError):
        as_pandas(table)
    assert [reader(table) for reader in KNOWING] == [held] * 2

    things.blocks = WITHOUT
    record = things.run(*rows("a", "B")).tables["things"]
    assert (record.rows_inserted, record.rows_updated, record.rows_deleted) == (0, 0, 0)
    assert record.version == things.version() > marked
    for reader in (*KNOWING, *NOT_KNOWING):
        assert reader(DeltaTable(path_of(things), version=record.version)) == held, reader.__name__
    # What was published before is read as before, and the change feed shows no change of the files alone.
    assert [reader(DeltaTable(path_of(things), version=marked)) for reader in KNOWING] == [held] * 2
    feed = things.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", marked + 1)
    assert feed.load(path_of(things)).count() == 0
    # Nothing is written again where nothing is to be done.
    assert things.run(*rows("a", "B")).tables["things"].version == record.version

    things.blocks = ""
    back = things.run(*rows("a", "X")).tables["things"]
    assert (back.rows_updated, deletion_vectors.may_have_some(things.layout.silver("things"))) == (1, True)
    assert [reader(DeltaTable(path_of(things))) for reader in KNOWING] == [[held[0], (2, "X", False), held[2]]] * 2


@pytest.mark.thorough
def test_a_run_that_is_killed_between_the_commits_is_taken_up_by_the_next(
    things: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    things.run(*rows("a", "b"))
    things.run(*rows("a", "B"))
    path = path_of(things)

    def killed(*_: Any) -> None:
        # What the first of its commits does.
        things.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'false')")
        raise Killed

    things.blocks = WITHOUT
    with monkeypatch.context() as patch:
        patch.setattr(deletion_vectors, "drop", killed)
        with pytest.raises(Killed):
            things.run(*rows("a", "c"))
    with pytest.raises(DeltaProtocolError):
        as_pandas(DeltaTable(path))
    things.run(*rows("a", "c"))
    assert as_pandas(DeltaTable(path)) == [(1, "a", False), (2, "c", False)]


@pytest.mark.thorough
def test_tables_that_are_merged_again_from_what_has_landed_have_none_either(things: Served) -> None:
    things.run(*rows("a", "b"))
    things.run(*rows("a", "B"))
    things.blocks = WITHOUT
    things.replay("all")
    assert as_pandas(DeltaTable(path_of(things))) == [(1, "a", False), (2, "B", False)]
