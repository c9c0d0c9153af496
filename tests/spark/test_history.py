"""What a row looked like, and what changed between runs: by hand, and by another reader of the same tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.errors import ConfigError
from lib.lake.layout import lake_at
from lib.lake.merge import Clock, merge
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import Lake
from lib.lake.runs import TableRun, new_run
from lib.tables.newest import row_hash

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

DAY_0 = datetime(2026, 3, 1, 2, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs" / "history.md"
Value = tuple[int, str]


def day(number: int) -> datetime:
    return DAY_0 + timedelta(days=number)


class Kept:
    """A lake with a table `tracks`, into which a test merges a run a day."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.lake = spark, Lake(lake_at(str(folder / "lake" / "demo")), spark)
        self.path = self.lake.layout.silver("tracks")
        self.n_runs = 0

    def run(self, *values: Value, gone: Iterable[int] = (), published: bool = False, state: str = "merged") -> str:
        """Merge these rows of a day's run; its id."""
        number, self.n_runs = self.n_runs, self.n_runs + 1
        run_id, gone = f"run-{number}", list(gone)
        run = self.record(run_id, day(number), TableRun("tracks", state=state))
        if state == "merged":
            rows = self.spark.createDataFrame(list(values), "id bigint, name string")
            rows = rows.withColumn("_row_hash", row_hash(("id", "name")))
            missing = self.silver().where(F.col("id").isin(gone)) if gone else None
            clock = Clock(run_id, day(number))
            done = merge(
                self.spark,
                self.path,
                rows,
                key=("id",),
                newest_by=None,
                deleted_rows=missing,
                n_deleted=len(gone),
                clock=clock,
            )
            run.tables["tracks"].path, run.tables["tracks"].version = "silver/tracks", done.version
            run.save(self.lake.layout)
        if published:
            self.publish(run_id, day(number) + timedelta(hours=1))
        return run_id

    def record(self, run_id: str, at: datetime, table: TableRun) -> Any:
        run = new_run(run_id, "demo", "", {"tables": [{"name": "tracks", "key": ["id"]}]}, at)
        run.tables = {"tracks": table}
        run.save(self.lake.layout)
        return run

    def publish(self, run_id: str, at: datetime, name: str = "tracks") -> None:
        table = PublishedTable(name, "silver/tracks", DeltaTable(str(self.path)).version(), 0)
        publish(self.lake.layout, Publication(run_id, run_id, at, {name: table}))

    def silver(self) -> DataFrame:
        return self.spark.read.format("delta").load(str(self.path))

    def rewrite(self) -> None:
        """Delete and insert every row of the table, unchanged but for the run that wrote it."""
        rows = self.silver().withColumns({"_run_id": F.lit("rewrite"), "_changed_at": F.lit(day(99))})
        rows.localCheckpoint().write.format("delta").mode("overwrite").save(str(self.path))

    def changes(self, run_from: str, run_to: str) -> list[tuple[Any, ...]]:
        """Key, change, and name and time of disappearance before and after."""
        found = self.lake.changes("tracks", run_from, run_to)
        assert found.columns == ["id", "_change", "_columns", "before", "after"]
        names = ["before.name", "before._deleted_at", "after.name", "after._deleted_at"]
        return [tuple(row) for row in found.select("id", "_change", *names).orderBy("id").collect()]

    def history(self, number: int) -> list[tuple[Any, ...]]:
        found = self.lake.row_history("tracks", {"id": number})
        names = ["version", "run_id", "at", "_change", "row.name", "row._deleted_at"]
        return [tuple(row) for row in found.select(*names).collect()]

    def witness(self, version: int) -> dict[int, tuple[str, datetime | None]]:
        """A version of the table, read by delta-rs."""
        query = QueryBuilder().register("t", DeltaTable(str(self.path), version=version))
        rows = pa.table(query.execute("SELECT id, name, _deleted_at FROM t")).to_pylist()
        return {row["id"]: (row["name"], row["_deleted_at"]) for row in rows}


@pytest.fixture
def kept(spark: SparkSession, tmp_path: Path) -> Kept:
    return Kept(spark, tmp_path)


