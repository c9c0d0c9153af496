"""What a run says at its end: what happened, what to do next, and where things are."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import join

from lib.config import Source, is_column_name
from lib.console import columns, number_of, say
from lib.errors import SourceIncompleteError
from lib.lake import publications, runs
from lib.lake.checks import Check, checks_since
from lib.lake.layout import Layout
from lib.lake.runs import Run, TableRun
from lib.lake.site_folder import page_to_open
from lib.lake.states import ENDED, INCOMPLETE, UNPROVED, TableState
from lib.landing.plan import Plan
from lib.logs import GOOD, WARNED
from lib.quality.counts import Counts
from lib.quality.names import failures_command
from lib.quality.validate import Finding, Findings


def say_plan(run: Run, plan: Plan, source: Source | None = None) -> None:
    """What a dry run prints. What tables are asked for is said where it is not all rows.

    Of the `source` it says what keeps deleted rows from being found, as far as the plan shows it.

    Raises:
        SourceIncompleteError: a table could not be planned.
    """
    rows = [("table", "rows", "pages")]
    rows += [
        (
            table.table,
            "unknown" if table.total is None else f"{table.total:,}",
            "unknown" if table.is_walk or table.in_parts else f"{table.n_pages:,}",
        )
        for table in plan.tables
    ]
    records = [run.tables[table.table] for table in plan.tables]
    asked = [f"{record.table}: {record.asked_for}." for record in records if record.is_increment]
    parts = [f"{table.table}: {table.parts_in_words}." for table in plan.tables if table.in_parts]
    say(
        [
            f"Plan for {run.source}; nothing was written, not published.",
            *columns(rows),
            *parts,
            *asked,
            *_undeletable(run, plan, source),
        ]
    )
    if plan.failed:
        raise SourceIncompleteError("\n".join(f"{name}: {error}" for name, error in plan.failed.items()))


def _undeletable(run: Run, plan: Plan, source: Source | None) -> list[str]:
    return [
        f"{table.table}: the source gives no total, so that deletes: soft will mark no row as deleted. {_cure(source, table.table)}"
        for table in plan.tables
        # A part says what it has when it is read, and of an increment it is said how deleted rows are found.
        if table.total is None and not table.in_parts and not run.tables[table.table].is_increment
        if _cure(source, table.table)
    ]


def _cure(source: Source | None, table: str) -> str:
    """What to write so that the deleted rows of a table are found; empty where there is nothing to write, or no rows are wanted."""
    found = None if source is None else source.proof_for_deletes(table)
    return "" if found is None else f"Write prove: {found[1]} in {found[0]}: a second walk then proves the copy."


def say_done(layout: Layout, run: Run, named: str | None = None, source: Source | None = None) -> None:
    """The summary of a run that went well: what happened, what to do next, where the docs are.

    `named` is what to type for its source, where that is not its name. Of the `source` it says how deleted rows are found.
    """
    if run.state == runs.PUBLISHED and all(table.state == TableState.KEPT for table in run.tables.values()):
        say(_nothing_new(layout, run), GOOD)
        return
    rows = [["table", "rows landed", "rejected", "duplicate", "inserted", "updated", "deleted"]]
    for table in run.tables.values():
        copied = [table.rows_landed, table.rows_rejected, table.rows_duplicate]
        counts = [*copied, table.rows_inserted, table.rows_updated, table.rows_deleted]
        rows.append([table.table, *("-" if count is None else f"{count:,}" for count in counts)])
    lines = ["", *columns(rows), ""]
    lines += [
        f"Not proved complete: {table.table} ({table.proof}{_because(table)}); none of its rows was marked as deleted."
        for table in run.tables.values()
        if table.proof in (UNPROVED, INCOMPLETE)
    ]
    lines += [
        f"Read to the end that its source declares, and not counted: {table.table} ({table.proof}{_because(table)}); none of its "
        f"rows was marked as deleted. {_cure(source, table.table)}".rstrip()
        for table in run.tables.values()
        if table.proof == ENDED
    ]
    for table in run.tables.values():
        if table.new_columns:
            lines.append(
                f"New columns of {table.table}, which its contract does not have: {', '.join(map(repr, table.new_columns))}."
            )
            if not all(is_column_name(name) for name in table.new_columns):
                lines.append(
                    "A name that no column can have needs another one in the source YAML, with from: and the name in the JSON."
                )
        if table.parents_missing:
            lines.append(
                f"The source has no list of {table.table} for {number_of(table.parents_missing, 'row')} that it should be read for "
                "(status 404 or 410)."
            )
        if table.rows_resolved:
            lines.append(f"{number_of(table.rows_resolved, 'row')} of {table.table} left quarantine.")
    lines += [
        f"{table.table}: {table.asked_for}, proved by what it asked for; {_how_deleted(table)}."
        for table in run.tables.values()
        if table.is_increment and table.state == TableState.MERGED
    ]
    check, where = _last_check(layout, run), ("--source", named or run.source, "--lake", str(layout.root))
    if run.state == runs.PUBLISHED and check is not None:
        lines += check.lines or ()
    say(lines)
    if run.state == runs.PUBLISHED:
        lines = [f"Run {run.run_id} is published.", *_accepted(layout, run)]
        # In the words that its site and its docs have.
        lines += [f"Checks:  {Counts.recorded(check)}"] if check is not None else []
        lines += [f"Rows:    {failures_command(check.docs_id, *where)}"] if check is not None and check.warnings else []
        lines += [
            f"Docs:    {page_to_open(layout.site)}",
            f"Tables:  {layout.published_json}  (docs/reading.md says how to read them)",
        ]
        say(lines, GOOD)
    else:
        lines = [
            f"Run {run.run_id} is merged and not published.",
            f"Next:    {join(['./spark-submit.sh', 'sanity-check', *where])}",
        ]
        say(lines, WARNED)


def _how_deleted(table: TableRun) -> str:
    """By what the deleted rows of an increment are found."""
    if table.is_swept:
        return f"deleted rows are those whose key is none of the {table.rows_swept:,} that the sweep met"
    return "deleted rows are found by a run that asks for all" + ", or for all keys" * (table.sweep is not None)


def _nothing_new(layout: Layout, run: Run) -> list[str]:
    current = publications.current(layout)
    return [
        f"Run {run.run_id}: nothing new at the source. Publication {current.publication_id if current else '-'} stays current.",
        *(f"         {table.table}: {table.asked_for}" for table in run.tables.values() if table.is_increment),
        f"Docs:    {page_to_open(layout.site)}",
        f"Tables:  {layout.published_json}  (docs/reading.md says how to read them)",
    ]


def why_not_published(
    named: str, layout: Layout, docs_id: str, findings: Findings, broken: Sequence[Finding], advice: str | None = None
) -> str:
    """The summary of a check after which nothing is published: what is wrong, where to look, and what to do.

    `named` is what to type for the source. `advice` takes the place of what is advised after a run.
    """
    # A failure that was accepted is not what stops it.
    said = Findings((*broken, *findings.warnings), findings.rows).lines
    lines = [f"{findings.counts}:", *(f"  {line}" for line in said)]
    lines += ["The previous publication stays current."]
    if findings.failed:
        where = ("--source", named, "--lake", str(layout.root))
        lines += [f"Rows:    {failures_command(docs_id, *where)}"]
    lines += [f"Docs:    {layout.site / 'runs' / docs_id / 'index.html'}"]
    if advice is not None:
        return "\n".join([*lines, f"Next:    {advice}"])
    lines += ["Next:    fix the source or the suite, then full-ingest; for a fixed suite sanity-check is enough"]
    if not findings.unchecked and len(findings.gating) == 1:
        lines += [
            f"Or:      sanity-check --accept '{broken[0].name}' --reason TEXT, to publish once despite this failure"
        ]
    return "\n".join(lines)


def _last_check(layout: Layout, run: Run) -> Check | None:
    return next((one for one in checks_since(layout, run.number) if one.run_id == run.run_id), None)


def _because(table: TableRun) -> str:
    skipped = f"pages skipped by error rules: {table.pages_skipped:,}" if table.pages_skipped else None
    why = table.unproved_because or skipped
    return f": {why}" if why else ""


def _accepted(layout: Layout, run: Run) -> list[str]:
    """What was published in spite of, if this run's publication is current."""
    publication = publications.current(layout)
    if publication is None or publication.run_id != run.run_id:
        return []
    return [f"{one.expectation} failed, and was accepted by {one.by}: {one.reason}" for one in publication.accepted]
