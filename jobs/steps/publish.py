"""Check, publish: GX on the exact versions, then docs, pages and pointers together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from jobs.steps.accept import not_accepted
from jobs.steps.options import Job
from jobs.steps.record import complete
from lib.errors import ChecksFailedError, CouldNotCheckError, LakeError
from lib.failpoints import reached
from lib.lake import runs
from lib.lake import site_folder as site
from lib.lake.checks import Check, add_check, all_checks
from lib.lake.complete import CompleteSet
from lib.lake.publications import Accepted, publish
from lib.lake.runs import Run
from lib.lake.states import RunState
from lib.quality.checking import Looking, Suites, check, look
from lib.quality.docs import Docs, copy_assets
from lib.quality.failed_rows import CheckOf, write_failures
from lib.quality.implied import implied
from lib.quality.names import rows_query
from lib.quality.suites import build_suite
from lib.quality.validate import Finding, Findings
from lib.reporting.kept_page import keep_page
from lib.reporting.observe import copy_site
from lib.reporting.site import checked_page, write_index

ROWS_NOTE = "Some expectations only warn, and failed. The keys of the rows concerned are in ops/failures:"


def prepare_checks(job: Job) -> Suites:
    """Import GX and build every suite. Both take a moment in which Spark can start.

    Raises:
        ConfigError: an expectation that GX does not take.
    """
    known = runs.all_runs(job.layout)
    return {
        name: build_suite(job.source, name, file, implied(job.source, name, known, job.now))
        for name, file in job.suites.items()
    }


def check_and_publish(
    spark: SparkSession,
    job: Job,
    run: Run,
    suites: Suites,
    accepted: Accepted | None = None,
    *,
    looking: Looking | None = None,
) -> None:
    """Check every table of the run at its version, and publish them together if no critical expectation fails but the accepted one.

    The run's docs are made in any case. runs.html is left to `observe`, which knows by then what was measured. `looking` is what
    `look` gave, if it was asked before.

    Raises:
        SourceIncompleteError: the run did not come so far that it could be checked. Nothing was done.
        ConfigError: what is to be accepted did not fail. No docs are made.
        CouldNotCheckError: an expectation could not be checked, which is never shown as passed.
        ChecksFailedError: a critical expectation failed. What was published before stays current.
    """
    whole = complete(job, run)
    if run.state == RunState.FAILED:
        # It was merged, and stopped or failed on its way through the checks.
        run.to(RunState.MERGED)
    with ThreadPoolExecutor(max_workers=1) as background:
        _check_and_publish(spark, job, run, suites, accepted, whole, looking, background)


def _check_and_publish(
    spark: SparkSession,
    job: Job,
    run: Run,
    suites: Suites,
    accepted: Accepted | None,
    whole: CompleteSet,
    looking: Looking | None,
    background: ThreadPoolExecutor,
) -> None:
    docs_id = site.free_docs_id(job.layout.site, run.run_id, [check.docs_id for check in all_checks(job.layout)])
    site.remove_leftovers(job.layout.site, job.now)
    with job.steps.step("check"):
        copy = job.copy(spark, run)
        looking = looking or look(copy, suites, background)
        assets = job.runtime.site_assets
        href = copy_assets(assets, job.layout.site) if assets else ""
        docs = Docs(docs_id, site.staging_folder(job.layout.site, docs_id), job.source.source, href)
        found = check(copy, looking, whole.tables, suites, docs=docs, at=job.now)
        findings, notes = found.findings, found.notes
        broken = (*not_accepted(findings, accepted), *findings.unchecked)
        reached("checked")
    with job.steps.step("publish"):
        if findings.failed:
            notes.append(f"{ROWS_NOTE} {rows_query(docs_id)}")
        if not broken:
            keep_page(docs.folder, checked_page(job.layout, job.source.source, run, docs_id, job.now, findings, notes))
        site.publish_run_docs(docs.folder, job.layout.site, docs_id)
        reached("docs moved in")
        # Only now is the docs' id taken for good: a check that was killed before leaves no rows that the next one would repeat.
        one = CheckOf(run, docs_id, job.now)
        write_failures(spark, job.source, job.layout, lambda: job.key_hash(spark), one, found.frames, findings)
        # Not only the tables: the orphaned references are cached, too. At each commit to a table, Spark plans again every cached
        # query that reads it, which the next run in this process would pay for.
        spark.catalog.clearCache()
        if not broken:
            # When readers see it, which a long run's start is not: `Lake.as_of` goes by this.
            in_spite = (accepted,) if accepted else ()
            publish(job.layout, whole.publication(docs_id, datetime.now(UTC), findings.rows, in_spite))
            reached("published")
        run.to(RunState.CHECKS_FAILED if broken else RunState.PUBLISHED)
        add_check(job.layout, _check(job, run, docs_id, findings, None if broken else accepted))
        write_index(job.site)
    not_copied = _copy_site(job)
    if broken:
        why = _why_not(job, docs_id, findings, broken)
        if not_copied:
            raise LakeError(f"{why}\nBesides: {not_copied}")
        raise (CouldNotCheckError if findings.unchecked else ChecksFailedError)(why)
    if not_copied:
        raise not_copied


def _why_not(job: Job, docs_id: str, findings: Findings, broken: Sequence[Finding]) -> str:
    """The summary of a check after which nothing is published: what is wrong, where to look, and what to do."""
    lines = [f"{findings.counts}:", *(f"  {finding}" for finding in broken)]
    lines += ["What was published before stays current."]
    if findings.failed:
        shown = next((finding for finding in broken if finding in findings.failed), findings.failed[0])
        lines += [f"Rows:    {rows_query(docs_id, shown.name)}"]
        lines += [f"         (failures is {job.layout.failures}; docs/troubleshooting.md, exit 3, says how to ask)"]
    lines += [f"Docs:    {job.layout.site / 'runs' / docs_id / 'index.html'}"]
    lines += ["Next:    fix the source or the suite, then full-ingest; for a fixed suite sanity-check is enough"]
    if not findings.unchecked and len(findings.gating) == 1:
        lines += [f"Or:      sanity-check --accept '{broken[0].name}' --reason TEXT, to publish this once all the same"]
    return "\n".join(lines)


def _copy_site(job: Job) -> LakeError | None:
    """Copy the site. What went wrong with that is told after what was found in the data."""
    try:
        copy_site(job.watch)
    except LakeError as error:
        return error
    return None


def _check(job: Job, run: Run, docs_id: str, findings: Findings, accepted: Accepted | None) -> Check:
    outcome = "published" if run.state == RunState.PUBLISHED else "checks failed"
    if findings.unchecked:
        outcome = "could not check"
    counts = findings.counts
    worst = [finding.name for finding in (*findings.gating, *findings.unchecked)]
    if accepted:
        worst = [f"{accepted.expectation}, accepted by {accepted.by}: {accepted.reason}"]
    return Check(
        docs_id=docs_id,
        run_id=run.run_id,
        checked_at=job.now,
        outcome=outcome,
        passed=counts.passed,
        failed=counts.critical,
        warnings=counts.warnings,
        rows=sum(findings.rows.values()),
        message="; ".join(worst) or None,
        unchecked=counts.unchecked,
    )
