"""The options that all jobs share, and what they are turned into before anything is touched."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click
from pyspark.sql import SparkSession

from lib.config import (
    Alerts,
    Runtime,
    Source,
    Table,
    check_budget_settings,
    check_run_id,
    known_tables,
    load_alerts,
    load_source,
    parse_tables,
)
from lib.config.incremental import scale_of
from lib.console import Steps
from lib.errors import ConfigError
from lib.lake.copying import Copy
from lib.lake.layout import Layout, check_owner, check_there, lake_at
from lib.lake.runs import Run
from lib.landing.increments import WHAT_IS_DUE, Wanted
from lib.logs import set_up_logs
from lib.observe.alerting import Notifier
from lib.observe.outcome import Outcome
from lib.observe.verdicts import metric_shapes
from lib.quality.suites import check_personal, read_suite_files
from lib.reporting.observe import Watch
from lib.reporting.pages import Site

_SOURCE = "demo"
_WHERE = (
    click.option(
        "--source",
        "name",
        default=_SOURCE,
        metavar="NAME|FILE",
        show_default=True,
        help="A name in conf/sources/, or a YAML file.",
    ),
    click.option(
        "--lake",
        metavar="PATH",
        help="Where the lake is: a path, or s3://bucket/path.  [default: ./lake/<source>]",
    ),
)
_WHERE_TO_READ = (
    click.option(
        "--source",
        "name",
        metavar="NAME|FILE",
        help=f"A name in conf/sources/, or a YAML file.  [default: the source of --lake, or {_SOURCE}]",
    ),
    click.option(
        "--lake", metavar="PATH", help="Where the lake is: a path, or s3://bucket/path.  [default: ./lake/<source>]"
    ),
)
_API_URL = click.option("--api-url", metavar="URL", help="Another address of the same API.")
# A source without an address is read with this one. A job that asks no API has nothing else to do with it.
_API_URL_UNUSED = click.option("--api-url", metavar="URL", hidden=True)
_TABLES_UNUSED = click.option("--tables", metavar="A,B", hidden=True)
_RUN_ID = click.option("--run-id", metavar="ID", help="The run's name.  [default: time and a random end]")
_HOW = (
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any setting of the source YAML, dotted from its root; repeatable.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How log lines look.",
    ),
    click.option("--verbose", is_flag=True, help="More log lines, and tracebacks."),
)

_FULL_INGEST_OPTIONS = (
    *_WHERE,
    _API_URL,
    click.option("--tables", metavar="A,B", help="Only these tables of the source."),
    _RUN_ID,
    *_HOW,
    click.option(
        "--dry-run", is_flag=True, help="Ask for the first page of each table and print the plan; write nothing."
    ),
    click.option("--resume", metavar="RUN_ID", help="Continue that run: fetch only what has not landed."),
    click.option(
        "--resume-or-start",
        metavar="RUN_ID",
        help="Continue that run, or start it under this id if the lake does not have it. For schedulers.",
    ),
    click.option(
        "--from-landed",
        metavar="RUN_ID|all",
        help="Merge again the pages that this run landed, without a request to the source: for a source YAML that was fixed "
        "since. all: rebuild the tables from the pages of every run, in their order.",
    ),
    click.option("--full", is_flag=True, help="Ask for all rows of tables that are incremental, too."),
    click.option(
        "--since",
        metavar="TIME",
        help="A backfill: ask incremental tables for rows from this value of their column on.",
    ),
    click.option("--until", metavar="TIME", help="A backfill: ask them for rows up to this value."),
    click.option("--no-check", is_flag=True, help="Merge only; sanity-check checks and publishes."),
    click.option("--allow-deletes", is_flag=True, help="Let this run mark any number of rows as deleted."),
    click.option(
        "--accept-incomplete", is_flag=True, help="Merge tables that could not be proved complete; nothing is deleted."
    ),
)


_CHOICES = ("no_check", "allow_deletes", "accept_incomplete", "resume", "resume_or_start")
_BOUNDS = ("full", "since", "until")


def full_ingest_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of full-ingest: most of them as its `choices`, the others checked.

    Raises:
        ConfigError: options that cannot go together.
    """

    @functools.wraps(command)
    def checked(**options: Any) -> Any:
        ids = [name for name in ("resume", "resume_or_start", "run_id") if options[name] is not None]
        if len(ids) > 1:
            first, second = (f"--{name.replace('_', '-')}" for name in ids[:2])
            message = f"{first} and {second} both name the run; give one of them"
            raise ConfigError(message)
        if options["from_landed"] is not None:
            for name in ("dry_run", "resume", "resume_or_start", "accept_incomplete"):
                if options[name]:
                    message = f"--from-landed asks the source for nothing, so --{name.replace('_', '-')} has no meaning beside it"
                    raise ConfigError(message)
        _check_bounds(options)
        for name in ("resume", "resume_or_start", "from_landed"):
            if options[name] is not None:
                check_run_id(options[name])
        choices = Choices(**{name: options.pop(name) for name in _CHOICES}, wanted=Wanted(*map(options.pop, _BOUNDS)))
        return command(choices=choices, **options)

    for option in reversed(_FULL_INGEST_OPTIONS):
        checked = option(checked)
    return checked


