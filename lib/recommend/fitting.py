"""Fitting on a training set: Spark sums over blocks of users, the driver solves for the numbers of a model."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from lib.recommend.ease import gram_strips, popularity, shape_of, solve, strips, whole
from lib.recommend.models import Als, Ease, Model, OwnPlays
from lib.recommend.recipes import Recipe
from lib.recommend.training_set import Items, TrainingSet, blocks

if TYPE_CHECKING:
    from lib.lake.model_numbers import Numbers

# So many bytes of a Gram matrix each Python process of Spark sums up at a time: of a larger matrix, some strips after the others.
GRAM_BYTES = 64_000_000
# After so many days a play counts half, where popularity is counted.
POPULAR_HALF_LIFE_DAYS = 30.0
# The numbers of users are ints to Spark's ALS: those of one task are below this.
_USERS_A_TASK = 2**28
_SUMS = pa.schema({"part": pa.int32(), "sums": pa.binary()})
_CELLS = pa.schema({"user": pa.int32(), "item": pa.int32(), "value": pa.float32()})


@dataclass(frozen=True)
class _Part:
    """What a Spark task does with the plays that its users had before `now`, weighted as a recipe says."""

    groups: tuple[str, ...]
    n: int
    now: int
    half_life_days: float | None
    power: float


@dataclass(frozen=True)
class _Gram(_Part):
    """The sums of these strips of the Gram matrices, one after the other."""

    strips: tuple[slice, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        totals = [np.zeros(shape_of(strip, self.n)) for strip in self.strips]
        for block in blocks(batches, self.groups):
            plays = block.histories.before(self.now)
            matrix = plays.matrix(self.n, now=self.now, half_life_days=self.half_life_days, power=self.power)
            for total, rows in zip(totals, gram_strips(matrix, self.strips), strict=True):
                total += rows
        yield part_sums(np.concatenate([total.ravel() for total in totals]))


@dataclass(frozen=True)
class _Popularity(_Part):
    """The sum of how popular each item is."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = np.zeros(self.n)
        for block in blocks(batches, self.groups):
            plays = block.histories.before(self.now)
            total += popularity(plays, self.n, now=self.now, half_life_days=self.half_life_days, power=self.power)
        yield part_sums(total)


