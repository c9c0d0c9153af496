"""The rule of merging: what a row that arrives is to the row with its key that the lake holds.

Written once, for rows in words (`explain-row`) and for rows in Spark (the merge), which asks it for every case that there is.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from itertools import product

from pyspark.sql import Column
from pyspark.sql import functions as F


class Age(IntEnum):
    """How new the row that arrives is beside the one that is held, by `newest_by`. `SAME`: also where nobody can tell."""

    OLDER = -1
    SAME = 0
    NEWER = 1


class Change(StrEnum):
    """What the row that arrives is. The first three are taken, and of these the first is not written."""

    NONE = "none"
    CHANGED = "changed"
    RETURNED = "returned"
    OLDER = "older"
    LATE = "late"


TAKEN = (Change.NONE, Change.CHANGED, Change.RETURNED)
WRITTEN = (Change.CHANGED, Change.RETURNED)


def change(*, differs: bool, age: Age, is_deleted: bool, is_late: bool) -> Change:
    """What a row is to a held one with its key. `differs`: in its content; `is_deleted`: the held one is.

    `is_late`: a later run was merged before. The row then is old news unless it is newer by `newest_by`, and brings nothing back.
    """
    if is_late:
        if differs and age is Age.NEWER:
            return Change.CHANGED
        return Change.LATE if differs or is_deleted else Change.NONE
    if is_deleted:
        return Change.RETURNED  # whatever its age: the source has it
    if not differs:
        return Change.NONE
    return Change.OLDER if age is Age.OLDER else Change.CHANGED


def is_written(held: str, new: str, newest_by: str | None, *, is_late: bool) -> Column:
    """Whether the row of the alias `new` is written over that of the alias `held`, which is there."""
    differs = F.col(f"{held}._row_hash") != F.col(f"{new}._row_hash")
    is_deleted = F.col(f"{held}._deleted_at").isNotNull()
    ages = {Age.SAME: F.lit(True)}
    if newest_by is not None:
        before, after = F.col(f"{held}.`{newest_by}`"), F.col(f"{new}.`{newest_by}`")
        is_newer, is_older = (F.coalesce(is_so, F.lit(False)) for is_so in (after > before, after < before))
        ages = {Age.NEWER: is_newer, Age.OLDER: is_older, Age.SAME: ~(is_newer | is_older)}
    cases = F.lit(False)
    for (age, is_of_age), one, other in product(ages.items(), (True, False), (True, False)):
        if change(differs=one, age=age, is_deleted=other, is_late=is_late) in WRITTEN:
            cases = cases | (is_of_age & (differs if one else ~differs) & (is_deleted if other else ~is_deleted))
    return cases
