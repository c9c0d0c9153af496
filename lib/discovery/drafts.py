"""A table as it is guessed: the list is asked for a few pages, and the first style that these pages prove is taken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lib.config.pagination import Pagination
from lib.discovery.candidates import Candidate, Evidence, Heard, candidates_of
from lib.discovery.columns import Columns, Row, columns_of
from lib.discovery.document import Document
from lib.discovery.endpoints import Listed
from lib.discovery.identity import Key, key_of, newest_of
from lib.discovery.probe import Asker, Proof, Refused, prove
from lib.discovery.row_places import because_of, items_in, rows_at
from lib.discovery.signs import signs_of
from lib.discovery.trials import evidence_of, first_answer
from lib.source.access import Access, Fixed, fixed_of
from lib.source.paging import paging_of

_MOST_CANDIDATES = 6


@dataclass(frozen=True)
class Draft:
    """A table as it will be written. `proof` is what two of its pages say.

    The path of one that is read for each row of the table `for_each` has placeholders. `because` says why, and how many of these
    rows were tried.
    """

    listed: Listed
    paging: Candidate
    columns: Columns
    key: Key
    newest_by: str | None
    rows: Sequence[Row] = field(repr=False)
    proof: Proof
    failed: tuple[str, ...] = ()
    for_each: str | None = None
    because: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """Its name."""
        return self.listed.table

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the list were read."""
        return self.proof.holds and self.proof.is_whole and self.for_each is None

    @property
    def is_counted(self) -> bool:
        """Whether the source counts its rows."""
        return self.paging.settings.get("total") is not None


def needs_more(listed: Listed) -> Refused | None:
    """What a list cannot be asked for without, and nobody knows; None where that is nothing."""
    if not listed.needs:
        return None
    names = ", ".join(listed.needs)
    options = " ".join(f"{_option(listed, name)} {name} NAME" for name in listed.needs)
    return Refused(
        f"needs a value that the document does not say: {names}; give it with {options}, or write the table by hand"
    )


def drafted(asker: Asker, listed: Listed, document: Document | None, like: Candidate | None = None) -> Draft | Refused:
    """The table that a list becomes; what was refused where it cannot be read, or has nothing that names a row.

    `like` is the style of another list of the API, which is tried first if it can be that of this one.
    """
    if missing := needs_more(listed):
        return missing
    fixed = fixed_for(asker, listed)
    first = first_answer(asker, listed, fixed)
    if isinstance(first, Refused):
        return first
    heard, size = first
    items = items_in(heard.answer, listed.items, listed.path)
    if items is None:
        return Refused("the answer holds no list of objects")
    heard = replace(heard, rows=rows_at(heard.answer, items))
    evidence = evidence_of(asker, listed, document, fixed, heard, items, size)
    rows = _distinct(row for one in evidence.heard for row in one.rows)
    columns = columns_of(document, listed.row, rows, listed.table)
    key = key_of(columns.found, rows, listed.table)
    by = _json_key(columns, key)
    evidence = replace(evidence, key=by[0] if len(by) == 1 else None)
    paging, proof, failed = _proved(asker, listed, fixed, evidence, by, _likened(like, evidence))
    rows = _distinct([*rows, *proof.rows])
    columns = columns_of(document, listed.row, rows, listed.table)
    key = key_of(columns.found, rows, listed.table)
    if key is None or not columns.found:
        why = "no column, and no three of them together, names a row" if columns.found else "its rows have no columns"
        return Refused(f"{why}; write the table by hand, with key: and the columns that name a row")
    return Draft(listed, paging, columns, key, newest_of(columns.found), rows, proof, failed)


def _option(listed: Listed, name: str) -> str:
    return "--query-env" if name in listed.queries else "--header-env"


def fixed_for(asker: Asker, listed: Listed) -> Fixed:
    """What goes with every request for the list."""
    of_api = fixed_of(asker.api)
    own = tuple(listed.fixed.items())
    return replace(of_api, params=(*of_api.params, *own), headers=(*of_api.headers, *listed.headers.items()))


def _distinct(rows: Any) -> list[Row]:
    return list({json.dumps(row, sort_keys=True): row for row in rows}.values())


def _json_key(columns: Columns, key: Key | None) -> tuple[str, ...]:
    """The keys of the JSON that name a row, as far as they are at its top."""
    by_name = {one.name: one for one in columns.found}
    names = [] if key is None else [by_name[name] for name in key.columns]
    return tuple(one.key for one in names) if all(one.path is None and one.value is None for one in names) else ()


def access_for(asker: Asker, listed: Listed, fixed: Fixed, settings: Mapping[str, Any]) -> Access | None:
    """What asks for the pages of a list in a style; None where these cannot be settings."""
    try:
        checked: Pagination = TypeAdapter(Pagination).validate_python(dict(settings))
    except ValidationError:
        return None
    paging = paging_of(checked)
    return replace(Access.of(asker.api), paging=paging, own_paging=(), fixed=((listed.table, fixed),))


