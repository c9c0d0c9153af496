"""Our own pages of the site: what is published, and every run. They need no network, and no script but for charts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import unescape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from lib.config import Source
from lib.lake.checks import ROLLED_BACK
from lib.lake.layout import Layout
from lib.lake.states import PROVED
from lib.quality.counts import Counts
from lib.quality.docs import policy
from lib.quality.names import failures_command
from lib.reporting.card import Card, DecisionLine, Serving
from lib.reporting.readers import ways_to_read
from lib.reporting.report import PLAIN_NOTE, Report

_OUTCOMES = {"published": "good", **dict.fromkeys(("checks failed", "source failed", "failed", "killed"), "bad")}
# The most runs that runs.html has.
LAST = 90
# Of a message, in the list.
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Site:
    """The pages of one lake: whose they are, and the folder of the scripts and fonts that they share (None where there is none)."""

    source: Source
    layout: Layout
    assets: Path | None


@dataclass(frozen=True)
class TableLine:
    """One published table. None where a count does not apply, is not known, or the table was not part of the run.

    `rows` are all rows of the version, `live` those that are not deleted. `newest_at` is the newest time in the rows that the run
    took. `path` is below the lake; where it is None the table is taken to be `silver/<table>`. `duplicate`, `differed` (those of
    them with another content) and `missing` (rows without a value, by column) are counted as the rows arrived. `skipped` are pages
    that rules of `errors` skipped.
    """

    table: str
    rows: int
    version: int | None
    pages: int | None = None
    landed: int | None = None
    rejected: int | None = None
    duplicate: int | None = None
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    proof: str | None = None
    counts: Counts | None = None
    docs_href: str | None = None
    path: str | None = None
    differed: int | None = None
    missing: tuple[tuple[str, int], ...] | None = None
    skipped: int | None = None
    live: int | None = None
    newest_at: datetime | None = None
    increment: str | None = None

    @property
    def shown_rows(self) -> int:
        """The live rows; of a publication that was checked before they were counted, all rows."""
        return self.rows if self.live is None else self.live

    @property
    def is_proved(self) -> bool:
        """Whether the copy of what was asked for is known to be complete."""
        return self.proof in PROVED

    @property
    def completeness(self) -> str:
        """How that is known, in words. An increment says nothing of the rows that it did not ask for."""
        of = "Increment" if self.increment else "Complete" if self.is_proved else "Completeness"
        return f"{of}: {self.proof}"


@dataclass(frozen=True)
class AcceptedFailure:
    """A critical expectation that failed and was published all the same: why, and who said so."""

    expectation: str
    reason: str
    by: str


@dataclass(frozen=True)
class Restored:
    """A rollback: when the tables were made current again, and the publication that was current until then."""

    at: datetime
    replaced: str


@dataclass(frozen=True)
class LatestRun:
    """The latest run, where it did not publish: what is published is older. `docs_id` is None where there are no docs of it.

    `reasons` are the tables that failed, a line each.
    """

    run_id: str
    started_at: datetime
    outcome: str
    docs_id: str | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexPage:
    """What is published. `docs_href` (here and in the tables) is a URL relative to the site's folder.

    `rejected_reasons` holds (table, reason, rows); `notes` are whole sentences; `has_notebooks` and `has_models` say that there are
    pages on them. `previous` has the live rows of each table in the previous publication, where they are known; it is None for the
    first one. After a rollback `published_at` is still the time at which the tables were first published.
    """

    source: str
    publication_id: str
    run_id: str
    published_at: datetime
    docs_href: str
    tables: tuple[TableLine, ...]
    rejected_reasons: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    accepted: tuple[AcceptedFailure, ...] = ()
    restored: Restored | None = None
    previous: Mapping[str, int | None] | None = None
    has_notebooks: bool = False
    has_models: bool = False
    latest: LatestRun | None = None


@dataclass(frozen=True)
class RunLine:
    """One checked run, or a rollback (`ROLLED_BACK`), or a run that was not checked: it has no counts, and the time of its start.

    No docs: an empty `docs_id`. `failures` are lines: expectations of a check, or tables of a run without one.
    """

    run_id: str
    docs_id: str
    checked_at: datetime
    outcome: str
    counts: Counts | None
    rows: int | None
    message: str | None
    place: tuple[int, int] = (0, 0)
    failures: Sequence[str] = ()


def render_index(page: IndexPage) -> str:
    """`index.html`: what is published, when, from which run, how it was checked, and how to open it."""
    tables = page.tables
    script = _script("index.js")
    known = [line.counts for line in tables if line.counts is not None]
    return (
        _templates()
        .get_template("index.html")
        .render(
            page=page,
            script=script,
            policy=policy(script),
            rows=sum(line.shown_rows for line in tables),
            deleted=sum(line.rows - line.shown_rows for line in tables),
            counts=Counts.total(known),
            is_known=len(known) == len(tables),
            rejected=sum(line.rejected or 0 for line in tables),
            arrived=[line for line in tables if line.missing is not None],
            ways=ways_to_read([(line.table, line.path or f"silver/{line.table}", line.version) for line in tables]),
        )
    )


def publication_of(html: str) -> str | None:
    """The publication that an `index.html` shows, or None if it shows none."""
    found = re.search(r'data-publication="([^"]+)"', html)
    return unescape(found[1]) if found else None


def render_nothing_published(source: str, latest: LatestRun | None = None) -> str:
    """`index.html` of a lake where no run has passed yet, so that no link of the site leads nowhere."""
    return _templates().get_template("nothing.html").render(source=source, run=latest)


def render_notebooks(titles: Mapping[str, str], publication_id: str) -> str:
    """`notebooks/index.html`: the notebooks that were run on a publication, by name."""
    return _templates().get_template("notebooks.html").render(titles=titles, publication_id=publication_id)


def render_models(source: str, serving: Sequence[Serving], lines: Sequence[DecisionLine]) -> str:
    """`models/index.html`: who serves each list of recommendations, and all decisions, in the order of the lines."""
    return _templates().get_template("models.html").render(source=source, serving=serving, lines=lines)


def render_model(card: Card) -> str:
    """`models/<version>.html`: the card of one model version."""
    return _templates().get_template("model.html").render(card=card)


def render_runs(
    source: str,
    lines: Sequence[RunLine],
    report: Report | None = None,
    *,
    has_models: bool = False,
    serving: Sequence[Serving] = (),
    lake: str = "",
) -> str:
    """`runs.html`: a line for every check, rollback and run without a check, newest first; and the report of the runs.

    Charts are drawn where the report names the folder of the scripts that draw; otherwise the page says that it is plainer.
    `lake` is the address of the lake, for the commands.
    """
    newest_first = sorted(lines, key=lambda line: (line.place, _utc(line.checked_at), line.docs_id), reverse=True)
    checked: dict[str, list[RunLine]] = {}
    for line in newest_first:
        if line.counts is not None:
            checked.setdefault(line.run_id, []).append(line)
    report = report or Report()
    # It also opens the section of a run that an address names.
    script = _script("runs.js") if report.sections else ""
    return (
        _templates()
        .get_template("runs.html")
        .render(
            source=source,
            lake=lake,
            has_models=has_models,
            serving=serving,
            lines=newest_first,
            n_checked=len({one.run_id for one in lines if one.counts is not None and one.outcome != ROLLED_BACK}),
            n_unchecked=sum(1 for line in lines if line.counts is None),
            checked=checked,
            report=report,
            known={section.run_id for section in report.sections},
            marks={mark.outcome: mark for mark in report.marks},
            plain_note=PLAIN_NOTE,
            last=LAST,
            script=script,
            policy=policy(script) if script else "",
        )
    )


def _utc(moment: datetime) -> datetime:
    """The moment in UTC. One without a zone is UTC already: the lake holds nothing else."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _change(line: TableLine, previous: Mapping[str, int | None] | None) -> str:
    """How many live rows a table has more or fewer than in the previous publication, in words; empty where that is not known."""
    if previous is None:
        return "first publication"
    if line.table not in previous:
        return "not in the previous publication"
    before = previous[line.table]
    if before is None or line.live is None:
        return ""
    if line.live == before:
        return "as many as in the previous publication"
    return f"{abs(line.live - before):,} {'more' if line.live > before else 'fewer'} than in the previous publication"


