"""Styles whose positions are numbers: planned in ranges, fetched in parallel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from lib.config.expression import is_expression
from lib.errors import SourceError
from lib.source.answer import HEADER, at, whole
from lib.source.json_text import Json
from lib.source.paging.style import Paging, Params, Position, Told, Values, bare
from lib.source.paging.walked import AllAtOnce

# Some leave out the unit.
_CONTENT_RANGE = re.compile(r"(?:[^\s/-]+\s+)?(?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)", re.ASCII)


def _told(answer: Json, name: str) -> int | None:
    """The number that an answer has under the name of a parameter. One with brackets, `page[number]`, is the place of none."""
    return None if is_expression(name) else whole(at(answer, name))


@dataclass(frozen=True)
class PageNumbers(Paging):
    """`?page=3&size=100`. `first` is the number of the first page."""

    page_param: str = "page"
    first: int = 1
    pages: str | None = "pages"

    style: ClassVar[str] = "page"
    is_addressable: ClassVar[bool] = True
    has_first: ClassVar[bool] = True
    asks_by: ClassVar[str] = "api.pagination.page_param"

    @property
    def first_number(self) -> int:
        """As the source counts."""
        return self.first

    def params(self, position: Position) -> Values:
        """The number of the page."""
        return ((self.page_param, position.number), *self.asked_size)

    def own(self, told: Told, position: Position) -> tuple[int | None, int | None]:
        """Where the answer has them under the names of the parameters."""
        return _told(told.answer, bare(self.page_param)), _told(told.answer, self.size_place)

    @property
    def places(self) -> tuple[str, ...]:
        """The two parameters and the two counts."""
        return bare(self.page_param), self.size_place, self.total or "", self.pages or ""


@dataclass(frozen=True)
class Offsets(Paging):
    """`?offset=200&limit=100`. Pages are counted from 1; `first` is the offset of the first row.

    A step is what the source gives on its first page, which may be less than what it was asked for.
    """

    size_param: str | None = "limit"
    offset_param: str = "offset"
    first: int = 0

    style: ClassVar[str] = "offset"
    is_addressable: ClassVar[bool] = True
    steps_by_rows: ClassVar[bool] = True
    has_first: ClassVar[bool] = True
    asks_by: ClassVar[str] = "api.pagination.offset_param"

    @property
    def first_number(self) -> int:
        """Always 1: the source does not count pages."""
        return 1

    def params(self, position: Position) -> Values:
        """The number of rows before the page."""
        return ((self.offset_param, self._offset(position)), *self.asked_size)

    def own(self, told: Told, position: Position) -> tuple[int | None, int | None]:
        """The number of the page that begins at the answer's offset, or a row beside it, as the two may count from 0 and 1."""
        offset, size = (_told(told.answer, name) for name in (bare(self.offset_param), self.size_place))
        if offset is None or not position.given:
            return None, size
        return 1 + round((offset - self.first) / position.given), size

    def _offset(self, position: Position) -> int:
        return self.first + (position.number - 1) * position.given

    @property
    def places(self) -> tuple[str, ...]:
        """The two parameters and the count."""
        return bare(self.offset_param), self.size_place, self.total or ""


@dataclass(frozen=True)
class Ranges(Paging):
    """`Range: items=200-299`, answered by `Content-Range: items 200-299/1234`. Pages are counted from 1.

    A step is what the source gives on its first page. An answer to this that is no part, and does not say which rows it holds,
    holds all of them, as HTTP has it.
    """

    unit: str = "items"

    style: ClassVar[str] = "range"
    is_addressable: ClassVar[bool] = True
    steps_by_rows: ClassVar[bool] = True
    asks_by: ClassVar[str] = "api.pagination.unit"

    @classmethod
    def planned(cls, own_number: int | None) -> str:
        """As ranges, or as the one answer that it is."""
        return AllAtOnce.style if own_number is None else cls.style

    @property
    def first_number(self) -> int:
        """Always 1: the source does not count pages."""
        return 1

    def params(self, position: Position) -> Values:
        """No parameter."""
        return ()

    def headers(self, position: Position) -> Params:
        """The first and the last row that are wanted, counted from 0."""
        start = self._start(position)
        return (("Range", f"{self.unit}={start}-{start + self.size - 1}"),)

    def counted(self, told: Told) -> int | None:
        """What stands behind the slash; else what is at the place `total`."""
        said = _content_range(told)
        return super().counted(told) if said is None or said[1] is None else said[1]

    def own(self, told: Told, position: Position) -> tuple[int | None, int | None]:
        """The number of the page, if it says which rows it holds."""
        said, start = _content_range(told), self._start(position)
        if said is None:
            if told.n_items and (told.is_part or start):
                raise SourceError("the answer has no header Content-Range, so it does not say which rows it holds")
            return None, None
        if said[0] not in (None, start):
            message = f"the header Content-Range says rows from {said[0]} on, and those from {start} on were asked for"
            raise SourceError(message)
        return position.number, None

    def says_next(self, told: Told) -> bool:
        """Whether it says which rows it holds; or it holds another number than was asked for, so that none was cut off."""
        return _content_range(told) is not None or told.n_items != self.size

    def says_end(self, told: Told) -> bool:
        """Whether it is no part: then it holds all rows, as HTTP has it."""
        return not told.is_part

    @property
    def names_next(self) -> str:
        """The header that is missing."""
        return "there is no header Content-Range"

    def _start(self, position: Position) -> int:
        return (position.number - 1) * position.given

    @property
    def places(self) -> tuple[str, ...]:
        """The count."""
        return () if (self.total or "").startswith(HEADER) else (self.total or "",)


def _content_range(told: Told) -> tuple[int | None, int | None] | None:
    """The first row that the answer holds and the number of all rows, each None for `*`. None: it does not say.

    Raises:
        SourceError: the header cannot be read.
    """
    header = told.headers.get("content-range")
    if header is None:
        return None
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None:
        raise SourceError("the header Content-Range cannot be read; such as items 0-99/1234 is expected")
    start, total = found.groups()
    return None if start is None else int(start), None if total == "*" else int(total)
