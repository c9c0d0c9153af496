"""The plays of a block of users, and the catalogue that they play from, as arrays.

Users, items and groups are indices from 0. Times are microseconds since 1970 in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

DAY = 86_400_000_000
"""A day, in microseconds."""
NEVER = np.iinfo(np.int64).min
"""The last play of a user who has none."""
LEAST = np.finfo(np.float32).tiny
"""The smallest normal number above 0 (2**-126): what is left of a play, however old it is."""
# With a half-life of some days, 2**-1074, the least double, is three years away.
_MOST_HALVINGS = 500.0


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items that can be recommended.

    `live` says of each of the `n` items whether it is in the source still; `groups` (boolean, `n` by the number of groups) which
    groups it belongs to.
    """

    n: int
    live: NDArray[np.bool_]
    groups: csr_array

    def __post_init__(self) -> None:
        if self.live.shape != (self.n,) or self.groups.shape[0] != self.n:
            message = (
                f"A catalogue of {self.n} items has {self.live.shape} flags and {self.groups.shape[0]} rows of groups."
            )
            raise ValueError(message)


@dataclass(frozen=True, eq=False)
class Histories:
    """The plays of a block of users: those of user u are `item[start[u]:start[u + 1]]`, with their times and weights.

    `favourites` (boolean, users by groups) are the groups that a user named. A play of weight 0 says that the user knows the item,
    and nothing of how they like it.
    """

    start: NDArray[np.int64]
    item: NDArray[np.int32]
    at: NDArray[np.int64]
    weight: NDArray[np.float32]
    favourites: csr_array

    def __post_init__(self) -> None:
        plays = len(self.item)
        if len(self.start) == 0 or self.start[0] != 0 or self.start[-1] != plays or (np.diff(self.start) < 0).any():
            message = f"The starts of the users do not divide {plays} plays."
            raise ValueError(message)
        if len(self.at) != plays or len(self.weight) != plays:
            message = f"{plays} plays have {len(self.at)} times and {len(self.weight)} weights."
            raise ValueError(message)
        if self.favourites.shape[0] != self.n_users:
            message = f"{self.n_users} users have {self.favourites.shape[0]} rows of favourites."
            raise ValueError(message)
        if not np.isfinite(self.weight).all() or (self.weight < 0).any():
            message = "The weight of a play is a finite number, 0 or more."
            raise ValueError(message)

    @property
    def n_users(self) -> int:
        """How many users the block has, those without plays included."""
        return len(self.start) - 1

    def user(self) -> NDArray[np.int64]:
        """The user of each play."""
        return np.repeat(np.arange(self.n_users, dtype=np.int64), np.diff(self.start))

    def before(self, at: int) -> Histories:
        """The plays before this moment."""
        return self._where(self.at < at)

    def between(self, start: int, end: int) -> Histories:
        """The plays from `start` on and before `end`."""
        return self._where((self.at >= start) & (self.at < end))

    def of_users(self, users: NDArray[np.integer]) -> Histories:
        """The histories of these users alone, in this order."""
        lengths = np.diff(self.start)[users]
        start = np.concatenate(([0], np.cumsum(lengths)))
        plays = np.repeat(self.start[users] - start[:-1], lengths) + np.arange(start[-1])
        return Histories(start, self.item[plays], self.at[plays], self.weight[plays], self.favourites[users])

    def heard(self, n: int) -> NDArray[np.bool_]:
        """Which of `n` items each user has played, whatever the weight: users by items."""
        heard = np.zeros((self.n_users, n), np.bool_)
        heard[self.user(), self._items_below(n)] = True
        return heard

    def last_play(self) -> NDArray[np.int64]:
        """The time of each user's last play, `NEVER` without one."""
        last = np.full(self.n_users, NEVER, np.int64)
        np.maximum.at(last, self.user(), self.at)
        return last

    def matrix(self, n: int, *, now: int, half_life_days: float | None, power: float = 1.0) -> csr_array:
        """Users by `n` items, float32: how much each user has played each item.

        A cell is (sum over the plays of weight * 0.5 ** (age / half-life)) ** power. Without a half-life nothing decays; power 0
        makes every cell 1. A play after `now` has the age 0. A cell is empty where all weights are 0, and never less than `LEAST`
        elsewhere, so that an old play is not mistaken for none.
        """
        if half_life_days is not None and not half_life_days > 0:
            message = f"A half-life is more than 0 days, not {half_life_days}."
            raise ValueError(message)
        weight = self.weight.astype(np.float64)
        if half_life_days is not None:
            halvings = np.maximum(now - self.at, 0) / (half_life_days * DAY)
            weight *= np.exp2(-np.minimum(halvings, _MOST_HALVINGS))
        key = self.user() * n + self._items_below(n)
        if (np.diff(key) < 0).any():
            order = np.argsort(key, kind="stable")
            key, weight = key[order], weight[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        cell = np.add.reduceat(weight, first) if len(first) else weight
        key, cell = key[first][cell > 0], cell[cell > 0]
        value = np.maximum(cell**power, LEAST).astype(np.float32)
        start = np.searchsorted(key, np.arange(self.n_users + 1, dtype=np.int64) * n)
        return csr_array((value, (key % n).astype(np.int32), start.astype(np.int32)), shape=(self.n_users, n))

    def _items_below(self, n: int) -> NDArray[np.int32]:
        if len(self.item) and not 0 <= int(self.item.min()) <= int(self.item.max()) < n:
            message = f"A play is of item {int(self.item.max())}, or of one below 0; the catalogue has {n} items."
            raise ValueError(message)
        return self.item

    def _where(self, kept: NDArray[np.bool_]) -> Histories:
        before = np.concatenate(([0], np.cumsum(kept)))
        return Histories(before[self.start], self.item[kept], self.at[kept], self.weight[kept], self.favourites)
