"""The charts of runs, as specs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import altair
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.observe.charts import charts
from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import Outcome, RunSummary
from lib.observe.vega import COLOURS, GREY, MARKS
from tests.suite_parts import examples

DAY_0 = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
A, B, C, D, E = (f"2026-01-0{day} 01:30:00 {name}" for day, name in enumerate("abcde", 1))
Spec = dict[str, Any]


def run(run_id: str, day: int, outcome: Outcome = Outcome.PUBLISHED) -> RunSummary:
    at = DAY_0 + timedelta(days=day)
    return RunSummary(run_id, "demo", at, at + timedelta(seconds=20), outcome, 0, None)


RUNS = (run("a", 0), run("b", 1, Outcome.KILLED), run("c", 2), run("d", 3), run("e", 4))


def one(metric: Metric, value: float, table: str | None = None, label: str | None = None) -> Measurement:
    return Measurement(Series(metric, table, label), value)


def odd(metric: Metric, value: float, table: str | None) -> Measurement:
    return Measurement(Series(metric, table), value, 5.0, 10.0, 9.0, is_anomaly=True)


def spec_of(name: str, measured: dict[str, Sequence[Measurement]], runs: Sequence[RunSummary] = RUNS) -> Spec:
    [chart] = [chart for chart in charts(runs, measured) if chart.name == name]
    assert chart.spec is not None
    return chart.spec


def points(spec: Spec) -> list[tuple[Any, ...]]:
    return [(one["run"], one["series"], one["start"], one["end"], one["said"]) for one in spec["datasets"]["points"]]


def encodings(spec: Spec) -> list[Spec]:
    layers = [*spec["layer"], *(inner for layer in spec["layer"] for inner in layer.get("layer", ()))]
    return [layer["encoding"] for layer in layers if "encoding" in layer]


def test_there_is_a_chart_for_each_thing_that_was_measured_and_none_for_what_was_not() -> None:
    assert charts(RUNS, {}) == []
    assert charts((), {}) == []
    measured = {
        "a": [
            *(one(Metric.ROWS, 5, "tracks"), one(Metric.STEP_SECONDS, 1, None, "plan")),
            *(one(Metric.REJECTED, 0, "tracks"), one(Metric.DUPLICATES, 0, "tracks")),
            *(one(Metric.ORPHANS, 0, "tracks", "x"), one(Metric.LATENCY, 0.1, "tracks", "p50")),
        ]
    }
    names = [chart.name for chart in charts(RUNS, measured)]
    assert names == ["rows", "seconds", "rejected", "duplicates", "orphans", "latency"]
    assert [chart.name for chart in charts(RUNS, {"a": [one(Metric.ROWS, 5, "tracks")]})] == ["rows"]


def test_every_run_has_a_column_in_order_with_or_without_a_measurement() -> None:
    spec = spec_of("rows", {"c": [one(Metric.ROWS, 5, "tracks")]})
    assert spec["encoding"]["x"]["scale"]["domain"] == [A, B, C, D, E]
    assert points(spec) == [(C, "tracks", 0, 5, "5 rows")]


def test_every_run_has_the_mark_of_its_outcome_what_went_wrong_on_top() -> None:
    spec = spec_of("rows", {"a": [one(Metric.ROWS, 5, "tracks")]})
    assert spec["datasets"]["runs"] == [
        {"run": A, "outcome": "published"},
        *({"run": run, "outcome": "published"} for run in (C, D, E)),
        {"run": B, "outcome": "killed"},
    ]
    [marks] = [encoding for encoding in encodings(spec) if "shape" in encoding]
    assert marks["color"]["scale"]["domain"] == marks["shape"]["scale"]["domain"] == [one.value for one in Outcome]


def test_each_outcome_has_a_shape_of_its_own() -> None:
    assert set(MARKS) == set(Outcome)
    assert len({mark.path for mark in MARKS.values()}) == len(Outcome)


def test_steps_are_a_stack_each_from_where_the_one_below_ends() -> None:
    steps = [
        one(Metric.STEP_SECONDS, seconds, None, step) for step, seconds in (("plan", 0.5), ("merge", 4), ("check", 2))
    ]
    assert points(spec_of("seconds", {"a": steps, "c": [one(Metric.STEP_SECONDS, 3, None, "merge")]})) == [
        (A, "check", 0, 2, "2.00 s"),
        (A, "merge", 2, 6, "4.00 s"),
        (A, "plan", 6, 6.5, "500 ms"),
        (C, "merge", 0, 3, "3.00 s"),
    ]


def test_rows_of_one_series_are_added_up() -> None:
    twice = [one(Metric.ORPHANS, 2, "x", None), one(Metric.ORPHANS, 3, "x", None)]
    assert points(spec_of("orphans", {"a": twice})) == [(A, "x", 0, 5, "5 rows")]
    by_reference = [one(Metric.ORPHANS, 2, "x", "user_id"), one(Metric.ORPHANS, 3, "x", "items[]")]
    assert [point[1:4] for point in points(spec_of("orphans", {"a": by_reference}))] == [
        ("x: items[]", 0, 3),
        ("x: user_id", 3, 5),
    ]


def test_the_latency_is_that_of_the_slowest_table_and_names_it() -> None:
    measured = [
        *(one(Metric.LATENCY, 0.25, "tracks", "p50"), one(Metric.LATENCY, 0.5, "users", "p50")),
        one(Metric.LATENCY, 2, "tracks", "p99"),
    ]
    assert points(spec_of("latency", {"a": measured})) == [
        (A, "p50", 0, 0.5, "500 ms (users)"),
        (A, "p99", 0, 2, "2.00 s (tracks)"),
    ]


def test_what_is_odd_is_marked_where_it_is_and_says_what_was_expected() -> None:
    measured = {"a": [odd(Metric.REJECTED, 40, "users"), one(Metric.REJECTED, 2, "tracks")]}
    spec = spec_of("rejected", measured)
    [marked] = spec["datasets"]["anomalies"]
    assert (marked["run"], marked["end"]) == (A, 42)
    assert marked["anomalies"] == "quality.rejected_rows of users: 40 rows, expected 5 to 10 rows"
    assert spec_of("rejected", {"a": measured["a"][1:]})["datasets"]["anomalies"] == []


def test_an_odd_table_is_marked_though_another_one_is_slower() -> None:
    measured = [odd(Metric.LATENCY, 20, "users"), one(Metric.LATENCY, 30, "tracks")]
    [marked] = spec_of("latency", {"a": measured})["datasets"]["anomalies"]
    assert marked["anomalies"] == "copy.latency_seconds of users: 20 s, expected 5.00 s to 10 s"


def test_more_series_than_colours_are_the_greatest_and_the_others_together() -> None:
    many = [one(Metric.REJECTED, 2.0**n, f"t{n}") for n in range(10)]
    spec = spec_of("rejected", {"a": many})
    found = {series: end - start for _, series, start, end, _ in points(spec)}
    # 1, 2 and 4 together; 8 to 512 by themselves.
    assert found == {"all others": 7, **{f"t{n}": 2**n for n in range(3, 10)}}
    [colour] = [encoding["color"]["scale"] for encoding in encodings(spec) if "y2" in encoding]
    assert colour["domain"][-1] == "all others"
    assert colour["range"] == [*COLOURS[:7], GREY]


def test_as_many_series_as_colours_are_shown_one_by_one() -> None:
    exactly = [one(Metric.REJECTED, 1, f"t{n}") for n in range(8)]
    assert [point[1] for point in points(spec_of("rejected", {"a": exactly}))] == [f"t{n}" for n in range(8)]


@pytest.mark.parametrize(("small", "is_logarithmic"), [(1, True), (0, True), (2, False)])
def test_rows_of_unlike_tables_are_on_a_logarithmic_scale(small: float, *, is_logarithmic: bool) -> None:
    measured = {"a": [one(Metric.ROWS, 15, "large"), one(Metric.ROWS, small, "small")]}
    [chart] = charts(RUNS, measured)
    assert chart.spec is not None
    scales = [encoding["y"]["scale"] for encoding in encodings(chart.spec) if "field" in encoding.get("y", {})]
    assert scales
    assert {scale.get("type") for scale in scales} == {"symlog" if is_logarithmic else None}
    assert chart.says.endswith("Logarithmic.") == is_logarithmic


def test_where_all_is_zero_a_sentence_says_so_and_nothing_is_drawn() -> None:
    [chart] = charts(RUNS, {"a": [one(Metric.REJECTED, 0, "tracks")], "b": [one(Metric.REJECTED, 0, "users")]})
    assert (chart.says, chart.spec, chart.numbers) == ("Landed rows in quarantine, by table. All are 0.", None, ())


def test_zeros_of_which_one_is_an_anomaly_are_drawn_on_a_scale() -> None:
    spec = spec_of("rejected", {"a": [odd(Metric.REJECTED, 0, "tracks")]})
    assert [encoding["y"]["scale"]["domain"] for encoding in encodings(spec) if "y2" in encoding] == [[0, 1]]


def test_of_fewer_than_five_runs_there_are_numbers_and_no_chart() -> None:
    measured = {
        "a": [one(Metric.LATENCY, 0.25, "tracks", "p50"), one(Metric.LATENCY, 0.5, "users", "p50")],
        "c": [one(Metric.LATENCY, 2, "tracks", "p99"), odd(Metric.REJECTED, 40, "users")],
    }
    rejected, latency = charts(RUNS[:4], measured)
    days = ("01-01 01:30", "01-02 01:30", "01-03 01:30", "01-04 01:30")
    assert (rejected.spec, latency.spec) == (None, None)
    assert rejected.heads == latency.heads == days
    assert rejected.numbers == (("users", ("", "", "40 (anomaly)", "")),)
    assert latency.numbers == (("p50", ("500 ms", "", "", "")), ("p99", ("", "", "2.00 s", "")))
    assert all(chart.spec and not chart.numbers for chart in charts(RUNS, measured))


def test_what_is_counted_has_whole_numbers_on_its_axis_and_times_have_their_unit() -> None:
    def axis(name: str, measured: Measurement) -> Spec:
        [found] = {
            json.dumps(one["y"]["axis"])
            for one in encodings(spec_of(name, {"a": [measured]}))
            if "axis" in one.get("y", {})
        }
        axis: Spec = json.loads(found)
        return axis

    assert axis("rejected", one(Metric.REJECTED, 2, "tracks"))["values"] == [0, 1, 2]
    assert "values" not in axis("rejected", one(Metric.REJECTED, 6, "tracks"))
    assert axis("latency", one(Metric.LATENCY, 0.08, None, "p50"))["labelExpr"].endswith("+ ' ms'")
    assert axis("latency", one(Metric.LATENCY, 2, None, "p50"))["labelExpr"].endswith("+ ' s'")
    assert axis("coverage", one(Metric.COVERAGE, 0.5, None, "discover"))["labelExpr"] == "format(datum.value, '~g')"


def test_the_time_of_day_is_on_the_axis_where_a_day_has_several_runs() -> None:
    measured = {"a": [one(Metric.ROWS, 5, "tracks")]}
    assert spec_of("rows", measured)["encoding"]["x"]["axis"]["labelExpr"] == "slice(datum.label, 0, 10)"
    twice = (*RUNS, RunSummary("f", "demo", DAY_0 + timedelta(hours=5), None, Outcome.RUNNING, None, None))
    assert spec_of("rows", measured, twice)["encoding"]["x"]["axis"]["labelExpr"] == "slice(datum.label, 5, 16)"


def test_a_bar_is_at_most_forty_pixels_wide() -> None:
    spec = spec_of("rejected", {"a": [one(Metric.REJECTED, 2, "tracks")]})
    [bar] = [layer["mark"] for layer in spec["layer"] if layer.get("mark", {}).get("type") == "bar"]
    assert bar["width"] == {"expr": "min(40, 0.85 * bandwidth('x'))"}


def test_no_run_is_shown_that_was_not_asked_for() -> None:
    assert charts(RUNS, {"of another time": [one(Metric.ROWS, 5, "tracks")]}) == []


DRAWN = (Metric.ROWS, Metric.STEP_SECONDS, Metric.REJECTED, Metric.ORPHANS, Metric.LATENCY)
METRICS = st.sampled_from(DRAWN)
NAMES = st.sampled_from([None, "", "x", "all others", "</script>", "a.b[0]\\", "é '\""])
VALUES = st.floats(0, 1e12, allow_nan=False)
MEASURED = st.builds(
    Measurement,
    st.builds(Series, METRICS, NAMES, NAMES),
    VALUES,
    *(st.one_of(st.none(), VALUES) for _ in range(3)),
    st.booleans(),
)


@settings(max_examples=examples(100))
@given(st.dictionaries(st.sampled_from("abc"), st.lists(MEASURED, max_size=12)))
def test_whatever_was_measured_a_spec_is_json_and_loses_nothing(measured: dict[str, list[Measurement]]) -> None:
    found = [one for ones in measured.values() for one in ones]
    by_name = dict(zip(("rows", "seconds", "rejected", "orphans", "latency"), DRAWN, strict=True))
    for chart in charts(RUNS, measured):
        if chart.spec is None:
            assert not any(one.value or one.is_anomaly for one in found if one.series.metric is by_name[chart.name])
            continue
        json.dumps(chart.spec, allow_nan=False)
        shown = chart.spec["datasets"]["points"]
        assert len({(point["run"], point["series"]) for point in shown}) == len(shown)
        if chart.name == "rejected":
            whole = sum(one.value for one in found if one.series.metric is Metric.REJECTED)
            assert sum(point["end"] - point["start"] for point in shown) == pytest.approx(whole)


@pytest.mark.parametrize(
    "measured",
    [
        [one(Metric.ROWS, 5000, "large"), odd(Metric.ROWS, 1, "small")],
        [one(Metric.STEP_SECONDS, 5, None, "plan"), odd(Metric.STEP_SECONDS, 20, None)],
    ],
)
def test_a_spec_is_vega_lite(measured: list[Measurement]) -> None:
    """Altair checks it against the schema."""
    [chart] = charts(RUNS, {"a": measured})
    assert chart.spec is not None
    altair.Chart.from_dict(json.loads(json.dumps(chart.spec)))
    with pytest.raises(jsonschema.ValidationError):
        altair.Chart.from_dict({**chart.spec, "layer": [{"mark": "no such mark"}]})
