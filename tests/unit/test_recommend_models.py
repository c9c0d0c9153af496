"""What models score, and which own items a score came from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lib.recommend.ease import gram, popularity, solve
from lib.recommend.histories import DAY, LEAST, Histories
from lib.recommend.models import Als, Ease, LastPlayed, Model, OwnPlays, Popular, PopularInGroups
from lib.recommend.ranking import allowed_discover, top
from tests.plays import NOW, catalogue, histories, planted
from tests.suite_parts import examples

N = 12


def fitted(past: Histories, regularisation: float = 5.0, *, power: float = 0.5) -> Ease:
    return Ease(solve(gram(past.matrix(N, now=NOW, half_life_days=20, power=power)), regularisation), 20, power)


def als(*, items: int = N, seed: int = 3) -> Als:
    factors = np.random.default_rng(seed).normal(size=(items, 4)).astype(np.float32)
    return Als(factors, regularisation=0.1, alpha=2.0, half_life_days=20)


def everyone(past: Histories) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of a user and an item, the items from the last to the first."""
    users, items = np.meshgrid(np.arange(past.n_users), np.arange(N)[::-1])
    return users.ravel(), items.ravel()


def reasons_of(
    model: Model, past: Histories, users: NDArray[np.integer], items: NDArray[np.integer]
) -> list[list[int]]:
    """What `because` says, without the places that are empty: those come last."""
    found = model.because(past, NOW, users, items).tolist()
    assert all(-1 not in row[: len(row) - row.count(-1)] for row in found)
    return [[item for item in row if item != -1] for row in found]


def strongest(given: NDArray[np.floating]) -> list[int]:
    """Of what each item gave, the three that gave most and more than 0, the lower index first in a tie."""
    return sorted(np.flatnonzero(given > 0).tolist(), key=lambda item: (-given[item], item))[:3]


def test_popular_has_the_same_scores_for_all_and_no_item_is_left_out() -> None:
    model = Popular(np.array([3.0, 0.0, 5.0]))
    past = histories(2, [(0, 0, 1)])
    assert model.scores(past, NOW).tolist() == [[3, LEAST, 5]] * 2
    assert reasons_of(model, past, np.array([0, 1]), np.array([2, 0])) == [[], []]


def test_popular_in_groups_knows_only_items_that_share_a_group_with_the_favourites() -> None:
    groups = csr_array(np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.bool_))
    past = histories(3, [], favourites=[[True, False], [False, False], [True, True]])
    model = PopularInGroups(np.array([4.0, 3.0, 0.0, 9.0]), groups)
    assert model.scores(past, NOW).tolist() == [[4, 0, LEAST, 0], [0, 0, 0, 0], [4, 3, LEAST, 0]]
    assert reasons_of(model, past, np.array([0]), np.array([0])) == [[]]


def test_own_plays_are_counted_decayed_and_explained_by_the_item_itself() -> None:
    past = histories(2, [(0, 1, 20), (0, 1, 10), (0, 2, 0)])
    assert OwnPlays(3, None).scores(past, NOW).tolist() == [[0, 2, 1], [0, 0, 0]]
    assert OwnPlays(3, 10).scores(past, NOW).tolist() == [[0, 0.75, 1], [0, 0, 0]]
    assert reasons_of(OwnPlays(3, 10), past, np.array([0, 0, 1]), np.array([1, 0, 1])) == [[1], [], []]


def test_the_last_play_counts_by_its_days() -> None:
    past = histories(2, [(0, 1, 9), (0, 1, 3), (0, 2, 0), (0, 0, 1)])
    model = LastPlayed(4)
    assert model.scores(past, NOW).tolist() == [[0.5, 0.25, 1, 0], [0, 0, 0, 0]]
    assert reasons_of(model, past, np.array([0, 0, 1]), np.array([1, 3, 1])) == [[1], [], []]


def test_plays_minutes_apart_are_in_order_after_a_year() -> None:
    past = histories(1, [(0, 0, 365), (0, 1, 365 - 3 / 1440)])
    [[earlier, later]] = LastPlayed(2).scores(past, NOW).tolist()
    assert later > earlier


def test_ease_scores_by_own_items_times_weights() -> None:
    weights = np.array([[0, 0.5, -1], [0.25, 0, 0.5], [0.25, 0.25, 0]], np.float32)
    # Item 0 once, item 1 four times of which the root is 2: 1 * row 0 + 2 * row 1.
    past = histories(2, [(0, 0, 1), *[(0, 1, 1)] * 4])
    model = Ease(weights, None, 0.5)
    assert model.scores(past, NOW).tolist() == [[0.5, 0.5, 0], [0, 0, 0]]
    # Item 2 has -1 from item 0, and 2 * 0.5 from item 1; nothing is said for a user without plays.
    assert reasons_of(model, past, np.array([0, 1, 0, 0]), np.array([2, 2, 0, 1])) == [[1], [], [1], [0]]


def test_of_own_items_that_gave_the_same_the_lower_index_comes_first() -> None:
    weights = np.full((N, N), 0.25, np.float32)
    weights[3, 0] = 0.5
    past = histories(1, [(0, item, 1) for item in (9, 7, 5, 4, 3)])
    assert reasons_of(Ease(weights, None), past, np.array([0]), np.array([0])) == [[3, 4, 5]]


@settings(max_examples=examples(30))
@given(st.integers(0, 1000))
def test_what_ease_says_of_a_score_is_what_brute_force_finds(seed: int) -> None:
    past = planted(seed, n_users=15, n_items=N, n_plays=80)
    model = fitted(past)
    users, items = everyone(past)
    rows = past.matrix(N, now=NOW, half_life_days=20, power=0.5).toarray()
    parts = rows[users] * model.weights[:, items].T
    assert reasons_of(model, past, users, items) == [strongest(part) for part in parts]
    assert model.scores(past, NOW)[users, items] == pytest.approx(parts.sum(axis=1), rel=1e-4, abs=1e-5)


