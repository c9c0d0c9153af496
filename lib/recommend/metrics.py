"""How good ranked lists are. Relevance is binary, and every item of the catalogue competes: none is sampled.

W. Krichene and S. Rendle (2020), "On Sampled Metrics for Item Recommendation", KDD '20, show why: metrics on a sample of items
can rank two models the other way round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lib.recommend.ranking import Lists


def hits(lists: Lists, relevant: NDArray[np.bool_], depth: int) -> NDArray[np.bool_]:
    """Users by ranks 1 to `depth`: whether the item of that rank is relevant. `relevant` is users by items."""
    found = np.zeros((len(relevant), depth), np.bool_)
    shown = lists.rank <= depth
    user, rank, item = lists.user[shown], lists.rank[shown], lists.item[shown]
    found[user, rank - 1] = relevant[user, item]
    return found


def ndcg_at(hits: NDArray[np.bool_], n_relevant: NDArray[np.integer], depth: int = 10) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of each user, 0 to 1.

    The sum over the hits among the first `depth` ranks of 1 / log2(rank + 1), divided by that of the best list there could be: one
    with min(depth, relevant items) hits at its head. K. Järvelin and J. Kekäläinen (2002), "Cumulated gain-based evaluation of IR
    techniques", ACM TOIS 20(4), with the discount 1 / log2(rank + 1) that has become usual. Every user has a relevant item.
    """
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    gained = hits[:, :depth] @ discounts[: hits.shape[1]]
    best = np.concatenate(([0.0], np.cumsum(discounts)))[np.minimum(n_relevant, depth)]
    return np.asarray(gained / best)


def recall_at(hits: NDArray[np.bool_], n_relevant: NDArray[np.integer], depth: int = 20) -> NDArray[np.float64]:
    """The share of each user's relevant items that are among the first `depth` ranks. Every user has a relevant item.

    C. D. Manning, P. Raghavan, H. Schütze (2008), "Introduction to Information Retrieval", section 8.3.
    """
    return np.asarray(hits[:, :depth].sum(axis=1) / n_relevant)


def average_precision_at(
    hits: NDArray[np.bool_], n_relevant: NDArray[np.integer], depth: int = 10
) -> NDArray[np.float64]:
    """Average precision of each user; its mean over users is MAP.

    The sum over the hits among the first `depth` ranks of the precision at that rank, divided by min(depth, relevant items): the
    best list has 1. Manning, Raghavan, Schütze (2008), section 8.4, cut at a depth. Every user has a relevant item.
    """
    first = hits[:, :depth]
    precision = first.cumsum(axis=1) / np.arange(1, first.shape[1] + 1)
    return np.asarray((precision * first).sum(axis=1) / np.minimum(n_relevant, depth))


def coverage(recommended: NDArray[np.integer], live: NDArray[np.bool_]) -> float:
    """The share of live items that are in any list; `recommended` is how often each item is. 0 where no item is live.

    M. Ge, C. Delgado-Battenfeld, D. Jannach (2010), "Beyond accuracy: evaluating recommender systems by coverage and serendipity",
    RecSys '10: catalogue coverage.
    """
    n_live = int(live.sum())
    return float((recommended[live] > 0).sum()) / n_live if n_live else 0.0


def novelty(recommended: NDArray[np.integer], heard_by: NDArray[np.integer], n_listeners: int) -> float:
    """The mean self-information of what is recommended, in bits: 0 for items that all know, 10 for what one in 1,024 knows.

    The mean over all rows of all lists of -log2(`heard_by` / `n_listeners`), where `heard_by` is how many of the users who played
    anything in training played the item. An item that nobody has played counts as if one user had. 0 where nothing is
    recommended, or nobody played. T. Zhou et al. (2010), "Solving the apparent diversity-accuracy dilemma of recommender systems",
    PNAS 107(10).
    """
    rows = int(recommended.sum())
    if rows == 0 or n_listeners == 0:
        return 0.0
    bits = np.log2(n_listeners / np.maximum(heard_by, 1))
    return float(recommended @ bits) / rows
