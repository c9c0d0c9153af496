"""`ops/alerts`: what was said of each alert, when, on which channel, and whether it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lib.lake import records, storage
from lib.lake.layout import Layout

SCHEMA = pa.schema(
    {
        "at": pa.timestamp("us", tz="UTC"),
        "kind": pa.string(),
        "rule": pa.string(),
        "metric": pa.string(),
        "table": pa.string(),
        "label": pa.string(),
        "channel": pa.string(),
        "severity": pa.string(),
        "since": pa.timestamp("us", tz="UTC"),
        "run_id": pa.string(),
        "text": pa.string(),
        "delivered": pa.bool_(),
        "number": pa.int64(),
    }
)
_LATEST = """
SELECT * FROM (
    SELECT *, row_number() OVER (
        PARTITION BY rule, metric, "table", label, channel, delivered ORDER BY number DESC, at DESC
    ) AS place
    FROM alerts
) WHERE place = 1
"""


def add(layout: Layout, events: Sequence[records.Record]) -> None:
    """Add what was said or tried, in one commit; nothing for no events.

    Grain: one row per attempt, and one more once it arrived. Key: at, rule, metric, table, label, channel, delivered. `kind` is
    opened, reminded or recovered; `since` is when the alert opened. `number` is the place of the commit in their order, whatever
    the clock says.
    """
    if events:
        number = records.last_number(layout.alerts) + 1
        records.append(layout.alerts, SCHEMA, [{**event, "number": number} for event in events])


def latest(layout: Layout) -> list[dict[str, Any]]:
    """The last attempt and the last arrival of each alert and channel: enough to tell the state of every alert."""
    if not storage.is_table(layout.alerts):
        return []
    found = records.query(layout.alerts, "alerts", _LATEST)
    return [{name: record[name] for name in SCHEMA.names} for record in found]
