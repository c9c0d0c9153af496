"""The columns of a table: from the rows that were read and from the document's schema of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lib.config import Array, DataType, Scalar, Struct, is_column_name
from lib.config.columns import MAX_JSON_KEY
from lib.config.reading import KEY
from lib.config.source_names import is_name
from lib.discovery import kinds
from lib.discovery.document import Document
from lib.discovery.schemas import Schema, schema_of
from lib.discovery.signs import plain

Row = dict[str, Any]
# Begins the keys of a row that its object does not have: what the request or the object around it says of it.
_OUTSIDE = "\x00"
_MOST_COLUMNS = 500
_LONGEST_TYPE = 5000
_ATTRIBUTES = "attributes"
_TIMES = re.compile(
    r"(_at|At|_on|_time|Time|_ts|timestamp|_date|Date|^created|^updated|^modified|^date)$|^created|^updated"
)
_PERSONAL = re.compile(
    r"e?mail|phone|mobile|fax|(first|last|full|given|family|middle|maiden|nick|user|legal)name|^displayname$|surname|birth|^dob|ssn$"
    r"|socialsecurity|passport|taxid|nationalid|iban|creditcard|cardnumber|address|street|postal|postcode|zip|^gender$|^sex$"
    r"|^login$|^ip$|^salutation$|^signature$|^contact$|^handle$"
)
_NOT_PERSONAL = re.compile(r"(id|ids|count|at|type|status|verified|enabled|format|template|subject|lang|currency)$")
_NUMBERS_TOO = re.compile(r"phone|mobile|fax|birth|ssn|passport|taxid|nationalid|cardnumber|zip|postal|postcode")
_FORMATS = frozenset({"email", "idn-email", "phone", "ipv4", "ipv6", "phone-number"})
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s/:]+\.[^@\s/:]+")
_PHONE = re.compile(r"\+[0-9][0-9 ()/.-]{6,20}")
_PEOPLE = (
    *(
        "user",
        "customer",
        "contact",
        "person",
        "people",
        "employee",
        "member",
        "patient",
        "subscriber",
        "lead",
        "student",
    ),
    *(
        "driver",
        "guest",
        "player",
        "author",
        "candidate",
        "attendee",
        "passenger",
        "worker",
        "recipient",
        "owner",
        "assignee",
    ),
)


def outside(value: str) -> str:
    """The key of a row for a value from outside of it, named as `value` of a column has it."""
    return f"{_OUTSIDE}{value}"


@dataclass(frozen=True)
class Found:
    """A column as it is guessed. `key` is that of the JSON, below the key `outer` where it is nested. `because` is for a comment.

    With a `value` it is from outside of the row.
    """

    name: str
    key: str
    kind: DataType
    required: bool = False
    pii: bool = False
    epoch: str | None = None
    outer: str | None = None
    value: str | None = None
    description: str = ""
    values: tuple[str, ...] = ()
    because: tuple[str, ...] = ()

    @property
    def is_scalar(self) -> bool:
        """Whether it can be a key, or point at one."""
        return not isinstance(self.kind, Array | Struct)

    @property
    def is_time(self) -> bool:
        """Whether it is a date or a timestamp."""
        return self.epoch is not None or self.kind in (kinds.DATE, kinds.TIMESTAMP)

    @property
    def path(self) -> str | None:
        """What leads to the value in its row, where it is nested."""
        return None if self.outer is None else f"{_word(self.outer)}.{_word(self.key)}"

    def of(self, row: Row) -> Any:
        """The value that a row has."""
        inner = row if self.outer is None else row.get(self.outer)
        return inner.get(self.key) if isinstance(inner, dict) else None


@dataclass(frozen=True)
class Columns:
    """All columns of a table; `left_out` has a line for each key that is none. `is_sparse`: some rows lack some of them."""

    found: tuple[Found, ...]
    left_out: tuple[str, ...] = ()
    is_sparse: bool = False


def columns_of(document: Document | None, node: Any, rows: Sequence[Row], table: str) -> Columns:
    """The columns of a table. A row's schema is `node`; without rows the document alone speaks."""
    schema = Schema() if document is None else schema_of(document, node)
    guesser = _Guesser(document, table, rows)
    outer = _outer(schema, rows)
    guesser.add_key()
    keys = dict.fromkeys([*schema.properties, *(key for row in rows for key in row if not key.startswith(_OUTSIDE))])
    for key in list(keys)[: _MOST_COLUMNS * 2]:
        if key not in outer:
            guesser.add(key, schema, rows)
    for key in outer:
        inner = Schema() if document is None else schema_of(document, schema.properties.get(key))
        below = [row[key] for row in rows if isinstance(row.get(key), dict)]
        for nested in dict.fromkeys([*inner.properties, *(name for row in below for name in row)]):
            guesser.add(nested, inner, below, outer=key)
    return guesser.columns()


