"""The models: rules that need no fitting, EASE, and ALS.

A model scores every item for every user of a block. A score of 0 or less is no recommendation; scores of two models do not compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lib.recommend.histories import DAY, LEAST, Histories

MOST_REASONS = 3
"""So many own items at most explain a score."""
# Rows of a matrix product. A product of one shape has its sums in one order, so that a score does not hang on the size of a block.
_FACTOR_ROWS = 256


class Model(Protocol):
    """What scores items for users, and explains a score."""

    @property
    def name(self) -> str:
        """What people and records call it."""
        ...

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """Users by items: the higher, the better; 0 where the model has no opinion. `now` is what ages of plays are counted to."""
        ...

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """For each pair of a user and an item: the up to three own items that gave most of the score, the greatest first, then -1.

        Only items that gave more than 0; of two that gave the same, the one of the lower index first.
        """
        ...


@dataclass(frozen=True, eq=False)
class Popular:
    """What all users play most. `weights` has a number for each item: `ease.popularity`, for instance.

    An item that nobody plays comes last, but it comes: this is what fills lists in the end. No own item explains it.
    """

    weights: NDArray[np.floating]
    name: ClassVar[str] = "popular"

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """The same for all users."""
        return np.tile(_above_0(self.weights), (histories.n_users, 1))

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Nothing: the score is not made of own items."""
        return _no_reasons(len(rows))


@dataclass(frozen=True, eq=False)
class PopularInGroups:
    """What all users play most, of the items that share a group with the user's favourites.

    `groups` is that of the catalogue (items by groups). It has no opinion on a user without favourites.
    """

    weights: NDArray[np.floating]
    groups: csr_array
    name: ClassVar[str] = "popular_in_favourite_groups"

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """The popularity where a group is shared, 0 elsewhere."""
        shared = (histories.favourites.astype(np.float32) @ self.groups.astype(np.float32).T).toarray()
        return np.where(shared > 0, _above_0(self.weights), np.float32(0))

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Nothing: the score is not made of own items."""
        return _no_reasons(len(rows))


@dataclass(frozen=True)
class OwnPlays:
    """How much the user has played each of `n` items, in plays that lose half of their weight in each half-life; None: none."""

    n: int
    half_life_days: float | None
    name: ClassVar[str] = "own_plays"

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """`Histories.matrix` with power 1."""
        return _dense(histories.matrix(self.n, now=now, half_life_days=self.half_life_days))

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """The item itself, where the user has played it."""
        return _itself(self.scores(histories, now), rows, items)


@dataclass(frozen=True)
class LastPlayed:
    """How lately the user has played each of `n` items: 1 / (1 + days since the last play of it)."""

    n: int
    name: ClassVar[str] = "last_played"

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """1 for a play just now, 1/2 after a day, 0 for an item that the user has not played."""
        scores = np.zeros((histories.n_users, self.n), np.float32)
        days = np.maximum(now - histories.at, 0) / DAY
        np.maximum.at(scores, (histories.user(), histories.item), (1 / (1 + days)).astype(np.float32))
        return scores

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """The item itself, where the user has played it."""
        return _itself(self.scores(histories, now), rows, items)


@dataclass(frozen=True, eq=False)
class Ease:
    """The user's row of `Histories.matrix`, times item-to-item weights (`ease.solve`, fitted on rows of the same kind)."""

    weights: NDArray[np.float32]
    half_life_days: float | None
    power: float = 1.0
    name: ClassVar[str] = "ease"

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """The score of item j is the sum over own items i of x_i * B_ij."""
        scores: NDArray[np.float32] = self._rows(histories, now) @ self.weights
        return scores

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """By x_i * B_ij."""
        matrix = self._rows(histories, now)
        found = _no_reasons(len(rows))
        for user, pairs in _pairs_by_user(rows):
            own, value = _row(matrix, user)
            given = value[:, None] * self.weights[own[:, None], items[pairs]]
            _note_strongest(found, pairs, own, given)
        return found

    def _rows(self, histories: Histories, now: int) -> csr_array:
        return histories.matrix(len(self.weights), now=now, half_life_days=self.half_life_days, power=self.power)


