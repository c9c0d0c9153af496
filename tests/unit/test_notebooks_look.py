"""How notebooks show tables and plots: for people, and on pages light and dark."""

from __future__ import annotations

import re
from base64 import b64decode

import altair as alt
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from notebooks.tooling import look
from notebooks.tooling.run import page_of

LONG = "listen_history.column_pair_values_a_to_be_greater_than_b.updated_at+created_at"


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("plays", 1234567, "1,234,567"),
        ("plays", 3.0, "3"),
        ("plays", None, "\N{EN DASH}"),
        ("share", 0.12345, "0.1235"),
        ("share", -1234.5, "-1,234"),
        ("score", float("inf"), "inf"),
        ("id", 1234567, "1234567"),
        ("track_id", 1234567, "1234567"),
        ("_commit_version", 1234, "1234"),
        ("n_bytes", 123_456, "123.5 KB"),
        ("n_bytes", 2_500_000, "2.5 MB"),
        ("at", pd.Timestamp("2026-03-01 02:03:04.5", tz="UTC"), "2026-03-01 02:03"),
        ("at", pd.NaT, "\N{EN DASH}"),
        ("key", ("user_id", "created_at"), "user_id, created_at"),
        ("items", np.array([11, 1200]), "11, 1200"),
        ("key", (), "\N{EN DASH}"),
        ("is_new", True, "True"),
        ("name", "<b>bold</b>", "<b>bold</b>"),
        ("names", ["<b>bold</b>", "plain"], "<b>bold</b>, plain"),
        ("near", np.float32(0.5), "0.5"),
        ("plays", 9_007_199_254_740_993, "9,007,199,254,740,993"),
    ],
)
def test_a_value_is_shown_for_people(column: str, value: object, shown: str) -> None:
    frame = pd.DataFrame({column: pd.Series([value, value], index=[7, 7], dtype=None if column == "plays" else object)})
    html = BeautifulSoup(look.table(frame).to_html(), "html.parser")
    assert [cell.get_text() for cell in html.find_all("td")] == [shown, shown]
    assert [cell.get_text() for cell in html.find_all("th")] == [column]


def test_a_column_of_numbers_is_to_the_right_and_text_to_the_left_as_their_heads_are() -> None:
    html = look.table(pd.DataFrame({"name": ["a"], "rows": [1]})).to_html()
    sides = dict(re.findall(r"\.(col\d) \{\s*text-align: (\w+);", html))
    assert sides == {"col0": "left", "col1": "right"}
    cells = BeautifulSoup(html, "html.parser").find_all(["th", "td"])
    assert [next(one for one in cell["class"] if one in sides) for cell in cells] == ["col0", "col1"] * 2


@pytest.mark.parametrize(("most", "ticks"), [(1, "01"), (2, "012"), (3, "0123"), (4, "01234")])
@pytest.mark.parametrize("width", [look.WIDTH, *look.NARROWER.values()])
def test_a_few_things_are_counted_in_whole_numbers(most: int, ticks: str, width: int) -> None:
    look.use()
    frame = pd.DataFrame({"rows": [most]})
    chart = alt.Chart(frame).mark_bar().encode(alt.X("rows:Q", axis=look.WHOLE))
    drawn = BeautifulSoup(look.drawn(chart.to_dict(), width), "html.parser").svg
    axis = drawn.find(attrs={"aria-roledescription": "axis"})
    assert "".join(one.get_text() for one in axis.find(class_="role-axis-label").find_all("text")) == ticks


def plot() -> dict[str, object]:
    look.use()
    frame = pd.DataFrame({"expectation": [LONG, "users.short"], "rows": [2, 5], "severity": ["critical", "warning"]})
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(alt.X("rows:Q"), alt.Y("expectation:N", title=None), alt.Color("severity:N", scale=look.SEVERITIES))
    )
    found = chart._repr_mimebundle_()
    assert isinstance(found, dict)
    return found


def test_a_plot_has_whole_labels_its_width_and_the_colours_of_its_severities() -> None:
    bundle = plot()
    for width in (look.WIDTH, *look.NARROWER.values()):
        drawn = BeautifulSoup(look.drawn(bundle[look.PLOT], width, on_page=True), "html.parser").svg
        assert int(drawn["width"]) == width
        assert LONG in [one.get_text() for one in drawn.find_all("text")]
        bars = drawn.find_all(attrs={"aria-roledescription": "bar"})
        assert [one["fill"] for one in bars] == ["#d1453b", "#b87a00"]
        # Words are in the ink of the page, which the picture knows for light and dark.
        assert {one.get("fill") for one in drawn.find_all("text")} == {"currentColor"}
        assert "prefers-color-scheme: dark" in drawn.style.get_text()
    assert 'fill="white"' in str(bundle["image/svg+xml"])  # JupyterLab may be dark where the browser is light


def test_a_page_has_a_plot_for_each_width_folds_its_code_and_knows_the_dark() -> None:
    output = nbformat.v4.new_output("display_data", data=plot())
    table = nbformat.v4.new_output("display_data", data={"text/html": "<table><tr><td>1</td></tr></table>"})
    cells = [
        nbformat.v4.new_markdown_cell("# Title"),
        nbformat.v4.new_code_cell("secret_of_the_cell = 1", outputs=[output, table]),
    ]
    page = BeautifulSoup(page_of(nbformat.v4.new_notebook(cells=cells), "own"), "html.parser")
    assert page.find_all("script") == []
    [code] = page.find_all("details")
    assert (code.summary.get_text(), code.get("open"), "secret_of_the_cell" in code.get_text()) == ("Code", None, True)
    assert code.find("img") is None
    drawn = [(one["media"], one["srcset"]) for one in page.find_all("source")] + [("", page.find("img")["src"])]
    widths = [re.search(r'width="(\d+)"', b64decode(one.partition("base64,")[2]).decode("utf-8")) for _, one in drawn]
    assert [(media, int(width[1])) for (media, _), width in zip(drawn, widths, strict=True) if width] == [
        ("(max-width: 30rem)", 350),
        ("(max-width: 56rem)", 620),
        ("", 1080),
    ]
    assert page.find("img")["alt"].startswith("Title. X-axis titled 'rows'")
    assert page.find(attrs={"role": "region"})["tabindex"] == "0"
    dark = [one for one in page.find_all("style") if one.get("media") == "(prefers-color-scheme: dark)"]
    assert [len(one.get_text()) > 1000 for one in dark] == [True]
