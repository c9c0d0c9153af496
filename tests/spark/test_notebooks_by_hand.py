"""The notebooks' cells in the session of the tests, on lakes of a few rows, made by hand to hold what the demo's never do."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jupytext
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from lib.errors import NotInThisLakeError
from lib.lake.checks import Check, add_check
from lib.lake.failures import add_few
from lib.lake.key_hash import key_hash_of
from lib.lake.layout import Layout, claim, lake_at
from lib.lake.merge import Clock, merge
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import Lake
from lib.lake.runs import TableRun, new_run
from lib.tables.newest import row_hash

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

FOLDER = Path(__file__).parents[2] / "notebooks"
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
Row = tuple[Any, ...]


@dataclass
class Shown:
    """What the cells of a notebook showed, each by its text."""

    cells: dict[str, list[Any]] = field(default_factory=dict)

    def outputs(self, source: str) -> list[Any]:
        """Those of the one cell with this text in it."""
        [found] = [shown for text, shown in self.cells.items() if source in text]
        return found

    def sentence(self, source: str) -> str:
        return str(self.outputs(source)[-1].data)

    def rows(self, source: str, number: int = -1) -> list[Row]:
        """A table that a cell shows."""
        return list(self.frame(source, number).itertuples(index=False, name=None))

    def frame(self, source: str, number: int = -1) -> pd.DataFrame:
        """The rows behind a table that a cell shows."""
        found = self.outputs(source)[number].data
        assert isinstance(found, pd.DataFrame)
        return found


@pytest.fixture
def run_cells(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Layout], Shown]:
    def run(name: str, lake: Layout) -> Shown:
        monkeypatch.setenv("PAGELAKE_LAKE", str(lake.root))
        monkeypatch.setattr("lib.lake.read.start_session", lambda *_, rows: spark)
        shown, names = Shown(), {}
        for cell in jupytext.read(FOLDER / f"{name}.py").cells:
            if cell.cell_type == "code":
                outputs = shown.cells[cell.source] = []
                names["display"] = lambda *those, into=outputs: into.extend(those)
                code = ast.parse(cell.source.replace("Markdown, display", "Markdown"))
                last = code.body.pop() if isinstance(code.body[-1], ast.Expr) else None
                try:
                    exec(compile(code, name, "exec"), names)
                except NotInThisLakeError:
                    break
                if last is not None:
                    outputs.append(eval(compile(ast.Expression(last.value), name, "eval"), names))
        return shown

    return run


def save(frame: DataFrame, path: Path) -> None:
    frame.coalesce(1).write.format("delta").save(str(path))


@pytest.fixture
def music(spark: SparkSession, tmp_path: Path) -> Layout:
    """Tracks 1, 3, 4 and 8 are there, 2 was deleted, 5 is in quarantine; 6 was once, and 7 is the number of a user who is."""
    lake = lake_at(str(tmp_path / "lake"))
    claim(lake, "demo", MONDAY)
    run = new_run("r1", "demo", "", {"tables": [{"name": "tracks", "key": ["id"]}]}, MONDAY)
    run.save(lake)
    gone = MONDAY
    tracks = [
        (1, "One", "Ann", "rock", None),
        (2, "Two", "Ann", "rock", gone),
        (3, "Three", "Bea", "jazz", None),
        (4, "Four", "Bea", "jazz", None),
        (8, "Eight", "Bea", None, None),
    ]
    users = [(1, None), (2, None), (3, gone), (5, None)]
    sessions = [
        (1, MONDAY.replace(hour=8, minute=59, second=59), [1, 1, 1, 2], None),
        (1, MONDAY - timedelta(minutes=30), [2, 2, 7, 7], None),
        (3, MONDAY - timedelta(hours=40), [7, 4, 4, 5, 5], None),  # on Saturday at 8:00
        (4, MONDAY.replace(hour=8, minute=10), [6, 8], None),
        (5, MONDAY - timedelta(hours=12), [1] * 9, gone),
    ]
    plays = [
        (user, at, position, track)
        for user, at, items, deleted_at in sessions
        for position, track in enumerate(items)
        if not deleted_at
    ]
    held = [("r0", "tracks", 5, None), ("r1", "tracks", 5, None), ("r0", "tracks", 6, "r1"), ("r1", "users", 7, None)]
    saved = {
        "silver/tracks": (tracks, "id bigint, name string, artist string, genres string, _deleted_at timestamp"),
        "silver/users": (users, "id bigint, _deleted_at timestamp"),
        "silver/listen_history": (
            sessions,
            "user_id bigint, created_at timestamp, items array<bigint>, _deleted_at timestamp",
        ),
        "gold/listens": (plays, "user_id bigint, listened_at timestamp, position bigint, track_id bigint"),
    }
    for path, (rows, ddl) in saved.items():
        save(spark.createDataFrame(rows, ddl), lake.root / path)
    rejected = spark.createDataFrame(held, "run_id string, table string, id bigint, resolved_by string")
    hashed = key_hash_of(spark, lake, None)(("id",), within="")
    save(rejected.withColumn("key_hash", hashed).drop("id"), lake.quarantine)
    entries = {path.partition("/")[2]: PublishedTable(path.partition("/")[2], path, 0, 0) for path in saved}
    publish(lake, Publication("r1", "r1", MONDAY, entries))
    return lake


def test_rows_that_were_deleted_and_rows_that_never_came_are_told_apart(
    music: Layout, run_cells: Callable[[str, Layout], Shown]
) -> None:
    shown = run_cells("01_explore_tables", music)
    assert shown.sentence("Source **") == "Source **demo**, published on 2026-03-02 00:00 UTC."
    # By 15 plays: 1 three times, 4 twice, 8 once; 6 once and 7 three times; 2 three times; 5 twice.
    assert shown.rows("pointers =") == [("live", 6, 3), ("orphan", 4, 2), ("deleted", 3, 1), ("in quarantine", 2, 1)]
    assert shown.sentence("by_hour") == (
        "Most is played between 8:00 and 9:00, least between 0:00 and 1:00. Of all plays, 60% are on a Saturday or Sunday."
    )
    lost = "(not there)"
    assert shown.rows("top.limit") == [
        (1, "One", "Ann", 3),
        (2, "Two", "Ann", 3),
        (7, lost, lost, 3),
        (4, "Four", "Bea", 2),
        (5, lost, lost, 2),
        (6, lost, lost, 1),
        (8, "Eight", "Bea", 1),
    ]
    drawn = shown.outputs("artist:N")[-1].data
    assert list(zip(drawn.artist, drawn.plays, strict=True)) == [(lost, 6), ("Ann", 6), ("Bea", 3)]
    drawn = shown.outputs("genre:N")[-1].data
    assert list(zip(drawn.genre, drawn.plays, strict=True)) == [
        (lost, 6),
        ("rock", 6),
        ("jazz", 2),
        ("(no genre)", 1),
    ]
    # Of the four live tracks one has 3 of 6 plays.
    assert shown.sentence("half.share") == "25% of the tracks have half of the plays. Never played: 1."
    assert shown.sentence("mean:.1f") == "4 sessions; 3.8 tracks in one on average, 5 at most."
    assert shown.sentence("quiet:,") == (
        "Users: 3, of them without a session: 2. With sessions, but without a live row in the table (deleted, in quarantine or "
        "orphaned), and not counted as users: 2."
    )


def test_the_docs_say_which_plays_a_join_would_drop(spark: SparkSession, music: Layout) -> None:
    page = (FOLDER.parent / "docs" / "notebooks.md").read_text("utf-8")
    [query] = re.findall(r"^<!-- tested: tracks of plays -->\n```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lake = Lake(music, spark)
    lake.published()
    lake.published("tracks", with_deleted=True).createOrReplaceTempView("every_track")
    # Of 15 plays; those of 5 are in quarantine, those of 6 and 7 orphans.
    assert [tuple(row) for row in spark.sql(query).collect()] == [
        ("live", 6),
        ("in quarantine, or orphan", 6),
        ("deleted", 3),
    ]
    dropped = spark.sql("SELECT 15 - count(*) AS n FROM listens JOIN tracks ON tracks.id = listens.track_id")
    assert [row["n"] for row in dropped.collect()] == [9]


class Shop:
    """A lake with two tables, `few` and `many`; a run a day."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.lake = spark, lake_at(str(folder / "lake"))
        self.published = 0
        claim(self.lake, "shop", MONDAY)

    def run(self, day: int, **tables: list[Row]) -> None:
        run_id, at = f"r{day}", MONDAY + timedelta(days=day)
        columns = [{"name": name, "pii": False} for name in ("id", "what")]
        settings = {"tables": [{"name": name, "key": ["id"], "columns": columns} for name in tables]}
        run, clock = new_run(run_id, "shop", "", settings, at), Clock(run_id, at)
        for name, values in tables.items():
            path, rows = self.lake.silver(name), self.spark.createDataFrame(values, "id bigint, what string")
            rows = rows.withColumn("_row_hash", row_hash(("id", "what")))
            done = merge(
                self.spark, path, rows, key=("id",), newest_by=None, deleted_rows=None, n_deleted=0, clock=clock
            )
            run.tables[name] = TableRun(name, state="merged", path=f"silver/{name}", version=done.version)
        run.save(self.lake)

    def publish(self, publication_id: str, run_id: str, tables: dict[str, tuple[str, int]]) -> None:
        """A second after the one before."""
        self.published += 1
        entries = {name: PublishedTable(name, path, version, 0) for name, (path, version) in tables.items()}
        at = MONDAY + timedelta(seconds=self.published)
        publish(self.lake, Publication(publication_id, run_id, at, entries))


