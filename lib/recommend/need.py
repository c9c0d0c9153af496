"""Whether a training is needed: none yet, its age, plays that are new since, a fallen hit rate, or plays that look otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lib.config import Retrain
from lib.lake.decisions import Decision, Verdict
from lib.recommend.drift import population_stability_index
from lib.recommend.profile import Profile


def last_training(decisions: Sequence[Decision]) -> Decision | None:
    """The last decision that a training came to, whatever it was."""
    trained = [one for one in decisions if one.verdict != Verdict.ROLLED_BACK and one.profile is not None]
    return trained[-1] if trained else None


@dataclass(frozen=True)
class Fallen:
    """The hit rate of a list that is lower than its own history makes plausible: below `low`."""

    of_list: str
    hit_rate: float
    low: float


def reasons(
    last: Decision | None, now: Profile | None, at: datetime, rules: Retrain, fallen: Sequence[Fallen] = ()
) -> list[str]:
    """What asks for a training at that time, each as a sentence with its numbers; none where nothing does or there are no plays.

    `fallen` are the lists whose hit rate has fallen since the last training.
    """
    if now is None:
        return []
    if last is None or last.profile is None:
        return ["No model was trained yet."]
    found, then = [], Profile.of_json(last.profile)
    # By the date: hours would make every 7 days 8 where the job starts some seconds earlier in the day than it ended a week before.
    days = (at.date() - last.decided_at.date()).days
    if days >= rules.max_age_days:
        found.append(f"The last training was on {last.decided_at:%Y-%m-%d}, and max_age_days is {rules.max_age_days}.")
    more = (now.plays - then.plays) / max(1, then.plays)
    if more >= rules.new_plays:
        found.append(
            f"There are {more:.1%} more plays than at the last training; a new one is due from {rules.new_plays:.1%} on."
        )
    found += [
        f"The hit rate of list {one.of_list} has fallen to {one.hit_rate:.3f}; by its own history, at least {one.low:.3f} "
        "was expected."
        for one in fallen
    ]
    found += [
        f"Plays by {category} have drifted: the population stability index is {moved:.3f}; above {rules.drift:.3f} "
        "a new training is due."
        for category, moved in drifts(then, now).items()
        if moved > rules.drift
    ]
    return found


# With fewer counts on a side the index is above the limit by chance alone: its expectation without any drift is about
# (categories - 1) * (1 / n then + 1 / n now).
LEAST = 500


def drifts(then: Profile, now: Profile) -> dict[str, float]:
    """The population stability index of each kind of category; one that has too few counts on a side to tell is left out."""
    found = {category: _drift(then.spread.get(category, {}), counts) for category, counts in now.spread.items()}
    return {category: moved for category, moved in found.items() if moved is not None}


def _drift(then: Mapping[str, int], now: Mapping[str, int]) -> float | None:
    names = sorted(then.keys() | now.keys())
    before, after = (np.array([counts.get(name, 0) for name in names]) for counts in (then, now))
    if min(before.sum(), after.sum()) < LEAST:
        return None
    return population_stability_index(before, after)
