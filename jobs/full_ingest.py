"""`full-ingest`: the whole way of the data, from the API to published tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
from pyspark.sql import SparkSession

from jobs.steps import record
from jobs.steps.options import Choices, Job, check_wanted, full_ingest_options, open_job
from jobs.steps.publish import check_and_publish, start
from jobs.steps.serve import served
from lib.config import BudgetAddress
from lib.failpoints import reached
from lib.gold.derive import derive_tables
from lib.lake import runs
from lib.lake.opening import keep_published, keep_the_rest
from lib.lake.runs import Run
from lib.lake.settled import is_settled
from lib.lake.states import Step
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer
from lib.landing.increments import plan_run
from lib.landing.key_sweep import sweep_tables
from lib.landing.land import land_complete
from lib.landing.landing import Landing
from lib.landing.merging import check_columns_held, merge_parsed
from lib.landing.nested import follow_parents
from lib.landing.parsed import Batch
from lib.landing.plan import note_plan
from lib.landing.replay import landed_runs, merge_again, rebuild
from lib.quality.checking import Suites, look
from lib.reporting.run_end import stop_on_failed_tables
from lib.reporting.summary import say_done, say_plan
from lib.source.access import Access

NAME = "full-ingest"


@click.command(NAME, help="Copy every table of the source into the lake, check it, and publish it if it passes.")
@full_ingest_options
def command(*, dry_run: bool, from_landed: str | None, choices: Choices, **options: Any) -> None:
    """The command line of the job."""
    job = open_job(**options)
    check_wanted(job, choices.wanted)
    named = {"resume": choices.resume, "or_start": choices.resume_or_start, "replay_of": from_landed}
    run = record.open_run(job, publishes=not (choices.no_check or dry_run), **named)
    if run.replay_of != runs.ALL:
        check_columns_held(job.source, job.layout, job.tables)
    if run.replay_of is not None and run.state != runs.PUBLISHED:
        landed = landed_runs(job.source, job.layout, job.tables, run.replay_of)
        with record.recorded(job, run, NAME):
            take_landed(job, run, landed, choices)
    elif run.state != runs.PUBLISHED:
        with served(job.source) as source:
            access, budget = Access.of(source.api, source.tables), Budget.of(source.api)
            if dry_run:
                plan = plan_run(job.source, job.layout, access, budget, run, job.steps, choices.wanted).plan
                say_plan(run, plan, job.source)
                return
            with record.recorded(job, run, NAME):
                ingest(job, access, budget, run, choices)
    say_done(job.layout, run, job.named, job.source)


def ingest(job: Job, access: Access, budget: Budget, run: Run, choices: Choices) -> None:
    """Plan, land, prove, merge, check, publish. No Spark is started where no table could be planned, or nothing is new."""
    planned = plan_run(job.source, job.layout, access, budget, run, job.steps, choices.wanted)
    plan = planned.plan
    if planned.is_nothing_new and is_settled(job.source, job.layout, run):
        keep_published(job.layout, run)
        return
    note_plan(job.layout, run, plan.tables)
    for name, reason in plan.failed.items():
        run.fail(name, reason)
    follow_parents(job.source, run)
    reached("planned")
    if not plan.tables:
        stop_on_failed_tables(run)
    spark, suites = start(job, NAME, run, plan.n_rows)
    at = BudgetAddress.of(dict(spark.sparkContext.getConf().getAll()))
    with BudgetServer(budget, host=at.host, bind=at.bind, port=at.port) as server:
        copy = job.copy(spark, run)
        landing = Landing(copy, planned.access, budget, server.gate, choices.accept_incomplete)
        batch = Batch.of_run(copy, landing.plan_of, allow_deletes=choices.allow_deletes)
        parsed = land_complete(landing, plan, batch)
        sweep_tables(landing, batch, parsed, access)
    merge_parsed(batch, parsed)
    run.end_step(Step.MERGE, job.layout)
    reached("all merged")
    _finish(spark, job, run, suites, choices)


def take_landed(job: Job, run: Run, landed: list[Run], choices: Choices) -> None:
    """Merge pages that have landed before, check, publish. The source is not asked for anything."""
    n_rows = sum(table.rows_landed or 0 for one in landed for table in one.tables.values())
    spark, suites = start(job, NAME, run, n_rows)
    copy = job.copy(spark, run)
    if run.replay_of == runs.ALL:
        rebuild(copy, landed, allow_deletes=choices.allow_deletes)
    else:
        merge_again(copy, landed[0], runs.all_runs(job.layout), allow_deletes=choices.allow_deletes)
    keep_the_rest(job.layout, run)
    run.end_step(Step.MERGE, job.layout)
    reached("all merged")
    _finish(spark, job, run, suites, choices)


def _finish(spark: SparkSession, job: Job, run: Run, suites: Suites, choices: Choices) -> None:
    checks = not (run.failed or choices.no_check)
    with ThreadPoolExecutor(max_workers=2) as background:
        # What derive reads, and does not write, the checks can read meanwhile.
        looking = background.submit(look, job.copy(spark, run), suites, background) if checks else None
        derive_tables(job.copy(spark, run))
        record.note_merged(job, run)
        stop_on_failed_tables(run)
        if looking:
            check_and_publish(spark, job, run, suites, looking=looking.result())
