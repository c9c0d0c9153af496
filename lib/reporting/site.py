"""The pages of the site, from what the lake's records say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lib.lake import publications, runs, storage
from lib.lake import site_folder as site
from lib.lake.checks import ROLLED_BACK, Check, add_check, all_checks
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.lake.quarantine import count_reasons
from lib.lake.rollback import target
from lib.lake.runs import Run
from lib.lake.states import TableState
from lib.observe.outcome import Outcome, RunSummary
from lib.quality.validate import Findings
from lib.reporting import pages
from lib.reporting.catalogs import write_catalogs
from lib.reporting.kept_page import kept_page
from lib.reporting.model_cards import has_cards, write_cards
from lib.reporting.pages import Site
from lib.reporting.runs_page import write_report


def write_site(of: Site) -> None:
    """Write the pages on models, runs.html, and index.html if it would say something else. Docs that are no longer kept go last.

    index.html comes last, also after `readers/` of the lake: where it shows that publication, all else was written before.
    """
    published = publications.all_publications(of.layout)
    there = site.docs_kept(of.layout.site)
    kept = there & _kept(of, published)
    serving = write_cards(of)
    latest = write_report(of, kept, serving)
    if published:
        write_catalogs(of.source, of.layout, published[-1])
    site.write_changed(of.layout.site, "index.html", _index(of, published, latest))
    site.remove_docs(of.layout.site, there - kept)


def write_index(of: Site) -> None:
    """Write `readers/` and index.html, unless that shows the current publication. How the run at work ends `write_site` says."""
    published = publications.all_publications(of.layout)
    if published and not _is_shown(of, published[-1]):
        write_catalogs(of.source, of.layout, published[-1])
        site.write_page(of.layout.site, "index.html", _index(of, published, None))


def _index(of: Site, published: Sequence[Publication], latest: RunSummary | None) -> str:
    """What is published, below a line on the latest run if that one did not publish. Its link needs runs.html."""
    line = None
    if latest is not None and latest.outcome not in (Outcome.PUBLISHED, Outcome.RUNNING):
        line = pages.LatestRun(
            latest.run_id, latest.started_at, latest.outcome.value, latest.docs_id, latest.first_reasons
        )
    if not published:
        # So that no link of runs.html leads nowhere.
        return pages.render_nothing_published(of.source.source, line)
    return pages.render_index(replace(_published_page(of, published), latest=line))


def _kept(of: Site, published: Sequence[Publication]) -> set[str]:
    """The docs to keep: those of the last checks, of what is published, and of what a rollback would make current."""
    by_id = {one.publication_id: one for one in published}
    checks = [check.docs_id for check in all_checks(of.layout)]
    newest_first = dict.fromkeys(by_id[docs_id].checked_as if docs_id in by_id else docs_id for docs_id in checks)
    kept = set(list(newest_first)[: of.source.site.keep_runs])
    if published:
        kept |= {one.publication_id for one in (by_id[published[-1].checked_as], target(published)) if one is not None}
    return kept


def heal_site(of: Site) -> bool:
    """Write the pages again where a kill came between a publication and index.html; whether that was so."""
    publication = publications.current(of.layout)
    if publication is None or _is_shown(of, publication):
        return False
    note_rollback(of, publication)
    write_site(of)
    return True


def note_rollback(of: Site, publication: Publication) -> None:
    """Add the line of a rollback to `ops/checks`, unless it is there. It was not checked again: the numbers are those of then."""
    checks = {check.docs_id: check for check in all_checks(of.layout)}
    if publication.restores is None or publication.publication_id in checks:
        return
    then = checks.get(publication.restores)
    check = Check(
        docs_id=publication.publication_id,
        run_id=publication.run_id,
        checked_at=publication.published_at,
        outcome=ROLLED_BACK,
        passed=then.passed if then else 0,
        failed=then.failed if then else 0,
        warnings=then.warnings if then else 0,
        unchecked=then.unchecked if then else 0,
        rows=then.rows if then else sum(table.shown_rows for table in publication.tables.values()),
        message=f"publication {publication.restores} is current again, in place of {publication.replaces}",
    )
    add_check(of.layout, check)


def _is_shown(of: Site, publication: Publication) -> bool:
    index = of.layout.site / "index.html"
    return storage.is_file(index) and pages.publication_of(storage.read_text(index)) == publication.publication_id


def _published_page(of: Site, published: Sequence[Publication]) -> pages.IndexPage:
    """The page of the last publication: what was found when it was checked, and what only the publication knows."""
    publication = published[-1]
    checked = next(one for one in published if one.publication_id == publication.checked_as)
    page = kept_page(of.layout.site / "runs" / checked.publication_id) or _plain_page(of, checked)
    restored = publication.restores and pages.Restored(publication.published_at, str(publication.replaces))
    return replace(
        page,
        publication_id=publication.publication_id,
        published_at=checked.published_at,
        accepted=tuple(pages.AcceptedFailure(**vars(one)) for one in publication.accepted),
        restored=restored or None,
        notes=(*page.notes, *_on_readers(of)),
        previous=_previous(published),
        has_models=has_cards(of),
        has_notebooks=storage.is_file(of.layout.site / "notebooks" / "index.html"),
    )


def _on_readers(of: Site) -> list[str]:
    """Where those find what they need whose engine "How to read it" has no lines for."""
    if not (engines := of.source.readers.sql):
        return []
    return [
        f"SQL for {', '.join(engines)} is in {of.layout.readers.name}/ of the lake; in its views personal columns are masked."
    ]


def _previous(published: Sequence[Publication]) -> dict[str, int | None] | None:
    """The live rows of each table in the publication before the last one, None where that is not known; None for the first."""
    by_id = {one.publication_id: one for one in published}
    before = by_id.get(published[-1].replaces or "")
    if before is None:
        return None
    return {name: table.live_rows for name, table in before.tables.items()}


def _plain_page(of: Site, publication: Publication) -> pages.IndexPage:
    """All that a publication itself says, for one of which nothing else was kept."""
    docs = f"runs/{publication.publication_id}/index.html"
    return pages.IndexPage(
        source=of.source.source,
        publication_id=publication.publication_id,
        run_id=publication.run_id,
        published_at=publication.published_at,
        docs_href=docs,
        tables=tuple(
            pages.TableLine(one.table, one.rows, one.version, docs_href=docs, path=one.path, live=one.live_rows)
            for one in publication.tables.values()
        ),
        rejected_reasons=(),
        notes=("No counts are kept with the docs of this publication.",),
    )


def checked_page(
    layout: Layout, source: str, run: Run, docs_id: str, at: datetime, findings: Findings, notes: list[str]
) -> pages.IndexPage:
    """What index.html says of a check, if it is published."""
    reasons = tuple((*found, number) for found, number in count_reasons(layout, run.run_id).items())
    docs = f"runs/{docs_id}/index.html"
    return pages.IndexPage(
        source=source,
        publication_id=docs_id,
        run_id=run.run_id,
        published_at=at,
        docs_href=docs,
        tables=tuple(_line(record, findings, docs) for record in run.tables.values()),
        rejected_reasons=reasons,
        notes=tuple(notes),
    )


def _line(record: runs.TableRun, findings: Findings, docs: str) -> pages.TableLine:
    own = findings.of(record.table)
    return pages.TableLine(
        table=record.table,
        rows=findings.rows[record.table],
        version=record.version,
        pages=record.pages,
        landed=record.rows_landed,
        rejected=record.rows_rejected,
        duplicate=record.rows_duplicate,
        inserted=record.rows_inserted,
        updated=record.rows_updated,
        deleted=record.rows_deleted,
        proof=record.proof,
        skipped=record.pages_skipped,
        counts=own.counts,
        docs_href=docs,
        path=record.path,
        live=findings.live_rows[record.table],
        newest_at=record.newest_at,
        increment=record.asked_for if record.is_increment and record.state == TableState.MERGED else None,
        differed=record.rows_differed,
        missing=None
        if record.rows_missing is None
        else tuple((one["column"], one["rows"]) for one in record.rows_missing),
    )
