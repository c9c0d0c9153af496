"""What names of parameters and places in answers say of paging, as APIs write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from lib.config.expression import head_of, is_expression
from lib.discovery.document import Document
from lib.discovery.schemas import schema_of

# Parameters and keys without case, dots, dashes and brackets; the likeliest first.
PAGE = ("page", "pagenumber", "pageno", "pagenum", "pageindex", "currentpage", "p")
OFFSET = (
    *("offset", "skip", "startat", "startindex", "pageoffset", "firstresult", "resultoffset", "sysparmoffset"),
    *("start", "from"),
)
SIZE = (
    *(
        "pagesize",
        "perpage",
        "pagelimit",
        "limit",
        "size",
        "maxresults",
        "itemsperpage",
        "resultsperpage",
        "pagelen",
        "top",
    ),
    *("take", "count", "rows", "recordsperpage", "hitsperpage", "maxpagesize", "maxitems", "max", "num", "first"),
    *("resultrecordcount", "sysparmlimit"),
)
CURSOR = (
    *(
        "cursor",
        "pagetoken",
        "pagecursor",
        "pageafter",
        "nexttoken",
        "nextpagetoken",
        "nextcursor",
        "after",
        "startcursor",
    ),
    *(
        "continuationtoken",
        "continuation",
        "continue",
        "marker",
        "startingtoken",
        "scrollid",
        "pageinfo",
        "bookmark",
        "token",
    ),
)
KEYSET = ("startingafter", "afterid", "sinceid", "lastid", "startafterid", "idafter", "startafter", "minid", "after")
TOTAL = (
    *("totalelements", "totalcount", "total", "totalresults", "totalsize", "totalitems", "totalrecords", "totalrows"),
    *(
        "totalentries",
        "totalrecordcount",
        "itemstotal",
        "odatacount",
        "recordstotal",
        "numfound",
        "resultcount",
        "recordcount",
        "itemcount",
        "nbhits",
        "count",
        "size",
    ),
)
PAGES = (
    "totalpages",
    "pages",
    "pagecount",
    "lastpage",
    "numpages",
    "totalpagecount",
    "pagetotal",
    "pagestotal",
    "nbpages",
)
NEXT = (
    *(
        "next",
        "nextcursor",
        "nextpagetoken",
        "nexttoken",
        "nextpage",
        "nexturl",
        "nextlink",
        "nextpageurl",
        "odatanextlink",
    ),
    *("nextrecordsurl", "nextmarker", "continuationtoken", "nexthref", "nextstartcursor", "endcursor", "bookmark"),
    *("nextpageuri", "nexturi", "nextpagelink", "continue", "cursor", "lastevaluatedkey"),
)
NEXT_ADDRESSES = frozenset(
    {"nexturl", "nextlink", "nextpageurl", "odatanextlink", "nextrecordsurl", "nexthref"}
    | {"nextpageuri", "nexturi", "nextpagelink"}
)
MORE = (
    "hasmore",
    "hasnext",
    "hasnextpage",
    "moreitemsincollection",
    "hasmoreitems",
    "hasmoreresults",
    "moreresults",
    "more",
)
LAST = ("islast", "last", "islastpage", "done")
ITEMS = (
    *(
        "items",
        "data",
        "results",
        "value",
        "values",
        "records",
        "content",
        "entries",
        "rows",
        "list",
        "objects",
        "docs",
        "result",
        "body",
    ),
    *("elements", "hits", "resources", "member", "collection", "edges"),
)
NO_ITEMS = frozenset({"errors", "links", "warnings", "included", "facets", "messages", "sort", "filters", "meta"})
TOTAL_HEADERS = ("x-total-count", "x-total", "total-count", "x-pagination-total-count", "x-wp-total", "x-total-results")
_OF_NEXT = ("uri", "offset", "startingafter")
_DEPTH = 3


def plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def first_named(names: Mapping[str, Any], known: tuple[str, ...]) -> str | None:
    """Of some names the likeliest of those that are known."""
    found = {plain(name): name for name in reversed(list(names))}
    return next((found[one] for one in known if one in found), None)


@dataclass(frozen=True)
class Sign:
    """Something in an answer outside of its rows: its place, its name as it is compared, what kind of value is there.

    `kind`: address, text, number, bool or null. `value` is there for numbers, true and false, and addresses.
    """

    place: str
    name: str
    kind: str
    value: Any = None


def signs_of(answer: Any, items: str) -> list[Sign]:
    """What an answer has outside of its rows."""
    holder = holder_of(items)
    return [] if holder == "$" else list(_of_value(answer, (), holder, 0))


def _is_word(key: str) -> bool:
    """Whether a place can have this key: one with spaces or brackets would be read as something else."""
    return bool(key) and re.search(r"\s", key) is None and not is_expression(key)


def holder_of(items: str) -> str:
    """The place of what holds the rows, and is no sign; `$` for the answer itself."""
    return (head_of(items) or "$") if is_expression(items) else items


def _of_value(value: Any, path: tuple[str, ...], items: str, depth: int) -> Iterator[Sign]:
    place = ".".join(path)
    if place and place == items:
        return
    if isinstance(value, dict):
        if depth <= _DEPTH:
            for key, one in value.items():
                if _is_word(key):
                    yield from _of_value(one, (*path, key), items, depth + 1)
    elif path and not isinstance(value, list):
        yield Sign(place, _name_of(path), *_kind_of(value))


def _name_of(path: tuple[str, ...]) -> str:
    """The name of what is there: of `_links.next.href` it is `next`, of `hits.total.value` it is `total`."""
    last = plain(path[-1])
    if len(path) > 1 and last in ("href", "url", "value", "after", "cursor", "link", "token", "id", *_OF_NEXT):
        before = plain(path[-2])
        if before == "next" or (before == "nextpage" and last in _OF_NEXT):
            return "next"
        if last == "value" and before in TOTAL:
            return before
        if last == "after" and before == "cursors":
            return "next"
    return last


def _kind_of(value: Any) -> tuple[str, Any]:
    if value is None:
        return "null", None
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int | float):
        return "number", value
    text = str(value)
    if re.match(r"https?://|/|\?", text):
        return "address", text
    if re.fullmatch(r"[0-9]{1,18}", text):
        return "digits", int(text)
    return "text", None


def signs_of_schema(document: Document, node: Any, items: str) -> list[Sign]:
    """The same of an answer as the document has it; values are not known."""
    holder = holder_of(items)
    return [] if holder == "$" else list(_of_schema(document, node, (), holder, 0))


def _of_schema(document: Document, node: Any, path: tuple[str, ...], items: str, depth: int) -> Iterator[Sign]:
    place = ".".join(path)
    if (place and place == items) or depth > _DEPTH + 1:
        return
    schema = schema_of(document, node)
    if schema.kind == "object" or schema.properties:
        for key, one in schema.properties.items():
            if _is_word(key):
                yield from _of_schema(document, one, (*path, key), items, depth + 1)
    elif path and schema.kind != "array":
        yield Sign(place, _name_of(path), _kind_of_schema(schema.kind, schema.format, _name_of(path)))


def _kind_of_schema(kind: str, form: str, name: str) -> str:
    if kind in ("integer", "number"):
        return "number"
    if kind == "boolean":
        return "bool"
    if form in ("uri", "url", "uri-reference") or name in NEXT_ADDRESSES:
        return "address"
    return "text" if kind == "string" else "null"


def named(signs: list[Sign], names: tuple[str, ...]) -> list[Sign]:
    """Those with one of the names: the likeliest name first, then what is nearest to the top."""
    found = [one for one in signs if one.name in names]
    return sorted(found, key=lambda one: (names.index(one.name), one.place.count(".")))


def parameters_in(address: str) -> dict[str, str]:
    """The query parameters of an address."""
    return dict(parse_qsl(address.partition("?")[2], keep_blank_values=True))
