"""The table for whose rows a list is read, by the path of the list: `/users/{id}/orders` is read for each row of users."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lib.config.placeholders import PLACEHOLDER
from lib.config.reading import KEY
from lib.discovery import kinds
from lib.discovery.columns import Found
from lib.discovery.drafts import Draft
from lib.discovery.endpoints import Listed, Parameter, singular, table_name
from lib.discovery.identity import stem
from lib.discovery.schemas import Schema
from lib.discovery.signs import plain
from lib.errors import SourceError
from lib.source.part import Part, PartValue

_WRITTEN = re.compile(r"\{([^{}]+)\}")
# Whose values stand in a request as they stand in a row.
_IN_REQUESTS = (kinds.STRING, kinds.BIGINT, kinds.DATE)
# How names of what names a row end: account_id, sku-code, userId.
_ANY_ID = re.compile(r"(^|[^A-Za-z])(id|key|code|slug|uuid|guid|identifier|ref)$|[a-z](Id|Key|Code|Uuid|Ref)$")
_OR_ELSE = re.compile(r"(_or_|Or(?=[A-Z]))[A-Za-z_]+$")


@dataclass(frozen=True)
class Parent:
    """The table, its columns in the order of the placeholders of a path, and by what each of them was found.

    `is_sure`: names say so, and not types alone.
    """

    draft: Draft
    columns: tuple[Found, ...]
    because: tuple[str, ...]
    is_sure: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders, without braces."""
        return tuple(f"{self.draft.table}.{one.name}" for one in self.columns)

    def path(self, path: str) -> str:
        """The path of a list with these placeholders."""
        names = iter(self.names)
        return _WRITTEN.sub(lambda _: f"{{{next(names)}}}", path)

    def parts(self) -> Iterator[Part]:
        """The lists of the rows that were read, each once."""
        return parts_of(self.names, [[in_request(one, one.of(row)) for one in self.columns] for row in self.draft.rows])

    def required(self) -> Draft:
        """The table, whose rows all must have what requests are made of."""
        names = {one.name for one in self.columns if not one.required and one.name not in self.draft.key.columns}
        why = "required, as lists are asked for by it"
        found = tuple(
            replace(one, required=True, because=(*one.because, why)) if one.name in names else one
            for one in self.draft.columns.found
        )
        return replace(self.draft, columns=replace(self.draft.columns, found=found))


def parts_of(names: Sequence[str], values: Sequence[Sequence[Any]]) -> Iterator[Part]:
    """The parts with these values, each once and without those that lack one."""
    seen: set[str] = set()
    for some in values:
        if None in some:
            continue
        part = Part.of(dict(zip(names, some, strict=True)))
        if part.key not in seen:
            seen.add(part.key)
            yield part


def in_request(column: Found, value: Any) -> PartValue | None:
    """A value as a request has it; None where there is none."""
    if value is None:
        return None
    return int(value) if column.kind == kinds.BIGINT else str(value)


def parent_of(listed: Listed, drafts: Sequence[Draft]) -> Parent:
    """The table for whose rows a list is read.

    Raises:
        SourceError: none is clear. The message says why.
    """
    by_path = {_shape(one.listed.path): one for one in drafts if not one.listed.is_detail}
    found = list(_WRITTEN.finditer(listed.path))
    if not found or "{" in _WRITTEN.sub("", listed.path) or "{" in listed.path.partition("?")[2]:
        raise SourceError("its path has braces that are no placeholders of segments")
    draft: Draft | None = None
    first = len(found)
    while (
        draft is None
        and first > 0
        and (first == len(found) or _is_next_to(listed.path, found[first - 1], found[first]))
    ):
        first -= 1
        draft = by_path.get(_shape(listed.path[: found[first].start()]))
    if draft is None:
        before = listed.path[: found[-1].start()].rstrip("/('\"")
        message = f"no list at {before or '/'} became a table, so nobody knows the values of {{{found[-1][1]}}}"
        raise SourceError(message)
    own = {one.value: one for one in draft.columns.found}
    columns = [own[one[0][1:-1]] for one in PLACEHOLDER.finditer(draft.listed.path)]
    because: list[str] = []
    parameters = {one.name: one for one in listed.parameters if one.where == "path"}
    tables = {one.table for one in drafts}
    is_sure = True
    for one in found[first:]:
        name = one[1]
        is_only = first == len(found) - 1
        column, is_named = _column(draft, parameters.get(name) or _unsaid(name), tables, is_only=is_only)
        because.append(f"{{{name}}} is {column.name} of {draft.table}, by its {'name' if is_named else 'type alone'}")
        columns.append(column)
        is_sure = is_sure and is_named
    return Parent(draft, tuple(columns), tuple(because), is_sure)


