"""The first answers of a list, and trials of what no document says: which parameters its source takes, and up to which size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from lib.discovery.candidates import MOST_SIZE, USUAL_SIZE, Evidence, Heard, size_param_of
from lib.discovery.document import Document
from lib.discovery.endpoints import Listed, Parameter, unknown
from lib.discovery.probe import Asker, Refused
from lib.discovery.signs import (
    CURSOR,
    MORE,
    NEXT,
    OFFSET,
    PAGE,
    SIZE,
    first_named,
    named,
    parameters_in,
    plain,
    signs_of,
    signs_of_schema,
)
from lib.errors import SourceError
from lib.source.access import Fixed
from lib.source.links import next_link

_REFUSED_SIZES = (400, 413, 416, 422)
_SIZES = (
    "limit",
    "per_page",
    "page_size",
    "pageSize",
    "size",
    "maxResults",
    "count",
    "$top",
    "perPage",
    "rows",
    "per-page",
)
_PLACES = ("page", "offset", "skip", "start", "startAt", "$skip", "pageNumber", "page_number", "p", "startIndex")
_AFTER = ("starting_after", "after_id", "since_id", "after")


def first_answer(asker: Asker, listed: Listed, fixed: Fixed) -> tuple[Heard, int] | Refused:
    """The first page, in the largest size that the document allows and the source takes, and that size."""
    name = size_param_of(listed.queries)
    if name is None:
        found = asker.raw(listed.path, {}, fixed)
        return found if isinstance(found, Refused) else (found, USUAL_SIZE)
    schema = listed.queries[name].schema
    usual = schema.default if isinstance(schema.default, int) and schema.default > 0 else USUAL_SIZE
    most = schema.maximum if schema.maximum and schema.maximum > 0 else max(USUAL_SIZE, usual)
    return _largest(asker, listed, fixed, name, min(most, MOST_SIZE), usual)


def _largest(
    asker: Asker, listed: Listed, fixed: Fixed, name: str, most: int, usual: int, items: str | None = None
) -> tuple[Heard, int] | Refused:
    """The first page in the largest size that is not refused, `most` at most, and that size."""
    for size in (most, *sorted({one for one in (usual, 100, 50, 25, 10) if 0 < one < most}, reverse=True)):
        found = asker.raw(listed.path, {name: size}, fixed, items)
        if not isinstance(found, Refused):
            return found, size
        if found.status not in _REFUSED_SIZES:
            return found
    found = asker.raw(listed.path, {}, fixed, items)
    return found if isinstance(found, Refused) else (found, USUAL_SIZE)


def evidence_of(
    asker: Asker, listed: Listed, document: Document | None, fixed: Fixed, heard: Heard, items: str, size: int
) -> Evidence:
    """All that can be known of the list without walking it: a second answer of half the size tells totals from counts of a page."""
    parameters = dict(listed.queries)
    said = [] if document is None else signs_of_schema(document, listed.answer, items)
    for name in _named_by(heard, items):
        parameters.setdefault(name, unknown(name))
    if document is None:
        for name in _tried(asker, listed, fixed, heard, items, parameters):
            parameters[name] = unknown(name)
    size_param = size_param_of(parameters)
    if size_param is not None and size_param not in listed.queries:
        sized = _largest(asker, listed, fixed, size_param, USUAL_SIZE, heard.n_rows, items)
        heard, size = (heard, size) if isinstance(sized, Refused) else sized
    answers = [heard]
    if size_param is not None and heard.n_rows > 1:
        half = asker.raw(listed.path, {size_param: (heard.n_rows + 1) // 2}, fixed, items)
        if isinstance(half, Heard) and half.n_rows:
            answers.append(half)
            for one in _named_by(half, items):
                parameters.setdefault(one, unknown(one))
    source = "a trial or the address of a next page shows that the source" if document is None else "the document"
    return Evidence(items, parameters, said, answers, size, None, source, document is not None, listed.path)


def _named_by(heard: Heard, items: str) -> list[str]:
    """The parameters of paging in the address of the next page that an answer names."""
    addresses = [str(sign.value) for sign in named(signs_of(heard.answer, items), NEXT) if sign.kind == "address"]
    with suppress(SourceError):
        addresses.append(next_link(heard.headers.get("link", "")) or "")
    found = []
    for address in addresses:
        for name, value in parameters_in(address).items():
            is_number = plain(name) in (*PAGE, *OFFSET, *SIZE) and value.isdecimal()
            if name.isprintable() and (is_number or plain(name) in CURSOR):
                found.append(name)
    return found


def _tried(
    asker: Asker, listed: Listed, fixed: Fixed, heard: Heard, items: str, known: Mapping[str, Parameter]
) -> Iterator[str]:
    """Parameters that the source takes, by what it gives for them: a size first, then what asks for the page behind it."""
    rows, signs = _texts(heard.rows), signs_of(heard.answer, items)
    size_param, k = size_param_of(known), max(1, len(rows) // 2)
    if len(rows) < 2:
        return
    # An answer often has its own numbers under the names of the parameters.
    own = list(dict.fromkeys(sign.place.rpartition(".")[2] for sign in signs if sign.kind == "number"))
    for name in () if size_param else [*(one for one in own if plain(one) in SIZE), *_SIZES]:
        found = asker.raw(listed.path, {name: k}, fixed, items)
        if isinstance(found, Heard) and found.n_rows == k:
            size_param = name
            yield name
            break
    if size_param is None or any(first_named(known, names) for names in (PAGE, OFFSET, CURSOR)):
        return
    if any(sign.kind == "text" for sign in named(signs, NEXT)):
        return  # a cursor, whose parameter is named after it
    last = heard.rows[k - 1].get("id")
    tries: list[tuple[str, Any]] = [(one, 2 if plain(one) in PAGE else k) for one in _PLACES]
    tries[:0] = [(one, 2 if plain(one) in PAGE else k) for one in own if plain(one) in (*PAGE, *OFFSET)]
    if isinstance(last, str | int) and any(sign.value is True for sign in named(signs, MORE)):
        tries[:0] = [(one, last) for one in _AFTER]
    for name, value in tries:
        found = asker.raw(listed.path, {name: value, size_param: k}, fixed, items)
        if isinstance(found, Heard) and found.n_rows and not set(_texts(found.rows)) & set(rows[:k]):
            yield name
            return


def _texts(rows: Sequence[Any]) -> list[str]:
    return [json.dumps(row, sort_keys=True) for row in rows]
