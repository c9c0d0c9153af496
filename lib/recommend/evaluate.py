"""How well models would have done: what they rank from the plays before a moment, against the plays after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lib.config.derivations import ListName
from lib.recommend.histories import Catalogue, Histories
from lib.recommend.metrics import average_precision_at, coverage, hits, ndcg_at, novelty, recall_at
from lib.recommend.models import Model
from lib.recommend.ranking import fill, top

DEPTH = 20
"""How long the lists are that are measured. NDCG and average precision look at the first 10 of it."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What one model did: a number for each evaluated user, and how often it recommended each item.

    A user is `served` whom the model gave a full list, or all items that were allowed, before anything filled it.
    """

    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    served: NDArray[np.bool_]
    recommended: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BlockResult:
    """What all models did on a block of `n_users` users.

    `users` are those with a relevant item, as indices in the block, the same for all models. `heard_by` is how many users played
    each item in training, `n_listeners` how many users played anything.
    """

    n_users: int
    users: NDArray[np.int64]
    models: Mapping[str, Measured]
    heard_by: NDArray[np.int64]
    n_listeners: int
    live: NDArray[np.bool_]

    def coverage(self, model: str) -> float:
        """The share of live items that the model recommended to anybody."""
        return coverage(self.models[model].recommended, self.live)

    def novelty(self, model: str) -> float:
        """The mean self-information of what the model recommended, in bits."""
        return novelty(self.models[model].recommended, self.heard_by, self.n_listeners)

    def served(self, model: str) -> float:
        """The share of evaluated users whom the model served; 0 where there are none."""
        served = self.models[model].served
        return float(served.mean()) if len(served) else 0.0


def evaluate_block(
    histories: Histories,
    catalogue: Catalogue,
    models: Mapping[str, Model],
    kind: ListName,
    split: int,
    end: int,
    *,
    fallbacks: Sequence[Model] = (),
) -> BlockResult:
    """Rank with each model from the plays before `split`, and measure by the plays from `split` on and before `end`.

    Relevant for a user are the live items that they play then, and have not played before (discover) or have (again). Users without
    a relevant item are left out. `fallbacks` fill the ranks that a model leaves open, in their order, as in published lists.
    Favourites are what users name today: their past is not known.
    """
    past = histories.before(split)
    of_all = past.heard(catalogue.n)
    allowed = of_all & catalogue.live if kind == "again" else ~of_all & catalogue.live
    relevant = histories.between(split, end).heard(catalogue.n) & allowed
    users = np.flatnonzero(relevant.any(axis=1))
    past, relevant, allowed = past.of_users(users), relevant[users], allowed[users]
    filled_by = [top(model.scores(past, split), allowed, DEPTH) for model in fallbacks]
    n_relevant, full = relevant.sum(axis=1), np.minimum(allowed.sum(axis=1), DEPTH)
    measured = {}
    for name, model in models.items():
        own = top(model.scores(past, split), allowed, DEPTH)
        lists = fill([own, *filled_by], DEPTH)
        found = hits(lists, relevant, DEPTH)
        measured[name] = Measured(
            ndcg_at(found, n_relevant),
            recall_at(found, n_relevant),
            average_precision_at(found, n_relevant),
            own.lengths(len(users)) == full,
            np.bincount(lists.item, minlength=catalogue.n),
        )
    return BlockResult(
        histories.n_users, users, measured, of_all.sum(axis=0), int(of_all.any(axis=1).sum()), catalogue.live
    )


def merge(results: Sequence[BlockResult]) -> BlockResult:
    """The results of blocks as one. A user's index counts through the blocks, in their order.

    Raises:
        ValueError: there is no block, or two were evaluated with other models.
    """
    if not results or any(result.models.keys() != results[0].models.keys() for result in results):
        message = "Results of blocks are merged where there are any, and all have the same models."
        raise ValueError(message)
    before = np.cumsum([0, *(result.n_users for result in results)])
    return BlockResult(
        int(before[-1]),
        np.concatenate([result.users + start for result, start in zip(results, before, strict=False)]),
        {name: _merged([result.models[name] for result in results]) for name in results[0].models},
        np.sum([result.heard_by for result in results], axis=0),
        sum(result.n_listeners for result in results),
        results[0].live,
    )


def _merged(parts: Sequence[Measured]) -> Measured:
    return Measured(
        np.concatenate([part.ndcg for part in parts]),
        np.concatenate([part.recall for part in parts]),
        np.concatenate([part.average_precision for part in parts]),
        np.concatenate([part.served for part in parts]),
        np.sum([part.recommended for part in parts], axis=0),
    )
