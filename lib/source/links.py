"""The `Link` header of RFC 8288, as far as paging needs it: the address of the next page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lib.errors import SourceError

_TARGET = re.compile(r"<([^<>]*+)>")
_BETWEEN = re.compile(r"[ \t]*+(?:,[ \t]*+)*+")
_PARAMETER = re.compile(
    r"""[ \t]*+;[ \t]*+(?:([^\s=;,"<>]++)[ \t]*+(?:=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",;<>]*+)))?+)?+"""
)


def next_link(header: str) -> str | None:
    """The target of the link whose relation is `next`, as it is written. None: there is no such link.

    Several lines of the header are one text with commas between them, as HTTP has it.

    Raises:
        SourceError: it cannot be read, or the next page is not one alone. The message shows nothing of it.
    """
    found = dict.fromkeys(target for target, relations in _links(header) if "next" in relations)
    if len(found) > 1:
        raise SourceError("the Link header names more than one next page")
    return next(iter(found), None)


def _links(header: str) -> Iterator[tuple[str, list[str]]]:
    """Each target with its relations, in lower case. Where a link has two parameters `rel`, the first counts."""
    place = _skip(_BETWEEN, header, 0)
    while place < len(header):
        target = _TARGET.match(header, place)
        if target is None:
            raise SourceError("the Link header cannot be read")
        parameters: dict[str, str] = {}
        place = target.end()
        while parameter := _PARAMETER.match(header, place):
            name, quoted, token = parameter.groups(default="")
            parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or token)
            place = parameter.end()
        relations = parameters.get("rel", "").strip("'").lower().split()
        if "anchor" in parameters and "next" in relations:
            raise SourceError(
                "the Link header names a next page of another address than the one that was asked (anchor)"
            )
        yield target.group(1), relations
        rest = header[place:].lstrip(" \t")
        if rest and not rest.startswith(","):
            raise SourceError("the Link header cannot be read")
        place = _skip(_BETWEEN, header, place)


def _skip(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return place if found is None else found.end()
