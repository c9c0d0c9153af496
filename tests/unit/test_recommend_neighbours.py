"""Items near an item, from numbers small enough to do by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lib.lake.model_numbers import Numbers
from lib.recommend.neighbours import neighbours


def test_by_ease_they_are_those_that_a_play_of_the_item_adds_most_to() -> None:
    weights = np.array([[0, 0.25, 0.5, -0.5], [0.75, 0, 0, 0], [0, 0, 0, 0.5], [0.5, 0.5, 0.5, 0]], np.float32)
    numbers = Numbers(pa.array([70, 71, 72, 73]), weights)
    assert neighbours(numbers, "ease", 0) == [(72, 0.5), (71, 0.25)]  # of what is below 0, nothing
    assert neighbours(numbers, "ease", 3) == [(70, 0.5), (71, 0.5), (72, 0.5)]
    assert neighbours(numbers, "ease", 3, most=2) == [(70, 0.5), (71, 0.5)]


def test_by_als_they_are_those_with_factors_of_the_same_direction_however_long() -> None:
    factors = np.array([[1, 0], [3, 4], [10, 0], [0, 2], [-1, 0], [0, 0]], np.float32)
    found = neighbours(Numbers(pa.array(["a", "b", "c", "d", "e", "f"]), factors), "als", 0)
    assert [item for item, _ in found] == ["c", "b"]  # d is at a right angle, e points away, and f has no direction
    assert [near for _, near in found] == pytest.approx([1, 0.6])


def test_a_single_item_has_none() -> None:
    assert neighbours(Numbers(pa.array([70]), np.zeros((1, 1), np.float32)), "ease", 0) == []
    assert neighbours(Numbers(pa.array([70]), np.ones((1, 2), np.float32)), "als", 0) == []
