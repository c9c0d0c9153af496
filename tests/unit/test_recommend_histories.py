"""Plays as arrays: windows of time, rows of users, and how much an old play counts."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lib.recommend.histories import DAY, LEAST, NEVER, Catalogue, Histories
from tests.plays import NOW, histories, planted

PLAYS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 60), st.sampled_from([0.0, 0.5, 1.0, 3.0])),
    max_size=40,
)


def test_a_window_has_its_start_and_not_its_end() -> None:
    of_two = histories(2, [(0, 5, 3), (0, 6, 2), (1, 7, 2), (1, 8, 1)])
    window = of_two.between(NOW - 3 * DAY, NOW - 2 * DAY)
    assert (window.item.tolist(), window.start.tolist()) == ([5], [0, 1, 1])
    before = of_two.before(NOW - 2 * DAY)
    assert (before.item.tolist(), before.start.tolist()) == ([5], [0, 1, 1])
    after = of_two.between(NOW - 2 * DAY, NOW)
    assert (after.item.tolist(), after.start.tolist()) == ([6, 7, 8], [0, 1, 3])


def test_a_play_loses_half_of_its_weight_in_each_half_life() -> None:
    # User 0: item 1 twice, 10 and 20 days ago, and item 2 just now with weight 3. User 1: nothing. User 2: item 0, 30 days ago.
    of_three = histories(3, [(0, 1, 20), (0, 1, 10), (0, 2, 0, 3.0), (2, 0, 30)])
    decayed = of_three.matrix(3, now=NOW, half_life_days=10)
    assert decayed.toarray().tolist() == [[0, 0.5 + 0.25, 3], [0, 0, 0], [0.125, 0, 0]]
    assert decayed.dtype == np.float32
    assert of_three.matrix(3, now=NOW, half_life_days=None).toarray().tolist() == [[0, 2, 3], [0, 0, 0], [1, 0, 0]]
    binary = of_three.matrix(3, now=NOW, half_life_days=10, power=0)
    assert binary.toarray().tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    root = of_three.matrix(3, now=NOW, half_life_days=None, power=0.5).toarray()
    assert root == pytest.approx(np.array([[0, 2**0.5, 3**0.5], [0, 0, 0], [1, 0, 0]]))


def test_a_play_of_weight_0_is_heard_and_says_nothing_of_taste() -> None:
    of_one = histories(1, [(0, 1, 5, 0.0), (0, 2, 5)])
    assert of_one.heard(3).tolist() == [[False, True, True]]
    assert of_one.matrix(3, now=NOW, half_life_days=None, power=0).toarray().tolist() == [[0, 0, 1]]


def test_however_old_a_play_is_something_is_left_of_it() -> None:
    of_one = histories(1, [(0, 0, 100), (0, 1, 99)])
    assert of_one.matrix(2, now=NOW, half_life_days=0.01).toarray().tolist() == [[LEAST, LEAST]]


def test_a_play_after_now_counts_as_one_of_now() -> None:
    assert histories(1, [(0, 0, -7)]).matrix(1, now=NOW, half_life_days=1).toarray().tolist() == [[1]]


def test_the_last_play_of_each_user() -> None:
    assert histories(3, [(0, 0, 2), (0, 1, 1), (2, 0, 5)]).last_play().tolist() == [NOW - DAY, NEVER, NOW - 5 * DAY]


def test_without_plays_there_is_nothing_and_no_error() -> None:
    nobody = histories(2, [])
    assert nobody.matrix(4, now=NOW, half_life_days=7).toarray().tolist() == [[0] * 4] * 2
    assert nobody.last_play().tolist() == [NEVER, NEVER]
    assert not nobody.heard(4).any()
    assert nobody.before(NOW).n_users == nobody.of_users(np.array([1, 0])).n_users == 2
    assert nobody.of_users(np.array([], np.int64)).n_users == 0


@given(PLAYS, st.sampled_from([None, 7.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_matrix_is_that_of_a_loop_over_plays(
    plays: list[tuple[int, int, int, float]], half_life: float | None, power: float
) -> None:
    expected = np.zeros((5, 6))
    for user, item, days, weight in plays:
        expected[user, item] += weight * (0.5 ** (days / half_life) if half_life else 1)
    expected[expected > 0] **= power
    found = histories(5, plays).matrix(6, now=NOW, half_life_days=half_life, power=power)
    assert found.toarray() == pytest.approx(expected, rel=1e-6)
    assert found.has_sorted_indices


@given(PLAYS, st.randoms(use_true_random=False))
def test_plays_in_another_order_give_the_same_numbers(plays: list[tuple[int, int, int, float]], random: Random) -> None:
    one = histories(5, plays)
    random.shuffle(plays)
    other = histories(5, plays)
    for first, second in (
        (one.start, other.start),
        (one.item, other.item),
        (one.at, other.at),
        (one.weight, other.weight),
    ):
        assert first.tolist() == second.tolist()


@given(PLAYS)
def test_plays_of_a_user_need_no_order(plays: list[tuple[int, int, int, float]]) -> None:
    tidy = histories(5, plays)
    back = np.concatenate([np.arange(tidy.start[u], tidy.start[u + 1])[::-1] for u in range(5)]).astype(np.int64)
    turned = Histories(tidy.start, tidy.item[back], tidy.at[back], tidy.weight[back], tidy.favourites)
    one, other = (each.matrix(6, now=NOW, half_life_days=9).toarray() for each in (tidy, turned))
    assert one == pytest.approx(other)


def test_rows_of_users_are_theirs_in_the_order_asked_for() -> None:
    whole = planted(3, n_users=20, n_items=12, n_plays=200)
    users = np.array([7, 0, 19, 7])
    part = whole.of_users(users).matrix(12, now=NOW, half_life_days=5)
    assert (part.toarray() == whole.matrix(12, now=NOW, half_life_days=5).toarray()[users]).all()


@pytest.mark.parametrize(
    ("start", "at", "weight", "said"),
    [
        ([0, 1], [0, 0], [1, 1], "do not divide 2 plays"),
        ([0, 3, 2], [0, 0], [1, 1], "do not divide 2 plays"),
        ([0, 1, 2], [0], [1, 1], "2 plays have 1 times and 2 weights"),
        ([0, 2], [0, 0], [1, 1], "1 users have 2 rows of favourites"),
        ([0, 1, 2], [0, 0], [1, -1], "a finite number, 0 or more"),
        ([0, 1, 2], [0, 0], [1, np.nan], "a finite number, 0 or more"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(start: list[int], at: list[int], weight: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Histories(
            np.array(start, np.int64),
            np.array([0, 1], np.int32),
            np.array(at, np.int64),
            np.array(weight, np.float32),
            csr_array((2, 1), dtype=np.bool_),
        )


def test_an_item_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="A play is of item 3, or of one below 0; the catalogue has 3 items"):
        histories(1, [(0, 3, 1)]).matrix(3, now=NOW, half_life_days=None)
    with pytest.raises(ValueError, match="more than 0 days, not 0"):
        histories(1, [(0, 0, 1)]).matrix(1, now=NOW, half_life_days=0)
    with pytest.raises(ValueError, match=r"A catalogue of 2 items has \(1,\) flags"):
        Catalogue(2, np.ones(1, np.bool_), csr_array((2, 1), dtype=np.bool_))