def _proved(
    asker: Asker,
    listed: Listed,
    fixed: Fixed,
    evidence: Evidence,
    by: tuple[str, ...],
    likened: Sequence[Candidate] = (),
) -> tuple[Candidate, Proof, tuple[str, ...]]:
    """The first style that two pages prove; the likeliest where none does. With why the others before it are not."""
    failed: list[str] = []
    first: tuple[Candidate, Proof] | None = None
    takes_size = len({one.n_rows for one in evidence.heard}) > 1
    for candidate in [*likened, *candidates_of(evidence)[:_MOST_CANDIDATES]]:
        if candidate.style == "none" and takes_size and first is not None:
            break  # the source gives pages, so one answer is not all
        begun = _begun(asker, listed, fixed, evidence, candidate)
        access = access_for(asker, listed, fixed, begun.settings)
        if access is None:
            continue
        proof = prove(access, listed.table, listed.path, asker.gate, by)
        if candidate.style == "none" and takes_size and proof.holds:
            proof = _of_one_answer(evidence, proof)
        if proof.holds:
            return _as_given(begun, proof), proof, tuple(failed)
        failed.append(f"{begun.style}: {proof.said}")
        first = first or (begun, proof)
    if first is None:
        first = (
            Candidate({"style": "none", "items": evidence.items, "total": None}),
            Proof("no style could be tried"),
        )
    return *first, tuple(failed[1:])


def _likened(like: Candidate | None, evidence: Evidence) -> list[Candidate]:
    """The style of another list, if the document has its parameters here as well and the answers have what it reads.

    A short list often shows nothing of the page behind it, which a longer one has.
    """
    if like is None or like.style not in ("link_header", "next_url", "cursor", "page", "offset"):
        return []
    settings = {**like.settings, "items": evidence.items}
    if "size" in settings:
        settings["size"] = min(settings["size"], evidence.size)
    names = [value for name, value in settings.items() if name.endswith("_param") and value is not None]
    is_bare = evidence.items == "$"
    if any(name not in evidence.parameters for name in names) or is_bare != (like.settings["items"] == "$"):
        return []
    total, pages = settings["total"], settings.get("pages")
    places = {sign.place for one in evidence.heard for sign in signs_of(one.answer, evidence.items)}
    headers = {f"header:{name}".lower() for one in evidence.heard for name in one.headers}
    if any(one is not None and one not in places and one.lower() not in headers for one in (total, pages)):
        return []
    if total is None and candidates_of(evidence)[0].settings.get("total") is not None:
        return []
    because = {"style": "as of the table for whose rows it is read", **because_of(evidence.items)}
    return [Candidate(settings, because)]


def _of_one_answer(evidence: Evidence, proof: Proof) -> Proof:
    """What one answer proves where the source takes a size: it holds all rows if it could have held more than it does."""
    size, most = evidence.heard[0].n_rows, f"{evidence.size_param}={evidence.size}"
    if proof.n_given >= size and size < evidence.size:
        return proof
    said = (
        f"its only answer has {proof.n_given:,} rows, and with {most} it has {size:,}; nothing was found that asks for the rows "
        "behind them, so write pagination: of the table by hand"
    )
    return replace(proof, said=said, holds=False)


def _as_given(candidate: Candidate, proof: Proof) -> Candidate:
    """The style with the size that the source gives, where it is less than was asked for."""
    asked, given = candidate.settings.get("size"), proof.n_given
    if asked is None or proof.is_whole or not 0 < given < asked:
        return candidate
    because = {**candidate.because, "size": "the most that the source gives"}
    return Candidate({**candidate.settings, "size": given}, because)


def _begun(asker: Asker, listed: Listed, fixed: Fixed, evidence: Evidence, candidate: Candidate) -> Candidate:
    """The style with the number that the source begins with, 0 or 1, by what it gives for both."""
    if candidate.style not in ("page", "offset"):
        return candidate
    settings = candidate.settings
    name = str(settings[f"{candidate.style}_param"])
    known = evidence.parameters.get(name)
    said = (
        None
        if known is None
        else next((one for one in (known.schema.default, known.schema.minimum) if one in (0, 1)), None)
    )
    size = {evidence.size_param: settings["size"]} if evidence.size_param else {}
    base = [json.dumps(row, sort_keys=True) for row in evidence.heard[0].rows]
    zero, one = (_texts(asker.raw(listed.path, {name: n, **size}, fixed, evidence.items)) for n in (0, 1))
    if candidate.style == "offset":
        first = 1 if base and one == base else 0
    elif base and (one == base or zero == base):
        first = 1 if one == base else 0
    else:
        first = 1 if said is None else said
    why = "by what the source gives for 0 and for 1" if base else "as the document says, or usual"
    usual = 1 if candidate.style == "page" else 0
    because = candidate.because if first == usual else {**candidate.because, "first": why}
    return Candidate({**settings, "first": first}, because)


def _texts(found: Heard | Refused) -> list[str]:
    return [] if isinstance(found, Refused) else [json.dumps(row, sort_keys=True) for row in found.rows]
