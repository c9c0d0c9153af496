"""The lists: merged by what changed, without what is deleted, and checked against the tables that they were made from."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from lib.config import load_source
from lib.console import Steps
from lib.gold.derive import bases_of, derive_tables
from lib.gold.recommendations import merge_lists
from lib.lake.copying import Copy
from lib.lake.derived import Derived
from lib.lake.layout import claim, lake_at
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import at_version
from lib.lake.runs import Run, TableRun, new_run
from lib.lake.states import TableState
from lib.quality.checking import Checking, check, look, prepare_checks
from lib.quality.docs import Docs
from lib.quality.failing import failing_rows
from lib.quality.validate import Findings
from tests.on_disk import on_disk

AT = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = """\
source: shop
api: {url: "http://127.0.0.1:1"}
tables:
  books: {path: /books, key: [isbn], deletes: soft, columns: {isbn: string!}}
  readers: {path: /readers, key: [id], deletes: soft, columns: {id: bigint!}}
  loans: {path: /loans, key: [reader, book], columns: {reader: bigint!, book: string!, day: timestamp!}}
recommend:
  plays: {table: loans, user: reader, item: book, at: day}
  users: {table: readers}
  items: {table: books}
  rows: 2
  min_coverage: 1.0
"""
LISTS = (
    "reader bigint, list string, rank int, book string, score double, model_version string, generated_at timestamp, "
    "fallback string, because array<string>"
)
NAME = "recommendations"
# Of each row: reader, list, rank, book, because.
Row = tuple[int, str, int, str, list[str]]


class Lake:
    """A lake of a source with readers, books and loans, whose tables the test writes."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.layout = spark, lake_at(str(folder / "lake"))
        claim(self.layout, "shop", AT)
        path = folder / "shop.yml"
        path.write_text(SOURCE, "utf-8")
        self.source = load_source(str(path), conf_dir=folder, env={})
        self.versions: dict[str, int] = {}
        self.versions_published: dict[str, int] = {}

    def write(self, table: str, columns: str, live: Iterable[Any], deleted: Iterable[Any] = ()) -> None:
        """A new version of a silver table."""
        rows = [(*row, None) for row in live] + [(*row, AT) for row in deleted]
        frame = self.spark.createDataFrame(rows, f"{columns}, _deleted_at timestamp")
        frame.coalesce(1).write.format("delta").mode("overwrite").save(str(self.layout.silver(table)))
        self.versions[table] = self.versions.get(table, -1) + 1

    def readers(self, *live: int, deleted: Iterable[int] = ()) -> None:
        self.write("readers", "id bigint", [(one,) for one in live], [(one,) for one in deleted])

    def books(self, *live: str, deleted: Iterable[str] = ()) -> None:
        self.write("books", "isbn string", [(one,) for one in live], [(one,) for one in deleted])

    def loans(self, *pairs: tuple[int, str]) -> None:
        self.write("loans", "reader bigint, book string, day timestamp", [(*pair, AT) for pair in pairs])

    def run(self) -> Run:
        """A run that has merged the tables as they are now, and keeps the lists as they are published."""
        run = new_run("r2", "shop", "", self.source.public(), AT)
        for name, version in self.versions.items():
            run.tables[name] = TableRun(name, TableState.MERGED, path=f"silver/{name}", version=version)
        if NAME in self.versions_published:
            version = self.versions_published[NAME]
            run.tables[NAME] = TableRun(NAME, TableState.KEPT, path=f"gold/{NAME}", version=version)
        return run

    def merge(self, *rows: Row, at: datetime = AT, model: str = "m1") -> Derived:
        """The lists that a job has made, merged."""
        given = [(*row[:4], 1.0 / row[2], model, at, None, row[4]) for row in rows]
        return self.merge_whole(given)

    def merge_whole(self, given: Iterable[tuple[Any, ...]]) -> Derived:
        """As `merge`, of rows with all columns."""
        frame = self.spark.createDataFrame(given, LISTS).coalesce(1)
        return merge_lists(
            self.spark, self.layout, self.source, frame, bases_of(self.layout, self.run(), self.versions)
        )

    def publish(self, lists: int) -> None:
        """Publish the tables as they are now, with this version of the lists."""
        self.versions_published = {**self.versions, NAME: lists}
        tables = {
            name: PublishedTable(name, f"{'gold' if name == NAME else 'silver'}/{name}", version, 0)
            for name, version in self.versions_published.items()
        }
        publish(self.layout, Publication("r1", "r1", AT, tables))

    def derive(self) -> TableRun:
        """What the next run makes of the lists."""
        run = self.run()
        derive_tables(Copy(self.spark, self.source, self.layout, None, Steps(), run))
        return run.tables[NAME]

    def check(self, lists: TableRun, docs: Path, *, merged: bool = False) -> Checking:
        """The check of a run that has the lists, and has merged the other tables or keeps them."""
        run = self.run()
        for record in run.tables.values():
            record.state = TableState.MERGED if merged else TableState.KEPT
        run.tables[NAME] = lists
        copy = Copy(self.spark, self.source, self.layout, None, Steps(), run)
        files: dict[str, dict[str, Any]] = {name: {"expectations": []} for name in run.tables}
        suites = prepare_checks(self.source, self.layout, files, AT)
        versions = {name: (str(one.path), one.version or 0) for name, one in run.tables.items()}
        with ThreadPoolExecutor(max_workers=1) as background:
            looking = look(copy, suites, background)
            return check(copy, looking, versions, suites, docs=Docs("d", docs, "shop"), at=AT)

    @property
    def newest(self) -> int:
        return DeltaTable(on_disk(self.layout.gold(NAME))).version()

    def held(self, version: int | None = None) -> list[tuple[Any, ...]]:
        """The lists as delta-rs reads them."""
        table = DeltaTable(on_disk(self.layout.gold(NAME)), version=version)
        query = "SELECT reader, list, rank, book, because FROM t ORDER BY reader, list, rank"
        return [tuple(row.values()) for row in pa.table(QueryBuilder().register("t", table).execute(query)).to_pylist()]

    def column(self, name: str) -> list[Any]:
        table = DeltaTable(on_disk(self.layout.gold(NAME)))
        query = f"SELECT {name} FROM t ORDER BY reader, list, rank"
        found: list[Any] = pa.table(QueryBuilder().register("t", table).execute(query)).column(name).to_pylist()
        return found


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    lake = Lake(spark, tmp_path)
    lake.readers(1, 2)
    lake.books("a", "b", "c")
    lake.loans((1, "a"), (2, "b"))
    return lake


