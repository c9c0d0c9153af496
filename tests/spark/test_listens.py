"""Gold follows silver: by the sessions that changed, or written anew, it holds what `listens` says of the run's version."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import load_source
from lib.console import Steps
from lib.gold import derive, refresh
from lib.gold.derive import derive_tables
from lib.gold.listens import listens
from lib.lake.copying import Copy
from lib.lake.derived import Base, made_from
from lib.lake.layout import lake_at
from lib.lake.merge import Clock, merge
from lib.lake.runs import Run, TableRun, new_run
from lib.tables.newest import newest, ranked, row_hash
from lib.tables.parse import parse
from tests.on_disk import at, on_disk

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

REPO = Path(__file__).parents[2]
DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ("user_id", "items", "created_at", "updated_at")
TABLES = """tables:
  listen_history:
    path: /listen_history
    key: [{key}]
    columns: {{user_id: "bigint!", items: "array<bigint>!", created_at: "timestamp!", updated_at: "timestamp!"}}
"""
# A session is known by its user and the hour it began.
Session = tuple[int, int]
Tracks = list[int | None]
# Enough sessions that do not change for a few that do to be a small part.
OTHERS: dict[Session, Tracks] = {(99, hour): [900 + hour] for hour in range(60)}


class Lake:
    """A lake with a listen_history of the test's making, and what is derived from it. Read by delta-rs."""

    def __init__(self, spark: SparkSession, folder: Path, key: str = "user_id, created_at") -> None:
        self.spark, self.layout = spark, lake_at(str(folder / "lake"))
        self.silver, self.gold = self.layout.silver("listen_history"), self.layout.gold("listens")
        path = folder / "shop.yml"
        path.write_text("source: shop\napi: {url: 'http://127.0.0.1:1'}\n" + TABLES.format(key=key), "utf-8")
        self.source = load_source(str(path), conf_dir=REPO / "conf", env={})
        self.numbers = count(1)

    def merge(self, sessions: dict[Session, Tracks], *, gone: Iterable[Session] = (), updated: int = 0) -> int:
        """Merge the sessions into silver, and mark others as deleted; the version that this makes."""
        values = [(user, items, DAY_0 + timedelta(hours=at)) for (user, at), items in sessions.items()]
        rows = self.spark.createDataFrame(values, "user_id bigint, items array<bigint>, created_at timestamp")
        rows = rows.withColumn("updated_at", F.lit(DAY_0 + timedelta(days=updated)).cast("timestamp"))
        return self.merge_rows(rows.withColumn("_row_hash", row_hash(COLUMNS)), gone)

    def merge_rows(self, rows: DataFrame, gone: Iterable[Session] = ()) -> int:
        """Merge rows as `newest` leaves them."""
        missing, keys = None, [(user, DAY_0 + timedelta(hours=at)) for user, at in gone]
        if keys:
            held = self.spark.read.format("delta").load(str(self.silver))
            missing = held.join(
                self.spark.createDataFrame(keys, "user_id bigint, created_at timestamp"),
                on=["user_id", "created_at"],
                how="left_semi",
            )
        clock = Clock("a run", DAY_0 + timedelta(days=next(self.numbers)))
        key = ("user_id", "created_at")
        done = merge(
            self.spark,
            self.silver,
            rows,
            key=key,
            newest_by=None,
            deleted_rows=missing,
            n_deleted=len(keys),
            clock=clock,
        )
        return done.version

    def derive(self, version: int) -> TableRun:
        """What a run that holds this version of listen_history derives; its record."""
        run: Run = new_run("a run", "shop", "", {}, DAY_0)
        run.tables["listen_history"] = TableRun(
            "listen_history", "merged", path="silver/listen_history", version=version
        )
        derive_tables(Copy(self.spark, self.source, self.layout, None, Steps(), run))
        return run.tables["listens"]

    def run(self, sessions: dict[Session, Tracks], *, gone: Iterable[Session] = ()) -> TableRun:
        """Merge and derive."""
        return self.derive(self.merge(sessions, gone=gone))

    def query(self, sql: str, version: int | None = None) -> list[dict[str, Any]]:
        table = DeltaTable(str(self.gold), version=version)
        rows: list[dict[str, Any]] = pa.table(QueryBuilder().register("t", table).execute(sql)).to_pylist()
        return rows

    def held(self, version: int | None = None, *, others: bool = False) -> dict[Session, Tracks]:
        """The sessions of gold that have tracks, without those of `OTHERS`. Every position is there once, from 0 on."""
        where = "" if others else "WHERE user_id <> 99"
        found: dict[Session, Tracks] = {}
        for row in self.query(f"SELECT * FROM t {where} ORDER BY user_id, listened_at, position", version):
            session = (row["user_id"], (row["listened_at"] - DAY_0) // timedelta(hours=1))
            tracks = found.setdefault(session, [])
            assert row["position"] == len(tracks), (session, row)
            tracks.append(row["track_id"])
        return found

    def rebuilt(self, version: int) -> list[tuple[Any, ...]]:
        """What a full rebuild has."""
        history = self.spark.read.format("delta").option("versionAsOf", version).load(str(self.silver))
        columns = ("user_id", "listened_at", "position", "track_id")
        rows = listens(history).select(*columns).orderBy(*columns[:3]).collect()
        return [(row[0], row[1].replace(tzinfo=UTC), row[2], row[3]) for row in rows]

    def rows(self) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.query("SELECT * FROM t ORDER BY user_id, listened_at, position")]

    @property
    def commits(self) -> list[dict[str, Any]]:
        """The history of gold, newest first."""
        return DeltaTable(str(self.gold)).history()

    @property
    def operations(self) -> list[str]:
        """How gold was written, oldest first: WRITE is the whole table."""
        return [commit["operation"] for commit in reversed(self.commits)]


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, tmp_path)


