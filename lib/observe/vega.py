"""A chart of runs as a Vega-Lite spec: a column for each run, with the mark of its outcome above.

The specs are plain data, written by hand: Altair checks each one against its schema, which takes 0.1 s a chart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.observe.outcome import Outcome

Spec = dict[str, Any]
# The palette of Okabe and Ito, made for all kinds of colour vision; their black is grey here, to be seen on a dark page too.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, GREY = "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, GREY)
_DASHES = ((1, 0), (6, 3), (2, 2), (10, 3), (8, 2, 2, 2), (4, 4), (1, 3), (12, 2))
OTHERS = "all others"
# So many times the smallest series, and the small ones could not be told from the axis.
_UNLIKE = 10
# "currentColor" is the page's own ink, light or dark; only SVG knows it.
_CONFIG = {
    "font": "system-ui, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif",
    "axis": {
        **{name: "currentColor" for name in ("labelColor", "gridColor", "domainColor", "tickColor")},
        "gridOpacity": 0.15,
        "domainOpacity": 0.4,
        "tickOpacity": 0.4,
        "labelFontSize": 11,
    },
    "axisX": {"grid": False},
    "legend": {"labelColor": "currentColor", "labelFontSize": 12, "symbolStrokeWidth": 2},
    "view": {"stroke": None},
}
_HEIGHT = 150
_NARROW = 420
_WIDEST_BAR = 40
_FEW = 5
# Names of more characters go two in a line of the legend, and not four.
_LONG = 24
# Above the plot, so that a mark of an outcome hides no value.
_OUTCOMES_AT = -9


@dataclass(frozen=True)
class Mark:
    """How an outcome is drawn: an SVG path in a square from -1 to 1, and a colour."""

    path: str
    colour: str


MARKS: Mapping[Outcome, Mark] = {
    Outcome.PUBLISHED: Mark("M-1,0A1,1,0,1,0,1,0A1,1,0,1,0,-1,0Z", GREEN),
    Outcome.MERGED: Mark("M0,-1L1,0L0,1L-1,0Z", SKY),
    Outcome.CHECKS_FAILED: Mark("M-.9,-.9L.9,-.9L.9,.9L-.9,.9Z", VERMILLION),
    Outcome.COULD_NOT_CHECK: Mark("M0,-1L1,.9L-1,.9Z", ORANGE),
    Outcome.SOURCE_FAILED: Mark("M0,1L1,-.9L-1,-.9Z", PURPLE),
    Outcome.FAILED: Mark("M-.3,-1L.3,-1L.3,-.3L1,-.3L1,.3L.3,.3L.3,1L-.3,1L-.3,.3L-1,.3L-1,-.3L-.3,-.3Z", VERMILLION),
    Outcome.STOPPED: Mark("M-1,0L.9,-1L.9,1Z", GREY),
    Outcome.KILLED: Mark("M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z", VERMILLION),
    Outcome.RUNNING: Mark("M1,0L-.9,-1L-.9,1Z", BLUE),
}


def plot(
    keys: Sequence[str],
    outcomes: Sequence[Spec],
    points: Sequence[Spec],
    *,
    is_stack: bool,
    is_logarithmic: bool,
    unit: str,
) -> Spec:
    """The spec of one chart.

    `keys` are the runs in their order, `outcomes` {run, outcome}, `points` {run, series, start, end, said, anomalies}: one for each
    run and series, reaching from `start` to `end`, `anomalies` only where there are some.
    """
    names = list(dict.fromkeys(sorted((point["series"] for point in points), key=lambda name: (name == OTHERS, name))))
    y = _y(points, unit, is_logarithmic=is_logarithmic)
    return {
        "width": "container",
        "height": _HEIGHT,
        "background": "transparent",
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 4},
        "datasets": {
            "points": list(points),
            "anomalies": [point for point in points if "anomalies" in point],
            "runs": list(outcomes),
        },
        "encoding": {"x": _x(keys)},
        "layer": [_columns(), _stack(names, y) if is_stack else _lines(names, y), _anomalies(y), _outcomes()],
        "resolve": {"scale": dict.fromkeys(("color", "shape", "strokeDash"), "independent")},
        "config": _CONFIG,
    }


def _x(keys: Sequence[str]) -> Spec:
    # The day; where a day has several runs, the time of day beside it.
    is_day_enough = len({key[:10] for key in keys}) == len(keys)
    label = "slice(datum.label, 0, 10)" if is_day_enough else "slice(datum.label, 5, 16)"
    axis = {"values": list(keys[:: -(-len(keys) // 6)]), "labelExpr": label, "labelAngle": 0}
    axis |= {"labelOverlap": True, "labelFlush": True}
    return {
        "field": "run",
        "type": "ordinal",
        "title": None,
        "scale": {"type": "band", "domain": list(keys)},
        "axis": axis,
    }


def _y(points: Sequence[Spec], unit: str, *, is_logarithmic: bool) -> Spec:
    top = max(point["end"] for point in points)
    axis: Spec = {"tickCount": 4}
    scale: Spec = {"domain": [0, top or 1], "nice": True}
    if is_logarithmic:
        # Linear from 0 to 1, so that an empty table has its place.
        scale = {"type": "symlog", "constant": 1, "domain": [0, top]}
        axis = {"values": [0, *(10**power for power in range(len(str(int(top)))))]}
    if unit == "s":
        axis["labelExpr"] = (
            "format(datum.value, ',~g') + ' s'" if top >= 1 else "format(1000 * datum.value, ',.3~g') + ' ms'"
        )
    elif unit == "1":
        axis["labelExpr"] = "format(datum.value, '~g')"
    else:
        # Thousands as k. What is counted is whole: of a few, each number has its tick.
        axis["labelExpr"] = "format(datum.value, '~s')"
        if not is_logarithmic and top <= _FEW:
            axis["values"] = list(range(max(math.ceil(top), 1) + 1))
    return {"field": "end", "type": "quantitative", "title": None, "scale": scale, "axis": axis}


def are_unlike(points: Sequence[Spec]) -> bool:
    """Whether some series are so small that they would lie on the axis."""
    tops: dict[str, float] = {}
    for point in points:
        tops[point["series"]] = max(tops.get(point["series"], 0), point["end"])
    return max(tops.values()) > _UNLIKE * min(tops.values())


def _tooltip(*fields: tuple[str, str]) -> list[Spec]:
    return [{"field": field, "type": "nominal", "title": title} for field, title in (("run", "Run"), *fields)]


def _colour(names: list[str], **legend: Any) -> Spec:
    colours = list(COLOURS[: len(names)])
    if names[-1] == OTHERS:
        colours[-1] = GREY
    most = 2 if max(map(len, names)) > _LONG else 4
    by_width = {"expr": f"width < {_NARROW} ? {most // 2} : {most}"}
    shown = {"title": None, "orient": "bottom", "columns": by_width, "labelLimit": 260, **legend}
    return {"field": "series", "type": "nominal", "scale": {"domain": names, "range": colours}, "legend": shown}


def _columns() -> Spec:
    """An area of the plot's height for each run, so that a click beside a point finds its run."""
    mark = {"type": "rect", "fill": "transparent", "cursor": "pointer"}
    return {"data": {"name": "runs"}, "mark": mark, "encoding": {"tooltip": _tooltip(("outcome", "Outcome"))}}


