"""What is checked: GX suites from `expectations/<source>/<table>.json`, and what the source YAML already says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.config import Reference, Source, Table
from lib.errors import ConfigError
from lib.quality.names import name_expectations, named

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

Declared = list[dict[str, Any]]


def strays_view(table: str) -> str:
    """The temporary view of the table's pointers that meet no live row (see `lib.quality.references`)."""
    return f"stray_pointers_of_{table}"


def read_suite_files(folder: Path, tables: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The suites' JSON by table, an empty suite where there is no file. Reads no GX, so that a mistake answers at once.

    Raises:
        ConfigError: a file that is no suite.
    """
    return {table: _read(folder / f"{table}.json") for table in tables}


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"expectations": []}
    try:
        suite = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        message = f"{path}: cannot be read as JSON: {error}"
        raise ConfigError(message) from None
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if (
        not isinstance(suite, dict)
        or not isinstance(expectations, list)
        or not all(isinstance(e, dict) and "type" in e for e in expectations)
    ):
        message = f"{path}: is no GX suite; it needs a list 'expectations' whose entries have a 'type' and 'kwargs'"
        raise ConfigError(message)
    return suite


# Kinds that give counts alone. Others show a value of the data (a maximum, a most common value) or hold one themselves.
_SAFE_FOR_PERSONAL = frozenset(
    {
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_null",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_match_regex",
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_column_values_to_be_of_type",
        "expect_compound_columns_to_be_unique",
    }
)


def check_personal(source: Source, suites: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep personal values out of the docs: only some kinds of expectation may name a `pii` column.

    Raises:
        ConfigError: names the suite, the expectation and the column.
    """
    for table in source.tables:
        for entry in suites[table.name]["expectations"]:
            named = {str(name) for value in entry.get("kwargs", {}).values() for name in _names(value)}
            personal = sorted(named & set(table.pii))
            if personal and entry["type"] not in _SAFE_FOR_PERSONAL:
                message = (
                    f"expectations/{source.source}/{table.name}.json: {entry['type']} may show values of {personal[0]}, "
                    f"which is personal (pii). For such a column take one of: {', '.join(sorted(_SAFE_FOR_PERSONAL))}"
                )
                raise ConfigError(message)


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def declared_by_table(table: Table) -> Declared:
    """What the source YAML says of a table, as expectations: rows, unique key, required columns, references."""
    return [
        {
            "type": "expect_table_row_count_to_be_between",
            "kwargs": {"min_value": table.min_rows},
            "meta": {"notes": f"At least {table.min_rows} rows (min_rows of the source YAML)."},
        },
        unique_key(table.key),
        *(not_null(name) for name in table.required),
        *(no_orphans(table, reference) for reference in table.references),
    ]


def declared_by_key(key: tuple[str, ...]) -> Declared:
    """What holds of a derived table: its key is unique and whole."""
    return [unique_key(key), *(not_null(name) for name in key)]


def unique_key(key: tuple[str, ...]) -> dict[str, Any]:
    """No two rows with one key."""
    meta = {"notes": f"One row per {', '.join(key)} (the key in the source YAML)."}
    if len(key) == 1:
        return {"type": "expect_column_values_to_be_unique", "kwargs": {"column": key[0]}, "meta": meta}
    return {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": list(key)}, "meta": meta}


def not_null(column: str) -> dict[str, Any]:
    """A required column has a value in every row."""
    return {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": column},
        "meta": {"notes": f"{column} is required ('!' in the source YAML)."},
    }


def no_orphans(table: Table, reference: Reference) -> dict[str, Any]:
    """Every reference points at a row: a live one, a vanished one, or one in quarantine."""
    shown = ", ".join(f"`{name}`" for name in table.key)
    # GX wants {batch} in every query. The pointers were taken from that batch before, for all references in one pass.
    query = (
        f"SELECT {shown}, _pointer FROM {strays_view(table.name)} /* of {{batch}} */ "
        f"WHERE _reference = '{reference.column}' AND _meets = 'nothing'"
    )
    notes = (
        f"Every {table.name}.{reference.column} points at a row of {reference.to_table}. "
        "Rows that have vanished and rows in quarantine count as rows."
    )
    meta = {"name": f"orphans.{reference.column}", "notes": notes}
    return {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}, "meta": meta}


def build_suite(source: Source, table: str, file: Mapping[str, Any], declared: Declared) -> ExpectationSuite:
    """One GX suite named `<source>.<table>`: what is declared, then what the file adds, each with its name in its meta.

    Raises:
        ConfigError: an expectation that GX does not know or whose arguments it refuses. (GX itself only logs such a one,
            and would go on without it.)
    """
    from great_expectations import ExpectationSuite
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    expectations = []
    entries = [*declared, *file["expectations"]]
    names = name_expectations(table, entries)
    for number, (entry, name) in enumerate(zip(entries, names, strict=True), start=1 - len(declared)):
        known = {key: value for key, value in named(entry, name).items() if key != "id"}
        try:
            expectations.append(ExpectationConfiguration(**known).to_domain_obj())
        except (GreatExpectationsError, ValueError, TypeError, KeyError) as error:
            where = f"expectations/{source.source}/{table}.json: expectation {number} ({entry['type']})"
            message = f"{where}: {type(error).__name__}: {error}"
            raise ConfigError(message) from error
    return ExpectationSuite(name=f"{source.source}.{table}", expectations=expectations)
