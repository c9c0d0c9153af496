"""The lists of an OpenAPI document: each GET whose answer holds a list of objects; and the details of single rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lib.config import DERIVED_NAMES
from lib.config.network import checked_path
from lib.config.suggest import did_you_mean
from lib.discovery.document import Document, Object
from lib.discovery.row_places import of_wrapped, wrapper_of
from lib.discovery.schemas import Schema, schema_of
from lib.discovery.signs import CURSOR, ITEMS, KEYSET, NO_ITEMS, OFFSET, PAGE, SIZE, first_named, holder_of, plain
from lib.errors import ConfigError
from lib.source.items import values_of

_DEPTH = 2
# With these the answer has the number of all rows.
_COUNTS = frozenset({"count", "includetotal", "includetotals", "includecount", "withtotal", "withcount", "totalcount"})


@dataclass(frozen=True)
class Parameter:
    """A parameter of a list: where it goes (`query`, `header` or `path`), and what the document says of its value."""

    name: str
    where: str
    is_required: bool
    schema: Schema


def unknown(name: str) -> Parameter:
    """A query parameter of which no document says anything."""
    return Parameter(name, "query", is_required=False, schema=Schema())


@dataclass(frozen=True)
class Listed:
    """A list as the document has it: the table it becomes, its path, its parameters, where its rows are and what they are.

    `items` is None where the document does not say. `answer` and `row` are schemas as they are written. Of a detail the answer is a
    single row, that of a path which ends with what names it.
    """

    table: str
    path: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    items: str | None = None
    answer: Any = None
    row: Any = None
    security: tuple[Object, ...] | None = None
    fixed: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    is_detail: bool = False

    @property
    def queries(self) -> dict[str, Parameter]:
        """Its query parameters by name."""
        return {one.name: one for one in self.parameters if one.where == "query"}


@dataclass(frozen=True)
class Lists:
    """What a document has: its lists, those that each belong to a row of another one and details, and why some are left out."""

    tables: tuple[Listed, ...]
    children: tuple[Listed, ...] = ()
    left_out: tuple[str, ...] = ()


def lists_of(document: Document) -> Lists:
    """All lists of a document, in its order.

    Raises:
        ConfigError: it has none.
    """
    found: list[Listed] = []
    children: list[Listed] = []
    elsewhere: dict[str, str] = {}
    for path, item in document.objects(document.data["paths"]).items():
        whole = document.followed(item)
        other = document.outside(item) or document.outside(whole.get("get"))
        if other is not None and _is_path(path):
            elsewhere[path] = other
            continue
        operation = document.followed(whole.get("get"))
        if not operation or not _is_path(path):
            continue
        one = _listed(document, path, whole, operation)
        if one is None and is_of_one_row(path):
            one = _detail(document, path, whole, operation)
        if one is not None:
            (children if "{" in path else found).append(one)
    if not found and elsewhere:
        message = (
            f"{document.name}: its paths are in other files, such as {next(iter(elsewhere.values()))}, and only one is read; make "
            "one document of them first, with a tool such as redocly bundle"
        )
        raise ConfigError(message)
    if not found:
        message = (
            f"{document.name}: no path of it gives a list: there is no GET without {{placeholders}} whose answer is an array of "
            "objects, or an object with one"
        )
        raise ConfigError(message)
    left_out = tuple(
        f"{path}: it is in {other}, and only the document itself is read" for path, other in elsewhere.items()
    )
    used: set[str] = set()
    return Lists(tuple(_named(found, used)), tuple(_named(children, used)), left_out)


def _is_path(path: str) -> bool:
    """Whether a table can have this path: below the address of the API, without anything that leads out of it."""
    try:
        checked_path(path)
    except ValueError:
        return False
    return True


def is_of_one_row(path: str) -> bool:
    """Whether a path ends with what names a row, as in `/users/{id}` and `/users/{id}.json`."""
    return re.search(r"\{[^{}]+\}['\")]*(\.[a-z]+)?/?$", path) is not None


def chosen(lists: Lists, wanted: str | None) -> Lists:
    """The lists that `--tables` names, by table or path; all of them for None.

    Raises:
        ConfigError: there is no such list, or none that is no other's child.
    """
    if wanted is None:
        return lists
    every = (*lists.tables, *lists.children)
    by_name = {one.table: one for one in every} | {one.path: one for one in every}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = [one.table for one in every]
    shown = ", ".join(known[:30]) + (f" and {len(known) - 30:,} others" if len(known) > 30 else "")
    if unknown := [name for name in names if name not in by_name]:
        lines = [f"--tables: the document has no list {name[:100]!r}{did_you_mean(name, known)}" for name in unknown]
        raise ConfigError("\n".join([*lines, f"It has {shown}."]))
    if not names:
        raise ConfigError(f"--tables names no table (the document has {shown})")
    tables, children = (
        tuple(one for one in some if one.table in names or one.path in names) for some in (lists.tables, lists.children)
    )
    if not tables:
        raise ConfigError("--tables names lists of single rows alone; name those that have the rows, too")
    return Lists(tables, children)


def _listed(document: Document, path: str, item: Object, operation: Object) -> Listed | None:
    parameters = _parameters(document, item, operation)
    answer = _answer(document, operation)
    place, row = _rows(document, answer, path) if answer is not None else (None, None)
    is_paged = any(
        first_named({one.name: one for one in parameters if one.where == "query"}, names) is not None
        for names in (PAGE, OFFSET, SIZE, CURSOR, KEYSET)
    )
    schema = schema_of(document, answer)
    is_open = not schema.properties and schema.kinds in ((), ("object",))
    # What says nothing at all may be a list, and its answer will tell; an object may be one only where there are pages of it.
    if place is None and not (is_open and (is_paged or (answer is not None and not schema.kinds))):
        return None
    holder = "$" if place is None else holder_of(place)
    if holder != "$" and not is_paged and (is_of_one_row(path) or not _is_envelope(schema, holder, path)):
        return None
    if place is None and is_of_one_row(path):
        return None
    return _with_fixed(_as_written(document, path, operation, Listed("", path, "", parameters, place, answer, row)))


def _detail(document: Document, path: str, item: Object, operation: Object) -> Listed | None:
    """A single row, by itself or as the only object of an envelope."""
    answer = _answer(document, operation)
    schema = Schema() if answer is None else schema_of(document, answer)
    if answer is None or (not schema.properties and schema.kinds not in ((), ("object",))):
        return None
    place, row = "@", answer
    inner = {key: node for key, node in schema.properties.items() if schema_of(document, node).properties}
    wraps = [plain(singular(table_name(part))) for part in _segments(path)[-1:]]
    wrapped = [key for key in inner if plain(key) in (*ITEMS, *wraps) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key)]
    if len(wrapped) == 1 and "id" not in schema.properties:
        place, row = wrapped[0], inner[wrapped[0]]
    parameters = _parameters(document, item, operation)
    one = Listed("", path, "", parameters, f"[{place}]", answer, row, is_detail=True)
    return _with_fixed(_as_written(document, path, operation, one))


def _as_written(document: Document, path: str, operation: Object, listed: Listed) -> Listed:
    security = operation.get("security", document.data.get("security"))
    asks = tuple(one for one in security if isinstance(one, dict)) if isinstance(security, list) else None
    return replace(listed, description=_sentence(operation), security=asks)


def _sentence(operation: Object) -> str:
    return next((operation[key] for key in ("summary", "description") if isinstance(operation.get(key), str)), "")


def _parameters(document: Document, item: Object, operation: Object) -> tuple[Parameter, ...]:
    """Those of the path and those of the operation, which go before."""
    found: dict[tuple[str, str], Parameter] = {}
    for source in (item, operation):
        listed = source.get("parameters")
        for node in listed if isinstance(listed, list) else []:
            one = document.followed(node)
            name, where = one.get("name"), one.get("in")
            if not isinstance(name, str) or not isinstance(where, str) or not name or not name.isprintable():
                continue
            content = document.objects(one.get("content"))
            written = one.get(
                "schema", next((document.followed(kind).get("schema") for kind in content.values()), None)
            )
            found[name, where] = Parameter(name, where, one.get("required") is True, schema_of(document, written))
    return tuple(found.values())


def _answer(document: Document, operation: Object) -> Any:
    """The schema of the answer that brings the list; None where it is no JSON."""
    responses = document.objects(operation.get("responses"))
    good = [code for code in responses if re.fullmatch(r"2\d\d|2XX|2xx", code)]
    for code in [*sorted(good), *(["default"] if "default" in responses and not good else [])]:
        for kind, media in document.objects(document.followed(responses[code]).get("content")).items():
            if re.match(r"\*/\*|(application|text)/([\w.+-]*\+)?json", kind):
                return document.followed(media).get("schema", {})
    return None


def _rows(document: Document, answer: Any, path: str) -> tuple[str | None, Any]:
    """Where the rows are in the answer, and the schema of one; nothing where there are none."""
    schema = schema_of(document, answer)
    if schema.kind == "array" or (schema.has_items and not schema.properties):
        return _unwrapped(document, "$", schema.items) if _is_row(document, schema.items) else (None, None)
    if _is_by_key(document, schema):
        return "*", schema.additional
    last = plain(_segments(path)[-1]) if _segments(path) else ""
    level: list[tuple[tuple[str, ...], Schema]] = [((), schema)]
    for _ in range(_DEPTH):
        found: list[tuple[tuple[int, int], str, Any]] = []
        below: list[tuple[tuple[str, ...], Schema]] = []
        for before, one in level:
            for number, (key, node) in enumerate(one.properties.items()):
                name, inner = plain(key), schema_of(document, node)
                if not key or re.search(r"[\s.]", key) or name in NO_ITEMS:
                    continue
                rank = 0 if name == last else ITEMS.index(name) + 1 if name in ITEMS else 100
                there = ".".join((*before, key))
                if inner.kind == "array" and _is_row(document, inner.items):
                    found.append(((rank, number), *_unwrapped(document, there, inner.items)))
                elif _is_by_key(document, inner):
                    found.append(((rank, number), values_of(there), inner.additional))
                elif inner.properties:
                    below.append(((*before, key), inner))
        if found:
            _, place, row = min(found, key=lambda one: one[0])
            return place, row
        level = below
    return None, None


def _is_by_key(document: Document, schema: Schema) -> bool:
    """Whether an object holds rows by keys that the document does not name."""
    return not schema.properties and bool(schema_of(document, schema.additional).properties)


def _unwrapped(document: Document, place: str, row: Any) -> tuple[str, Any]:
    """Where the rows of a list are, and the schema of one: each element may be a wrapper."""
    properties = schema_of(document, row).properties
    objects: Object = {key: {} for key, node in properties.items() if schema_of(document, node).properties}
    key = wrapper_of([{**dict.fromkeys(properties), **objects}])
    return (place, row) if key is None else (of_wrapped(place, key), properties[key])


def _is_row(document: Document, node: Any) -> bool:
    schema = schema_of(document, node)
    return schema.kind == "object" or bool(schema.properties) or not schema.kinds


def _is_envelope(schema: Schema, place: str, path: str) -> bool:
    """Whether an object is the envelope of a list, and not one thing with a list among what it has."""
    name = plain(place.rpartition(".")[2])
    segments = _segments(path)
    if bool(segments) and name == plain(segments[-1]):
        return True
    return "id" not in schema.properties and (name in ITEMS or len(schema.properties) == 1)


def _with_fixed(listed: Listed) -> Listed:
    """The list with the parameters that every request needs; those that nobody knows a value for are what it `needs`."""
    fixed: dict[str, str] = {}
    headers: dict[str, str] = {}
    needs: list[str] = []
    for one in listed.parameters:
        if one.where == "query" and one.schema.kind == "boolean" and plain(one.name) in _COUNTS:
            fixed[one.name] = "true"
            continue
        if not one.is_required or one.where not in ("query", "header") or _is_of_paging(one.name):
            continue
        if one.where == "header" and plain(one.name) in ("accept", "contenttype", "authorization"):
            continue
        only = one.schema.values[0] if len(one.schema.values) == 1 else one.schema.default
        if isinstance(only, bool):
            only = str(only).lower()
        if isinstance(only, str | int | float) and str(only).isprintable() and "${" not in str(only) and str(only):
            (fixed if one.where == "query" else headers)[one.name] = str(only)
        else:
            needs.append(one.name)
    return replace(listed, fixed=fixed, headers=headers, needs=tuple(needs))


def _is_of_paging(name: str) -> bool:
    return plain(name) in {*PAGE, *OFFSET, *SIZE, *CURSOR, *KEYSET}


def table_name(text: str) -> str:
    """A name for a table from a part of a path: `OrderLines.json` is order_lines."""
    stem = re.sub(r"\.(json|php|xml|aspx?)$", "", text)
    snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", stem).lower()
    name = re.sub(r"[^a-z0-9]+", "_", snake).strip("_")
    name = name if re.match(r"[a-z]", name) else f"t_{name}".rstrip("_")
    return f"{name}_rows"[:100] if name in DERIVED_NAMES else name[:100]


def singular(table: str) -> str:
    """One of what a table holds: `companies`, company."""
    for many, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("ses", "se"), ("s", "")):
        if table.endswith(many) and len(table) > len(many) + 1 and not table.endswith(("ss", "us")):
            return table.removesuffix(many) + one
    return {"people": "person", "children": "child"}.get(table, table)


def _named(found: list[Listed], used: set[str]) -> Iterator[Listed]:
    """The lists with names: the last part of the path, with parts before it where two would have one."""
    for one in found:
        parts = _segments(one.path) or ["rows"]
        if one.is_detail:
            parts = [*parts[:-1], f"{singular(table_name(parts[-1]))}_details"]
        names = [table_name("_".join(parts[-n:])) for n in range(1, len(parts) + 1)]
        more = (f"{names[0]}_{n}" for n in range(2, len(used) + 3))
        name = next(name for name in (*names, *more) if name not in used)
        used.add(name)
        yield replace(one, table=name)


def _segments(path: str) -> list[str]:
    """The parts of a path that are words."""
    words = [re.sub(r"[('\"]*\{[^{}]*\}['\")]*", "", part) for part in path.partition("?")[0].split("/")]
    return [part for part in words if part and not part.startswith(".")]
