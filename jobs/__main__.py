"""Starts a job, and turns its end into an exit status.

0 done, 1 anything unforeseen, 2 bad usage or configuration, 3 checks failed, 4 source failed or incomplete; 130 after
Ctrl-C and 143 after SIGTERM.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from jobs import cli
from lib.errors import PagelakeError
from lib.logs import BAD, is_for_people, terminal
from lib.reporting.traced import told, traced
from lib.stores.trouble import store_error

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
_MEANINGS = {
    1: "The job failed",
    2: "Nothing was done: the command or a setting is wrong",
    3: "Checks failed: nothing new is published",
    4: "The source failed or is incomplete: nothing new is published",
}


def main(arguments: Sequence[str]) -> int:
    """Run the job that the command line names, and return its exit status."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(cli.split(arguments))
    except click.ClickException as error:
        error.show()
        return 2
    except cli.UsageError as error:
        click.echo(f"{error}\n`{cli.PROGRAM} --help` lists the jobs and options.", err=True)
        return error.exit_status
    except PagelakeError as error:
        _explain(error, f"{error}", arguments, error.exit_status)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.Abort as error:  # what click makes of Ctrl-C, and of an input that ends
        return INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else 1
    except Exception as error:  # noqa: BLE001 - the one place where the unforeseen becomes an exit status
        if said := store_error(error):
            _explain(error, f"{said}", arguments, said.exit_status)
            return said.exit_status
        hint = "" if _wants_traceback(arguments) else " (run with --verbose for the traceback)"
        _explain(error, f"{told(error)}{hint}", arguments, 1)
        return 1


def _run(invocation: cli.Invocation) -> int:
    if invocation.help:
        click.echo(cli.usage(), nl=False)
        return 0
    if invocation.version:
        click.echo(cli.version(), nl=False)
        return 0
    if invocation.job is None:
        click.echo(cli.usage(), nl=False, err=True)
        return 2
    module = cli.module_of(invocation.job)
    os.environ.update(cli.spark_environment(invocation.spark_options, os.environ, python=sys.executable))
    command: click.Command = importlib.import_module(module).command
    status = command.main(
        args=list(invocation.job_options), prog_name=f"{cli.PROGRAM} {invocation.job}", standalone_mode=False
    )
    return int(status or 0)


def _explain(error: BaseException, message: str, arguments: Sequence[str], status: int) -> None:
    if _wants_traceback(arguments):
        click.echo("\n".join(traced(error)), err=True)
    _headline(status)
    click.echo(message, err=True)


def _headline(status: int) -> None:
    """What the exit status means, in red, for who looks at a terminal. A program has the status itself."""
    if is_for_people():
        sign, style = BAD
        terminal().print(f"{sign} {_MEANINGS[status]} (exit {status})", style=style)


def _wants_traceback(arguments: Sequence[str]) -> bool:
    return "--verbose" in arguments


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, by an exception, so that every `finally` runs; a second SIGTERM does not cut that short."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
