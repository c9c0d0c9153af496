"""Lists from scores: order, ties, what is allowed, and what fills the ranks that a model leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lib.recommend.ranking import Lists, allowed_again, allowed_discover, fill, top
from tests.plays import catalogue, histories

# Few values, so that ties are many.
SCORES = arrays(np.float32, (7, 9), elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 2.0, np.inf, np.nan]))
ALLOWED = arrays(np.bool_, (7, 9))


def rows(lists: Lists) -> list[tuple[int, int, int, float, int]]:
    columns = (lists.user, lists.rank, lists.item, lists.score, lists.fallback)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def everything(scores: list[list[float]]) -> NDArray[np.bool_]:
    return np.ones((len(scores), len(scores[0])), np.bool_)


def naive(
    scores: NDArray[np.float32], allowed: NDArray[np.bool_], depth: int
) -> list[tuple[int, int, int, float, int]]:
    found = []
    for user in range(len(scores)):
        items = [item for item in range(scores.shape[1]) if allowed[user, item] and scores[user, item] > 0]
        items.sort(key=lambda item: (-scores[user, item], item))
        found += [(user, rank, item, float(scores[user, item]), 0) for rank, item in enumerate(items[:depth], 1)]
    return found


def test_the_greatest_scores_come_first_and_the_lower_index_in_a_tie() -> None:
    scores = [[0.5, 2, 0.5, 1, 0.5], [0, 0, 0, 0, 3]]
    found = top(np.array(scores, np.float32), everything(scores), 3)
    assert rows(found) == [(0, 1, 1, 2, 0), (0, 2, 3, 1, 0), (0, 3, 0, 0.5, 0), (1, 1, 4, 3, 0)]


def test_a_score_of_0_or_less_or_none_is_no_recommendation() -> None:
    scores = [[0, -1, np.nan, 1]]
    assert rows(top(np.array(scores, np.float32), everything(scores), 4)) == [(0, 1, 3, 1, 0)]


@given(SCORES, ALLOWED, st.integers(0, 11))
def test_lists_are_those_of_a_plain_sort(scores: NDArray[np.float32], allowed: NDArray[np.bool_], depth: int) -> None:
    assert rows(top(scores, allowed, depth)) == naive(scores, allowed, depth)


@given(SCORES, ALLOWED, st.integers(1, 9), st.integers(1, 7))
def test_lists_do_not_depend_on_the_size_of_blocks(
    scores: NDArray[np.float32], allowed: NDArray[np.bool_], depth: int, size: int
) -> None:
    blocks = [
        (user + first, *rest)
        for first in range(0, 7, size)
        for user, *rest in rows(top(scores[first : first + size], allowed[first : first + size], depth))
    ]
    assert blocks == rows(top(scores, allowed, depth))


def test_discover_has_live_items_not_heard_and_again_live_items_heard() -> None:
    # Item 3 is deleted. User 0 has heard 0 and 3, user 1 all, user 2 nothing.
    past = histories(3, [(0, 0, 1), (0, 3, 1), *((1, item, 1) for item in range(4))])
    of_four = catalogue(4, deleted=[3])
    assert allowed_discover(past, of_four).tolist() == [
        [False, True, True, False],
        [False] * 4,
        [True, True, True, False],
    ]
    assert allowed_again(past, of_four).tolist() == [
        [True, False, False, False],
        [True, True, True, False],
        [False] * 4,
    ]


def test_open_ranks_are_filled_by_the_next_rule_without_an_item_twice() -> None:
    # User 0: the model has item 2 alone; the first rule adds 4 (2 is there), the second 0. User 1: the model has nothing.
    model = top(np.array([[0, 0, 9, 0, 0], [0, 0, 0, 0, 0]], np.float32), np.ones((2, 5), np.bool_), 3)
    first = top(np.array([[0, 0, 5, 0, 4], [0, 0, 0, 0, 0]], np.float32), np.ones((2, 5), np.bool_), 3)
    last = top(np.array([[5, 4, 3, 2, 1]] * 2, np.float32), np.ones((2, 5), np.bool_), 3)
    assert rows(fill([model, first, last], 3)) == [
        (0, 1, 2, 9, 0),
        (0, 2, 4, 4, 1),
        (0, 3, 0, 5, 2),
        (1, 1, 0, 5, 2),
        (1, 2, 1, 4, 2),
        (1, 3, 2, 3, 2),
    ]


@given(SCORES, SCORES, ALLOWED, st.integers(1, 9))
def test_the_ladder_is_that_of_plain_loops_and_as_full_as_it_can_be(
    model: NDArray[np.float32], rule: NDArray[np.float32], allowed: NDArray[np.bool_], depth: int
) -> None:
    popular = np.tile(np.arange(9, 0, -1, dtype=np.float32), (7, 1))
    ladder = [top(scores, allowed, depth) for scores in (model, rule, popular)]
    expected = []
    for user in range(7):
        taken: list[tuple[int, float, int]] = []
        for number, scores in enumerate((model, rule, popular)):
            for _, _, item, score, _ in naive(scores[[user]], allowed[[user]], 9):
                if len(taken) < depth and item not in [entry[0] for entry in taken]:
                    taken.append((item, score, number))
        assert len(taken) == min(depth, allowed[user].sum())
        expected += [(user, rank, *entry) for rank, entry in enumerate(taken, 1)]
    assert rows(fill(ladder, depth)) == expected


def test_nobody_and_nothing_give_empty_lists() -> None:
    nobody = top(np.zeros((0, 5), np.float32), np.zeros((0, 5), np.bool_), 3)
    nothing = top(np.zeros((2, 0), np.float32), np.zeros((2, 0), np.bool_), 3)
    assert rows(fill([nobody, nobody], 3)) == rows(fill([nothing, nothing], 3)) == []
    assert nothing.lengths(2).tolist() == [0, 0]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_list_is_as_long_as_asked_for(depth: int) -> None:
    scores = [[1, 1, 1]]
    found = top(np.array(scores, np.float32), everything(scores), depth)
    assert found.item.tolist() == list(range(depth))
    assert found.lengths(1).tolist() == [depth]
