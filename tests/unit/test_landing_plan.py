from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.landing.landing import Landing
from lib.landing.plan import PageRange, TablePlan, cut, plan_table, waves
from tests.first_page import first_page


@pytest.mark.parametrize(
    ("total", "given_rows", "pages", "last"),
    [
        (1000, 100, 10, 10),
        (1001, 100, None, 11),
        (99, 99, 1, 1),
        # The server caps the size: what it gave counts.
        (1000, 50, None, 20),
        # It claims more pages than its total fills: they are looked at.
        (1000, 100, 12, 12),
        # It claims fewer: the total counts.
        (1000, 100, 3, 10),
        (0, 0, 0, 1),
    ],
)
def test_the_plan_follows_what_the_server_gave(total: int, given_rows: int, pages: int | None, last: int) -> None:
    plan = plan_table("/t", first_page(total=total, given_rows=given_rows, pages=pages))
    assert (plan.first, plan.last) == (1, last)


def test_pages_may_be_counted_from_0() -> None:
    plan = plan_table("/t", first_page(page=0, total=250, given_rows=100))
    assert (plan.first, plan.last, plan.n_pages, plan.last_with_rows) == (0, 2, 3, 2)


def test_a_source_without_a_total_is_planned_page_by_page() -> None:
    plan = plan_table("/t", first_page(total=None, given_rows=100))
    assert (plan.last, plan.total) == (1, None)


def test_a_total_over_an_empty_first_page_cannot_be_true() -> None:
    with pytest.raises(ValueError, match="claims 10 rows, and gives none"):
        plan_table("/t", first_page(total=10, given_rows=0))


def test_a_wild_page_count_is_not_walked() -> None:
    with pytest.raises(ValueError, match="claims 1000000 pages for 1000 rows"):
        plan_table("/t", first_page(total=1000, given_rows=100, pages=1_000_000))


def test_single_pages_become_ranges() -> None:
    plan = TablePlan("t", "/t", 1, 10, 100, 1000)
    assert [(span.first, span.last) for span in plan.pages([5, 2, 3, 4, 9, 2])] == [(2, 5), (9, 9)]


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    parts=st.integers(1, 20),
)
def test_a_cut_keeps_every_page_once_and_differs_by_one_page_at_most(lengths: list[int], parts: int) -> None:
    ranges = [PageRange(f"t{i}", "/t", 1, length) for i, length in enumerate(lengths)]
    pieces = cut(ranges, parts)
    pages = [(span.table, page) for piece in pieces for span in piece for page in range(span.first, span.last + 1)]
    sizes = [sum(span.n_pages for span in piece) for piece in pieces]
    assert sorted(pages) == sorted((span.table, page) for span in ranges for page in range(1, span.last + 1))
    assert len(pages) == len(set(pages))
    assert max(sizes) - min(sizes) <= 1


def test_waves_are_of_one_size_and_none_is_above_the_most() -> None:
    made = list(waves([PageRange("t", "/t", 1, 1500)], 600))
    assert [sum(span.n_pages for span in wave) for wave in made] == [500, 500, 500]


def test_a_wave_is_as_long_as_half_a_minute_of_answers() -> None:
    nothing: Any = None
    landing = Landing(nothing, nothing, nothing, nothing, accept_incomplete=False)
    landing.answer_s = 0.1
    assert landing.wave_pages == 300
    landing.answer_s = 0.0  # answers that took no time at all are taken for 20 ms each
    assert landing.wave_pages == 1500


def test_nothing_to_fetch_is_no_wave() -> None:
    assert list(waves([], 100)) == []
