"""The options that all jobs share, and what they are turned into before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from lib.config import Runtime, Source, check_run_id, load_source, parse_tables
from lib.lake.layout import Layout, check_owner, lake_at
from lib.observe.console import Steps
from lib.observe.logs import set_up_logs
from lib.quality.suites import check_personal, read_suite_files

_OPTIONS = (
    click.option(
        "--source",
        "name",
        default="demo",
        metavar="NAME|FILE",
        show_default=True,
        help="A name in conf/sources/, or a YAML file.",
    ),
    click.option("--api-url", metavar="URL", help="Another address of the same API."),
    click.option("--lake", metavar="PATH", help="Where the lake is, or is to be made.  [default: ./lake/<source>]"),
    click.option("--tables", metavar="A,B", help="Only these tables of the source."),
    click.option("--run-id", metavar="ID", help="The run's name.  [default: time and a random end]"),
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


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that every job has."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass
class Job:
    """A job whose settings are checked. Nothing is touched yet."""

    source: Source
    layout: Layout
    tables: tuple[str, ...]
    run_id: str | None
    suites: dict[str, dict[str, Any]]
    runtime: Runtime
    now: datetime
    steps: Steps


def open_job(
    *,
    name: str,
    api_url: str | None,
    lake: str | None,
    tables: str | None,
    run_id: str | None,
    overrides: tuple[str, ...],
    log_format: str,
    verbose: bool,
) -> Job:
    """Check all settings.

    Raises:
        ConfigError: anything in the options, the source YAML, the suites or the lake's owner is wrong.
    """
    set_up_logs(as_json=log_format == "json", verbose=verbose)
    runtime = Runtime.of(os.environ)
    source = load_source(name, overrides=overrides, api_url=api_url, conf_dir=runtime.conf, env=os.environ)
    layout = lake_at(lake or os.path.join("lake", source.source))
    check_owner(layout, source.source)
    names = tuple(table.name for table in source.tables)
    suites = read_suite_files(runtime.expectations / source.source, (*names, "listens"))
    check_personal(source, suites)
    return Job(
        source=source,
        layout=layout,
        tables=parse_tables(source, tables),
        run_id=None if run_id is None else check_run_id(run_id),
        suites=suites,
        runtime=runtime,
        now=datetime.now(UTC),
        steps=Steps(),
    )
