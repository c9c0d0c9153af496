"""`ops/checks`: every time a run's tables were checked, passed or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from deltalake import DeltaTable

from lib.lake import records
from lib.lake.layout import Layout

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
    }
)


@dataclass(frozen=True)
class Check:
    """One check of a run. Key: docs_id. `rows` of all tables together; `message` names what failed.

    `failed` are critical expectations that failed or, of any severity, could not be checked; `unchecked` are the latter of these,
    None where an older version did the check.
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
    unchecked: int | None = None


def add_check(layout: Layout, check: Check) -> None:
    """Record a check."""
    records.append(layout.root / "ops" / "checks", SCHEMA, [vars(check)])


def all_checks(layout: Layout) -> list[Check]:
    """Every check of the lake, newest first."""
    checks = [Check(**record) for record in records.read(layout.root / "ops" / "checks")]
    return sorted(checks, key=lambda check: check.checked_at, reverse=True)


def checks_since(layout: Layout, first: datetime) -> list[Check]:
    """The checks and rollbacks from that time on, newest first."""
    path = layout.root / "ops" / "checks"
    if not DeltaTable.is_deltatable(str(path)):
        return []
    which = f"WHERE checked_at >= {records.moment(first)} ORDER BY checked_at DESC, docs_id"
    return [Check(**record) for record in records.query(path, "checks", f"SELECT * FROM checks {which}")]
