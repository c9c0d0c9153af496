"""JSON pages to typed rows, inside Spark, from the landed pages only."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Table
from lib.tables.typed import typed

MASK = "***"
MISSING_VALUE = "missing_value"
WRONG_TYPE = "wrong_type"


def parse(table: Table, items: str) -> Callable[[DataFrame], DataFrame]:
    """Raw pages of one table to its rows as the source gave them, good and bad.

    `items` is where the rows are in an answer (`$`: the answer is the list). Grain: one row per row of a page; key: page,
    position. Columns: run_id, page, position, `row` (a struct of the declared columns), `problems` (codes such as
    `missing_value:name`, empty for a good row), `json` (the declared columns as they came, personal ones masked; null for a
    good row).
    """
    path = "$" if items == "$" else "$." + items

    def transform(pages: DataFrame) -> DataFrame:
        rows = pages.select(
            "run_id", "page", F.posexplode(F.try_variant_get(F.try_parse_json("body"), path, "array<variant>"))
        ).withColumnsRenamed({"pos": "position", "col": "json"})
        columns = {column.name: typed(F.col("json"), f"$.{column.name}", column.data_type) for column in table.columns}
        return (
            rows.withColumn("row", F.struct(*(part.value.alias(name) for name, part in columns.items())))
            .withColumn("wrong", F.array(*(F.when(~part.fits, F.lit(name)) for name, part in columns.items())))
            .select(
                "run_id", "page", F.col("position").cast("bigint"), "row", _problems(table), _shown(table).alias("json")
            )
            .withColumn("json", F.when(F.size("problems") > 0, F.col("json")))
        )

    return transform


def _problems(table: Table) -> F.Column:
    """The codes of what is wrong with a row. A required value of a wrong type is wrong, not missing."""
    wrong = F.transform(F.array_compact("wrong"), lambda name: F.concat(F.lit(WRONG_TYPE + ":"), name))
    absent = [
        F.when(
            F.col(f"row.{name}").isNull() & ~F.coalesce(F.array_contains(F.array_compact("wrong"), name), F.lit(False)),
            F.lit(f"{MISSING_VALUE}:{name}"),
        )
        for name in table.required
    ]
    return F.concat(wrong, F.array_compact(F.array(*absent))).alias("problems")


def _shown(table: Table) -> F.Column:
    """The row's declared columns as JSON, as they came, with a mask where a personal value is."""
    values = []
    for column in table.columns:
        value = F.try_variant_get("json", f"$.{column.name}", "variant")
        if column.pii:
            value = F.when(F.try_variant_get("json", f"$.{column.name}", "string").isNotNull(), F.lit(MASK))
        values.append(value.alias(column.name))
    return F.to_json(F.struct(*values), {"ignoreNullFields": "false"})
