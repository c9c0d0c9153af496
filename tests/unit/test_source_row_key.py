"""What a row is known by when two walks through a table are compared."""

from __future__ import annotations

from typing import Any

import pytest

from lib.source.row_key import Key, key_hash

ID: Key = (("id",),)
NESTED: Key = (("user", "id"), ("tags", 0))


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        (ID, {"id": 1, "a": 2}, {"id": 1, "a": 3}),
        (NESTED, {"user": {"id": 1, "n": 1}, "tags": ["x", "y"]}, {"user": {"id": 1, "n": 2}, "tags": ["x"]}),
    ],
)
def test_rows_of_one_key_are_the_same_whatever_else_they_hold(key: Key, one: Any, other: Any) -> None:
    assert key_hash(one, key) == key_hash(other, key)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        (ID, {"id": 1}, {"id": 2}),
        (ID, {"id": 1}, {"id": "1"}),
        (NESTED, {"user": {"id": 1}, "tags": ["x"]}, {"user": {"id": 1}, "tags": ["y"]}),
        # A part of the key is missing, or not in the row at all: the row is known by everything in it.
        (ID, {"a": 1}, {"a": 2}),
        (NESTED, {"user": {"id": 1}, "tags": [], "a": 1}, {"user": {"id": 1}, "tags": [], "a": 2}),
        (NESTED, {"user": 7, "tags": ["x"], "a": 1}, {"user": 7, "tags": ["x"], "a": 2}),
        (((),), {"a": 1}, {"a": 2}),
        (ID, None, {"a": 1}),
    ],
)
def test_other_rows_are_told_apart(key: Key, one: Any, other: Any) -> None:
    assert key_hash(one, key) != key_hash(other, key)
