"""A JSON value as a value of its declared type, or the knowledge that it is none.

A cast is too kind for data that is not ours ('now' is a timestamp to it, 'yes' a boolean, 1.5 an int), so each type has a strict
pattern, and a value that does not fit is reported instead of becoming null.
"""

from __future__ import annotations

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


def raw_type(kind: DataType) -> str:
    """The type as which a value is taken out of the JSON, before it is looked at: text, a list of texts, or JSON still."""
    if isinstance(kind, Array) and not isinstance(kind.element, Array | Struct):
        return "array<string>"
    return "variant" if isinstance(kind, Array | Struct) else "string"


def value_of(raw: Column, kind: DataType) -> Column:
    """The typed value of what `raw_type` took out; null where there is none, and where it does not fit (see `fits`).

    Timestamps without a zone are read as UTC (the session's time zone).
    """
    if raw_type(kind) == "variant":
        return _nested_value(raw, "$", kind)
    if isinstance(kind, Array):
        return F.transform(raw, lambda text: _scalar(text, kind.element))
    return _scalar(raw, kind)


def fits(raw: Column, value: Column, kind: DataType) -> Column:
    """Whether the value says all that the raw one said: nothing that was there has become null."""
    if raw_type(kind) == "variant":
        return _nested_fits(raw, "$", kind)
    if isinstance(kind, Array):
        lost = F.exists(F.zip_with(raw, value, lambda text, one: text.isNotNull() & one.isNull()), lambda gone: gone)
        return ~F.coalesce(lost, F.lit(False))
    return raw.isNull() | value.isNotNull()


def _scalar(text: Column, kind: DataType) -> Column:
    """The value that a text stands for, or null."""
    if kind.ddl == "string":
        return text
    value = F.when(text.rlike(_NUMBER if isinstance(kind, Decimal) else _PATTERNS[kind.ddl]), text.try_cast(kind.ddl))
    if isinstance(kind, Decimal):
        # A digit more than the scale allows would be rounded away: the exact value must survive the cast.
        value = F.when(value == text.try_cast("decimal(38,18)"), value)
    return value


def _nested_value(json: Column, path: str, kind: DataType) -> Column:
    """The value at a path of a variant, for what lies deeper than a list of scalars."""
    text = F.try_variant_get(json, path, "string")
    if isinstance(kind, Array):
        elements = F.try_variant_get(json, path, "array<variant>")
        return F.transform(elements, lambda element: _nested_value(element, "$", kind.element))
    if isinstance(kind, Struct):
        parts = (_nested_value(json, f"{path}.{name}", part).alias(name) for name, part in kind.fields)
        return F.when(text.isNotNull(), F.struct(*parts))
    return _scalar(text, kind)


def _nested_fits(json: Column, path: str, kind: DataType) -> Column:
    text = F.try_variant_get(json, path, "string")
    if isinstance(kind, Array):
        elements = F.try_variant_get(json, path, "array<variant>")
        all_fit = F.forall(elements, lambda element: _nested_fits(element, "$", kind.element))
        return text.isNull() | F.coalesce(all_fit, F.lit(False))
    if isinstance(kind, Struct):
        parts_fit = F.try_variant_get(json, path, "map<string,variant>").isNotNull()
        for name, part in kind.fields:
            parts_fit = parts_fit & _nested_fits(json, f"{path}.{name}", part)
        return text.isNull() | parts_fit
    return text.isNull() | _scalar(text, kind).isNotNull()
