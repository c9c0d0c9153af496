"""Metrics to an OpenTelemetry collector: one OTLP request over HTTP a run, one gauge a metric.

The data model and the encoding are the SDK's. The request is our own: the SDK's exporter adds headers, certificates and
credentials that OTEL_* variables name, and says in its own log lines what failed.
"""

from __future__ import annotations

import gzip
from itertools import groupby

from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from lib.config import Otlp
from lib.errors import ExportError
from lib.observe.export.batch import Batch
from lib.observe.export.http import request
from lib.observe.metrics import Measurement

SERVICE = "pagelake"


def send(settings: Otlp, batch: Batch, timeout_s: float) -> None:
    """Send the batch, compressed. Seconds bound each wait for the collector.

    Raises:
        ExportError: the collector did not take all of it.
    """
    headers = {
        **{name: secret.get_secret_value() for name, secret in settings.headers.items()},
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress(encode_metrics(metrics_data(batch)).SerializeToString())
    answer = request("POST", settings.url, body, headers, timeout_s)
    try:
        refused = ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points
    except DecodeError:
        raise ExportError("its answer is not OTLP in protobuf; see that the address ends in /v1/metrics") from None
    if refused:
        raise ExportError(f"it refused {refused} of {len(batch.measured)} values; its own log says why")


def metrics_data(batch: Batch) -> MetricsData:
    """The batch as OpenTelemetry has it: gauges `pagelake.<metric>` of the service `pagelake`.

    The resource is made here alone: the SDK's own would take attributes from the environment.
    """
    by_name = sorted(batch.measured, key=lambda one: one.series.metric.about.name)
    metrics = [_gauge(batch, list(ones)) for _, ones in groupby(by_name, key=lambda one: one.series.metric.about.name)]
    scope = ScopeMetrics(InstrumentationScope(SERVICE), metrics, "")
    return MetricsData([ResourceMetrics(Resource({"service.name": SERVICE}), [scope], "")])


def _gauge(batch: Batch, ones: list[Measurement]) -> Metric:
    about = ones[0].series.metric.about
    at = round(batch.at.timestamp() * 1_000_000) * 1_000
    points = [
        NumberDataPoint(attributes=batch.labels(one), start_time_unix_nano=0, time_unix_nano=at, value=float(one.value))
        for one in ones
    ]
    return Metric(f"{SERVICE}.{about.name}", about.says, about.unit, Gauge(points))