def _outer(schema: Schema, rows: Sequence[Row]) -> list[str]:
    """The keys whose values are objects that hold columns: `attributes` of JSON:API, and an id in an object, as `{"$oid": "a"}`."""
    ids = [key for key in (rows[0] if rows else ()) if plain(key) in ("id", "uuid", "guid", "key")]
    wrapped = [key for key in ids if _is_wrapped([row.get(key) for row in rows])]
    return [*wrapped, *([_ATTRIBUTES] if _is_flat(schema, rows) else [])]


def _is_wrapped(values: Sequence[Any]) -> bool:
    """Whether these are objects with one value each, below the same key."""
    if not all(isinstance(one, dict) and len(one) == 1 for one in values):
        return False
    parts = [part for one in values for part in one.items()]
    return len({key for key, _ in parts}) == 1 and all(isinstance(value, str | int) for _, value in parts)


def _is_flat(schema: Schema, rows: Sequence[Row]) -> bool:
    """Whether a row keeps its values in `attributes`, as JSON:API has it."""
    if rows:
        return all(isinstance(row.get(_ATTRIBUTES), dict) and {"id", "type"} <= row.keys() for row in rows)
    return {"id", "type", _ATTRIBUTES} <= schema.properties.keys()


class _Guesser:
    def __init__(self, document: Document | None, table: str, rows: Sequence[Row]) -> None:
        self._document, self._table, self._rows = document, table, rows
        self._found: list[Found] = []
        self._left_out: list[str] = []
        self._names: set[str] = set()
        self._is_sparse = not rows

    def columns(self) -> Columns:
        return Columns(tuple(self._found), tuple(self._left_out), self._is_sparse)

    def add_key(self) -> None:
        """The column with the key of each row, where an object holds them."""
        keys = [row.get(outside(KEY)) for row in self._rows]
        if not keys or None in keys:
            return
        kind = kinds.BIGINT if all(re.fullmatch(r"0|[1-9][0-9]{0,17}", str(key)) for key in keys) else kinds.STRING
        because = [f"the key that a row stands below; {kind.ddl} as all that were read are"]
        name = self._name("key" if any("id" in row for row in self._rows) else "id")
        personal = _personal("id", Schema(), kind, keys, self._table)
        because += [f"personal by its {personal}"] if personal else []
        if name is not None:
            self._found.append(
                Found(name, outside(KEY), kind, required=True, pii=bool(personal), value=KEY, because=tuple(because))
            )

    def add(self, key: str, schema: Schema, rows: Sequence[Row], *, outer: str | None = None) -> None:
        node = schema.properties.get(key)
        there = [row for row in rows if key in row]
        values = [row[key] for row in there]
        if rows and not there:
            self._leave(key, "no row that was read has it")
            return
        try:
            seen = kinds.of_values(values)
        except kinds.MixedError as error:
            self._leave(key, str(error))
            return
        said = None if self._document is None else kinds.of_schema(self._document, node)
        kind = kinds.agreed(said, seen, values)
        if kind is None:
            self._leave(key, "is null or empty on all rows that were read" if rows else "has no type in the document")
            return
        # A wrapped id is called as its wrapper is.
        name = self._name(key if outer in (None, _ATTRIBUTES) else str(outer))
        if name is None or len(kind.ddl) > _LONGEST_TYPE:
            self._leave(key, "can be no column of its own")
            return
        one = Schema() if self._document is None or node is None else schema_of(self._document, node)
        epoch = self._epoch(key, kind, one, values)
        kind = kinds.TIMESTAMP if epoch else kind
        because: list[str] = []
        if said is not None and seen is not None and kind != said and epoch is None:
            because.append(f"the document says {_short(said)}, and the rows that were read are {_short(kind)}")
        elif said is None and rows:
            because.append("type from the rows that were read")
        if epoch:
            because.append(f"its numbers are times in {'seconds' if epoch == 's' else 'milliseconds'} since 1970")
        personal = _personal(key, one, kind, values, self._table)
        if personal:
            because.append(f"personal by its {personal}")
        documented = node is not None and key in schema.required and not one.is_nullable
        is_full = bool(rows) and len(there) == len(rows) and all(value is not None for value in values)
        self._is_sparse |= len(there) < len(rows)
        self._found.append(
            Found(
                name=name,
                key=key,
                kind=kind,
                required=documented and is_full,
                pii=personal is not None,
                epoch=epoch,
                outer=outer,
                description=one.description,
                values=one.values if kind == kinds.STRING and not personal else (),
                because=tuple(because),
            )
        )

    def _leave(self, key: str, why: str) -> None:
        shown = key if is_name(key) else "a key that may be a value (not shown)"
        self._left_out.append(f"{shown}: {why}")

    def _epoch(self, key: str, kind: DataType, schema: Schema, values: list[Any]) -> str | None:
        if kind not in (kinds.BIGINT, kinds.DOUBLE):
            return None
        is_said = schema.format.lower() in ("unix-time", "unix_time", "timestamp", "epoch", "unixtime")
        return kinds.epoch_of(values) if is_said or _TIMES.search(key) else None

    def _name(self, key: str) -> str | None:
        """A name for the column: the key itself where it is one, else what is left of it, with a number where it is taken."""
        if not key or len(key) > MAX_JSON_KEY or not key.isprintable() or len(self._found) >= _MOST_COLUMNS:
            return None
        name = key if is_column_name(key) else re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_")[:200]
        if name and not re.match(r"[A-Za-z_]", name):
            name = f"c_{name}"
        options = [name, *(f"{name}_{n}" for n in range(2, 100))]
        free = (one for one in options if is_column_name(one) and one.lower() not in self._names)
        found = next(free, None)
        if found is not None:
            self._names.add(found.lower())
        return found


