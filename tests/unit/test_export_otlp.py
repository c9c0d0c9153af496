"""Metrics to an OpenTelemetry collector, read as a collector reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from lib.config import Metrics, Otlp
from lib.observe.export import export
from lib.observe.export.batch import Batch
from lib.observe.export.otlp import metrics_data
from lib.observe.metrics import Metric
from tests.metrics_sink import SinkServer, measured, summary

MEASURED = [
    measured(Metric.BYTES, 2048, "orders"),
    measured(Metric.LATENCY, 0.125, "orders", "p99"),
    measured(Metric.STEP_SECONDS, 1.5, label="fetch"),
    measured(Metric.BYTES, 512, "users"),
    measured(Metric.SUCCEEDED, 1),
]


def words(attributes: Any) -> dict[str, str]:
    found: list[KeyValue] = list(attributes)
    return {one.key: one.value.string_value for one in found}


def settings(server: SinkServer, **headers: str) -> Metrics:
    return Metrics(otlp=Otlp.model_validate({"url": f"{server.url}/v1/metrics", "headers": headers}))


def with_secret(server: SinkServer, secret: str) -> Metrics:
    data = {"url": f"{server.url}/v1/metrics", "headers": {"X-Api-Key": "${KEY}"}}
    return Metrics(otlp=Otlp.model_validate(data, context={"env": {"KEY": secret}}))


def test_a_collector_gets_each_value_with_its_unit_and_attributes() -> None:
    with SinkServer() as server:
        assert export(settings(server), summary(), MEASURED) == []
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/v1/metrics")
    assert request.headers["content-type"] == "application/x-protobuf"
    sent = ExportMetricsServiceRequest.FromString(request.unpacked)
    [resource] = sent.resource_metrics
    assert words(resource.resource.attributes) == {"service.name": "pagelake"}
    [scope] = resource.scope_metrics
    assert scope.scope.name == "pagelake"
    found = {metric.name: metric for metric in scope.metrics}
    assert {name: (metric.unit, metric.description) for name, metric in found.items()} == {
        "pagelake.copy.bytes": ("By", "Bytes of the answers, decoded."),
        "pagelake.copy.latency_seconds": ("s", "Seconds an answer took, by quantile."),
        "pagelake.copy.step_seconds": ("s", "Seconds by step of the job."),
        "pagelake.run.succeeded": ("1", "1 for a run that did what it was asked to, 0 for another."),
    }
    assert {
        name: [(words(point.attributes), point.as_double) for point in metric.gauge.data_points]
        for name, metric in found.items()
    } == {
        "pagelake.copy.bytes": [
            ({"source": "shop", "table": "orders"}, 2048.0),
            ({"source": "shop", "table": "users"}, 512.0),
        ],
        "pagelake.copy.latency_seconds": [({"source": "shop", "table": "orders", "quantile": "p99"}, 0.125)],
        "pagelake.copy.step_seconds": [({"source": "shop", "step": "fetch"}, 1.5)],
        "pagelake.run.succeeded": [({"source": "shop"}, 1.0)],
    }
    times = {point.time_unix_nano for metric in scope.metrics for point in metric.gauge.data_points}
    assert times == {1_772_674_350_250_000_000}


def test_the_headers_of_the_settings_are_sent_and_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with SinkServer() as server, SinkServer() as other:
        monkeypatch.setenv("http_proxy", other.url)
        monkeypatch.setenv("all_proxy", other.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", other.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{other.url}/v1/metrics")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-foreign=planted")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host=planted")
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        assert export(with_secret(server, "hunter2"), summary(), MEASURED) == []
    assert other.requests == []
    [request] = server.requests
    assert request.headers["x-api-key"] == "hunter2"
    assert "planted" not in str(request.headers)
    assert b"planted" not in request.unpacked


def test_values_that_the_collector_refuses_are_counted() -> None:
    answer = ExportMetricsServiceResponse(partial_success=ExportMetricsPartialSuccess(rejected_data_points=2))
    with SinkServer(body=answer.SerializeToString()) as server:
        [problem] = export(settings(server), summary(), MEASURED)
    assert problem == (
        f"the metrics did not reach metrics.otlp ({server.url}/v1/metrics): it refused 2 of 5 values; its own log says why"
    )


@pytest.mark.parametrize(
    ("status", "body", "headers", "why"),
    [
        (500, b"hunter2", {}, "it answered 500; its own log says why"),
        (401, b"hunter2", {}, "it answered 401; see the credentials"),
        (
            307,
            b"",
            {"Location": "http://127.0.0.1:1/hunter2"},
            "it answered 307, and redirects are not followed; write the last address",
        ),
        (
            200,
            b"<html>hello</html>",
            {},
            "its answer is not OTLP in protobuf; see that the address ends in /v1/metrics",
        ),
    ],
)
def test_an_answer_that_is_no_success_is_named_without_the_secret(
    status: int, body: bytes, headers: dict[str, str], why: str
) -> None:
    with SinkServer(status, body, headers) as server:
        [problem] = export(with_secret(server, "hunter2"), summary(), MEASURED)
    assert problem == f"the metrics did not reach metrics.otlp ({server.url}/v1/metrics): {why}"
    assert len(server.requests) == 1


def test_a_header_that_cannot_be_sent_is_not_shown() -> None:
    with SinkServer() as server:
        [problem] = export(with_secret(server, "pass\u20acword"), summary(), MEASURED)
    assert problem == (
        f"the metrics did not reach metrics.otlp ({server.url}/v1/metrics): a header cannot be sent as it is; "
        "see the value of its environment variable"
    )
    assert server.requests == []


@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text(min_size=1)),
        unique_by=lambda pair: pair[1],
        min_size=1,
    )
)
def test_every_value_and_label_arrives_as_it_was(values: list[tuple[float, str]]) -> None:
    ones = [measured(Metric.ORPHANS, value, "orders", label) for value, label in values]
    encoded = encode_metrics(metrics_data(Batch.of(summary(), ones, None))).SerializeToString()
    [resource] = ExportMetricsServiceRequest.FromString(encoded).resource_metrics
    [metric] = resource.scope_metrics[0].metrics
    points = [(point.as_double, words(point.attributes)["reference"]) for point in metric.gauge.data_points]
    assert points == values


def test_a_value_that_is_no_number_is_left_out() -> None:
    ones = [measured(Metric.BYTES, float("nan"), "orders"), measured(Metric.BYTES, 7, "users")]
    assert [one.value for one in Batch.of(summary(), ones, None).measured] == [7]
