"""A JSON value as a value of its declared type, or the knowledge that it is none.

A cast is too kind for data that is not ours ('now' is a timestamp to it, 'yes' a boolean, 1.5 an int), so each type has a strict
pattern, and a value that does not fit is reported instead of becoming null.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

from lib.config import Array, DataType, Decimal, Struct

_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$"
_DAY = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_PATTERNS = {
    "boolean": r"^(true|false)$",
    "int": r"^-?[0-9]{1,10}$",
    "bigint": r"^-?[0-9]{1,19}$",
    "double": _NUMBER,
    "date": f"^{_DAY}$",
    "timestamp": f"^{_DAY}[T ]{_CLOCK}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?$",
}


class Typed(NamedTuple):
    """A value of the declared type (null where there is none), and whether what was there fits the type."""

    value: Column
    fits: Column


def typed(json: Column, path: str, kind: DataType) -> Typed:
    """The value at `path` of a variant. A JSON null, and a path that is not there, are null and fit.

    Timestamps without a zone are read as UTC (the session's time zone).
    """
    text = F.try_variant_get(json, path, "string")
    if isinstance(kind, Array):
        elements = F.try_variant_get(json, path, "array<variant>")
        values = F.transform(elements, lambda element: typed(element, "$", kind.element).value)
        fits = F.forall(elements, lambda element: typed(element, "$", kind.element).fits)
        return Typed(values, text.isNull() | F.coalesce(fits, F.lit(False)))
    if isinstance(kind, Struct):
        parts = {name: typed(json, f"{path}.{name}", part) for name, part in kind.fields}
        value = F.struct(*(part.value.alias(name) for name, part in parts.items()))
        fits = F.try_variant_get(json, path, "map<string,variant>").isNotNull()
        for part in parts.values():
            fits = fits & part.fits
        return Typed(F.when(text.isNotNull(), value), text.isNull() | fits)
    if kind.ddl == "string":
        return Typed(text, F.lit(True))
    value = F.when(text.rlike(_NUMBER if isinstance(kind, Decimal) else _PATTERNS[kind.ddl]), text.try_cast(kind.ddl))
    if isinstance(kind, Decimal):
        # A digit more than the scale allows would be rounded away: the exact value must survive the cast.
        value = F.when(value == text.try_cast("decimal(38,18)"), value)
    return Typed(value, text.isNull() | value.isNotNull())
