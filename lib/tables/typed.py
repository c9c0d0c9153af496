"""A JSON value as a value of its declared type, or the knowledge that it is none.

Every function takes a path of a variant and a type. What kind of JSON a value is matters only where its text would pass: a
`string` takes a JSON string alone. For the other types the pattern decides (see `scalars`): no object, list or `true` looks like a
number or a time, and "17" in quotes is as good as 17.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from lib.config import Array, DataType, Decimal, Scalar, Struct
from lib.tables.scalars import MANY_DIGITS, scalar


def taken(json: Column, path: str, kind: DataType) -> Column:
    """What lies at the path, before it is judged: text, a list of texts, or JSON still for what is nested deeper.

    Null where nothing is there, and where something is there that is no list or no JSON string, and should be.
    """
    if _is_nested(kind):
        return F.try_variant_get(json, path, "variant")
    if isinstance(kind, Array):
        # A variant's string can be had as bytes, and nothing else can.
        strict = _is_strict_text(kind.element)
        texts = F.try_variant_get(json, path, "array<binary>" if strict else "array<string>")
        return texts.cast("array<string>") if strict else texts
    return _text(json, path, kind)


def value_of(raw: Column, kind: DataType) -> Column:
    """The typed value of what was `taken`; null where there is none, and where it does not fit."""
    if _is_nested(kind):
        return _read(raw, "$", kind)
    if not isinstance(kind, Array):
        return _scalar(raw, kind)
    if kind.element.ddl == "string":
        return raw
    return F.transform(raw, lambda text: _scalar(text, kind.element))


def fits(json: Column, path: str, raw: Column, value: Column, kind: DataType) -> Column:
    """Whether the value says all that the JSON said: nothing that was there has become null."""
    if _is_nested(kind):
        return _nested_fits(raw, "$", kind)
    if isinstance(kind, Array):
        return F.when(value.isNull(), _is_nothing(json, path)).otherwise(~_lost(json, path, raw, value, kind.element))
    return value.isNotNull() | (_is_nothing(json, path) if _is_strict_text(kind) else raw.isNull())


def _is_nested(kind: DataType) -> bool:
    """Whether it has to be walked through, because it is more than a scalar or a list of texts."""
    if isinstance(kind, Array):
        return isinstance(kind.element, Array | Struct) or _is_fine_decimal(kind.element)
    return isinstance(kind, Struct)


def _is_strict_text(kind: DataType) -> bool:
    return isinstance(kind, Scalar) and kind.name == "string" and not kind.any_json


def _is_fine_decimal(kind: DataType) -> bool:
    """Whether a double that is written without exponent could fit with all its 16 or 17 digits: it is below 10,000,000."""
    return isinstance(kind, Decimal) and kind.scale >= 9


def _is_nothing(json: Column, path: str) -> Column:
    """Whether there is no value at the path, or null."""
    return F.try_variant_get(json, path, "string").isNull()


def _text(json: Column, path: str, kind: DataType) -> Column:
    """A scalar as text."""
    if _is_strict_text(kind):
        return F.try_variant_get(json, path, "binary").cast("string")
    text = F.try_variant_get(json, path, "string")
    if _is_fine_decimal(kind):
        # A number with an exponent, or of more than 38 digits, is a double by now: its last digits are not those of the source.
        is_double = F.schema_of_variant(F.try_variant_get(json, path, "variant")) == "DOUBLE"
        return F.when(text.rlike(MANY_DIGITS) & is_double, F.lit("inexact")).otherwise(text)
    return text


def _scalar(text: Column, kind: DataType) -> Column:
    if isinstance(kind, Array | Struct):
        raise TypeError(f"{kind.ddl} is no scalar")
    return scalar(text, kind)


def _lost(json: Column, path: str, raw: Column, values: Column, kind: DataType) -> Column:
    """Whether an element of a list that was something has become null."""
    texts = F.try_variant_get(json, path, "array<string>") if _is_strict_text(kind) else raw
    lost = F.zip_with(texts, values, lambda text, value: text.isNotNull() & value.isNull())
    return F.exists(values, lambda value: value.isNull()) & F.exists(lost, lambda one: one)


def _read(json: Column, path: str, kind: DataType) -> Column:
    """The value at a path, of any type."""
    if not _is_nested(kind):
        return value_of(taken(json, path, kind), kind)
    if isinstance(kind, Array):
        elements = F.try_variant_get(json, path, "array<variant>")
        return F.transform(elements, lambda element: _read(element, "$", kind.element))
    if isinstance(kind, Struct):
        parts = (_read(json, f"{path}.{name}", part).alias(name) for name, part in kind.fields)
        return F.when(_is_object(json, path, kind), F.struct(*parts))
    raise TypeError(f"{kind.ddl} is not nested")


def _nested_fits(json: Column, path: str, kind: DataType) -> Column:
    if not _is_nested(kind):
        raw = taken(json, path, kind)
        return fits(json, path, raw, value_of(raw, kind), kind)
    if isinstance(kind, Array):
        elements = F.try_variant_get(json, path, "array<variant>")
        all_fit = F.forall(elements, lambda element: _nested_fits(element, "$", kind.element))
        return F.coalesce(all_fit, _is_nothing(json, path))
    if isinstance(kind, Struct):
        parts_fit = _is_object(json, path, kind)
        for name, part in kind.fields:
            parts_fit = parts_fit & _nested_fits(json, f"{path}.{name}", part)
        return parts_fit | _is_nothing(json, path)
    raise TypeError(f"{kind.ddl} is not nested")


def _is_object(json: Column, path: str, kind: Struct) -> Column:
    """Whether there is a JSON object at the path: only that can be had as a struct, whatever is in it."""
    return F.try_variant_get(json, path, f"struct<`{kind.fields[0][0]}`:binary>").isNotNull()
