"""`metrics:` of a source YAML: off by default, secrets from the environment alone, and no part of what a run does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.config import CloudWatch, Metrics, Pushgateway, Source, load_source
from lib.errors import ConfigError

SECRET = "hunter2-planted"
TEXT = """\
source: shop
api: {url: "http://127.0.0.1:8000"}
tables:
  users: {path: /users, key: [id], columns: {id: bigint!}}
"""
EVERYTHING = """\
metrics:
  timeout_s: 2.5
  otlp: {url: "http://collector:4318/v1/metrics/", headers: {X-Api-Key: "${COLLECTOR_KEY}"}}
  prometheus_file: /var/lib/node_exporter/textfile/pagelake.prom
  pushgateway: {url: "http://127.0.0.1:9091"}
  cloudwatch: {namespace: Shop/Copy, region: eu-west-1, endpoint: "http://127.0.0.1:5000"}
"""


def load(folder: Path, metrics: str = "", *overrides: str) -> Source:
    path = folder / "shop.yml"
    path.write_text(TEXT + metrics)
    return load_source(str(path), overrides=overrides, conf_dir=folder, env={"COLLECTOR_KEY": SECRET})


def test_nothing_is_sent_anywhere_by_default(tmp_path: Path) -> None:
    metrics = load(tmp_path).metrics
    assert metrics == Metrics()
    assert (metrics.otlp, metrics.prometheus_file, metrics.pushgateway, metrics.cloudwatch) == (None, None, None, None)
    assert metrics.timeout_s == 5


def test_every_sink_is_read_and_its_secret_comes_from_the_environment(tmp_path: Path) -> None:
    source = load(tmp_path, EVERYTHING)
    metrics = source.metrics
    assert metrics.timeout_s == 2.5
    assert metrics.otlp is not None
    assert metrics.otlp.url == "http://collector:4318/v1/metrics"
    assert {name: value.get_secret_value() for name, value in metrics.otlp.headers.items()} == {"X-Api-Key": SECRET}
    assert metrics.prometheus_file == "/var/lib/node_exporter/textfile/pagelake.prom"
    assert metrics.pushgateway == Pushgateway(url="http://127.0.0.1:9091")
    assert metrics.cloudwatch == CloudWatch(namespace="Shop/Copy", region="eu-west-1", endpoint="http://127.0.0.1:5000")
    assert source.public()["metrics"]["otlp"]["headers"] == {"X-Api-Key": "***"}
    assert SECRET not in repr(source) + str(source) + json.dumps(source.public())


def test_metrics_do_not_decide_what_a_run_does(tmp_path: Path) -> None:
    assert load(tmp_path, EVERYTHING).settings_hash == load(tmp_path).settings_hash


def test_the_command_line_sets_each_of_them_where_the_yaml_has_none(tmp_path: Path) -> None:
    metrics = load(
        tmp_path,
        "",
        "metrics.timeout_s=1",
        "metrics.otlp.url=http://c:4318/v1/metrics",
        'metrics.otlp.headers={X-Api-Key: "${COLLECTOR_KEY}"}',
        "metrics.prometheus_file=/srv/metrics/x.prom",
        "metrics.pushgateway.url=http://127.0.0.1:9091",
        "metrics.cloudwatch.region=us-east-1",
    ).metrics
    assert metrics.timeout_s == 1
    assert metrics.otlp is not None
    assert list(metrics.otlp.headers) == ["X-Api-Key"]
    assert metrics.prometheus_file == "/srv/metrics/x.prom"
    assert metrics.pushgateway == Pushgateway(url="http://127.0.0.1:9091")
    assert metrics.cloudwatch == CloudWatch(namespace="Pagelake", region="us-east-1", endpoint=None)


@pytest.mark.parametrize(
    ("section", "path", "reason"),
    [
        ("{otpl: {}}", "metrics.otpl", "unknown key; did you mean 'otlp'?"),
        ("{timeout_s: 0}", "metrics.timeout_s", "must be more than 0"),
        ("{timeout_s: 301}", "metrics.timeout_s", "must be at most 300"),
        ("{otlp: {}}", "metrics.otlp.url", "missing"),
        ("{otlp: {url: 'ftp://c'}}", "metrics.otlp.url", "must start with http:// or https://"),
        (
            f"{{otlp: {{url: 'http://a:{SECRET}@c'}}}}",
            "metrics.otlp.url",
            "must not hold a user or password",
        ),
        ("{otlp: {url: 'http://c', headers: [x]}}", "metrics.otlp.headers", "must be a mapping (key: value)"),
        (
            f"{{otlp: {{url: 'http://c', headers: {{x-key: {SECRET}}}}}}}",
            "metrics.otlp.headers.x-key",
            'a secret must not be written out: write "${ENV_NAME}" and put the value in that environment variable',
        ),
        (
            f"{{otlp: {{url: 'http://c', headers: {{x-key: abc,{SECRET}}}}}}}",
            "metrics.otlp.headers",
            'a header without a value (not shown, as it may be a secret); write "${ENV_NAME}" in quotes',
        ),
        (
            "{otlp: {url: 'http://c', headers: {'x key': '${COLLECTOR_KEY}'}}}",
            "metrics.otlp.headers.x key",
            "is not the name of an HTTP header",
        ),
        (
            "{otlp: {url: 'http://c', headers: {Content-Type: '${COLLECTOR_KEY}'}}}",
            "metrics.otlp.headers.Content-Type",
            "is a header that the protocol sets by itself; leave it out",
        ),
        (
            "{prometheus_file: metrics.prom}",
            "metrics.prometheus_file",
            "must be an absolute path that ends in .prom, as node_exporter reads no other file",
        ),
        (
            "{prometheus_file: /srv/metrics.txt}",
            "metrics.prometheus_file",
            "must be an absolute path that ends in .prom, as node_exporter reads no other file",
        ),
        ("{pushgateway: 'http://c'}", "metrics.pushgateway", "must be a mapping (key: value)"),
        (
            "{pushgateway: {url: 'http://c/?a=1'}}",
            "metrics.pushgateway.url",
            "must not hold a query or fragment (nothing from '?' or '#' on)",
        ),
        ("{cloudwatch: {}}", "metrics.cloudwatch.region", "missing"),
        ("{cloudwatch: {region: Ireland}}", "metrics.cloudwatch.region", "must be a region of AWS, such as eu-west-1"),
        (
            "{cloudwatch: {region: eu-west-1, namespace: AWS/EC2}}",
            "metrics.cloudwatch.namespace",
            "must be up to 255 of letters, digits and . _ / # : -, and begin with neither AWS/ nor ':'",
        ),
        (
            "{cloudwatch: {region: eu-west-1, endpoint: here}}",
            "metrics.cloudwatch.endpoint",
            "must start with http:// or https://",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_without_a_secret(
    section: str, path: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"metrics: {section}\n")
    assert str(caught.value) == f"{tmp_path}/shop.yml:5: {path}: {reason}"
    assert caught.value.exit_status == 2
    assert SECRET not in repr(caught.value)
