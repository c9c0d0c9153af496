"""The plan of a run."""

from __future__ import annotations

from dataclasses import replace

from jobs.steps import record
from jobs.steps.options import Job
from lib.lake.runs import Run
from lib.landing.budget import Budget
from lib.landing.plan import Plan, make_plan
from lib.source.access import Access


def plan_tables(job: Job, access: Access, budget: Budget, run: Run) -> Plan:
    """Ask for the first page of each table; a resumed run knows its plan."""
    with job.steps.step("plan"):
        before = {table.table: table for table in record.planned_before(run)}
        new = [(name, job.source.table(name).path) for name in job.tables if name not in before]
        plan = make_plan(access, run.run_id, new, budget)
        return replace(plan, tables=(*before.values(), *plan.tables))
