"""Styles whose positions are named by the page before: a table is one walk."""

from __future__ import annotations

import json
import re
from abc import ABC
from dataclasses import dataclass, replace
from typing import ClassVar

from lib.config.bodies import BODY
from lib.errors import SourceError
from lib.source.answer import HEADER, at, at_or_in_header, is_null_itself, says
from lib.source.json_text import Json
from lib.source.links import next_link
from lib.source.paging.hints import LINK, more_elsewhere
from lib.source.paging.style import Paging, Position, Told, Values, in_body

_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True)
class _Walked(Paging, ABC):
    """Pages are counted from 1."""

    is_addressable: ClassVar[bool] = False

    @property
    def first_number(self) -> int:
        """Always 1: the source does not count pages."""
        return 1

    def params(self, position: Position) -> Values:
        """The size alone: what names the page is hidden."""
        return self.asked_size

    @property
    def places(self) -> tuple[str, ...]:
        """The size and the count."""
        return tuple(place for place in (self.size_place, self.total or "") if not place.startswith(HEADER))

    def _ends(self, told: Told) -> None:
        """Take an answer that names no next page where it should for the end of the walk.

        Raises:
            SourceError: it names one elsewhere, or says that there are more rows.
        """
        found = more_elsewhere(told.answer, told.headers, self.items)
        if found is not None and (found.is_sure or not self.says_end(told)):
            message = f"{self.names_next}: no next page is named there, and {found}"
            raise SourceError(message)


@dataclass(frozen=True)
class _Named(_Walked, ABC):
    """Each page names the next one at the place `next`; null, false, an empty text and nothing at all are the end."""

    next: str = "next"

    def says_next(self, told: Told) -> bool:
        """Whether there is something at the place `next`, a null too. Of a header nobody can tell."""
        if self.next.startswith(HEADER):
            return True
        return says(told.answer, self.next)

    @property
    def names_next(self) -> str:
        """The place `next`."""
        return f"api.pagination.next: {self.next}"

    @property
    def places(self) -> tuple[str, ...]:
        """What names the next page, the size and the count."""
        return (*super().places, *(() if self.next.startswith(HEADER) else (self.next,)))

    def says_end(self, told: Told) -> bool:
        """Whether there is something at the place `next`, a null too."""
        if self.next.startswith(HEADER):
            return at_or_in_header(told.answer, told.headers, self.next) is not None
        return self.says_next(told)

    def _named(self, told: Told) -> Json:
        value = at_or_in_header(told.answer, told.headers, self.next)
        if value is None or value is False or value == "":
            self._ends(told)
            return None
        return value


@dataclass(frozen=True)
class _SaysMore(_Walked, ABC):
    """`more` is where an answer says whether there are further rows; None for a source that does not say."""

    more: str | None = None

    @property
    def places(self) -> tuple[str, ...]:
        """Those of the style, and whether there are more."""
        return (*super().places, self.more or "")

    def _has_more(self, told: Told) -> bool | None:
        if self.more is None:
            return None
        value = at(told.answer, self.more)
        if not isinstance(value, bool):
            message = f"api.pagination.more: {self.more} is not true or false in the answer"
            raise SourceError(message)
        return value


@dataclass(frozen=True)
class _Addresses(_Walked, ABC):
    """A page names the whole address of the next one, which is asked for as it is. The first page is asked for by the size."""

    names_addresses: ClassVar[bool] = True

    def params(self, position: Position) -> Values:
        """The size, on the first page; in the body on all, as each is asked for with the same one."""
        return super().params(position) if position.cursor is None else in_body(super().params(position))

    def address(self, position: Position) -> str | None:
        """What the page before has named."""
        return position.cursor


@dataclass(frozen=True)
class Cursors(_SaysMore, _Named):
    """`?cursor=eyJpZCI6MTAwfQ&size=100`. Each page gives the cursor of the next one."""

    cursor_param: str = "cursor"
    next: str = "next_cursor"

    style: ClassVar[str] = "cursor"
    asks_by: ClassVar[str] = "api.pagination.cursor_param"

    def hidden(self, position: Position) -> Values:
        """The cursor, behind the first page."""
        return _asking(self.cursor_param, position)

    def follows(self, told: Told) -> str | None:
        """What is at the place `next`, a text or a whole number, unless the answer says that it is the last page."""
        has_more = None if told.answer is None else self._has_more(told)
        value = None if has_more is False else self._named(told)
        if value is None and has_more:
            message = (
                f"api.pagination.more: {self.more} says that there are further rows, and nothing is at {self.next}"
            )
            raise SourceError(message)
        return None if value is None else _named_by(value, self.cursor_param, f"{self.names_next} is", "the answer")

    def says_next(self, told: Told) -> bool:
        """Whether it says if there are more; or there is something at the place `next`."""
        return (self.more is not None and at(told.answer, self.more) is not None) or super().says_next(told)

    def says_end(self, told: Told) -> bool:
        """Whether it says if there are more; or there is something at the place `next`."""
        return self.more is not None or super().says_end(told)


@dataclass(frozen=True)
class NextUrls(_Addresses, _Named):
    """`"next": "https://api.example/orders?page=3"`. Each page gives the address of the next one, absolute or relative."""

    style: ClassVar[str] = "next_url"
    asks_by: ClassVar[str] = "api.pagination.next"

    @classmethod
    def question(cls) -> str:
        """No parameter is at fault."""
        return "does api.pagination.next name the next page?"

    def follows(self, told: Told) -> str | None:
        """What is at the place `next`: a text."""
        value = self._named(told)
        if value is not None and not isinstance(value, str):
            message = f"{self.names_next} is not text in the answer"
            raise SourceError(message)
        return value


