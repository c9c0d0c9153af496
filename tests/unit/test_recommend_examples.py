"""Examples of a model: which items are shown, and which lie nearest to them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lib.recommend.examples import examples_of
from lib.recommend.models import Als, Ease, OwnPlays

IDS = pa.array([2**40, 7, 8, 9])


def test_near_in_ease_are_the_items_to_whose_score_an_item_adds_most() -> None:
    weights = np.array([[0, 0.25, 0, -1], [0.5, 0, 0.75, 0.5], [0, 0, 0, 0], [9, 9, 9, 0]], np.float32)
    found = examples_of(Ease(weights, None), IDS, np.array([3.0, 8.0, 1.0, 0.0]))
    # The most played first; 9 was never played; 2**40 and 9 are as near to 7.
    assert found == [
        {"item": 7, "nearest": [[8, 0.75], [2**40, 0.5], [9, 0.5]]},
        {"item": 2**40, "nearest": [[7, 0.25]]},
        {"item": 8, "nearest": []},
    ]


def test_near_in_als_is_the_cosine_of_the_factors() -> None:
    factors = np.array([[3, 4], [0, 10], [0, 0], [-1, 0]], np.float32)
    found = examples_of(Als(factors, 0.1, 1.0), IDS, np.array([2.0, 1.0, 0.0, 0.0]))
    assert found == [{"item": 2**40, "nearest": [[7, 0.8]]}, {"item": 7, "nearest": [[2**40, 0.8]]}]


def test_at_most_five_items_have_at_most_five_near_ones() -> None:
    weights = np.ones((9, 9), np.float32)
    found = examples_of(Ease(weights, None), pa.array([str(n) for n in range(9)]), np.ones(9))
    assert [one["item"] for one in found] == ["0", "1", "2", "3", "4"]
    assert [item for item, _ in found[0]["nearest"]] == ["1", "2", "3", "4", "5"]


def test_own_plays_have_no_examples() -> None:
    assert examples_of(OwnPlays(4, 7.0), IDS, np.ones(4)) == []
