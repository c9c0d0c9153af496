"""`full-ingest`: the whole way of the data, from the API to published tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from jobs.steps import record
from jobs.steps.land import land_pages, prove_tables
from jobs.steps.merge import derive_tables, merge_tables
from jobs.steps.options import Job, common_options, open_job
from jobs.steps.publish import check_and_publish, prepare_checks
from jobs.steps.serve import served
from lib.lake.runs import Run
from lib.landing.plan import Plan, make_plan
from lib.session import start_session
from lib.source.access import Access


@click.command(
    "full-ingest", help="Copy every table of the source into the lake, check it, and publish it if it passes."
)
@common_options
@click.option("--dry-run", is_flag=True, help="Ask for the first page of each table and print the plan; write nothing.")
@click.option("--no-check", is_flag=True, help="Merge, and leave checking and publishing to sanity-check.")
@click.option("--allow-deletes", is_flag=True, help="Let this run mark any number of rows as vanished.")
def command(*, dry_run: bool, no_check: bool, allow_deletes: bool, **options: Any) -> None:
    """The command line of the job."""
    job = open_job(**options)
    run = record.open_run(job, publishes=not (no_check or dry_run))
    with served(job.source) as source:
        access = Access.of(source.api)
        if dry_run:
            record.say_plan(job, plan_tables(job, access, run))
            return
        with record.recorded(job, run):
            plan = plan_tables(job, access, run)
            record.note_plan(job, run, plan)
            ingest(job, access, plan, run, no_check=no_check, allow_deletes=allow_deletes)
    record.say_done(job, run)


def plan_tables(job: Job, access: Access, run: Run) -> Plan:
    """Ask for the first page of each table."""
    with job.steps.step("plan"):
        return make_plan(access, run.run_id, [(name, job.source.table(name).path) for name in job.tables])


def ingest(job: Job, access: Access, plan: Plan, run: Run, *, no_check: bool, allow_deletes: bool) -> None:
    """Land, prove, merge, check, publish. No Spark is started for a source of which no table could be planned."""
    if not plan.tables:
        record.stop_on_failed_tables(run)
    with ThreadPoolExecutor(max_workers=1) as background:
        suites = background.submit(prepare_checks, job)
        with job.steps.step("start Spark"):
            spark = start_session(f"pagelake full-ingest {run.run_id}", job.runtime, rows=plan.n_rows)
            suites.result()
    land_pages(spark, job, access, plan, run)
    prove_tables(job, access, plan, run)
    merge_tables(spark, job, run, allow_deletes=allow_deletes)
    derive_tables(spark, job, run)
    record.note_merged(job, run)
    record.stop_on_failed_tables(run)
    if not no_check:
        check_and_publish(spark, job, run, suites.result())
