"""Metrics as Prometheus reads them: names, labels and values, and a file that is there whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lib.config import Metrics, Pushgateway
from lib.observe.export import export
from lib.observe.export.batch import Batch
from lib.observe.export.prometheus import label_names, name_of, registry
from lib.observe.metrics import Metric
from lib.observe.outcome import Outcome
from tests.metrics_sink import ENDED_S, SinkServer, measured, summary

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


def test_the_file_says_what_was_measured_and_how_the_run_ended(tmp_path: Path) -> None:
    file = tmp_path / "shop.prom"
    ones = [
        measured(Metric.BYTES, 2048, "orders"),
        measured(Metric.SHUFFLED, 512),
        measured(Metric.LATENCY, 0.125, "orders", "p99"),
        measured(Metric.SECONDS, 150.25, label="full-ingest"),
    ]
    assert export(Metrics(prometheus_file=str(file)), summary(Outcome.MERGED), ones) == []
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert lines == [
        'pagelake_copy_bytes{source="shop",table="orders"} 2048.0',
        'pagelake_spark_shuffled_bytes{source="shop"} 512.0',
        'pagelake_copy_latency_seconds{pagelake_quantile="p99",source="shop",table="orders"} 0.125',
        'pagelake_run_seconds{pagelake_job="full-ingest",source="shop"} 150.25',
        'pagelake_last_run_timestamp_seconds{source="shop"} 1.77267435025e+09',
        'pagelake_last_success_timestamp_seconds{source="shop"} 1.77267435025e+09',
        'pagelake_run_outcome{outcome="published",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="merged",source="shop"} 1.0',
        'pagelake_run_outcome{outcome="checks_failed",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="could_not_check",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="source_failed",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="failed",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="stopped",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="killed",source="shop"} 0.0',
        'pagelake_run_outcome{outcome="running",source="shop"} 0.0',
    ]
    assert "# HELP pagelake_copy_bytes Bytes of the answers, decoded." in file.read_text()
    assert float("1.77267435025e+09") == ENDED_S


def test_the_next_run_takes_the_file_s_place_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "shop.prom"
    settings = Metrics(prometheus_file=str(file))
    assert export(settings, summary(), [measured(Metric.ROWS, 7, "orders")]) == []
    with file.open() as reader:
        assert export(settings, summary(), [measured(Metric.ROWS, 8, "users")]) == []
        before = reader.read()  # a reader of the old file has all of it, and nothing else
    assert 'pagelake_copy_rows{source="shop",table="orders"} 7.0' in before
    assert "users" not in before
    assert 'pagelake_copy_rows{source="shop",table="users"} 8.0' in file.read_text()
    assert "orders" not in file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_the_later_of_two_values_of_one_series_counts(tmp_path: Path) -> None:
    file = tmp_path / "shop.prom"
    ones = [measured(Metric.ROWS, 7, "orders"), measured(Metric.ROWS, 8, "orders")]
    assert export(Metrics(prometheus_file=str(file)), summary(), ones) == []
    lines = [line for line in file.read_text().splitlines() if line.startswith("pagelake_copy_rows")]
    assert lines == ['pagelake_copy_rows{source="shop",table="orders"} 8.0']


def test_a_gateway_is_sent_the_source_s_group_without_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with SinkServer(202) as gateway, SinkServer() as other:
        monkeypatch.setenv("http_proxy", other.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        settings = Metrics(pushgateway=Pushgateway(url=f"{gateway.url}/below/"))
        assert export(settings, summary(source="my-shop"), []) == []
    assert other.requests == []
    [request] = gateway.requests
    assert (request.method, request.path) == ("PUT", "/below/metrics/job/pagelake/source/my-shop")


@given(st.dictionaries(st.text(min_size=1), st.floats(), min_size=1))
def test_every_value_and_label_can_be_read_again(values: dict[str, float]) -> None:
    ones = [measured(Metric.MISSING, value, "orders", label) for label, value in values.items()]
    batch = Batch.of(summary(), ones, None)
    families = {one.name: one for one in text_string_to_metric_families(generate_latest(registry(batch)).decode())}
    found = families["pagelake_quality_missing_values"].samples if batch.measured else []
    assert {(sample.labels["column"], sample.value) for sample in found} == {
        (label, value) for label, value in values.items() if value == value and abs(value) != float("inf")
    }


def test_names_are_those_that_prometheus_asks_for() -> None:
    names = {metric: name_of(metric.about) for metric in Metric}
    assert len(set(names.values())) == len(Metric)
    for metric, name in names.items():
        assert re.fullmatch(r"pagelake_[a-z0-9_]+", name)
        assert name.endswith("_seconds") == (metric.about.unit == "s") or metric is Metric.SECONDS
        assert name.endswith("_bytes") == (metric.about.unit == "By")
        assert not {"job", "instance", "quantile", "le"} & set(label_names(metric.about))


def test_the_page_has_every_metric_by_each_exporter_s_name_as_it_is() -> None:
    section = PAGE.read_text("utf-8").split("## Exporters")[1].split("\n## ")[0]
    rows = [re.findall(r"`([^`]*)`", line) for line in section.splitlines() if line.startswith("| `copy.")]
    rows += [
        re.findall(r"`([^`]*)`", line)
        for line in section.splitlines()
        if re.match(r"\| `(quality|run|spark|lake|recommend|dag)\.", line)
    ]
    assert [row[:4] for row in rows] == [
        [metric.about.name, f"pagelake.{metric.about.name}", name_of(metric.about), metric.about.unit]
        for metric in Metric
    ]
    assert [row[4:] for row in rows] == [
        [*(["table"] if metric.about.by_table else []), *metric.about.labels] for metric in Metric
    ]
    for outcome in Outcome:
        assert f"`{outcome.name.lower()}`" in section
