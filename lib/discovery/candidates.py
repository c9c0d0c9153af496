"""The styles of pagination that an API may have, the likeliest first, from its parameters and its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lib.discovery.endpoints import Parameter
from lib.discovery.row_places import because_of
from lib.discovery.signs import (
    CURSOR,
    KEYSET,
    MORE,
    NEXT,
    NEXT_ADDRESSES,
    OFFSET,
    PAGE,
    PAGES,
    SIZE,
    TOTAL,
    TOTAL_HEADERS,
    Sign,
    first_named,
    named,
    plain,
    signs_of,
)
from lib.errors import SourceError
from lib.source.links import next_link

# Names that a number of rows has here, and the rows of one page there.
_OF_A_PAGE_TOO = frozenset({"count", "size", "resultcount", "recordcount", "itemcount"})
USUAL_SIZE, MOST_SIZE = 100, 1000


@dataclass(frozen=True)
class Heard:
    """An answer that brought rows, and what it was asked for. Names of headers are in lower case."""

    answer: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    rows: Sequence[Any] = field(repr=False)
    status: int = 200

    @property
    def n_rows(self) -> int:
        """Rows in it."""
        return len(self.rows)


@dataclass(frozen=True)
class Candidate:
    """A block `pagination`, and by what each of its settings was guessed."""

    settings: dict[str, Any]
    because: dict[str, str] = field(default_factory=dict)

    @property
    def style(self) -> str:
        """Its style."""
        return str(self.settings["style"])


@dataclass(frozen=True)
class Evidence:
    """What is known of a list: its query parameters, what the document says of its answer, and answers, at least one."""

    items: str
    parameters: Mapping[str, Parameter]
    said: Sequence[Sign]
    heard: Sequence[Heard]
    size: int
    key: str | None
    source: str = "the document"
    is_documented: bool = True
    path: str = ""

    @property
    def size_param(self) -> str | None:
        """The parameter for the rows a page."""
        return size_param_of(self.parameters)

    def signs(self) -> list[Sign]:
        """What answers have outside of their rows: of a place the value that says most."""
        found: dict[str, Sign] = {}
        for one in self.heard:
            for sign in signs_of(one.answer, self.items):
                if sign.place not in found or found[sign.place].kind == "null":
                    found[sign.place] = sign
        kinds = {sign.place: sign.kind for sign in self.said}
        # The last page of some has no key for the next one, and a short list has no other page.
        for sign in self.said:
            if sign.name in NEXT and sign.place not in found:
                found[sign.place] = sign
        return [
            Sign(sign.place, sign.name, kinds.get(sign.place, "null")) if sign.kind == "null" else sign
            for sign in found.values()
        ]


def size_param_of(parameters: Mapping[str, Parameter]) -> str | None:
    """The parameter for the rows a page, if there is one."""
    return first_named(_numbers(parameters), SIZE)


def candidates_of(evidence: Evidence) -> list[Candidate]:
    """The styles that the evidence speaks for, the likeliest first. The last one is that one answer holds all rows."""
    total = _total(evidence)
    page, offset = _by_page(evidence, total), _by_offset(evidence, total)
    counted = [one for one in (page, offset) if one is not None and total is not None]
    cursor = _by_cursor(evidence, total)
    named_next = [_by_link(evidence, total), _by_address(evidence, total), cursor]
    if cursor is not None and plain(cursor.settings["next"].rpartition(".")[2]) == plain(
        cursor.settings["cursor_param"]
    ):
        named_next.reverse()  # the answer names the next page by the parameter's own name
    others = [*named_next, _by_keyset(evidence, total), page, offset, _by_range(evidence), _at_once(evidence, total)]
    found = [*counted, *(one for one in others if one is not None)]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def _numbers(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Those whose value may be a number: some documents call all parameters text, and then `from` may be a day, too."""
    kinds = {name: one.schema.kind for name, one in parameters.items()}
    return {
        name: one
        for name, one in parameters.items()
        if kinds[name] in ("", "integer", "number")
        or (kinds[name] == "string" and not one.schema.format and plain(name) not in ("start", "from"))
    }


