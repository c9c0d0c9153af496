"""Numbers of lists as they are built: what they reach, who made them, how those before them did, and how far plays have moved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import Derivation, Recommend
from lib.config.derivations import LIST, ListName
from lib.lake import tables
from lib.lake.decisions import Decision
from lib.lake.layout import Layout
from lib.lake.runs import Run, all_runs
from lib.recommend.comparison import CANDIDATE, CHAMPION
from lib.recommend.need import drifts, last_training
from lib.recommend.profile import Profile
from lib.recommend.retrain import last_profile
from lib.recommend.training_set import DELETED, TrainingSet

# Of fewer users who played something, a share says little.
FEWEST_PLAYERS = 30


@dataclass(frozen=True)
class ListNumbers:
    """What is measured of a build of lists. By list: shares of 1, and NDCG@10. `drift` is by kind of category.

    `ndcg` is that of the model that serves the list, as it was measured last; `coverage` the share of the live items that the list
    has for anybody; `by_rule` the share of its rows that a rule gave, and no model. `hit_rate` is of the lists before: of the users
    with such a list who played anything since, the share who played an item of it. `drift` is the population stability index of
    the plays since the last training, which was `training_age_s` seconds ago.
    """

    ndcg: Mapping[str, float]
    coverage: Mapping[str, float]
    by_rule: Mapping[str, float]
    hit_rate: Mapping[str, float]
    drift: Mapping[str, float]
    training_age_s: float | None


@dataclass(frozen=True)
class Before:
    """The lists that are published, and the last play that they know."""

    lists: DataFrame
    last_play: datetime


def lists_before(spark: SparkSession, layout: Layout, declared: Derivation, run: Run) -> Before | None:
    """The lists that the run has by now; None without any, or where they have other columns than are declared by now."""
    record = run.tables.get(declared.name)
    known = [
        one.tables[declared.name]
        for one in all_runs(layout)
        if declared.name in one.tables and one.number <= run.number
    ]
    # A run that keeps them, or takes rows out of them, does not say what they know.
    last_play = next((one.newest_at for one in reversed(known) if one.newest_at is not None), None)
    if record is None or record.version is None or last_play is None:
        return None
    lists = tables.at_version(spark, layout.gold(declared.name), record.version)
    return Before(lists, last_play) if dict(lists.dtypes) == declared.columns else None


def numbers_of(
    of: TrainingSet,
    lists: DataFrame,
    plays: DataFrame,
    before: Before | None,
    decisions: Sequence[Decision],
    serving: Mapping[ListName, str],
    at: datetime,
) -> ListNumbers:
    """Measure lists that are built, at that time; `serving` are the model versions, `plays` those that the lists are made from."""
    trained = last_training(decisions)
    now = None if trained is None else last_profile(of)
    made, live = _made(lists, of.settings.plays.item), max(1, len(of.items.ids))
    return ListNumbers(
        ndcg={
            name: found
            for name, version in serving.items()
            if (found := last_ndcg(decisions, name, version)) is not None
        },
        coverage={name: row["items"] / live for name, row in made.items()},
        by_rule={name: row["by_rule"] / row["rows"] for name, row in made.items()},
        hit_rate={} if before is None else hit_rates(before, plays, of.settings),
        drift={} if trained is None or now is None else drifts(Profile.of_json(trained.profile or ""), now),
        training_age_s=None if trained is None else (at - trained.decided_at).total_seconds(),
    )


def last_ndcg(decisions: Sequence[Decision], of_list: str, version: str) -> float | None:
    """NDCG@10 of a model version, as it was measured last for a list; None where it never was."""
    for one in reversed(decisions):
        if one.list == of_list and one.metrics:
            contender = (
                CANDIDATE if one.model_version == version else CHAMPION if one.champion_before == version else ""
            )
            if (metrics := json.loads(one.metrics).get(contender)) is not None:
                return float(metrics["ndcg_at_10"]["mean"])
    return None


def hit_rates(before: Before, plays: DataFrame, settings: Recommend) -> dict[str, float]:
    """By list, the share of those who played anything after the lists' last play that played an item of their list.

    A list that fewer than FEWEST_PLAYERS of them have is left out.
    """
    user, item = settings.plays.user, settings.plays.item
    since = plays.where(F.col(settings.plays.at) > F.lit(before.last_play))
    if DELETED in since.columns:
        since = since.where(F.col(DELETED).isNull())
    played = since.select(user, item).distinct()
    players = played.select(user).distinct()
    theirs = before.lists.select(user, LIST, item).join(players, on=user, how="left_semi")
    hits = theirs.join(played.withColumn("_hit", F.lit(True)), on=[user, item], how="left")
    of_each = hits.groupBy(user, LIST).agg(F.count("_hit").alias("_hits"))
    counted = of_each.groupBy(LIST).agg(F.count("*").alias("users"), F.count_if(F.col("_hits") > 0).alias("hit"))
    return {row[LIST]: row["hit"] / row["users"] for row in counted.collect() if row["users"] >= FEWEST_PLAYERS}


def _made(lists: DataFrame, item: str) -> dict[str, Mapping[str, Any]]:
    counts = {
        "rows": F.count("*"),
        "items": F.count_distinct(item),
        "by_rule": F.count("fallback"),
    }
    found = lists.groupBy(LIST).agg(*(count.alias(name) for name, count in counts.items())).collect()
    return {row[LIST]: row.asDict() for row in found}
