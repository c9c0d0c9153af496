"""Metrics of ranked lists: values worked out by hand, and those of a second implementation, item by item."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.recommend.metrics import average_precision_at, coverage, hits, ndcg_at, novelty, recall_at
from lib.recommend.ranking import Lists, top

N = 30


def lists(ranked: list[list[int]]) -> Lists:
    scores = np.zeros((len(ranked), N), np.float32)
    for user, items in enumerate(ranked):
        scores[user, items] = range(len(items), 0, -1)
    return top(scores, np.ones_like(scores, np.bool_), N)


def measured(ranked: list[list[int]], relevant: list[set[int]]) -> tuple[list[float], list[float], list[float]]:
    """NDCG@10, recall@20 and average precision@10 of each user."""
    wanted = np.zeros((len(ranked), N), np.bool_)
    for user, items in enumerate(relevant):
        wanted[user, list(items)] = True
    found, n_relevant = hits(lists(ranked), wanted, 20), wanted.sum(axis=1)
    metrics = (ndcg_at, recall_at, average_precision_at)
    ndcg, recall, precision = (metric(found, n_relevant).tolist() for metric in metrics)
    return ndcg, recall, precision


def test_hits_at_ranks_1_and_3_of_4_relevant_items() -> None:
    # Gains 1 and 1/2; the best list has 4 hits: 1 + 1/log2(3) + 1/2 + 1/log2(5) = 2.5616. Precision 1 at rank 1, 2/3 at rank 3.
    ndcg, recall, precision = measured([[5, 6, 7, 8]], [{5, 7, 20, 21}])
    assert ndcg == [pytest.approx(1.5 / 2.5616063, rel=1e-7)]
    assert recall == [0.5]
    assert precision == [pytest.approx((1 + 2 / 3) / 4)]


def test_the_best_list_has_1_whether_fewer_or_more_are_relevant_than_it_is_long() -> None:
    few, many = list(range(3)), list(range(25))
    ndcg, recall, precision = measured([few, many], [set(few), set(many)])
    assert ndcg == precision == pytest.approx([1, 1])
    # 20 of 25 items fit into 20 ranks.
    assert recall == [1, 0.8]


def test_ranks_11_to_20_count_for_recall_alone() -> None:
    ndcg, recall, precision = measured([list(range(20))], [{10, 19, 25, 26}])
    assert (ndcg, recall, precision) == ([0], [0.5], [0])


def test_a_user_without_a_list_has_0() -> None:
    assert measured([[], [1]], [{1}, {1}]) == ([0, 1], [0, 1], [0, 1])


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, N - 1), unique=True, max_size=25), st.sets(st.integers(0, N - 1), min_size=1)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_metrics_are_those_of_plain_loops(users: list[tuple[list[int], set[int]]]) -> None:
    expected_ndcg, expected_recall, expected_precision = [], [], []
    for ranked, relevant in users:
        gained = sum(1 / log2(rank + 1) for rank, item in enumerate(ranked[:10], 1) if item in relevant)
        best = sum(1 / log2(rank + 1) for rank in range(1, min(10, len(relevant)) + 1))
        expected_ndcg.append(gained / best)
        expected_recall.append(len(relevant.intersection(ranked[:20])) / len(relevant))
        total = 0.0
        for rank in range(1, min(10, len(ranked)) + 1):
            if ranked[rank - 1] in relevant:
                total += len(relevant.intersection(ranked[:rank])) / rank
        expected_precision.append(total / min(10, len(relevant)))
    ndcg, recall, precision = measured([ranked for ranked, _ in users], [relevant for _, relevant in users])
    assert ndcg == pytest.approx(expected_ndcg)
    assert recall == pytest.approx(expected_recall)
    assert precision == pytest.approx(expected_precision)


def test_coverage_is_the_share_of_live_items_in_any_list() -> None:
    # Of four live items, two are recommended; the deleted one does not count.
    recommended, live = np.array([9, 0, 1, 0, 4]), np.array([True, True, True, True, False])
    assert coverage(recommended, live) == 0.5
    assert coverage(recommended, np.zeros(5, np.bool_)) == 0


def test_novelty_is_the_mean_surprise_of_a_row() -> None:
    # Of 8 listeners all know item 0 (0 bits), two know item 1 (2 bits), one knows item 2 and nobody item 3 (3 bits each).
    heard_by = np.array([8, 2, 1, 0])
    assert novelty(np.array([1, 1, 1, 1]), heard_by, 8) == 2.0
    assert novelty(np.array([3, 1, 0, 0]), heard_by, 8) == 0.5
    assert novelty(np.zeros(4, np.int64), heard_by, 8) == 0
    assert novelty(np.ones(4, np.int64), np.zeros(4, np.int64), 0) == 0
