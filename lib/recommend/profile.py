"""The profile of plays: how they spread over groups of items, hours of the day, and users by how active they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lib.recommend.evaluating import Window
from lib.recommend.fitting import part_sums, summed
from lib.recommend.histories import DAY, Histories
from lib.recommend.training_set import TrainingSet, blocks

NO_GROUP = ""
"""Stands for the items without a group: no group is called so."""
_HOURS = 24
_HOUR = DAY // _HOURS
# Plays of a user in the window: 1, 2 to 3, 4 to 7, and so on; the last bin has no end.
_ACTIVITY = 16


@dataclass(frozen=True)
class Profile:
    """How many `plays` there are in all, and how those of the last window spread: by kind of category and its name, a count.

    The kinds are `group` (a play counts in each group of its item), `hour` (of the day, UTC) and `activity` (users by the least
    number of plays of their bin: 1, 2, 4, 8 and so on). The window is from `split` to `end`, in microseconds since 1970; None in
    records from before they were kept.
    """

    plays: int
    spread: Mapping[str, Mapping[str, int]]
    split: int | None = None
    end: int | None = None

    @property
    def as_json(self) -> str:
        """The profile as it stands in `ops/models`."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_json(cls, text: str) -> Profile:
        """The profile that was recorded."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class _Counts:
    """A Spark task: the counts of its users' plays, one after the other: all plays, hours, activity, groups, without a group."""

    groups: tuple[str, ...]
    member: csr_array
    window: Window

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = np.zeros(n_counts(self.groups))
        for block in blocks(batches, self.groups):
            total += counts_of(block.histories, self.member, self.window)
        yield part_sums(total)


def n_counts(groups: Sequence[str]) -> int:
    """How many numbers `counts_of` gives."""
    return 1 + _HOURS + _ACTIVITY + len(groups) + 1


def counts_of(histories: Histories, member: csr_array, window: Window) -> NDArray[np.float64]:
    """The counts of one block of users: all plays before the end, then those of the window by hour, activity and group."""
    seen = histories.between(window.split, window.end)
    hours = np.bincount(seen.at // _HOUR % _HOURS, minlength=_HOURS)
    per_user = np.diff(seen.start)
    bins = np.minimum(np.log2(per_user[per_user > 0]).astype(np.int64), _ACTIVITY - 1)
    by_item = np.bincount(seen.item, minlength=member.shape[0])
    by_group = by_item @ member.astype(np.int64)
    ungrouped = by_item[np.diff(member.indptr) == 0].sum()
    plays = len(histories.before(window.end).item)
    activity = np.bincount(bins, minlength=_ACTIVITY)
    return np.concatenate([[plays], hours, activity, by_group, [ungrouped]]).astype(np.float64)


def profile_of(of: TrainingSet, window: Window) -> Profile:
    """The profile of the plays before the end of the window, which says what is looked at more closely."""
    task = _Counts(of.items.groups, of.items.member, window)
    counts = iter(summed(of.packed, task, n_counts(of.items.groups)).astype(np.int64).tolist())
    plays = next(counts)
    names = {
        "hour": [str(hour) for hour in range(_HOURS)],
        "activity": [str(2**place) for place in range(_ACTIVITY)],
        "group": [*of.items.groups, NO_GROUP],
    }
    spread = {category: {name: next(counts) for name in some} for category, some in names.items()}
    return Profile(plays, spread, window.split, window.end)
