"""Who gets which rows: the model, or for those who are new or idle the rules."""

from __future__ import annotations

import numpy as np

from lib.config.recommend import Grouped, Plays, Recommend
from lib.recommend.models import Ease, OwnPlays, Popular
from lib.recommend.scoring import Ladder, _ranked
from tests.plays import NOW, catalogue, histories

SETTINGS = Recommend(
    plays=Plays(table="p", user="u", item="i", at="at"),
    users=Grouped(table="u"),
    items=Grouped(table="i"),
    rows=2,
    idle_days=90,
)
# Whoever played item 0 wants item 1; item 2 is popular.
WEIGHTS = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
POPULAR = Popular(np.array([0.0, 0.0, 5.0, 1.0]))


def test_an_idle_user_gets_what_a_new_one_gets_and_still_has_what_they_played() -> None:
    # User 0 played item 0 yesterday, user 1 played it 91 days ago, user 2 nothing.
    past = histories(3, [(0, 0, 1), (1, 0, 91)])
    ladder = Ladder("m1", Ease(WEIGHTS, None), (POPULAR,))
    lists = _ranked(ladder, "discover", past, catalogue(4), SETTINGS, NOW)
    found = list(
        zip(lists.user.tolist(), lists.item.tolist(), map(ladder.fallback, lists.fallback.tolist()), strict=True)
    )
    assert found == [
        (0, 1, None),
        (0, 2, "popular"),
        (1, 2, "popular"),
        (1, 3, "popular"),
        (2, 2, "popular"),
        (2, 3, "popular"),
    ]
    again = _ranked(Ladder("m1", OwnPlays(4, 3.0), ()), "again", past, catalogue(4), SETTINGS, NOW)
    assert list(zip(again.user.tolist(), again.item.tolist(), strict=True)) == [(0, 0), (1, 0)]


def test_one_who_played_everything_has_nothing_to_discover() -> None:
    past = histories(1, [(0, item, 1) for item in range(4)])
    lists = _ranked(Ladder("m1", Ease(WEIGHTS, None), (POPULAR,)), "discover", past, catalogue(4), SETTINGS, NOW)
    assert len(lists.user) == 0
