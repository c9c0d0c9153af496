"""A table that is read for each row of another one: asked for a few of these rows, and drafted from what they bring together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from lib.config import is_column_name
from lib.config.reading import KEY
from lib.console import number_of
from lib.discovery.candidates import Candidate
from lib.discovery.columns import Columns, Found, Row, columns_of, outside
from lib.discovery.document import Document
from lib.discovery.drafts import Draft, drafted, fixed_for, needs_more
from lib.discovery.endpoints import Listed, singular
from lib.discovery.identity import Key, key_of, newest_of, stem
from lib.discovery.parent_tables import Parent
from lib.discovery.probe import GONE, Asker, Proof, Refused
from lib.discovery.row_places import items_in, rows_at
from lib.discovery.schemas import Schema, schema_of
from lib.discovery.signs import plain
from lib.discovery.trials import first_answer
from lib.errors import SourceError
from lib.source.part import Part

MOST_TRIED = 5
"""Rows of a parent whose lists are asked for."""
_MANY = 1000


@dataclass(frozen=True)
class _Looks:
    """First pages of a few lists: the rows of each that is there, and how many are not. `are_same`: each has the same rows."""

    rows: dict[Part, list[Row]]
    n_gone: int
    are_same: bool

    def tagged(self) -> list[Row]:
        """All of their rows, with what the request for each had."""
        return [tagged(row, part) for part, rows in self.rows.items() for row in rows]


def tagged(row: Row, part: Part) -> Row:
    """A row with the values of the part that it is of."""
    return {**row, **{outside(name): value for name, value in part.values.items()}}


def child_of(asker: Asker, listed: Listed, document: Document | None, parent: Parent) -> Draft | Refused:
    """The table that a list, or a detail, of each row of another table becomes; what was refused where there can be none."""
    if missing := needs_more(listed):
        return missing
    if listed.is_detail and (nothing := _promised(document, listed, parent.draft)):
        return nothing
    looks = _looks(asker, listed, parent)
    if isinstance(looks, Refused):
        return looks
    if looks.are_same and not parent.is_sure:
        return Refused(f"{parent.because[-1]}, and {number_of(len(looks.rows), 'row')} have the same list")
    if listed.is_detail:
        found: Draft | Refused = _detail(listed, document, looks)
        known = {one.key for one in parent.draft.columns.found}
        if isinstance(found, Draft) and {one.key for one in found.columns.found} <= known:
            return Refused(f"brings nothing that {parent.draft.table} does not have")
    else:
        part = max(looks.rows, key=lambda one: len(looks.rows[one]))
        filled = replace(listed, path=part.path(parent.path(listed.path)))
        found = drafted(asker, filled, document, parent.draft.paging)
        if isinstance(found, Draft):
            looks.rows[part] = list(found.rows)
    return found if isinstance(found, Refused) else _whole(found, listed, document, parent, looks)


def _promised(document: Document | None, listed: Listed, parent: Draft) -> Refused | None:
    """Why a detail is not worth a request: the document has no keys in it that the rows of the list do not have."""
    schema = Schema() if document is None else schema_of(document, listed.row)
    if not schema.properties:
        return Refused("the document does not say what is in it")
    known = {one.key for one in parent.columns.found}
    return Refused(f"brings nothing that {parent.table} does not have") if schema.properties.keys() <= known else None


def _looks(asker: Asker, listed: Listed, parent: Parent) -> _Looks | Refused:
    """The first pages of the lists of a few rows."""
    found: dict[Part, list[Row]] = {}
    n_gone, name = 0, parent.draft.table
    fixed = fixed_for(asker, listed)
    for part in islice(parent.parts(), MOST_TRIED):
        try:
            filled = replace(listed, path=part.path(parent.path(listed.path)))
        except SourceError as error:
            return Refused(str(error))
        first = asker.raw(filled.path, {}, fixed) if listed.is_detail else first_answer(asker, filled, fixed)
        if isinstance(first, Refused) and first.status in GONE:
            n_gone += 1
            continue
        if isinstance(first, Refused):
            return first
        answer = (first[0] if isinstance(first, tuple) else first).answer
        items = listed.items if listed.is_detail else items_in(answer, listed.items, filled.path)
        if items is None:
            return Refused("the answer holds no list of objects")
        found[part] = rows_at(answer, items)
    if not found:
        none = f"no list for any of the {n_gone:,} rows of {name} that were tried (404 or 410)"
        return Refused(none if n_gone else f"{name} has no row to try it with")
    lists = list(found.values())
    return _Looks(found, n_gone, len(lists) > 1 and bool(lists[0]) and all(one == lists[0] for one in lists))


def _detail(listed: Listed, document: Document | None, looks: _Looks) -> Draft | Refused:
    rows = [row for some in looks.rows.values() for row in some]
    if any(len(some) != 1 for some in looks.rows.values()):
        return Refused("an answer is no object")
    columns = columns_of(document, listed.row, rows, listed.table)
    proof = Proof("one answer is one row", rows, holds=True, is_whole=True)
    because = {"items": "the answer is a single row"}
    paging = Candidate({"style": "none", "items": listed.items, "total": None}, because)
    return Draft(listed, paging, columns, Key((), ""), None, rows, proof)


def _whole(draft: Draft, listed: Listed, document: Document | None, parent: Parent, looks: _Looks) -> Draft | Refused:
    """A draft of one list made that of all lists: with the columns that tell them apart, which its key begins with."""
    rows = looks.tagged()
    own = columns_of(document, listed.row, rows, listed.table)
    around = _around(parent, own.found)
    key: Key | None = Key(tuple(one.name for one in around), f"one answer for each row of {parent.draft.table}")
    if not listed.is_detail:
        key = key_of(own.found, rows, listed.table, around)
    if key is None:
        return Refused(
            "nothing names a row of one list; write the table by hand, with key: and the columns that name a row"
        )
    if not listed.is_detail:
        own_key = ", ".join(key.columns[len(around) :])
        key = replace(key, because=f"{own_key} {key.because}, and a guess that it names a row within one list alone")
    if why := _contradiction(parent, around, own.found, rows, is_detail=listed.is_detail):
        return Refused(why)
    return replace(
        draft,
        listed=replace(listed, path=parent.path(listed.path)),
        columns=Columns((*around, *own.found), own.left_out, own.is_sparse),
        key=key,
        newest_by=newest_of(own.found),
        rows=rows,
        for_each=parent.draft.table,
        because=(*parent.because, _tried(looks), _cost(parent.draft, is_detail=listed.is_detail)),
    )


def _around(parent: Parent, own: Iterable[Found]) -> tuple[Found, ...]:
    """The columns with what a request was made of, under names that no column of the row has."""
    used = {one.name.lower() for one in own}
    found: list[Found] = []
    for one, value in zip(parent.columns, parent.names, strict=True):
        prefix = singular(parent.draft.table)
        is_told = one.value not in (None, KEY) or plain(one.name).startswith(plain(prefix))
        name = one.name if is_told else f"{prefix}_{one.name}"
        options = (name, f"parent_{name}", *(f"parent_{name}_{n}" for n in range(2, 100)))
        name = next(free for free in options if is_column_name(free) and free.lower() not in used)
        used.add(name.lower())
        why = f"of the row of {parent.draft.table} that the list is read for"
        found.append(Found(name, outside(value), one.kind, required=True, value=value, because=(why,)))
    return tuple(found)


def _contradiction(
    parent: Parent, around: Sequence[Found], own: Iterable[Found], rows: Sequence[Row], *, is_detail: bool
) -> str | None:
    """Why rows cannot be those of the parent's row: a detail has another id, or rows name another one and only a type says no."""
    names = (plain(singular(parent.draft.table)), plain(parent.draft.table))
    for one in own:
        is_same = one.name == parent.columns[-1].name if is_detail else stem(one.name, is_list=False) in names
        if not is_same or (parent.is_sure and not is_detail):
            continue
        n_others = sum(one.of(row) is not None and str(one.of(row)) != str(around[-1].of(row)) for row in rows)
        if n_others:
            return (
                f"{n_others:,} of {number_of(len(rows), 'row')} have another {one.name} than the row of {parent.draft.table} "
                "that they were asked for with"
            )
    return None


def _tried(looks: _Looks) -> str:
    n_rows = sum(len(rows) for rows in looks.rows.values())
    gone = f"; {looks.n_gone:,} gave 404 or 410, which is no list" if looks.n_gone else ""
    same = (
        "; all of their lists are the same, so look whether the source takes the placeholder" if looks.are_same else ""
    )
    return (
        f"tried with {number_of(len(looks.rows) + looks.n_gone, 'row')} of it: {number_of(n_rows, 'row')}{gone}{same}"
    )


def _cost(parent: Draft, *, is_detail: bool) -> str:
    """What a run asks for."""
    total = parent.proof.first.total if parent.proof.first is not None and parent.for_each is None else None
    n = len(parent.rows) if parent.is_whole else total
    least = "one request" if is_detail else "at least one request"
    if n is None:
        return f"{least} for each row of {parent.table}, and nobody says how many these are"
    many = "; that takes a while, so leave the table out if nobody needs it" if n > _MANY else ""
    return f"{least} for each row of {parent.table}, which has {n:,}{many}"
