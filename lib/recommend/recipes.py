"""Recipes: how a model is made, without the numbers that fitting gives. The search tries those below."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from lib.config.derivations import AGAIN, ListName

Kind = Literal["ease", "als", "own_plays"]


@dataclass(frozen=True)
class Recipe:
    """A kind of model and its hyperparameters; those that a kind does not have are at their defaults.

    A play loses half of its weight in each `half_life_days` (None: none of it), and the sum over the plays of an item counts to the
    `power`. `factors`, `alpha` and `iterations` are those of ALS.
    """

    kind: Kind
    half_life_days: float | None = None
    power: float = 1.0
    regularisation: float = 0.0
    factors: int = 0
    alpha: float = 0.0
    iterations: int = 0

    @property
    def as_json(self) -> str:
        """The recipe as it stands in `ops/models`."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_json(cls, text: str) -> Recipe:
        """The recipe that was recorded."""
        return cls(**json.loads(text))


def candidates(of_list: ListName, n_items: int, max_items: int) -> Sequence[Recipe]:
    """What the search tries for a list. Of two that do equally well the first is taken."""
    if of_list == AGAIN:
        return [Recipe("own_plays", half_life_days=days) for days in (14.0, 7.0, 3.0, 1.5, 30.0, 90.0)]
    if n_items <= max_items:
        return [
            Recipe("ease", half_life_days=days, power=power, regularisation=regularisation)
            for days, power in ((None, 0.0), (None, 0.5), (30.0, 0.5))
            for regularisation in (100.0, 300.0, 1000.0, 30.0)
        ]
    return [
        Recipe("als", power=1.0, regularisation=0.1, factors=64, alpha=alpha, iterations=15) for alpha in (10.0, 40.0)
    ]
