"""Metrics to CloudWatch: moto's server stands for it, and is asked with boto3 what it holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import boto3
import pytest

from lib.config import CloudWatch, Metrics
from lib.observe.export import export
from lib.observe.export.cloudwatch import client
from lib.observe.metrics import Metric
from tests.metrics_sink import ENDED, SinkServer, measured, summary
from tests.moto_server import SECRET, aws, credentials

pytestmark = pytest.mark.usefixtures("credentials")
__all__ = ["aws", "credentials"]


def settings(endpoint: str, **more: Any) -> Metrics:
    return Metrics(timeout_s=30, cloudwatch=CloudWatch(region="eu-west-1", endpoint=endpoint, **more))


def held(aws: str, namespace: str) -> dict[tuple[str, frozenset[tuple[str, str]]], tuple[float, str]]:
    """Value and unit of each series in the minute of the run's end."""
    cloudwatch = boto3.client("cloudwatch", region_name="eu-west-1", endpoint_url=aws)
    found = {}
    for one in cloudwatch.list_metrics(Namespace=namespace)["Metrics"]:
        [point] = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=one["MetricName"],
            Dimensions=one["Dimensions"],
            StartTime=ENDED - timedelta(minutes=1),
            EndTime=ENDED + timedelta(minutes=1),
            Period=120,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        assert point["SampleCount"] == 1
        dimensions = frozenset((pair["Name"], pair["Value"]) for pair in one["Dimensions"])
        found[one["MetricName"], dimensions] = (point["Sum"], point["Unit"])
    return found


def test_each_value_arrives_with_its_dimensions_and_unit(aws: str) -> None:
    ones = [
        measured(Metric.BYTES, 2048, "orders"),
        measured(Metric.ROWS, 7, "orders"),
        measured(Metric.LATENCY, 0.125, "orders", "p99"),
        measured(Metric.ROWS_A_SECOND, 12.5),
        measured(Metric.SUCCEEDED, 1),
    ]
    assert export(settings(aws), summary(), ones) == []
    of_orders = {("source", "shop"), ("table", "orders")}
    assert held(aws, "Pagelake") == {
        ("copy.bytes", frozenset(of_orders)): (2048.0, "Bytes"),
        ("copy.rows", frozenset(of_orders)): (7.0, "Count"),
        ("copy.latency_seconds", frozenset(of_orders | {("quantile", "p99")})): (0.125, "Seconds"),
        ("copy.rows_per_second", frozenset({("source", "shop")})): (12.5, "Count/Second"),
        ("run.succeeded", frozenset({("source", "shop")})): (1.0, "None"),
    }


def test_a_label_that_no_dimension_may_be_is_made_one(aws: str) -> None:
    labels = [":größe\n", " ", "x" * 2000]
    ones = [measured(Metric.ORPHANS, number, "orders", label) for number, label in enumerate(labels)]
    assert export(settings(aws, namespace="Odd"), summary(), ones) == []
    found = {dict(dimensions)["reference"]: value for (_, dimensions), (value, _) in held(aws, "Odd").items()}
    assert found == {"gr??e?": 0.0, "?": 1.0, "x" * 1024: 2.0}


def test_no_call_carries_more_than_a_thousand_values() -> None:
    ones = [measured(Metric.ORPHANS, number, "orders", f"r{number}") for number in range(2001)]
    with SinkServer(body=b"\xa0", headers={"smithy-protocol": "rpc-v2-cbor"}) as server:
        assert export(settings(server.url), summary(), ones) == []
    assert [request.unpacked.count(b"quality.orphans") for request in server.requests] == [1000, 1000, 1]


def test_only_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with SinkServer(body=b"\xa0", headers={"smithy-protocol": "rpc-v2-cbor"}) as server, SinkServer() as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", other.url)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, other.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert export(settings(server.url), summary(), [measured(Metric.SUCCEEDED, 1)]) == []
    assert other.requests == []
    assert "Credential=someone/" in server.requests[0].headers["authorization"]
    assert "/eu-west-1/" in server.requests[0].headers["authorization"]


def test_without_an_endpoint_the_address_is_the_region_s_own_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    own = client(CloudWatch(region="eu-west-1"), 1)
    assert own.meta.endpoint_url == "https://monitoring.eu-west-1.amazonaws.com"


def test_a_server_error_is_tried_once_and_named_without_what_it_says() -> None:
    with SinkServer(500, SECRET.encode()) as server:
        [problem] = export(settings(server.url), summary(), [measured(Metric.SUCCEEDED, 1)])
    assert len(server.requests) == 1
    assert problem.startswith(
        f"the metrics did not reach metrics.cloudwatch ({server.url}): it answered 500; see the credentials"
    )
    assert SECRET not in problem


def test_a_place_where_nobody_listens_is_named() -> None:
    with SinkServer() as server:
        url = server.url
    [problem] = export(settings(url), summary(), [measured(Metric.SUCCEEDED, 1)])
    assert problem == (
        f"the metrics did not reach metrics.cloudwatch ({url}): no answer (EndpointConnectionError); "
        "see that it can be reached from here"
    )


def test_missing_credentials_are_named(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    [problem] = export(settings(aws), summary(), [measured(Metric.SUCCEEDED, 1)])
    assert problem == (
        f"the metrics did not reach metrics.cloudwatch ({aws}): no credentials; set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or give the machine a role"
    )