@dataclass(frozen=True)
class _Cells(_Part):
    """The cells of the users' rows, for Spark's ALS. Of a user's number nothing is kept."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        before = _part() * _USERS_A_TASK
        for block in blocks(batches, self.groups):
            plays = block.histories.before(self.now)
            cells = plays.matrix(self.n, now=self.now, half_life_days=self.half_life_days, power=self.power).tocoo()
            user = (cells.coords[0] + before).astype(np.int32)
            yield pa.record_batch(
                [pa.array(user), pa.array(cells.coords[1].astype(np.int32)), pa.array(cells.data)], schema=_CELLS
            )
            before += plays.n_users


def popularity_of(of: TrainingSet, now: int) -> NDArray[np.float64]:
    """How much each item was played before `now`, newer plays more than older ones."""
    part = _Popularity(of.items.groups, len(of.items.ids), now, POPULAR_HALF_LIFE_DAYS, 1.0)
    return summed(of.packed, part, part.n)


def fit(of: TrainingSet, recipes: Sequence[Recipe], now: int) -> Iterator[tuple[Recipe, Model]]:
    """The model of each recipe, fitted on the plays before `now` (microseconds since 1970), in an order that shares work.

    One model of EASE at a time is made: an item-by-item matrix is the greatest thing that the driver holds.
    """
    for weighting, same in groupby(recipes, lambda one: (one.kind, one.half_life_days, one.power)):
        some = list(same)
        if weighting[0] == "ease":
            total = _gram_of(of, some[0], now)
            for recipe in some:
                yield recipe, Ease(solve(total, recipe.regularisation), recipe.half_life_days, recipe.power)
        else:
            for recipe in some:
                yield (
                    recipe,
                    _als(of, recipe, now)
                    if recipe.kind == "als"
                    else OwnPlays(len(of.items.ids), recipe.half_life_days),
                )


def model_of(recipe: Recipe, items: Items, numbers: Numbers | None) -> Model:
    """The model of a recipe with the numbers that were kept, for the items that there are now.

    Items that are new to the model get no score from it, and those that are gone take no part.
    """
    n = len(items.ids)
    if numbers is None:
        return OwnPlays(n, recipe.half_life_days)
    position = items.positions(numbers.items)
    [known] = np.nonzero(position >= 0)
    if recipe.kind == "als":
        factors = np.zeros((n, numbers.rows.shape[1]), np.float32)
        factors[position[known]] = numbers.rows[known]
        return Als(factors, recipe.regularisation, recipe.alpha, recipe.half_life_days, recipe.power)
    weights = np.zeros((n, n), np.float32)
    weights[np.ix_(position[known], position[known])] = numbers.rows[np.ix_(known, known)]
    return Ease(weights, recipe.half_life_days, recipe.power)


def numbers_in(model: Model) -> NDArray[np.float32] | None:
    """The numbers that a model is kept by, a row an item; None for one that has none."""
    match model:
        case Ease():
            return model.weights
        case Als():
            return model.item_factors
    return None


def summed(
    packed: DataFrame, task: Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]], n: int
) -> NDArray[np.float64]:
    """The sum of the `n` numbers that Spark tasks give as `part_sums`, in the order of the tasks: it depends on that."""
    found = packed.mapInArrow(task, from_arrow_schema(_SUMS)).toArrow().sort_by("part")["sums"]
    total = np.zeros(n)
    for sums in found:
        total += np.frombuffer(sums.as_buffer())
    return total


def part_sums(total: NDArray[np.float64]) -> pa.RecordBatch:
    """What one Spark task gives to `summed`."""
    return pa.record_batch([pa.array([_part()], pa.int32()), pa.array([total.tobytes()], pa.binary())], schema=_SUMS)


def _gram_of(of: TrainingSet, recipe: Recipe, now: int) -> NDArray[np.float64]:
    n = len(of.items.ids)
    return whole(n, _strips_of(of, recipe, now, n))


def _strips_of(of: TrainingSet, recipe: Recipe, now: int, n: int) -> Iterator[NDArray[np.float64]]:
    """All strips of the Gram matrix: in one pass over the users as many as fit into `GRAM_BYTES`."""
    left = deque(strips(n))
    while left:
        some = [left.popleft()]
        while left and 8 * sum(math.prod(shape_of(strip, n)) for strip in [*some, left[0]]) <= GRAM_BYTES:
            some.append(left.popleft())
        shapes = [shape_of(strip, n) for strip in some]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        part = _Gram(of.items.groups, n, now, recipe.half_life_days, recipe.power, tuple(some))
        for rows, shape in zip(np.split(summed(of.packed, part, ends[-1]), ends[:-1]), shapes, strict=True):
            yield rows.reshape(shape)


def _als(of: TrainingSet, recipe: Recipe, now: int) -> Als:
    """Spark's ALS on the cells, sorted: another order of the same rows would give other factors."""
    # It brings pandas along: seconds in each Python process, of which most never come here.
    from pyspark.ml.recommendation import ALS

    part = _Cells(of.items.groups, len(of.items.ids), now, recipe.half_life_days, recipe.power)
    factors = np.zeros((len(of.items.ids), recipe.factors), np.float32)
    cells = of.packed.mapInArrow(part, from_arrow_schema(_CELLS)).sort("user", "item")
    if cells.isEmpty():
        return Als(factors, recipe.regularisation, recipe.alpha, recipe.half_life_days, recipe.power)
    fitted = ALS(
        rank=recipe.factors,
        maxIter=recipe.iterations,
        regParam=recipe.regularisation,
        implicitPrefs=True,
        alpha=recipe.alpha,
        userCol="user",
        itemCol="item",
        ratingCol="value",
        seed=of.settings.seed,
    ).fit(cells)
    found = fitted.itemFactors.sort("id").toArrow()
    factors[np.asarray(found["id"])] = np.stack(found["features"].to_numpy(zero_copy_only=False))
    return Als(factors, recipe.regularisation, recipe.alpha, recipe.half_life_days, recipe.power)


def _part() -> int:
    context = TaskContext.get()
    return 0 if context is None else context.partitionId()