def counts(record: TableRun) -> tuple[int | None, int | None, int | None, int | None]:
    return record.version, record.rows_inserted, record.rows_updated, record.rows_deleted


@pytest.mark.quick
def test_the_first_run_writes_the_whole_table(lake: Lake) -> None:
    record = lake.run({(1, 8): [30, 10], (2, 9): [], (3, 9): [None]})
    assert lake.held() == {(1, 8): [30, 10], (3, 9): [None]}
    assert (record.state, record.path) == ("built", "gold/listens")
    assert counts(record) == (0, 3, None, None)
    assert lake.commits[0]["userMetadata"] == f"listen_history@0 of {DeltaTable(str(lake.silver)).metadata().id}"


@pytest.mark.quick
def test_the_rows_that_changed_are_one_commit(lake: Lake) -> None:
    before: dict[Session, Tracks] = {
        (1, 0): [1, 2],  # loses its last track
        (1, 1): [1, 2],  # in another order
        (2, 0): [1, 2],  # no track left
        (2, 1): [],  # its first track
        (3, 0): [1, None, 3],  # a null becomes a track, and a track a null
        (3, 1): [1, None],  # a new time and nothing else
        (4, 0): [7],  # stays
    }
    lake.run(before | OTHERS)
    after: dict[Session, Tracks] = {(1, 0): [1], (1, 1): [2, 1], (2, 0): [], (2, 1): [5], (3, 0): [1, 2, None]}
    new: dict[Session, Tracks] = {(5, 0): [8, 8], (6, 0): []}
    version = lake.merge(after | new | {(3, 1): [1, None]}, updated=1)
    record = lake.derive(version)
    assert lake.held() == {
        (1, 0): [1],
        (1, 1): [2, 1],
        (2, 1): [5],
        (3, 0): [1, 2, None],
        (3, 1): [1, None],
        (4, 0): [7],
        (5, 0): [8, 8],
    }
    # Inserted: one of (2, 1) and two of (5, 0). Updated: two each of (1, 1) and (3, 0). Deleted: one of (1, 0), two of (2, 0).
    assert counts(record) == (1, 3, 4, 3)
    assert lake.operations == ["WRITE", "MERGE"]
    metrics, tag = lake.commits[0]["operationMetrics"], lake.commits[0]["userMetadata"]
    # What else is in their files is copied, as gold has no deletion vectors.
    rows = [int(metrics[f"numTargetRows{what}"]) for what in ("Inserted", "Updated", "Deleted")]
    assert (rows, tag) == ([3, 4, 3], f"listen_history@{version} of {DeltaTable(str(lake.silver)).metadata().id}")
    # 12 and 60 rows, then 3 more and 3 fewer.
    assert lake.query("SELECT count(*) AS n FROM t", 0) == [{"n": 12 + 60}]
    assert lake.query("SELECT count(*) AS n FROM t", 1) == [{"n": 12 + 60}]
    assert lake.rows() == lake.rebuilt(version)


