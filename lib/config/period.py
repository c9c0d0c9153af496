"""Lengths of time as ISO 8601 writes them: `P1M`, `P7D`, `PT1H`."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_PERIOD = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,4})Y)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,8})M)?(?:([0-9]{1,9})S)?)?",
    re.ASCII,
)
_MONTHS_A_YEAR = 12
_LAST_YEAR = 9999


@dataclass(frozen=True)
class Period:
    """Months, whose length differs, and time of a fixed length."""

    months: int = 0
    time: timedelta = timedelta()

    @property
    def is_whole_days(self) -> bool:
        """Whether days are the smallest unit of it."""
        return not self.time % timedelta(days=1)

    def after(self, moment: datetime, times: int) -> datetime:
        """The moment so many periods later. Where a month has no such day, it is its last one.

        Raises:
            OverflowError: it is later than the year 9999.
        """
        months = moment.month - 1 + self.months * times
        year, month = moment.year + months // _MONTHS_A_YEAR, months % _MONTHS_A_YEAR + 1
        if year > _LAST_YEAR:
            raise OverflowError("later than the year 9999")
        day = min(moment.day, monthrange(year, month)[1])
        return moment.replace(year=year, month=month, day=day) + self.time * times


def parse_period(text: str) -> Period:
    """Read a period.

    Raises:
        ValueError: the text is none, or no time at all.
    """
    found = _PERIOD.fullmatch(text)
    years, months, weeks, days, hours, minutes, seconds = (
        int(one or 0) for one in (found.groups() if found else [0] * 7)
    )
    time = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    period = Period(years * _MONTHS_A_YEAR + months, time)
    if period == Period():
        raise ValueError("is no length of time; write it as ISO 8601 has it, such as P1M, P7D or PT1H")
    return period


def _checked(value: Any) -> Any:
    parse_period(str(value))
    return value


_Written = Annotated[str, Field(title="length of time, such as `P1M`", pattern="^P[0-9T]")]
PeriodText = Annotated[str, BeforeValidator(_checked, json_schema_input_type=_Written)]
"""The period as it is written."""
