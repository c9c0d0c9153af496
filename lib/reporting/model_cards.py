"""The pages on recommendation models, from `ops/models` alone: every decision, and a card for each version."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lib.config.derivations import LISTS, are_items_personal
from lib.errors import LakeError
from lib.lake import site_folder as site
from lib.lake import storage
from lib.lake.decisions import Decision, Verdict, all_decisions, reign, serving
from lib.lake.layout import Layout
from lib.logs import LOGGER
from lib.recommend.comparison import CANDIDATE, CHAMPION, Interval
from lib.recommend.recipes import Recipe
from lib.reporting import pages
from lib.reporting.card import Card, Contender, DecisionLine, ListCard, Plays, Serving
from lib.reporting.pages import Site

log = logging.getLogger(LOGGER)
_SHAPES = {Verdict.PROMOTED.value: "good", Verdict.ROLLED_BACK.value: "open"}
_POWERS = {0.0: "An item counts as played or not, however often.", 1.0: "Each play of an item counts."}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_cards(of: Site) -> list[Serving]:
    """Write those pages below `site/models` that would say something else; none before the first decision.

    They depend on `ops/models` and the source YAML alone. A run and a training may write them at the same time: the next run
    corrects what the slower one read too early. A table that cannot be read is logged, and leaves the pages as they are. A source
    without a block `recommend` has no such pages. Returns who serves each list, nobody where there are no pages, or old ones.
    """
    folder = of.layout.site / site.MODELS
    if of.source.recommend is None:
        site.remove_models(of.layout.site)
        return []
    try:
        decisions = all_decisions(of.layout)
    except LakeError as error:
        log.warning("%s; the pages on models stay as they are", error)
        return []
    if not decisions:
        return []
    cards = _cards(of, decisions)
    for version, card in cards.items():
        site.write_changed(folder, f"{version}.html", pages.render_model(card))
    serving_now = _serving(of.layout, decisions)
    text = pages.render_models(of.source.source, serving_now, _lines(decisions, set(cards)))
    site.write_changed(folder, "index.html", text)
    return serving_now


def has_cards(of: Site) -> bool:
    """Whether there are pages on models to link to."""
    return of.source.recommend is not None and storage.is_file(of.layout.site / site.MODELS / "index.html")


def _serving(layout: Layout, decisions: Sequence[Decision]) -> list[Serving]:
    decided = {one.list for one in decisions}
    return [Serving(name, serving(layout, decisions, name)) for name in LISTS if name in decided]


def _lines(decisions: Sequence[Decision], versions: set[str]) -> list[DecisionLine]:
    """The newest first."""
    lines = []
    for one in reversed(decisions):
        measured = {contender.name: contender for contender in _contenders(one)}
        lines.append(
            DecisionLine(
                decision=one,
                shape=_SHAPES.get(one.verdict, ""),
                has_card=(one.model_version or one.champion_before) in versions,
                candidate=measured.get(CANDIDATE),
                champion=measured.get(CHAMPION),
                baseline=measured.get(_better_baseline(_metrics(one)) or ""),
            )
        )
    return lines


def _cards(of: Site, decisions: Sequence[Decision]) -> dict[str, Card]:
    """A card for each version of which a model was trained, by version."""
    trained: dict[str, list[Decision]] = {}
    for one in decisions:
        if one.model_version is not None and one.kind is not None:
            trained.setdefault(one.model_version, []).append(one)
    shows_items = not are_items_personal(of.source)
    reigns = {one.list: reign(decisions, one.list) for one in decisions}
    return {
        version: Card(
            source=of.source.source,
            trained=some[0],
            plays=None if some[0].profile is None else _plays(json.loads(some[0].profile)),
            lists=tuple(
                _list_card(one, reigns[one.list], shows_items=shows_items)
                for one in sorted(some, key=lambda one: LISTS.index(one.list))
            ),
        )
        for version, some in trained.items()
    }


def _list_card(one: Decision, standing: Sequence[Decision], *, shows_items: bool) -> ListCard:
    says, shape = _standing(one, standing)
    contenders = _contenders(one)
    examples = json.loads(one.examples) if one.examples and shows_items else []
    return ListCard(
        decision=one,
        says=says,
        shape=shape,
        parameters=_in_words(Recipe.of_json(one.parameters or "")),
        contenders=contenders,
        scale=max((contender.ndcg.high for contender in contenders), default=0.0),
        examples={str(each["item"]): tuple((str(item), near) for item, near in each["nearest"]) for each in examples},
    )


def _standing(one: Decision, standing: Sequence[Decision]) -> tuple[str, str]:
    """What became of a model, in words, and the shape that goes with them."""
    if one.verdict != Verdict.PROMOTED:
        return "Not promoted", ""
    versions = [promoted.model_version for promoted in standing]
    if one.model_version not in versions:
        return "Promoted, and taken back by a rollback", "open"
    if versions[0] == one.model_version:
        return "Promoted, and the champion now", "good"
    return f"Promoted, and replaced since; the champion now is {versions[0]}", ""


def _metrics(one: Decision) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = json.loads(one.metrics or "{}")
    return found


def _better_baseline(metrics: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The baseline that the candidate had to beat: that of the greater NDCG@10."""
    names = [name for name in metrics if name not in (CANDIDATE, CHAMPION)]
    return max(names, key=lambda name: float(metrics[name]["ndcg_at_10"]["mean"]), default=None)