@dataclass(frozen=True, eq=False)
class Als:
    """Matrix factorisation for implicit feedback. The items' factors are given; a user's come from their row, new plays and all.

    Y. Hu, Y. Koren, C. Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", ICDM '08, equation 4: with Y the
    items' factors, r the user's row of `Histories.matrix`, and C the diagonal matrix of 1 + alpha * r, the user's factors are
    x = A^-1 Y'C p, where A = Y'C Y + lambda m I, and p is 1 where r is above 0. Lambda counts for each of the user's m items, as in
    Spark's ALS, which fits the items' factors, and in Y. Zhou et al. (2008), "Large-Scale Parallel Collaborative Filtering for the
    Netflix Prize", AAIM '08.
    """

    item_factors: NDArray[np.float32]
    regularisation: float
    alpha: float
    half_life_days: float | None = None
    power: float = 1.0
    name: ClassVar[str] = "als"

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        """The products of the factors, x'y."""
        factors = np.zeros((histories.n_users, self._factors.shape[1]), np.float32)
        matrix = self._rows(histories, now)
        for user in range(histories.n_users):
            own, value = _row(matrix, user)
            if len(own):
                equation, confidence = self._equation(own, value)
                factors[user] = np.linalg.solve(equation, confidence @ self._factors[own])
        return _products(factors, self.item_factors)

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """By y_i' A^-1 y_j * c_j: own item j's part of the score of item i, which is their sum (section 5 of the paper)."""
        matrix = self._rows(histories, now)
        found = _no_reasons(len(rows))
        for user, pairs in _pairs_by_user(rows):
            own, value = _row(matrix, user)
            if len(own):
                equation, confidence = self._equation(own, value)
                asked = np.linalg.solve(equation, self._factors[items[pairs]].T)
                _note_strongest(found, pairs, own, confidence[:, None] * (self._factors[own] @ asked))
        return found

    @cached_property
    def _factors(self) -> NDArray[np.float64]:
        return self.item_factors.astype(np.float64)

    @cached_property
    def _of_all_items(self) -> NDArray[np.float64]:
        """Y'Y."""
        product: NDArray[np.float64] = self._factors.T @ self._factors
        return product

    def _rows(self, histories: Histories, now: int) -> csr_array:
        return histories.matrix(len(self.item_factors), now=now, half_life_days=self.half_life_days, power=self.power)

    def _equation(
        self, own: NDArray[np.integer], value: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A, and c of the own items. Y'C Y is Y'Y + Y'(C - I)Y, and C - I is 0 but for them."""
        factors = self._factors[own]
        extra = self.alpha * value.astype(np.float64)
        equation = self._of_all_items + (factors.T * extra) @ factors
        equation.flat[:: len(equation) + 1] += self.regularisation * len(own)
        return equation, 1 + extra


def _above_0(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """Where the least is not 0 but `LEAST`: an item that nobody plays is the last choice, and still one."""
    return np.asarray(np.maximum(weights, LEAST), np.float32)


def _dense(matrix: csr_array) -> NDArray[np.float32]:
    dense: NDArray[np.float32] = matrix.toarray()
    return dense


def _row(matrix: csr_array, user: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The user's items in ascending order, and the values."""
    cells = slice(matrix.indptr[user], matrix.indptr[user + 1])
    return matrix.indices[cells], matrix.data[cells]


def _products(users: NDArray[np.float32], items: NDArray[np.float32]) -> NDArray[np.float32]:
    """The product of each user's factors with each item's, the same to the last bit whoever else is in the block."""
    result = np.empty((len(users), len(items)), np.float32)
    for first in range(0, len(users), _FACTOR_ROWS):
        part = np.zeros((_FACTOR_ROWS, users.shape[1]), np.float32)
        end = min(first + _FACTOR_ROWS, len(users))
        part[: end - first] = users[first:end]
        result[first:end] = (part @ items.T)[: end - first]
    return result


def _no_reasons(n: int) -> NDArray[np.int64]:
    return np.full((n, MOST_REASONS), -1)


def _itself(scores: NDArray[np.float32], rows: NDArray[np.integer], items: NDArray[np.integer]) -> NDArray[np.int64]:
    found = _no_reasons(len(rows))
    found[:, 0] = np.where(scores[rows, items] > 0, items, -1)
    return found


def _pairs_by_user(rows: NDArray[np.integer]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each user with the positions of their pairs."""
    order = np.argsort(rows, kind="stable")
    if len(order):
        for pairs in np.split(order, np.flatnonzero(np.diff(rows[order])) + 1):
            yield int(rows[pairs[0]]), pairs


def _note_strongest(
    found: NDArray[np.int64], pairs: NDArray[np.intp], own: NDArray[np.integer], given: NDArray[np.floating]
) -> None:
    """Give each pair the own items that gave most. `given`, own items by pairs, is used up."""
    columns = np.arange(len(pairs))
    for place in range(min(MOST_REASONS, len(own))):
        # The first of equals, so the one of the lower index.
        best = given.argmax(axis=0)
        found[pairs, place] = np.where(given[best, columns] > 0, own[best], -1)
        given[best, columns] = -np.inf