def _word(key: str) -> str:
    """A key in a path: in quotes unless it is a plain word."""
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) is not None
    return key if is_word else json.dumps(key, ensure_ascii=False)


def _personal(key: str, schema: Schema, kind: DataType, values: Iterable[Any], table: str) -> str | None:
    """By what a column is personal: its name, its format, its values, a part of it. None: it is not."""
    if schema.format.lower() in _FORMATS:
        return "format"
    if _is_named_personal(key, kind, table):
        return "name"
    texts = [text for value in values for text in _texts(value)]
    if any(_EMAIL.fullmatch(text) or _PHONE.fullmatch(text) for text in texts):
        return "values"
    person = key if _is_people(key) else ""
    if any(_is_named_personal(part, inner, person) for part, inner in _all_parts(kind)):
        return "parts"
    return None


def _is_named_personal(key: str, kind: DataType, table: str) -> bool:
    name = plain(key)
    if name in ("name", "title") and _is_people(table) and name == "name" and kind == kinds.STRING:
        return True
    if not _PERSONAL.search(name) or kind == kinds.BOOLEAN or _NOT_PERSONAL.search(name):
        return False
    is_number = isinstance(kind, Scalar) and kind.name in ("bigint", "double", "date", "timestamp")
    return not is_number or _NUMBERS_TOO.search(name) is not None


def _is_people(name: str) -> bool:
    words = set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))
    return any(person in words or f"{person}s" in words for person in _PEOPLE)


def _all_parts(kind: DataType) -> Iterator[tuple[str, DataType]]:
    for name, inner in kinds.parts_of(kind):
        yield name, inner
        yield from _all_parts(inner)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _short(kind: DataType) -> str:
    return kind.ddl if len(kind.ddl) <= 40 else f"{kind.ddl.partition('<')[0]}<...>"
