"""The lists of all users, made by Spark block after block: the champion of each list first, then the rules that fill it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_type

from lib.config import Recommend
from lib.config.derivations import DISCOVER, ListName
from lib.recommend.histories import DAY, Catalogue, Histories
from lib.recommend.models import MOST_REASONS, Model, Popular, PopularInGroups
from lib.recommend.ranking import Lists, allowed_again, allowed_discover, fill, top
from lib.recommend.training_set import Block, TrainingSet, blocks

BASELINE = "baseline"
"""What stands for a model version in a list that no model was promoted for."""


@dataclass(frozen=True)
class Ladder:
    """Who serves a list: a model of this version if there is one, and the rules that fill what it leaves open."""

    version: str
    model: Model | None
    rules: tuple[Model, ...]

    @property
    def steps(self) -> tuple[Model, ...]:
        """The models in their order."""
        return self.rules if self.model is None else (self.model, *self.rules)

    def fallback(self, step: int) -> str | None:
        """How a row of that step is marked: null where the model gave it."""
        return None if self.model is not None and step == 0 else self.steps[step].name


@dataclass(frozen=True)
class _Score:
    """A Spark task: a row for each user, list and rank."""

    groups: tuple[str, ...]
    catalogue: Catalogue
    ids: pa.Array
    ladders: Broadcast[Mapping[ListName, Ladder]]
    settings: Recommend
    now: int
    at: datetime
    schema: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block in blocks(batches, self.groups):
            for name, ladder in self.ladders.value.items():
                lists = _ranked(ladder, name, block.histories, self.catalogue, self.settings, self.now)
                yield self._rows(block, name, ladder, lists)

    def _rows(self, block: Block, name: str, ladder: Ladder, lists: Lists) -> pa.RecordBatch:
        n = len(lists.user)
        reasons = np.empty((n, MOST_REASONS), np.int64)
        for step, model in enumerate(ladder.steps):
            [given] = np.nonzero(lists.fallback == step)
            reasons[given] = model.because(block.histories, self.now, lists.user[given], lists.item[given])
        is_one = reasons >= 0
        start = np.concatenate([[0], np.cumsum(is_one.sum(axis=1))]).astype(np.int32)
        own = self.ids.take(pa.array(reasons[is_one]))
        marks = pa.array([ladder.fallback(step) for step in range(len(ladder.steps))], pa.string())
        columns = [
            block.users.take(pa.array(lists.user)),
            pa.repeat(pa.scalar(name, pa.string()), n),
            pa.array(lists.rank.astype(np.int32)),
            self.ids.take(pa.array(lists.item)),
            pa.array(lists.score.astype(np.float64)),
            pa.repeat(pa.scalar(ladder.version, pa.string()), n),
            pa.repeat(pa.scalar(self.at, pa.timestamp("us", tz="UTC")), n),
            pa.ListArray.from_arrays(pa.array(start), own),
            marks.take(pa.array(lists.fallback)),
        ]
        return pa.record_batch(columns, schema=self.schema)


def rules_of(popularity: NDArray[np.float64], catalogue: Catalogue) -> tuple[Model, ...]:
    """What fills lists of tracks that a user never played: what is popular in their favourite groups, then what is popular."""
    return (PopularInGroups(popularity, catalogue.groups), Popular(popularity))


def score(of: TrainingSet, ladders: Mapping[ListName, Ladder], now: int, at: datetime) -> DataFrame:
    """The lists of every user as they are at `now` (microseconds since 1970), generated at `at`. Key: user, list, rank.

    The columns of user and item are named as in the table of plays; the others are list, rank, score, model_version, generated_at,
    because and fallback.
    """
    ids = of.items.ids
    schema = pa.schema(
        {
            of.settings.plays.user: to_arrow_type(of.users.schema["user"].dataType),
            "list": pa.string(),
            "rank": pa.int32(),
            of.settings.plays.item: ids.type,
            "score": pa.float64(),
            "model_version": pa.string(),
            "generated_at": pa.timestamp("us", tz="UTC"),
            "because": pa.list_(ids.type),
            "fallback": pa.string(),
        }
    )
    sent = of.packed.sparkSession.sparkContext.broadcast(ladders)
    task = _Score(of.items.groups, of.items.catalogue, ids, sent, of.settings, now, at, schema)
    return of.packed.mapInArrow(task, from_arrow_schema(schema))


def _ranked(
    ladder: Ladder, name: str, histories: Histories, catalogue: Catalogue, settings: Recommend, now: int
) -> Lists:
    if name == DISCOVER:
        allowed = allowed_discover(histories, catalogue)
        is_idle = histories.last_play() < now - settings.idle_days * DAY
    else:
        allowed = allowed_again(histories, catalogue)
        is_idle = np.zeros(histories.n_users, bool)
    # What an idle user played is too long ago: they get what new users get.
    by_model = allowed & ~is_idle[:, None]
    found: list[Lists] = []
    users = np.arange(histories.n_users)
    for model in ladder.steps:
        mine = by_model if model is ladder.model else allowed
        lists = top(model.scores(histories.of_users(users), now), mine[users], settings.rows)
        found.append(replace(lists, user=users[lists.user]))
        # The next rule is for those whose list is short.
        [users] = np.nonzero(fill(found, settings.rows).lengths(histories.n_users) < settings.rows)
    return fill(found, settings.rows)
