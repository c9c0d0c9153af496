"""What runs.html shows beside its list: the charts of the last runs, and a section for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PLAIN_NOTE = (
    "This page looks plainer than it could, because Node was not there at set-up. Only charts are left out: every number is "
    "below its run."
)


@dataclass(frozen=True)
class Mark:
    """How the charts draw an outcome: an SVG path in a square from -1 to 1, and a colour."""

    outcome: str
    path: str
    colour: str


@dataclass(frozen=True)
class Figure:
    """A chart: a name for its place on the page, a title, a sentence, and its Vega-Lite spec.

    Without a spec its numbers are shown, if there are any: for each series its name and a text for each of the runs `heads`.
    """

    name: str
    title: str
    says: str
    spec: Mapping[str, Any] | None = None
    heads: tuple[str, ...] = ()
    numbers: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Cell:
    """One measured value as text; what was expected, where it was judged; and whether it is an anomaly."""

    value: str
    expected: str | None = None
    is_anomaly: bool = False


@dataclass(frozen=True)
class NumbersRow:
    """One metric of a run, with a cell for each column, None where it does not apply. `label` tells rows of one metric apart."""

    metric: str
    label: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class NumbersGroup:
    """Metrics that belong together. `zeros` are those that are 0 in every cell, and are only named."""

    name: str
    rows: tuple[NumbersRow, ...]
    zeros: tuple[NumbersRow, ...]


@dataclass(frozen=True)
class RunSection:
    """One run, whatever became of it. `columns` are the heads of the numbers; `seconds` is text, `anomalies` are sentences."""

    run_id: str
    started_at: datetime
    outcome: str
    seconds: str
    message: str | None
    anomalies: tuple[str, ...]
    columns: tuple[str, ...]
    numbers: tuple[NumbersGroup, ...]

    @property
    def zeros(self) -> tuple[NumbersRow, ...]:
        """All numbers of the run that are only named."""
        return tuple(row for group in self.numbers for row in group.zeros)


@dataclass(frozen=True)
class Report:
    """The last runs, newest first. `assets_href` is the folder of the scripts that draw, empty where there is none.

    `marks` are those of the outcomes that occur; `metrics` says of each metric on the page what it measures.
    """

    sections: tuple[RunSection, ...] = ()
    figures: tuple[Figure, ...] = ()
    marks: tuple[Mark, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
    assets_href: str = ""

    @property
    def has_charts(self) -> bool:
        """Whether something is to be drawn."""
        return any(figure.spec is not None for figure in self.figures)