def _check_bounds(options: dict[str, Any]) -> None:
    given = [name for name in _BOUNDS if options[name]]
    if options["full"] and len(given) > 1:
        message = f"--full asks for all rows, and --{given[1]} for some of them; give one of them"
        raise ConfigError(message)
    for name in given:
        if options["from_landed"] is not None:
            message = f"--from-landed asks the source for nothing, so --{name} has no meaning beside it"
            raise ConfigError(message)
        if options["resume"] is not None:
            message = (
                f"--resume asks for what that run asked for, so --{name} has no meaning beside it; start a new run"
            )
            raise ConfigError(message)


def check_wanted(job: Job, wanted: Wanted) -> None:
    """Check that the tables of a job can be asked for what the operator wants.

    Raises:
        ConfigError: one cannot, or a value is none of its column's.
    """
    for name, text in (("since", wanted.since), ("until", wanted.until)):
        for table in (job.source.table(one) for one in job.tables) if text is not None else ():
            own = table.incremental
            if own is None:
                message = f"--{name}: {table.name} has no incremental; name the tables of the backfill with --tables"
                raise ConfigError(message)
            if name == "until" and own.until_param is None:
                message = f"--until: {table.name} has no incremental.until_param, so its source has no such bound; leave it out"
                raise ConfigError(message)
            _check_value(table, name, str(text))
            if name == "until" and wanted.since is not None:
                scale = scale_of(table)
                if scale.rank(str(text)) <= scale.rank(wanted.since):
                    message = f"--until {text}: must be later than --since {wanted.since}"
                    raise ConfigError(message)


def _check_value(table: Table, name: str, text: str) -> None:
    try:
        scale_of(table).read(text)
    except ValueError as error:
        own = "" if table.incremental is None else table.incremental.column
        message = f"--{name} {text}: {error}, as {table.name}.{own} is"
        raise ConfigError(message) from error


