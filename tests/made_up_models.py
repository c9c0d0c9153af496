"""Made-up decisions on recommendation models, with numbers that a test can follow by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lib.lake.decisions import Decision, Verdict, all_decisions, champion, decide
from lib.lake.layout import Layout
from lib.recommend.recipes import Recipe

DAY_0 = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
EASE = Recipe("ease", half_life_days=30.0, power=0.5, regularisation=300.0)
ALS = Recipe("als", regularisation=0.1, factors=64, alpha=10.0, iterations=15)
OWN_PLAYS = Recipe("own_plays", half_life_days=7.0)
# The window is from 2026-02-22 to 2026-03-01, both at midnight.
PROFILE = {
    "plays": 123_456,
    "split": 1_771_718_400_000_000,
    "end": 1_772_323_200_000_000,
    "spread": {
        "group": {"Rock": 700, "Jazz": 1200, "": 40, "Polka": 0},
        "hour": {str(hour): 10 * hour for hour in range(24)},
        "activity": {"1": 20, "2": 40, "4": 0, "8": 5},
    },
}
EXAMPLES = [{"item": 4711, "nearest": [[815, 0.4375], [42, 0.125]]}, {"item": 99, "nearest": []}]


def measured(ndcg: float, coverage: float = 0.5) -> dict[str, Any]:
    """The metrics of a model with this NDCG@10: its interval is 0.01 to each side; recall@20 is twice as much, MAP@10 half."""

    def around(mean: float) -> dict[str, Any]:
        return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "users": 250, "level": 0.99}

    return {
        "ndcg_at_10": around(ndcg),
        "recall_at_20": around(2 * ndcg),
        "map_at_10": around(ndcg / 2),
        "coverage": coverage,
        "novelty_bits": 4.25,
        "served": 0.964,
    }


def beside(other: str, difference: float) -> str:
    """What a gate says of a difference whose interval is 0.005 to each side."""
    direction = "above" if difference >= 0 else "below"
    return (
        f"NDCG@10 is {abs(difference):.4f} {direction} that of {other} (99% interval "
        f"{difference - 0.005:+.4f} to {difference + 0.005:+.4f}); the lower bound must be above 0."
    )


def trained(layout: Layout, version: str, day: int, *lists: tuple[str, Verdict, Mapping[str, Any]]) -> None:
    """Record one training: of each list its verdict, and the fields that are not the usual ones."""
    before = all_decisions(layout)
    decisions = []
    for name, verdict, other in lists:
        held = champion(before, name)
        usual = {
            "because": ["250 users were evaluated; at least 30 are needed."],
            "champion": version if verdict is Verdict.PROMOTED else held,
            "champion_before": held,
            "model_version": version,
            "kind": "ease",
            "publication_id": f"p-{version}",
            "versions": [{"table": "tracks", "version": 4}, {"table": "listens", "version": 1234}],
            "parameters": EASE.as_json,
            "metrics": json.dumps({"popular": measured(0.1), "candidate": measured(0.2)}),
            "seed": 7,
            "profile": json.dumps(PROFILE),
        }
        decisions.append(Decision(version, name, DAY_0 + timedelta(days=day), verdict, **{**usual, **other}))
    decide(layout, decisions)


def made_up(layout: Layout) -> None:
    """A history: too few plays, then m1 for both lists, m2 that is not good enough, and m3 for `discover`."""
    nothing = {"because": ["the plays cover 12.3 days, and 28 are needed (4 times window_days)"], "kind": None}
    nothing |= {"parameters": None, "metrics": "{}"}
    trained(layout, "m0", 0, ("discover", Verdict.KEPT, nothing), ("again", Verdict.KEPT, nothing))
    baselines = {"popular": measured(0.09, 0.05), "popular_in_favourite_groups": measured(0.2262)}
    own = {
        "kind": "own_plays",
        "parameters": OWN_PLAYS.as_json,
        "metrics": json.dumps({"frequency": measured(0.31), "recency": measured(0.42), "candidate": measured(0.45)}),
        "because": [beside("recency", 0.03)],
        "fired": ["No model was trained yet."],
    }
    first = {
        "metrics": json.dumps({**baselines, "candidate": measured(0.35)}),
        "because": [beside("popular_in_favourite_groups", 0.1238)],
        "examples": json.dumps(EXAMPLES),
        "fired": ["No model was trained yet."],
    }
    trained(layout, "m1", 28, ("discover", Verdict.PROMOTED, first), ("again", Verdict.PROMOTED, own))
    second = {
        "kind": "als",
        "parameters": ALS.as_json,
        "metrics": json.dumps({**baselines, "candidate": measured(0.228), "champion": measured(0.35)}),
        "because": [beside("popular_in_favourite_groups", 0.0018), beside("the champion m1", -0.122)],
    }
    trained(layout, "m2", 35, ("discover", Verdict.KEPT, second))
    third = {
        "metrics": json.dumps({**baselines, "candidate": measured(0.36), "champion": measured(0.35)}),
        "because": [beside("popular_in_favourite_groups", 0.1338), beside("the champion m1", 0.01)],
    }
    trained(layout, "m3", 42, ("discover", Verdict.PROMOTED, third))