def naive(at: datetime) -> datetime:
    """As Spark gives it: the process is in UTC."""
    return at.replace(tzinfo=None)


# As of


@pytest.mark.quick
def test_a_table_is_as_readers_saw_it_at_that_time(kept: Kept) -> None:
    kept.run((1, "a"), published=True)  # 1 March 02:00, published at 03:00
    kept.run((1, "b"), (2, "x"))  # 2 March, not published
    kept.run((1, "c"), (2, "x"), published=True)  # 3 March 02:00, published at 03:00

    def names(when: datetime | date) -> list[str]:
        return [row["name"] for row in kept.lake.as_of("tracks", when).orderBy("id").collect()]

    assert names(day(0) + timedelta(hours=1)) == ["a"]
    assert names(date(2026, 3, 1)) == ["a"]
    assert names(date(2026, 3, 2)) == ["a"]
    assert names(datetime(2026, 3, 3, 2, 59, 59, 999999, tzinfo=UTC)) == ["a"]
    assert names(datetime.fromisoformat("2026-03-03T03:00")) == ["c", "x"], "without a zone it is UTC"
    assert names(datetime(2026, 3, 3, 4, 59, tzinfo=timezone(timedelta(hours=2)))) == ["a"]
    assert names(date(2026, 3, 3)) == ["c", "x"]
    assert names(date(2030, 1, 1)) == ["c", "x"]


def test_before_the_first_publication_the_error_says_since_when_there_is_something(kept: Kept) -> None:
    with pytest.raises(ConfigError, match="no table 'tracks' was ever published here"):
        kept.lake.as_of("tracks", date(2026, 3, 1))
    kept.run((1, "a"))
    kept.publish("other", day(0), name="users")
    kept.publish("run-0", day(1))
    with pytest.raises(
        ConfigError, match=r"not published yet on 2026-03-01 23:59:59 UTC; it is since 2026-03-02 02:00:00"
    ):
        kept.lake.as_of("tracks", date(2026, 3, 1))
    with pytest.raises(ConfigError, match="no table 'trakcs' was ever published here; did you mean 'tracks'"):
        kept.lake.as_of("trakcs", date(2026, 3, 3))


# Changes


def test_changes_between_two_runs_are_net_and_the_same_as_another_reader_finds(kept: Kept) -> None:
    kept.run((1, "same"), (2, "old"), (3, "there"), (4, "away"), (5, "to and fro"), (6, "blinks"))
    kept.run((1, "same"), (2, "old"), (3, "there"), (5, "to and fro"), (6, "blinks"), gone=[4])
    kept.run((1, "same"), (2, "mid"), (4, "away"), (5, "changed"), (7, "new"), (8, "brief"), gone=[3, 6])
    kept.run((1, "same"), (2, "late"), (4, "away"), (5, "to and fro"), (6, "blinks"), (7, "new"), gone=[8])
    at = [naive(day(number)) for number in range(4)]
    expected = [
        (2, "updated", "old", None, "late", None),
        (3, "deleted", "there", None, "there", at[2]),
        (4, "returned", "away", at[1], "away", None),
        (7, "inserted", None, None, "new", None),
        (8, "inserted", None, None, "brief", at[3]),
    ]
    assert kept.changes("run-1", "run-3") == expected
    old, new = kept.witness(1), kept.witness(3)
    assert {key for key in new if old.get(key) != new[key]} == {row[0] for row in expected}
    assert kept.changes("run-0", "run-1") == [(4, "deleted", "away", None, "away", at[1])]
    assert kept.changes("run-0", "run-3") == [row for row in expected if row[0] != 4]


def test_a_row_that_was_deleted_again_was_deleted_at_another_time(kept: Kept) -> None:
    kept.run((1, "a"), (2, "b"))
    kept.run((1, "a"), gone=[2])
    kept.run((1, "a"), (2, "b"))
    kept.run((1, "a"), gone=[2])
    assert kept.changes("run-1", "run-3") == [(2, "deleted", "b", naive(day(1)), "b", naive(day(3)))]


