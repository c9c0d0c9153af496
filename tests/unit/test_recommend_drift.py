"""Drift between counts of categories, worked out by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lib.recommend.drift import population_stability_index

COUNTS = arrays(np.int64, 8, elements=st.sampled_from([0, 1, 2, 50, 700, 90_000])).filter(np.any)


def psi(expected: list[float], actual: list[float]) -> float:
    return population_stability_index(np.array(expected), np.array(actual))


def test_shares_of_a_half_and_a_half_against_a_quarter_and_three() -> None:
    # (1/4 - 1/2) ln(1/2) + (3/4 - 1/2) ln(3/2) = ln(3) / 4.
    assert psi([50, 50], [10, 30]) == pytest.approx(log(3) / 4)


def test_a_category_that_is_new_or_gone_counts_as_half_an_observation() -> None:
    # Shares 0.5/100.5 and 100/100.5 against the other way round: twice (99.5/100.5) ln(200).
    assert psi([100, 0], [0, 100]) == pytest.approx(2 * 99.5 / 100.5 * log(200))


def test_categories_that_are_rare_on_both_sides_count_as_one() -> None:
    # The last three have 9 of 1,000 plays each at most; together 20 and 20: no drift, though each of them moved.
    assert psi([980, 9, 9, 2], [980, 2, 9, 9]) == pytest.approx(0, abs=1e-12)
    # One that is not rare any more counts by itself: 990, 5 and 5 against 900, 95 and 5.
    expected = (0.9 - 0.99) * log(0.9 / 0.99) + (0.095 - 0.005) * log(0.095 / 0.005)
    assert psi([990, 5, 5], [900, 95, 5]) == pytest.approx(expected)


def test_categories_that_nobody_has_on_either_side_change_nothing() -> None:
    assert psi([50, 50, 0, 0], [10, 30, 0, 0]) == pytest.approx(psi([50, 50], [10, 30]))


@given(COUNTS, COUNTS)
def test_the_index_has_no_direction_and_is_not_below_0(one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
    found = population_stability_index(one, other)
    assert found == pytest.approx(population_stability_index(other, one))
    assert 0 <= found < np.inf
    assert population_stability_index(one, one) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("expected", "actual", "said"),
    [
        ([1, 2], [1, 2, 3], r"not \(2,\) with \(3,\)"),
        ([0, 0], [1, 2], "Nothing was counted on one side"),
        ([1, 2], [0, 0], "Nothing was counted on one side"),
        ([], [], "Nothing was counted on one side"),
        ([1, -1], [1, 2], "finite number, 0 or more"),
        ([1, np.nan], [1, 2], "finite number, 0 or more"),
    ],
)
def test_counts_that_cannot_be_compared_are_refused(expected: list[float], actual: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        psi(expected, actual)