def _stack(names: list[str], y: Spec) -> Spec:
    # Each bar knows where it ends, so that the mark of an anomaly can stand there.
    encoding = {
        "y": {**y, "field": "start"},
        "y2": {"field": "end"},
        "color": _colour(names),
        "tooltip": _tooltip(("series", "Of"), ("said", "Value")),
    }
    mark = {
        "type": "bar",
        "cursor": "pointer",
        "width": {"expr": f"min({_WIDEST_BAR}, 0.85 * bandwidth('x'))"},
    }
    return {"data": {"name": "points"}, "mark": mark, "encoding": encoding}


def _lines(names: list[str], y: Spec) -> Spec:
    colour = _colour(names, symbolType="stroke", symbolSize=300)
    # The same legend on the same marks, so that the two become one.
    dash = {**colour, "scale": {"domain": names, "range": list(_DASHES[: len(names)])}}
    dot = {"type": "circle", "size": _dot(22), "opacity": 1, "cursor": "pointer"}
    return {
        "data": {"name": "points"},
        "encoding": {"y": y, "color": colour, "strokeDash": dash},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.8}},
            {"mark": dot, "encoding": {"tooltip": _tooltip(("series", "Of"), ("said", "Value"))}},
        ],
    }


def _dot(size: int) -> Spec:
    """A size that is smaller where columns are narrow."""
    return {"expr": f"width < {_NARROW} ? {size // 3} : {size}"}


def _anomalies(y: Spec) -> Spec:
    mark = {
        "type": "point",
        "shape": "diamond",
        "size": 170,
        "filled": False,
        "stroke": "currentColor",
        "strokeWidth": 2,
    }
    encoding = {"y": y, "tooltip": _tooltip(("anomalies", "Anomalies"))}
    return {"data": {"name": "anomalies"}, "mark": {**mark, "opacity": 1, "cursor": "pointer"}, "encoding": encoding}


def _outcomes() -> Spec:
    names = [outcome.value for outcome in MARKS]
    scales = {
        "color": {"domain": names, "range": [mark.colour for mark in MARKS.values()]},
        "shape": {"domain": names, "range": [mark.path for mark in MARKS.values()]},
    }
    channels = {
        name: {"field": "outcome", "type": "nominal", "scale": scale, "legend": None} for name, scale in scales.items()
    }
    # Where columns are narrow, those that went wrong stay large.
    is_good = {"field": "outcome", "oneOf": [outcome.value for outcome in MARKS if outcome.is_good]}
    size = {"condition": {"test": is_good, "value": _dot(45)}, "value": 45}
    encoding = {"y": {"value": _OUTCOMES_AT}, **channels, "size": size, "tooltip": _tooltip(("outcome", "Outcome"))}
    mark = {"type": "point", "filled": True, "opacity": 1, "cursor": "pointer"}
    return {"data": {"name": "runs"}, "mark": mark, "encoding": encoding}