ONE: tuple[Row, ...] = (
    (1, "again", 1, "a", ["a"]),
    (1, "discover", 1, "b", ["a"]),
    (1, "discover", 2, "c", ["a"]),
    (2, "again", 1, "b", ["b"]),
    (2, "discover", 1, "a", ["b"]),
    (2, "discover", 2, "c", []),
)


def test_lists_are_merged_by_what_changed_in_one_commit_or_in_none(lake: Lake) -> None:
    assert lake.merge(*ONE) == Derived(0, 6, None, None)
    assert lake.held() == list(ONE)
    kept = DeltaTable(on_disk(lake.layout.gold(NAME))).metadata().configuration
    assert (kept["delta.enableChangeDataFeed"], kept["delta.enableDeletionVectors"]) == ("true", "false")
    # Another time alone is no change, and another order neither.
    assert lake.merge(*reversed(ONE), at=AT + timedelta(days=1)) == Derived(0, 0, 0, 0)
    # The first reader has nothing to hear again, the second one's new tracks change places, and a third reader is new.
    two: tuple[Row, ...] = (
        *ONE[1:4],
        (2, "discover", 1, "c", ["b"]),
        (2, "discover", 2, "a", ["b"]),
        (3, "discover", 1, "a", []),
    )
    assert lake.merge(*two, at=AT + timedelta(days=2)) == Derived(1, 1, 2, 1)
    assert lake.held() == list(two)
    times = [moment.day for moment in lake.column("generated_at")]
    assert times == [1, 1, 1, 3, 3, 3]
    # Another model is a change of each row.
    assert lake.merge(*two, model="m2") == Derived(2, 0, 6, 0)
    assert set(lake.column("model_version")) == {"m2"}


def test_the_next_run_takes_what_is_deleted_out_of_the_published_lists(lake: Lake) -> None:
    lake.merge(*ONE)
    lake.publish(0)
    # Written by a job whose checks failed: nobody has read it.
    lake.merge(*ONE[:2], (3, "discover", 1, "c", []))
    # Nothing is deleted: what is published stays, whatever is newer.
    lake.loans((1, "a"))
    kept = lake.derive()
    assert (kept.state, kept.version, lake.newest) == (TableState.KEPT, 0, 1)
    lake.readers(1, 2, 3)
    kept = lake.derive()
    assert (kept.state, kept.version, lake.newest) == (TableState.KEPT, 0, 1)
    # The second reader is marked, book a is not there at all any more.
    lake.readers(1, deleted=[2])
    lake.books("b", "c")
    pruned = lake.derive()
    assert (pruned.state, pruned.version, lake.newest) == (TableState.BUILT, 2, 2)
    assert pruned.made_from == [{"table": "readers", "version": 2}, {"table": "books", "version": 1}]
    # Ranks stay as they were published, and no explanation names what is deleted.
    assert lake.held() == [(1, "discover", 1, "b", []), (1, "discover", 2, "c", [])]
    assert lake.held(0) == list(ONE)
    # Once more, as after a kill: the same version.
    again = lake.derive()
    assert (again.state, again.version, lake.newest) == (TableState.BUILT, 2, 2)


def test_a_source_that_names_its_ids_otherwise_has_its_lists_written_anew(lake: Lake) -> None:
    lake.merge(*ONE)
    path = lake.layout.gold(NAME)
    old = lake.spark.read.format("delta").load(str(path)).withColumnRenamed("book", "track_id")
    old.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(str(path))
    assert lake.merge(*ONE) == Derived(2, 6, None, None)
    assert lake.held() == list(ONE)


