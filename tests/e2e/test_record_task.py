"""What a scheduler's callbacks record, around a real run: neither takes anything from the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import Ended, Lake, small_demo
from tests.e2e.warm_process import WarmProcess
from tests.message_receivers import http_receiver

pytestmark = [pytest.mark.e2e, pytest.mark.quick]

DAG_RUN = "scheduled__2026-11-25T02:00:00+00:00"


def test_a_task_is_told_before_there_is_a_lake_and_recorded_beside_the_run_once_there_is_one(
    tmp_path: Path, warm: WarmProcess
) -> None:
    lake, file = tmp_path / "lake", tmp_path / "demo.prom"
    options = ["--set", f"metrics.prometheus_file={file}"]
    of_load = tmp_path / "demo+full_ingest+load.prom"

    def record(number: int, state: str, url: str) -> Ended:
        which = ["--dag", "full_ingest", "--dag-run", DAG_RUN, "--task", "load", "--try", str(number), "--run-id", "r1"]
        how = ["--state", state, "--seconds", "12.5"]
        return warm.job("record-task", "--lake", str(lake), *options, *which, *how, PAGELAKE_ALERT_URL=url)

    with http_receiver() as ops:
        url = f"json://127.0.0.1:{ops.port}"
        ended = record(1, "failed", url)
        assert (ended.status, lake.exists(), file.exists()) == (0, False, False), ended.err
        assert "There is no lake at " in ended.out
        assert ops.titles == ["[critical] demo: task-failed"]
        told = of_load.read_bytes()
        ended = warm.ingest(lake, "r1", *small_demo(), *options)
        assert (ended.status, of_load.read_bytes()) == (0, told), ended.err
        of_the_run = file.read_bytes()
        ended = record(2, "failed", url)
        assert (ended.status, file.read_bytes()) == (0, of_the_run), ended.err
        status = json.loads(warm.job("status", "--lake", str(lake), "--format", "json").out)
        assert [one["task"] for one in status["failing_tasks"]] == ["load"]
        assert (status["failing"], status["runs"][0]["outcome"]) == (None, "published")
        assert record(3, "success", url).status == 0
    assert ops.titles[1:] == ["[critical] demo: task-failed", "[recovered] demo: task-failed"]
    assert b'pagelake_dag_failed_tasks{dag="full_ingest",source="demo",task="load"} 0.0\n' in of_load.read_bytes()
    rows = Lake.seen(lake).rows("ops/metrics", "SELECT * FROM t WHERE run_id = 'r1' ORDER BY try_number, metric")
    assert {row["metric"].split(".")[0] for row in rows} == {"copy", "quality", "run", "spark", "lake", "dag"}
    of_task = [row for row in rows if row["metric"].startswith("dag.")]
    assert [(row["try_number"], row["metric"], row["label"], row["value"]) for row in of_task] == [
        (2, "dag.failed_tasks", "full_ingest/load", 1),
        (2, "dag.task_retries", "full_ingest/load", 1),
        (2, "dag.task_seconds", "full_ingest/load/failed", 12.5),
        (3, "dag.failed_tasks", "full_ingest/load", 0),
        (3, "dag.task_retries", "full_ingest/load", 2),
        (3, "dag.task_seconds", "full_ingest/load/success", 12.5),
    ]
    assert {row["dag_run"] for row in of_task} == {DAG_RUN}
