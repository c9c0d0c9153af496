"""The text of a JSON scalar as a value of its declared type, or null where it does not fit.

A cast is too kind for data that is not ours ('now' is a timestamp to it, 'yes' a boolean, 1.5 an int), so each type has a strict
pattern, and the cast sees only what the pattern lets through. A value over the range of its type does not fit.
"""

from __future__ import annotations

import sys

from pyspark.sql import Column
from pyspark.sql import functions as F

from lib.config import Decimal, Scalar

# \z and not $, which lets a line end pass.
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?\z"
_DAY = r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":[0-5][0-9](\.[0-9]{1,9})?"
_OFFSET = r"[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?"
_TIMESTAMP = rf"^{_DAY}[Tt ]{_CLOCK}({_SECONDS})?([Zz]|{_OFFSET})?\z"
# What nearly all numbers and times look like: their cast is all there is to do.
_USUAL_NUMBER = r"^-?[0-9]{1,99}(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?\z"
_USUAL_TIMESTAMP = rf"^(?!0001|9999){_DAY}[T ]{_CLOCK}{_SECONDS}(Z|{_OFFSET})?\z"
_WHOLE = r"^-?[0-9]+\z"
_PATTERNS = {"int": _WHOLE, "bigint": _WHOLE, "date": rf"^{_DAY}\z"}
# What counts as an epoch: its pattern, a decimal that holds all of these, and the microseconds in one.
_EPOCHS = {
    "s": (r"^-?[0-9]{1,12}(\.[0-9]{1,6})?\z", "decimal(18,6)", 1_000_000),
    "ms": (r"^-?[0-9]{1,15}(\.[0-9]{1,3})?\z", "decimal(18,3)", 1_000),
}
# The years 0001 to 9999, in microseconds since 1970.
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
# Up to 15 digits are the same as text and as a double (IEEE 754), and with such an exponent none of them is lost.
_FEW_DIGITS = r"^-?(?=([0-9]\.?){1,15}[eE])[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]{1,2}\z"
MANY_DIGITS = r"^-?(0\.0*)?([0-9]\.?){16,}\z"


def scalar(text: Column, kind: Scalar | Decimal) -> Column:
    """The value that a text stands for, or null.

    Timestamps: without an offset they are UTC (the session's time zone); digits after the microseconds are cut off.
    """
    if isinstance(kind, Decimal):
        return _decimal(text, kind)
    if kind.epoch is not None:
        return _epoch(text, kind.epoch)
    match kind.name:
        case "string":
            return text
        case "boolean":
            return F.when(text == "true", F.lit(True)).when(text == "false", F.lit(False))
        case "double":
            value = text.try_cast("double")
            finite = F.abs(value) <= sys.float_info.max
            return F.when(text.rlike(_USUAL_NUMBER), value).when(text.rlike(_NUMBER) & finite, value)
        case "timestamp":
            return _timestamp(text)
        case name:
            return F.when(text.rlike(_PATTERNS[name]), text.try_cast(name))


def _timestamp(text: Column) -> Column:
    # Spark takes no lower case, and no offset after minutes. And an offset may lead out of the years that the text names.
    full = F.regexp_replace(F.upper(text), "^(.{16})(Z|[+-].*)$", "$1:00$2").try_cast("timestamp")
    in_range = F.unix_micros(full).between(_FIRST_US, _LAST_US)
    return F.when(text.rlike(_USUAL_TIMESTAMP), text.try_cast("timestamp")).when(
        text.rlike(_TIMESTAMP) & in_range, full
    )


def _epoch(text: Column, unit: str) -> Column:
    pattern, exact, factor = _EPOCHS[unit]
    micros = F.when(text.rlike(pattern), (text.try_cast(exact) * F.lit(factor)).try_cast("bigint"))
    return F.when(micros.between(_FIRST_US, _LAST_US), F.timestamp_micros(micros))


def _decimal(text: Column, kind: Decimal) -> Column:
    # Zeros before the number and after it are no digits of it. Possessive (`*+`): no time is lost with a text of a million zeros.
    whole = rf"0*+[0-9]{{0,{kind.precision - kind.scale}}}"
    fits = text.rlike(rf"^-?(?=[0-9]){whole}(\.(?=[0-9])[0-9]{{0,{kind.scale}}}+0*+)?\z")
    value = text.try_cast(kind.ddl)
    # The cast rounds. With so few digits a rounded value is never the same double.
    scientific = text.rlike(_FEW_DIGITS) & (value.cast("double") == text.try_cast("double"))
    return F.when(fits | scientific, value)
