"""The settings of each style of pagination: how pages are asked for, and where an answer says what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from lib.config.fixed import HEADER_CHARACTERS
from lib.config.model import Problem, Settings, problems_error

_DOTTED = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
_PATH_OR_HEADER = re.compile(rf"header:{HEADER_CHARACTERS}|(?!header:){_DOTTED.pattern}")


def _dotted(path: str) -> str:
    if not _DOTTED.fullmatch(path):
        raise ValueError("must be a dotted path into the answer, such as data.token")
    return path


DottedPath: TypeAlias = Annotated[str, AfterValidator(_dotted)]
_Parameter = Annotated[str, Field(min_length=1, max_length=200)]


class _Style(Settings):
    """What all styles have. Places are dotted paths into the JSON of an answer, `$` for a bare list."""

    size_param: _Parameter = "size"
    size: Annotated[int, Field(ge=1)] = 100
    items: str = "items"
    total: str | None = "total"

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters that are set for each page, each with its setting."""
        named = [name for name in type(self).model_fields if name.endswith("_param")]
        return {getattr(self, name): f"api.pagination.{name}" for name in named}

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

    @model_validator(mode="after")
    def _each_its_own_parameter(self) -> _Style:
        if len(self.parameters) == 1:
            other = next(name for name in type(self).model_fields if name.endswith("_param") and name != "size_param")
            raise problems_error([Problem(("size_param",), f"must not be the same parameter as {other}")])
        return self


class PagePagination(_Style):
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


class OffsetPagination(_Style):
    """Pages by the number of rows before them; `first` is that of the first row, 0 or 1."""

    style: Literal["offset"]
    offset_param: _Parameter = "offset"
    size_param: _Parameter = "limit"
    first: Annotated[int, Field(ge=0, le=1)] = 0


class CursorPagination(_Style):
    """Pages by a cursor that the page before gives, at the place `next`."""

    style: Literal["cursor"]
    cursor_param: _Parameter = "cursor"
    next: str = "next_cursor"

    @field_validator("next")
    @classmethod
    def _next_is_a_path_or_header(cls, path: str) -> str:
        if not _PATH_OR_HEADER.fullmatch(path):
            raise ValueError("must be a dotted path into the answer (meta.next_cursor) or header:X-Next-Cursor")
        return path

    @model_validator(mode="after")
    def _a_list_has_no_place_for_it(self) -> CursorPagination:
        if self.items == "$" and not self.next.startswith("header:"):
            raise problems_error(
                [Problem(("next",), "must be header:NAME where items is $: a bare list has no place for it")]
            )
        return self


STYLES: dict[str, type[_Style]] = {"page": PagePagination, "offset": OffsetPagination, "cursor": CursorPagination}


def _page_unless_said(value: Any) -> Any:
    return {"style": "page", **value} if isinstance(value, Mapping) else value


Pagination: TypeAlias = Annotated[
    PagePagination | OffsetPagination | CursorPagination,
    Field(discriminator="style"),
    BeforeValidator(_page_unless_said),
]
