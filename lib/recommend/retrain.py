"""Retraining: search, fit, evaluate against baselines and champion on the same users, and decide. Each list by itself."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.config import Recommend
from lib.config.derivations import AGAIN, LISTS, ListName
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake.decisions import Decision, Verdict, all_decisions, champion, decide, reign
from lib.lake.layout import Layout
from lib.lake.model_numbers import save_numbers
from lib.lake.publications import Publication
from lib.recommend import comparison
from lib.recommend.comparison import CANDIDATE, CHAMPION, Rules, bootstrap
from lib.recommend.evaluate import BlockResult
from lib.recommend.evaluating import Window, evaluate
from lib.recommend.examples import examples_of
from lib.recommend.fitting import fit, numbers_in, popularity_of
from lib.recommend.histories import DAY
from lib.recommend.models import LastPlayed, Model, OwnPlays
from lib.recommend.profile import Profile, profile_of
from lib.recommend.recipes import Recipe, candidates
from lib.recommend.scoring import rules_of
from lib.recommend.training_set import TrainingSet

# Windows to choose hyperparameters on, beside the one that the decision is made on; and what is learnt from before the first.
VALIDATIONS = 2
# Models that are evaluated in one pass may take so much together.
MODEL_BYTES = 256_000_000
# To so many of the evaluated users, those who played little among them, a candidate must give a full list by itself.
MIN_SERVED = 0.8


@dataclass(frozen=True)
class Outcome:
    """What a training came to, list by list, before anything of it is recorded."""

    of_list: str
    recipe: Recipe | None
    metrics: Mapping[str, Mapping[str, Any]]
    promoted: bool
    because: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """One training: of this model version, on this publication, whose plays have this profile; `fired` is what asked for it.

    Its record may have ids of items as examples if `names_items`: where they are not personal.
    """

    version: str
    publication: Publication
    profile: Profile | None = None
    fired: tuple[str, ...] = ()
    names_items: bool = False


def windows(first: int, end: int, days: int) -> tuple[Sequence[Window], Window] | None:
    """The windows to validate on, and the one to test on: the last `days` before `end`, each behind the other.

    None where the plays do not reach back so far that there is as much to learn from before the first one.
    """
    length = days * DAY
    splits = [end - (place + 1) * length for place in range(VALIDATIONS + 1)][::-1]
    if first > splits[0] - length:
        return None
    found = [Window(split, split + length) for split in splits]
    return found[:-1], found[-1]


def last_profile(of: TrainingSet) -> Profile | None:
    """The profile of the plays, by those of the last window; None without plays."""
    if of.end is None:
        return None
    return profile_of(of, Window(of.end - of.settings.window_days * DAY, of.end))


def train(of: TrainingSet, decisions: Sequence[Decision]) -> list[Outcome]:
    """Train and judge a candidate for each list. Nothing is kept of it."""
    if of.first is None or of.end is None:
        return [_not_trained(name, "there are no plays to learn from") for name in LISTS]
    days = of.settings.window_days
    cut = windows(of.first, of.end, days)
    if cut is None:
        least = (VALIDATIONS + 2) * days
        # Rounded down: 27.96 days are not yet 28.
        covered = math.floor((of.end - of.first) / DAY * 10) / 10
        why = f"the plays cover {covered:.1f} days, and {least} are needed (4 times window_days)"
        return [_not_trained(name, why) for name in LISTS]
    validations, test = cut
    return [_train_list(of, name, validations, test, reign(decisions, name)) for name in LISTS]


def keep(of: TrainingSet, layout: Layout, training: Training, outcomes: Sequence[Outcome]) -> list[Decision]:
    """Fit what is promoted on all plays, keep its numbers, and record all decisions in one commit: the switch to new champions."""
    before = all_decisions(layout)
    decisions = []
    for one in outcomes:
        held = champion(before, one.of_list)
        numbers, sha256, examples = None, None, None
        if one.promoted and one.recipe is not None and of.end is not None:
            [(_, model)] = fit(of, [one.recipe], of.end)
            found = numbers_in(model)
            if found is not None:
                numbers, sha256 = save_numbers(layout, training.version, of.items.ids, found)
                if training.names_items:
                    examples = json.dumps(examples_of(model, of.items.ids, popularity_of(of, of.end)))
            reached("numbers saved")
        decisions.append(
            Decision(
                decision_id=training.version,
                list=one.of_list,
                decided_at=datetime.now(UTC),
                verdict=Verdict.PROMOTED if one.promoted else Verdict.KEPT,
                because=one.because,
                champion=training.version if one.promoted else held,
                champion_before=held,
                model_version=training.version,
                kind=None if one.recipe is None else one.recipe.kind,
                publication_id=training.publication.publication_id,
                versions=[
                    {"table": table.table, "version": table.version} for table in training.publication.tables.values()
                ],
                parameters=None if one.recipe is None else one.recipe.as_json,
                metrics=json.dumps(one.metrics),
                seed=of.settings.seed,
                fired=training.fired,
                profile=None if training.profile is None else training.profile.as_json,
                numbers=numbers,
                sha256=sha256,
                examples=examples,
            )
        )
    reached("decision ready")
    decide(layout, decisions)
    reached("decided")
    return decisions


def roll_back(layout: Layout, version: str) -> list[Decision]:
    """Undo the last promotion that still stands: its lists have the champion from before it. Nothing else is changed.

    Raises:
        ConfigError: no promotion stands.
    """
    before = all_decisions(layout)
    standing = {name: reign(before, name) for name in LISTS}
    numbers = [promoted[0].number for promoted in standing.values() if promoted]
    if not numbers:
        message = (
            f"{layout.root}: no model is promoted, so there is nothing to roll back; status says what serves the lists"
        )
        raise ConfigError(message)
    decisions = []
    for name, promoted in standing.items():
        if promoted and promoted[0].number == max(numbers):
            held = promoted[1].model_version if len(promoted) > 1 else None
            undone = promoted[0].model_version
            decisions.append(
                Decision(
                    decision_id=version,
                    list=name,
                    decided_at=datetime.now(UTC),
                    verdict=Verdict.ROLLED_BACK,
                    because=[f"model {undone} was taken back by an operator"],
                    champion=held,
                    champion_before=undone,
                )
            )
    decide(layout, decisions)
    return decisions


def _train_list(
    of: TrainingSet,
    name: ListName,
    validations: Sequence[Window],
    test: Window,
    promoted: Sequence[Decision],
) -> Outcome:
    settings, n = of.settings, len(of.items.ids)
    recipe = _searched(of, name, candidates(name, n, settings.max_items), validations)
    rules = () if name == AGAIN else rules_of(popularity_of(of, test.split), of.items.catalogue)
    baselines: dict[str, Model] = {rule.name: rule for rule in rules}
    if name == AGAIN:
        baselines = {"frequency": OwnPlays(n, None), "recency": LastPlayed(n)}
    champion_recipe = Recipe.of_json(promoted[0].parameters or "") if promoted else None
    if champion_recipe is not None and champion_recipe.kind == "ease" and n > settings.max_items:
        # It cannot be trained any more, nor does it serve.
        champion_recipe, promoted = None, ()
    result = evaluate(of, baselines, name, test, rules)
    if result is None or not len(result.users):
        return _not_trained(
            name, f"nobody played anything in the last {settings.window_days} days that this list could have had"
        )
    measured = {one: _Contender(result, one) for one in baselines}
    recipes = [recipe] + [one for one in (champion_recipe,) if one is not None and one != recipe]
    for one, model in fit(of, recipes, test.split):
        found = evaluate(of, {one.as_json: model}, name, test, rules)
        assert found is not None, "there were users a moment ago"
        measured[CANDIDATE if one == recipe else CHAMPION] = _Contender(found, one.as_json)
    if champion_recipe == recipe:
        measured[CHAMPION] = measured[CANDIDATE]
    return _judged(of.settings, name, recipe, measured, tuple(baselines), promoted)


@dataclass(frozen=True)
class _Contender:
    """What one model did in the test window."""

    result: BlockResult
    name: str

    @property
    def ndcg(self) -> NDArray[np.float64]:
        """NDCG@10 of each user."""
        return self.result.models[self.name].ndcg

    def metrics(self, seed: int) -> dict[str, Any]:
        """Its metrics, as they stand in `ops/models`."""
        mine = self.result.models[self.name]
        per_user = {"ndcg_at_10": mine.ndcg, "recall_at_20": mine.recall, "map_at_10": mine.average_precision}
        return {
            **{name: asdict(bootstrap(values, seed)) for name, values in per_user.items()},
            "coverage": self.result.coverage(self.name),
            "novelty_bits": self.result.novelty(self.name),
            "served": self.result.served(self.name),
        }


def _judged(
    settings: Recommend,
    name: str,
    recipe: Recipe,
    measured: Mapping[str, _Contender],
    baselines: Sequence[str],
    promoted: Sequence[Decision],
) -> Outcome:
    mine = measured[CANDIDATE]
    better = max(baselines, key=lambda one: float(measured[one].ndcg.mean()))
    held = measured.get(CHAMPION)
    judged = comparison.judge(
        Rules(
            settings.margin,
            # What a user heard before is the whole choice of the list `again`: it covers what they heard.
            settings.min_coverage if name != AGAIN else 0.0,
            MIN_SERVED,
        ),
        baseline=better,
        over_baseline=bootstrap(mine.ndcg - measured[better].ndcg, settings.seed),
        champion=promoted[0].model_version if promoted else None,
        over_champion=None if held is None else bootstrap(mine.ndcg - held.ndcg, settings.seed),
        coverage=mine.result.coverage(mine.name),
        served=mine.result.served(mine.name),
    )
    metrics = {one: contender.metrics(settings.seed) for one, contender in measured.items()}
    reasons = [reason for reason in judged.reasons if judged.promoted or not reason.passed]
    return Outcome(name, recipe, metrics, judged.promoted, tuple(reason.sentence for reason in reasons))


def _searched(of: TrainingSet, name: ListName, recipes: Sequence[Recipe], validations: Sequence[Window]) -> Recipe:
    """The recipe with the greatest NDCG@10, over the users of all validation windows; the first of equals."""
    total = dict.fromkeys(recipes, 0.0)
    for window in validations:
        rules = () if name == AGAIN else rules_of(popularity_of(of, window.split), of.items.catalogue)
        for some in _together(fit(of, recipes, window.split)):
            found = evaluate(of, {recipe.as_json: model for recipe, model in some}, name, window, rules)
            if found is not None:
                for recipe, _ in some:
                    total[recipe] += float(found.models[recipe.as_json].ndcg.sum())
    return max(recipes, key=lambda one: total[one])


def _together(fitted: Iterator[tuple[Recipe, Model]]) -> Iterator[list[tuple[Recipe, Model]]]:
    """The models that are evaluated in one pass over the users: as many as are not too great to be held at once."""
    some: list[tuple[Recipe, Model]] = []
    held = 0
    for recipe, model in fitted:
        numbers = numbers_in(model)
        some.append((recipe, model))
        held += 0 if numbers is None else numbers.nbytes
        if held > MODEL_BYTES:
            yield some
            some, held = [], 0
    if some:
        yield some


def _not_trained(name: str, why: str) -> Outcome:
    return Outcome(name, None, {}, promoted=False, because=(why,))
