"""Derive: from silver to gold, by what changed."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from jobs.steps.failpoints import reached
from jobs.steps.options import Job
from lib.lake import derived
from lib.lake.derived import Base, Derived
from lib.lake.read import at_version
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState
from lib.tables import listens

# Of the sessions: if more than that changed, the table is written anew. Every version is kept for years, so what counts first is
# what a version adds to the lake. Measured with 200,000 sessions (2 million listens), changed ones of all kinds:
#
#     changed       0.1 %   1 %    10 %   50 %      written anew
#     MB added      0.03    0.2    2.1    10.2      9.0 to 9.6
#     CPU seconds   16      15     18     28        3 to 5
#
# At a fifth it adds less than half of what the whole table does. It is never the faster way at this size: a MERGE has its price,
# however little it changes.
MOST_TOUCHED = 0.2


def derive_tables(spark: SparkSession, job: Job, run: Run) -> None:
    """Make `listens` what the run's version of listen_history says."""
    base = run.tables.get(listens.DERIVED_FROM)
    if base is None or base.version is None or base.path is None or not listens.can_derive(job.source):
        return
    with job.steps.step("derive"):
        reached("derive started")
        path = job.layout.gold(listens.NAME)
        built = _refresh(spark, job, Base(base.table, job.layout.root / base.path, base.version))
        record = TableRun(listens.NAME, TableState.BUILT, path=job.layout.relative(path), version=built.version)
        record.made_from = [{"table": base.table, "version": base.version}]
        record.rows_inserted, record.rows_updated, record.rows_vanished = built.inserted, built.updated, built.deleted
        run.tables[listens.NAME] = record
        reached("derived")


def _refresh(spark: SparkSession, job: Job, base: Base) -> Derived:
    path = job.layout.gold(listens.NAME)
    made_from = derived.made_from(path, base)
    if made_from == base.version:
        return derived.unchanged(path)
    sessions = at_version(spark, job.layout, job.layout.relative(base.path), base.version)
    touched = None
    # A later version than the run's: an older one is to be published again, and feeds do not run backwards.
    if made_from is not None and made_from < base.version and listens.can_follow(job.source):
        touched = _touched(spark, base, made_from, sessions)
    if touched is None:
        return derived.overwrite(path, listens.listens(sessions), base.tag)
    changes = listens.changed_listens(touched, sessions)
    try:
        return derived.merge_changes(spark, path, changes, key=listens.KEY, tag=base.tag)
    finally:
        touched.unpersist()


def _touched(spark: SparkSession, base: Base, made_from: int, sessions: DataFrame) -> DataFrame | None:
    """The sessions that changed since that version; None where the table is better written anew, or has to be."""
    touched = derived.changes_after(spark, base, made_from, listens.touched_sessions)
    if touched is not None and touched.count() > MOST_TOUCHED * sessions.count():
        touched.unpersist()
        return None
    return touched
