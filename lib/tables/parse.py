"""JSON pages to typed rows, inside Spark, from the landed pages only."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import MASK, Column, Table
from lib.tables.shape import shape_of
from lib.tables.typed import fits, taken, value_of

MISSING_VALUE = "missing_value"
WRONG_TYPE = "wrong_type"


def parse(table: Table, items: str) -> Callable[[DataFrame], DataFrame]:
    """Raw pages of one table to its rows as the source gave them, good and bad.

    `items` is where the rows are in an answer (`$`: the answer is the list). Grain: one row per row of a page; key: page,
    position. Columns: run_id, page, position, `row` (a struct of the declared columns), `problems` (codes such as
    `missing_value:name`, empty for a good row), `json` (the declared columns as they came, personal ones masked; null for a
    good row), `shape` (on the first row of a page: that of all its rows, for `columns_seen`).
    """
    path = "$" if items == "$" else "$." + items

    def transform(pages: DataFrame) -> DataFrame:
        place = ["run_id", "page", "position", "shape"]
        answers = pages.select("run_id", "page", F.try_parse_json("body").alias("answer"))
        pages_of_items = answers.select(
            "run_id",
            "page",
            F.try_variant_get("answer", path, "array<variant>").alias("items"),
            shape_of(F.col("answer"), path).alias("shape"),
        )
        rows = pages_of_items.select("run_id", "page", "shape", F.posexplode("items").alias("position", "json"))
        raw = rows.select(*place, "json", _struct(table, _taken).alias("raw"))
        # A step of its own: what follows refers to the values, and does not work them out again.
        valued = raw.select(*place, "json", "raw", _struct(table, _value).alias("row"))
        judged = valued.select(*place, "json", "row", _wrong(table).alias("wrong"))
        return judged.select(*place, "json", "row", _problems(table).alias("problems")).select(
            "run_id",
            "page",
            F.col("position").cast("bigint"),
            "row",
            "problems",
            F.when(F.size("problems") > 0, _shown(table)).alias("json"),
            F.when(F.col("position") == 0, F.col("shape")).alias("shape"),
        )

    return transform


def _struct(table: Table, part: Callable[[Column], SparkColumn]) -> SparkColumn:
    return F.struct(*(part(column).alias(column.name) for column in table.columns))


def _taken(column: Column) -> SparkColumn:
    return taken(F.col("json"), f"$.{column.name}", column.data_type)


def _value(column: Column) -> SparkColumn:
    return value_of(F.col(f"raw.{column.name}"), column.data_type)


def _wrong(table: Table) -> SparkColumn:
    """The names of the columns whose value does not fit their type."""
    names = []
    for column in table.columns:
        if not column.any_json:
            raw, value = F.col(f"raw.{column.name}"), F.col(f"row.{column.name}")
            good = fits(F.col("json"), f"$.{column.name}", raw, value, column.data_type)
            names.append(F.when(~good, F.lit(column.name)))
    return F.array_compact(F.array(*names)) if names else F.array().cast("array<string>")


def _problems(table: Table) -> SparkColumn:
    """The codes of what is wrong with a row. A required value of a wrong type is wrong, not missing."""
    codes = F.transform("wrong", lambda name: F.concat(F.lit(WRONG_TYPE + ":"), name))
    absent = [
        F.when(F.col(f"row.{name}").isNull() & ~F.array_contains("wrong", name), F.lit(f"{MISSING_VALUE}:{name}"))
        for name in table.required
    ]
    return F.concat(codes, F.array_compact(F.array(*absent)))


def _shown(table: Table) -> SparkColumn:
    """The row's declared columns as JSON, as they came, with a mask where a personal value is."""
    values = []
    for column in table.columns:
        value = F.try_variant_get("json", f"$.{column.name}", "variant")
        if column.pii:
            value = F.when(F.try_variant_get("json", f"$.{column.name}", "string").isNotNull(), F.lit(MASK))
        values.append(value.alias(column.name))
    return F.to_json(F.struct(*values), {"ignoreNullFields": "false"})