def _sized(evidence: Evidence) -> tuple[dict[str, Any], dict[str, str]]:
    name = evidence.size_param
    if name is None:
        return {"size_param": None}, {"size_param": "no parameter for the rows a page is known"}
    settings = {"size_param": name, "size": evidence.size}
    most = evidence.parameters[name].schema.maximum
    because = {"size_param": f"{evidence.source} has this parameter"}
    if most is not None and most == evidence.size:
        because["size"] = "the most, as the document says"
    return settings, because


def _total(evidence: Evidence) -> tuple[str, str] | None:
    """Where the answers have the number of all rows, and by what that was guessed."""
    heard = evidence.heard
    sizes = {one.n_rows for one in heard}
    for sign in named(evidence.signs(), TOTAL):
        values = [
            next((found.value for found in signs_of(one.answer, evidence.items) if found.place == sign.place), None)
            for one in heard
        ]
        counts = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if len(counts) < len(values) or len(set(counts)) != 1 or counts[0] < max(sizes):
            continue
        if sign.name in _OF_A_PAGE_TOO and sizes == {counts[0]}:
            continue
        return sign.place, "the same on the answers that were read, and not less than their rows"
    for name in TOTAL_HEADERS:
        found = {one.headers.get(name, "") for one in heard}
        if len(found) == 1 and re.fullmatch(r"[0-9]{1,18}", text := next(iter(found))) and int(text) >= max(sizes):
            return f"header:{_spelt(name)}", "a header of the answers that were read"
    ranges = [one.headers.get("content-range", "") for one in heard]
    if all(re.search(r"/[0-9]{1,18}$", one.strip()) for one in ranges):
        return "header:Content-Range", "a header of the answers that were read"
    return None


def _spelt(header: str) -> str:
    return "-".join(part.upper() if part == "wp" else part.capitalize() for part in header.split("-"))


def _ends(evidence: Evidence, total: tuple[str, str] | None) -> tuple[dict[str, Any], dict[str, str]]:
    because = {} if total is None else {"total": total[1]}
    if total is None:
        because["total"] = "no answer has the number of all rows"
    because |= because_of(evidence.items)
    return {"items": evidence.items, "total": None if total is None else total[0]}, because


def _made(
    evidence: Evidence,
    total: tuple[str, str] | None,
    own: dict[str, Any],
    because: dict[str, str],
    *,
    sized: bool = True,
) -> Candidate:
    size, of_size = _sized(evidence) if sized else ({}, {})
    ends, of_ends = _ends(evidence, total)
    return Candidate({**own, **size, **ends}, {**because, **of_size, **of_ends})


def _by_page(evidence: Evidence, total: tuple[str, str] | None) -> Candidate | None:
    name = first_named(_numbers(evidence.parameters), PAGE)
    if name is None:
        return None
    made = _made(
        evidence, total, {"style": "page", "page_param": name}, {"page_param": f"{evidence.source} has this parameter"}
    )
    return Candidate({**made.settings, "pages": _pages(evidence, total)}, made.because)


