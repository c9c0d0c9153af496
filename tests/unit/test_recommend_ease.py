"""EASE in closed form against the textbook formula, and the sums that it is fitted from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lib.recommend import ease
from lib.recommend.ease import gram, popularity, solve
from tests.plays import NOW, histories, planted
from tests.suite_parts import examples


def textbook(gram: NDArray[np.float64], regularisation: float) -> NDArray[np.float64]:
    """Equation 8 of Steck (2019), as it is written."""
    inverse = np.linalg.inv(gram + regularisation * np.eye(len(gram)))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@settings(max_examples=examples(30))
@given(st.integers(0, 10_000), st.sampled_from([0.5, 20.0, 2000.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_weights_are_those_of_the_textbook(seed: int, regularisation: float, power: float) -> None:
    past = planted(seed, n_users=30, n_items=14, n_plays=200)
    matrix = past.matrix(14, now=NOW, half_life_days=30, power=power)
    rows = matrix.toarray().astype(np.float64)
    assert gram(matrix) == pytest.approx(rows.T @ rows, rel=1e-9)
    found = solve(gram(matrix), regularisation)
    assert found.dtype == np.float32
    assert found == pytest.approx(textbook(rows.T @ rows, regularisation), rel=1e-4, abs=1e-6)
    assert not found.diagonal().any()


def test_two_items_by_hand() -> None:
    # Two users with both items, one with item 0 alone: G = [[3, 2], [2, 2]], with lambda 1 [[4, 2], [2, 3]]. Its inverse is
    # [[3, -2], [-2, 4]] / 8, so B_01 = 2 / 4 and B_10 = 2 / 3.
    past = histories(3, [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (2, 0, 1)])
    matrix = past.matrix(2, now=NOW, half_life_days=None, power=0)
    assert gram(matrix).tolist() == [[3, 2], [2, 2]]
    assert solve(gram(matrix), 1.0) == pytest.approx(np.array([[0, 0.5], [2 / 3, 0]]))


def test_sums_of_blocks_are_those_of_the_whole() -> None:
    past = planted(2, n_users=50, n_items=20, n_plays=600)
    blocks = [past.of_users(np.arange(first, min(first + 7, 50))) for first in range(0, 50, 7)]

    def matrices(power: float) -> list[NDArray[np.float64]]:
        return [gram(block.matrix(20, now=NOW, half_life_days=9, power=power)) for block in blocks]

    # Whole numbers add up exactly; others within the precision of a double.
    assert (sum(matrices(0)) == gram(past.matrix(20, now=NOW, half_life_days=9, power=0))).all()
    assert sum(matrices(1)) == pytest.approx(gram(past.matrix(20, now=NOW, half_life_days=9)), rel=1e-12)
    assert sum(popularity(block, 20, now=NOW, half_life_days=9) for block in blocks) == pytest.approx(
        popularity(past, 20, now=NOW, half_life_days=9), rel=1e-6
    )


def test_a_gram_matrix_is_the_same_in_strips_of_any_height(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = planted(2, n_users=50, n_items=20, n_plays=600).matrix(20, now=NOW, half_life_days=9)
    expected, weights = gram(matrix), solve(gram(matrix), 3.0)
    monkeypatch.setattr(ease, "_CELLS", 60)
    monkeypatch.setattr(ease, "_STRIP_ROWS", 7)
    assert [strip.start for strip in ease.strips(20)] == [0, 7, 14]
    [below, last] = ease.gram_strips(matrix, ease.strips(20)[1:])
    assert (below == expected[7:14, 7:]).all()
    assert (last == expected[14:, 14:]).all()
    assert (gram(matrix) == expected).all()
    assert (solve(gram(matrix), 3.0) == weights).all()


def test_popularity_is_of_decayed_plays_or_of_users() -> None:
    past = histories(2, [(0, 1, 10), (0, 1, 10), (1, 1, 0), (1, 2, 20)])
    assert popularity(past, 4, now=NOW, half_life_days=10).tolist() == [0, 2, 0.25, 0]
    assert popularity(past, 4, now=NOW, half_life_days=10, power=0).tolist() == [0, 2, 1, 0]
    assert popularity(histories(2, []), 2, now=NOW, half_life_days=10).tolist() == [0, 0]


def test_the_gram_matrix_stays_as_it_was_unless_it_may_be_overwritten() -> None:
    matrix = planted(2, n_users=50, n_items=20, n_plays=600).matrix(20, now=NOW, half_life_days=9)
    given_matrix = gram(matrix)
    weights = solve(given_matrix, 3.0)
    assert (given_matrix == gram(matrix)).all()
    assert (solve(given_matrix, 3.0, overwrite=True) == weights).all()


def test_an_item_without_plays_has_no_weights() -> None:
    matrix = histories(2, [(0, 0, 1), (0, 2, 1), (1, 0, 1)]).matrix(3, now=NOW, half_life_days=None)
    weights = solve(gram(matrix), 1.0)
    assert not weights[1].any()
    assert not weights[:, 1].any()
    assert solve(np.zeros((0, 0)), 1.0).shape == (0, 0)
    assert not solve(np.zeros((3, 3)), 1.0).any()


@pytest.mark.parametrize(
    ("matrix", "regularisation", "said"),
    [
        ([[2.0, 1.0]], 1.0, r"is square, not \(1, 2\)"),
        ([[2.0, np.nan], [np.nan, 2.0]], 1.0, "not finite"),
        ([[np.inf, 1.0], [1.0, 2.0]], 1.0, "not finite"),
        ([[2.0, 1.0], [0.5, 2.0]], 1.0, "not symmetric"),
        ([[1.0, 2.0], [2.0, 1.0]], 0.5, "With a regularisation of 0.5 the Gram matrix is not positive definite"),
        ([[0.0, 0.0], [0.0, 1.0]], 0.0, "not positive definite"),
        ([[1.0, 1.0], [1.0, 1.0]], 1e-16, "not positive definite|too close to singular"),
        ([[1e20, 0.0], [0.0, 0.0]], 1.0, "too close to singular"),
        ([[1.0, 0.0], [0.0, 1.0]], -1.0, "finite number, 0 or more, not -1"),
        ([[1.0, 0.0], [0.0, 1.0]], np.nan, "finite number, 0 or more, not nan"),
    ],
)
def test_a_matrix_that_cannot_be_solved_is_refused(matrix: list[list[float]], regularisation: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        solve(np.array(matrix), regularisation)
