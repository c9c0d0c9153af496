"""What every style of pagination answers: how to ask for a position, what an answer says of its own, which one follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lib.config.bodies import BODY, IN_LIST
from lib.source.answer import count
from lib.source.json_text import Json
from lib.source.paging.hints import check_exact

Params = tuple[tuple[str, str], ...]
Values = tuple[tuple[str, str | int], ...]
"""What asks for a page, by the names of query parameters and of places in the body."""


@dataclass(frozen=True)
class Position:
    """Where a page stands in its table. `number` counts the pages of a table in their order, from the style's `first` on.

    `given` are the rows that the source gives a page (0: not known yet). `cursor` is what a page before this one named it by; None
    for the first page, and for a style that asks by numbers. `again`: it is the first page, asked for once more when the others are
    there.
    """

    number: int
    given: int = 0
    cursor: str | None = field(default=None, repr=False)
    again: bool = False


@dataclass(frozen=True)
class Told:
    """What an answer tells of its paging. Names of `headers` are in lower case; `first` and `last` are these rows, if it has any.

    `n_items` are its rows, and `is_part` says that by its status (206) there are others.
    """

    answer: Json = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    first: tuple[Json, ...] = field(default=(), repr=False)
    last: tuple[Json, ...] = field(default=(), repr=False)
    n_items: int = 0
    is_part: bool = False


@dataclass(frozen=True)
class Paging(ABC):
    """One style, with the places where an answer keeps its rows (`items`) and its count of them (`total`).

    `style` is its name in a source YAML. `is_addressable`: a position is known before the page in front of it was read, so that
    ranges of them are fetched in parallel. Otherwise a table is walked, page by page. `steps_by_rows`: a position counts
    rows, so that a page which is shorter than the others leaves a gap. `asks_by` is the setting by which a page is asked for.
    `names_addresses`: a cursor is a whole address. `has_first`: the setting `first` says where it begins.
    """

    size_param: str | None = "size"
    size: int = 100
    items: str = "items"
    total: str | None = "total"

    style: ClassVar[str]
    is_addressable: ClassVar[bool]
    steps_by_rows: ClassVar[bool] = False
    names_addresses: ClassVar[bool] = False
    has_first: ClassVar[bool] = False
    asks_by: ClassVar[str]

    @property
    @abstractmethod
    def first_number(self) -> int:
        """The number of the first page."""

    @abstractmethod
    def params(self, position: Position) -> Values:
        """What asks for a position in the query or the body, as far as it may be shown."""

    @property
    def asked_size(self) -> Values:
        """What asks for the rows a page; nothing for a source that takes no size."""
        return () if self.size_param is None else ((self.size_param, self.size),)

    @property
    def size_place(self) -> str:
        """Where an answer may say its size: under the name of the parameter. Empty for a source that takes none."""
        return "" if self.size_param is None else bare(self.size_param)

    @classmethod
    def question(cls) -> str:
        """What to ask where a page comes twice."""
        return f"does the source take {cls.asks_by}?"

    @classmethod
    def planned(cls, own_number: int | None) -> str:
        """The style in which a table is read on whose first page gives itself this number."""
        return cls.style

    def hidden(self, position: Position) -> Values:
        """What asks for it and must not be shown: a source may make a cursor of what is in a row."""
        return ()

    def address(self, position: Position) -> str | None:
        """The whole address that asks for a position. None: the table's own, with the parameters."""
        return None

    def headers(self, position: Position) -> Params:
        """The request headers that ask for a position."""
        return ()

    def counted(self, told: Told) -> int | None:
        """The number of rows of the whole table, as far as the answer says.

        Raises:
            SourceError: what is there is no number, or by the answer itself not that of all rows.
        """
        total = count(told.answer, self.total, told.headers, "total")
        if total is not None:
            check_exact(told.answer, str(self.total))
        return total

    def own(self, told: Told, position: Position) -> tuple[int | None, int | None]:
        """The number and the size that a page gives itself, as far as it does.

        Raises:
            SourceError: it cannot be the page that was asked for.
        """
        return None, None

    def follows(self, told: Told) -> str | None:
        """The cursor of the page behind this one. None: there is none, or the style asks by numbers.

        Raises:
            SourceError: what is there can be no cursor.
        """
        return None

    def says_next(self, told: Told) -> bool:
        """Whether an answer says anything of the page behind it, be it that there is none."""
        return True

    def says_end(self, told: Told) -> bool:
        """Whether an answer that names no page behind it says itself that there is none, and is not only silent."""
        return False

    @property
    def behind(self) -> Paging:
        """The style as it asks behind an end that the source has declared: itself, where only the page before can name a page."""
        return self

    @property
    def names_next(self) -> str:
        """Where an answer names the page behind it: the setting and its value. Empty for a style that asks by numbers."""
        return ""

    @property
    def pages(self) -> str | None:
        """Where the answer has the number of pages; None for nowhere."""
        return None

    @property
    @abstractmethod
    def places(self) -> tuple[str, ...]:
        """Where an answer says something of the paging, and of no row."""


def in_query(values: Values) -> Values:
    """Those of them that are query parameters."""
    return tuple(one for one in values if not one[0].startswith(BODY))


def in_body(values: Values) -> Values:
    """Those of them that go into the body."""
    return tuple(one for one in values if one[0].startswith(BODY))


def bare(name: str) -> str:
    """The name of a parameter, or the dotted path of a place in the body."""
    return name.removeprefix(BODY).removesuffix(IN_LIST) if name.startswith(BODY) else name