def test_als_solves_the_equations_of_the_paper() -> None:
    past = planted(5, n_users=9, n_items=N, n_plays=60)
    model = als()
    y = model.item_factors.astype(np.float64)
    rows = past.matrix(N, now=NOW, half_life_days=20).toarray().astype(np.float64)
    for user, row in enumerate(rows):
        confidence = np.diag(1 + 2.0 * row)
        a = y.T @ confidence @ y + 0.1 * np.count_nonzero(row) * np.eye(4)
        x = np.linalg.inv(a) @ y.T @ confidence @ (row > 0)
        assert model.scores(past, NOW)[user] == pytest.approx(y @ x, rel=1e-4, abs=1e-5)
        # The parts of section 5: y_i' A^-1 y_j c_j for each own item j.
        for item in range(N):
            parts = np.where(row > 0, (y @ np.linalg.inv(a) @ y[item]) * np.diag(confidence), 0)
            assert parts.sum() == pytest.approx(y[item] @ x)
            assert reasons_of(model, past, np.array([user]), np.array([item])) == [strongest(parts)]


def test_als_has_no_opinion_on_a_user_without_plays() -> None:
    nobody = histories(2, [])
    assert als().scores(nobody, NOW).tolist() == [[0] * N] * 2
    assert reasons_of(als(), nobody, np.array([1]), np.array([0])) == [[]]


MODELS: list[tuple[str, Callable[[Histories], Model]]] = [
    ("popular", lambda past: Popular(popularity(past, N, now=NOW, half_life_days=20))),
    (
        "popular_in_favourite_groups",
        lambda past: PopularInGroups(np.arange(N), csr_array((N, past.favourites.shape[1]), dtype=np.bool_)),
    ),
    ("own_plays", lambda past: OwnPlays(N, 20)),
    ("last_played", lambda past: LastPlayed(N)),
    ("ease", fitted),
    ("als", lambda past: als()),
]


@pytest.mark.parametrize(("name", "made"), MODELS, ids=[name for name, _ in MODELS])
@pytest.mark.parametrize("size", [1, 2, 7, 299])
def test_a_score_does_not_depend_on_who_else_is_in_the_block(
    name: str, made: Callable[[Histories], Model], size: int
) -> None:
    past = planted(11, n_users=300, n_items=N, n_plays=2000)
    model = made(past)
    assert model.name == name
    whole = model.scores(past, NOW)
    assert (whole.dtype, whole.shape) == (np.float32, (300, N))
    for first in range(0, 300, size if size > 7 else 60):
        users = np.arange(first, min(first + size, 300))
        part = past.of_users(users)
        assert (model.scores(part, NOW) == whole[users]).all()
        rows, items = everyone(part)
        assert reasons_of(model, part, rows, items) == reasons_of(model, past, users[rows], items)


@pytest.mark.parametrize(("name", "made"), MODELS, ids=[name for name, _ in MODELS])
def test_a_model_takes_hard_cases(name: str, made: Callable[[Histories], Model]) -> None:
    cases = {
        "one user": histories(1, [(0, 3, 1)]),
        "a user who played everything": histories(2, [(0, item, 1) for item in range(N)]),
        "no plays": histories(2, []),
        "no users": histories(1, []).of_users(np.array([], np.int64)),
        "an item that all play": histories(4, [(user, 0, 1) for user in range(4)]),
        "all plays at one moment": histories(2, [(user, item, 0) for user in range(2) for item in range(6)]),
        "a play of weight 0": histories(1, [(0, 0, 1, 0.0)]),
    }
    for case, past in cases.items():
        model = made(past)
        scores = model.scores(past, NOW)
        assert scores.shape == (past.n_users, N), case
        assert np.isfinite(scores).all(), case
        lists = top(scores, allowed_discover(past, catalogue(N)), 5)
        reasons = reasons_of(model, past, lists.user, lists.item)
        assert len(reasons) == len(lists.user), case
        heard = past.heard(N)
        assert all(heard[user, item] for user, own in zip(lists.user, reasons, strict=True) for item in own), case


def test_ease_finds_planted_tastes_that_popularity_cannot_tell() -> None:
    # Users and items of two tastes: what a user of one of them is recommended is of it, as far as it has items left.
    past = planted(1, n_users=200, n_items=40, n_plays=3000, tastes=2)
    matrix = past.matrix(40, now=NOW, half_life_days=None, power=0)
    model = Ease(solve(gram(matrix), 20.0), None, 0)
    lists = top(model.scores(past, NOW), allowed_discover(past, catalogue(40)), 3)
    assert len(lists.user) > 500
    assert (lists.user % 2 == lists.item % 2).all()
    own = reasons_of(model, past, lists.user, lists.item)
    assert all(item % 2 == user % 2 for user, because in zip(lists.user, own, strict=True) for item in because)
    popular = Popular(popularity(past, 40, now=NOW, half_life_days=None))
    lists = top(popular.scores(past, NOW), allowed_discover(past, catalogue(40)), 3)
    assert (lists.user % 2 == lists.item % 2).mean() < 0.5


def test_a_play_of_the_day_outweighs_one_of_last_month() -> None:
    past = histories(1, [(0, 0, 30), (0, 0, 30), (0, 1, 1)])
    [[old, new]] = OwnPlays(2, 7).scores(past, NOW).tolist()
    assert new > old
    [[old, new]] = OwnPlays(2, 7).scores(past, NOW + 700 * DAY).tolist()
    assert new > old
