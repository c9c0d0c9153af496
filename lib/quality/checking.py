"""The check of a run: every table at its version against its suite, and the references between them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from lib.config import Source, derivations_of
from lib.config.derivations import RECOMMENDATIONS
from lib.lake import publications, runs
from lib.lake.checks import Check
from lib.lake.copying import Copy
from lib.lake.layout import Layout
from lib.lake.publications import Accepted
from lib.lake.quarantine import quarantined
from lib.lake.read import at_version
from lib.lake.runs import Run
from lib.lake.states import RunState, TableState
from lib.quality.declared import NOTHING
from lib.quality.docs import Docs
from lib.quality.failed_rows import CheckOf, Listed, list_failures
from lib.quality.implied import implied, register_deleted_rows
from lib.quality.lists import register_build, register_references
from lib.quality.references import count_unmatched, describe_unmatched, register_unmatched
from lib.quality.suites import build_suite, of_kept
from lib.quality.validate import Findings, validate

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

# So many failures the record of a check keeps as lines.
MOST_LINES = 100
Suites = dict[str, "ExpectationSuite"]


def prepare_checks(source: Source, layout: Layout, files: Mapping[str, dict[str, Any]], at: datetime) -> Suites:
    """Import GX and build every suite from its file. Both take a moment in which Spark can start.

    Raises:
        ConfigError: an expectation that GX does not take.
    """
    known = runs.all_runs(layout)
    return {name: build_suite(source, name, file, implied(source, name, known, at)) for name, file in files.items()}


@dataclass(frozen=True)
class Looking:
    """The source's tables at their versions, and the sentences on pointers that meet no live row, once those are found."""

    frames: dict[str, DataFrame]
    unmatched: Future[list[str]]


def look(copy: Copy, suites: Suites, background: ThreadPoolExecutor) -> Looking:
    """Read the source's tables, and start to look for unmatched references. The first checks need not wait for those.

    That is done by a thread of `background`, whose owner waits for it before the lake's lock is given back. Derived tables are left
    out: they may be about to get another version.
    """
    records = copy.run.tables
    held = {table.name: records[table.name] for table in copy.source.tables if table.name in records}
    versions = {
        name: (one.path, one.version) for name, one in held.items() if one.path is not None and one.version is not None
    }
    frames = _read_at(copy, versions)
    return Looking(frames, background.submit(_references, copy, frames, suites))


@dataclass(frozen=True)
class Checking:
    """What a check came to: what was found of each table, the rows that fail, and sentences on unmatched references."""

    findings: Findings
    listed: Listed
    notes: list[str]


def check(
    copy: Copy,
    looking: Looking,
    versions: Mapping[str, tuple[str, int]],
    suites: Suites,
    *,
    docs: Docs,
    at: datetime,
) -> Checking:
    """Check the tables at these versions, and write their data docs.

    Those that point at others come last: their unmatched references are counted meanwhile, for sentences.
    """
    further = {name: version for name, version in versions.items() if name not in looking.frames}
    frames = looking.frames | _read_at(copy, further)
    register_deleted_rows(copy.spark, copy.source, copy.run)
    notes = _built_apart(copy, frames, suites)
    pointing = {table.name for table in copy.source.tables if table.references}
    listed: list[Listed] = []

    def with_keys(found: Findings) -> Findings:
        of = CheckOf(copy.run, docs.docs_id, at)
        listed.append(list_failures(copy.source, lambda: copy.key_hash, of, frames, found))
        return listed[0].with_keys()

    findings = validate(
        {name: frames[name] for name in sorted(frames, key=lambda name: name in pointing)},
        suites,
        at=at,
        docs=docs,
        wait_for=lambda name: looking.unmatched.result() if name in pointing else None,
        with_keys=with_keys,
    )
    return Checking(findings, listed[0], [*looking.unmatched.result(), *notes])


def _read_at(copy: Copy, versions: Mapping[str, tuple[str, int]]) -> dict[str, DataFrame]:
    """The tables at these versions, read once for the references and for GX. Delta looks at all of their logs at once."""
    with ThreadPoolExecutor() as pool:
        read = pool.map(lambda version: at_version(copy.spark, copy.lake, *version).persist(), versions.values())
        return dict(zip(versions, read, strict=True))


def _built_apart(copy: Copy, frames: dict[str, DataFrame], suites: Suites) -> list[str]:
    """Let the suites of what another job builds ask about it, and stop no run that is not of that job.

    Such a run merges no table of the source: it keeps all of them as they are published.
    """
    is_of_that_job = all(copy.run.tables[table.name].state == TableState.KEPT for table in copy.source.tables)
    notes: list[str] = []
    for declared in derivations_of(copy.source).values():
        if declared.apart and declared.name in frames:
            suite = suites[declared.name]
            is_built = is_of_that_job and copy.run.tables[declared.name].state == TableState.BUILT
            if not is_built:
                of_kept(suite)
            if declared.name == RECOMMENDATIONS and copy.source.recommend is not None:
                notes += register_references(copy, declared, frames, suite)
                if is_built:
                    current = publications.current(copy.lake)
                    until = None if current is None else current.published_at
                    register_build(copy, copy.source.recommend, declared, frames, until)
    return notes


def _references(copy: Copy, frames: dict[str, DataFrame], suites: Suites) -> list[str]:
    """Find the pointers that meet no live row, for GX to look at; say how many there are and what they meet."""
    earlier = runs.all_runs(copy.lake)
    pointing = [table for table in copy.source.tables if table.references]
    targets = {}
    for name in {reference.to_table for table in pointing for reference in table.references}:
        rejected = quarantined(copy.spark, copy.lake, name, runs.merged_by(earlier, copy.run, name))
        targets[name] = (copy.source.table(name), frames[name], rejected)
    notes: list[str] = []
    hashed = copy.key_hash
    for table in pointing:
        found = count_unmatched(table, register_unmatched(table, frames[table.name], targets, hashed))
        describe_unmatched(suites[table.name], found)
        orphans = {unmatched.reference.column: unmatched for unmatched in found if unmatched.meets == NOTHING}
        copy.run.tables[table.name].orphans = [
            {"reference": name, "pointers": orphans[name].pointers, "keys": orphans[name].keys}
            if name in orphans
            else {"reference": name, "pointers": 0, "keys": 0}
            for name in (reference.column for reference in table.references)
        ]
        notes += [str(unmatched) for unmatched in found]
    return notes


def check_record(run: Run, docs_id: str, at: datetime, findings: Findings, accepted: Accepted | None) -> Check:
    """What `ops/checks` keeps of a check of the run."""
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
        checked_at=at,
        outcome=outcome,
        passed=counts.passed,
        failed=counts.critical,
        warnings=counts.warnings,
        rows=sum(findings.live_rows.values()),
        message="; ".join(worst) or None,
        unchecked=counts.unchecked,
        lines=findings.lines[:MOST_LINES],
    )
