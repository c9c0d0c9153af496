"""What is checked: GX suites from `expectations/<source>/<table>.json`, beside what is declared elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.config import Source, derivations_of
from lib.errors import ConfigError
from lib.quality.declared import Declared
from lib.quality.names import name_expectations, named

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

# What a suite may leave to the run, as {"$PARAMETER": "a_day_after_the_check"}: GX's own way, so its tools know it.
DAY_AFTER = "a_day_after_the_check"


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
        message = f"{path}: is not a GX suite; it needs a list 'expectations' whose entries have a 'type' and 'kwargs'"
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
    pii = {table.name: table.pii for table in source.tables}
    pii |= {name: derived.pii(source) for name, derived in derivations_of(source).items()}
    for table, columns in pii.items():
        for entry in suites[table]["expectations"]:
            about = {str(name) for value in entry.get("kwargs", {}).values() for name in _names(value)}
            personal = sorted(about & set(columns))
            if personal and entry["type"] not in _SAFE_FOR_PERSONAL:
                message = (
                    f"expectations/{source.source}/{table}.json: {entry['type']} may show values of {personal[0]}, "
                    f"which is personal (pii). For such a column use one of: {', '.join(sorted(_SAFE_FOR_PERSONAL))}"
                )
                raise ConfigError(message)


def parameters_at(at: datetime) -> dict[str, Any]:
    """The values of the parameters that a suite may name, for a check at that time."""
    # Without a zone, as GX compares it with the times of a suite, which have none. All are UTC.
    return {DAY_AFTER: (at + timedelta(days=1)).astimezone(UTC).replace(tzinfo=None)}


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def build_suite(source: Source, table: str, file: Mapping[str, Any], declared: Declared) -> ExpectationSuite:
    """The GX suite of one table of a source; as `suite_of`."""
    return suite_of(source.source, table, file, declared)


# In the meta of what holds of a table as it is built, and not of one that is kept, or without what is deleted by now.
OF_BUILD = "of_build"


def of_kept(suite: ExpectationSuite) -> None:
    """Make it the suite of a table that the run keeps: nothing stops the run, and what holds as the table is built is not asked."""
    from great_expectations.expectations.metadata_types import FailureSeverity

    suite.expectations = [one for one in suite.expectations if not (one.meta or {}).get(OF_BUILD)]
    for expectation in suite.expectations:
        if expectation.severity == FailureSeverity.CRITICAL:
            expectation.severity = FailureSeverity.WARNING


def suite_of(source: str, table: str, file: Mapping[str, Any], declared: Declared) -> ExpectationSuite:
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
        where = f"expectations/{source}/{table}.json: expectation {number} ({entry['type']})"
        for value in entry.get("kwargs", {}).values():
            if isinstance(value, dict) and value.get("$PARAMETER", DAY_AFTER) != DAY_AFTER:
                message = f"{where}: unknown $PARAMETER {value['$PARAMETER']!r}; there is {DAY_AFTER}"
                raise ConfigError(message)
        if isinstance(known.get("notes"), str):
            known["notes"] = [known["notes"]]  # GX's docs show a single text in red, a list of texts as it should be
        try:
            expectations.append(ExpectationConfiguration(**known).to_domain_obj())
        except (GreatExpectationsError, ValueError, TypeError, KeyError) as error:
            message = f"{where}: {type(error).__name__}: {error}"
            raise ConfigError(message) from error
    return ExpectationSuite(name=f"{source}.{table}", expectations=expectations)