def run_options(which: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of a job on what a run has merged. `which` run is the help of `--run-id`.

    Schedulers give it those of full-ingest: a publication has all tables, so --tables is only checked.
    """
    run_id = click.option("--run-id", metavar="ID", help=which)
    return lambda command: _with(command, (*_WHERE, _API_URL_UNUSED, _TABLES_UNUSED, run_id, *_HOW))


def lake_only_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a job that is no run, and asks the lake alone."""
    return _with(command, (*_WHERE, _API_URL_UNUSED, *_HOW))


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a job that only reads a lake."""
    return _with(command, (*_WHERE_TO_READ, _API_URL_UNUSED, *_HOW))


def format_option(which: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the choice between text and JSON, as `shape`. `which` shapes these are is the help."""
    shapes = click.Choice(["text", "json"])
    return click.option("--format", "shape", type=shapes, default="text", show_default=True, help=which)


def _with(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Choices:
    """What the operator chose for this one run."""

    no_check: bool
    allow_deletes: bool
    accept_incomplete: bool
    resume: str | None = None
    resume_or_start: str | None = None
    wanted: Wanted = WHAT_IS_DUE


@dataclass
class Job:
    """A job whose settings are checked. Nothing is touched yet. `alerts` is None where there is no `alerts.yml`.

    `given` is what names the source on the command line: its name, or a file.
    """

    source: Source
    layout: Layout
    tables: tuple[str, ...]
    run_id: str | None
    suites: dict[str, dict[str, Any]]
    runtime: Runtime
    now: datetime
    steps: Steps
    alerts: Alerts | None = None
    given: str | None = None

    @property
    def named(self) -> str:
        """What to type for its source."""
        return self.given or self.source.source

    @property
    def site(self) -> Site:
        """The pages of its lake."""
        return Site(self.source, self.layout, self.runtime.site_assets)

    @property
    def notifier(self) -> Notifier | None:
        """Who tells of its runs; None without rules."""
        return None if self.alerts is None else Notifier.of(self.source, self.layout, self.alerts)

    @property
    def watch(self) -> Watch:
        """Who is to know how its runs end."""
        return Watch(self.site, self.notifier, self.steps)

    def copy(self, spark: SparkSession, run: Run) -> Copy:
        """What each step of copying works with."""
        return Copy(spark, self.source, self.layout, self.runtime.key_secret, self.steps, run)


def open_job(**options: Any) -> Job:
    """Check all settings.

    Raises:
        ConfigError: anything in the options, Pagelake's settings among Spark's, the source YAML, the suites, the alerts or the
            lake's owner is wrong.
    """
    job = open_settings(**options)
    check_budget_settings(job.runtime.spark_settings)
    job.suites = read_suite_files(job.runtime.expectations / job.source.source, known_tables(job.source))
    check_personal(job.source, job.suites)
    return job


def open_to_read(*, name: str | None, lake: str | None, **options: Any) -> Job:
    """Check the settings of a job that only reads a lake: it needs no secret, and the lake may say which source is its own.

    Raises:
        ConfigError: as `open_settings`, or the lake's source has no YAML in `conf/sources`.
    """
    if name is None:
        known = None if lake is None else check_there(lake_at(lake))
        name = _SOURCE if known is None else known.source
        folder = Runtime.of(os.environ).conf / "sources"
        if known is not None and not (folder / f"{name}.yml").is_file():
            message = f"{lake}: the YAML of its source {name!r} is not in {folder}; give it by --source FILE"
            raise ConfigError(message)
    return open_settings(name=name, lake=lake, reads_secrets=False, **options)


def open_settings(
    *,
    name: str,
    api_url: str | None,
    lake: str | None,
    overrides: tuple[str, ...],
    log_format: str,
    verbose: bool,
    tables: str | None = None,
    run_id: str | None = None,
    reads_secrets: bool = True,
) -> Job:
    """Check all settings but the suites, of which the job has none.

    Raises:
        ConfigError: anything in the options, the source YAML, the alerts or the lake's owner is wrong.
    """
    set_up_logs(as_json=log_format == "json", verbose=verbose)
    runtime = Runtime.of(os.environ)
    env = os.environ if reads_secrets else None
    source = load_source(name, overrides=overrides, api_url=api_url, conf_dir=runtime.conf, env=env)
    layout = lake_at(os.path.join("lake", source.source) if lake is None else lake)
    check_owner(layout, source.source)
    return Job(
        source=source,
        layout=layout,
        tables=parse_tables(source, tables),
        run_id=None if run_id is None else check_run_id(run_id),
        suites={},
        runtime=replace(runtime, store=layout.root.store),
        now=datetime.now(UTC),
        steps=Steps(),
        alerts=read_alerts(runtime, known_tables(source)),
        given=name,
    )


def read_alerts(runtime: Runtime, tables: Collection[str]) -> Alerts | None:
    """The rules of `conf/alerts.yml`, which may name these tables; None where there is no such file.

    Raises:
        ConfigError: a mistake in it.
    """
    return load_alerts(
        runtime.conf / "alerts.yml",
        metrics=metric_shapes(),
        outcomes=[outcome.value for outcome in Outcome if outcome != Outcome.RUNNING],
        tables=tables,
        env=os.environ,
    )