def _unsaid(name: str) -> Parameter:
    return Parameter(name, "path", is_required=True, schema=Schema())


def _is_next_to(path: str, one: re.Match[str], other: re.Match[str]) -> bool:
    return path[one.end() : other.start()] == "/"


def _shape(path: str) -> str:
    """A path as it is compared: without names of placeholders, the suffix of a format, and what ends it."""
    bare = _WRITTEN.sub("{}", path.partition("?")[0]).rstrip("/('\"")
    return re.sub(r"\.(json|php|xml)$", "", bare)


def _column(draft: Draft, parameter: Parameter, tables: set[str], *, is_only: bool) -> tuple[Found, bool]:
    """The column that a placeholder is filled from, and whether names say so.

    Raises:
        SourceError: there is none, or it is not clear which. The message says why.
    """
    name, last = parameter.name, table_name(_shape(draft.listed.path).rpartition("/")[2])
    told = _OR_ELSE.sub("", name)  # of id_or_slug the id is enough
    after = stem(told, is_list=False)
    words = [word for one in (draft.table, last) for word in (singular(one), one)]
    own = tuple(plain(word) for word in (*words, *(word.rpartition("_")[2] for word in words)))
    others = sorted(table for table in tables if after and after in (plain(table), plain(singular(table))))
    if others and after not in own:
        message = f"{{{name}}} may be of {others[0]} by its name, or of {draft.table} by its place"
        raise SourceError(message)
    key = _own_key(draft)
    by_name = {plain(column.name): column for column in draft.columns.found if _is_own(column)}
    bare = plain(told)
    names = [bare, *(bare.removeprefix(prefix) for prefix in own if bare.startswith(prefix) and bare != prefix)]
    found = next((by_name[some] for some in names if some in by_name), None)
    if found is not None and found is not key and after and after not in own:
        message = f"{{{name}}} is a column of {draft.table} that is named after something else"
        raise SourceError(message)
    is_named = True
    if found is None:
        found, is_named = by_name.get(_last_of(told, own)), False
    if found is None and is_only:
        is_named = bare in (*own, "id") or any(some in ("id", plain(key.name) if key else "id") for some in names)
        is_like = _ANY_ID.search(told) is not None and _fits(key, parameter)
        found = key if is_named or is_like else None
    if found is None:
        message = f"{draft.table} has no column for {{{name}}}"
        raise SourceError(message)
    if why := _unusable(found, draft, parameter):
        message = f"{{{name}}} may be {draft.table}.{found.name}, which {why}"
        raise SourceError(message)
    return found, is_named


def _last_of(name: str, own: Sequence[str]) -> str:
    """The last word of a name such as `repo_slug`, if the others begin what a row is called; else nothing."""
    found = re.fullmatch(r"(.+?)(?:[^A-Za-z0-9]|(?<=[a-z0-9])(?=[A-Z]))([A-Za-z0-9]+)", name)
    if found is None or plain(found[2]) == "id" or not any(one.startswith(plain(found[1])) for one in own):
        return ""
    return plain(found[2])


def _is_own(column: Found) -> bool:
    """Whether a column is of the row itself, and not of the one that its list was read for."""
    return column.value in (None, KEY)


def _own_key(draft: Draft) -> Found | None:
    """The only column of the key that is of the row itself, if it is named as a key is."""
    own = [one for one in draft.columns.found if one.name in draft.key.columns and _is_own(one)]
    return own[0] if len(own) == 1 and draft.key.is_named else None


def _fits(key: Found | None, parameter: Parameter) -> bool:
    """Whether the document says a type for the placeholder that is that of the key."""
    wanted: Mapping[str, Any] = {"integer": kinds.BIGINT, "number": kinds.BIGINT, "string": kinds.STRING}
    return key is not None and wanted.get(parameter.schema.kind) == key.kind


def _unusable(column: Found, draft: Draft, parameter: Parameter) -> str | None:
    """Why no request can be made of a column; None where one can."""
    if column.pii:
        return "is personal, and a request would show it"
    if column.kind not in _IN_REQUESTS or column.epoch is not None:
        return f"is {column.kind.ddl}, and no request is made of that"
    if any(column.of(row) is None for row in draft.rows):
        return "some rows lack"
    texts = [str(column.of(row)) for row in draft.rows]
    if parameter.schema.kind in ("integer", "number") and not all(re.fullmatch(r"-?[0-9]+", one) for one in texts):
        return f"is {column.kind.ddl}, and the document says {parameter.schema.kind}"
    return None
