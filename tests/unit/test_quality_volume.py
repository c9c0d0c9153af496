"""How many rows are plausible after what the last runs brought. All bounds are worked out by hand."""

from __future__ import annotations

from lib.quality.volume import plausible_rows, plausible_volume


def test_four_runs_say_nothing_yet() -> None:
    assert plausible_rows([1000, 1000, 1000, 1000]) is None
    assert plausible_volume({"a": 1000, "b": 1000, "c": 1000, "d": 1000}) == []
    assert plausible_rows([]) is None


def test_after_steady_runs_a_fifth_more_or_less_is_plausible() -> None:
    assert plausible_rows([1000, 1000, 1000, 1000, 1000]) == (800, 1200)
    # Median 1000; deviations 0, 1, 1, 2, 2, so the MAD is 1 and three scaled ones are 4.4478, less than a fifth.
    assert plausible_rows([998, 999, 1000, 1001, 1002]) == (800, 1200)


def test_half_of_the_rows_is_a_surprise_after_steady_runs() -> None:
    bounds = plausible_rows([2000, 2001, 2000, 1999, 2000, 2000])
    assert bounds == (1600, 2400)
    assert not bounds[0] <= 1000 <= bounds[1]


def test_a_table_that_grows_may_grow_on() -> None:
    # Median 1200; deviations 200, 100, 0, 100, 200: MAD 100, and 1200 -+ 3 * 1.4826 * 100 is 755.22 to 1644.78.
    bounds = plausible_rows([1000, 1100, 1200, 1300, 1400])
    assert bounds == (755, 1645)
    assert bounds[0] <= 1500 <= bounds[1]


def test_one_odd_run_among_steady_ones_changes_nothing() -> None:
    assert plausible_rows([1000, 1000, 10, 1000, 1000, 1000]) == (800, 1200)


def test_only_the_last_fourteen_runs_count() -> None:
    assert plausible_rows([10] * 30 + [1000] * 14) == (800, 1200)


def test_a_table_that_was_always_empty_is_plausibly_empty() -> None:
    assert plausible_rows([0, 0, 0, 0, 0]) == (0, 0)


def test_no_table_can_have_fewer_than_no_rows() -> None:
    # Median 10; deviations 9, 8, 0, 8, 9: MAD 8, and three scaled ones are 35.58.
    assert plausible_rows([1, 2, 10, 18, 19]) == (0, 46)


def test_the_expectation_warns_and_says_from_which_runs_it_is() -> None:
    [expectation] = plausible_volume({f"run-{number}": 1000 for number in range(1, 17)})
    assert expectation["type"] == "expect_table_row_count_to_be_between"
    assert expectation["kwargs"] == {"min_value": 800, "max_value": 1200}
    assert expectation["severity"] == "warning"
    assert "the last 14 published runs" in expectation["notes"]
    assert "run-3 to run-16, median 1,000" in expectation["notes"]
