"""Differences with their intervals, and the rule of promotion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.config.derivations import ListName
from lib.recommend import comparison
from lib.recommend.comparison import Gate, Interval, Judgement, Rules, bootstrap, judge
from lib.recommend.ease import gram, popularity, solve
from lib.recommend.evaluate import BlockResult, evaluate_block
from lib.recommend.histories import DAY, Histories
from lib.recommend.models import Ease, LastPlayed, OwnPlays, Popular
from tests.plays import NOW, catalogue, planted

SPLIT = NOW - 7 * DAY
RULES = Rules(margin=0.005, min_coverage=0.05, min_served=0.95)
BETTER = Interval(0.02, 0.01, 0.03, 500, 0.99)


def decided(
    over_baseline: Interval = BETTER,
    over_champion: Interval | None = BETTER,
    *,
    coverage: float = 0.3,
    served: float = 1.0,
) -> Judgement:
    return judge(
        RULES,
        baseline="popular",
        over_baseline=over_baseline,
        champion=None if over_champion is None else "v3",
        over_champion=over_champion,
        coverage=coverage,
        served=served,
    )


def failed(decision: Judgement) -> list[Gate]:
    return [reason.gate for reason in decision.reasons if not reason.passed]


def test_the_interval_of_a_difference_that_all_users_share_has_no_width() -> None:
    assert bootstrap(np.full(50, 0.25), seed=1) == Interval(0.25, 0.25, 0.25, 50, 0.99)


def test_the_interval_is_that_of_the_normal_approximation_where_users_are_many() -> None:
    # The standard error of the mean of 10,000 values with a deviation of 1 is 0.01; 95 % is 1.96 of it on each side.
    difference = np.random.default_rng(5).normal(0.1, 1, 10_000)
    found = bootstrap(difference, seed=1, level=0.95)
    assert found.mean == difference.mean()
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((0.0196, 0.0196), rel=0.1)
    half = bootstrap(difference, seed=1, level=0.5)
    assert half.high - half.low == pytest.approx(2 * 0.00674, rel=0.1)


def test_an_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    found = [bootstrap(random.exponential(1, 100), seed=3, rounds=400, level=0.95) for _ in range(200)]
    # 95 % of 200 are 190; skewness costs some.
    assert 175 <= sum(interval.low <= 1 <= interval.high for interval in found) <= 199


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    difference = np.random.default_rng(5).normal(0, 1, 100)
    assert bootstrap(difference, seed=1) == bootstrap(difference, seed=1)
    assert bootstrap(difference, seed=1) != bootstrap(difference, seed=2)


def test_draws_in_parts_give_an_interval_of_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    difference = np.random.default_rng(5).normal(0, 1, 1000)
    whole = bootstrap(difference, seed=1)
    monkeypatch.setattr(comparison, "_DRAWS", 1)
    parts = bootstrap(difference, seed=1)
    assert parts.high - parts.low == pytest.approx(whole.high - whole.low, rel=0.1)


def test_without_users_nothing_is_known() -> None:
    nobody = bootstrap(np.zeros(0), seed=1)
    assert nobody == Interval(0, 0, 0, 0, 0.99)
    decision = decided(nobody, None)
    assert not decision.promoted
    assert failed(decision) == [Gate.USERS, Gate.BASELINE]
    assert decision.reasons[0].sentence == "0 users were evaluated; at least 30 are needed."


def test_one_user_promotes_nothing_however_clear_the_difference() -> None:
    assert failed(decided(bootstrap(np.array([0.9]), seed=1), None)) == [Gate.USERS]


def test_a_candidate_that_passes_all_gates_is_promoted() -> None:
    decision = decided()
    assert decision.promoted
    assert [reason.gate for reason in decision.reasons] == [
        Gate.USERS,
        Gate.BASELINE,
        Gate.CHAMPION,
        Gate.COVERAGE,
        Gate.SERVED,
    ]
    assert [reason.sentence for reason in decision.reasons] == [
        "500 users were evaluated; at least 30 are needed.",
        "NDCG@10 is 0.0200 above that of popular (99% interval +0.0100 to +0.0300); the lower bound must be above 0.",
        "NDCG@10 is 0.0200 above that of the champion v3 (99% interval +0.0100 to +0.0300); "
        "the lower bound must not be below -0.0050.",
        "30.0% of the live items are in a list; at least 5.0% are needed.",
        "100.0% of the users got a full list; at least 95.0% are needed.",
    ]


def test_without_a_champion_only_the_baseline_and_the_gates_count() -> None:
    decision = decided(BETTER, None)
    assert decision.promoted
    assert Gate.CHAMPION not in [reason.gate for reason in decision.reasons]


@pytest.mark.parametrize(
    ("decision", "gates"),
    [
        (decided(replace(BETTER, users=29)), [Gate.USERS]),
        (decided(replace(BETTER, users=30)), []),
        (decided(replace(BETTER, low=0.0)), [Gate.BASELINE]),
        (decided(replace(BETTER, low=1e-9)), []),
        # A lower bound of exactly what may be lost is not below it.
        (decided(BETTER, replace(BETTER, low=-0.005)), []),
        (decided(BETTER, replace(BETTER, low=-0.0051)), [Gate.CHAMPION]),
        (decided(coverage=0.05), []),
        (decided(coverage=0.049), [Gate.COVERAGE]),
        (decided(served=0.95), []),
        (decided(served=0.94), [Gate.SERVED]),
        (
            decided(replace(BETTER, low=-0.1), replace(BETTER, low=-0.1), served=0),
            [Gate.BASELINE, Gate.CHAMPION, Gate.SERVED],
        ),
        (decided(replace(BETTER, low=np.nan)), [Gate.BASELINE]),
        (decided(coverage=np.nan), [Gate.COVERAGE]),
    ],
)
def test_each_gate_alone_keeps_what_there_is(decision: Judgement, gates: list[Gate]) -> None:
    assert failed(decision) == gates
    assert decision.promoted == (not gates)


def test_a_sentence_says_that_the_candidate_is_below() -> None:
    below = decided(Interval(-0.01, -0.02, 0.001, 40, 0.9), None).reasons[1]
    assert below.sentence.startswith("NDCG@10 is 0.0100 below that of popular (90% interval -0.0200 to +0.0010)")


def against(past: Histories, n: int, kind: ListName) -> BlockResult:
    """EASE and the decayed own plays beside the baselines, fitted on what was before the split."""
    trained = past.before(SPLIT)
    matrix = trained.matrix(n, now=SPLIT, half_life_days=None, power=0)
    models = {
        "popular": Popular(popularity(trained, n, now=SPLIT, half_life_days=30)),
        "frequency": OwnPlays(n, None),
        "recency": LastPlayed(n),
        "candidate": Ease(solve(gram(matrix), 50.0), None, 0) if kind == "discover" else OwnPlays(n, 14),
    }
    return evaluate_block(past, catalogue(n), models, kind, SPLIT, NOW)


def judged(result: BlockResult, seed: int) -> Judgement:
    """The decision without a champion: the better baseline and the gates."""
    ndcg = {name: found.ndcg for name, found in result.models.items()}
    baseline = max(("popular", "frequency", "recency"), key=lambda name: ndcg[name].mean())
    return judge(
        RULES,
        baseline=baseline,
        over_baseline=bootstrap(ndcg["candidate"] - ndcg[baseline], seed),
        champion=None,
        over_champion=None,
        coverage=result.coverage("candidate"),
        served=result.served("candidate"),
    )


@pytest.mark.parametrize("kind", ["discover", "again"])
@pytest.mark.parametrize("seed", range(20))
def test_plays_by_chance_promote_nothing(seed: int, kind: ListName) -> None:
    result = against(planted(seed, n_users=300, n_items=100, n_plays=6000), 100, kind)
    decision = judged(result, seed)
    assert len(result.users) > 30
    assert not decision.promoted
    assert Gate.BASELINE in failed(decision)


def test_where_no_item_is_better_than_another_luck_passes_as_seldom_as_the_level_says() -> None:
    # Candidate and baseline are equally good, so one in 200 has a lower bound above 0; that two of 20 have it is one case in 200.
    lucky = [
        seed
        for seed in range(20)
        if judged(
            against(planted(seed, n_users=300, n_items=100, n_plays=6000, exponent=0), 100, "discover"), seed
        ).promoted
    ]
    assert len(lucky) <= 1


def test_planted_tastes_are_promoted() -> None:
    result = against(planted(1, n_users=300, n_items=200, n_plays=6000, tastes=4), 200, "discover")
    decision = judged(result, 1)
    assert decision.promoted, decision.reasons
