"""The rule of merging, case by case: what a row that arrives is to the one that the lake holds."""

from __future__ import annotations

import pytest

from lib.lake.change import Age, Change, change

OLDER, SAME, NEWER = Age.OLDER, Age.SAME, Age.NEWER
# Whether the content differs, the age, whether the held row is deleted: what it is for the latest run, and for one that is late.
CASES = [
    (False, SAME, False, Change.NONE, Change.NONE),
    (False, OLDER, False, Change.NONE, Change.NONE),
    (True, NEWER, False, Change.CHANGED, Change.CHANGED),
    (True, SAME, False, Change.CHANGED, Change.LATE),
    (True, OLDER, False, Change.OLDER, Change.LATE),
    # The source has it again, and what it says now counts; but of a late run, a later one no longer found it.
    (False, SAME, True, Change.RETURNED, Change.LATE),
    (True, SAME, True, Change.RETURNED, Change.LATE),
    (True, OLDER, True, Change.RETURNED, Change.LATE),
    (True, NEWER, True, Change.RETURNED, Change.CHANGED),
]


@pytest.mark.parametrize(("differs", "age", "is_deleted", "latest", "late"), CASES)
def test_what_a_row_is_to_the_one_with_its_key(
    *, differs: bool, age: Age, is_deleted: bool, latest: Change, late: Change
) -> None:
    assert change(differs=differs, age=age, is_deleted=is_deleted, is_late=False) is latest
    assert change(differs=differs, age=age, is_deleted=is_deleted, is_late=True) is late
