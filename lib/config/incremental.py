"""Tables that are asked only for what changed: by which parameter, by which column, and how far back behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator

from lib.config.bodies import BODY
from lib.config.duration import Duration, parse_duration
from lib.config.model import Problem, Settings
from lib.config.pagination import Parameter
from lib.config.suggest import did_you_mean

if TYPE_CHECKING:
    from lib.config.columns import Column
    from lib.config.tables import Table

DEFAULT_OVERLAP = timedelta(hours=1)
_TIMES, _NUMBERS = ("timestamp", "date"), ("int", "bigint")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_MOST_OVERLAP = 2**31
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Format: TypeAlias = Literal["iso", "date", "unix", "unix_ms"]


def _overlap(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _MOST_OVERLAP:
            message = f"must be a whole number from 0 to {_MOST_OVERLAP:,}"
            raise ValueError(message)
        return value
    parse_duration(str(value))
    return value


Overlap: TypeAlias = Annotated[int | Duration, BeforeValidator(_overlap, json_schema_input_type=int | Duration)]


class Incremental(Settings):
    """A run asks for the rows that are new or changed since the watermark that is published, and not for all.

    The watermark is the greatest value of `column` among the rows that were taken.
    """

    param: Parameter
    """Parameter with the value from which on rows are asked for."""
    until_param: Parameter | None = None
    """Parameter with the value up to which rows are asked for: the source's own time when the run began."""
    column: str
    """Column that is greater the later a row has changed: a required timestamp, date, int or bigint."""
    overlap: Overlap | None = None
    """How far behind the watermark a run asks, for rows that come late: a duration such as `PT1H` or `90m` (default: one hour);
    for a column of numbers a whole number (default: 0)."""
    full_every: Duration | None = None
    """All rows are asked for once the last published run that did so is older than this. That finds deleted rows, too."""
    sweep: Duration | None = None
    """The whole list is walked for the keys of its rows alone, once the last published run that did so, or asked for all rows, is
    older than this: that finds deleted rows. Needs `deletes: soft`."""
    format: Format | None = None
    """How a time is written: `iso` (default for a timestamp), `date` (default for a date), `unix` or `unix_ms` (seconds or
    milliseconds since 1970)."""

    @property
    def params(self) -> dict[str, str]:
        """What is set for each request, each with the key of its setting."""
        found = {self.param: "param"}
        return found if self.until_param is None else {**found, self.until_param: "until_param"}

    @property
    def in_query(self) -> dict[str, str]:
        """Those of them that are query parameters."""
        return {name: key for name, key in self.params.items() if not name.startswith(BODY)}

    @property
    def in_body(self) -> dict[str, str]:
        """Those of them that are places in the body."""
        return {name: key for name, key in self.params.items() if name.startswith(BODY)}

    @property
    def longest(self) -> timedelta | None:
        """How old the last full copy may be, as `full_every` says it."""
        return None if self.full_every is None else parse_duration(self.full_every)

    @property
    def longest_unswept(self) -> timedelta | None:
        """How old the last sweep may be, as `sweep` says it."""
        return None if self.sweep is None else parse_duration(self.sweep)


