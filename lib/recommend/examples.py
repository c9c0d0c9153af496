"""Examples of what a model has learned: items that are played most, and for each of them the items that lie nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lib.lake.model_numbers import Numbers
from lib.recommend.fitting import numbers_in
from lib.recommend.models import Model
from lib.recommend.neighbours import neighbours

ITEMS, NEAREST = 5, 5


def examples_of(model: Model, ids: pa.Array, played: NDArray[np.floating]) -> Sequence[dict[str, Any]]:
    """Up to five items, the most played first: each as `item`, with `nearest`, up to five pairs of an item and how near it is.

    `ids` are those of the items by position, `played` is how much each of them is played. Near is, with `Ease`, an item to whose
    score the first one adds much (its weight); with `Als` an item whose factors point the same way (their cosine). Only what is
    above 0 counts; of two that are as near, that of the lower position comes first. Empty for models of other kinds.
    """
    rows = numbers_in(model)
    if rows is None:
        return []
    numbers = Numbers(ids, rows)
    return [
        {
            "item": ids[place].as_py(),
            "nearest": [[other, round(near, 4)] for other, near in neighbours(numbers, model.name, place, NEAREST)],
        }
        for place in np.argsort(-played, kind="stable")[:ITEMS].tolist()
        if played[place] > 0
    ]
