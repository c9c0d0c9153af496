"""The pages of the site, from what the lake's records say."""

from __future__ import annotations

from jobs.steps.options import Job
from lib.lake import publications, runs
from lib.lake.checks import all_checks
from lib.lake.quarantine import count_reasons
from lib.lake.runs import Run
from lib.quality import pages, site
from lib.quality.validate import Findings


def write_site(job: Job, run: Run, docs_id: str, findings: Findings, notes: list[str]) -> None:
    """Write runs.html; and index.html if the run is published."""
    if run.state == runs.PUBLISHED:
        site.write_page(job.layout.site, "index.html", _index(job, run, docs_id, findings, notes))
    elif not (job.layout.site / "index.html").exists():
        site.write_page(job.layout.site, "index.html", pages.render_nothing_published(job.source.source))
    lines = [
        pages.RunLine(
            run_id=check.run_id,
            docs_id=check.docs_id,
            checked_at=check.checked_at,
            outcome=check.outcome,
            checks_passed=check.passed,
            checks_failed=check.failed,
            warnings=check.warnings,
            rows=check.rows,
            message=check.message,
        )
        for check in all_checks(job.layout)
    ]
    site.write_page(job.layout.site, "runs.html", pages.render_runs(job.source.source, lines))


def _index(job: Job, run: Run, docs_id: str, findings: Findings, notes: list[str]) -> str:
    reasons = tuple((*found, number) for found, number in count_reasons(job.layout, run.run_id).items())
    docs = f"runs/{docs_id}/index.html"
    published = publications.in_force(job.layout)
    lines = tuple(_line(record, findings, docs) for record in run.tables.values())
    return pages.render_index(
        pages.IndexPage(
            source=job.source.source,
            publication_id=docs_id,
            run_id=run.run_id,
            published_at=published.published_at if published else job.now,
            docs_href=docs,
            tables=lines,
            rejected_reasons=reasons,
            notes=tuple(notes),
        )
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
        repeated=record.rows_repeated,
        inserted=record.rows_inserted,
        updated=record.rows_updated,
        vanished=record.rows_vanished,
        proof=record.proof,
        checks_passed=own.n_passed,
        checks_failed=len(own.gating),
        warnings=len(own.warnings),
        docs_href=docs,
        path=record.path,
        differed=record.rows_differed,
        missing=None
        if record.rows_missing is None
        else tuple((one["column"], one["rows"]) for one in record.rows_missing),
    )