def lists_of(state: TableState, version: int) -> TableRun:
    return TableRun(NAME, state, path=f"gold/{NAME}", version=version)


def failed(findings: Findings) -> dict[str, int | None]:
    """The checks of the lists that failed, with the rows that do."""
    return {
        one.name.removeprefix(f"{NAME}."): one.unexpected
        for one in findings.all
        if one.table == NAME and not one.success
    }


def test_lists_are_checked_against_the_tables_that_they_were_made_from(lake: Lake, tmp_path: Path) -> None:
    lake.readers(1, 2, 4, 6, deleted=[3])
    lake.books("a", "b", "c", "d", deleted=["z"])
    # The fourth reader may have b alone, as nobody has played d, and the sixth has played all that anybody has.
    lake.loans((1, "a"), (2, "b"), (4, "a"), (4, "c"), (6, "a"), (6, "b"), (6, "c"))
    good: tuple[Row, ...] = (
        *ONE,
        (4, "again", 1, "a", ["a"]),
        (4, "again", 2, "c", ["c"]),
        (4, "discover", 1, "b", ["c"]),
        (6, "again", 1, "c", ["c"]),
        (6, "again", 2, "a", ["a"]),
        (6, "discover", 1, "d", []),
    )
    lake.merge(*good)
    found = lake.check(lists_of(TableState.BUILT, 0), tmp_path / "good")
    assert failed(found.findings) == {}
    assert found.notes == []
    lake.merge_whole(
        [
            (1, "again", 1, "a", 1.0, "m", AT, None, ["a"]),
            (1, "discover", 1, "b", None, "m", AT, "popular", ["q"]),  # no score; because of a book that is not there
            (1, "discover", 2, "b", 0.5, "m", AT, "pop", ["a"]),  # the same once more; no such rule
            (2, "discover", 1, "z", 1.0, "m", AT, None, ["b"]),  # deleted; a second row is missing
            (2, "other", 1, "a", 1.0, "m", AT, None, None),  # no such list
            (3, "discover", 1, "c", 1.0, "m", AT, None, ["z"]),  # for one who is deleted, because of one that is
            (4, "again", 1, "b", 1.0, "m", AT, None, []),  # never played; neither of the two that were
            (5, "discover", 3, "c", 1.0, "m", AT, None, []),  # for nobody; more than two rows; without a first one
            (6, "discover", 1, "a", 1.0, "m", AT, None, []),  # played; and nothing to hear again
        ]
    )
    found = lake.check(lists_of(TableState.BUILT, 1), tmp_path / "bad")
    assert failed(found.findings) == {
        "column_values_to_not_be_null.score": 1,
        "column_values_to_be_in_set.list": 1,
        "column_values_to_be_in_set.fallback": 1,
        "column_values_to_be_between.rank": 1,
        "compound_columns_to_be_unique.reader+list+book": 2,
        "orphans.reader": 1,
        "deleted.reader": 1,
        "deleted.book": 1,
        "orphans.because[]": 1,
        "deleted.because[]": 1,
        "full_lists": 5,
        "misplaced": 2,
        "ranks": 1,
        "coverage": 1,  # a, b and c of four
    }
    warned = [one.name for one in found.findings.failed if one.severity != "critical"]
    assert warned == [f"{NAME}.coverage"]
    assert f"{NAME}.reader: 1 orphaned reference to readers (1 distinct key)." in found.notes
    [full] = [one for one in found.findings.failed if one.name == f"{NAME}.full_lists"]
    lists = at_version(lake.spark, lake.layout, f"gold/{NAME}", 1)
    rows = failing_rows(lists, ("reader", "list", "rank"), full).rows
    assert rows is not None
    assert sorted(tuple(row) for row in rows.collect()) == [
        *((2, "again", None), (2, "discover", None), (4, "again", None), (4, "discover", None), (6, "again", None)),
    ]
    # A run that keeps them, or that has taken rows out of them, is not stopped; nor is it told of what holds as they are built.
    for state, merged in ((TableState.KEPT, False), (TableState.BUILT, True)):
        findings = lake.check(lists_of(state, 1), tmp_path / state, merged=merged).findings
        assert findings.gating == ()
        assert len(findings.warnings) == 10
        assert failed(findings).keys().isdisjoint({"full_lists", "misplaced", "ranks", "coverage"})


def test_what_was_played_after_the_lists_were_made_is_asked_of_none_of_them(lake: Lake, tmp_path: Path) -> None:
    lake.merge(*ONE)
    lake.publish(0)
    rows = [(1, "a", AT), (2, "b", AT), (1, "b", AT + timedelta(seconds=1)), (2, "c", AT + timedelta(seconds=1))]
    lake.write("loans", "reader bigint, book string, day timestamp", rows)
    assert failed(lake.check(lists_of(TableState.BUILT, 0), tmp_path / "docs").findings) == {}
    lake.write("loans", "reader bigint, book string, day timestamp", [*rows[:2], (1, "b", AT), (2, "c", AT)])
    found = failed(lake.check(lists_of(TableState.BUILT, 0), tmp_path / "docs2").findings)
    assert found == {"misplaced": 2, "full_lists": 2}
