"""What an operator decides at `sanity-check`: go back, or go on in spite of one failure."""

from __future__ import annotations

import functools
import os
import pwd
from collections.abc import Callable
from typing import Any

import click

from lib.errors import ConfigError
from lib.lake.publications import Accepted

_OPTIONS = (
    click.option(
        "--rollback",
        is_flag=True,
        help="Make the previous publication current again. Nothing else is changed, and nothing is checked.",
    ),
    click.option(
        "--accept",
        multiple=True,
        metavar="EXPECTATION",
        help="Publish this once although this critical expectation fails. Its name is in brackets at the end of its line.",
    ),
    click.option(
        "--reason", metavar="TEXT", help="Why it is accepted: recorded with your user name, and shown on the site."
    ),
)


def decision_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--rollback`; and `--accept` with `--reason`, together as its `accepted`.

    Raises:
        ConfigError: options that cannot go together.
    """

    @functools.wraps(command)
    def checked(*, rollback: bool, accept: tuple[str, ...], reason: str | None, **options: Any) -> Any:
        for name, value in (("accept", accept), ("run-id", options["run_id"]), ("tables", options["tables"])):
            if rollback and value:
                message = f"--rollback puts back what was published as a whole, so --{name} has no meaning beside it"
                raise ConfigError(message)
        return command(rollback=rollback, accepted=_acceptance(accept, reason), **options)

    for option in reversed(_OPTIONS):
        checked = option(checked)
    return checked


def _acceptance(accept: tuple[str, ...], reason: str | None) -> Accepted | None:
    if len(accept) > 1:
        message = f"--accept {accept[1]}: one failure can be accepted, not {len(accept)}; fix the others first"
        raise ConfigError(message)
    text = " ".join((reason or "").split())
    if bool(accept) != bool(text):
        message = "--accept EXPECTATION and --reason TEXT go together: who reads the tables should know why"
        raise ConfigError(message)
    return Accepted(accept[0], text, _user()) if accept else None


def _user() -> str:
    """The user as the system knows it, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may have no name for it
        return f"user {os.getuid()}"
