"""Fetch, land, prove: from a plan to raw pages in bronze that are known to be all there was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession

from jobs.steps.options import Job
from lib.errors import SourceError
from lib.lake.runs import Run
from lib.landing.bronze import count_landed, land
from lib.landing.fetch import FetchPages, fetched, shared_out
from lib.landing.plan import Plan, waves
from lib.landing.prove import closing_probe, prove
from lib.source.access import Access


def land_pages(spark: SparkSession, job: Job, access: Access, plan: Plan, run: Run) -> None:
    """Land every planned page, the probed ones with the first wave."""
    limits = job.source.api.limits
    with job.steps.counted("fetch and land", plan.n_pages) as done:
        probes = tuple(table.probe for table in plan.tables)
        for number, wave in enumerate(waves(plan, limits.concurrency)):
            parts, in_flight, per_second = shared_out(
                wave,
                slots=spark.sparkContext.defaultParallelism,
                concurrency=limits.concurrency,
                requests_per_second=limits.requests_per_second,
            )
            here = probes if number == 0 else ()
            fetch = FetchPages(access, run.run_id, parts, in_flight, per_second, here)
            land(fetched(spark, fetch), str(job.layout.pages))
            done(sum(span.n_pages for span in wave) + len(here))


def prove_tables(job: Job, access: Access, plan: Plan, run: Run) -> None:
    """Prove each table's copy complete; one that cannot be proved fails, and takes no other with it."""
    with job.steps.step("prove"):
        counted = count_landed(str(job.layout.pages), run.run_id, [table.table for table in plan.tables])
        with ThreadPoolExecutor(max_workers=max(1, len(plan.tables))) as pool:
            closings = list(pool.map(lambda table: closing_probe(access, table, run.run_id), plan.tables))
        for table, closing in zip(plan.tables, closings, strict=True):
            landed, record = counted[table.table], run.tables[table.table]
            record.pages, record.rows_landed = landed.n_pages, landed.n_items
            try:
                record.proof = prove(table, landed, closing).level
                record.state = "landed"
            except SourceError as error:
                run.fail(table.table, str(error))
