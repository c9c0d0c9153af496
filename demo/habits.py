"""What listeners play again: the sessions behind them, and the recent ones most."""

import random
from array import array
from collections import defaultdict

from demo.clock import DAY

HALF_LIFE_DAYS = 6
"""After so many days an earlier play is half as likely to be repeated."""


class Habit:
    """The past sessions of one user, from which plays are repeated.

    A repeat copies an earlier play, with a probability that halves every `HALF_LIFE_DAYS` of that play's age. So a few
    tracks are in heavy rotation for some days, until others take their place. This is the copying model of Anderson,
    Kumar, Tomkins and Vassilvitskii, "The Dynamics of Repeat Consumption" (WWW 2014), with weights by age. The repeats
    of one session are all of one earlier session: a search for each would take several times as long.
    """

    __slots__ = ("_begins", "_cumulated", "_sessions")

    def __init__(self) -> None:
        self._sessions: list[list[int]] = []
        self._begins = array("q")
        # Weights grow with time where they could shrink with age, so that a new session changes no weight before it.
        # The last day there can be, 3650, has 2 ** 608: a float holds up to 2 ** 1023.
        self._cumulated = array("d")

    def remember(self, items: list[int], moment: int) -> None:
        """Add a session of at least one track that began at `moment`, which is after all moments added before."""
        weight = len(items) * 2.0 ** (moment / DAY / HALF_LIFE_DAYS)
        self._cumulated.append(weight + (self._cumulated[-1] if self._cumulated else 0.0))
        self._sessions.append(items)
        self._begins.append(moment)

    def draw(self, rng: random.Random, count: int) -> list[int]:
        """`count` plays of one earlier session, drawn with replacement; there must be a session."""
        [items] = rng.choices(self._sessions, cum_weights=self._cumulated)
        return rng.choices(items, k=count)

    def shares(self, moment: int) -> dict[int, float]:
        """The probability of each track in `draw`, from the sessions that began before `moment`; empty without any."""
        weights: defaultdict[int, float] = defaultdict(float)
        before = 0.0
        for items, began, cumulated in zip(self._sessions, self._begins, self._cumulated, strict=True):
            if began >= moment:
                break
            for track_id in items:
                weights[track_id] += (cumulated - before) / len(items)
            before = cumulated
        return {track_id: weight / before for track_id, weight in weights.items()}
