"""The settings of each style of pagination: how pages are asked for, and where an answer says what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from lib.config.bodies import BODY, IN_LIST
from lib.config.expression import DOTTED, is_place
from lib.config.fixed import HEADER_CHARACTERS
from lib.config.model import Problem, Settings, problems_error

_HEADER = re.compile(rf"header:{HEADER_CHARACTERS}")


def _is_path_or_header(place: str) -> bool:
    return _HEADER.fullmatch(place) is not None if place.startswith("header:") else is_place(place)


def _parameter(name: str) -> str:
    if name.startswith(BODY) and not re.fullmatch(DOTTED, name.removeprefix(BODY).removesuffix(IN_LIST)):
        message = f"must be a dotted path into the body behind {BODY}, such as {BODY}variables.after"
        raise ValueError(message)
    return name


Parameter = Annotated[
    str,
    Field(min_length=1, max_length=200, title=f"query parameter, or `{BODY}` with a place in the body"),
    AfterValidator(_parameter),
]


class _Style(Settings):
    """What all styles have. Places are dotted paths into the JSON of an answer or JMESPath expressions, `$` is a bare list."""

    items: str = "items"
    """Where the rows are in the answer: a dotted path such as `data.items`, a JMESPath expression such as `"edges[].node"`, or
    `"$"` for a bare list."""
    total: str | None = "total"
    """Where the number of rows is: a dotted path, `header:X-Total-Count`, or `null` for a source that does not say."""

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters that are set for each page, each with its setting."""
        return {name: f"api.pagination.{key}" for name, key in self._set_for_pages() if not name.startswith(BODY)}

    @property
    def in_body(self) -> dict[str, str]:
        """The places in the body that are set for each page, each with the key of its setting."""
        return {name: key for name, key in self._set_for_pages() if name.startswith(BODY)}

    @field_validator("items")
    @classmethod
    def _items_is_a_path(cls, path: str) -> str:
        if path != "$" and not is_place(path):
            raise ValueError('must be a dotted path into the answer (data.items) or "$" for a bare list')
        return path

    @field_validator("total")
    @classmethod
    def _total_is_a_path_or_header(cls, path: str | None) -> str | None:
        if path is not None and not _is_path_or_header(path):
            raise ValueError("must be a dotted path into the answer (meta.total), header:X-Total-Count or null")
        return path

    def _set_for_pages(self) -> list[tuple[str, str]]:
        named = [(getattr(self, key), key) for key in type(self).model_fields if key.endswith("_param")]
        return [(name, key) for name, key in named if name is not None]


class _Sized(_Style):
    """A number of rows is asked for."""

    size_param: Parameter | None = "size"
    """Parameter with the rows a page; `null` for a source that takes none."""
    size: Annotated[int, Field(ge=1)] = 100
    """Rows to ask for. If the server gives fewer on the first page, its number counts."""

    @model_validator(mode="after")
    def _each_its_own_parameter(self) -> _Sized:
        named = self._set_for_pages()
        if len(dict(named)) < len(named):
            other = next(key for _, key in named if key != "size_param")
            raise problems_error([Problem(("size_param",), f"must not be the same parameter as {other}")])
        return self


class PagePagination(_Sized):
    """Pages by their number."""

    style: Literal["page"] = "page"
    page_param: Parameter = "page"
    """Parameter with the number of the page."""
    first: Annotated[int, Field(ge=0)] = 1
    """Number of the first page."""
    pages: str | None = "pages"
    """Where the number of pages is: a dotted path or `null`."""

    @field_validator("pages")
    @classmethod
    def _pages_is_a_path(cls, path: str | None) -> str | None:
        if path is not None and (path.startswith("header:") or not is_place(path)):
            raise ValueError("must be a dotted path into the answer, such as meta.pages, or null")
        return path


class OffsetPagination(_Sized):
    """Pages by the number of rows before them."""

    style: Literal["offset"]
    offset_param: Parameter = "offset"
    """Parameter with the number of rows before the page."""
    size_param: Parameter | None = "limit"
    first: Annotated[int, Field(ge=0, le=1)] = 0
    """Offset of the first row."""


class _NamesNext(_Sized):
    """A page has something of the next one at the place `next`."""

    next: str
    examples: ClassVar[str] = "(meta.next_cursor) or header:X-Next-Cursor"

    @field_validator("next")
    @classmethod
    def _next_is_a_path_or_header(cls, path: str) -> str:
        if not _is_path_or_header(path):
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


class _SaysMore(_Sized):
    """An answer may say whether there are further rows."""

    more: str | None = None
    """Where an answer says, by true or false, whether there are further rows; `null` for a source that does not say."""

    @field_validator("more")
    @classmethod
    def _more_is_a_path(cls, path: str | None) -> str | None:
        if path is not None and (path.startswith("header:") or not is_place(path)):
            raise ValueError("must be a dotted path into the answer, such as meta.has_more, or null")
        return path

    @model_validator(mode="after")
    def _a_list_has_no_place_for_more(self) -> _SaysMore:
        if self.items == "$" and self.more is not None:
            raise problems_error([Problem(("more",), "must be null where items is $: a bare list has no place for it")])
        return self


class CursorPagination(_NamesNext, _SaysMore):
    """Pages by a cursor that the page before gives."""

    style: Literal["cursor"]
    cursor_param: Parameter = "cursor"
    """Parameter with the cursor; the first page is asked for without it."""
    next: str = "next_cursor"
    """Where a page has the cursor of the next one: a dotted path, or `header:X-Next-Cursor`. Null or nothing is the end."""


class NextUrlPagination(_NamesNext):
    """Pages by their address, which the page before gives. The size is a parameter of the first one alone."""

    style: Literal["next_url"]
    next: str = "next"
    """Where a page has the address of the next one: a dotted path such as `links.next`, or a header. Null or nothing is the end."""
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


class KeysetPagination(_SaysMore):
    """Pages by a value of the last row of the page before."""

    style: Literal["keyset"]
    after_param: Parameter = "after"
    """Parameter with that value; the first page is asked for without it."""
    by: str
    """Where a row has the value: a dotted path, such as `id`. The source must give rows in its order."""
    more: str | None = None
    """Where an answer says, by true or false, whether there are further rows. Without it, the end is a page without rows."""

    @field_validator("by")
    @classmethod
    def _by_is_a_path(cls, path: str) -> str:
        if not is_place(path):
            raise ValueError("must be a dotted path into a row, such as id")
        return path


class RangePagination(_Style):
    """Pages by a range of rows in the request's header `Range`, as HTTP has it for bytes."""

    style: Literal["range"]
    size: Annotated[int, Field(ge=1)] = 100
    """Rows to ask for. If the server gives fewer on the first page, its number counts."""
    unit: Annotated[str, Field(max_length=200)] = "items"
    """Unit of the range, as the source names it in its header `Accept-Ranges`; not `bytes`."""

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


_AnyStyle: TypeAlias = (
    PagePagination
    | OffsetPagination
    | NextUrlPagination
    | LinkHeaderPagination
    | CursorPagination
    | KeysetPagination
    | RangePagination
    | NoPagination
)
Pagination: TypeAlias = Annotated[_AnyStyle, Field(discriminator="style"), BeforeValidator(_page_unless_said)]
OwnPagination: TypeAlias = Annotated[_AnyStyle, Field(discriminator="style")]
"""That of a table, which has to name its style."""
