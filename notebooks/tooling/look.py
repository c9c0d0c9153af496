"""How notebooks show tables and plots, in JupyterLab and on their pages: for people, on light and on dark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from numbers import Integral, Real
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert
from pandas.io.formats.style import Styler

from lib.observe.vega import COLOURS

PLOT = "application/vnd.pagelake.plot+json"
"""The kind of output that holds a plot as Vega-Lite, so that a page can draw it in other widths."""
SEVERITIES = alt.Scale(domain=["critical", "warning"], range=["#d1453b", "#b87a00"])
"""Critical is red, a warning amber; both stand out from a light and from a dark page."""
WIDTH = 1080
"""Pixels of a plot, labels included, in the column of a page."""
# Just above 1: Vega allows one tick more than there are steps, which would be halves where the most is 1 or 2.
WHOLE = alt.Axis(tickMinStep=1.01)
"""The axis of a few things that are counted: whole numbers only."""
NARROWER = {"30rem": 350, "56rem": 620}
"""Those on a page of at most this width."""
_INKS = ":root { color: #1c2430 } @media (prefers-color-scheme: dark) { :root { color: #e6eaf0 } }"
_NOTHING = "\N{EN DASH}"
# Numbers that name something, and count nothing.
_NAMES = ("id", "version", "page", "position", "hour", "day")


def use() -> None:
    """Draw the plots of this notebook so from now on."""
    alt.theme.register("pagelake", enable=True)(_theme)
    alt.renderers.register("pagelake", lambda spec: {"image/svg+xml": drawn(spec, WIDTH), PLOT: spec})
    alt.renderers.enable("pagelake")


def drawn(spec: dict[str, Any], width: int, *, on_page: bool = False) -> str:
    """A plot as SVG, so wide; on a page in the ink of its theme, else on white."""
    fit = {"width": width, "autosize": {"type": "fit-x", "contains": "padding"}}
    # Beside long labels a narrow plot leaves its legend room for one entry in a line.
    config = spec["config"]
    config = {**config, "legend": {**config["legend"], "columns": max(width // 200 - 1, 1)}}
    background = "transparent" if on_page else "white"
    svg = vl_convert.vegalite_to_svg({**spec, **fit, "config": config, "background": background}, allowed_base_urls=[])
    return svg.replace(">", f"><style>{_INKS}</style>", 1) if on_page else svg


def table(frame: pd.DataFrame) -> Styler:
    """The rows for people: thousands apart, times to the minute, sizes in KB or MB, a dash for nothing, no number before a row."""
    frame = frame.reset_index(drop=True)
    sides = ["right" if pd.api.types.is_numeric_dtype(frame[name]) else "left" for name in frame]
    shown = frame.style.hide(axis="index").format({name: _text_of(str(name)) for name in frame})
    # Heads as well; the style of a page has all of them to the right.
    rules: list[Any] = [
        {"selector": f".col{number}", "props": f"text-align: {side}"} for number, side in enumerate(sides)
    ]
    return shown.set_table_styles(rules, overwrite=False)


def _theme() -> alt.theme.ThemeConfig:
    words: dict[str, Any] = {name: "currentColor" for name in ("labelColor", "titleColor")}
    words |= {"labelLimit": 0, "titleLimit": 0, "labelFontSize": 12, "titleFontSize": 12}
    lines: dict[str, Any] = {name: "currentColor" for name in ("domainColor", "tickColor", "gridColor")}
    config: Any = {
        # The widest of the usual ones: where a browser has none of them, what it takes is narrower, and no label is cut.
        "font": "Verdana, DejaVu Sans, sans-serif",
        "axis": {**words, **lines, "gridOpacity": 0.15},
        "legend": {**words, "orient": "top"},
        "view": {"stroke": None},
        "bar": {"color": COLOURS[0]},
        "line": {"color": COLOURS[0]},
        "point": {"color": COLOURS[0]},
        "range": {"category": list(COLOURS)},
    }
    return {"config": config}


def _text_of(column: str) -> Callable[[Any], str]:
    is_name = column.rpartition("_")[2] in _NAMES
    is_size = column.endswith("bytes")

    def text(value: Any) -> str:
        if isinstance(value, str):
            return escape(value)
        if isinstance(value, list | tuple | np.ndarray):
            # A comma parts the values, so it cannot part thousands.
            return ", ".join(str(one) if isinstance(one, Integral) else text(one) for one in value) or _NOTHING
        if pd.isna(value):
            return _NOTHING
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M}"
        if isinstance(value, Real) and not isinstance(value, bool) and not is_name:
            return _size(float(value)) if is_size else _number(value)
        return escape(str(value))

    return text


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:,.1f} KB"


def _number(value: Real) -> str:
    if isinstance(value, Integral):
        return f"{int(value):,}"
    is_small = abs(float(value)) < 1000 and not float(value).is_integer()
    return f"{float(value):,.4g}" if is_small else f"{float(value):,.0f}"
