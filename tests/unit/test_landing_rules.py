"""Rules of `errors` in a run up to landed pages: what an end and a skipped page make of plan, walk and proof.

As in a run, but that delta-rs writes the pages and that nothing is merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.errors import SourceIncompleteError
from lib.lake.states import COUNTED, REREAD
from lib.landing.bronze import Seen
from lib.landing.plan import TablePlan, plan_table
from lib.landing.prove import Case, Doubt, Proof, judge
from tests.first_page import first_page
from tests.moving_copies import Landings, killed_after, two_pages_a_wave
from tests.moving_server import Fails, Manners, MovingServer, MovingTable, Says, Short, append, rows_of

CURSORS = {"style": "cursor"}
END, SKIP = "[{status: 418, do: end}]", "[{status: 500, do: skip}]"
OVER = "[{body: {path: error, equals: over}, do: end}]"
NO_TOTAL = Manners(total="absent", pages="absent")


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landings]:
    """Landed pages of a table `things` that has no rows yet."""
    with MovingServer({"things": MovingTable([])}) as server:
        yield Landings.without_spark(tmp_path, server, monkeypatch)


def by_cursor(**manners: Any) -> Manners:
    return Manners(style="cursor", pages="absent", **manners)


def skipping(table: MovingTable, *pages: int, **content: Any) -> None:
    """Let these pages fail for as long as a test may ask."""
    for page in pages:
        table.once(page, *[Says({"detail": "broken", **content}, status=500)] * 20)


# End


def test_the_end_of_pages_without_a_total_may_be_any_answer_that_a_rule_names(copies: Landings) -> None:
    copies.errors = END
    copies.serve(range(1, 11), replace(NO_TOTAL, past_the_end=418))
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert run.tables["things"].pages_skipped is None
    assert copies.silver() == rows_of(range(1, 11))


def test_without_that_rule_the_same_answer_fails_the_table(copies: Landings) -> None:
    copies.serve(range(1, 11), replace(NO_TOTAL, past_the_end=418))
    assert "status 418" in copies.failed(copies.run())


def test_an_end_in_the_middle_is_none_where_rows_follow(copies: Landings) -> None:
    copies.errors = OVER
    copies.serve(range(1, 11), NO_TOTAL).once(2, Says({"error": "over"}))
    assert copies.proved(copies.run())[0] == "ended"
    assert copies.silver() == rows_of(range(1, 11))


def test_where_there_is_a_total_an_end_makes_no_part_look_complete(copies: Landings) -> None:
    copies.errors = OVER
    table = copies.serve(range(1, 11))
    table.once(3, *[Says({"error": "over"})] * 20)
    told = copies.failed(copies.run())
    assert "7 rows landed of 10" in told
    assert "3 missing; another number of rows than on the first page: page 3. " in told


def test_an_end_by_mistake_is_read_again_where_there_is_a_total(copies: Landings) -> None:
    copies.errors = OVER
    copies.serve(range(1, 11)).once(3, Says({"error": "over"}))
    assert copies.proved(copies.run())[0] == "counted"
    assert copies.silver() == rows_of(range(1, 11))


def test_a_walk_ends_where_a_rule_says_so_and_is_not_proved(copies: Landings) -> None:
    copies.pagination, copies.errors = {**CURSORS, "total": "null"}, OVER
    table = copies.serve(range(1, 11), by_cursor(total="absent"))
    table.once(4, Says({"error": "over"}))
    assert copies.proved(copies.run()) == ("unproved", 0)
    assert copies.silver() == rows_of(range(1, 10))
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


def test_a_walk_with_a_total_that_a_rule_ends_too_early_is_not_proved_and_fails(copies: Landings) -> None:
    copies.pagination, copies.errors = CURSORS, OVER
    copies.serve(range(1, 11), by_cursor()).once(3, *[Says({"error": "over"})] * 20)
    assert "6 rows landed of 10 on 3 pages; 4 missing" in copies.failed(copies.run())


def test_a_walk_with_a_total_that_a_rule_ends_behind_all_rows_is_counted(copies: Landings) -> None:
    copies.pagination, copies.errors = CURSORS, OVER
    # Its last page names one more, which has another answer.
    copies.serve(range(1, 10), by_cursor(stuck=True)).once(4, *[Says({"error": "over"})] * 20)
    assert copies.proved(copies.run()) == ("counted", 0)
    assert copies.silver() == rows_of(range(1, 10))


@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_a_first_page_that_ends_is_a_table_without_rows_that_nobody_counted(style: Any, copies: Landings) -> None:
    copies.pagination, copies.errors = {"style": style}, OVER
    copies.serve([], Manners(style=style))
    for page in range(1, 100):
        copies.server.tables["things"].once(page, *[Says({"error": "over"})] * 100)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert run.tables["things"].rows_landed == 0
    assert run.tables["things"].unproved_because == "an error rule says where it ends, and not the source"


# Fail


@pytest.mark.parametrize("do", ["fail", "retry"])
@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_404_that_a_rule_calls_a_failure_is_no_end(style: Any, do: str, copies: Landings) -> None:
    copies.pagination, copies.errors = {"style": style}, f"[{{status: 404, do: {do}}}]"
    copies.serve(range(1, 10), Manners(style=style, total="absent", pages="absent", past_the_end=404))
    assert f"status 404 (api.errors[0]: {do}): a JSON object whose keys are detail" in copies.failed(copies.run())
    copies.errors = "[]"
    assert copies.proved(copies.run()) == ("ended", 0)


def test_a_404_past_all_rows_that_a_rule_calls_a_failure_is_one_where_there_is_a_total_too(copies: Landings) -> None:
    copies.errors = "[{status: 404, body: {path: detail, contains: such}, do: fail}]"
    copies.serve(range(1, 10), Manners(pages=5, past_the_end=404))
    assert "pages 4, 5 of 5 failed" in copies.failed(copies.run())
    copies.errors = "[]"
    assert copies.proved(copies.run()) == ("counted", 0)


# Skip


def test_a_skipped_page_is_counted_and_said_and_the_copy_is_not_proved(copies: Landings) -> None:
    copies.errors = SKIP
    table = copies.serve(range(1, 16))
    skipping(table, 2, 4)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    record = run.tables["things"]
    assert (record.pages, record.pages_skipped, record.rows_landed, record.rows_total) == (5, 2, 9, 15)
    assert record.unproved_because == "2 pages were skipped by error rules: pages 2, 4"
    assert copies.silver() == rows_of([1, 2, 3, 7, 8, 9, 13, 14, 15])
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1}


def test_bronze_has_a_skipped_page_without_a_body_and_without_an_error(copies: Landings) -> None:
    copies.errors = SKIP
    skipping(copies.serve(range(1, 10)), 2)
    copies.run()
    sql = "SELECT page, status, n_items, rows FROM t WHERE body IS NULL AND error IS NULL"
    rows = copies.query(copies.folder / "lake" / "bronze" / "pages", sql)
    assert rows == [{"page": 2, "status": 500, "n_items": 0, "rows": None}]


def test_a_page_that_is_uneven_beside_a_skipped_one_is_read_again(copies: Landings) -> None:
    copies.errors = SKIP
    table = copies.serve(range(1, 16))
    skipping(table, 2)
    table.once(4, Short())
    run = copies.run()
    assert copies.proved(run) == ("unproved", 1)
    assert run.tables["things"].pages_skipped == 1
    assert copies.silver() == rows_of([1, 2, 3, *range(7, 16)])


def test_a_skipped_page_is_no_end_of_pages_without_a_total(copies: Landings) -> None:
    copies.errors, copies.limits = SKIP, {"max_pages": 9}
    table = copies.serve(range(1, 10), NO_TOTAL)
    skipping(table, *range(4, 20))
    assert "no end after 9 pages, which is all that api.limits.max_pages (9) allows" in copies.failed(copies.run())


def test_the_last_page_of_a_source_without_a_total_may_be_skipped(copies: Landings) -> None:
    copies.errors = SKIP
    skipping(copies.serve(range(1, 10), NO_TOTAL), 3)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert (run.tables["things"].pages_skipped, run.tables["things"].rows_landed) == (1, 6)
    assert str(run.tables["things"].unproved_because).endswith(": page 3")


def test_a_first_page_that_is_skipped_leaves_the_others_to_be_read_to_their_end(copies: Landings) -> None:
    copies.errors = SKIP
    skipping(copies.serve(range(1, 11)), 1)
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert (run.tables["things"].pages_skipped, run.tables["things"].rows_total) == (1, None)
    assert copies.silver() == rows_of(range(4, 11))


def test_a_first_page_that_was_skipped_once_is_read_again_and_all_others_with_it(copies: Landings) -> None:
    copies.errors = SKIP
    copies.serve(range(1, 11)).once(1, Fails(500))
    run = copies.run()
    assert copies.proved(run) == ("counted", 1)
    assert (run.tables["things"].pages_skipped, run.tables["things"].unproved_because) == (None, None)
    assert copies.silver() == rows_of(range(1, 11))


def test_a_first_page_that_is_skipped_at_the_end_alone_fails_the_table(copies: Landings) -> None:
    copies.errors = SKIP
    table = copies.serve(range(1, 11))
    table.after(1, lambda _: skipping(table, 1))
    assert copies.failed(copies.run()) == (
        "things: the first page could not be re-read at the end: an error rule skips it now"
    )


def test_the_step_of_offsets_is_not_known_where_the_first_page_is_skipped(copies: Landings) -> None:
    copies.pagination, copies.errors = {"style": "offset"}, SKIP
    skipping(copies.serve(range(1, 11), Manners(style="offset")), 1)
    assert copies.failed(copies.run()).endswith(
        "an error rule skips the first page, so the number of rows a page is not known; use fail or retry for it"
    )


def test_a_skipped_offset_costs_its_rows_and_no_other(copies: Landings) -> None:
    copies.pagination, copies.errors = {"style": "offset"}, SKIP
    skipping(copies.serve(range(1, 11), Manners(style="offset")), 2)
    assert copies.proved(copies.run()) == ("unproved", 0)
    assert copies.silver() == rows_of([1, 2, 3, *range(7, 11)])


@pytest.mark.parametrize("total", ["always", "absent"])
def test_a_walk_goes_on_behind_a_page_that_is_skipped_and_names_the_next_one(total: Any, copies: Landings) -> None:
    copies.pagination, copies.errors = CURSORS, SKIP
    table = copies.serve(range(1, 11), by_cursor(total=total))
    skipping(table, 2, next_cursor="behind 6")
    run = copies.run()
    assert copies.proved(run) == ("unproved", 0)
    assert (run.tables["things"].pages_skipped, run.tables["things"].rows_landed) == (1, 7)
    assert run.tables["things"].unproved_because == "1 page was skipped by error rules: page 2"
    assert copies.silver() == rows_of([1, 2, 3, *range(7, 11)])
    assert table.asked == {1: 2, 2: 1, 3: 1, 4: 1}


def test_a_walk_that_cannot_go_on_behind_a_skipped_page_fails(copies: Landings) -> None:
    copies.pagination, copies.errors = CURSORS, SKIP
    skipping(copies.serve(range(1, 11), by_cursor()), 2)
    told = copies.failed(copies.run())
    assert "page 2 of 2 failed" in told
    assert "status 500 (api.errors[0]: skip): it names no next page (api.pagination.next: next_cursor)" in told
    assert "behind 3" not in told


def test_two_walks_are_not_asked_for_where_pages_are_skipped(copies: Landings) -> None:
    copies.pagination, copies.errors, copies.prove = CURSORS, SKIP, "reread"
    skipping(copies.serve(range(1, 11), by_cursor()), 2, next_cursor="behind 6")
    assert copies.proved(copies.run()) == ("unproved", 0)


@pytest.mark.parametrize("style", ["page", "cursor"])
def test_a_resumed_run_still_knows_the_pages_that_were_skipped_before_it_was_killed(
    style: Any, copies: Landings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.pagination, copies.errors = {"style": style}, SKIP
    table = copies.serve(range(1, 22), Manners(style=style, pages="absent"))
    skipping(table, 2, next_cursor="behind 6")
    two_pages_a_wave(monkeypatch)
    killed_after(copies, 2)
    assert ("things", 2, 0) in copies.landed()
    run = copies.run(resume="run-1")
    assert copies.proved(run)[0] == "unproved"
    assert run.tables["things"].pages_skipped == 1
    assert table.asked[2] == 1
    assert copies.silver() == rows_of([1, 2, 3, *range(7, 22)])


def test_what_an_operator_accepts_incomplete_still_counts_its_skipped_pages(copies: Landings) -> None:
    copies.errors = SKIP
    table = copies.serve(range(1, 16))
    skipping(table, 2)
    table.once(4, Fails(400))
    run = copies.run(accept_incomplete=True)
    assert copies.proved(run) == ("incomplete", 0)
    assert run.tables["things"].pages_skipped == 1


def test_a_source_that_moves_is_read_again_though_a_page_is_skipped(copies: Landings) -> None:
    copies.errors = SKIP
    table = copies.serve(range(1, 11))
    skipping(table, 2)
    table.after(3, append(11, 12, 13))
    run = copies.run()
    assert copies.proved(run) == ("unproved", 1)
    assert (run.tables["things"].pages, run.tables["things"].pages_skipped) == (5, 1)
    assert copies.silver() == rows_of([1, 2, 3, *range(7, 14)])


# Judgement, by itself

PLAN = TablePlan("t", "/t", first=1, last=10, given=100, total=1000)
SEEN = Seen(
    n_pages=10, n_items=900, n_twice=0, last_round=0, n_moved=0, n_reread=0, failed=(), first_error=None, missing=(),
    uneven=(), duplicates=(), first_page_sha256="i", skipped=(7,), n_skipped=1,
)  # fmt: skip
CLOSING = first_page(total=1000, given_rows=100)
SKIPPED = Proof("t", "unproved", 900, "1 page was skipped by error rules: page 7")


@pytest.mark.parametrize("level", [COUNTED, REREAD])
@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_a_skipped_page_leaves_a_copy_unproved(level: str, style: str) -> None:
    assert judge(Case(replace(PLAN, style=style), level), SEEN, CLOSING) == SKIPPED


def test_though_all_rows_seem_to_be_there() -> None:
    assert judge(Case(PLAN, COUNTED), replace(SEEN, n_items=1000), CLOSING) == replace(SKIPPED, rows=1000)


def test_what_is_in_doubt_beside_it_is_read_again_or_fails() -> None:
    case = Case(PLAN, COUNTED)
    doubt = judge(case, replace(SEEN, uneven=(3,)), CLOSING)
    assert isinstance(doubt, Doubt)
    assert [(span.first, span.last) for span in doubt.ranges] == [(2, 4)]
    for seen, said in (
        (replace(SEEN, failed=(5,), first_error="status 404"), "page 5 of 10 failed: status 404"),
        (replace(SEEN, duplicates=(3, 4)), "the same rows on pages 3, 4"),
    ):
        with pytest.raises(SourceIncompleteError, match=said):
            judge(case, seen, CLOSING)


def test_a_thousand_skipped_pages_are_counted_and_the_first_are_named() -> None:
    seen = replace(SEEN, skipped=tuple(range(2, 1002)), n_skipped=1234)
    verdict = judge(Case(PLAN, COUNTED), seen, CLOSING)
    assert isinstance(verdict, Proof)
    assert str(verdict.why).startswith("1,234 pages were skipped by error rules: pages 2, 3, 4, ")
    assert str(verdict.why).endswith(", 21, ...")


def test_a_skipped_first_page_plans_what_a_source_without_a_total_does() -> None:
    skipped = replace(first_page(total=None, given_rows=0), body=None)
    assert plan_table("/t", skipped) == TablePlan("t", "/t", 1, 1, 0, None)
    with pytest.raises(ValueError, match="the number of rows a page is not known"):
        plan_table("/t", skipped, "offset")
