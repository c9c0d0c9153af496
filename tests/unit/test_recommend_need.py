"""When a training is needed: counts of plays by hand, and the reasons that ask for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from lib.config import Retrain
from lib.lake.decisions import Decision, Verdict
from lib.recommend.evaluating import Window
from lib.recommend.histories import DAY
from lib.recommend.need import Fallen, drifts, last_training, reasons
from lib.recommend.profile import Profile, counts_of
from tests.plays import NOW, histories

AT = datetime(2026, 1, 31, tzinfo=UTC)
RULES = Retrain()
EVEN = {"hour": {"0": 500, "1": 500}, "group": {"rock": 800, "": 200}}


def trained(days_ago: float, profile: Profile, verdict: Verdict = Verdict.KEPT, **other: Any) -> Decision:
    at = AT - timedelta(days=days_ago)
    return Decision("m", "discover", at, verdict, [], None, None, profile=profile.as_json, **other)


def test_plays_of_a_window_are_counted_by_hour_activity_and_group() -> None:
    # NOW is midnight. User 0 plays item 0 one hour before it, and item 1 and 2 two hours before; user 1 plays item 1 then, and
    # item 0 ten days ago, which is before the window.
    past = histories(3, [(0, 0, 1 / 24), (0, 1, 2 / 24), (0, 2, 2 / 24), (1, 1, 2 / 24), (1, 0, 10)])
    # Item 0 is in both groups, item 1 in the second, item 2 in none.
    member = csr_array(np.array([[True, True], [False, True], [False, False]]))
    counts = counts_of(past, member, Window(NOW - 7 * DAY, NOW)).tolist()
    plays, hours, activity, groups = counts[0], counts[1:25], counts[25:41], counts[41:]
    assert plays == 5
    assert {hour: number for hour, number in enumerate(hours) if number} == {22: 3, 23: 1}
    # One user with one play, one with two or three.
    assert activity[:3] == [1, 1, 0]
    assert groups == [1, 3, 1]


def test_a_profile_is_recorded_as_json_and_comes_back() -> None:
    profile = Profile(7, {"group": {"Noël": 3, "": 4}})
    assert Profile.of_json(profile.as_json) == profile


def test_without_a_training_one_is_needed() -> None:
    assert reasons(None, Profile(1, EVEN), AT, RULES) == ["No model was trained yet."]


def test_without_plays_nothing_can_be_trained() -> None:
    assert reasons(None, None, AT, RULES) == []


def test_a_recent_training_on_the_same_plays_is_enough() -> None:
    assert reasons(trained(6, Profile(1000, EVEN)), Profile(1199, EVEN), AT, RULES) == []


def test_a_week_after_a_training_a_job_of_every_day_trains_anew_even_if_it_starts_earlier_in_the_day() -> None:
    # AT is midnight of January 31: 7 days before is the 24th, and so are its last minutes, 6 days and some seconds before.
    for days_ago in (6.001, 7):
        assert reasons(trained(days_ago, Profile(1000, EVEN)), Profile(1000, EVEN), AT, RULES) == [
            "The last training was on 2026-01-24, and max_age_days is 7."
        ]


def test_a_fifth_more_plays_ask_for_a_training() -> None:
    assert reasons(trained(1, Profile(1000, EVEN)), Profile(1200, EVEN), AT, RULES) == [
        "There are 20.0% more plays than at the last training; a new one is due from 20.0% on."
    ]


def test_plays_at_other_hours_ask_for_a_training() -> None:
    # Shares 0.5, 0.5 then and 0.2, 0.8 now: -0.3 ln 0.4 + 0.3 ln 1.6 = 0.416.
    night = {**EVEN, "hour": {"0": 200, "1": 800}}
    assert reasons(trained(1, Profile(1000, EVEN)), Profile(1000, night), AT, RULES) == [
        "Plays by hour have drifted: the population stability index is 0.416; above 0.250 a new training is due."
    ]


def test_a_group_that_is_new_counts_from_nothing() -> None:
    # Of 1000 plays none was of jazz, which counts as half a play: shares 0.0005 and 0.5.
    e, a = np.array([0.5, 1000]) / 1000.5, np.array([0.5, 0.5])
    then, now = Profile(1, {"group": {"rock": 1000}}), Profile(1, {"group": {"jazz": 500, "rock": 500}})
    assert drifts(then, now) == {"group": pytest.approx(float(((a - e) * np.log(a / e)).sum()))}


def test_too_few_counts_say_nothing_of_drift() -> None:
    assert drifts(Profile(1, {}), Profile(1, {"group": {"rock": 5}})) == {}
    assert drifts(Profile(1, {"group": {"rock": 499}}), Profile(1, {"group": {"jazz": 500}})) == {}


def test_lists_that_are_played_less_than_before_ask_for_a_training() -> None:
    fallen = [Fallen("discover", 0.12, 0.2345)]
    assert reasons(trained(1, Profile(1000, EVEN)), Profile(1000, EVEN), AT, RULES, fallen) == [
        "The hit rate of list discover has fallen to 0.120; by its own history, at least 0.234 was expected."
    ]


def test_the_last_training_counts_whatever_it_decided_and_a_rollback_is_none() -> None:
    first = trained(9, Profile(1, EVEN))
    second = trained(3, Profile(2, EVEN), Verdict.PROMOTED)
    undone = Decision("r", "discover", AT, Verdict.ROLLED_BACK, [], None, "m")
    assert last_training([first, second, undone]) == second
    assert last_training([undone]) is None