def _pages(evidence: Evidence, total: tuple[str, str] | None) -> str | None:
    """Where the answers have the number of pages: what the total and the rows of a full page come to."""
    if total is None or total[0].startswith("header:"):
        return None
    for sign in named(evidence.signs(), PAGES):
        fits = []
        for one in evidence.heard:
            signs = {found.place: found for found in signs_of(one.answer, evidence.items)}
            count, pages = signs[total[0]].value, signs.get(sign.place)
            if one.n_rows:
                fits.append(pages is not None and pages.kind == "number" and pages.value == -(-count // one.n_rows))
        if fits and all(fits):
            return sign.place
    return None


def _by_offset(evidence: Evidence, total: tuple[str, str] | None) -> Candidate | None:
    name = first_named(_numbers(evidence.parameters), OFFSET)
    if name is None or (plain(name) in ("start", "from") and evidence.size_param is None):
        return None
    because = {"offset_param": f"{evidence.source} has this parameter"}
    return _made(evidence, total, {"style": "offset", "offset_param": name}, because)


def _by_link(evidence: Evidence, total: tuple[str, str] | None) -> Candidate | None:
    for one in evidence.heard:
        try:
            if next_link(one.headers.get("link", "")) is not None:
                because = {"style": "the answers have a Link header that names the next page"}
                return _made(evidence, total, {"style": "link_header"}, because)
        except SourceError:
            continue
    return None


def _by_address(evidence: Evidence, total: tuple[str, str] | None) -> Candidate | None:
    if evidence.items == "$":
        return None
    signs = evidence.signs()
    for sign in [*named(signs, NEXT), *(one for one in signs if _is_same_path(one, evidence.path))]:
        if sign.kind == "address" or (sign.name in NEXT_ADDRESSES and sign.kind in ("text", "null")):
            because = {"next": "the answers that were read have the address of the next page here"}
            return _made(evidence, total, {"style": "next_url", "next": sign.place}, because)
    return None


def _is_same_path(sign: Sign, path: str) -> bool:
    """Whether the answer has an address of its own list there, with parameters, which is not that of a page before."""
    if sign.kind != "address" or re.search(r"prev|first|last|self|current", sign.place, re.IGNORECASE):
        return False
    address, _, query = str(sign.value).partition("?")
    return bool(path and query) and address.rstrip("/").endswith(path.rstrip("/"))


def _by_cursor(evidence: Evidence, total: tuple[str, str] | None) -> Candidate | None:
    if evidence.items == "$":
        return None
    signs = evidence.signs()
    for sign in [*named(signs, NEXT), *(one for one in signs if _is_under_own_name(one, evidence))]:
        if sign.kind in ("address", "bool") or (sign.kind == "number" and sign.name == "nextpage"):
            continue
        name = _cursor_param(evidence, sign)
        if name is None:
            continue
        more = _more(evidence)
        own = {"style": "cursor", "cursor_param": name, "next": sign.place, **({"more": more} if more else {})}
        because = {
            "cursor_param": f"{evidence.source} has this parameter",
            "next": "the answers that were read have it here",
        }
        return _made(evidence, total, own, because)
    return None


def _is_under_own_name(sign: Sign, evidence: Evidence) -> bool:
    """Whether the answer has a text under the name of a parameter, such as `offset`, which may be that of the next page."""
    names = [plain(name) for name in evidence.parameters] if evidence.is_documented else [*OFFSET, *CURSOR]
    return sign.kind == "text" and sign.name in names and sign.name not in SIZE


def _cursor_param(evidence: Evidence, sign: Sign) -> str | None:
    last = sign.place.rpartition(".")[2]
    after = re.sub(r"^next_?|_?next$", "", last, flags=re.IGNORECASE)
    wanted = {plain(last), plain(after)} - {""}
    exact = next((name for name in evidence.parameters if plain(name) in wanted), None)
    found = exact or first_named(evidence.parameters, CURSOR)
    if found is not None or evidence.is_documented or sign.kind == "null":
        return found
    if plain(last) == "endcursor":
        return "after"
    return after[:1].lower() + after[1:] if after and after.lower() != "next" else "cursor"


def _more(evidence: Evidence) -> str | None:
    """Where every answer says by true or false whether there are further rows."""
    for sign in named(evidence.signs(), MORE):
        kinds = [
            next((found.kind for found in signs_of(one.answer, evidence.items) if found.place == sign.place), "")
            for one in evidence.heard
        ]
        if all(kind == "bool" for kind in kinds):
            return sign.place
    return None


def _by_keyset(evidence: Evidence, total: tuple[str, str] | None) -> Candidate | None:
    name = first_named(evidence.parameters, KEYSET)
    if name is None or evidence.key is None:
        return None
    more = None if evidence.items == "$" else _more(evidence)
    own = {"style": "keyset", "after_param": name, "by": evidence.key, **({"more": more} if more else {})}
    because = {
        "after_param": f"{evidence.source} has this parameter",
        "by": "a guess: what names a row; the source must give rows in its order",
    }
    return _made(evidence, total, own, because)


def _by_range(evidence: Evidence) -> Candidate | None:
    for one in evidence.heard:
        unit = one.headers.get("accept-ranges", "").strip()
        if re.fullmatch(r"[A-Za-z0-9_-]{1,50}", unit) and unit.lower() not in ("bytes", "none"):
            own = {"style": "range", "unit": unit, "size": evidence.size}
            because = {"unit": "the header Accept-Ranges of the answers that were read"}
            return _made(evidence, None, own, because, sized=False)
    return None


def _at_once(evidence: Evidence, total: tuple[str, str] | None) -> Candidate:
    because = {"style": "nothing was found that asks for a second page"}
    return _made(evidence, total, {"style": "none"}, because, sized=False)
