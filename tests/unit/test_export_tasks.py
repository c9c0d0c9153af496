"""Ends of tasks in the exporters: with labels of their own, and beside what runs and other tasks have sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from lib.config import CloudWatch, Metrics, Otlp, Pushgateway
from lib.observe.export import export, export_task
from lib.observe.metrics import Metric
from lib.observe.tasks import State, TaskEnd
from lib.observe.tasks import measured as measured_of
from tests.metrics_sink import ENDED, SinkServer, measured, summary
from tests.moto_server import aws, credentials

__all__ = ["aws", "credentials"]

DAG_RUN = "scheduled__2026-03-05T01:30:00+00:00"


def end(task: str | None = "load", state: State = State.FAILED, seconds: float = 31, dag: str = "nightly") -> TaskEnd:
    return TaskEnd(dag, DAG_RUN, task, None if task is None else 2, state, seconds, ENDED)


def send(settings: Metrics, one: TaskEnd, source: str = "shop") -> list[str]:
    return export_task(settings, source, one, measured_of(one))


def lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]


def test_each_task_and_dag_has_a_file_beside_that_of_the_runs(tmp_path: Path) -> None:
    file = tmp_path / "shop.prom"
    settings = Metrics(prometheus_file=str(file))
    assert export(settings, summary(), [measured(Metric.ROWS, 7, "orders")]) == []
    of_runs = file.read_text("utf-8")
    assert send(settings, end()) == send(settings, end("check", State.SUCCESS, 5)) == send(settings, end(None)) == []
    assert file.read_text("utf-8") == of_runs
    assert {path.name for path in tmp_path.iterdir()} == {
        "shop.prom",
        "shop+nightly+load.prom",
        "shop+nightly+check.prom",
        "shop+nightly.prom",
    }
    assert lines(tmp_path / "shop+nightly+load.prom") == [
        'pagelake_dag_task_seconds{dag="nightly",source="shop",state="failed",task="load"} 31.0',
        'pagelake_dag_task_retries{dag="nightly",source="shop",task="load"} 1.0',
        'pagelake_dag_failed_tasks{dag="nightly",source="shop",task="load"} 1.0',
    ]
    assert lines(tmp_path / "shop+nightly.prom") == [
        'pagelake_dag_run_seconds{dag="nightly",source="shop",state="failed"} 31.0',
        'pagelake_dag_failed_runs{dag="nightly",source="shop"} 1.0',
    ]
    assert send(settings, end(state=State.SUCCESS, seconds=30)) == []
    assert export(settings, summary(), [measured(Metric.ROWS, 8, "orders")]) == []
    assert lines(tmp_path / "shop+nightly+load.prom")[0].endswith('state="success",task="load"} 30.0')
    assert len(lines(tmp_path / "shop+nightly+load.prom")) == 3
    assert len(lines(tmp_path / "shop+nightly+check.prom")) == 3
    assert 'pagelake_copy_rows{source="shop",table="orders"} 8.0' in lines(file)


def test_tasks_whose_names_are_cut_elsewhere_have_files_of_their_own(tmp_path: Path) -> None:
    settings = Metrics(prometheus_file=str(tmp_path / "shop.prom"))
    for dag, task in (("a.b", "c"), ("a", "b.c"), ("a-b", "c"), ("a", "b-c")):
        assert send(settings, end(task, dag=dag)) == []
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("task", "path"),
    [
        ("load", "/metrics/job/pagelake/dag/nightly/source/shop/task/load"),
        (None, "/metrics/job/pagelake/dag/nightly/source/shop"),
    ],
)
def test_a_gateway_is_sent_a_group_of_the_task_s_own(task: str | None, path: str) -> None:
    with SinkServer(202) as gateway:
        assert send(Metrics(pushgateway=Pushgateway(url=gateway.url)), end(task)) == []
    [request] = gateway.requests
    assert (request.method, request.path) == ("PUT", path)
    assert "pagelake_run_outcome" not in request.body.decode()


def test_a_collector_gets_dag_task_and_state_as_attributes_at_the_time_of_the_end() -> None:
    with SinkServer() as server:
        assert send(Metrics(otlp=Otlp(url=f"{server.url}/v1/metrics")), end()) == []
    [request] = server.requests
    [resource] = ExportMetricsServiceRequest.FromString(request.unpacked).resource_metrics
    [scope] = resource.scope_metrics
    found = {
        metric.name: ({one.key: one.value.string_value for one in point.attributes}, point.as_double, metric.unit)
        for metric in scope.metrics
        for point in metric.gauge.data_points
    }
    load = {"source": "shop", "dag": "nightly", "task": "load"}
    assert found == {
        "pagelake.dag.failed_tasks": (load, 1.0, "{task}"),
        "pagelake.dag.task_retries": (load, 1.0, "{attempt}"),
        "pagelake.dag.task_seconds": ({**load, "state": "failed"}, 31.0, "s"),
    }
    times = {point.time_unix_nano for metric in scope.metrics for point in metric.gauge.data_points}
    assert times == {1_772_674_350_250_000_000}


@pytest.mark.usefixtures("credentials")
def test_cloudwatch_has_them_as_dimensions(aws: str) -> None:
    settings = Metrics(timeout_s=30, cloudwatch=CloudWatch(region="eu-west-1", endpoint=aws, namespace="Tasks"))
    assert send(settings, end()) == []
    cloudwatch: Any = boto3.client("cloudwatch", region_name="eu-west-1", endpoint_url=aws)
    found = {}
    for one in cloudwatch.list_metrics(Namespace="Tasks")["Metrics"]:
        [point] = cloudwatch.get_metric_statistics(
            Namespace="Tasks",
            MetricName=one["MetricName"],
            Dimensions=one["Dimensions"],
            StartTime=_around(-1),
            EndTime=_around(1),
            Period=120,
            Statistics=["Sum"],
        )["Datapoints"]
        found[one["MetricName"]] = (
            {pair["Name"]: pair["Value"] for pair in one["Dimensions"]},
            point["Sum"],
            point["Unit"],
        )
    load = {"source": "shop", "dag": "nightly", "task": "load"}
    assert found == {
        "dag.failed_tasks": (load, 1.0, "Count"),
        "dag.task_retries": (load, 1.0, "Count"),
        "dag.task_seconds": ({**load, "state": "failed"}, 31.0, "Seconds"),
    }


def _around(minutes: int) -> datetime:
    return ENDED + timedelta(minutes=minutes)


def test_the_run_of_the_dag_is_no_label_anywhere(tmp_path: Path) -> None:
    with SinkServer() as otlp, SinkServer() as gateway:
        settings = Metrics(
            otlp=Otlp(url=otlp.url),
            pushgateway=Pushgateway(url=gateway.url),
            prometheus_file=str(tmp_path / "shop.prom"),
        )
        assert send(settings, end()) == send(settings, end(None)) == []
    sent = [request.unpacked for request in (*otlp.requests, *gateway.requests)]
    sent += [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(sent) == 6
    assert all(b"nightly" in one and b"2026-03-05" not in one for one in sent)
