"""Fetched, landed and proved as in a run, but that delta-rs writes the pages: sources whose pages are no even slices."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lib.lake.runs import Run, TableRun
from lib.landing import walk
from lib.landing.budget import Budget
from lib.landing.land import land_pages, prove_tables
from lib.landing.landing import Landing
from lib.landing.plan import note_plan, plan_tables
from lib.source.access import Access
from lib.source.gate import OPEN_GATE
from tests.moving_copies import land_without_spark
from tests.moving_server import Fault, Manners, MovingServer, MovingTable, Row, Short, rows_of
from tests.spark.served_table import day, job_of
from tests.uneven_pages import Cut, Endless, pages_of


@dataclass(frozen=True)
class Told:
    """How a landing ended: the proof or the error of the table, its record, and which pages were asked for."""

    proof: str | None
    error: str
    record: TableRun
    asked: Counter[int]
    notes: str


Landed = Callable[..., Told]


@pytest.fixture
def landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Landed:
    """Lands a table in the way of a run, up to its proof."""

    land_without_spark(monkeypatch)
    caplog.set_level(logging.INFO)

    def run(
        table: MovingTable, *, prove: str = "counted", resume: Run | None = None, accept: bool = False, **settings: Any
    ) -> Told:
        with MovingServer({"things": table}) as server:
            path = tmp_path / "shop.yml"
            path.write_text(
                f"source: shop\napi: {{url: '{server.url}'}}\ntables:\n  things: {{path: /things, prove: {prove}, "
                'key: [id], columns: {id: "bigint!", name: string}}\n',
                "utf-8",
            )
            limits = {"limits.concurrency": 2, "limits.attempts": 1, **settings}
            job = job_of(path, 1, [f"api.{name.replace('__', '.')}={value}" for name, value in limits.items()])
            found = resume or Run("run-1", "shop", job.now, "", "", tables={"things": TableRun("things")})
            access = Access.of(job.source.api, job.source.tables)
            budget = Budget(2)
            plan = plan_tables(job.source, access, budget, found, job.steps)
            note_plan(job.layout, found, plan.tables)
            spark = cast("Any", SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=2)))
            landing = Landing(job.copy(spark, found), access, budget, OPEN_GATE, accept)
            land_pages(landing, plan)
            prove_tables(landing)
        record = found.tables["things"]
        return Told(record.proof, str(record.error), record, table.asked, caplog.text)

    return run


def test_pages_of_98_99_and_53_rows_that_add_up_to_the_total_are_proved_when_they_are_read_twice(
    landed: Landed,
) -> None:
    told = landed(Cut(pages=pages_of(98, 99, 53), told=250))
    assert (told.proof, told.record.rows_landed, told.record.rounds) == ("counted", 250, 1)
    # The first page is looked at once more at the start of each proof.
    assert told.asked == {1: 4, 2: 2, 3: 2}


@pytest.mark.parametrize(
    ("lengths", "pages", "rounds"),
    [
        # 98 rows on the first page announce 3 pages, and so on.
        ((100, 100, 50), 3, 0),
        ((100, 50, 100), 3, 1),
        # 30 rows on the first page announce 9 pages; those behind the fourth are empty.
        ((30, 100, 100, 20), 9, 1),
        # 100 rows announce 3 pages: 170 rows are there, and 80 more on pages 4 and 5, which are read twice as well.
        ((100, 30, 40, 50, 30), 5, 3),
        # An empty page in the middle.
        ((100, 0, 100, 50), 4, 3),
    ],
)
def test_a_total_that_is_met_is_proof_however_the_rows_are_spread(
    lengths: tuple[int, ...], pages: int, rounds: int, landed: Landed
) -> None:
    told = landed(Cut(pages=pages_of(*lengths), told=250))
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "counted", 250)
    assert (told.record.pages, told.record.rounds) == (pages, rounds)


@pytest.mark.parametrize("status", [404, 422])
def test_pages_behind_the_rows_that_a_source_does_not_have_are_none_that_failed(status: int, landed: Landed) -> None:
    table = Cut(pages=pages_of(50, 100, 100), told=250, past_the_end=status)
    told = landed(table)
    # 50 rows announce 5 pages.
    assert (told.error, told.proof, told.record.rows_landed, told.record.pages) == ("None", "counted", 250, 5)


def test_two_whole_walks_prove_uneven_pages_as_well(landed: Landed) -> None:
    told = landed(Cut(pages=pages_of(50, 100, 100), told=250, past_the_end=404), prove="reread")
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "reread", 250)


@pytest.mark.parametrize("status", [403, 500])
def test_a_page_behind_the_rows_that_may_not_be_seen_has_failed(status: int, landed: Landed) -> None:
    told = landed(Cut(pages=pages_of(50, 100, 100), told=250, past_the_end=status))
    assert (told.proof, "pages 4, 5 of 5 failed: " in told.error, f"status {status}" in told.error) == (
        None,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("total", "words"),
    [
        (260, ("250 rows landed of 260", "10 missing", "fewer than it counts", "api.pagination.total")),
        (240, ("250 rows landed of 240", "10 too many", "more than it counts", "api.pagination.total")),
    ],
)
@pytest.mark.parametrize("lengths", [(98, 99, 53), (100, 100, 50)])
def test_a_total_that_is_not_met_is_no_proof_and_rest_is_not_advised(
    total: int, words: tuple[str, ...], lengths: tuple[int, ...], landed: Landed
) -> None:
    told = landed(Cut(pages=pages_of(*lengths), told=total))
    assert told.proof is None
    for part in (*words, "not proved complete after 3 rounds", "--accept-incomplete"):
        assert part in told.error
    assert "at rest" not in told.error


def test_uneven_pages_of_which_two_are_the_same_are_no_proof(landed: Landed) -> None:
    first, second, _ = pages_of(98, 76, 76)
    told = landed(Cut(pages=[first, second, second], told=250))
    assert told.proof is None
    assert "the same rows on pages 2, 3" in told.error
    assert "api.pagination.page_param" in told.error
    assert "at rest" not in told.error


def test_a_page_that_is_short_once_is_no_uneven_source(landed: Landed) -> None:
    table = MovingTable(rows_of(range(1, 251)))
    table.once(2, Short(2))
    told = landed(table)
    assert (told.proof, told.record.rows_landed, told.record.rounds) == ("counted", 250, 1)


def test_uneven_pages_that_are_others_at_each_reading_are_no_proof_and_rest_is_advised(landed: Landed) -> None:
    table = Cut(pages=pages_of(98, 99, 53), told=250)

    def spread(_: list[Row]) -> None:
        n_moved = table.n_asked % 7
        table.pages = pages_of(98, 99 - n_moved, 53 + n_moved)

    table.every(1, spread)
    told = landed(table)
    assert told.proof is None
    assert "Try again when the source is at rest, with more api.limits.proof_rounds" in told.error


def test_without_a_round_of_reading_again_uneven_pages_are_no_proof_and_more_rounds_are_advised(landed: Landed) -> None:
    told = landed(Cut(pages=pages_of(98, 99, 53), told=250), limits__proof_rounds=0)
    assert told.proof is None
    assert (
        "another number of rows than on the first page: pages 2, 3. Try with more api.limits.proof_rounds" in told.error
    )


def test_pages_that_always_tell_other_totals_are_no_proof_and_rest_is_not_advised(landed: Landed) -> None:
    class OwnTotals(Cut):
        def _answer(self, page: int, size: int, start: int, fault: Fault | None) -> tuple[int, Any]:
            status, answer = super()._answer(page, size, start, fault)
            return status, {**answer, "total": 250 if page == 1 else 249}

    told = landed(OwnTotals(pages=pages_of(100, 100, 50)))
    assert told.proof is None
    assert "2 pages reported another total than 250" in told.error
    assert "api.pagination.total" in told.error
    assert "at rest" not in told.error


@pytest.mark.parametrize(("first", "counts_from"), [(1, 0), (0, 1), (1, 1), (0, 0)])
def test_an_answer_may_count_its_pages_from_another_number_than_the_request(
    first: int, counts_from: int, landed: Landed
) -> None:
    table = Cut(pages=pages_of(100, 100, 50), told=250, counts_from=counts_from, manners=Manners(first=first))
    told = landed(table, pagination__first=first)
    assert (told.error, told.proof, told.record.rows_landed, told.record.rounds) == ("None", "counted", 250, 0)


def test_a_source_of_which_the_first_page_is_missed_is_refused_with_that_reason(landed: Landed) -> None:
    """It counts from 0 in the request and from 1 in the answer, and is asked from 1 on: what comes first says that it is page 2."""
    table = Cut(pages=pages_of(100, 100, 50), told=250, counts_from=1, manners=Manners(first=0))
    told = landed(table)
    assert told.proof is None
    for part in (
        "150 rows landed of 250",
        "another page than was asked for, by its own number or size",
        "pagination.first",
    ):
        assert part in told.error
    assert "at rest" not in told.error


def test_without_a_total_a_first_page_that_says_it_is_another_one_is_said_aloud(landed: Landed) -> None:
    table = Cut(pages=pages_of(100, 100, 50), counts_from=1, manners=Manners(first=0))
    told = landed(table)
    assert (told.proof, told.record.rows_landed) == ("unproved", 150)
    assert "api.pagination.first" in str(told.record.unproved_because)


def test_a_page_number_that_never_changes_is_refused_with_that_reason(landed: Landed) -> None:
    told = landed(Cut(pages=pages_of(100, 100, 50), told=250, more={"page": 1}))
    assert told.proof is None
    assert "another page than was asked for, by its own number or size: pages 2, 3" in told.error


# A source without a total


@pytest.mark.parametrize("status", [200, 404, 410])
def test_without_a_total_the_end_is_an_empty_page_or_one_that_the_source_does_not_have(
    status: int, landed: Landed
) -> None:
    told = landed(Cut(pages=pages_of(10, 10, 3), past_the_end=status), pagination__size=10)
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "ended", 23)


def test_without_a_total_pages_that_never_end_are_stopped_at_max_pages(landed: Landed) -> None:
    told = landed(Endless(), limits__max_pages=20, pagination__size=3)
    assert (told.proof, told.record.pages, told.record.rows_landed) == (None, 20, 60)
    for part in ("no end after 20 pages", "api.limits.max_pages (20)", "--resume", "api.pagination.total"):
        assert part in told.error
    assert told.asked == {1: 2, **dict.fromkeys(range(2, 21), 1)}, "the first page is looked at once more at the end"


def test_a_raised_max_pages_goes_on_where_the_walk_was_stopped(landed: Landed) -> None:
    table = Cut(pages=pages_of(*[3] * 20))
    stopped = landed(table, limits__max_pages=10, pagination__size=3)
    assert (stopped.proof, stopped.record.pages) == (None, 10)
    table.asked.clear()
    plan = '[{"table": "things", "path": "/things", "first": 1, "last": 1, "given": 3, "total": null}]'
    again = Run("run-1", "shop", day(1), "", "", plan, tables={"things": TableRun("things")})
    told = landed(table, resume=again, limits__max_pages=100, pagination__size=3)
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "ended", 60)
    assert min(page for page in table.asked if page > 1) == 11


def test_pages_without_an_end_may_be_taken_as_they_are_by_the_operator(landed: Landed) -> None:
    told = landed(Endless(), accept=True, limits__max_pages=20, pagination__size=3)
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "incomplete", 60)
    assert "continuing although incomplete" in told.notes


def test_pages_without_an_end_that_are_all_the_same_are_stopped_by_that(landed: Landed) -> None:
    told = landed(Endless(same=True), pagination__size=3)
    assert told.proof is None
    assert "the same rows on pages 1, 2" in told.error
    assert max(told.asked) <= 1 + walk.PAGES_AHEAD * 2


def test_a_total_sets_its_own_end(landed: Landed) -> None:
    told = landed(Cut(pages=pages_of(*[3] * 20), told=60), limits__max_pages=5, pagination__size=3)
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "counted", 60)


def test_a_total_that_comes_later_makes_a_proof_and_nothing_is_said_against_it(landed: Landed) -> None:
    table = Cut(pages=pages_of(3, 3, 2))

    def tell(_: list[Row]) -> None:
        table.told = 8

    table.after(5, tell)
    told = landed(table, pagination__size=3)
    assert (told.error, told.proof, told.record.unproved_because) == ("None", "counted", None)


# Where the total should be

META = {"pagination__total": "meta.total"}


@pytest.mark.parametrize(
    ("settings", "more", "why"),
    [
        ({}, {"count": 271828, "next": "x"}, "total is nowhere in the answer (its keys are items, count, next)"),
        (
            {"pagination__total": "meta.total"},
            {"meta": {"total": None}},
            "meta.total is null in the answer (its keys are items, meta)",
        ),
        (
            {"pagination__total": "meta.total"},
            {"meta": {"rows": 271828}},
            "meta.total is nowhere in the answer (its keys are items, meta)",
        ),
        ({"pagination__total": "header:X-Total-Count"}, {}, "the answer has no header X-Total-Count"),
    ],
)
def test_a_total_that_is_not_where_it_should_be_is_said_aloud_with_the_keys_that_are_there(
    settings: dict[str, str], more: dict[str, Any], why: str, landed: Landed
) -> None:
    told = landed(Cut(pages=pages_of(3, 3, 2), more=more), pagination__size=3, **settings)
    assert (told.error, told.proof, told.record.rows_landed) == ("None", "ended", 8)
    assert told.record.unproved_because == f"api.pagination.total: {why}"
    assert f"things: api.pagination.total: {why}. So its copy cannot be proved complete" in told.notes
    assert "271828" not in told.notes


def test_a_source_that_is_known_to_tell_no_total_is_not_spoken_of(landed: Landed) -> None:
    told = landed(Cut(pages=pages_of(3, 3, 2)), pagination__total="null", pagination__size=3)
    assert (told.proof, told.record.unproved_because) == ("ended", None)
    assert "pagination.total" not in told.notes


def test_of_a_bare_list_it_is_said_that_it_is_one(landed: Landed) -> None:
    table = MovingTable(rows_of(range(1, 9)), Manners(bare=True))
    told = landed(table, pagination__items="$", pagination__size=3)
    assert told.record.unproved_because == "api.pagination.total: total is nowhere in the answer (it is a list)"
