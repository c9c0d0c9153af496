"""Measurements in words: with their unit, and beside what their own history makes plausible."""

from __future__ import annotations

from lib.observe.metrics import Measurement

_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_DURATIONS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))
# Numbers of this size are told without a fraction.
_WHOLE_FROM = 100


def amount(value: float, unit: str) -> str:
    """A value with its unit (UCUM, as metrics have it): `2,001 rows`, `1.25 s`, `40 ms`, `332 days`, `3.1 MB`."""
    if unit == "s":
        return _seconds(value)
    if unit == "By":
        size, name = next(((size, name) for size, name in _BYTES if abs(value) >= size), (1.0, "B"))
        return f"{value / size:,.1f} {name}" if size > 1 else f"{value:,.0f} B"
    if unit == "1":
        return f"{value:.3g}" if abs(value) < 1 else _number(value)
    thing, _, per = unit.partition("/")
    things = thing.strip("{}") + ("" if value == 1 else "s")
    return f"{_number(value)} {things}{f'/{per}' if per else ''}"


def plain(value: float, unit: str) -> str:
    """A value where a heading says what is counted: `2,001`; seconds and bytes keep their unit."""
    return amount(value, unit) if unit in ("s", "By", "1") else _number(value)


def expected(one: Measurement) -> str | None:
    """What was plausible: `1,900 to 2,100 rows`. None for a measurement that was not judged."""
    unit = one.series.metric.about.unit
    if one.low is None:
        return None if one.high is None else f"up to {amount(one.high, unit)}"
    if one.high is None:
        return f"at least {amount(one.low, unit)}"
    if one.low == one.high:
        return amount(one.low, unit)
    return f"{plain(one.low, unit)} to {amount(one.high, unit)}"


def anomaly(one: Measurement) -> str:
    """An anomaly as a sentence's part: `copy.rows of tracks: 12 rows, expected 1,900 to 2,100 rows`."""
    return f"{one.series}: {said(one)}"


def said(one: Measurement) -> str:
    """The value, and what was plausible if it was judged."""
    value, plausible = amount(one.value, one.series.metric.about.unit), expected(one)
    return value if plausible is None else f"{value}, expected {plausible}"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    if abs(value) < 1:
        return f"{value * 1000:,.{0 if abs(value) >= 0.01 else 1}f} ms"
    for size, name in _DURATIONS:
        # From two of a unit on, so that no unit stands in the singular.
        if abs(value) >= 2 * size:
            return f"{value / size:,.{0 if abs(value) >= 10 * size else 1}f}".removesuffix(".0") + f" {name}"
    return f"{value:,.{2 if abs(value) < 10 else 0}f} s"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= _WHOLE_FROM else f"{value:,.1f}"
