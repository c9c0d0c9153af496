"""Styles whose positions are numbers: planned in ranges, fetched in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lib.source.answer import at, whole
from lib.source.json_text import Json
from lib.source.paging.style import Paging, Params, Position


@dataclass(frozen=True)
class PageNumbers(Paging):
    """`?page=3&size=100`. `first` is the number of the first page."""

    page_param: str = "page"
    first: int = 1
    pages: str | None = "pages"

    style: ClassVar[str] = "page"
    is_addressable: ClassVar[bool] = True
    asks_by: ClassVar[str] = "api.pagination.page_param"

    @property
    def first_number(self) -> int:
        """As the source counts."""
        return self.first

    def params(self, position: Position) -> Params:
        """The number of the page."""
        return (self.page_param, str(position.number)), (self.size_param, str(self.size))

    def own(self, answer: Json, position: Position) -> tuple[int | None, int | None]:
        """Where the answer has them under the names of the parameters."""
        return whole(at(answer, self.page_param)), whole(at(answer, self.size_param))

    @property
    def places(self) -> tuple[str, ...]:
        """The two parameters and the two counts."""
        return self.page_param, self.size_param, self.total or "", self.pages or ""


@dataclass(frozen=True)
class Offsets(Paging):
    """`?offset=200&limit=100`. Pages are counted from 1; `first` is the offset of the first row.

    A step is what the source gives on its first page, which may be less than what it was asked for.
    """

    size_param: str = "limit"
    offset_param: str = "offset"
    first: int = 0

    style: ClassVar[str] = "offset"
    is_addressable: ClassVar[bool] = True
    steps_by_rows: ClassVar[bool] = True
    asks_by: ClassVar[str] = "api.pagination.offset_param"

    @property
    def first_number(self) -> int:
        """Always 1: the source does not count pages."""
        return 1

    def params(self, position: Position) -> Params:
        """The number of rows before the page."""
        return (self.offset_param, str(self._offset(position))), (self.size_param, str(self.size))

    def own(self, answer: Json, position: Position) -> tuple[int | None, int | None]:
        """The number of the page that begins at the answer's offset, or a row beside it, as the two may count from 0 and 1."""
        offset, size = whole(at(answer, self.offset_param)), whole(at(answer, self.size_param))
        if offset is None or not position.given:
            return None, size
        return 1 + round((offset - self.first) / position.given), size

    def _offset(self, position: Position) -> int:
        return self.first + (position.number - 1) * position.given

    @property
    def places(self) -> tuple[str, ...]:
        """The two parameters and the count."""
        return self.offset_param, self.size_param, self.total or ""
