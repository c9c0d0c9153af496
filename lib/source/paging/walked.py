"""Styles whose positions are named by the page before: a table is one walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lib.errors import SourceError
from lib.source.answer import HEADER, at, at_or_in_header, is_null
from lib.source.json_text import Json
from lib.source.paging.style import Paging, Params, Position


@dataclass(frozen=True)
class Cursors(Paging):
    """`?cursor=eyJpZCI6MTAwfQ&size=100`. Pages are counted from 1; each gives the cursor of the next one at the place `next`."""

    cursor_param: str = "cursor"
    next: str = "next_cursor"

    style: ClassVar[str] = "cursor"
    is_addressable: ClassVar[bool] = False
    asks_by: ClassVar[str] = "api.pagination.cursor_param"

    @property
    def first_number(self) -> int:
        """Always 1: the source does not count pages."""
        return 1

    def params(self, position: Position) -> Params:
        """The size alone: the cursor is hidden."""
        return ((self.size_param, str(self.size)),)

    def hidden(self, position: Position) -> Params:
        """The cursor, behind the first page."""
        return () if position.cursor is None else ((self.cursor_param, position.cursor),)

    def follows(self, answer: Json, headers: Mapping[str, str]) -> str | None:
        """What is at the place `next`; null, false, an empty text and nothing at all are the end."""
        value = at_or_in_header(answer, headers, self.next)
        if value is None or value is False or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            message = f"api.pagination.next: {self.next} is no text and no whole number in the answer"
            raise SourceError(message)
        return str(value)

    def says_next(self, answer: Json) -> bool:
        """Whether there is something at the place `next`, a null too. Of a header nobody can tell."""
        return self.next.startswith(HEADER) or at(answer, self.next) is not None or is_null(answer, self.next)

    @property
    def names_next(self) -> str:
        """The place `next`."""
        return f"api.pagination.next: {self.next}"

    @property
    def places(self) -> tuple[str, ...]:
        """The cursor, the size and the count."""
        return tuple(place for place in (self.next, self.size_param, self.total or "") if not place.startswith(HEADER))
