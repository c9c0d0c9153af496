"""From an API whose rows move to silver: what is proved, what is read again, and what fails."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark import TaskContext
from pyspark.sql import SparkSession

from lib.landing import landing
from lib.landing.fetch import FetchPages
from lib.observe.traffic import fetching
from tests.moving_copies import Copies
from tests.moving_server import (
    Fails,
    Manners,
    MovingServer,
    MovingTable,
    Row,
    append,
    delete,
    insert,
    replace,
    rows_of,
)
from tests.on_disk import at
from tests.spark.served_table import DAY_0

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough


@pytest.fixture
def copies(spark: SparkSession, tmp_path: Path) -> Iterator[Copies]:
    """Copies of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Copies(spark, tmp_path, server)


# A source at rest


def test_a_row_that_the_source_itself_has_on_two_pages_costs_a_look_at_these_pages_and_no_more(copies: Copies) -> None:
    table = copies.serve([1, 2, 3, 4, 5, 6, 2, 8, 9, 10])
    run = copies.run()
    assert copies.proved(run) == ("counted", 0)
    assert run.tables["things"].rows_duplicate == 1
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 8, 9, 10])
    # Page 1 has its closing look too.
    assert table.asked == {1: 3, 2: 1, 3: 2, 4: 1}


# Rows that move while they are read: ten rows on four pages, whose requests are 1, 2, 3, 4 and a last look at the first


@pytest.mark.quick
def test_a_row_that_moves_from_a_page_not_read_to_one_that_was_is_found_by_its_neighbour_s_key(copies: Copies) -> None:
    """Page 2 was read as 4, 5, 6. Then 50 comes in front of 4, and the last row goes: page 3 begins with 6, once more."""
    table = copies.serve(range(1, 11))
    table.after(2, insert(3, 50), delete(10))
    proof, rounds = copies.proved(copies.run())
    assert proof == "counted"
    assert (rounds or 0) > 0
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 7, 8, 9, 50])


def test_rows_that_change_pages_for_ever_are_no_proof_though_all_counts_stay(copies: Copies) -> None:
    """The rows of pages 2 and 3 move up by one after each request, and the first of them to the end of page 3."""

    def rotate(rows: list[Row]) -> None:
        rows[3:9] = [*rows[4:9], rows[3]]

    copies.serve(range(1, 11)).every(1, rotate)
    assert "keys are on more than one page" in copies.failed(copies.run())
    assert copies.version() is None


# A source that never rests


@pytest.mark.quick
def test_a_table_that_fails_leaves_what_was_merged_before(copies: Copies) -> None:
    copies.serve(range(1, 11))
    copies.run()
    version = copies.version()
    copies.serve_one_that_never_rests()
    copies.failed(copies.run())
    assert copies.version() == version
    assert copies.silver() == rows_of(range(1, 11))


def test_what_an_operator_accepts_incomplete_is_merged_and_recorded_and_nothing_is_deleted(copies: Copies) -> None:
    copies.serve(range(1, 11))
    copies.run()
    restless = copies.serve_one_that_never_rests()["things"]
    restless.change(delete(7))
    run = copies.run(accept_incomplete=True)
    assert copies.proved(run) == ("incomplete", 3)
    assert run.tables["things"].rows_deleted == 0
    assert {row["id"] for row in copies.silver()} >= set(range(1, 11))
    assert {row["id"] for row in copies.silver()} & {row["id"] for row in append_rows(restless)}


def append_rows(table: MovingTable) -> list[Row]:
    return [row for row in table.rows if row["id"] >= 1000]


# Answers that are wrong once


def test_a_page_that_cannot_be_had_is_left_out_where_the_operator_accepts_that(copies: Copies) -> None:
    table = copies.serve(range(1, 11))
    copies.run()
    table.once(3, Fails(503), Fails(503))
    table.change(replace(1, "changed"))
    run = copies.run(accept_incomplete=True)
    assert copies.proved(run) == ("incomplete", 0)
    # Rows 7 to 9 stand on the page that failed: they stay as they were, and are not deleted.
    assert run.tables["things"].rows_deleted == 0
    assert {row["id"] for row in copies.silver()} == set(range(1, 11))
    assert {row["name"] for row in copies.silver() if row["id"] == 1} == {"changed"}


