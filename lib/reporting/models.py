"""What a training says at its end: what was measured, what was decided, and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lib.config import Source
from lib.config.derivations import RECOMMENDATIONS
from lib.console import columns, say
from lib.errors import ExportError
from lib.lake.decisions import Decision, Verdict, all_decisions, serving
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.lake.site_folder import MODELS, page_to_open
from lib.logs import LOGGER
from lib.observe.export.mlflow import send_decisions
from lib.recommend.retrain import Outcome

log = logging.getLogger(LOGGER)


def say_outcomes(outcomes: Sequence[Outcome]) -> None:
    """The measurements of each list, and whether its candidate is good enough."""
    for one in outcomes:
        lines = ["", f"List {one.of_list}:"]
        if one.metrics:
            level = next(iter(one.metrics.values()))["ndcg_at_10"]["level"]
            heads = [
                "model",
                "NDCG@10",
                f"{level:.0%} interval",
                "recall@20",
                "MAP@10",
                "coverage",
                "novelty",
                "served",
            ]
            lines += columns([heads, *(_row(name, metrics) for name, metrics in one.metrics.items())])
        lines += ["  The candidate is better." if one.promoted else "  The candidate is not promoted."]
        say([*lines, *(f"  {sentence}" for sentence in one.because)])


def say_need(fired: Sequence[str]) -> None:
    """Whether a training is needed, and why."""
    say(
        [
            "",
            *(
                fired
                or [
                    "No training is needed: the last one is recent, and the plays have neither grown nor changed much since."
                ]
            ),
        ]
    )


def say_decisions(layout: Layout, decisions: Sequence[Decision]) -> None:
    """Who serves each list from now on."""
    lines, known = [""], all_decisions(layout)
    for one in decisions:
        promoted = serving(layout, known, one.list)
        now = f"model {promoted.model_version} serves" if promoted else "the baselines serve"
        if one.verdict == Verdict.KEPT:
            lines.append(f"List {one.list}: {now} it, as before.")
        else:
            before = f"model {one.champion_before}" if one.champion_before else "the baselines"
            lines.append(f"List {one.list}: {now} it now, in place of {before}.")
    lines += [
        f"Pages:   {page_to_open(layout.site, MODELS)}",
        f"Record:  {layout.decisions}",
        "Next:    ./spark-submit.sh build-recommendations",
    ]
    say(lines)


def track(source: Source, layout: Layout) -> None:
    """Tell MLflow of the decisions, where the source YAML asks for that. What fails of it is logged, and changes none of them."""
    if source.models is None:
        return
    try:
        decisions = all_decisions(layout)
        lists = sorted({one.list for one in decisions if one.verdict == Verdict.PROMOTED})
        send_decisions(source, source.models, decisions, {name: serving(layout, decisions, name) for name in lists})
    except ExportError as error:
        log.warning("MLflow does not have all decisions: %s. The next retrain-model sends the rest", error)


def say_lists(layout: Layout, publication: Publication) -> None:
    """That the lists are published, and where to look."""
    table = publication.tables[RECOMMENDATIONS]
    say(
        [
            "",
            f"Publication {publication.publication_id} has {table.rows:,} recommendations (version {table.version}).",
            f"Docs:    {page_to_open(layout.site)}",
            f"Tables:  {layout.published_json}  (docs/reading.md says how to read them)",
        ]
    )


def _row(name: str, metrics: Mapping[str, Any]) -> list[str]:
    ndcg = metrics["ndcg_at_10"]
    return [
        name,
        f"{ndcg['mean']:.4f}",
        f"{ndcg['low']:.4f} to {ndcg['high']:.4f}",
        f"{metrics['recall_at_20']['mean']:.4f}",
        f"{metrics['map_at_10']['mean']:.4f}",
        f"{metrics['coverage']:.1%}",
        f"{metrics['novelty_bits']:.2f} bits",
        f"{metrics['served']:.1%}",
    ]