def test_a_whole_table_written_again_is_no_change(kept: Kept) -> None:
    kept.run((1, "a"), (2, "b"), (3, "c"))
    kept.rewrite()
    kept.run((1, "a"), (2, "b"), (3, "c"))
    assert kept.changes("run-0", "run-1") == []
    kept.rewrite()
    kept.run((1, "a"), (2, "changed"), (3, "c"))
    assert kept.changes("run-0", "run-2") == [(2, "updated", "b", None, "changed", None)]
    # Inserted before one rewrite, removed by another.
    kept.run((1, "a"), (2, "changed"), (3, "c"), (4, "d"))
    kept.rewrite()
    kept.silver().where("id <> 3").localCheckpoint().write.format("delta").mode("overwrite").save(str(kept.path))
    kept.run((1, "a"), (2, "changed"), (4, "d"))
    assert kept.changes("run-2", "run-4") == [
        (3, "deleted", "c", None, None, None),
        (4, "inserted", None, None, "d", None),
    ]


def test_runs_that_changed_nothing_give_no_rows_and_the_same_columns(kept: Kept) -> None:
    kept.run((1, "a"))
    kept.run((1, "a"))
    assert kept.changes("run-0", "run-1") == []
    assert kept.changes("run-0", "run-0") == []


def test_a_run_that_did_not_merge_the_table_stands_for_the_runs_before_it(kept: Kept) -> None:
    kept.run(state="failed")
    kept.run((1, "a"))
    kept.run(state="failed")
    # As with --tables: it keeps the version that is published, which is older than the table's.
    kept.record("run-3", day(3), TableRun("tracks", state="kept", path="silver/tracks", version=0))
    kept.n_runs = 4
    kept.run((1, "b"))
    assert kept.changes("run-0", "run-2") == [(1, "inserted", None, None, "a", None)]
    assert kept.changes("run-1", "run-3") == []
    assert kept.changes("run-3", "run-4") == [(1, "updated", "a", None, "b", None)]


def test_what_cannot_be_compared_is_said(kept: Kept) -> None:
    kept.run(state="failed")
    with pytest.raises(ConfigError, match="there is no silver table 'tracks'"):
        kept.lake.changes("tracks", "run-0", "run-0")
    kept.run((1, "a"))
    kept.run((1, "b"))
    with pytest.raises(ConfigError, match="there is no run 'run-9'"):
        kept.lake.changes("tracks", "run-9", "run-1")
    with pytest.raises(ConfigError, match="run run-1 merged before run run-2; give the earlier run first"):
        kept.lake.changes("tracks", "run-2", "run-1")
    with pytest.raises(ConfigError, match="there is no silver table 'trakcs'; did you mean 'tracks'"):
        kept.lake.changes("trakcs", "run-1", "run-2")
    with pytest.raises(ConfigError, match="neither run run-0 nor run-0 nor one before them merged"):
        kept.lake.changes("tracks", "run-0", "run-0")


# One row


def test_a_rows_history_has_a_line_per_version_in_which_it_changed(kept: Kept) -> None:
    kept.run((1, "a"))
    kept.run((1, "a"), (2, "x"))
    kept.rewrite()
    kept.run((1, "a"), (2, "y"))
    kept.run((1, "a"), gone=[2])
    kept.run((1, "b"), (2, "y"))
    assert kept.history(2) == [
        (1, "run-1", naive(day(1)), "inserted", "x", None),
        (3, "run-2", naive(day(2)), "updated", "y", None),
        (4, "run-3", naive(day(3)), "deleted", "y", naive(day(3))),
        (5, "run-4", naive(day(4)), "returned", "y", None),
    ]
    assert kept.history(1) == [
        (0, "run-0", naive(day(0)), "inserted", "a", None),
        (5, "run-4", naive(day(4)), "updated", "b", None),
    ]
    assert kept.history(3) == []


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"id": "17"}, "'id' is bigint: give a Python int, not a str"),
        ({"id": True}, "'id' is bigint: give a Python int, not a bool"),
        ({"id": Decimal(17)}, "'id' is bigint: give a Python int, not a Decimal"),
        ({"idd": 17}, "'idd' is not a column of the key; did you mean 'id'?"),
        ({"id": 17, "name": "a"}, "'name' is not a column of the key"),
        ({}, "the key is id; id is missing"),
    ],
)
def test_a_key_names_the_key_columns_with_values_of_their_types(kept: Kept, key: dict[str, Any], message: str) -> None:
    kept.run((17, "a"))
    with pytest.raises(ConfigError, match=re.escape(message)):
        kept.lake.row_history("tracks", key)


