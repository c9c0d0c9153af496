"""The plan of a run."""

from __future__ import annotations

from dataclasses import replace

from jobs.steps.options import Job
from lib.lake.runs import Run
from lib.landing.budget import Budget
from lib.landing.plan import Plan, make_plan, plans_of
from lib.source.access import Access
from lib.source.page import total_instead
from lib.source.paging import Paging


def plan_tables(job: Job, access: Access, budget: Budget, run: Run) -> Plan:
    """Ask for the first page of each table; a resumed run knows its plan."""
    with job.steps.step("plan"):
        before = {table.table: table for table in plans_of(run.plan)}
        new = [(name, job.source.table(name).path) for name in job.tables if name not in before]
        plan = make_plan(access, run.run_id, new, budget)
        _say_where_no_total_is(job, access.paging, plan, run)
        return replace(plan, tables=(*before.values(), *plan.tables))


def _say_where_no_total_is(job: Job, paging: Paging, plan: Plan, run: Run) -> None:
    """Say of each table that reports no total, though the settings name a place for it, what is there instead."""
    for probe in plan.probes:
        if probe.total is None and probe.body is not None and paging.total is not None:
            why = f"api.pagination.total: {total_instead(probe.body, paging)}"
            run.tables[probe.table].unproved_because = why
            job.steps.note(
                f"{probe.table}: {why}. So its copy cannot be proved complete, and none of its rows is marked as deleted. Write "
                "where the answer has the number of rows, or total: null if it has none"
            )
