"""Run ids."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from lib.errors import ConfigError


def check_run_id(text: str) -> str:
    """Return the run id as it is.

    Raises:
        ConfigError: it could not be the name of a folder and a partition everywhere, or is that of a rollback.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ConfigError(
            f"--run-id {text[:100]!r}: must be 1 to 100 letters, digits, '.', '_' and '-', the first a letter or digit"
        )
    if re.search(r"\.rollback[0-9]+$", text):
        raise ConfigError(f"--run-id {text}: such an end is for the publications of a rollback; choose another one")
    return text


def new_run_id(now: datetime) -> str:
    """Return a new id such as `20261125T144500Z-3f9a`: the time in UTC, and a random end for two runs in one second.

    Raises:
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("the time of a run id needs a time zone")
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
