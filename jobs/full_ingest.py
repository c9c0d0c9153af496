"""`full-ingest`: the whole way of the data, from the API to published tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from jobs.steps import record
from jobs.steps.derive import derive_tables
from jobs.steps.failpoints import reached
from jobs.steps.land import Landing, land_pages, prove_tables
from jobs.steps.merge import merge_tables
from jobs.steps.options import Job, common_options, open_job
from jobs.steps.plan import Choices, plan_tables
from jobs.steps.publish import check_and_publish, prepare_checks
from jobs.steps.serve import served
from lib.config import check_run_id
from lib.lake.runs import PUBLISHED, Run
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer
from lib.session import start_session
from lib.source.access import Access


@click.command(
    "full-ingest", help="Copy every table of the source into the lake, check it, and publish it if it passes."
)
@common_options
@click.option("--dry-run", is_flag=True, help="Ask for the first page of each table and print the plan; write nothing.")
@click.option(
    "--resume", metavar="RUN_ID", help="Go on with that run: only what has not landed is fetched. New: start it."
)
@click.option("--no-check", is_flag=True, help="Merge, and leave checking and publishing to sanity-check.")
@click.option("--allow-deletes", is_flag=True, help="Let this run mark any number of rows as vanished.")
@click.option(
    "--accept-incomplete", is_flag=True, help="Merge tables that could not be proved complete; nothing vanishes."
)
def command(*, dry_run: bool, resume: str | None, no_check: bool, **options: Any) -> None:
    """The command line of the job."""
    choices = Choices(no_check, options.pop("allow_deletes"), options.pop("accept_incomplete"))
    job = open_job(**options)
    run = record.open_run(job, publishes=not (no_check or dry_run), resume=resume and check_run_id(resume))
    if run.state != PUBLISHED:
        with served(job.source) as source:
            access, limits = Access.of(source.api), source.api.limits
            budget = Budget(limits.concurrency, limits.requests_per_second, max_wait_s=limits.max_wait_s)
            if dry_run:
                record.say_plan(job, plan_tables(job, access, budget, run))
                return
            with record.recorded(job, run):
                ingest(job, access, budget, run, choices)
    record.say_done(job, run)


def ingest(job: Job, access: Access, budget: Budget, run: Run, choices: Choices) -> None:
    """Plan, land, prove, merge, check, publish. No Spark is started for a source of which no table could be planned."""
    plan = plan_tables(job, access, budget, run)
    record.note_plan(job, run, plan.tables)
    for name, reason in plan.failed.items():
        run.fail(name, reason)
    reached("planned")
    if not plan.tables:
        record.stop_on_failed_tables(run)
    with ThreadPoolExecutor(max_workers=1) as background:
        suites = background.submit(prepare_checks, job)
        with job.steps.step("start Spark"):
            spark = start_session(f"pagelake full-ingest {run.run_id}", job.runtime, rows=plan.n_rows)
            suites.result()
    with BudgetServer(budget, host=spark.conf.get("spark.driver.host") or "127.0.0.1") as server:
        landing = Landing(spark, job, access, run, budget, server.gate, choices.accept_incomplete)
        land_pages(landing, plan)
        prove_tables(landing)
        merge_tables(landing, allow_deletes=choices.allow_deletes)
    derive_tables(spark, job, run)
    record.note_merged(job, run)
    record.stop_on_failed_tables(run)
    if not choices.no_check:
        check_and_publish(spark, job, run, suites.result())