def test_a_deleted_session_goes_and_a_returned_one_is_back(lake: Lake) -> None:
    both: dict[Session, Tracks] = {(1, 0): [1, 2], (2, 0): [3]}
    lake.run(both | OTHERS)
    assert counts(lake.run({(2, 0): [3]}, gone=[(1, 0)])) == (1, 0, 0, 2)
    assert lake.held() == {(2, 0): [3]}
    assert counts(lake.run({(1, 0): [1, 2, 4]})) == (2, 3, 0, 0)
    assert lake.held() == {(1, 0): [1, 2, 4], (2, 0): [3]}
    assert lake.operations == ["WRITE", "MERGE", "MERGE"]


def test_a_run_that_missed_some_versions_takes_them_all_at_once(lake: Lake) -> None:
    lake.run({(1, 0): [1], (2, 0): [1, 2, 3]} | OTHERS)
    lake.merge({(3, 0): [6, 7]})
    lake.merge({(1, 0): [1, 2, 3]}, gone=[(2, 0)])
    lake.merge(
        {(1, 0): [4]}, gone=[(3, 0)]
    )  # between two derived versions it had three tracks, and (3, 0) came and went
    version = lake.merge({(2, 0): [1, 9]})
    assert counts(lake.derive(version)) == (1, 0, 2, 1)
    assert lake.held() == {(1, 0): [4], (2, 0): [1, 9]}


def test_a_rejected_session_is_not_among_the_listens(lake: Lake) -> None:
    good = '{"user_id": 1, "items": [4, 5], "created_at": "2026-01-01T00:00:00", "updated_at": "2026-01-01T00:00:00"}'
    bad = good.replace("[4, 5]", '"none"').replace('"user_id": 1', '"user_id": 2')
    lake.run(OTHERS)
    table = lake.source.table("listen_history")
    body = f'{{"items": [{good}, {bad}]}}'
    pages = lake.spark.createDataFrame([("r", 1, body)], "run_id string, page bigint, body string")
    parsed = pages.transform(parse(table, lake.source.api.pagination.items))
    assert counts(lake.derive(lake.merge_rows(parsed.transform(ranked(table)).transform(newest(table))))) == (
        1,
        2,
        0,
        0,
    )
    assert lake.held() == {(1, 0): [4, 5]}


@pytest.mark.quick
def test_an_unchanged_run_writes_no_version(lake: Lake) -> None:
    lake.run({(1, 0): [1]} | OTHERS)
    files = sorted(on_disk(lake.gold).rglob("*.*"))
    assert counts(lake.run({(1, 0): [1]} | OTHERS)) == (0, 0, 0, 0)
    assert sorted(on_disk(lake.gold).rglob("*.*")) == files