def _when(moment: datetime) -> str:
    return f"{_utc(moment):%Y-%m-%d %H:%M} UTC"


def _iso(moment: datetime) -> str:
    return f"{_utc(moment):%Y-%m-%dT%H:%M:%SZ}"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"  # noqa: RUF001 - a dash in a cell, not a minus


def _docs_href(docs_id: str) -> str:
    return f"runs/{quote(docs_id, safe='')}/index.html"


def _model_href(version: str) -> str:
    """The page of a model, from a page beside it."""
    return f"{quote(version, safe='')}.html"


def _anchor(run_id: str) -> str:
    """The id of a run's section; in a link as in its place."""
    return f"run-{quote(run_id, safe='')}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first_line(message: str) -> str:
    first, *more = message.splitlines() or [""]
    return first if not more and len(first) <= _MOST_CHARACTERS else f"{first[:_MOST_CHARACTERS]} …"


def _shape(outcome: str) -> str:
    """Which mark goes with the words. An outcome that this page does not know is shown as open, never as good."""
    return _OUTCOMES.get(outcome, "open")


@cache
def _script(name: str) -> str:
    return (files("lib.reporting") / "templates" / name).read_text("utf-8")


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("lib.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, when=_when, docs_href=_docs_href, shape=_shape)
    environment.filters["failures_command"] = failures_command
    environment.filters.update(anchor=_anchor, first_line=_first_line, sentence=_sentence, iso=_iso)
    environment.filters.update(model_href=_model_href, change=_change)
    return environment