def test_time_travel_after_one_run_and_after_a_rollback(
    spark: SparkSession, tmp_path: Path, run_cells: Callable[[str, Layout], Shown]
) -> None:
    shop = Shop(spark, tmp_path)
    save(spark.range(1), shop.lake.gold("old"))
    first = {"few": ("silver/few", 0), "old": ("gold/old", 0)}
    shop.run(0, few=[(1, "a"), (2, "b")], many=[(1, "a"), (2, "b"), (3, "c")])
    shop.publish("p0", "r0", first)
    alone = run_cells("02_time_travel", shop.lake)
    assert alone.sentence("From run") == "From run **r0** to run **r0**."
    assert alone.sentence("rows differ") == "0 rows differ between the two runs."
    assert alone.sentence("to follow") == "No row changed, so there is none to follow."
    assert alone.sentence("can be read") == "There is no previous publication."

    few = [(1, "A"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f")]
    shop.run(1, few=few, many=[(1, "a"), (2, "B"), (3, "C")])
    shop.publish("p1", "r1", {"few": ("silver/few", 1), "many": ("silver/many", 1)})
    shop.publish("back", "r0", first)
    shown = run_cells("02_time_travel", shop.lake)
    assert [row[0] for row in shown.rows("pd.DataFrame(lake.publications)")] == ["p0", "p1", "back"]
    assert shown.sentence("From run") == "From run **r0** to run **r1**."
    assert shown.rows("counts = counts.sort_values") == [
        ("few", "inserted", 4),
        ("few", "updated", 1),
        ("many", "updated", 2),
    ]
    # Four were inserted into the other table, but here are the most updates; and it is not published any more.
    assert shown.sentence("to follow") == "The row of **many** is {'id': 2}."
    life = shown.frame("row_history")
    assert list(life.columns) == ["version", "run_id", "at", "_change", "id", "what", "_deleted_at"]
    assert [(row.run_id, row.at.day, row.what) for row in life.itertuples()] == [("r0", 2, "b"), ("r1", 3, "B")]
    assert shown.rows("look.table(sizes)") == [("few", 6, 2)]
    assert shown.sentence("can be read") == (
        "The publication of 2026-03-02 00:00:02 UTC can be read as it was; `./spark-submit.sh sanity-check --rollback` would make "
        "it current again."
    )


def test_what_failed_is_of_the_last_check_and_its_run_and_what_cannot_be_listed_is_said(
    spark: SparkSession, tmp_path: Path, run_cells: Callable[[str, Layout], Shown]
) -> None:
    shop = Shop(spark, tmp_path)
    shop.run(0, few=[(1, "a"), (2, "b"), (3, "c")])
    shop.publish("r0", "r0", {"few": ("silver/few", 0)})
    for docs_id, outcome, day in (("r0", "published", 0), ("again", "checks failed", 1)):
        add_check(
            shop.lake, Check(docs_id, "r0", MONDAY + timedelta(days=day), outcome, 7, 2, 1, 3, "few.a: 5 rows", 0)
        )
    about = {"run_id": "r0", "checked_at": MONDAY, "table": "few", "version": 0, "note": None, "pointer": None}
    a = {**about, "docs_id": "again", "expectation": "few.a", "severity": "critical"}
    b = {**about, "docs_id": "again", "expectation": "few.b", "severity": "warning"}
    by_key = key_hash_of(spark, shop.lake, None)(("id",), within="")
    hashed = spark.read.format("delta").load(str(shop.lake.silver("few"))).select("id", by_key)
    one, two, three = ({"key": f'{{"id":{row[0]}}}', "key_hash": row[1]} for row in hashed.orderBy("id").collect())
    none = {"key": None, "key_hash": None}
    few, whole = "2 rows are listed, 5 counted", "it is about the whole table"
    add_few(
        shop.lake,
        [
            *({**a, **one}, {**a, **three}, {**a, **none, "note": few}, {**b, **none, "note": whole}),
            {**a, **two, "docs_id": "r0"},
        ],
    )
    held = [("r0", 1, None), ("r0", 2, "arrived"), ("r0", 3, "arrived"), ("before", 1, None), ("before", 2, None)]
    rejected = [
        (run_id, "few", 1, place, "missing_value:what", "{}", said and "r1", said) for run_id, place, said in held
    ]
    columns = (
        "run_id string, table string, page bigint, position bigint, reason string, row string, resolved_by string, "
        "resolution string"
    )
    save(spark.createDataFrame(rejected, columns), shop.lake.quarantine)

    shown = run_cells("03_quality", shop.lake)
    assert shown.sentence("check.outcome") == (
        "Check **again** ended as *checks failed*: 2 critical failed, 1 warning, 7 of 10 checks passed."
    )
    assert shown.rows("by_expectation.orderBy") == [
        ("few", "few.a", "critical", 2, few),
        ("few", "few.b", "warning", 0, whole),
    ]
    title, rows = shown.outputs("rows_behind")
    assert (title.data, sorted(rows.data["id"])) == ("**few.a**", [1, 3])
    reason = ("few", "missing_value:what")
    assert shown.rows("reasons =") == [(*reason, "open", 1), (*reason, "arrived", 2)]
    assert [row[2] for row in shown.rows("rejected.select")] == [1, 2, 3]