# A source that tells no total


def test_without_a_total_a_source_is_walked_to_its_end_and_nothing_is_deleted(copies: Copies) -> None:
    # 7 pages, and the walk takes 4 at a time.
    copies.server.tables = {
        "no_total": MovingTable(rows_of(range(1, 21)), Manners(total="absent", pages="absent")),
        "null_total": MovingTable(rows_of(range(1, 21)), Manners(total="null", pages="absent")),
        "no_total_then_404": MovingTable(rows_of(range(1, 21)), Manners(total="absent", past_the_end=404)),
    }
    run = copies.run()
    for name, table in copies.server.tables.items():
        assert copies.proved(run, name) == ("ended", 0)
        assert copies.silver(name) == rows_of(range(1, 21))
        assert [table.asked[page] for page in range(1, 10)] == [2, 1, 1, 1, 1, 1, 1, 1, 1]
        table.change(delete(7))
    run = copies.run()
    for name in copies.server.tables:
        assert copies.proved(run, name) == ("ended", 0)
        assert run.tables[name].rows_deleted == 0
        assert copies.silver(name) == rows_of(range(1, 21))


# An empty source


def test_an_empty_source_makes_its_tables_and_takes_nothing_from_a_lake_that_has_rows(copies: Copies) -> None:
    tables = {
        "things": MovingTable([]),
        "without_total": MovingTable([], Manners(total="absent", pages="absent")),
    }
    copies.server.tables = dict(tables)
    run = copies.run()
    assert tables["things"].asked == {1: 2}
    for name, table in tables.items():
        assert run.tables[name].state == "merged"
        assert copies.silver(name) == []
        table.change(append(1, 2, 3))
    copies.run()
    versions = [copies.version(name) for name in tables]
    for table in tables.values():
        table.change(delete(1, 2, 3))
    run = copies.run()
    for name in tables:
        assert "the source has no rows, the lake has 3" in copies.failed(run, name)
        assert copies.silver(name) == rows_of([1, 2, 3])
    assert [copies.version(name) for name in tables] == versions


def test_an_operator_may_say_that_an_empty_source_is_right(copies: Copies) -> None:
    table = copies.serve([1, 2, 3])
    copies.run()
    table.change(delete(1, 2, 3))
    run = copies.run(allow_deletes=True)
    assert run.tables["things"].rows_deleted == 3
    assert copies.silver() == []


# Kills, within the process: every place at which one may come


# Spark's own failures


