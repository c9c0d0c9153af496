"""Durations of a source YAML, such as `90m`, `26h` or `7d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")


def parse_duration(text: str) -> timedelta:
    """Read a whole number (up to 99999) of minutes, hours or days.

    Raises:
        ValueError: the text is no such duration.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("is not a duration; write a whole number and m, h or d (minutes, hours, days), such as 26h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _checked(value: Any) -> Any:
    parse_duration(str(value))
    return value


_Written = Annotated[str, Field(title="duration, such as `26h`", pattern=f"^{_DURATION.pattern}$")]
Duration = Annotated[str, BeforeValidator(_checked, json_schema_input_type=_Written)]
"""The duration as it is written."""
