"""There is something for a recommender to find in the demo, beyond what is popular in a user's favourite genres.

Plays before the last seven days are known, and the plays of these days are looked for among all tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from numpy.typing import NDArray

from demo import DemoSettings
from demo.ageing import grow
from demo.clock import DAY, HISTORY_DAYS, stamp
from demo.listening import next_plays

SPLIT = -7
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass
class Plays:
    """The plays of a demo on day 0, as places of users and tracks, and the time in days."""

    users: NDArray[np.intp]
    tracks: NDArray[np.intp]
    days: Matrix
    likes: Mask
    """User by track: whether it is of a favourite genre."""
    oracle: Matrix
    """User by track: the probability of the next play at the split."""

    def weights(self, before: int, half_life_days: float = np.inf) -> Matrix:
        """User by track: plays before a day, each halved with every half-life of its age."""
        past = self.days < before
        matrix = np.zeros(self.oracle.shape)
        age = before - self.days[past]
        np.add.at(matrix, (self.users[past], self.tracks[past]), 2.0 ** (-age / half_life_days))
        return matrix

    def last_days(self) -> Matrix:
        """User by track: the time of the last play before the split."""
        past = self.days < SPLIT
        matrix = np.full(self.oracle.shape, -np.inf)
        np.maximum.at(matrix, (self.users[past], self.tracks[past]), self.days[past])
        return matrix

    def played(self, first: int) -> Mask:
        """User by track: whether it was played in the seven days from a day on."""
        week = (self.days >= first) & (self.days < first + 7)
        mask = np.zeros(self.oracle.shape, bool)
        mask[self.users[week], self.tracks[week]] = True
        return mask

    @cached_property
    def known(self) -> Matrix:
        return self.weights(SPLIT)

    def discover(self, score: Matrix) -> Matrix:
        """NDCG@10 of each user, for the tracks not played before the split."""
        return ndcg(score, self.played(SPLIT), self.known == 0)

    def again(self, score: Matrix) -> Matrix:
        """NDCG@10 of each user, for the tracks played before the split."""
        return ndcg(score, self.played(SPLIT), self.known > 0)


def plays_of(seed: int) -> Plays:
    world, _ = grow(DemoSettings(seed=seed))
    user_at = {user["id"]: place for place, user in enumerate(world.users)}
    track_at = {track["id"]: place for place, track in enumerate(world.tracks)}
    day_of = {stamp(day * DAY)[:10]: day for day in range(-HISTORY_DAYS, 0)}
    plays = [
        (user_at[row["user_id"]], track_at[item], day_of[row["created_at"][:10]] + int(row["created_at"][11:13]) / 24)
        for row in world.sessions
        for item in row["items"]
    ]
    users, tracks, days = (np.array(column) for column in zip(*plays, strict=True))
    genre_of = np.array([track["genres"] for track in world.tracks])
    of_genre = {genre: genre_of == genre for genre in set(genre_of)}
    likes = np.array([sum(of_genre[genre] for genre in user["favorite_genres"].split(",")) for user in world.users]) > 0
    return Plays(users, tracks, days, likes, np.array([row for _, row in next_plays(world, SPLIT)]))


def ndcg(score: Matrix, relevant: Mask, candidates: Mask) -> Matrix:
    """Of each user with something relevant among the candidates: binary NDCG@10 (Järvelin and Kekäläinen 2002)."""
    some = (relevant & candidates).any(axis=1)
    score, relevant, candidates = (
        np.broadcast_to(part, relevant.shape)[some] for part in (score, relevant, candidates)
    )
    top = np.argsort(-np.where(candidates, score, -np.inf), axis=1, kind="stable")[:, :10]
    gains = 1 / np.log2(np.arange(2, 12))
    reached = (np.take_along_axis(relevant & candidates, top, axis=1) * gains[: top.shape[1]]).sum(axis=1)
    return reached / np.cumsum(gains)[np.minimum((relevant & candidates).sum(axis=1), 10) - 1]


def ease(known: Matrix, regularization: float) -> Matrix:
    """The scores of EASE in closed form (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019)."""
    gram = known.T @ known + regularization * np.eye(known.shape[1])
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return known @ weights


def lower_bound(first: Matrix, second: Matrix) -> float:
    """The 2.5th percentile of the mean difference, by a paired bootstrap over users (Efron and Tibshirani 1993)."""
    draws = np.random.default_rng(1).integers(0, len(first), (1000, len(first)))
    return float(np.percentile((first - second)[draws].mean(axis=1), 2.5))


SEEDS = [7, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (1, 2, 3))]


@pytest.fixture(scope="module", params=SEEDS)
def plays(request: pytest.FixtureRequest) -> Plays:
    return plays_of(request.param)


def test_ndcg_is_as_worked_out_by_hand() -> None:
    relevant = np.array([[True, False, True, True], [False, True, False, False]])
    candidates = np.array([[True, True, True, False], [True, False, True, True]])
    # Tracks 1, 0, 2 in this order, of which 0 and 2 are right: (1/log2(3) + 1/log2(4)) / (1 + 1/log2(3)).
    # The other user played nothing that could be found.
    assert ndcg(np.array([[2.0, 3.0, 1.0, 4.0]] * 2), relevant, candidates) == pytest.approx([0.6934264])


def test_a_model_finds_new_tracks_that_neither_popularity_nor_genres_tell(plays: Plays) -> None:
    popular = plays.known.sum(axis=0)
    by_popularity = plays.discover(popular).mean()
    # Tracks of other genres come after all of the favourite ones, by popularity.
    by_genre = plays.discover(popular * np.where(plays.likes, 1, 1e-9)).mean()
    by_ease = plays.discover(ease(np.log1p(plays.known), 300)).mean()
    assert by_genre > 1.5 * by_popularity
    assert by_ease > 1.8 * by_genre
    assert by_ease > 0.88 * plays.discover(plays.oracle).mean()


def test_decayed_plays_tell_what_is_played_again_better_than_their_number_or_the_last_one(plays: Plays) -> None:
    def a_week_earlier(half_life_days: float) -> float:
        score = plays.weights(SPLIT - 7, half_life_days)
        return float(ndcg(score, plays.played(SPLIT - 7), score > 0).mean())

    half_life_days = max((2, 4, 7, 10, 14, 21, 30), key=a_week_earlier)
    decayed = plays.again(plays.weights(SPLIT, half_life_days))
    assert lower_bound(decayed, plays.again(plays.known)) > 0.03
    assert lower_bound(decayed, plays.again(plays.last_days())) > 0.03
    assert decayed.mean() > 0.85 * plays.again(plays.oracle).mean()
