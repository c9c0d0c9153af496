"""Which columns the source's rows have, and of which JSON types, from the shapes that Spark tells of whole pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pyspark.sql import Column
from pyspark.sql import functions as F

_NUMBERS = {"BIGINT", "DOUBLE"}
_SCALARS = {"BIGINT": "bigint", "DOUBLE": "double", "BOOLEAN": "boolean", "STRING": "string"}
_FIELD = re.compile(r"\s*(?:`((?:[^`]|``)*)`|([^:`]*?))\s*:\s*")


def shape_of(answer: Column, path: str) -> Column:
    """The shape of a page's rows as text, such as `ARRAY<OBJECT<id: BIGINT, name: STRING>>`; one for all rows of the page."""
    return F.schema_of_variant(F.try_variant_get(answer, path, "variant"))


def columns_seen(shapes: Iterable[str]) -> dict[str, str | None]:
    """The columns that rows have, each as the Spark DDL that takes its values; None for one that was always null.

    Whole numbers are bigint, those with fractions double, lists of one such type arrays. Everything else, and whatever differs
    from row to row, is text: string.
    """
    seen: dict[str, set[str]] = {}
    for shape in shapes:
        for name, kind in _fields(shape):
            seen.setdefault(name, set()).add(_plain(kind))
    return {name: _ddl(kinds - {"VOID"}) for name, kinds in sorted(seen.items())}


def has_place(shapes: Iterable[str], steps: tuple[str | int, ...]) -> bool:
    """Whether a row has something at the keys and indexes, be it null; or may have it, where rows are of several types."""
    return any(_has(shape.removeprefix("ARRAY<").removesuffix(">"), steps) for shape in shapes)


def _has(kind: str, steps: tuple[str | int, ...]) -> bool:
    if not steps or kind == "VARIANT":
        return True
    if isinstance(steps[0], int):
        return kind.startswith("ARRAY<") and _has(kind.removeprefix("ARRAY<").removesuffix(">"), steps[1:])
    below = [part for name, part in _fields(f"ARRAY<{kind}>") if name == steps[0]]
    return any(part == "VOID" or _has(part, steps[1:]) for part in below)


def _fields(shape: str) -> Iterator[tuple[str, str]]:
    """The names and the types of the fields of `ARRAY<OBJECT<...>>`; none where a page had no rows."""
    inner = shape.removeprefix("ARRAY<OBJECT<").removesuffix(">>")
    if inner == shape:
        return
    at = 0
    while at < len(inner):
        name = _FIELD.match(inner, at)
        if name is None:
            return
        start = at = name.end()
        depth, is_quoted = 0, False
        while at < len(inner) and (depth or is_quoted or inner[at] != ","):
            is_quoted ^= inner[at] == "`"
            if not is_quoted:
                depth += (inner[at] in "<(") - (inner[at] in ">)")
            at += 1
        yield (name[2] if name[1] is None else name[1].replace("``", "`")), inner[start:at].strip()
        at += 1


def _plain(kind: str) -> str:
    """The type without what tells one number from another. A whole number too long for bigint is in doubt, as VARIANT is."""
    if kind.startswith("DECIMAL"):
        return "VARIANT" if kind.endswith(",0)") else "DOUBLE"
    if kind.startswith("ARRAY<"):
        return f"ARRAY<{_plain(kind.removeprefix('ARRAY<').removesuffix('>'))}>"
    return "DOUBLE" if kind == "FLOAT" else kind


def _ddl(kinds: set[str]) -> str | None:
    if kinds and all(kind.startswith("ARRAY<") for kind in kinds):
        elements = {kind.removeprefix("ARRAY<").removesuffix(">") for kind in kinds} - {"VOID"}
        element = _scalar(elements)
        return None if not elements else "string" if element is None else f"array<{element}>"
    return (_scalar(kinds) or "string") if kinds else None


def _scalar(kinds: set[str]) -> str | None:
    """The type that takes all of these; None in doubt."""
    if kinds <= _NUMBERS:
        return "double" if "DOUBLE" in kinds else "bigint"
    return _SCALARS.get(next(iter(kinds))) if len(kinds) == 1 else None
