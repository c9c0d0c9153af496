"""What an answer says of further rows in places that no setting names, as APIs write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lib.config.expression import head_of, is_expression
from lib.errors import SourceError
from lib.source.answer import HEADER, at, at_or_in_header
from lib.source.json_text import Json
from lib.source.links import next_link

LINK = f"{HEADER}Link"
# Names without case, dots and dashes, with the style by which a page named so is asked for, unless it is an address.
_NEXT = {
    "next": "cursor", "nextcursor": "cursor", "nexttoken": "cursor", "nextpagetoken": "cursor", "nextmarker": "cursor",
    "continuationtoken": "cursor", "nexturl": "next_url", "nextlink": "next_url", "nextpageurl": "next_url",
    "odatanextlink": "next_url", "nextpage": "page", "nextoffset": "offset",
}  # fmt: skip
_MORE = frozenset({"hasmore", "hasnext", "hasnextpage", "hasmoreitems", "hasmoreresults"})
_LAST = frozenset({"islast", "islastpage"})
# Beside a total: that it is not the number of all rows, as searches say it.
_NOT_EXACT: dict[str, Json] = {"relation": "gte", "incomplete_results": True, "exhaustiveNbHits": False}


@dataclass(frozen=True)
class More:
    """Where an answer names a next page, or says that there is one, and the style that fits. No value is in it.

    `is_sure`: it is an address, a text or true. Some sources give a number of a next page behind the last one too.
    """

    place: str
    style: str
    is_sure: bool = True

    @property
    def is_link(self) -> bool:
        """Whether it is the header `Link`."""
        return self.style == "link_header"

    def __str__(self) -> str:
        """What is there, and what to use."""
        if self.is_link:
            return "the answer has a Link header that names a next page; use style: link_header"
        if not self.style:
            return f"the answer says at {self.place} that there are further rows; use the style by which it gives them"
        how = f" with next: {self.place}" if self.style in ("cursor", "next_url") else ""
        return f"the answer names a next page at {self.place}; use style: {self.style}{how}"


def more_elsewhere(answer: Json, headers: Mapping[str, str], items: str) -> More | None:
    """What an answer says of a next page in its header `Link`, at its top or one level below, outside of its rows.

    An answer that says in so many words that there is none (`has_more: false`) names none, whatever else is in it.

    Raises:
        SourceError: the header cannot be read.
    """
    link = at_or_in_header(answer, headers, LINK)
    if isinstance(link, str) and next_link(link) is not None:
        return More(LINK, "link_header")
    said = {place: value for place, name, value in _places(answer, items) if name in _MORE}
    said |= {
        place: not value for place, name, value in _places(answer, items) if name in _LAST and value in (True, False)
    }
    if any(value is True for value in said.values()):
        return More(next(place for place, value in said.items() if value is True), "")
    if any(value is False for value in said.values()):
        return None
    for place, name, found in _places(answer, items):
        if name in _NEXT:
            value, at_place = (found.get("href"), f"{place}.href") if isinstance(found, dict) else (found, place)
            is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
            if is_number or (isinstance(value, str) and value.strip()):
                return More(at_place, _style_of(name, value), is_sure=not is_number)
    return None


def check_exact(answer: Json, total: str) -> None:
    """Check that an answer does not say that its total is less than all rows.

    Raises:
        SourceError: it does, as a search that stops counting at a limit.
    """
    beside = f"{total.rpartition('.')[0]}." if "." in total and not total.startswith(HEADER) else ""
    for name, value in _NOT_EXACT.items():
        for place in dict.fromkeys((f"{beside}{name}", name)):
            found = at(answer, place)
            if found is value or (isinstance(value, str) and found == value):
                message = (
                    f"api.pagination.total: by {place} of the answer, {total} is not the number of all rows, as of a source that "
                    f"{CAPS_WHAT_IT_COUNTS}; have it count all if it can, or {SLICES}"
                )
                raise SourceError(message)


SLICES = (
    "read it in slices (the setting slices of the table): by the values of a parameter that filters, or by windows of time, each "
    "below the cap"
)
CAPS_WHAT_IT_COUNTS = "caps what it counts"


def _places(answer: Json, items: str) -> Iterator[tuple[str, str, Json]]:
    """Each place outside of the rows, at the top and one level below, with its name as it is compared and what is there.

    Of an expression that starts at the top (`"*"`) nobody can tell what is outside of its rows.
    """
    rows = head_of(items) if is_expression(items) else items
    if not isinstance(answer, dict) or rows is None:
        return
    for key, value in answer.items():
        if key == rows:
            continue
        yield key, _plain(key), value
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", _plain(name), one) for name, one in value.items() if f"{key}.{name}" != rows)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _style_of(name: str, value: Json) -> str:
    if isinstance(value, str) and re.match(r"https?://|/|\?", value):
        return "next_url"
    return "cursor" if _NEXT[name] == "next_url" else _NEXT[name]