def test_a_change_that_listens_do_not_show_writes_no_version_and_is_no_hindrance_to_the_next(lake: Lake) -> None:
    lake.run({(1, 0): [1, 2], (2, 0): []} | OTHERS)
    unseen = lake.merge({(1, 0): [1, 2]}, updated=1, gone=[(2, 0)])
    assert unseen == 1
    assert counts(lake.derive(unseen)) == (0, 0, 0, 0)
    assert counts(lake.derive(unseen)) == (0, 0, 0, 0)
    assert counts(lake.run({(1, 0): [1]})) == (1, 0, 0, 1)
    assert lake.operations == ["WRITE", "MERGE"]


def test_a_run_killed_after_its_commit_finds_it_made(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.run({(1, 0): [1, 2]} | OTHERS)
    version = lake.merge({(1, 0): [2]})

    def killed(place: str) -> None:
        if place == "derived":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(derive, "reached", killed)
        with pytest.raises(KeyboardInterrupt):
            lake.derive(version)
    assert counts(lake.derive(version)) == (1, 0, 0, 0)
    assert lake.held() == {(1, 0): [2]}


def test_an_older_version_is_written_anew_and_followed_from_there(lake: Lake) -> None:
    for tracks in ([1], [1, 2], [3]):
        lake.run({(1, 0): tracks} | OTHERS)
    assert counts(lake.derive(1)) == (3, 62, None, None)
    assert lake.held() == {(1, 0): [1, 2]}
    assert counts(lake.derive(2)) == (4, 0, 1, 1)
    assert lake.held() == {(1, 0): [3]}
    assert lake.held(1) == {(1, 0): [1, 2]}  # what a publication pinned
    assert lake.operations == ["WRITE", "MERGE", "MERGE", "WRITE", "MERGE"]


def a_foreign_commit(lake: Lake) -> None:
    lake.spark.read.format("delta").load(str(lake.gold)).limit(1).write.format("delta").mode("append").save(
        str(lake.gold)
    )


def a_lost_change_feed(lake: Lake) -> None:
    shutil.rmtree(on_disk(lake.silver) / "_change_data")


def a_pause_of_the_feed(lake: Lake) -> None:
    for value in ("false", "true"):
        lake.spark.sql(f"ALTER TABLE delta.`{lake.silver}` SET TBLPROPERTIES (delta.enableChangeDataFeed = {value})")
        lake.merge({(1, 0): [1, 2, 3]})


@pytest.mark.parametrize("trouble", [a_foreign_commit, a_lost_change_feed, a_pause_of_the_feed])
def test_where_the_changes_cannot_be_known_the_table_is_written_anew(lake: Lake, trouble: Any) -> None:
    lake.run({(1, 0): [1]} | OTHERS)
    lake.merge({(1, 0): [1, 2]})
    trouble(lake)
    version = DeltaTable(str(lake.silver)).version()
    lake.derive(version)
    assert lake.operations[-1] == "WRITE"
    assert lake.rows() == lake.rebuilt(version)


def test_a_listen_history_that_was_made_anew_is_not_taken_for_the_one_before(lake: Lake) -> None:
    lake.run({(1, 0): [1]} | OTHERS)
    shutil.rmtree(on_disk(lake.silver))
    assert counts(lake.run({(2, 0): [4]})) == (1, 1, None, None)
    assert lake.held(others=True) == {(2, 0): [4]}


@pytest.mark.parametrize(("n_changed", "operation"), [(12, "MERGE"), (13, "WRITE")])
def test_a_table_of_which_more_than_a_fifth_changed_is_written_anew(lake: Lake, n_changed: int, operation: str) -> None:
    lake.run(OTHERS)
    changed: dict[Session, Tracks] = {(99, hour): [1] for hour in range(n_changed)}
    lake.run(changed)
    assert lake.held(others=True) == OTHERS | changed
    assert lake.operations == ["WRITE", operation]


def test_sessions_with_another_key_are_written_anew(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path, key="user_id, created_at, updated_at")
    lake.run({(1, 0): [1]} | OTHERS)
    lake.run({(1, 0): [2]})
    assert lake.operations == ["WRITE", "WRITE"]


@pytest.mark.quick
@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("listen_history@0 of ID", 0),
        ("listen_history@12 of ID", 12),
        ("listen_history@012 of ID", None),
        ("listen_history@-1 of ID", None),
        ("listen_history@1 of ID\n", None),
        ("listen_history@ of ID", None),
        ("a_listen_history@1 of ID", None),
        ("listen_history@1 of 1d2a7a4c-0000-4000-8000-000000000000", None),  # a table that was in its place before
        ("listen_history@1", None),
        ("listen_history", None),
        ("", None),
    ],
)
def test_only_a_whole_tag_says_what_a_table_was_made_from(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, tag: str, version: int | None
) -> None:
    folder = tmp_path_factory.getbasetemp() / "tags"
    if not folder.exists():
        spark.range(1).write.format("delta").save(str(folder / "silver"))
    tag = tag.replace("ID", DeltaTable(str(folder / "silver")).metadata().id)
    made = spark.range(1).write.format("delta").mode("overwrite").option("userMetadata", tag)
    made.save(str(folder / "gold"))
    assert made_from(at(folder / "gold"), [Base("listen_history", at(folder / "silver"), 99)]) == (
        None if version is None else {"listen_history": version}
    )


