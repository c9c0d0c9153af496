"""Check, publish: GX on the exact versions, then docs, pages and pointers together. Before that, the start of what both need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from jobs.steps.options import Job
from lib.errors import ChecksFailedError, CouldNotCheckError, LakeError
from lib.failpoints import reached
from lib.lake import site_folder as site
from lib.lake.checks import add_check, all_checks
from lib.lake.complete import CompleteSet, complete
from lib.lake.publications import Accepted, publish
from lib.lake.runs import Run
from lib.lake.states import RunState
from lib.logs import BAD, GOOD, WARNED
from lib.quality.accept import not_accepted
from lib.quality.checking import Looking, Suites, check, check_record, look, prepare_checks
from lib.quality.docs import Docs, copy_assets
from lib.reporting.kept_page import keep_page
from lib.reporting.observe import copy_site
from lib.reporting.site import checked_page, write_index
from lib.reporting.summary import why_not_published
from lib.session import start_session

# By the shape of the counts of a check.
_SIGNS = {"good": GOOD, "open": WARNED, "bad": BAD}
ROWS_NOTE = "Some expectations only warn, and failed. To list the rows:"


def start(job: Job, name: str, run: Run, rows: int) -> tuple[SparkSession, Suites]:
    """Start Spark for a job of that name on so many rows, and build the suites meanwhile.

    Raises:
        ConfigError: an expectation that GX does not take.
    """
    with ThreadPoolExecutor(max_workers=1) as background:
        suites = background.submit(prepare_checks, job.source, job.layout, job.suites, job.now)
        with job.steps.step("start Spark"):
            return start_session(f"pagelake {name} {run.run_id}", job.runtime, rows=rows, halts=True), suites.result()


def check_and_publish(
    spark: SparkSession,
    job: Job,
    run: Run,
    suites: Suites,
    accepted: Accepted | None = None,
    *,
    carried: Accepted | None = None,
    looking: Looking | None = None,
    advice: str | None = None,
) -> None:
    """Check every table of the run at its version, and publish them together if no critical expectation fails but the accepted one.

    The run's docs are made in any case. runs.html is left to `observe`, which knows by then what was measured. `looking` is what
    `look` gave, if it was asked before; `carried` is what was accepted at an earlier check, and counts if it still fails; `advice`
    says what to do if a check fails, where that is another thing than after a run.

    Raises:
        SourceIncompleteError: the run did not come so far that it could be checked. Nothing was done.
        ConfigError: what is to be accepted did not fail. No docs are made.
        CouldNotCheckError: an expectation could not be checked, which is never shown as passed.
        ChecksFailedError: a critical expectation failed. The previous publication stays current.
    """
    whole = complete(job.source, run)
    if run.state == RunState.FAILED:
        # It was merged, and stopped or failed on its way through the checks.
        run.to(RunState.MERGED)
    with ThreadPoolExecutor(max_workers=1) as background:
        _check_and_publish(spark, job, run, suites, accepted, carried, whole, looking, background, advice)


def _check_and_publish(
    spark: SparkSession,
    job: Job,
    run: Run,
    suites: Suites,
    accepted: Accepted | None,
    carried: Accepted | None,
    whole: CompleteSet,
    looking: Looking | None,
    background: ThreadPoolExecutor,
    advice: str | None,
) -> None:
    docs_id = site.free_docs_id(job.layout.site, run.run_id, [check.docs_id for check in all_checks(job.layout)])
    site.remove_leftovers(job.layout.site, job.now)
    with job.steps.step("check") as step:
        copy = job.copy(spark, run)
        looking = looking or look(copy, suites, background)
        assets = job.runtime.site_assets
        href = copy_assets(assets, job.layout.site) if assets else ""
        staged, lake = site.staging_folder(job.layout.site, docs_id), str(job.layout.root)
        docs = Docs(docs_id, staged, job.source.source, href, lake=lake)
        found = check(copy, looking, whole.tables, suites, docs=docs, at=job.now)
        findings, notes = found.findings, found.notes
        if carried is not None and carried.expectation in {finding.name for finding in findings.gating}:
            accepted = carried
        broken = (*not_accepted(findings, accepted), *findings.unchecked)
        step.result, step.sign = str(findings.counts), _SIGNS[findings.counts.shape]
        reached("checked")
    with job.steps.step("publish") as step:
        if findings.failed:
            notes += map(str, findings.warnings)
            notes.append(f"{ROWS_NOTE} {docs.command}")
        if not broken:
            keep_page(docs.folder, checked_page(job.layout, job.source.source, run, docs_id, job.now, findings, notes))
        site.publish_run_docs(docs.folder, job.layout.site, docs_id)
        reached("docs moved in")
        # Only now is the docs' id taken for good: a check that was killed before leaves no rows that the next one would repeat.
        found.listed.write(spark, job.layout)
        # Not only the tables: the orphaned references are cached, too. At each commit to a table, Spark plans again every cached
        # query that reads it, which the next run in this process would pay for.
        spark.catalog.clearCache()
        if not broken:
            # When readers see it, which a long run's start is not: `Lake.as_of` goes by this.
            in_spite = (accepted,) if accepted else ()
            counts = findings.rows, findings.live_rows
            publish(job.layout, whole.publication(docs_id, datetime.now(UTC), *counts, in_spite))
            reached("published")
        run.to(RunState.CHECKS_FAILED if broken else RunState.PUBLISHED)
        add_check(job.layout, check_record(run, docs_id, job.now, findings, None if broken else accepted))
        write_index(job.site)
        step.result = "nothing new is published" if broken else f"publication {docs_id}"
        step.sign = BAD if broken else GOOD
    not_copied = _copy_site(job)
    if broken:
        why = why_not_published(job.named, job.layout, docs_id, findings, broken, advice)
        if not_copied:
            raise LakeError(f"{why}\nBesides: {not_copied}")
        raise (CouldNotCheckError if findings.unchecked else ChecksFailedError)(why)
    if not_copied:
        raise not_copied


def _copy_site(job: Job) -> LakeError | None:
    """Copy the site. What went wrong with that is told after what was found in the data."""
    try:
        copy_site(job.watch)
    except LakeError as error:
        return error
    return None
