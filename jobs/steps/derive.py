"""Gold: the tables that are worked out from silver."""

from __future__ import annotations

from pyspark.sql import SparkSession

from jobs.steps.failpoints import reached
from jobs.steps.options import Job
from lib.lake import merge as lake
from lib.lake.read import at_version
from lib.lake.runs import Run, TableRun
from lib.tables import listens


def derive_tables(spark: SparkSession, job: Job, run: Run) -> None:
    """Build `listens` from the version of listen_history that this run merged."""
    base = run.tables.get(listens.DERIVED_FROM)
    if base is None or base.version is None or base.path is None or not listens.can_derive(job.source):
        return
    with job.steps.step("derive"):
        path = job.layout.gold(listens.NAME)
        rows = listens.listens(at_version(spark, job.layout, base.path, base.version))
        built = lake.overwrite(path, rows, tag=f"{listens.DERIVED_FROM}@{base.version}")
        record = TableRun(listens.NAME, state="built", path=job.layout.relative(path), version=built.version)
        record.rows_inserted = built.inserted
        run.tables[listens.NAME] = record
        reached("derived")
