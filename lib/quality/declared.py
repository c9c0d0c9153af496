"""What is checked without being written in a suite: the source YAML's own words about a table, as GX expectations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lib.config import Array, Decimal, Reference, Struct, Table

Declared = list[dict[str, Any]]

NOTHING, DELETED, QUARANTINED = "nothing", "deleted", "quarantined"
"""What a reference meets that meets no live row."""
POINTER = "_pointer"
"""The column of an unmatched reference's own value, as text: the key of the row that is not there."""

_SPARK_TYPES = {
    "string": "StringType",
    "boolean": "BooleanType",
    "int": "IntegerType",
    "bigint": "LongType",
    "double": "DoubleType",
    "date": "DateType",
    "timestamp": "TimestampType",
}


def unmatched_view(table: str) -> str:
    """The temporary view of the table's pointers that meet no live row (see `lib.quality.references`)."""
    return f"unmatched_references_of_{table}"


def deleted_view(table: str) -> str:
    """The temporary view, of one row, that says how many of a table's rows the run missed (`register_deleted` makes it)."""
    return f"deleted_from_{table}"


def declared_by_table(table: Table, at: datetime) -> Declared:
    """What the source YAML says of a table, checked at that time: rows, columns, types, key, age, references."""
    return [
        {
            "type": "expect_table_row_count_to_be_between",
            "kwargs": {"min_value": table.min_rows},
            "notes": f"At least {table.min_rows} rows (min_rows of the source YAML).",
        },
        *columns_and_types(table),
        unique_key(table.key),
        *(not_null(name) for name in table.required),
        *fresh(table, at),
        *few_deleted(table),
        *(no_orphans(table, reference) for reference in table.references),
    ]


def declared_by_key(key: tuple[str, ...]) -> Declared:
    """What holds of a derived table: its key is unique and whole."""
    return [unique_key(key), *(not_null(name) for name in key)]


def columns_and_types(table: Table) -> Declared:
    """Every declared column is there, and has its declared type. None but that of nested types and decimals costs a Spark job.

    GX knows a Spark type by its class alone. What has parts, such as `array<bigint>`, is compared by its DDL instead, in one
    query that Spark answers from the schema.
    """
    columns = {
        "type": "expect_table_columns_to_match_set",
        "kwargs": {"column_set": [column.name for column in table.columns], "exact_match": False},
        "notes": "The columns that the source YAML declares. There may be more: Pagelake's own, and new ones.",
    }
    scalars = [
        {
            "type": "expect_column_values_to_be_of_type",
            "kwargs": {"column": column.name, "type_": _SPARK_TYPES[column.type]},
            "notes": f"{column.name} is {column.type} (the source YAML).",
        }
        for column in table.columns
        if column.type in _SPARK_TYPES
    ]
    with_parts = {c.name: c.type for c in table.columns if isinstance(c.data_type, Array | Decimal | Struct)}
    if not with_parts:
        return [columns, *scalars]
    found = {name: f"lower(typeof(any_value(`{name}`)))" for name in with_parts}
    differs = " OR ".join(f"{found[name]} <> '{kind.lower()}'" for name, kind in with_parts.items())
    # In code quotes, as GX takes the rest of a note for Markdown, and does not escape a description.
    said = ", ".join(f"{name} is `{kind}`" for name, kind in with_parts.items())
    nested = no_rows(
        f"SELECT {', '.join(found.values())} FROM {{batch}} HAVING {differs}",
        f"The source YAML's types of {', '.join(with_parts)}, parts included.",
    )
    nested["notes"] = f"{said} (the source YAML)."
    return [columns, *scalars, nested]


def unique_key(key: tuple[str, ...]) -> dict[str, Any]:
    """No two rows with one key."""
    notes = f"One row per {', '.join(key)} (the key in the source YAML)."
    if len(key) == 1:
        return {"type": "expect_column_values_to_be_unique", "kwargs": {"column": key[0]}, "notes": notes}
    return {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": list(key)}, "notes": notes}


def not_null(column: str) -> dict[str, Any]:
    """A required column has a value in every row."""
    return {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": column},
        "notes": f"{column} is required ('!' in the source YAML).",
    }


def fresh(table: Table, at: datetime) -> Declared:
    """The newest row is at most `max_age` old at that time; a date counts from its end. A table without rows is fresh.

    A query and not GX's maximum of a column, which would write the value into the docs and fail where there is none.
    """
    if table.oldest is None or table.newest_by is None:
        return []
    newest = f"max(`{table.newest_by}`)"
    if table.column(table.newest_by).type == "date":
        newest = f"CAST(date_add({newest}, 1) AS TIMESTAMP)"
    bound = f"TIMESTAMP '{at - table.oldest:%Y-%m-%d %H:%M:%S.%f}Z'"
    description = (
        f"The newest row by {table.newest_by} is at most {table.max_age} old (max_age of the source YAML) at the time of "
        f"the check, {at:%Y-%m-%d %H:%M} UTC."
    )
    return [no_rows(f"SELECT 'too old' AS newest_row FROM {{batch}} HAVING {newest} < {bound}", description)]


def few_deleted(table: Table) -> Declared:
    """Not more rows were deleted in this run than `max_delete_fraction`. The merge has stopped more, unless that was allowed."""
    if table.deletes != "soft" or table.max_delete_fraction >= 1:
        return []
    share = f"{table.max_delete_fraction:g}"
    query = f"SELECT share FROM {deleted_view(table.name)} /* of {{batch}} */ WHERE share > {share}"
    description = (
        f"At most a share of {share} of the rows were deleted in this run (max_delete_fraction of the source YAML). More than "
        "that gets here only by --allow-deletes."
    )
    return [{**no_rows(query, description), "severity": "warning"}]


def no_orphans(table: Table, reference: Reference) -> dict[str, Any]:
    """Every reference points at a row: a live one, a deleted one, or one in quarantine."""
    description = (
        f"Every {table.name}.{reference.column} points at a row of {reference.to_table}. "
        "Rows that were deleted and rows in quarantine count as rows."
    )
    return no_unmatched(table.name, table.key, reference, NOTHING, f"orphans.{reference.column}", description)


def no_unmatched(
    table: str, key: tuple[str, ...], reference: Reference, meets: str, name: str, description: str
) -> dict[str, Any]:
    """No reference of the table meets this: NOTHING, DELETED or QUARANTINED."""
    # GX wants {batch} in every query. The pointers were taken from that batch before, for all references in one pass.
    query = (
        f"SELECT _reference FROM {unmatched_view(table)} /* of {{batch}} */ "
        f"WHERE _reference = '{reference.column}' AND _meets = '{meets}'"
    )
    shown = ", ".join(f"`{column}`" for column in key)
    meta = {
        "name": name,
        "reference": reference.column,
        "refers_to": reference.to_table,
        "meets": meets,
        # GX is asked for a number alone; this one finds the rows themselves.
        "rows_query": query.replace("SELECT _reference", f"SELECT {shown}, {POINTER}", 1),
    }
    return {**no_rows(query, description), "meta": meta}


def no_rows(query: str, description: str) -> dict[str, Any]:
    """An expectation that the query finds nothing. GX shows its description in place of the query."""
    kwargs = {"unexpected_rows_query": query}
    return {"type": "unexpected_rows_expectation", "kwargs": kwargs, "description": description}
