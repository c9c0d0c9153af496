"""`ops/checks`: every time a run's tables were checked, passed or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lib.lake import records, storage
from lib.lake.layout import Layout

# The outcome of a line that is no check: the previous publication was made current again.
ROLLED_BACK = "rolled back"
SCHEMA = pa.schema(
    {
        "docs_id": pa.string(),
        "run_id": pa.string(),
        "checked_at": pa.timestamp("us", tz="UTC"),
        "outcome": pa.string(),
        "passed": pa.int64(),
        "failed": pa.int64(),
        "warnings": pa.int64(),
        "rows": pa.int64(),
        "message": pa.string(),
        "unchecked": pa.int64(),
        "number": pa.int64(),
        "last_run": pa.int64(),
        "lines": pa.list_(pa.string()),
    }
)


@dataclass(frozen=True)
class Check:
    """One check of a run. Key: docs_id. `rows` of all tables together; `message` names what failed.

    `failed` are critical expectations that failed, `unchecked` those of any severity that could not be checked, `warnings`
    those that failed and only report: each expectation is counted once. `number` is its place in the order of checks, and
    `last_run` the greatest number of a run that the lake had then; both are given when it is recorded. `lines` are the failures, a
    line each, critical ones first.
    """

    docs_id: str
    run_id: str
    checked_at: datetime
    outcome: str
    passed: int
    failed: int
    warnings: int
    rows: int
    message: str | None
    unchecked: int = 0
    number: int = 0
    last_run: int = 0
    lines: Sequence[str] | None = None


def add_check(layout: Layout, check: Check) -> None:
    """Record a check, behind all that were recorded before. Only under the lake's lock."""
    path = layout.root / "ops" / "checks"
    given = {"number": records.last_number(path) + 1, "last_run": records.last_number(layout.runs)}
    records.append(path, SCHEMA, [{**vars(check), **given}])


def all_checks(layout: Layout) -> list[Check]:
    """Every check of the lake, the last one first."""
    return _in_order(records.read(layout.root / "ops" / "checks"))


def checks_since(layout: Layout, number: int) -> list[Check]:
    """The checks and rollbacks since the run of that number began, the last one first; all of them for 0."""
    path = layout.root / "ops" / "checks"
    if not storage.is_table(path):
        return []
    which = f"WHERE last_run >= {number}" if number else ""
    return _in_order(records.query(path, "checks", f"SELECT * FROM checks {which}"))


def _in_order(found: list[dict[str, Any]]) -> list[Check]:
    checks = [Check(**record) for record in found]
    return sorted(checks, key=lambda check: (check.number, check.checked_at, check.docs_id), reverse=True)
