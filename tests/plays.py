"""Small histories and catalogues for the tests of recommendations, and planted tastes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lib.recommend.histories import DAY, Catalogue, Histories

NOW = 100 * DAY
Play = tuple[int, int, float] | tuple[int, int, float, float]


def histories(n_users: int, plays: Sequence[Play], favourites: Sequence[Sequence[bool]] | None = None) -> Histories:
    """Plays as (user, item, days before NOW) and, if it is not 1, the weight."""
    return _of(
        np.array([play[0] for play in plays], np.int64),
        np.array([play[1] for play in plays], np.int64),
        np.array([NOW - round(play[2] * DAY) for play in plays], np.int64),
        np.array([play[3] if len(play) == 4 else 1 for play in plays], np.float32),
        csr_array(np.array(favourites if favourites is not None else [[False]] * n_users, np.bool_)),
    )


def catalogue(n: int, deleted: Sequence[int] = (), groups: Sequence[Sequence[bool]] | None = None) -> Catalogue:
    """A catalogue of `n` items, some of them deleted."""
    live = np.ones(n, np.bool_)
    live[list(deleted)] = False
    return Catalogue(n, live, csr_array(np.array(groups if groups is not None else [[False]] * n, np.bool_)))


def planted(
    seed: int, *, n_users: int, n_items: int, n_plays: int, tastes: int = 1, exponent: float = 1.0
) -> Histories:
    """Plays of 100 days. User u plays item i only where they are equal modulo `tastes`; with 1 taste all is chance.

    By Zipf's law the r-th item of a taste is played as often as r ** -exponent.
    """
    random = np.random.default_rng(seed)
    user = random.integers(0, n_users, n_plays)
    of_taste = n_items // tastes
    share: NDArray[np.float64] = np.arange(1, of_taste + 1) ** -exponent
    item = random.choice(of_taste, n_plays, p=share / share.sum()) * tastes + user % tastes
    at = NOW - random.integers(0, 100 * DAY, n_plays) - 1
    return _of(user, item, at, np.ones(n_plays), csr_array((n_users, 1), dtype=np.bool_))


def _of(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    at: NDArray[np.int64],
    weight: NDArray[np.floating],
    favourites: csr_array,
) -> Histories:
    """The histories of plays in any order; `user` counts the rows of `favourites`."""
    n_users = favourites.shape[0]
    # By all that plays hold, so that sums over them are the same to the last bit in whatever order they came.
    order = np.lexsort((weight, at, item, user))
    start = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=n_users))))
    return Histories(start, item[order].astype(np.int32), at[order], weight[order].astype(np.float32), favourites)
