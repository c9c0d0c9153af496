"""Evaluation of models on all users, by Spark: a block of users at a time, with every model on the same users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast, TaskContext
from pyspark.sql.pandas.types import from_arrow_schema

from lib.config.derivations import ListName
from lib.recommend.evaluate import BlockResult, Measured, evaluate_block, merge
from lib.recommend.histories import Catalogue
from lib.recommend.models import Model
from lib.recommend.training_set import TrainingSet, blocks

_PER_USER = ("ndcg", "recall", "average_precision", "served")
_FOUND = pa.schema(
    {
        "part": pa.int32(),
        "model": pa.string(),
        "n_users": pa.int64(),
        "users": pa.binary(),
        **{name: pa.binary() for name in _PER_USER},
        "recommended": pa.binary(),
        "heard_by": pa.binary(),
        "n_listeners": pa.int64(),
    }
)
_TYPES = {"served": np.bool_, "recommended": np.int64, "heard_by": np.int64, "users": np.int64}


@dataclass(frozen=True)
class Window:
    """Plays before `split` are learnt from, those from then on and before `end` tell how well. Microseconds since 1970."""

    split: int
    end: int


@dataclass(frozen=True)
class _Evaluate:
    """A Spark task: a row for each model, with what it did for the task's users."""

    groups: tuple[str, ...]
    catalogue: Catalogue
    models: Broadcast[Mapping[str, Model]]
    fallbacks: Broadcast[Sequence[Model]]
    kind: ListName
    window: Window

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        part = 0 if context is None else context.partitionId()
        whole: BlockResult | None = None
        for block in blocks(batches, self.groups):
            found = evaluate_block(
                block.histories,
                self.catalogue,
                self.models.value,
                self.kind,
                self.window.split,
                self.window.end,
                fallbacks=self.fallbacks.value,
            )
            # One by one: what is known of items would be held once for each block else.
            whole = found if whole is None else merge([whole, found])
        if whole is None:
            return
        for name, measured in whole.models.items():
            row = {
                "part": part,
                "model": name,
                "n_users": whole.n_users,
                "users": whole.users.tobytes(),
                **{one: getattr(measured, one).tobytes() for one in (*_PER_USER, "recommended")},
                "heard_by": whole.heard_by.tobytes(),
                "n_listeners": whole.n_listeners,
            }
            yield pa.RecordBatch.from_pylist([row], _FOUND)


def evaluate(
    of: TrainingSet, models: Mapping[str, Model], kind: ListName, window: Window, fallbacks: Sequence[Model] = ()
) -> BlockResult | None:
    """What the models would have done for all users; None where there is no user."""
    context = of.packed.sparkSession.sparkContext
    sent, filling = context.broadcast(models), context.broadcast(fallbacks)
    try:
        task = _Evaluate(of.items.groups, of.items.catalogue, sent, filling, kind, window)
        rows = of.packed.mapInArrow(task, from_arrow_schema(_FOUND)).toArrow().to_pylist()
    finally:
        sent.destroy()
        filling.destroy()
    of_part: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["part"]):
        of_part.setdefault(row["part"], []).append(row)
    return merge([_result(some, of.items.catalogue.live) for some in of_part.values()]) if of_part else None


def _result(rows: Sequence[Mapping[str, Any]], live: NDArray[np.bool_]) -> BlockResult:
    """The result of one task, from its rows."""
    models = {
        row["model"]: Measured(**{name: _array(row, name) for name in (*_PER_USER, "recommended")}) for row in rows
    }
    first = rows[0]
    return BlockResult(
        first["n_users"], _array(first, "users"), models, _array(first, "heard_by"), first["n_listeners"], live
    )


def _array(row: Mapping[str, Any], name: str) -> NDArray[Any]:
    return np.frombuffer(row[name], _TYPES.get(name, np.float64))