class DiesOnce(FetchPages):
    """A task that dies half-way in its first attempt: by an error, or with its whole Python worker."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None
        for n, batch in enumerate(super().__call__(batches)):
            yield batch
            if n == 0 and context.attemptNumber() == 0:
                self.die()

    def die(self) -> None:
        raise RuntimeError("half-way")


class WorkerKilledOnce(DiesOnce):
    def die(self) -> None:
        os._exit(9)


@pytest.mark.parametrize("fetch", [DiesOnce, WorkerKilledOnce])
def test_a_task_that_dies_half_way_lands_each_page_once(
    copies: Copies, monkeypatch: pytest.MonkeyPatch, fetch: type[FetchPages]
) -> None:
    table = copies.serve(range(1, 101), Manners(cap=2))
    copies.limits = {"concurrency": 4}
    monkeypatch.setattr(landing, "FetchPages", fetch)
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 101))
    assert copies.landed() == {("things", page, 0): 1 for page in range(1, 51)}
    assert table.n_asked > 51, "a task did die, and asked again"
    counted = fetching(at(copies.folder / "lake" / "bronze" / "pages"), "run-1", DAY_0).tables["things"]
    assert (counted.pages, counted.rows, counted.calls) == (50, 100, 50)


# A source that names each page by the one before


@pytest.mark.parametrize(
    ("pagination", "manners"),
    [
        ({"style": "cursor"}, Manners(style="cursor")),
        ({"style": "next_url"}, Manners(style="next_url")),
        # The last page has no rows.
        ({"style": "keyset", "by": "id"}, Manners(style="keyset", names_next="never")),
        ({"style": "none"}, Manners(style="none")),
        ({"style": "range"}, Manners(style="range")),
    ],
    ids=["cursor", "next_url", "keyset", "none", "range"],
)
def test_every_other_style_ends_in_silver_and_a_later_run_updates_and_deletes(
    copies: Copies, pagination: dict[str, str], manners: Manners
) -> None:
    copies.pagination = pagination
    table = copies.serve(range(1, 11), manners)
    assert copies.proved(copies.run()) == ("counted", 0)
    table.change(replace(3, "another"), delete(7), append(11))
    run = copies.run()
    assert copies.proved(run) == ("counted", 0)
    record = run.tables["things"]
    assert (record.rows_inserted, record.rows_updated, record.rows_deleted) == (1, 1, 1)
    assert copies.silver() == table.rows


def test_a_range_past_the_end_is_a_page_without_rows_in_silver_too(copies: Copies) -> None:
    copies.pagination = {"style": "range", "total": "null"}
    copies.serve(range(1, 8), Manners(style="range", total="absent"))
    assert copies.proved(copies.run())[0] == "ended"
    assert copies.silver() == rows_of(range(1, 8))


@pytest.mark.parametrize(
    ("style", "manners"),
    [
        ({}, Manners(pages="absent", total="absent")),
        ({"style": "cursor"}, Manners(style="cursor", pages="absent", total="absent")),
        (
            {"style": "keyset", "by": "id", "more": "has_more"},
            Manners(style="keyset", pages="absent", total="absent"),
        ),
    ],
)
def test_a_source_without_a_total_that_is_swept_has_its_deleted_rows_marked(
    copies: Copies, style: dict[str, str], manners: Manners
) -> None:
    copies.pagination, copies.prove = {**style, "total": "null"}, "swept"
    table = copies.serve(range(1, 11), manners)
    assert copies.proved(copies.run()) == ("swept", 0)
    table.change(replace(3, "another"), delete(7), append(11))
    run = copies.run()
    assert copies.proved(run) == ("swept", 0)
    record = run.tables["things"]
    assert (record.rows_inserted, record.rows_updated, record.rows_deleted) == (1, 1, 1)
    assert copies.silver() == table.rows


def test_a_second_walk_for_the_keys_is_no_spark_job(copies: Copies) -> None:
    copies.pagination = {"style": "cursor", "total": "null"}
    jobs = copies.spark.sparkContext._jsc.sc().dagScheduler()
    n_jobs = []
    for prove in ("counted", "counted", "swept"):
        copies.prove = prove
        copies.serve(range(1, 11), Manners(style="cursor", pages="absent", total="absent"))
        before = jobs.numTotalJobs()
        assert copies.proved(copies.run())[0] == ("swept" if prove == "swept" else "ended")
        n_jobs.append(jobs.numTotalJobs() - before)
    assert n_jobs[2] == n_jobs[1] > 0


def test_a_walk_that_repeats_a_row_is_walked_twice_and_proves_nothing(copies: Copies) -> None:
    # Nothing tells a row that the source has twice from one that moved, and hid another.
    copies.pagination = {"style": "cursor"}
    table = copies.serve([1, 2, 3, 4, 5, 6, 2, 8, 9, 10], Manners(style="cursor"))
    run = copies.run()
    assert copies.proved(run) == ("unproved", 1)
    assert "repeats rows" in str(run.tables["things"].unproved_because)
    assert copies.silver() == rows_of([1, 2, 3, 4, 5, 6, 8, 9, 10])
    table.rows[:] = rows_of([1, 2, 3, 4, 5, 6, 2, 8, 9, 11])
    assert copies.run().tables["things"].rows_deleted == 0
