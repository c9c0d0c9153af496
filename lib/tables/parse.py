"""JSON pages to typed rows, inside Spark, from the landed pages only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import MASK, Column, Table
from lib.tables.places import paths_of, place_below, place_of
from lib.tables.shape import shape_of
from lib.tables.typed import fits, taken, value_of

MISSING_VALUE = "missing_value"
WRONG_TYPE = "wrong_type"
# So many characters of a value go into quarantine.
MOST_SHOWN = 10_000
_ROWS = "array<struct<json: string, shown: string, problems: array<string>>>"


Place = tuple[SparkColumn, str]


def parse(
    table: Table, items: str, constants: Mapping[str, str] | None = None, of_part: Mapping[str, str] | None = None
) -> Callable[[DataFrame], DataFrame]:
    """Raw pages of one table to its rows as the source gave them, good and bad.

    `items` is where the rows are in an answer (`$`: the answer is the list). A page whose `rows` are not null is read from
    them, row by row: what the look at the page found wrong with a row is in its problems, and as `given` it may have an object
    with what columns have from outside of it. `constants` are the columns that have the same text in each row, and
    `of_part` those that have a value of the part of the table, by its name there. Grain: one row per row of a page; key: part,
    page, position. Columns: run_id, part (null for a table without parts), page, position, `row` (a struct of the declared
    columns), `problems` (codes such as `missing_value:name`, empty for a good row), `json` (the declared columns as they came,
    personal ones masked, long values cut; null for a good row), `shape` (the shapes of all rows, for `columns_seen`: on the first
    row of a page that of them all).
    """
    places = {column.name: _place(column, constants or {}, of_part or {}) for column in table.columns}

    def transform(pages: DataFrame) -> DataFrame:
        kept = ["run_id", "part", "page", "position", "shape", "found", "given", "json"]
        rows = pages.transform(_exploded(items))
        raw = rows.select(*kept, _struct(table, lambda one: taken(*places[one.name], one.data_type)).alias("raw"))
        # A step of its own: what follows refers to the values, and does not work them out again.
        valued = raw.select(*kept, "raw", _struct(table, _value).alias("row"))
        judged = valued.select(*kept, "row", _wrong(table, places).alias("wrong"))
        return judged.select(*kept, "row", _problems(table).alias("problems")).select(
            "run_id",
            "part",
            "page",
            F.col("position").cast("bigint"),
            "row",
            "problems",
            F.when(F.size("problems") > 0, _shown(table, places)).alias("json"),
            "shape",
        )

    return transform


def _exploded(items: str) -> Callable[[DataFrame], DataFrame]:
    """Pages to their rows. Grain and key as in `parse`.

    Columns: run_id, part, page, position, `json` (a variant; null where it is no object), `shape` as in `parse`, `given` (a
    variant), and `found` (null for a row of an ordinary page): `problems`, and as `shown` an object with the text of what is bad.
    """

    def transform(pages: DataFrame) -> DataFrame:
        rows = F.col("rows") if "rows" in pages.columns else F.lit(None).cast(_ROWS)
        kind = pages.schema["rows"].dataType.simpleString() if "rows" in pages.columns else ""
        part = F.col("part") if "part" in pages.columns else F.lit(None).cast("string")
        whole = pages.select(
            "run_id",
            part.alias("part"),
            "page",
            F.try_parse_json(F.when(rows.isNull(), F.col("body"))).alias("answer"),
            F.transform(rows, lambda row: F.try_parse_json(row["json"])).alias("apart"),
            F.transform(
                rows, lambda row: F.struct(row["shown"].alias("shown"), row["problems"].alias("problems"))
            ).alias("found"),
            (
                F.transform(rows, lambda row: row["given"]) if "given:" in kind else F.lit(None).cast("array<string>")
            ).alias("given"),
        )
        listed = F.coalesce(*(F.try_variant_get("answer", path, "array<variant>") for path in paths_of(items)))
        shape = F.coalesce(*(shape_of(F.col("answer"), path) for path in paths_of(items)))
        exploded = whole.select(
            "run_id",
            "part",
            "page",
            shape.alias("shape"),
            "found",
            "given",
            F.posexplode(F.coalesce("apart", listed)).alias("position", "json"),
        )
        own = F.concat(F.lit("ARRAY<"), F.schema_of_variant("json"), F.lit(">"))
        return exploded.select(
            "run_id",
            "part",
            "page",
            "position",
            "json",
            F.when(F.col("found").isNotNull(), own).when(F.col("position") == 0, F.col("shape")).alias("shape"),
            F.get("found", F.col("position")).alias("found"),
            F.try_parse_json(F.get("given", F.col("position"))).alias("given"),
        )

    return transform


def _struct(table: Table, part: Callable[[Column], SparkColumn]) -> SparkColumn:
    return F.struct(*(part(column).alias(column.name) for column in table.columns))


def _place(column: Column, constants: Mapping[str, str], of_part: Mapping[str, str]) -> Place:
    """Where a column's value is: a variant, and a path in it."""
    if column.name in constants:
        place: Place = F.parse_json(F.lit(json.dumps(constants[column.name]))), "$"
    elif column.name in of_part:
        place = place_of(F.try_parse_json("part"), of_part[column.name])
    elif column.value is not None:
        place = F.col("given"), f"$.{column.name}"
    else:
        place = place_below(F.col("json"), column.steps)
    if not column.empty_is_null:
        return place
    value = F.try_variant_get(*place, "variant")
    return F.when(F.try_variant_get(*place, "string") != "", value), "$"