class Scale:
    """The values of an incremental column: how they are written in records and requests, and how far an overlap goes.

    In records a timestamp is ISO 8601 in UTC, such as `2026-05-01T10:00:00Z`, a date `2026-05-01`, and a number itself.
    """

    def __init__(self, incremental: Incremental, kind: str) -> None:
        self._incremental, self._kind = incremental, kind

    @property
    def is_time(self) -> bool:
        """Whether the values are times, which the source's own time can be compared with."""
        return self._kind in _TIMES

    def read(self, text: str) -> datetime | int:
        """The value that a text names. A time without a zone is one in UTC.

        Raises:
            ValueError: it names none.
        """
        if not self.is_time:
            if not _WHOLE.fullmatch(text):
                raise ValueError("must be a whole number")
            return int(text)
        try:
            at = datetime.fromisoformat(text)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            message = "must be a date or a time, such as 2026-05-01 or 2026-05-01T10:00:00Z"
        raise ValueError(message)

    def rank(self, text: str) -> int:
        """What a value is compared by with others: of a time its microseconds since 1970."""
        value = self.read(text)
        return value if isinstance(value, int) else (value - _EPOCH) // timedelta(microseconds=1)

    def text(self, value: datetime | int) -> str:
        """The value as records have it. Of a date the time of the day is dropped."""
        if isinstance(value, int):
            return str(value)
        if self._kind == "date":
            return f"{value.year:04}-{value:%m-%d}"
        micros = f".{value.microsecond:06}" if value.microsecond else ""
        return f"{value.year:04}-{value:%m-%dT%H:%M:%S}{micros}Z"

    def behind(self, text: str) -> str:
        """The value that lies the overlap behind another: from there on a run asks. Never within a second."""
        value, overlap = self.read(text), self._incremental.overlap
        if isinstance(value, int):
            return self.text(value - (overlap if isinstance(overlap, int) else 0))
        span = parse_duration(overlap) if isinstance(overlap, str) else DEFAULT_OVERLAP
        try:
            return self.text((value - span).replace(microsecond=0))
        except OverflowError:
            return self.text(datetime.min.replace(tzinfo=UTC))

    def written(self, text: str) -> str | int:
        """The value as a request has it. Fractions of a second are dropped where the format has none."""
        value = self.read(text)
        if isinstance(value, int):
            return value
        kind = self._incremental.format or ("date" if self._kind == "date" else "iso")
        if kind == "date":
            return f"{value.year:04}-{value:%m-%d}"
        if kind == "iso":
            micros = f".{value.microsecond:06}" if value.microsecond else ""
            return f"{value.year:04}-{value:%m-%dT%H:%M:%S}{micros}Z"
        since_1970 = value - _EPOCH
        return since_1970 // timedelta(seconds=1) if kind == "unix" else since_1970 // timedelta(milliseconds=1)


def scale_of(table: Table) -> Scale:
    """The values of the incremental column of a table that has one."""
    assert table.incremental is not None
    return Scale(table.incremental, table.column(table.incremental.column).type)


def incremental_problems(table: Table) -> Iterator[Problem]:
    """What a table says of its increments that cannot be."""
    own = table.incremental
    if own is None:
        return
    if own.until_param == own.param:
        yield Problem(("incremental", "until_param"), "must not be the same parameter as param")
    if table.slices is not None and table.slices.is_windows:
        yield Problem(
            ("incremental",), "is not for a table with windows of time, each of which is read whole; take one of them"
        )
    by_name = {column.name: column for column in table.columns}
    yield from (Problem(("incremental", "sweep"), message) for message in _sweep_problems(table, own, by_name))
    column = by_name.get(own.column)
    where = ("incremental", "column")
    if column is None:
        yield Problem(where, f"there is no such column{did_you_mean(own.column, by_name)}")
        return
    if column.type not in (*_TIMES, *_NUMBERS):
        yield Problem(
            where, f"{column.name!r} is {column.type}, which has no watermark; take a timestamp, date, int or bigint"
        )
        return
    if column.pii:
        yield Problem(where, f"{column.name!r} is personal, and its values would be in addresses and records")
    if column.value is not None:
        yield Problem(where, f"{column.name!r} is not in the row, so it says nothing of when the row changed")
    if not column.required:
        yield Problem(where, f"must be required; write {column.name}: {column.type}!")
    if column.type in _NUMBERS:
        if isinstance(own.overlap, str):
            yield Problem(
                ("incremental", "overlap"), f"must be a whole number, as {column.name!r} is {column.type}, such as 100"
            )
        if own.format is not None:
            yield Problem(
                ("incremental", "format"), f"is for times, and {column.name!r} is {column.type}; leave it out"
            )
    elif isinstance(own.overlap, int):
        yield Problem(
            ("incremental", "overlap"), f"must be a duration, as {column.name!r} is a {column.type}, such as PT1H"
        )


def _sweep_problems(table: Table, own: Incremental, by_name: Mapping[str, Column]) -> Iterator[str]:
    shortest, longest = own.longest_unswept, own.longest
    if shortest is None:
        return
    if table.deletes == "ignore":
        yield "finds deleted rows, of which deletes: ignore makes nothing; write deletes: soft, or leave it out"
    if table.in_parts:
        yield "is not for a table that is read in parts; take full_every, which finds deleted rows, too"
    if longest is not None and longest <= shortest:
        yield "must be shorter than full_every, which finds deleted rows, too"
    if outside := [name for name in table.key if name in by_name and by_name[name].value is not None]:
        yield f"reads the keys in the rows, and {outside[0]!r} is not in the row; take full_every"
