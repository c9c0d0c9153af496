"""What a run hands to its checks: what earlier runs make plausible, and what was deleted from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from jobs.steps.options import Job
from jobs.steps.publish import check_and_publish
from lib.lake import runs
from lib.lake.checks import all_checks
from lib.lake.runs import Run, TableRun
from lib.quality.checking import prepare_checks
from lib.quality.implied import implied
from tests.spark.served_table import DAY_0, Served

FEW_DELETED = {
    "type": "unexpected_rows_expectation",
    "kwargs": {"unexpected_rows_query": "SELECT * FROM deleted_from_things /* {batch} */ WHERE share > 0.2"},
    "severity": "warning",
    "description": "At most 20 % of the things were deleted.",
}


def earlier(number: int, keys: int | None, proof: str = "counted", **changes: Any) -> Run:
    """A run from before the first one of `Served`, published unless said otherwise."""
    table = TableRun("things", state="merged", proof=proof, keys=keys)
    at = DAY_0 - timedelta(days=100 - number)
    run = Run(f"old-{number}", "shop", at, "h", "{}", state=runs.PUBLISHED, tables={"things": table})
    return replace(run, **changes)


def implied_of(job: Job, known: list[Run]) -> list[dict[str, Any]]:
    return list(implied(job.source, "things", known, job.now))


def volume(things: Served, known: list[Run]) -> list[dict[str, Any]]:
    counts = [one for one in implied_of(things.job(), known) if one["type"].startswith("expect_table_row_count")]
    return [one["kwargs"] for one in counts if "max_value" in one["kwargs"]]


def test_a_plausible_volume_is_that_of_proved_and_published_runs(things: Served) -> None:
    known = [earlier(number, 10) for number in range(4)]
    others = [
        earlier(4, 99, state=runs.CHECKS_FAILED),
        earlier(5, 99, proof="unproved"),
        earlier(6, 99, replay_of="old-1"),
        earlier(7, None),
        earlier(8, 99, tables={"things": TableRun("things", state="kept")}),
        earlier(9, 99, tables={}),
    ]
    assert volume(things, [*known, *others]) == []
    assert volume(things, [*known, *others, earlier(10, 10)]) == [{"min_value": 8, "max_value": 12}]
    things.settings["deletes"] = "ignore"
    assert volume(things, [*known, earlier(10, 10)]) == []


def test_a_run_that_lost_much_is_published_with_warnings(spark: SparkSession, things: Served) -> None:
    for number in range(5):
        earlier(number, 4).save(things.layout)
    rows = [{"id": number, "name": "a"} for number in range(4)]
    for given in (rows, rows[1:3]):
        run = things.run(*given)
        assert run.tables["things"].error is None
        job = things.job()
        job.suites = {"things": {"expectations": [FEW_DELETED]}}
        check_and_publish(spark, job, run, prepare_checks(job.source, job.layout, job.suites, job.now))
        run.save(things.layout)
        assert run.state == runs.PUBLISHED
        assert spark._jsparkSession.sharedState().cacheManager().isEmpty()
    # First: 4 rows as ever. Second: 2 of these are gone (more than a fifth), and 2 are left (fewer than ever).
    checks = sorted(all_checks(things.layout), key=lambda check: check.checked_at)
    assert [(check.failed, check.warnings) for check in checks] == [(0, 0), (0, 2)]
