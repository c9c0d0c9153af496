"""`failures`: the rows that failed the checks of a run, by key."""

from __future__ import annotations

from typing import Any

import click

from jobs.steps.options import format_option, open_to_read, reading_options
from lib.lake.named import check_lake
from lib.reporting.failures import as_json, failed_rows, say_failures


@click.command(
    "failures",
    help="List the rows that failed the checks of a run, by key: *** replaces a personal value. Reads the lake only: "
    "no Spark, no request to the API, and nothing is written. explain-row says where such a row came from.",
)
@reading_options
@click.option(
    "--run",
    metavar="ID",
    help="A run that was checked; ID.check2 for its second check, as in the address of its docs.  [default: the last check of all]",
)
@click.option(
    "--expectation",
    metavar="NAME",
    help="Only the rows that failed this expectation: the name in brackets at the end of its line.",
)
@format_option("Tables for people, of 100 rows each at most, or one JSON object with all rows.")
def command(*, run: str | None, expectation: str | None, shape: str, **options: Any) -> None:
    """The command line of the job."""
    job = open_to_read(**options)
    check_lake(job.layout)
    found = failed_rows(job.layout, run, expectation)
    if shape == "json":
        click.echo(as_json(found))
    else:
        tables = {table.name for table in job.source.tables}
        say_failures(found, tables, ("--source", job.named, "--lake", str(job.layout.root)))
