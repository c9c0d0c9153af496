"""The option `--key COLUMN=VALUE`: the key of one row, read by the types that the source YAML declares."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from lib.config import MASK, Column, Table
from lib.config import Decimal as DecimalType
from lib.errors import ConfigError
from lib.lake.keys import KeyValue, check_names


def read_key(table: Table, options: Sequence[str]) -> dict[str, KeyValue]:
    """The key's values by column, in the order of the key.

    Raises:
        ConfigError: the options do not name exactly the table's key columns, or a value is not of its column's type.
    """
    pairs = [option.partition("=") for option in options]
    if any(not sep for _, sep, _ in pairs):
        # What was given is not shown: it may be a personal value alone.
        message = f"--key: write COLUMN=VALUE, as in --key {table.key[0]}=..."
        raise ConfigError(message)
    try:
        check_names(table.name, table.key, [name.strip() for name, _, _ in pairs])
    except ConfigError as error:
        message = f"--key: {error}"
        raise ConfigError(message) from None
    texts = {name.strip(): text for name, _, text in pairs}
    return {name: _value(table.column(name), texts[name]) for name in table.key}


def shown_key(table: Table, key: Mapping[str, KeyValue]) -> str:
    """The key for people, as in `user_id=3, created_at=2026-11-25T14:45:00Z`; personal values are masked."""
    return ", ".join(f"{name}={_shown(table.column(name), value)}" for name, value in key.items())


def _shown(column: Column, value: KeyValue) -> str:
    if column.pii:
        return MASK
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(column: Column, text: str) -> KeyValue:
    try:
        read, like = _READERS[column.type.partition("(")[0]]
        value = read(text if column.type == "string" else text.strip())
        if isinstance(value, Decimal):
            _check_digits(column, value)
    except (ValueError, InvalidOperation):
        # The cause holds the text, which may be a personal value.
        shown = MASK if column.pii else text
        message = f"--key {column.name}={shown}: is no {column.type}; write it as {like}"
        raise ConfigError(message) from None
    return value


def _whole(bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(_matched(r"-?[0-9]{1,19}", text))
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError
        return value

    return read


def _number(text: str) -> float:
    value = float(_matched(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text))
    if not math.isfinite(value):
        raise ValueError
    return value


def _time(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _check_digits(column: Column, value: Decimal) -> None:
    kind = column.data_type
    assert isinstance(kind, DecimalType)
    if value != round(value, kind.scale) or abs(value) >= Decimal(10) ** (kind.precision - kind.scale):
        raise ValueError


def _matched(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError
    return text


_READERS: dict[str, tuple[Callable[[str], KeyValue], str]] = {
    "string": (str, "text"),
    "bigint": (_whole(64), "a whole number, such as 17"),
    "int": (_whole(32), "a whole number, such as 17"),
    "double": (_number, "a number, such as 1.5"),
    "decimal": (lambda text: Decimal(_matched(r"-?[0-9]+(\.[0-9]+)?", text)), "a number, such as 1.5"),
    "boolean": (lambda text: _matched("true|false", text) == "true", "true or false"),
    "date": (lambda text: date.fromisoformat(_matched(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text)), "2026-11-25"),
    "timestamp": (_time, "2026-11-25T14:45:00 (UTC, or with a zone at its end)"),
}
