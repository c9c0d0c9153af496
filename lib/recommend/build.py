"""Building the lists: from the tables of a publication and the champions, to rows for `gold/recommendations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame

from lib.config import Recommend
from lib.config.derivations import AGAIN, DISCOVER, LISTS, ListName
from lib.errors import LakeError
from lib.failpoints import reached
from lib.lake.decisions import Decision, reign, withdrawn
from lib.lake.layout import Layout
from lib.lake.model_numbers import numbers_of
from lib.recommend.fitting import model_of, popularity_of
from lib.recommend.models import Model, OwnPlays
from lib.recommend.recipes import Recipe
from lib.recommend.scoring import BASELINE, Ladder, rules_of, score
from lib.recommend.training_set import TrainingSet


def tables_read(settings: Recommend) -> tuple[str, ...]:
    """The tables that recommendations are made from."""
    return tuple(dict.fromkeys((settings.plays.table, settings.users.table, settings.items.table)))


@dataclass(frozen=True)
class Built:
    """Lists that are still to be worked out; the model version that serves each, if one does; a sentence on each passed over."""

    lists: DataFrame
    serving: Mapping[ListName, str]
    passed_over: Sequence[str]


def build_lists(of: TrainingSet, layout: Layout, decisions: Sequence[Decision], at: datetime) -> Built:
    """The lists of every user, by the champions; `at` is when they are generated. Key: user, list, rank.

    A champion whose numbers are missing or damaged, or whose publication was rolled back, is passed over for the one before it.
    """
    now, taken_back = of.end or 0, withdrawn(layout)
    catalogue = of.items.catalogue
    popular = rules_of(popularity_of(of, now), catalogue)
    rules: dict[ListName, tuple[Model, ...]] = {DISCOVER: popular, AGAIN: (OwnPlays(catalogue.n, None),)}
    ladders: dict[ListName, Ladder] = {}
    passed_over: list[str] = []
    for name in LISTS:
        champion, model = _champion(of, layout, reign(decisions, name), taken_back, passed_over)
        ladders[name] = Ladder(champion, model, rules[name])
    reached("lists are made")
    serving = {name: ladder.version for name, ladder in ladders.items() if ladder.model is not None}
    return Built(score(of, ladders, now, at), serving, passed_over)


def _champion(
    of: TrainingSet, layout: Layout, promoted: Sequence[Decision], taken_back: set[str], passed_over: list[str]
) -> tuple[str, Model | None]:
    """The version and the model of the first of these promotions that can be used."""
    for one in promoted:
        version = one.model_version or ""
        try:
            if one.publication_id in taken_back:
                message = f"model {version} was trained on publication {one.publication_id}, which was rolled back"
                raise LakeError(message)
            return version, _model(of, layout, one)
        except LakeError as error:
            passed_over.append(f"{error}; what was promoted before it serves, or the rules")
    return BASELINE, None


def _model(of: TrainingSet, layout: Layout, promoted: Decision) -> Model:
    """The model of a promotion, for the items of now.

    Raises:
        LakeError: its numbers cannot be used.
    """
    recipe, items = Recipe.of_json(promoted.parameters or ""), of.items
    numbers = None if promoted.sha256 is None else numbers_of(layout, promoted)
    version = promoted.model_version
    if numbers is not None and numbers.items.type != items.ids.type:
        message = (
            f"model {version} is of items with ids of type {numbers.items.type}, and they are {items.ids.type} now"
        )
        raise LakeError(message)
    if recipe.kind == "ease" and len(items.ids) > of.settings.max_items:
        message = f"model {version} is of a kind for {of.settings.max_items:,} items (max_items), and there are {len(items.ids):,}"
        raise LakeError(message)
    return model_of(recipe, items, numbers)
