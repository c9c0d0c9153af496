"""`ops/metrics`: what was measured of every run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from lib.config import check_run_id
from lib.lake import records
from lib.lake.layout import Layout

SCHEMA = pa.schema(
    {
        "run_id": pa.string(),
        "started_at": pa.timestamp("us", tz="UTC"),
        "metric": pa.string(),
        "unit": pa.string(),
        "table": pa.string(),
        "label": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "score": pa.float64(),
        "is_odd": pa.bool_(),
    }
)


def save(layout: Layout, run_id: str, started_at: datetime, measured: Sequence[records.Record]) -> None:
    """Write what was measured of a run, in the place of what was written of it before, in one commit.

    Grain: one row a measurement; key: run_id, metric, table, label. `started_at` is that of the run.
    """
    whole = [{**one, "run_id": check_run_id(run_id), "started_at": started_at} for one in measured]
    records.replace(layout.metrics, SCHEMA, whole, f"run_id = '{check_run_id(run_id)}'")


def of_run(layout: Layout, run_id: str) -> list[dict[str, Any]]:
    """What was measured of one run."""
    return _where(layout, f"run_id = '{check_run_id(run_id)}'")


def since(layout: Layout, first: datetime) -> list[dict[str, Any]]:
    """The measurements of all runs that started at that time or later, oldest run first."""
    return _where(layout, f"started_at >= {records.moment(first)}")


def _where(layout: Layout, condition: str) -> list[dict[str, Any]]:
    if not DeltaTable.is_deltatable(str(layout.metrics)):
        return []
    return records.query(
        layout.metrics, "metrics", f"SELECT * FROM metrics WHERE {condition} ORDER BY started_at, run_id"
    )