@dataclass(frozen=True)
class LinkHeaders(_Addresses):
    """`Link: <https://api.example/orders?page=3>; rel="next"`. The last page has a header without such a link, or none."""

    style: ClassVar[str] = "link_header"
    asks_by: ClassVar[str] = "api.pagination.style"

    @classmethod
    def question(cls) -> str:
        """No parameter is at fault."""
        return 'does rel="next" of its Link header name the next page?'

    def follows(self, told: Told) -> str | None:
        """The target of the link to the next page."""
        value = at_or_in_header(told.answer, told.headers, LINK)
        named = next_link(value) if isinstance(value, str) else None
        if named is None:
            self._ends(told)
        return named

    def says_next(self, told: Told) -> bool:
        """Whether there is such a header."""
        return at_or_in_header(told.answer, told.headers, LINK) is not None

    def says_end(self, told: Told) -> bool:
        """Whether there is such a header."""
        return self.says_next(told)

    @property
    def names_next(self) -> str:
        """The header, which has no setting."""
        return "api.pagination.style: link_header"


@dataclass(frozen=True)
class Keysets(_SaysMore):
    """`?after=1729&size=100`. Behind the first page, rows are asked for that follow the last one: by its value at the place `by`.

    Without `more` the end is a page that has none.
    """

    after_param: str = "after"
    by: str = "id"

    style: ClassVar[str] = "keyset"
    asks_by: ClassVar[str] = "api.pagination.after_param"

    def hidden(self, position: Position) -> Values:
        """The value of the last row, behind the first page."""
        return _asking(self.after_param, position)

    def own(self, told: Told, position: Position) -> tuple[int | None, int | None]:
        """Nothing.

        Raises:
            SourceError: the rows are in one order, and lie in the other one from the value that they were asked by: those of a
                source that gives the newest first, and takes the value for the least.
        """
        if position.cursor is None or not told.last:
            return None, None
        first, last = at(told.first[0], self.by), at(told.last[0], self.by)
        if not (_WHOLE.fullmatch(position.cursor) and isinstance(first, int) and isinstance(last, int)):
            return None, None
        if (last - first) * (last - int(position.cursor)) < 0:
            message = (
                f"api.pagination.by: the page is sorted by {self.by} in one direction, and lies in the other one from the value "
                "that it was asked by, so rows are left out; have the source sort rows in ascending order"
            )
            raise SourceError(message)
        return None, None

    def follows(self, told: Told) -> str | None:
        """The value of the last row: a text or a whole number."""
        if told.answer is None:
            return None
        has_more = self._has_more(told)
        if not told.last:
            if has_more:
                message = f"{self.names_next} says that there are further rows, and the page has none"
                raise SourceError(message)
            return None
        if has_more is False:
            return None
        value = at(told.last[0], self.by)
        return _named_by(
            None if value == "" else value,
            self.after_param,
            f"api.pagination.by: {self.by} is",
            "the last row of the page",
        )

    def says_next(self, told: Told) -> bool:
        """Whether there is something at the place `more`; or, without one, whether there are no rows, in so many words."""
        if self.more is not None:
            return at(told.answer, self.more) is not None
        return told.answer is None or is_null_itself(told.answer, self.items)

    def says_end(self, told: Told) -> bool:
        """Always: an answer without rows does, and so does `more`."""
        return True

    @property
    def behind(self) -> Keysets:
        """Asks for the rows that follow the last one, whatever is said at the place `more`."""
        return replace(self, more=None)

    @property
    def names_next(self) -> str:
        """The place `more`, or that of the value."""
        return f"api.pagination.by: {self.by}" if self.more is None else f"api.pagination.more: {self.more}"


@dataclass(frozen=True)
class AllAtOnce(_Walked):
    """One answer holds all rows: a walk of one page, which is asked for by nothing."""

    style: ClassVar[str] = "none"
    asks_by: ClassVar[str] = "api.pagination.style"

    def params(self, position: Position) -> Values:
        """No parameter."""
        return ()

    def follows(self, told: Told) -> str | None:
        """Nothing.

        Raises:
            SourceError: the answer names a next page all the same, and does not count its rows as all; or it is a part.
        """
        if told.is_part:
            message = f"{self.names_next}: the answer is a part of the rows (status 206); use style: range"
            raise SourceError(message)
        found = more_elsewhere(told.answer, told.headers, self.items)
        if found is not None and (found.is_link or self.counted(told) != told.n_items):
            message = f"{self.names_next}: {found}"
            raise SourceError(message)
        return None

    def says_end(self, told: Told) -> bool:
        """Always: there is no other page."""
        return True

    @property
    def names_next(self) -> str:
        """No place."""
        return "api.pagination.style: none"

    @property
    def places(self) -> tuple[str, ...]:
        """The count."""
        return () if (self.total or "").startswith(HEADER) else (self.total or "",)


def _named_by(value: Json, param: str, what: str, where: str) -> str:
    """What a page is named by, as it is kept: in the body as JSON, so that a number stays one.

    Raises:
        SourceError: it can be no value of a parameter.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        message = f"{what} no text and no whole number in {where}"
        raise SourceError(message)
    return json.dumps(value) if param.startswith(BODY) else str(value)


def _asking(param: str, position: Position) -> Values:
    """What asks for a page by its name; nothing for the first one."""
    if position.cursor is None:
        return ()
    return ((param, json.loads(position.cursor) if param.startswith(BODY) else position.cursor),)
