"""Slices of a table: a parameter over a list of values, or two of them over windows of time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from lib.config.model import Problem, Settings, problems_error
from lib.config.pagination import Parameter
from lib.config.period import Period, PeriodText, parse_period

MOST_WINDOWS = 100_000
_OF_VALUES = ("param", "values")
_OF_WINDOWS = ("from_param", "to_param", "from", "to", "every", "format")
_NEEDED = ("from_param", "to_param", "from", "every")
TimeFormat: TypeAlias = Literal["iso", "date", "unix", "unix_ms"]


def _value(value: Any) -> Any:
    if isinstance(value, bool | int) or (isinstance(value, str) and value.isprintable() and "${" not in value):
        return value
    raise ValueError("must be text, a whole number, true or false")


SliceValue: TypeAlias = Annotated[str | bool | int, BeforeValidator(_value, json_schema_input_type=str | bool | int)]


@dataclass(frozen=True)
class Window:
    """A window of time, from `start` to `end`, in UTC."""

    start: datetime
    end: datetime


class Slices(Settings):
    """The table is read slice by slice: one for each of the `values`, or one for each window of time of the length `every`."""

    param: Parameter | None = None
    """Parameter that has one of the `values` in each slice."""
    values: Annotated[tuple[SliceValue, ...], Field(strict=False)] = ()
    """Values of the slices: together they have to reach all rows."""
    from_param: Parameter | None = None
    """Parameter with the start of the window."""
    to_param: Parameter | None = None
    """Parameter with the end of the window."""
    start: str | None = Field(default=None, alias="from")
    """Start of the first window: a date or a time in UTC, before which there are no rows."""
    end: str | None = Field(default=None, alias="to")
    """End of the last window. Without it the source's own time, from its header `Date` when the run is planned."""
    every: PeriodText | None = None
    """Length of a window. One that meets a cap of the source is split in halves, again and again."""
    format: TimeFormat = "iso"
    """How times are sent: `iso` (2024-01-31T00:00:00Z), `date` (2024-01-31), `unix` (seconds since 1970) or `unix_ms`."""

    @property
    def is_windows(self) -> bool:
        """Whether the slices are windows of time."""
        return self.from_param is not None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters and places in the body that are set for each slice, each with the key of its setting."""
        keys = ("param", "from_param", "to_param")
        return {name: key for key in keys if (name := getattr(self, key)) is not None}

    @property
    def unit(self) -> timedelta:
        """The smallest window. Two windows that meet have so much in common, as sources differ in whether bounds belong."""
        return timedelta(days=1) if self.format == "date" else timedelta(seconds=1)

    @property
    def period(self) -> Period:
        """The length of a window."""
        return parse_period(self.every or "")

    def bound(self, moment: datetime) -> datetime:
        """The end of the last window for the source's own time: no earlier, and no finer than what is sent."""
        start = datetime(1970, 1, 1, tzinfo=UTC)
        return start + math.ceil((moment - start) / self.unit) * self.unit

    def windows(self, until: datetime) -> list[Window]:
        """The windows from the start to this end, in their order.

        Raises:
            ValueError: they are too many, or the end is not behind the start.
        """
        start = parse_time(self.start or "")
        if until <= start:
            message = f"the windows end at {shown_time(until)}, which is not behind slices.from"
            raise ValueError(message)
        found: list[Window] = []
        for number in range(MOST_WINDOWS):
            end = min(until, _later(self.period, start, number + 1, until))
            begin = self.period.after(start, number)
            found.append(Window(begin if number == 0 else begin - self.unit, end))
            if end == until:
                return found
        message = f"that is more than {MOST_WINDOWS:,} windows; take a longer slices.every"
        raise ValueError(message)

    def halves(self, window: Window) -> tuple[Window, Window] | None:
        """The window in two, which have a unit in common; None where it is too small for that."""
        units = round((window.end - window.start) / self.unit)
        # Two units are one, and the one that it has in common with its neighbour.
        if units <= 2:
            return None
        middle = window.start + (units + 1) // 2 * self.unit
        return Window(window.start, middle), Window(middle - self.unit, window.end)

    def written(self, moment: datetime) -> str | int:
        """A time as it is sent."""
        if self.format == "date":
            return moment.date().isoformat()
        if self.format == "iso":
            return shown_time(moment)
        seconds = int(moment.timestamp())
        return seconds if self.format == "unix" else seconds * 1000

    @model_validator(mode="after")
    def _of_one_kind(self) -> Slices:
        problems = list(_kind_problems(self)) or list(_time_problems(self))
        if problems:
            raise problems_error(problems)
        return self


def parse_time(text: str) -> datetime:
    """Read a date, which is its beginning, or a time of ISO 8601, in UTC unless it says otherwise.

    Raises:
        ValueError: the text is neither, or has parts of a second.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.microsecond:
        raise ValueError("must be a date or a time, such as 2020-01-01 or 2020-01-01T00:00:00Z")
    return moment


def shown_time(moment: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _later(period: Period, start: datetime, times: int, most: datetime) -> datetime:
    try:
        return period.after(start, times)
    except OverflowError:
        return most


def _said(slices: Slices, names: tuple[str, ...]) -> list[str]:
    fields = {field.alias or name: name for name, field in Slices.model_fields.items()}
    return [name for name in names if fields[name] in slices.model_fields_set]


def _kind_problems(slices: Slices) -> Iterator[Problem]:
    values, windows = _said(slices, _OF_VALUES), _said(slices, _OF_WINDOWS)
    if not values and not windows:
        yield Problem((), "write param and values, or from_param, to_param, from and every")
    elif values and windows:
        yield Problem((windows[0],), "is for windows of time, and values make slices already; leave one of them out")
    else:
        yield from (
            Problem((name,), "missing")
            for name in (_OF_VALUES if values else _NEEDED)
            if name not in (values or windows)
        )
    seen: set[str] = set()
    for index, value in enumerate(slices.values):
        if written(value) in seen:
            yield Problem(("values", index), f"{written(value)!r} is there twice")
        seen.add(written(value))
    if "values" in values and not slices.values:
        yield Problem(("values",), "must not be empty")


def _time_problems(slices: Slices) -> Iterator[Problem]:
    if not slices.is_windows:
        return
    if slices.from_param == slices.to_param:
        yield Problem(("to_param",), "must not be the same parameter as from_param")
    if slices.format == "date" and not slices.period.is_whole_days:
        yield Problem(("every",), "must be whole days where format is date")
    moments: dict[str, datetime] = {}
    for key, text in (("from", slices.start), ("to", slices.end)):
        try:
            moments |= {} if text is None else {key: parse_time(text)}
        except ValueError as error:
            yield Problem((key,), str(error))
    for key, moment in moments.items():
        if slices.format == "date" and moment.time() != time():
            yield Problem((key,), "must be a date where format is date")
    if len(moments) > 1:
        try:
            slices.windows(moments["to"])
        except ValueError as error:
            is_order = moments["to"] <= moments["from"]
            yield Problem(("to" if is_order else "every",), "must be behind from" if is_order else str(error))


def written(value: SliceValue) -> str:
    """A value as a query parameter has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
