"""Which items a model holds to be near one item: by the numbers of EASE, or of ALS."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.lake.model_numbers import Numbers


def neighbours(numbers: Numbers, kind: str, position: int, most: int = 10) -> list[tuple[Any, float]]:
    """The items nearest to the one at `position`, the nearest first, each with how near: above 0, and never the item itself.

    By `ease`, what a play of the item adds to the score of the other one (its row of B); by `als`, the cosine between the factors
    of the two. Of two that are equally near, the one of the lower position comes first. `kind` is that of the decision.
    """
    row = numbers.rows[position]
    if kind == "ease":
        near = row.astype(np.float64)
    else:
        lengths = np.linalg.norm(numbers.rows, axis=1) * np.linalg.norm(row)
        near = np.divide(numbers.rows @ row, lengths, out=np.zeros(len(lengths)), where=lengths > 0)
    near[position] = 0
    order = np.argsort(-near, kind="stable")[:most]
    return [(numbers.items[int(one)].as_py(), float(near[one])) for one in order if near[one] > 0]
