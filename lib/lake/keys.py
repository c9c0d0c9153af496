"""The key of one row, as Spark compares it: literals of the table's types, never text in a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from operator import and_

from pyspark.sql import Column
from pyspark.sql import functions as F

from lib.config.suggest import did_you_mean
from lib.errors import ConfigError

KeyValue = str | int | float | bool | Decimal | date | datetime

_TAKEN: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bigint": (int,),
    "int": (int,),
    "double": (float, int),
    "decimal": (Decimal, int),
    "boolean": (bool,),
    "timestamp": (datetime,),
    "date": (date,),
}


def check_names(table: str, key: Iterable[str], named: Iterable[str]) -> None:
    """Check that a row is named by the table's key columns, each once and no other.

    Raises:
        ConfigError: a column is missing, appears twice, or is none of the key.
    """
    wanted, given = list(key), list(named)
    for name in given:
        if name not in wanted:
            message = f"{table}: {name!r} is not a column of the key{did_you_mean(name, wanted)} (the key is {', '.join(wanted)})"
            raise ConfigError(message)
        if given.count(name) > 1:
            message = f"{table}: the key column {name!r} is given twice"
            raise ConfigError(message)
    if missing := [name for name in wanted if name not in given]:
        message = f"{table}: the key is {', '.join(wanted)}; {' and '.join(missing)} is missing"
        raise ConfigError(message)


def is_row(key: Mapping[str, KeyValue], types: Mapping[str, str], within: str = "") -> Column:
    """Whether a row has this key. `types` are the DDL of its columns; a time without a zone is UTC.

    `within` is where the columns are: in a struct (such as `row.`), or (empty) at the top.

    Raises:
        ConfigError: a value is not of its column's type.
    """
    return reduce(and_, [F.col(f"{within}`{name}`") == _literal(name, key[name], ddl) for name, ddl in types.items()])


def columns_of(key: Mapping[str, KeyValue | Column], types: Mapping[str, str]) -> list[Column]:
    """A key's columns, each as its type in the table, in their order: of values, or of columns of another frame.

    Raises:
        ConfigError: a value is not of its column's type.
    """
    given = {name: key[name] for name in types}
    return [
        (value.cast(types[name]) if isinstance(value, Column) else _literal(name, value, types[name])).alias(name)
        for name, value in given.items()
    ]


def _literal(name: str, value: KeyValue, ddl: str) -> Column:
    taken = _TAKEN[ddl.partition("(")[0]]
    # To Python a bool is an int and a datetime a date; to a table they are not.
    is_fit = isinstance(value, taken) and (bool in taken) == isinstance(value, bool)
    if not is_fit or (ddl == "date" and isinstance(value, datetime)):
        message = f"the key column {name!r} is {ddl}: give a Python {taken[0].__name__}, not a {type(value).__name__}"
        raise ConfigError(message)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return F.lit(value).cast(ddl)