def _value(column: Column) -> SparkColumn:
    return value_of(F.col(f"raw.{column.name}"), column.data_type)


def _wrong(table: Table, places: Mapping[str, Place]) -> SparkColumn:
    """The names of the columns whose value does not fit their type."""
    names = []
    for column in table.columns:
        if not column.any_json:
            raw, value = F.col(f"raw.{column.name}"), F.col(f"row.{column.name}")
            good = fits(*places[column.name], raw, value, column.data_type)
            names.append(F.when(~good, F.lit(column.name)))
    return F.array_compact(F.array(*names)) if names else F.array().cast("array<string>")


def _problems(table: Table) -> SparkColumn:
    """The codes of what is wrong with a row. A required value that is bad in another way is that, and not missing."""
    codes = F.transform("wrong", lambda name: F.concat(F.lit(WRONG_TYPE + ":"), name))
    absent = F.array_compact(
        F.array(
            *(
                F.when(
                    F.col(f"row.{name}").isNull() & ~F.array_contains("wrong", name), F.lit(f"{MISSING_VALUE}:{name}")
                )
                for name in table.required
            )
        )
    )
    alone = {str(column.steps[0]): column.name for column in table.columns if len(column.steps) == 1} or {"": ""}
    names = F.create_map(*(F.lit(text) for pair in alone.items() for text in pair))
    before = F.transform("found.problems", lambda problem: _by_column(problem, names))
    bad = F.transform(
        before, lambda problem: F.concat(F.lit(MISSING_VALUE + ":"), F.split_part(problem, F.lit(":"), F.lit(2)))
    )
    with_found = F.array_distinct(F.concat(before, codes, F.array_except(absent, bad)))
    return (
        F.when(F.col("found.problems").isNull() | (F.size("found.problems") == 0), F.concat(codes, absent))
        .when(F.col("json").isNull(), before)
        .otherwise(with_found)
    )


def _by_column(problem: SparkColumn, names: SparkColumn) -> SparkColumn:
    """`code:key` with the column's name in the place of the JSON's key; `code` alone where the key is not declared."""
    code = F.substring_index(problem, ":", 1)
    name = F.try_element_at(names, F.substr(problem, F.length(code) + 2))
    return F.when(F.contains(problem, F.lit(":")) & name.isNotNull(), F.concat(code, F.lit(":"), name)).otherwise(code)


def _shown(table: Table, places: Mapping[str, Place]) -> SparkColumn:
    """The row's declared columns as JSON, as they came, with a mask where a personal value is."""
    bad = F.try_parse_json("found.shown")
    values = []
    for column in table.columns:
        place = place_below(F.col("json"), column.steps) if column.steps else places[column.name]
        value = F.try_variant_get(*place, "variant")
        if len(column.steps) == 1:
            value = F.coalesce(F.try_variant_get(*place_of(bad, str(column.steps[0])), "variant"), value)
        text = F.try_variant_get(value, "$", "string")
        if column.pii:
            value = F.when(text.isNotNull(), F.lit(MASK))
        else:
            cut = F.format_string(
                f"%s… (the first {MOST_SHOWN:,} of %,d characters)", F.left(text, F.lit(MOST_SHOWN)), F.length(text)
            )
            value = F.when(F.length(text) > MOST_SHOWN, cut.cast("variant")).otherwise(value)
        values.append(value.alias(column.name))
    return F.to_json(F.struct(*values), {"ignoreNullFields": "false"})
