"""Our own pages of the site: what is published, and every run. They need no script, no other file and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from lib.quality.names import rows_query

_OUTCOMES = {"published": "good", "checks failed": "bad", "could not check": "open"}


@dataclass(frozen=True)
class TableLine:
    """One published table. None where a count does not apply, or the table was not part of the run.

    `path` is below the lake; where it is None the table is taken to be `silver/<table>`. `repeated`, `differed` (those of them
    with another content) and `missing` (rows without a value, by column) are counted as the rows arrived.
    """

    table: str
    rows: int
    version: int | None
    pages: int | None
    landed: int | None
    rejected: int | None
    repeated: int | None
    inserted: int | None
    updated: int | None
    vanished: int | None
    proof: str | None
    checks_passed: int
    checks_failed: int
    warnings: int
    docs_href: str | None
    path: str | None = None
    differed: int | None = None
    missing: tuple[tuple[str, int], ...] | None = None


@dataclass(frozen=True)
class IndexPage:
    """What is published. `docs_href` (here and in the tables) is a URL relative to the site's folder.

    `rejected_reasons` holds (table, reason, rows); `notes` are whole sentences.
    """

    source: str
    publication_id: str
    run_id: str
    published_at: datetime
    docs_href: str
    tables: tuple[TableLine, ...]
    rejected_reasons: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RunLine:
    """One checked run. `outcome` is "published", "checks failed" or "could not check"; no docs: an empty `docs_id`."""

    run_id: str
    docs_id: str
    checked_at: datetime
    outcome: str
    checks_passed: int
    checks_failed: int
    warnings: int
    rows: int
    message: str | None


def render_index(page: IndexPage) -> str:
    """`index.html`: what is published, when, from which run, how it was checked, and how to open it."""
    tables = page.tables
    return (
        _templates()
        .get_template("index.html")
        .render(
            page=page,
            rows=sum(line.rows for line in tables),
            passed=sum(line.checks_passed for line in tables),
            failed=sum(line.checks_failed for line in tables),
            warnings=sum(line.warnings for line in tables),
            rejected=sum(line.rejected or 0 for line in tables),
            arrived=[line for line in tables if line.missing is not None],
            paths={line.table: line.path or f"silver/{line.table}" for line in tables},
        )
    )


def render_nothing_published(source: str) -> str:
    """`index.html` of a lake where no run has passed yet, so that no link of the site leads nowhere."""
    return _templates().get_template("nothing.html").render(source=source)


def render_runs(source: str, lines: Sequence[RunLine]) -> str:
    """`runs.html`: a line for every checked run, newest first, with a link to its docs."""
    newest_first = sorted(lines, key=lambda line: (_utc(line.checked_at), line.docs_id), reverse=True)
    return _templates().get_template("runs.html").render(source=source, lines=newest_first)


def _utc(moment: datetime) -> datetime:
    """The moment in UTC. One without a zone is UTC already: the lake holds nothing else."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _when(moment: datetime) -> str:
    return f"{_utc(moment):%Y-%m-%d %H:%M} UTC"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"  # noqa: RUF001 - a dash in a cell, not a minus


def _docs_href(docs_id: str) -> str:
    return f"runs/{quote(docs_id, safe='')}/index.html"


def _shape(outcome: str) -> str:
    """Which mark goes with the words. An outcome that this page does not know is shown as open, never as good."""
    return _OUTCOMES.get(outcome, "open")


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("lib.quality", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, when=_when, docs_href=_docs_href, shape=_shape, rows_query=rows_query)
    return environment
