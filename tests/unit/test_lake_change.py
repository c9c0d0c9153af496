"""The rule of merging, case by case: what a row that arrives is to the one that the lake holds."""

from __future__ import annotations

import pytest

from lib.lake.change import Age, Change, change

OLDER, SAME, NEWER = Age.OLDER, Age.SAME, Age.NEWER


@pytest.mark.parametrize(
    ("differs", "age", "is_deleted", "expected"),
    [
        (False, SAME, False, Change.NONE),
        (False, OLDER, False, Change.NONE),
        (True, NEWER, False, Change.CHANGED),
        (True, SAME, False, Change.CHANGED),
        (True, OLDER, False, Change.OLDER),
        # The source has it again, and what it says now counts.
        (False, SAME, True, Change.RETURNED),
        (True, OLDER, True, Change.RETURNED),
        (True, NEWER, True, Change.RETURNED),
    ],
)
def test_a_row_of_the_latest_run(*, differs: bool, age: Age, is_deleted: bool, expected: Change) -> None:
    assert change(differs=differs, age=age, is_deleted=is_deleted, is_late=False) is expected


@pytest.mark.parametrize(
    ("differs", "age", "is_deleted", "expected"),
    [
        (False, SAME, False, Change.NONE),
        (True, NEWER, False, Change.CHANGED),
        (True, SAME, False, Change.LATE),
        (True, OLDER, False, Change.LATE),
        # A later run found it no more.
        (False, SAME, True, Change.LATE),
        (True, SAME, True, Change.LATE),
        (True, NEWER, True, Change.CHANGED),
    ],
)
def test_a_row_of_a_run_that_is_merged_after_a_later_one(
    *, differs: bool, age: Age, is_deleted: bool, expected: Change
) -> None:
    assert change(differs=differs, age=age, is_deleted=is_deleted, is_late=True) is expected
