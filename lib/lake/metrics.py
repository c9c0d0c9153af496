"""`ops/metrics`: what was measured of every run, and of the tasks of a DAG that start them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lib.config import check_run_id
from lib.lake import records, storage
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
        "is_anomaly": pa.bool_(),
        "dag_run": pa.string(),
        "try_number": pa.int32(),
    }
)
_OF_DAGS = "dag.%"
_LATEST = """
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY metric, label ORDER BY started_at DESC) AS place FROM metrics WHERE {which}
) WHERE place <= {last} ORDER BY started_at
"""


@dataclass(frozen=True)
class DagRecord:
    """What the rows of one try of a task have in common, or (without a try) those of a run of a DAG.

    `labels` are all that such rows may have: they tell the task apart from others of the same run of the DAG.
    """

    dag_run: str
    try_number: int | None
    run_id: str | None
    started_at: datetime
    labels: Collection[str]


def save(layout: Layout, run_id: str, started_at: datetime, measured: Sequence[records.Record]) -> None:
    """Write what was measured of a run, in the place of what was written of it before, in one commit.

    Grain: one row a measurement; key: run_id, metric, table, label. `started_at` is that of the run. What a scheduler recorded
    of its tasks for the run stays.
    """
    whole = [{**one, "run_id": check_run_id(run_id), "started_at": started_at} for one in measured]
    records.replace(layout.metrics, SCHEMA, whole, _of_the_run(run_id))


def save_of_dag(layout: Layout, of: DagRecord, measured: Sequence[records.Record]) -> None:
    """Write what was measured of a try of a task, or of a run of a DAG, in the place of what was written of the same before.

    Grain: one row a measurement; key: dag_run, try_number, metric, label.
    """
    common = {name: getattr(of, name) for name in ("dag_run", "try_number", "run_id", "started_at")}
    number = "try_number IS NULL" if of.try_number is None else f"try_number = {of.try_number}"
    same = f"dag_run = {records.text(of.dag_run)} AND {number} AND label IN ({_listed(of.labels)})"
    records.replace(layout.metrics, SCHEMA, [{**one, **common} for one in measured], same)


def of_run(layout: Layout, run_id: str) -> list[dict[str, Any]]:
    """What was measured of one run, without what a scheduler recorded of its tasks."""
    return _where(layout, _of_the_run(run_id))


def since(layout: Layout, first: datetime) -> list[dict[str, Any]]:
    """The measurements of all runs that started at that time or later, oldest run first."""
    return _where(layout, f"started_at >= {records.moment(first)}")


def of_dags(
    layout: Layout, metrics: Collection[str], labels: Collection[str], *, last: int, first: datetime
) -> list[dict[str, Any]]:
    """The `last` measurements of each of these series of DAGs and tasks, oldest first; of every label if none is given.

    Only those that started at `first` or later: the cost is theirs, and that of the table's log.
    """
    which = f"started_at >= {records.moment(first)} AND metric IN ({_listed(metrics)})"
    if labels:
        which += f" AND label IN ({_listed(labels)})"
    if not storage.is_table(layout.metrics):
        return []
    return records.query(layout.metrics, "metrics", _LATEST.format(which=which, last=last))


def _of_the_run(run_id: str) -> str:
    return f"run_id = '{check_run_id(run_id)}' AND metric NOT LIKE '{_OF_DAGS}'"


def _listed(texts: Collection[str]) -> str:
    return ", ".join(records.text(text) for text in texts)


def _where(layout: Layout, condition: str) -> list[dict[str, Any]]:
    if not storage.is_table(layout.metrics):
        return []
    return records.query(
        layout.metrics, "metrics", f"SELECT * FROM metrics WHERE {condition} ORDER BY started_at, run_id"
    )
