"""The suites of a new source, in the shape of those that ship: what is likely of its rows, as warnings."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

from lib.discovery import kinds
from lib.discovery.columns import Found
from lib.discovery.drafts import Draft
from lib.discovery.identity import newest_of
from lib.discovery.signs import plain

_MADE = ("createdat", "created", "datecreated", "createddate", "createtime", "creationdate", "createdon")
_DAY_AFTER = {"$PARAMETER": "a_day_after_the_check"}


def suite_of(source: str, draft: Draft) -> str:
    """The suite of a table, as JSON."""
    times = [
        one for one in draft.columns.found if one.kind == kinds.TIMESTAMP and not one.pii and _is_of_row(draft, one)
    ]
    entries = [_between(one) for one in times]
    made = next((one for one in times if plain(one.name) in _MADE), None)
    changed = next((one for one in times if one.name == draft.newest_by), None)
    if made and changed:
        entries.append(
            {
                "type": "expect_column_pair_values_a_to_be_greater_than_b",
                "kwargs": {"column_A": changed.name, "column_B": made.name, "or_equal": True},
                "severity": "warning",
                "notes": "A row is not changed before it was made.",
            }
        )
    entries += [_among(one) for one in draft.columns.found if one.values and _fits(one, draft)]
    if draft.is_counted:
        entries.append(_few_deleted(draft.table))
    suite = {
        "name": f"{source}.{draft.table}",
        "expectations": entries,
        "meta": {"great_expectations_version": metadata.version("great_expectations")},
    }
    return json.dumps(suite, indent=2) + "\n"


def _is_of_row(draft: Draft, column: Found) -> bool:
    """Whether a time says when the row was made or changed, and so lies in the past."""
    return column.name == draft.newest_by or plain(column.name) in _MADE or newest_of([column]) is not None


def _between(column: Found) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": column.name, "min_value": "1990-01-01T00:00:00", "max_value": _DAY_AFTER},
        "severity": "warning",
        "notes": "A row was made after 1990 and at most a day after the check. Anything else is a default value or a wrong unit.",
    }


def _fits(column: Found, draft: Draft) -> bool:
    """Whether the rows that were read have no other values than the document lists."""
    return all(column.of(row) is None or column.of(row) in column.values for row in draft.rows)


def _among(column: Found) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": column.name, "value_set": list(column.values)},
        "severity": "warning",
        "notes": "The document of the API lists these values.",
    }


def _few_deleted(table: str) -> dict[str, Any]:
    query = f"SELECT share FROM deleted_from_{table} /* of {{batch}} */ WHERE share > 0.05"
    return {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": query},
        "severity": "warning",
        "description": "At most 5 % of the rows were deleted in this run.",
        "notes": "More at once is worth a look.",
    }