def _contenders(one: Decision) -> tuple[Contender, ...]:
    """All models that were measured, the candidate first, then the champion and the baselines."""
    metrics = _metrics(one)
    first = [name for name in (CANDIDATE, CHAMPION) if name in metrics]
    better = _better_baseline(metrics)
    found = []
    for name in (*first, *(name for name in metrics if name not in first)):
        says, shape = _beside(one, name, better)
        mine = metrics[name]
        found.append(
            Contender(
                name=name,
                ndcg=Interval(**mine["ndcg_at_10"]),
                recall=Interval(**mine["recall_at_20"]),
                average_precision=Interval(**mine["map_at_10"]),
                coverage=mine["coverage"],
                novelty=mine["novelty_bits"],
                served=mine["served"],
                says=says,
                shape=shape,
            )
        )
    return tuple(found)


def _beside(one: Decision, name: str, better: str | None) -> tuple[str, str]:
    """How the candidate is beside a contender, by the paired interval: a record names each gate that was not passed.

    A promotion names them all, each of them passed.
    """
    if name == CANDIDATE:
        return "", ""
    if name not in (CHAMPION, better):
        return "not compared", ""
    gate = f"that of the champion {one.champion_before} (" if name == CHAMPION else f"that of {name} ("
    passed = one.verdict == Verdict.PROMOTED or not any(gate in sentence for sentence in one.because)
    if name == CHAMPION:
        return ("as good, within the margin", "good") if passed else ("may be worse", "open")
    return ("beaten", "good") if passed else ("not beaten", "open")


def _in_words(recipe: Recipe) -> tuple[str, ...]:
    age = "A play counts the same however old it is."
    if recipe.half_life_days is not None:
        age = f"A play loses half of its weight in {recipe.half_life_days:g} days."
    power = _POWERS.get(recipe.power, f"The weight of an item's plays counts to the power of {recipe.power:g}.")
    match recipe.kind:
        case "ease":
            kind = f"Item-to-item weights in closed form (EASE), with lambda {recipe.regularisation:g}."
            return kind, age, power
        case "als":
            kind = (
                f"Matrix factorisation for implicit feedback (ALS): {recipe.factors} factors, alpha {recipe.alpha:g}, "
                f"lambda {recipe.regularisation:g}, {recipe.iterations} iterations."
            )
            return kind, age, power
        case "own_plays":
            return "The user's own plays of each item, added up.", age


def _plays(profile: Mapping[str, Any]) -> Plays:
    spread, split, end = profile["spread"], profile.get("split"), profile.get("end")
    by_group = {name or "no group": count for name, count in spread["group"].items() if count}
    activity = {int(least): users for least, users in spread["activity"].items()}
    return Plays(
        plays=profile["plays"],
        window=None if split is None or end is None else (_moment(split), _moment(end)),
        groups=dict(sorted(by_group.items(), key=lambda one: -one[1])),
        hours={f"{int(hour):02}": count for hour, count in spread["hour"].items()},
        activity={_from(least, max(activity)): users for least, users in activity.items() if users},
    )


def _from(least: int, last: int) -> str:
    """A bin of numbers of plays, in words. The last one has no end."""
    if least == last:
        return f"{least:,} and more"
    return "1" if least == 1 else f"{least:,} to {2 * least - 1:,}"


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
