"""The rows that fail an expectation: all of them, found by Spark, where GX gives a count and 200 examples at most.

The conditions are those of GX 1.24's own metrics for Spark, nulls and ties included, so that as many rows are found as GX counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lib.quality.validate import Finding

Kwargs = Mapping[str, Any]

BATCH_VIEW = "pagelake_failing_batch"
WHOLE_TABLE = "it is about the table as a whole, and no single row fails it"
NO_WAY = "rows that fail this kind of expectation cannot be listed"
WITH_CONDITION = "rows that fail an expectation with a row_condition cannot be listed"
_COPIES = "_pagelake_copies"


@dataclass(frozen=True)
class Failing:
    """The rows that fail, at least with the key's columns; or no rows, and `why` there are none."""

    rows: DataFrame | None
    why: str | None = None


def failing_rows(live: DataFrame, key: tuple[str, ...], finding: Finding) -> Failing:
    """The rows among the live ones of a table that fail an expectation, `mostly` or not. Grain: as GX counts. No action."""
    kwargs = finding.kwargs
    if finding.unexpected is None:
        return Failing(None, WHOLE_TABLE)
    if kwargs.get("row_condition"):
        return Failing(None, WITH_CONDITION)
    if finding.expectation == "unexpected_rows_expectation":
        return _queried(live, key, finding.rows_query or str(kwargs["unexpected_rows_query"]))
    find = _KINDS.get(finding.expectation)
    return Failing(None, NO_WAY) if find is None else Failing(find(live, kwargs))


def _queried(live: DataFrame, key: tuple[str, ...], query: str) -> Failing:
    live.createOrReplaceTempView(BATCH_VIEW)
    rows = live.sparkSession.sql(query.format(batch=BATCH_VIEW))
    given = [name.lower() for name in rows.columns]
    missing = [name for name in key if given.count(name.lower()) != 1]
    if missing:
        return Failing(None, f"its query does not select the key ({', '.join(missing)})")
    return Failing(rows)


def _values(expected: Callable[[Column, Kwargs], Column]) -> Callable[[DataFrame, Kwargs], DataFrame]:
    """The rows whose value is there and is not as expected."""

    def find(rows: DataFrame, kwargs: Kwargs) -> DataFrame:
        value = F.col(kwargs["column"])
        return rows.where(value.isNotNull() & ~expected(value, kwargs))

    return find


def _pairs(expected: Callable[[Column, Column, Kwargs], Column]) -> Callable[[DataFrame, Kwargs], DataFrame]:
    def find(rows: DataFrame, kwargs: Kwargs) -> DataFrame:
        left, right = F.col(kwargs["column_A"]), F.col(kwargs["column_B"])
        looked_at = _without_missing(rows, [left, right], kwargs.get("ignore_row_if") or "both_values_are_missing")
        return looked_at.where(~expected(left, right, kwargs))

    return find


def _without_missing(rows: DataFrame, columns: list[Column], ignore_row_if: str) -> DataFrame:
    absent = [column.isNull() for column in columns]
    if ignore_row_if in ("both_values_are_missing", "all_values_are_missing"):
        return rows.where(~reduce(and_, absent))
    if ignore_row_if in ("either_value_is_missing", "any_value_is_missing"):
        return rows.where(~reduce(or_, absent))
    return rows


def _nulls(rows: DataFrame, kwargs: Kwargs) -> DataFrame:
    return rows.where(F.col(kwargs["column"]).isNull())


def _not_nulls(rows: DataFrame, kwargs: Kwargs) -> DataFrame:
    return rows.where(F.col(kwargs["column"]).isNotNull())


def _repeated(rows: DataFrame, kwargs: Kwargs) -> DataFrame:
    value = F.col(kwargs["column"])
    return _more_than_once(rows.where(value.isNotNull()), value)


def _repeated_together(rows: DataFrame, kwargs: Kwargs) -> DataFrame:
    columns = [F.col(name) for name in kwargs["column_list"]]
    looked_at = _without_missing(rows, columns, kwargs.get("ignore_row_if") or "all_values_are_missing")
    return _more_than_once(looked_at, F.struct(*columns))


def _more_than_once(rows: DataFrame, value: Column) -> DataFrame:
    copies = F.count(F.lit(1)).over(Window.partitionBy(value))
    return rows.withColumn(_COPIES, copies).where(F.col(_COPIES) > 1).drop(_COPIES)


def _between(value: Column, kwargs: Kwargs) -> Column:
    conditions = []
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None:
        conditions.append(value > F.lit(low) if kwargs.get("strict_min") else value >= F.lit(low))
    if high is not None:
        conditions.append(value < F.lit(high) if kwargs.get("strict_max") else value <= F.lit(high))
    return reduce(and_, conditions)


def _in_set(value: Column, kwargs: Kwargs) -> Column:
    values = kwargs.get("value_set")
    return F.lit(True) if values is None else value.isin(list(values))


def _greater(left: Column, right: Column, kwargs: Kwargs) -> Column:
    return (left >= right) | left.eqNullSafe(right) if kwargs.get("or_equal") else left > right


_KINDS: Mapping[str, Callable[[DataFrame, Kwargs], DataFrame]] = {
    "expect_column_values_to_not_be_null": _nulls,
    "expect_column_values_to_be_null": _not_nulls,
    "expect_column_values_to_be_unique": _repeated,
    "expect_compound_columns_to_be_unique": _repeated_together,
    "expect_column_values_to_match_regex": _values(lambda value, kwargs: value.rlike(kwargs["regex"])),
    "expect_column_values_to_not_match_regex": _values(lambda value, kwargs: ~value.rlike(kwargs["regex"])),
    "expect_column_values_to_be_in_set": _values(_in_set),
    "expect_column_values_to_not_be_in_set": _values(lambda value, kwargs: ~value.isin(list(kwargs["value_set"]))),
    "expect_column_values_to_be_between": _values(_between),
    "expect_column_value_lengths_to_be_between": _values(lambda value, kwargs: _between(F.length(value), kwargs)),
    "expect_column_value_lengths_to_equal": _values(lambda value, kwargs: F.length(value) == kwargs["value"]),
    "expect_column_pair_values_a_to_be_greater_than_b": _pairs(_greater),
    "expect_column_pair_values_to_be_equal": _pairs(lambda left, right, _: left.eqNullSafe(right)),
}
