"""Made-up plays with planted scenes: sets of items that the same users play, and that no genre tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY = 86_400_000_000
"""A day, in microseconds."""
DAYS, TEST_DAYS = 56, 7
"""Plays cover so many days, of which models are tested on the last ones."""
FIRST = 1_767_225_600_000_000
"""2026-01-01 in microseconds since 1970."""
GENRES = 20
_SCENE_ITEMS, _MOST_SCENES = 50, 3
_CHANCE = 0.2


@dataclass(frozen=True)
class Plays:
    """One play a place: who played what, and when (microseconds since 1970). Items and users count from 0.

    `genre` is that of each item, `favourite` the genre that each user names; both are by chance.
    """

    n_users: int
    n_items: int
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    at: NDArray[np.int64]
    genre: NDArray[np.int32]
    favourite: NDArray[np.int32]

    @property
    def split(self) -> int:
        """Models learn from the plays before this moment."""
        return self.end - TEST_DAYS * DAY

    @property
    def end(self) -> int:
        """The moment after the last play that there can be."""
        return FIRST + DAYS * DAY


def made(seed: int, n_users: int, n_items: int, n_plays: int) -> Plays:
    """Plays by users of one to three scenes of 50 items each; one play in five is of any scene.

    Within a scene the r-th item is played as often as 1 / r (Zipf's law). How much a user plays is lognormal, times are uniform.
    The same seed gives the same plays.
    """
    random = np.random.default_rng(seed)
    scenes = max(1, n_items // _SCENE_ITEMS)
    of_user = random.integers(0, scenes, (n_users, _MOST_SCENES), dtype=np.int32)
    how_many = random.integers(1, _MOST_SCENES + 1, n_users)
    user = _drawn(random, random.lognormal(size=n_users), n_plays)
    scene = of_user[user, (random.random(n_plays) * how_many[user]).astype(np.int32)]
    by_chance = random.random(n_plays) < _CHANCE
    scene[by_chance] = random.integers(0, scenes, int(by_chance.sum()), dtype=np.int32)
    place = _drawn(random, 1 / np.arange(1, n_items // scenes + 1), n_plays) * scenes + scene
    # An item's number says nothing of how much it is played.
    item = random.permutation(n_items).astype(np.int32)[place]
    at = FIRST + random.integers(0, DAYS * DAY, n_plays)
    genre, favourite = (random.integers(0, GENRES, n, dtype=np.int32) for n in (n_items, n_users))
    return Plays(n_users, n_items, user, item, at, genre, favourite)


def load(file: Any) -> Plays:
    """The plays that `np.savez(file, **vars(plays))` wrote."""
    with np.load(file) as held:
        return Plays(**{name: held[name] if held[name].ndim else int(held[name]) for name in held.files})


def _drawn(random: np.random.Generator, weights: NDArray[np.float64], n: int) -> NDArray[np.int32]:
    """`n` indices, each as often as its weight says."""
    until = np.cumsum(weights)
    return np.searchsorted(until / until[-1], random.random(n), side="right").astype(np.int32)
