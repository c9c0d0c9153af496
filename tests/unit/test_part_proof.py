"""What is known of one part of a table after it was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lib.landing.part_proof import (
    PartDoubt,
    PartFailure,
    PartProof,
    PartRules,
    PartVerdict,
    judge_part,
    weakest,
)
from lib.landing.part_readings import PartSeen

PAGES = PartRules("page", "counted", 1000)
CURSORS = replace(PAGES, style="cursor")
LISTS = replace(PAGES, may_be_gone=True)
WINDOWS = replace(PAGES, is_window=True)
# Three pages of 100, 100 and 50 rows, and the first one once more.
SEEN = PartSeen(
    part='{"a":1}', round=0, n_rows=4, n_distinct=4, n_pages=3, n_items=250, n_filled=3, n_sums=3, most_items=100, filled_page=3,
    filled_items=50, first_page=1, last_page=3, first_total=250, least_total=250, most_total=250, first_sha256="a",
    first_status=200, first_skipped=False, n_failed=0, failed_page=None, failed_status=None, first_error=None, by_rule=False,
    n_skipped=0, last_status=200, last_items=50, last_bytes=9, last_error=None, last_named=False, last_is_end=False,
    claimed_pages=3, low=0, high=0, own_first=1, again_sha256="a", again_error=None, n_again=1, digest=b"x",
)  # fmt: skip
# Read to an empty fourth page.
TO_THE_END = replace(
    SEEN,
    n_rows=5,
    n_distinct=5,
    n_pages=4,
    last_page=4,
    last_items=0,
    first_total=None,
    least_total=None,
    most_total=None,
)
# A walk whose last page names no next one.
WALK = replace(
    SEEN, first_total=None, least_total=None, most_total=None, last_is_end=True, low=None, high=None, own_first=None
)


def failed(page: int, status: int, **more: Any) -> PartSeen:
    """A part of which this page failed."""
    known: dict[str, Any] = {
        "n_failed": 1,
        "failed_page": page,
        "failed_status": status,
        "first_error": f"status {status}",
        **more,
    }
    return replace(SEEN, **known)


@pytest.mark.parametrize(
    ("rules", "seen", "verdict"),
    [
        (PAGES, SEEN, PartProof("counted", 250)),
        (CURSORS, replace(SEEN, low=None, high=None), PartProof("counted", 250)),
        # One page is one answer, and not read again.
        (
            PAGES,
            replace(
                SEEN, n_rows=1, n_distinct=1, n_pages=1, n_again=0, n_filled=1, n_sums=1, n_items=9, filled_page=1, filled_items=9,
                last_page=1, first_total=9, least_total=9, most_total=9, again_sha256=None,
            ),
            PartProof("counted", 9),
        ),
        (PAGES, TO_THE_END, PartProof("ended", 250)),
        (CURSORS, WALK, PartProof("ended", 250)),
        (LISTS, failed(1, 404, first_status=404), PartProof("counted", 0, is_gone=True)),
        (LISTS, failed(1, 410, first_status=410), PartProof("counted", 0, is_gone=True)),
        (PAGES, failed(1, 404, first_status=404), PartFailure("status 404")),
        (LISTS, failed(1, 404, first_status=404, by_rule=True), PartFailure("status 404")),
        (LISTS, failed(2, 404), PartFailure("status 404")),
        (PAGES, failed(2, 500), PartFailure("status 500")),
        (PAGES, replace(SEEN, n_distinct=3), PartFailure("pages stand twice in bronze; run again, this run cannot be used")),
        (
            PAGES,
            replace(SEEN, again_error="status 500"),
            PartFailure("the first page could not be read again at the end: status 500"),
        ),
        (PAGES, replace(SEEN, most_total=251), PartDoubt("the source claimed 250 rows on one page and 251 on another")),
        (
            PAGES,
            replace(SEEN, n_sums=2),
            PartDoubt("the same rows on two pages: does the source take api.pagination.page_param?"),
        ),
        (PAGES, replace(SEEN, again_sha256="b"), PartDoubt("the first page changed while the others were read")),
        (PAGES, replace(SEEN, low=0, high=2), PartDoubt("by its own number a page is another one than was asked for")),
        # All alike, and one beside it: the answer counts from 0, and the request from 1.
        (PAGES, replace(SEEN, low=-1, high=-1, own_first=0), PartProof("counted", 250)),
        (PAGES, replace(SEEN, n_again=0, again_sha256=None), PartDoubt("its first page was not read again at the end")),
        (PAGES, replace(SEEN, n_pages=2), PartDoubt("pages of it have not landed")),
        (PAGES, replace(SEEN, n_items=249), PartDoubt("249 rows landed of 250 on 3 pages")),
        (PAGES, replace(SEEN, n_items=251), PartDoubt("251 rows landed of 250 on 3 pages")),
        (
            CURSORS,
            replace(WALK, last_named=True),
            PartFailure(
                "by page 3 a page came for the second time, so it may never end: does the source take api.pagination.cursor_param?"
            ),
        ),
        (PAGES, replace(TO_THE_END, last_items=50), PartDoubt("no end of it was met")),
        (PAGES, replace(TO_THE_END, n_skipped=1), PartProof("unproved", 250, "pages were skipped, as rules of errors say")),
        (
            PAGES,
            replace(TO_THE_END, last_bytes=0),
            PartProof("unproved", 250, "its end is what a rule of errors says, and not the source"),
        ),
        (
            PAGES,
            replace(TO_THE_END, n_items=240),
            PartProof(
                "unproved",
                240,
                "nobody says how many rows there should be, and before the last page some have fewer than others",
            ),
        ),
        (
            replace(PAGES, style="offset"),
            replace(TO_THE_END, n_items=240),
            PartFailure(
                "pages before the last one have fewer rows than others, and a position counts rows, so some are missing; ask for "
                "no more rows than each page brings (api.pagination.size)"
            ),
        ),
        (
            replace(PAGES, style="offset"),
            replace(SEEN, first_skipped=True, n_skipped=1),
            PartFailure(
                "a rule of errors skips the first page, so nobody knows how many rows a step has; take fail or retry for it"
            ),
        ),
        (
            PAGES,
            replace(TO_THE_END, claimed_pages=9),
            PartProof("unproved", 250, "the source claims 9 pages, and gives rows on 3"),
        ),
        (
            CURSORS,
            replace(
                WALK, n_rows=1, n_distinct=1, n_pages=1, last_page=1, n_again=0, n_filled=1, n_sums=1, n_items=9, filled_page=1,
                filled_items=9, claimed_pages=None, last_is_end=False, again_sha256=None,
            ),
            PartProof("unproved", 9, "its first page names no next one, and is taken for all there is"),
        ),
    ],
)  # fmt: skip
def test_what_is_known_of_a_part(rules: PartRules, seen: PartSeen, verdict: PartVerdict) -> None:
    assert judge_part(rules, seen, None) == verdict


THOUSAND = replace(
    SEEN, n_items=1000, n_filled=10, n_sums=10, filled_page=10, filled_items=100, n_pages=11, last_page=11, last_items=0, n_rows=12,
    n_distinct=12, first_total=1000, least_total=1000, most_total=1000,
)  # fmt: skip


def test_a_total_at_which_sources_cap_splits_a_window_and_is_taken_where_nothing_is_behind_it() -> None:
    assert judge_part(PAGES, THOUSAND, None) == PartProof("counted", 1000)
    assert judge_part(WINDOWS, THOUSAND, None) == PartDoubt("exactly 1,000 rows", is_capped=True, else_level="counted")


@pytest.mark.parametrize(
    ("seen", "else_level"),
    [
        # Refused behind full pages, and nothing behind them.
        (failed(3, 400, n_items=200, n_filled=2, filled_page=2, filled_items=100), None),
        (replace(SEEN, n_items=200, n_filled=2, n_sums=2, filled_page=2, filled_items=100, last_items=0), None),
        # More than the total counts, where that is a number of a cap.
        (replace(THOUSAND, n_items=1100, n_filled=11, n_sums=11, filled_page=11, last_items=100), None),
        # Refused behind all that the total counts.
        (
            replace(
                THOUSAND,
                n_failed=1,
                failed_page=11,
                failed_status=422,
                first_error="x",
                last_error="x",
                last_items=None,
            ),
            "unproved",
        ),
        # It says so itself.
        (failed(1, 200, first_error="the source may cap what it counts. ..."), None),
        # Full pages to a number of a cap, and no total.
        (replace(THOUSAND, first_total=None, least_total=None, most_total=None, claimed_pages=None), "unproved"),
    ],
)
def test_what_speaks_for_a_cap_splits_a_window(seen: PartSeen, else_level: str | None) -> None:
    verdict = judge_part(WINDOWS, seen, None)
    assert isinstance(verdict, PartDoubt)
    assert (verdict.is_capped, verdict.else_level) == (True, else_level)


def test_two_readings_must_agree_where_the_settings_say_so() -> None:
    rules = replace(PAGES, level="reread")
    again = PartDoubt("two whole walks must agree, and have not yet")
    assert judge_part(rules, SEEN, None) == again
    assert judge_part(rules, replace(SEEN, round=1), replace(SEEN, digest=b"y")) == again
    assert judge_part(rules, replace(SEEN, round=1), replace(SEEN, n_pages=4)) == again
    assert judge_part(rules, replace(SEEN, round=1), SEEN) == PartProof("reread", 250)


def test_a_table_is_as_sure_as_the_weakest_of_its_parts() -> None:
    assert weakest(iter(["counted", "ended", "reread"])) == "ended"
    assert weakest(iter(["counted", "unproved", "ended"])) == "unproved"
    assert weakest(iter(["reread"])) == "reread"
    assert weakest(iter([])) == "counted"
