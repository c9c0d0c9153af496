"""How far the plays of today are from those that a model was trained on, by counts of the same categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RARE = 0.01
"""A category with a smaller share than this on both sides is rare. All rare ones count as one: each alone would be noise."""
# What an empty category counts as: half of an observation, after F. J. Anscombe (1956), "On estimating
# binomial response relations", Biometrika 43. Without it, a category that is new or gone would make the index infinite.
_EMPTY = 0.5


def population_stability_index(expected: NDArray[np.number], actual: NDArray[np.number]) -> float:
    """The sum over categories of (a - e) * ln(a / e), with a and e the shares of `actual` and `expected`; 0 is no drift.

    N. Siddiqi (2006), "Credit Risk Scorecards", Wiley: below 0.1 little has changed, above 0.25 much has. It is the symmetric
    divergence of H. Jeffreys (1946). An empty category counts as half an observation. The two have one count for each category, in
    one order.

    Raises:
        ValueError: the counts cannot be compared, or one side has none.
    """
    e, a = (_shares(np.where(side == 0, _EMPTY, side)) for side in _binned(expected, actual))
    return float(((a - e) * np.log(a / e)).sum())


def _binned(
    expected: NDArray[np.number], actual: NDArray[np.number]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sides with the rare categories as one, at the end."""
    e, a = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    if e.ndim != 1 or e.shape != a.shape:
        message = f"Counts of the same categories are compared, not {e.shape} with {a.shape} of them."
        raise ValueError(message)
    if not (np.isfinite(e).all() and np.isfinite(a).all() and (e >= 0).all() and (a >= 0).all()):
        message = "A count is a finite number, 0 or more."
        raise ValueError(message)
    if e.sum() == 0 or a.sum() == 0:
        message = "Nothing was counted on one side: there is nothing to compare."
        raise ValueError(message)
    rare = (_shares(e) < RARE) & (_shares(a) < RARE)
    if (e[rare].sum(), a[rare].sum()) == (0, 0):
        return e[~rare], a[~rare]
    return np.append(e[~rare], e[rare].sum()), np.append(a[~rare], a[rare].sum())


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts / counts.sum())
