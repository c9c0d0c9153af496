"""Evaluation by time: who is evaluated, on what, and that nothing after the split reaches a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lib.config.derivations import ListName
from lib.recommend.ease import gram, popularity, solve
from lib.recommend.evaluate import BlockResult, evaluate_block, merge
from lib.recommend.histories import DAY, Histories
from lib.recommend.models import Ease, LastPlayed, Model, OwnPlays, Popular, PopularInGroups
from tests.plays import NOW, Play, catalogue, histories, planted
from tests.suite_parts import examples

SPLIT = NOW - 7 * DAY
N = 25


class Scripted:
    """A model that has these scores for each user, whatever they played. It keeps what it was shown."""

    name = "scripted"

    def __init__(self, scores: Sequence[float]) -> None:
        self.row = np.array(scores, np.float32)
        self.shown: list[tuple[Histories, int]] = []

    def scores(self, histories: Histories, now: int) -> NDArray[np.float32]:
        self.shown.append((histories, now))
        return np.tile(self.row, (histories.n_users, 1))

    def because(
        self, histories: Histories, now: int, rows: NDArray[np.integer], items: NDArray[np.integer]
    ) -> list[list[int]]:
        return [[] for _ in rows]


def evaluated(past: Histories, kind: ListName, model: Model, *, n: int = 6, deleted: Sequence[int] = ()) -> BlockResult:
    return evaluate_block(past, catalogue(n, deleted), {"model": model}, kind, SPLIT, NOW)


# Before the split user 0 plays items 0 and 1, user 1 item 2, user 2 items 0 to 5, user 3 nothing. After it user 0 plays 1, 4 and 5,
# user 1 nothing, user 2 item 3, user 3 item 0.
PLAYS: list[Play] = [
    *((0, 0, 20), (0, 1, 10), (1, 2, 9), *((2, item, 8) for item in range(6))),
    *((0, 1, 7), (0, 4, 6), (0, 5, 1), (2, 3, 3), (3, 0, 2)),
]


def test_discover_is_measured_by_new_items_of_users_who_found_some() -> None:
    # Ranked for user 0: 2, 3, 4, 5 (0 and 1 are heard), with hits at 3 and 4: (1/2 + 1/log2(5)) / (1 + 1/log2(3)). For user 3:
    # 0 first. Users 1 and 2 found nothing new.
    result = evaluated(histories(4, PLAYS), "discover", Scripted([6, 5, 4, 3, 2, 1]))
    assert result.users.tolist() == [0, 3]
    found = result.models["model"]
    assert found.ndcg.tolist() == pytest.approx([(0.5 + 0.4306766) / 1.6309298, 1])
    assert found.recall.tolist() == [1, 1]
    assert found.average_precision.tolist() == pytest.approx([(1 / 3 + 2 / 4) / 2, 1])
    assert found.recommended.tolist() == [1, 1, 2, 2, 2, 2]
    # In training three users played something: items 0 and 1 by two of them, 2 by two, the others by one.
    assert (result.n_listeners, result.heard_by.tolist()) == (3, [2, 2, 2, 1, 1, 1])
    assert result.novelty("model") == pytest.approx((4 * np.log2(3 / 2) + 6 * np.log2(3)) / 10)
    assert result.coverage("model") == 1


def test_again_is_measured_by_items_heard_before() -> None:
    # User 0 plays item 1 again, ranked behind 0; user 2 item 3, the fourth of six. User 3 had heard nothing.
    result = evaluated(histories(4, PLAYS), "again", Scripted([6, 5, 4, 3, 2, 1]))
    assert result.users.tolist() == [0, 2]
    assert result.models["model"].ndcg.tolist() == pytest.approx([0.6309298, 0.4306766])
    assert result.models["model"].average_precision.tolist() == [0.5, 0.25]


def test_a_deleted_item_is_neither_relevant_nor_recommended() -> None:
    result = evaluated(histories(4, PLAYS), "discover", Scripted([6, 5, 4, 3, 2, 1]), deleted=[0, 4])
    assert result.users.tolist() == [0]
    assert result.models["model"].recommended.tolist() == [0, 0, 1, 1, 0, 1]
    assert result.models["model"].ndcg.tolist() == [0.5]
    assert result.coverage("model") == 0.75


def test_a_user_is_served_by_a_full_list_or_by_all_that_was_allowed() -> None:
    # User 0 may have items 2 to 5, user 3 all six.
    past = histories(4, PLAYS)
    all_but_0 = evaluated(past, "discover", Scripted([0, 1, 1, 1, 1, 1]))
    assert all_but_0.models["model"].served.tolist() == [True, False]
    assert all_but_0.served("model") == 0.5
    # Twenty of 25 items are a full list.
    twenty = evaluated(histories(1, [(0, 3, 1)]), "discover", Scripted([1] * 20 + [0] * 5), n=N)
    nineteen = evaluated(histories(1, [(0, 3, 1)]), "discover", Scripted([1] * 19 + [0] * 6), n=N)
    assert (twenty.served("model"), nineteen.served("model")) == (1, 0)


def test_fallbacks_fill_what_a_model_leaves_open() -> None:
    models = {"model": Scripted([0, 0, 0, 0, 0, 1])}
    past = histories(4, PLAYS)
    result = evaluate_block(
        past, catalogue(6), models, "discover", SPLIT, NOW, fallbacks=[Scripted([0, 0, 0, 0, 1, 1]), Scripted([1] * 6)]
    )
    # User 0: 5, then 4, then 2 and 3. User 3: 5, 4, then 0 at rank 3.
    assert result.models["model"].ndcg.tolist() == pytest.approx([1, 0.5])
    # One item is not a full list, whatever fills it.
    assert result.served("model") == 0


def test_a_model_sees_the_plays_before_the_split_and_the_split_as_now() -> None:
    model = Scripted([1] * 6)
    evaluated(histories(4, PLAYS), "discover", model)
    [(shown, now)] = model.shown
    assert now == SPLIT
    assert shown.n_users == 2
    assert (shown.at < SPLIT).all()
    assert shown.item.tolist() == [0, 1]


def contenders(past: Histories) -> dict[str, Model]:
    """Fitted as a training would: on the plays before the split alone."""
    trained = past.before(SPLIT)
    plays = popularity(trained, N, now=SPLIT, half_life_days=30)
    matrix = trained.matrix(N, now=SPLIT, half_life_days=30, power=0.5)
    return {
        "popular": Popular(plays),
        "in groups": PopularInGroups(plays, csr_array(np.ones((N, 1), np.bool_))),
        "plays": OwnPlays(N, 30),
        "last": LastPlayed(N),
        "ease": Ease(solve(gram(matrix), 5.0), 30, 0.5),
    }


@pytest.mark.parametrize("kind", ["discover", "again"])
def test_plays_after_the_split_change_no_list(kind: ListName) -> None:
    past = planted(4, n_users=60, n_items=N, n_plays=900)
    after = past.at >= SPLIT
    # The same users play the same items, but each one at the start of the window, and ten times as much.
    other = Histories(
        past.start,
        past.item,
        np.where(after, SPLIT, past.at),
        np.where(after, 10, past.weight).astype(np.float32),
        past.favourites,
    )
    one = evaluate_block(past, catalogue(N), contenders(past), kind, SPLIT, NOW)
    two = evaluate_block(other, catalogue(N), contenders(other), kind, SPLIT, NOW)
    assert after.sum() > 30
    assert len(one.users) > 20
    assert one.users.tolist() == two.users.tolist()
    for name, found in one.models.items():
        assert found.ndcg.tolist() == two.models[name].ndcg.tolist()
        assert found.recommended.tolist() == two.models[name].recommended.tolist()


def test_plays_at_the_end_of_the_window_or_later_change_nothing() -> None:
    later: list[Play] = [(user, item, -days) for user in range(4) for item, days in ((2, 0), (3, 5))]
    one, two = (evaluated(histories(4, plays), "discover", Scripted([1] * 6)) for plays in (PLAYS, PLAYS + later))
    assert one.users.tolist() == two.users.tolist()
    assert one.models["model"].ndcg.tolist() == two.models["model"].ndcg.tolist()


@settings(max_examples=examples(15))
@given(st.integers(0, 1000), st.integers(1, 40), st.sampled_from(["discover", "again"]))
def test_blocks_of_any_size_merge_to_the_result_of_the_whole(seed: int, size: int, kind: ListName) -> None:
    past = planted(seed, n_users=40, n_items=N, n_plays=500)
    models = contenders(past)
    whole = evaluate_block(past, catalogue(N), models, kind, SPLIT, NOW)
    parts = [past.of_users(np.arange(first, min(first + size, 40))) for first in range(0, 40, size)]
    merged = merge([evaluate_block(part, catalogue(N), models, kind, SPLIT, NOW) for part in parts])
    assert (merged.n_users, merged.n_listeners) == (whole.n_users, whole.n_listeners)
    assert merged.users.tolist() == whole.users.tolist()
    assert merged.heard_by.tolist() == whole.heard_by.tolist()
    for name, found in whole.models.items():
        other = merged.models[name]
        assert other.ndcg.tolist() == found.ndcg.tolist()
        assert other.recall.tolist() == found.recall.tolist()
        assert other.average_precision.tolist() == found.average_precision.tolist()
        assert other.served.tolist() == found.served.tolist()
        assert other.recommended.tolist() == found.recommended.tolist()


@pytest.mark.parametrize(
    "plays",
    [
        [],
        [(0, 0, 1)],
        [(0, 0, 50)],
        [(0, item, 50) for item in range(N)],
        [(user, 0, days) for user in range(4) for days in (1, 50)],
        [(user, item, 0.5) for user in range(4) for item in range(N)],
    ],
    ids=["no plays", "one play after", "one play before", "all items before", "one item by all", "all in one moment"],
)
@pytest.mark.parametrize("kind", ["discover", "again"])
def test_hard_cases_give_numbers_or_nobody(plays: list[Play], kind: ListName) -> None:
    past = histories(4, plays)
    result = evaluate_block(past, catalogue(N), contenders(past), kind, SPLIT, NOW)
    for name, found in result.models.items():
        assert len(found.ndcg) == len(result.users)
        assert ((found.ndcg >= 0) & (found.ndcg <= 1)).all()
        assert 0 <= result.served(name) <= 1
        assert 0 <= result.coverage(name) <= 1
        assert np.isfinite(result.novelty(name))


def test_results_of_other_models_do_not_merge() -> None:
    past = histories(4, PLAYS)
    one = evaluated(past, "discover", Scripted([1] * 6))
    other = evaluate_block(past, catalogue(6), {"other": Scripted([1] * 6)}, "discover", SPLIT, NOW)
    for parts in ([], [one, other]):
        with pytest.raises(ValueError, match="all have the same models"):
            merge(parts)
