"""What is an anomaly after the runs before. Bounds are worked out by hand; the year-long series are made from a fixed seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.observe.anomalies import Past, judged
from lib.observe.metrics import Measurement, Metric, Series

MONDAY = datetime(2026, 1, 5, 2, tzinfo=UTC)
Shape = Callable[[int], float]


def day(number: int) -> datetime:
    return MONDAY + timedelta(days=number)


def runs(metric: Metric, values: Sequence[float], *, every_days: int = 1) -> list[Past]:
    series = Series(metric, "things")
    return [Past(day(n * every_days), (Measurement(series, value),)) for n, value in enumerate(values)]


def judge(metric: Metric, value: float, history: list[Past], at: datetime | None = None) -> Measurement:
    [found] = judged([Measurement(Series(metric, "things"), value)], at or day(len(history)), history)
    return found


def test_after_steady_runs_a_third_more_or_less_is_normal() -> None:
    # Median 1000, deviations of 10: 3.5 * 1.4826 * 10 is 51.9, less than 35 % of 1000. A deviation is then 350 / 3.5 = 100.
    history = runs(Metric.ROWS, [990, 1010] * 7)
    found = judge(Metric.ROWS, 500, history)
    assert (found.low, found.high) == pytest.approx((650, 1350))
    assert found.score == pytest.approx(-5)
    assert found.is_anomaly
    assert not judge(Metric.ROWS, 651, history).is_anomaly
    assert not judge(Metric.ROWS, 1349, history).is_anomaly
    assert judge(Metric.ROWS, 1351, history).is_anomaly


def test_a_series_that_moves_much_may_move_much() -> None:
    # Median 1000, all deviations 400: 1.4826 * 400 = 593.04, and 3.5 of them are 2075.64.
    history = runs(Metric.ROWS, [600, 1400] * 7)
    found = judge(Metric.ROWS, 3100, history)
    assert (found.low, found.high) == pytest.approx((0, 3075.64))
    assert found.score == pytest.approx(2100 / 593.04)
    assert found.is_anomaly
    assert not judge(Metric.ROWS, 3000, history).is_anomaly


def test_a_trend_goes_on() -> None:
    # 1000, 1010 ... 1130, so 1140 comes next; 35 % of it are 399.
    found = judge(Metric.ROWS, 1140, runs(Metric.ROWS, [1000 + 10 * n for n in range(14)]))
    assert (found.low, found.high) == pytest.approx((741, 1539))
    assert found.score == pytest.approx(0)


def test_a_saturday_is_compared_with_saturdays() -> None:
    # Four weeks of 1000, and 300 on Saturdays and Sundays. 35 % of 300 is 105, of 1000 it is 350.
    history = runs(Metric.ROWS, ([1000] * 5 + [300] * 2) * 4)
    saturday = judge(Metric.ROWS, 1000, history, day(33))
    assert (saturday.low, saturday.high) == pytest.approx((195, 405))
    assert saturday.is_anomaly
    wednesday = judge(Metric.ROWS, 300, history, day(30))
    assert (wednesday.low, wednesday.high) == pytest.approx((650, 1350))
    assert wednesday.is_anomaly


def test_two_weeks_with_their_weekends_are_enough_to_know_the_third_saturday() -> None:
    history = runs(Metric.ROWS, ([1000] * 5 + [300] * 2) * 2 + [1000] * 5)
    assert not judge(Metric.ROWS, 310, history, day(19)).is_anomaly
    assert judge(Metric.ROWS, 150, history, day(19)).is_anomaly


def test_on_a_first_or_second_saturday_nothing_is_odd() -> None:
    history = runs(Metric.ROWS, [1000] * 5 + [300] * 2 + [1000] * 5)
    found = judge(Metric.ROWS, 1, history, day(12))
    assert (found.low, found.high, found.score, found.is_anomaly) == (None, None, None, False)


def test_six_runs_say_nothing_yet_and_seven_on_one_weekday_do() -> None:
    history = runs(Metric.ROWS, [1000] * 7, every_days=7)
    assert judge(Metric.ROWS, 1, history[1:], day(49)).score is None
    assert judge(Metric.ROWS, 1, history, day(49)).is_anomaly


def test_one_of_a_kind_that_never_was_is_no_news_and_four_are() -> None:
    # Always 0: up to 3 rows are normal, and a deviation is 3 / 3.5.
    history = runs(Metric.MISSING, [0] * 14)
    found = judge(Metric.MISSING, 1, history)
    assert (found.low, found.high) == (0, 3)
    assert found.score == pytest.approx(3.5 / 3)
    assert [judge(Metric.MISSING, value, history).is_anomaly for value in (1, 3, 4)] == [False, False, True]


def test_a_step_of_a_tenth_of_a_second_may_take_two_seconds() -> None:
    history = runs(Metric.STEP_SECONDS, [0.1] * 14)
    assert [judge(Metric.STEP_SECONDS, value, history).is_anomaly for value in (0.4, 2.05, 2.2)] == [False, False, True]


def test_small_counts_may_vary_by_their_root() -> None:
    # Always 16: 3 + 3 * 4 = 15 more are normal; 35 % would be 5.6.
    found = judge(Metric.MISSING, 32, runs(Metric.MISSING, [16] * 14))
    assert found.high == pytest.approx(31)
    assert found.is_anomaly


@pytest.mark.parametrize(
    ("metric", "anomalies"),
    [
        (Metric.ROWS, [True, True]),  # either way is bad
        (Metric.REJECTED, [False, True]),  # more is bad
        (Metric.ROWS_A_SECOND, [True, False]),  # less is bad
        (Metric.UNCHANGED, [False, False]),  # neither is
    ],
)
def test_only_what_moves_the_bad_way_is_an_anomaly(metric: Metric, anomalies: list[bool]) -> None:
    history = runs(metric, [1000] * 14)
    found = [judge(metric, value, history) for value in (100, 10_000)]
    assert [one.is_anomaly for one in found] == anomalies
    assert all(one.score is not None and abs(one.score) > 3.5 for one in found)


def test_one_odd_run_does_not_move_what_is_normal() -> None:
    found = judge(Metric.ROWS, 1000, runs(Metric.ROWS, [1000] * 13 + [10] + [1000] * 13))
    assert (found.low, found.high) == pytest.approx((650, 1350))


def test_a_new_level_is_normal_after_it_held_for_most_of_the_runs() -> None:
    history = runs(Metric.ROWS, [1000] * 28 + [3000] * 15)
    assert judge(Metric.ROWS, 3000, history[:33]).is_anomaly
    assert not judge(Metric.ROWS, 3000, history).is_anomaly


def test_runs_that_started_later_do_not_count() -> None:
    history = runs(Metric.ROWS, [1000] * 14)
    assert judge(Metric.ROWS, 1000, history, day(5)).score is None
    before = judge(Metric.ROWS, 1000, [*history, *runs(Metric.ROWS, [5000] * 60)[15:]], day(14))
    assert before == judge(Metric.ROWS, 1000, history, day(14))
    assert before.high == pytest.approx(1350)


def test_each_series_has_its_own_history() -> None:
    series = Series(Metric.MISSING, "things", "name"), Series(Metric.MISSING, "things", "email")
    history = [Past(day(n), (Measurement(series[0], 0), Measurement(series[1], 100))) for n in range(14)]
    found = judged([Measurement(series[1], 90), Measurement(series[0], 90)], day(14), history)
    assert [(one.series.label, one.is_anomaly) for one in found] == [("email", False), ("name", True)]


def test_a_value_that_is_no_number_is_passed_over() -> None:
    history = runs(Metric.ROWS, [1000, math.nan] * 14)
    assert judge(Metric.ROWS, 1000, history).low == pytest.approx(650)
    assert judge(Metric.ROWS, math.nan, history).score is None


def _weekend(number: int) -> bool:
    return day(number).weekday() >= 5


SHAPES: dict[str, Shape] = {
    "steady": lambda _: 1000,
    "1 % a day": lambda n: 1000 * (1 + 0.01 * n),
    "2 % a day": lambda n: 1000 * (1 + 0.02 * n),
    "weekend dips": lambda n: 300 if _weekend(n) else 1000,
    "slight weekend dips": lambda n: 800 if _weekend(n) else 1000,
    "nothing on weekends": lambda n: 0 if _weekend(n) else 1000,
    "weekend dips and 2 % a day": lambda n: (300 if _weekend(n) else 1000) * (1 + 0.02 * n),
}


def year(metric: Metric, shape: Shape, noise: Callable[[random.Random, float], float], seed: int) -> list[Past]:
    generator = random.Random(seed)
    return runs(metric, [max(0, noise(generator, shape(n))) for n in range(365)])


def alarms(history: list[Past]) -> list[int]:
    return [
        n
        for n, past in enumerate(history)
        if judged(past.measured, past.started_at, history[max(0, n - 60) : n])[0].is_anomaly
    ]


def _five_percent(generator: random.Random, value: float) -> float:
    return round(generator.gauss(value, 0.05 * value))


def _skewed(generator: random.Random, value: float) -> float:
    return value * generator.lognormvariate(0, 0.25)


def _poisson(generator: random.Random, value: float) -> float:
    return sum(generator.random() < value / 1000 for _ in range(1000))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_a_year_of_normal_volumes_has_no_alarm(name: str, seed: int) -> None:
    assert alarms(year(Metric.ROWS, SHAPES[name], _five_percent, seed)) == []


@pytest.mark.parametrize("seconds", [0.1, 1, 30])
def test_a_year_of_normal_durations_has_no_alarm(seconds: float) -> None:
    assert alarms(year(Metric.STEP_SECONDS, lambda _: seconds, _skewed, seed=4)) == []


@pytest.mark.parametrize("count", [0.3, 4, 50])
def test_a_year_of_normal_counts_of_rare_things_has_no_alarm(count: float) -> None:
    assert alarms(year(Metric.MISSING, lambda _: count, _poisson, seed=5)) == []


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "nothing on weekends"])
def test_half_of_the_volume_is_an_alarm_on_any_day(name: str) -> None:
    history = year(Metric.ROWS, SHAPES[name], _five_percent, seed=6)
    quiet = [
        n for n in range(28, 365) if not judge(Metric.ROWS, SHAPES[name](n) / 2, history[:n][-60:], day(n)).is_anomaly
    ]
    assert quiet == []


def test_twice_as_many_missing_values_are_an_alarm_on_any_day() -> None:
    history = year(Metric.MISSING, lambda _: 200, _poisson, seed=7)
    assert all(judge(Metric.MISSING, 400, history[:n][-60:], day(n)).is_anomaly for n in range(14, 365))


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_step_that_takes_ten_times_as_long_is_an_alarm_on_any_day(seconds: float) -> None:
    history = year(Metric.STEP_SECONDS, lambda _: seconds, _skewed, seed=8)
    assert all(judge(Metric.STEP_SECONDS, 10 * seconds, history[:n][-60:], day(n)).is_anomaly for n in range(14, 365))


LARGE = st.lists(st.integers(10**7, 10**9), min_size=7, max_size=40)


@given(values=LARGE, power=st.integers(0, 8), value=st.integers(10**7, 10**9))
def test_another_scale_gives_the_same_score(values: list[int], power: int, value: int) -> None:
    scale = 2**power  # a power of two, so that nothing is rounded otherwise
    one = judge(Metric.BYTES, value, runs(Metric.BYTES, values), day(42))
    other = judge(Metric.BYTES, value * scale, runs(Metric.BYTES, [scale * x for x in values]), day(42))
    assert (one.score, one.is_anomaly) == (other.score, other.is_anomaly)


@given(values=st.lists(st.integers(10**6, 11 * 10**5), min_size=7, max_size=13), by=st.integers(0, 10**6))
def test_a_series_that_is_shifted_has_its_bounds_around_the_shifted_middle(values: list[int], by: int) -> None:
    found = [
        judge(Metric.ROWS, 0, runs(Metric.ROWS, [x + shift for x in values], every_days=7), day(91))
        for shift in (0, by)
    ]
    middles = [((one.low or 0) + (one.high or 0)) / 2 for one in found]
    assert middles[1] - middles[0] == pytest.approx(by, abs=1e-3)


@given(values=st.lists(st.integers(0, 10**6), min_size=14, max_size=40), data=st.data())
def test_the_order_in_which_the_history_is_given_does_not_matter(values: list[int], data: st.DataObject) -> None:
    history = runs(Metric.ROWS, values)
    assert judge(Metric.ROWS, 5, data.draw(st.permutations(history))) == judge(Metric.ROWS, 5, history)


@given(values=st.lists(st.floats(0, 1e12), max_size=40), value=st.floats(0, 1e12))
def test_bounds_are_ordered_and_odd_means_outside_of_them(values: list[float], value: float) -> None:
    found = judge(Metric.ROWS, value, runs(Metric.ROWS, values))
    if found.low is None or found.high is None:
        assert (found.high, found.score, found.is_anomaly) == (None, None, False)
    else:
        assert 0 <= found.low <= found.high
        assert found.is_anomaly == (not found.low <= value <= found.high)
