"""Ranked lists from scores, and what fills the ranks that a model leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lib.recommend.histories import Catalogue, Histories


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists of a block of users, a row a recommendation, in the order of `user` and `rank` (from 1, without gaps).

    `fallback` says which rule gave the row: 0 for the model itself, 1 for the first rule after it, and so on. Scores of different
    rules do not compare.
    """

    user: NDArray[np.int64]
    rank: NDArray[np.int64]
    item: NDArray[np.int64]
    score: NDArray[np.float32]
    fallback: NDArray[np.int64]

    def lengths(self, n_users: int) -> NDArray[np.int64]:
        """How long the list of each of `n_users` users is."""
        lengths: NDArray[np.int64] = np.bincount(self.user, minlength=n_users)
        return lengths


def allowed_discover(histories: Histories, catalogue: Catalogue) -> NDArray[np.bool_]:
    """Live items that the user has not heard: users by items."""
    return ~histories.heard(catalogue.n) & catalogue.live


def allowed_again(histories: Histories, catalogue: Catalogue) -> NDArray[np.bool_]:
    """Live items that the user has heard: users by items."""
    return histories.heard(catalogue.n) & catalogue.live


def top(scores: NDArray[np.float32], allowed: NDArray[np.bool_], depth: int) -> Lists:
    """The `depth` best items of each user: allowed ones with a score above 0, the greatest first, the lower index in a tie.

    A user's list depends on nothing but their own row.
    """
    # NaN is not above 0 either.
    scores = np.where(allowed & (scores > 0), scores, np.float32(0))
    n_items = scores.shape[1]
    if 0 < depth < n_items:
        least = np.partition(scores, n_items - depth, axis=1)[:, n_items - depth, None]
        user, item = np.nonzero((scores >= least) & (scores > 0))
    else:
        user, item = np.nonzero(scores)
    score = scores[user, item]
    # The sort is stable, and nonzero gives the items of a user in ascending order.
    order = np.lexsort((-score, user))
    fallback = np.zeros(len(order), np.int64)
    return _cut(user[order], item[order], score[order], fallback, depth)


def fill(ladder: Sequence[Lists], depth: int) -> Lists:
    """The first lists, and where they are shorter than `depth`, the best items of the next that are not in the list yet.

    Lists that are `depth` long, or hold all that was allowed, are long enough: at most as many of their items are in the list
    already as it is long.
    """
    user = np.concatenate([lists.user for lists in ladder])
    item = np.concatenate([lists.item for lists in ladder])
    score = np.concatenate([lists.score for lists in ladder])
    fallback = np.repeat(np.arange(len(ladder), dtype=np.int64), [len(lists.user) for lists in ladder])
    # The first of each pair of user and item is that of the earliest rule.
    _, kept = np.unique(user * (item.max(initial=0) + 1) + item, return_index=True)
    kept.sort()
    order = kept[np.argsort(user[kept], kind="stable")]
    return _cut(user[order], item[order], score[order], fallback[order], depth)


def _cut(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    score: NDArray[np.float32],
    fallback: NDArray[np.int64],
    depth: int,
) -> Lists:
    """The first `depth` rows of each user; rows come user by user, the best first."""
    rank = np.arange(len(user)) - np.searchsorted(user, user) + 1
    kept = rank <= depth
    return Lists(user[kept], rank[kept], item[kept], score[kept], fallback[kept])