def test_a_tag_is_on_its_own_commit_alone(lake: Lake) -> None:
    lake.run({(1, 0): [1]} | OTHERS)
    lake.run({(1, 0): [2]})
    version = lake.merge({(1, 0): [3]})
    assert DeltaTable(str(lake.silver)).history(1)[0].get("userMetadata") is None
    assert (
        lake.commits[0]["userMetadata"]
        == f"listen_history@{version - 1} of {DeltaTable(str(lake.silver)).metadata().id}"
    )


tracks = st.lists(st.sampled_from((1, 2, None)), max_size=3)
keys = st.tuples(st.integers(1, 2), st.integers(0, 1))
# Of a session: its tracks, or None where it is deleted.
steps = st.lists(
    st.tuples(st.dictionaries(keys, st.none() | tracks, min_size=1, max_size=3), st.sampled_from(("derive", "derive", "wait"))),
    min_size=3,
    max_size=5,
)  # fmt: skip


STORIES = settings(derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@settings(STORIES, max_examples=1)
@given(start=st.dictionaries(keys, tracks, min_size=1), steps=steps)
def test_gold_that_follows_one_story_is_gold_that_is_built_from_scratch(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    start: dict[Session, Tracks],
    steps: list[tuple[dict[Session, Tracks | None], str]],
) -> None:
    follows(spark, tmp_path_factory, start, steps)


@pytest.mark.thorough
@settings(STORIES, max_examples=3)
@given(start=st.dictionaries(keys, tracks, min_size=1), steps=steps)
def test_gold_that_follows_is_gold_that_is_built_from_scratch(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    start: dict[Session, Tracks],
    steps: list[tuple[dict[Session, Tracks | None], str]],
) -> None:
    follows(spark, tmp_path_factory, start, steps)


def follows(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    start: dict[Session, Tracks],
    steps: list[tuple[dict[Session, Tracks | None], str]],
) -> None:
    lake, live = Lake(spark, tmp_path_factory.mktemp("follows")), dict(start)
    lake.run(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresh, "MOST_TOUCHED", 1.0)  # no change is too much
        for changes, then in [*steps, ({}, "derive")]:
            gone = [key for key, items in changes.items() if items is None and key in live]
            held = {key: items for key, items in changes.items() if items is not None}
            live = {key: items for key, items in (live | held).items() if key not in gone}
            version = lake.merge(held, gone=gone)
            if then == "derive":
                lake.derive(version)
                assert lake.held() == {key: items for key, items in live.items() if items}
                assert lake.rows() == lake.rebuilt(version)
    assert lake.operations[1:] == ["MERGE"] * (len(lake.operations) - 1)
    event(f"{len(lake.operations) - 1} merges")
