"""`status`: the last runs, what is published, what is failing, and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from jobs.steps.options import Job, format_option, open_to_read, reading_options
from lib.console import say
from lib.errors import ConfigError
from lib.lake.named import check_lake
from lib.observe.alerting import Notifier, channels_off, check_alerts, try_channels
from lib.reporting.status import as_json, say_status, status_of


@click.command(
    "status",
    help="Show how the last runs ended, their anomalies, what is published and since when, and what is failing now. Reads the lake "
    "only: no Spark, no request to the API, and nothing is written without --alerts. The exit status is 0 whatever it shows; "
    "scripts read --format json.",
)
@reading_options
@click.option(
    "--last",
    type=click.IntRange(1, 1000),
    default=10,
    metavar="N",
    show_default=True,
    help="How many runs to show, newest first.",
)
@format_option("Tables for people, or one JSON object; docs/monitoring.md has its keys.")
@click.option(
    "--alerts",
    "alerts",
    type=click.Choice(["check", "test"]),
    help="check: evaluate the rules of conf/alerts.yml without a run, such as that no run has succeeded for too long, and send "
    "what is due; for cron. test: send a test message on every channel. Exit 1 if a channel failed.",
)
def command(*, last: int, shape: str, alerts: str | None, **options: Any) -> int:
    """The command line of the job."""
    job = open_to_read(**options)
    if alerts == "test":
        lines, went_well = try_channels(notifier_of(job))
        say(lines)
        return 0 if went_well else 1
    check_lake(job.layout)
    if alerts == "check":
        say(check_alerts(notifier_of(job), datetime.now(UTC)))
        return 0
    status = status_of(job.source.source, job.layout, last, job.now, job.named)
    if shape == "json":
        click.echo(as_json(status))
    else:
        say(channels_off(job.alerts) if job.alerts else [])
        say_status(status, job.now)
    return 0


def notifier_of(job: Job) -> Notifier:
    """Who tells of the job's runs.

    Raises:
        ConfigError: there are no rules.
    """
    if job.notifier is None:
        message = f"{job.runtime.conf / 'alerts.yml'}: there is no such file, and so no alert; see docs/monitoring.md"
        raise ConfigError(message)
    return job.notifier
