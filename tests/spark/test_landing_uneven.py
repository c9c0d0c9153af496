"""Sources whose pages are no even slices, or never end, on the whole way to silver."""

from __future__ import annotations

from tests.moving_server import Row
from tests.spark.served_table import Served, copied, job_of
from tests.uneven_pages import Cut, Endless, numbers, pages_of


def serve(things: Served, table: Cut | Endless) -> None:
    things.server.tables["things"] = table


def test_uneven_pages_that_add_up_are_proved_and_what_is_gone_later_is_deleted(things: Served) -> None:
    pages = pages_of(98, 99, 53)
    serve(things, Cut(pages=pages, told=250))
    run = things.run()
    assert (run.tables["things"].proof, run.tables["things"].rows_inserted) == ("counted", 250)
    assert [row for (row,) in things.silver("id")] == numbers(pages)
    less = [pages[0], pages[1][1:], pages[2]]
    serve(things, Cut(pages=less, told=249))
    run = things.run()
    assert (run.tables["things"].proof, run.tables["things"].rows_deleted) == ("counted", 1)
    assert things.rows(things.layout.silver("things"), "SELECT id FROM t WHERE _deleted_at IS NOT NULL") == [(99,)]


def test_uneven_pages_that_repeat_a_row_are_copied_and_not_proved_and_nothing_is_deleted(things: Served) -> None:
    """The duplicate row counts towards the total, so another one may be missing."""
    pages = pages_of(98, 99, 53)
    serve(things, Cut(pages=pages, told=250))
    things.run()
    duplicate: list[Row] = [pages[0][97], *pages[1][1:]]
    serve(things, Cut(pages=[pages[0], duplicate, pages[2]], told=250))
    run = things.run()
    record = run.tables["things"]
    assert (record.error, record.proof, record.rows_duplicate, record.rows_deleted) == (None, "unproved", 1, 0)
    assert "repeats rows" in str(record.unproved_because)
    assert len(things.silver("id")) == 250


def test_pages_that_never_end_fail_their_table_at_max_pages(things: Served) -> None:
    serve(things, Endless())
    things.job()  # writes the YAML
    run = copied(job_of(things.folder / "shop.yml", 1, ["api.limits.max_pages=20"]))
    assert (run.tables["things"].state, run.tables["things"].pages) == ("failed", 20)
    assert "api.limits.max_pages (20)" in str(run.tables["things"].error)


def test_empty_answers_of_all_kinds_end_a_source_without_a_total(things: Served) -> None:
    """Null in place of rows is read by the look at the page, and by the engine that parses it."""
    serve(things, Cut(pages=pages_of(3, 3, 2), nothing=None))
    run = things.run()
    record = run.tables["things"]
    assert (record.error, record.proof, record.rows_landed, record.rows_inserted) == (None, "ended", 8, 8)
    assert record.unproved_because == "api.pagination.total: total is nowhere in the answer (its keys are items)"
