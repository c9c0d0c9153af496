from __future__ import annotations

from dataclasses import replace

import pytest

from lib.errors import SourceIncompleteError
from lib.lake.states import COUNTED, REREAD
from lib.landing.bronze import Seen
from lib.landing.plan import TablePlan
from lib.landing.prove import Case, Doubt, Proof, doubt_repeats, judge, report
from tests.first_page import first_page

PLAN = TablePlan("t", "/t", first=1, last=10, given=100, total=1000)
SEEN = Seen(
    n_pages=10, n_items=1000, n_twice=0, last_round=0, n_moved=0, n_reread=0, failed=(), first_error=None, missing=(),
    uneven=(), duplicates=(), first_page_sha256="i",
)  # fmt: skip
CLOSING = first_page(total=1000, given_rows=100)
COUNT = Case(PLAN, COUNTED)


def asked(verdict: Proof | Doubt) -> list[tuple[int, int]]:
    assert isinstance(verdict, Doubt)
    return [(span.first, span.last) for span in verdict.ranges]


def test_every_page_once_and_a_total_that_stays_is_proof() -> None:
    assert judge(COUNT, SEEN, CLOSING) == Proof("t", "counted", 1000)


def test_a_total_that_changed_makes_a_new_plan_and_a_whole_walk() -> None:
    verdict = judge(COUNT, SEEN, replace(CLOSING, total=1101))
    assert asked(verdict) == [(1, 12)]
    assert isinstance(verdict, Doubt)
    assert verdict.case.plan.total == 1101


def test_a_first_page_that_changed_is_walked_again_though_the_counts_agree() -> None:
    assert asked(judge(COUNT, SEEN, replace(CLOSING, items_sha256="other"))) == [(1, 10)]


def test_a_short_page_is_read_again_with_its_neighbours() -> None:
    assert asked(judge(COUNT, replace(SEEN, n_items=999, uneven=(5,)), CLOSING)) == [(4, 6)]


def test_a_short_page_that_stays_short_ends_in_a_whole_walk() -> None:
    once = COUNT.read_again(PLAN.pages([4, 5, 6]))
    assert asked(judge(once, replace(SEEN, n_items=999, uneven=(5,)), CLOSING)) == [(1, 10)]


def test_a_page_that_moved_when_it_was_read_again_ends_in_a_whole_walk() -> None:
    once = COUNT.read_again(PLAN.pages([4, 5, 6]))
    assert asked(judge(once, replace(SEEN, n_moved=1, n_reread=3), CLOSING)) == [(1, 10)]


def test_pages_with_the_same_rows_are_in_doubt_though_the_counts_agree() -> None:
    assert asked(judge(COUNT, replace(SEEN, duplicates=(3, 4)), CLOSING)) == [(2, 5)]


def test_a_page_that_has_not_landed_is_fetched() -> None:
    assert asked(judge(COUNT, replace(SEEN, n_pages=9, n_items=900, missing=(7,)), CLOSING)) == [(7, 7)]


def test_a_page_that_failed_is_not_tried_again_here() -> None:
    with pytest.raises(SourceIncompleteError, match=r"page 7 of 10 failed: status 404"):
        judge(COUNT, replace(SEEN, failed=(7,), first_error="status 404"), CLOSING)


def test_reread_needs_two_whole_walks_that_agree() -> None:
    first = Case(PLAN, REREAD)
    assert asked(judge(first, SEEN, CLOSING)) == [(1, 10)]
    second = first.read_again([PLAN.whole])
    assert judge(second, replace(SEEN, n_reread=10), CLOSING) == Proof("t", "reread", 1000)
    assert asked(judge(second, replace(SEEN, n_reread=10, n_moved=1), CLOSING)) == [(1, 10)]


def test_a_part_read_again_does_not_count_as_a_walk() -> None:
    part = Case(PLAN, REREAD).read_again(PLAN.pages([5]))
    assert asked(judge(part, replace(SEEN, n_reread=10), CLOSING)) == [(1, 10)]
    whole = part.read_again([PLAN.whole])
    assert asked(judge(whole, replace(SEEN, n_reread=10), CLOSING)) == [(1, 10)]


def test_a_source_without_a_total_is_read_to_its_end() -> None:
    case = Case(replace(PLAN, total=None), COUNTED)
    assert judge(case, replace(SEEN, n_items=950), replace(CLOSING, total=None)) == Proof("t", "ended", 950)


def test_an_end_at_a_number_of_rows_at_which_sources_cap_is_none() -> None:
    case = Case(replace(PLAN, total=None), COUNTED)
    verdict = judge(case, SEEN, replace(CLOSING, total=None))
    assert verdict == Proof(
        "t",
        "unproved",
        1000,
        "it ends with a full page at exactly 1,000 rows, so the source may cap what it gives. If it does, read it in slices "
        "(the setting slices of the table): by the values of a parameter that filters, or by windows of time, each below the cap",
    )
    assert judge(case, replace(SEEN, uneven=(5,)), replace(CLOSING, total=None)) != verdict


def test_a_source_that_gives_one_page_for_ever_is_no_copy() -> None:
    case = Case(replace(PLAN, total=None), COUNTED)
    with pytest.raises(SourceIncompleteError, match="the same rows on pages 2, 3"):
        judge(case, replace(SEEN, duplicates=(2, 3)), replace(CLOSING, total=None))


def test_pages_that_share_keys_are_read_again_and_they_alone() -> None:
    assert asked(doubt_repeats(COUNT, [3, 8])) == [(3, 3), (8, 8)]


def test_the_report_names_pages_rows_and_what_to_try() -> None:
    seen = replace(SEEN, n_items=998, uneven=(5, 6))
    doubt = judge(COUNT, seen, CLOSING)
    assert isinstance(doubt, Doubt)
    text = report(doubt, seen, 3)
    for part in ("998 rows landed of 1000", "2 missing", "pages 5, 6", "after 3 rounds", "--accept-incomplete"):
        assert part in text


def test_two_walks_of_which_one_had_a_page_more_do_not_agree() -> None:
    walk = Case(replace(PLAN, style="cursor"), REREAD, walks=2)
    assert judge(walk, replace(SEEN, n_reread=10), CLOSING) == Proof("t", "reread", 1000)
    assert isinstance(judge(walk, replace(SEEN, n_reread=10, n_beyond=1), CLOSING), Doubt)


def test_without_a_total_pages_that_are_shorter_than_the_step_leave_gaps_and_fail() -> None:
    offsets = Case(replace(PLAN, style="offset", total=None), COUNTED, doubted=frozenset({5}))
    with pytest.raises(
        SourceIncompleteError, match=r"Each position is 100 rows after the one before, so some rows are missing"
    ):
        judge(offsets, replace(SEEN, n_items=990, uneven=(5,)), replace(CLOSING, total=None))
    pages = replace(offsets, plan=replace(PLAN, total=None))
    assert isinstance(judge(pages, replace(SEEN, n_items=990, uneven=(5,)), replace(CLOSING, total=None)), Proof)
