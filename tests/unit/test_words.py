"""Measurements in words."""

from __future__ import annotations

import pytest

from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.words import amount, anomaly, expected, plain, said


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (2001.0, "{row}", "2,001 rows"),
        (1.0, "{row}", "1 row"),
        (0.0, "{row}", "0 rows"),
        (1600.8, "{row}", "1,601 rows"),
        (2.5, "{row}", "2.5 rows"),
        (1234.5, "{row}/s", "1,234 rows/s"),
        (3.0, "{call}", "3 calls"),
        (0.0, "s", "0 s"),
        (0.0042, "s", "4.2 ms"),
        (0.25, "s", "250 ms"),
        (1.254, "s", "1.25 s"),
        (24.6, "s", "25 s"),
        (119.0, "s", "119 s"),
        (120.0, "s", "2 minutes"),
        (150.0, "s", "2.5 minutes"),
        (3600.0, "s", "60 minutes"),
        (7200.0, "s", "2 hours"),
        (129_600.0, "s", "36 hours"),
        (172_800.0, "s", "2 days"),
        (28_700_000.0, "s", "332 days"),
        (999.0, "By", "999 B"),
        (1000.0, "By", "1.0 kB"),
        (3_140_000.0, "By", "3.1 MB"),
        (2_000_000_000.0, "By", "2.0 GB"),
        (1.0, "1", "1"),
        (0.0, "1", "0"),
        (0.14937, "1", "0.149"),
        (1.5, "1", "1.5"),
    ],
)
def test_an_amount_has_its_unit(value: float, unit: str, words: str) -> None:
    assert amount(value, unit) == words


def test_below_a_heading_only_sizes_and_times_keep_their_unit() -> None:
    units = {"{row}": "2,001", "{row}/s": "2,001", "1": "2,001", "s": "33 minutes", "By": "2.0 kB"}
    assert {unit: plain(2001.0, unit) for unit in units} == units


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1900.0, 2100.0, "1,900 to 2,100 rows"),
        (0.0, 0.0, "0 rows"),
        (None, 6.0, "up to 6 rows"),
        (5.0, None, "at least 5 rows"),
        (None, None, None),
    ],
)
def test_what_was_expected_is_said_only_of_what_was_judged(
    low: float | None, high: float | None, words: str | None
) -> None:
    assert expected(Measurement(Series(Metric.ROWS, "tracks"), 1.0, low, high)) == words


def test_an_odd_measurement_is_a_sentence() -> None:
    one = Measurement(Series(Metric.STEP_SECONDS, None, "merge"), 22.0, 0.9, 11.0, 7.0, is_anomaly=True)
    assert anomaly(one) == "copy.step_seconds of the run (step: merge): 22 s, expected 900 ms to 11 s"
    assert said(Measurement(Series(Metric.ROWS, "users"), 12.0)) == "12 rows"