def test_a_key_value_is_never_read_as_sql(spark: SparkSession, tmp_path: Path) -> None:
    """And a key may be of several columns, with times and texts among them."""
    lake = Lake(lake_at(str(tmp_path)), spark)
    run = new_run("run-0", "demo", "", {"tables": [{"name": "plays", "key": ["who", "at"]}]}, DAY_0)
    run.save(lake.layout)
    who = "it's' OR '1'='1"
    rows = spark.createDataFrame(
        [(who, day(1), 1.5), (who, day(2), 2.5), ("other", day(1), 3.5)], "who string, at timestamp, score double"
    ).withColumn("_row_hash", row_hash(("who", "at", "score")))
    clock = Clock("run-0", DAY_0)
    path = lake.layout.silver("plays")
    merge(spark, path, rows, key=("who", "at"), newest_by=None, deleted_rows=None, n_deleted=0, clock=clock)
    for at in (day(1), naive(day(1)), day(1).astimezone(timezone(timedelta(hours=-5)))):
        [found] = lake.row_history("plays", {"at": at, "who": who}).collect()
        assert found["row"]["score"] == 1.5


# The queries in docs/history.md


def documented(kept: Kept) -> dict[str, list[dict[str, Any]]]:
    """What each query of the page gives on this lake, by the name that stands before it."""
    text = DOCS.read_text("utf-8")
    blocks = re.findall(r"^<!-- tested: ([^\n]+) -->\n```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == text.count("```sql") == 5
    lake = str(kept.lake.layout.root)
    return {
        name: [
            row.asDict()
            for row in kept.spark.sql(query.replace("lake/demo", lake).replace("id = 623536", "id = 17")).collect()
        ]
        for name, query in blocks
    }


def test_the_queries_of_the_page_say_what_the_helpers_say(kept: Kept) -> None:
    kept.run((16, "same"), (17, "a"), (18, "old"))
    kept.run((16, "same"), (17, "b"), (18, "old"))
    kept.run((16, "same"), (17, "c"), gone=[18])
    kept.publish("run-2", datetime(2026, 3, 1, 23, tzinfo=UTC))
    kept.run((16, "same"), (17, "d"), (19, "new"), (20, "too"))
    kept.publish("run-3", datetime(2026, 3, 2, tzinfo=UTC))
    done = documented(kept)
    [published] = done["the current publication"]
    assert (published["run_id"], published["path"], published["version"]) == ("run-2", "silver/tracks", 2)
    [row] = done["the row in a version"]
    [helped] = kept.lake.as_of("tracks", date(2026, 3, 1)).where("id = 17").collect()
    assert (row["name"], row) == ("c", helped.asDict())
    assert [(row["run_id"], row["version"]) for row in done["the versions of the runs"]] == [
        (f"run-{number}", number) for number in range(4)
    ]
    net = [tuple(row.values()) for row in done["the net change"]]
    assert net == [
        (17, "b", "d", None, None),
        (18, "old", "old", None, naive(day(2))),
        (19, None, "new", None, None),
        (20, None, "too", None, None),
    ]
    assert [(row[0], row[2], row[4], row[3], row[5]) for row in kept.changes("run-1", "run-3")] == net
    versions = [(row["version"], row["_run_id"], row["name"]) for row in done["the versions of a row"]]
    assert versions == [(0, "run-0", "a"), (1, "run-1", "b"), (2, "run-2", "c"), (3, "run-3", "d")]
    assert versions == [(row[0], row[1], row[4]) for row in kept.history(17)]
