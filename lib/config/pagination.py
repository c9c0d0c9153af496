"""The settings of each style of pagination: how pages are asked for, and where an answer says what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lib.config.fixed import HEADER_CHARACTERS
from lib.config.model import Problem, Settings, problems_error

_DOTTED = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
_PATH_OR_HEADER = re.compile(rf"header:{HEADER_CHARACTERS}|(?!header:){_DOTTED.pattern}")
_Parameter = Annotated[str, Field(min_length=1, max_length=200)]


class _Style(Settings):
    """What all styles have. Places are dotted paths into the JSON of an answer, `$` for a bare list."""

    items: str = "items"
    total: str | None = "total"

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters that are set for each page, each with its setting."""
        return {getattr(self, name): f"api.pagination.{name}" for name in self._named()}

    @field_validator("items")
    @classmethod
    def _items_is_a_path(cls, path: str) -> str:
        if path != "$" and not _DOTTED.fullmatch(path):
            raise ValueError('must be a dotted path into the answer (data.items) or "$" for a bare list')
        return path

    @field_validator("total")
    @classmethod
    def _total_is_a_path_or_header(cls, path: str | None) -> str | None:
        if path is not None and not _PATH_OR_HEADER.fullmatch(path):
            raise ValueError("must be a dotted path into the answer (meta.total), header:X-Total-Count or null")
        return path

    @classmethod
    def _named(cls) -> list[str]:
        return [name for name in cls.model_fields if name.endswith("_param")]


class _Sized(_Style):
    """A number of rows is asked for."""

    size_param: _Parameter = "size"
    size: Annotated[int, Field(ge=1)] = 100

    @model_validator(mode="after")
    def _each_its_own_parameter(self) -> _Sized:
        if len(self.parameters) < len(self._named()):
            other = next(name for name in self._named() if name != "size_param")
            raise problems_error([Problem(("size_param",), f"must not be the same parameter as {other}")])
        return self


class PagePagination(_Sized):
    """Pages by their number."""

    style: Literal["page"] = "page"
    page_param: _Parameter = "page"
    first: Annotated[int, Field(ge=0)] = 1
    pages: str | None = "pages"

    @field_validator("pages")
    @classmethod
    def _pages_is_a_path(cls, path: str | None) -> str | None:
        if path is not None and (path.startswith("header:") or not _DOTTED.fullmatch(path)):
            raise ValueError("must be a dotted path into the answer, such as meta.pages, or null")
        return path


class OffsetPagination(_Sized):
    """Pages by the number of rows before them; `first` is that of the first row, 0 or 1."""

    style: Literal["offset"]
    offset_param: _Parameter = "offset"
    size_param: _Parameter = "limit"
    first: Annotated[int, Field(ge=0, le=1)] = 0


class _NamesNext(_Sized):
    """A page has something of the next one at the place `next`."""

    next: str
    examples: ClassVar[str] = "(meta.next_cursor) or header:X-Next-Cursor"

    @field_validator("next")
    @classmethod
    def _next_is_a_path_or_header(cls, path: str) -> str:
        if not _PATH_OR_HEADER.fullmatch(path):
            message = f"must be a dotted path into the answer {cls.examples}"
            raise ValueError(message)
        return path

    @model_validator(mode="after")
    def _a_list_has_no_place_for_it(self) -> _NamesNext:
        if self.items == "$" and not self.next.startswith("header:"):
            raise problems_error(
                [Problem(("next",), "must be header:NAME where items is $: a bare list has no place for it")]
            )
        return self


class CursorPagination(_NamesNext):
    """Pages by a cursor that the page before gives, at the place `next`."""

    style: Literal["cursor"]
    cursor_param: _Parameter = "cursor"
    next: str = "next_cursor"


class NextUrlPagination(_NamesNext):
    """Pages by their address, which the page before gives at the place `next`. The size is a parameter of the first one alone."""

    style: Literal["next_url"]
    next: str = "next"
    examples: ClassVar[str] = "(links.next) or header:X-Next"

    @field_validator("next")
    @classmethod
    def _links_have_their_own_style(cls, path: str) -> str:
        if path.lower() == "header:link":
            raise ValueError("a Link header is read by style: link_header")
        return path


class LinkHeaderPagination(_Sized):
    """Pages by their address, which the page before gives in its header `Link`, as RFC 8288 has it."""

    style: Literal["link_header"]


class KeysetPagination(_Sized):
    """Pages by what the last row of the page before has at the place `by`; `more` says whether there are further rows."""

    style: Literal["keyset"]
    after_param: _Parameter = "after"
    by: str
    more: str | None = None

    @field_validator("by")
    @classmethod
    def _by_is_a_path(cls, path: str) -> str:
        if not _DOTTED.fullmatch(path):
            raise ValueError("must be a dotted path into a row, such as id")
        return path

    @field_validator("more")
    @classmethod
    def _more_is_a_path(cls, path: str | None) -> str | None:
        if path is not None and (path.startswith("header:") or not _DOTTED.fullmatch(path)):
            raise ValueError("must be a dotted path into the answer, such as meta.has_more, or null")
        return path

    @model_validator(mode="after")
    def _a_list_has_no_place_for_more(self) -> KeysetPagination:
        if self.items == "$" and self.more is not None:
            raise problems_error([Problem(("more",), "must be null where items is $: a bare list has no place for it")])
        return self


class RangePagination(_Style):
    """Pages by a range of rows in the request's header `Range`, as HTTP has it for bytes."""

    style: Literal["range"]
    size: Annotated[int, Field(ge=1)] = 100
    unit: Annotated[str, Field(max_length=200)] = "items"

    @field_validator("unit")
    @classmethod
    def _unit_is_one_of_rows(cls, unit: str) -> str:
        if not re.fullmatch(HEADER_CHARACTERS, unit) or unit.lower() == "bytes":
            raise ValueError("must be a unit of rows as the source names it in its header Accept-Ranges, such as items")
        return unit


class NoPagination(_Style):
    """One answer holds all rows, and is asked for without a size."""

    style: Literal["none"]


STYLES: dict[str, type[_Style]] = {
    "page": PagePagination,
    "offset": OffsetPagination,
    "next_url": NextUrlPagination,
    "link_header": LinkHeaderPagination,
    "cursor": CursorPagination,
    "keyset": KeysetPagination,
    "range": RangePagination,
    "none": NoPagination,
}


def _page_unless_said(value: Any) -> Any:
    return {"style": "page", **value} if isinstance(value, Mapping) else value


Pagination: TypeAlias = Annotated[
    PagePagination
    | OffsetPagination
    | NextUrlPagination
    | LinkHeaderPagination
    | CursorPagination
    | KeysetPagination
    | RangePagination
    | NoPagination,
    Field(discriminator="style"),
    BeforeValidator(_page_unless_said),
]
