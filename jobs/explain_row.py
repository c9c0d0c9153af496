"""`explain-row`: where one row came from, and what became of it."""

from __future__ import annotations

from typing import Any

import click

from jobs.steps.options import open_to_read, reading_options
from lib.console import say
from lib.lake.named import check_lake
from lib.lineage.explain import Asked, explain
from lib.lineage.key import read_key
from lib.session import start_session


@click.command(
    "explain-row",
    help="Say on which page of which run a row came, whether it was taken, rejected, a duplicate or replaced and why, its "
    "state in silver and in what is published, and which expectations it failed in the last check. Starts Spark: it "
    "takes a minute or so. Reads the lake only: nothing is written, and the API is not asked.",
)
@reading_options
@click.option("--table", required=True, metavar="NAME", help="The table of the row.")
@click.option(
    "--key",
    "key_options",
    multiple=True,
    required=True,
    metavar="COLUMN=VALUE",
    help="The row's key; once for each key column. Times are UTC, as in 2026-11-25T14:45:00.",
)
def command(*, table: str, key_options: tuple[str, ...], **options: Any) -> None:
    """The command line of the job."""
    job = open_to_read(**options)
    asked_table = job.source.table(table)
    key = read_key(asked_table, key_options)
    check_lake(job.layout)
    with job.steps.step("start Spark"):
        spark = start_session(f"pagelake explain-row {table}", job.runtime, rows=0)
    with job.steps.step("look"):
        lines = explain(Asked(spark, job.source, job.layout, asked_table, key, job.runtime.key_secret))
    say(lines)
