"""A real Pushgateway and a real Prometheus, set up as conf/monitoring says: what a run sends is what people find there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lib.config import Metrics, Pushgateway
from lib.observe.export import export, export_task
from lib.observe.metrics import BY_NAME, Metric
from lib.observe.outcome import Outcome
from lib.observe.tasks import State, TaskEnd
from lib.observe.tasks import measured as measured_of
from tests.e2e.jobs_and_lakes import missing
from tests.metrics_sink import ENDED, ENDED_S, measured, summary

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "conf" / "monitoring"
RULES = MONITORING / "pagelake.rules.yml"
RULES_TEST = ROOT / "tests" / "data" / "monitoring" / "pagelake.rules_test.yml"
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-pushgateway": "prometheus-pushgateway",
}

ADDRESS = r'msg="Listening on".* address=(127\.0\.0\.1:\d+)'

LOAD, CHECK = {"dag": "nightly", "task": "load"}, {"dag": "nightly", "task": "check"}
YESTERDAY = ENDED - timedelta(days=1)

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def program(name: str) -> str:
    """Where a program is; the test is skipped without it, but never on CI."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} (Debian's package {PACKAGES[name]})")
    return found


@contextmanager
def started(*command: str, log: Path, ready: str = "") -> Iterator[str]:
    """The address of a server, which ends with the block. It says in its log on which port it listens, and that it is ready."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(ADDRESS, log.read_text())) or ready not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The address of a server that shows the file, as node_exporter does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = file.read_bytes() if file.exists() else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@dataclass(frozen=True)
class Watched:
    """Where metrics go, and the Prometheus that shows them."""

    gateway: str
    file: Path
    prometheus: str

    def query(self, text: str) -> Series:
        url = f"http://{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        series = {}
        for one in found:
            labels = dict(one["metric"])
            series[labels.pop("__name__"), frozenset(labels.items())] = float(one["value"][1])
        return series

    def comes_to(self, text: str, expected: Series) -> None:
        """Assert that the query is answered so before long."""
        deadline = time.monotonic() + 60
        while (found := self.query(text)) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        assert found == expected


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """The example of conf/monitoring, with the addresses of this test and a second in place of a minute."""
    gateway_program, prometheus_program = program("prometheus-pushgateway"), program("prometheus")
    file = tmp_path / "shop.prom"
    with ExitStack() as stack:
        gateway = stack.enter_context(
            started(
                gateway_program,
                "--web.listen-address=127.0.0.1:0",
                "--persistence.file=",
                log=tmp_path / "gateway.log",
            )
        )
        node = stack.enter_context(served(file))
        config = (MONITORING / "prometheus.yml").read_text("utf-8")
        for old, new in (("127.0.0.1:9091", gateway), ("127.0.0.1:9100", node), ("interval: 1m", "interval: 1s")):
            assert old in config
            config = config.replace(old, new)
        (tmp_path / "prometheus.yml").write_text(config, "utf-8")
        shutil.copy(RULES, tmp_path)
        prometheus = stack.enter_context(
            started(
                prometheus_program,
                f"--config.file={tmp_path / 'prometheus.yml'}",
                "--web.listen-address=127.0.0.1:0",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                log=tmp_path / "prometheus.log",
                ready="Server is ready",
            )
        )
        yield Watched(gateway, file, prometheus)


def series(name: str, value: float, **labels: str) -> Series:
    return {(name, frozenset(labels.items())): value}


def an_x(metric: Metric) -> str | None:
    """A label of the metric, in which each part is x."""
    return "/".join("x" for _ in metric.about.labels) or None


def ended(outcome: Outcome, **labels: str) -> Series:
    """The series of an outcome: 1 for it, 0 for the others."""
    return {
        key: value
        for one in Outcome
        for key, value in series(
            "pagelake_run_outcome", float(one is outcome), outcome=one.name.lower(), **labels
        ).items()
    }


def test_prometheus_has_what_the_last_run_of_each_source_pushed(watched: Watched) -> None:
    settings = Metrics(timeout_s=60, pushgateway=Pushgateway(url=f"http://{watched.gateway}"))
    first = [
        measured(Metric.BYTES, 2048, "orders"),
        measured(Metric.LATENCY, 0.125, "orders", "p99"),
        measured(Metric.SECONDS, 150.25, label="full-ingest"),
    ]
    assert export(settings, summary(), first) == []
    assert export(settings, summary(source="other"), [measured(Metric.BYTES, 7, "users")]) == []
    pushed = '{__name__=~"pagelake_.*",job="pagelake"}'
    other = {
        **series("pagelake_copy_bytes", 7, job="pagelake", source="other", table="users"),
        **series("pagelake_last_run_timestamp_seconds", ENDED_S, job="pagelake", source="other"),
        **series("pagelake_last_success_timestamp_seconds", ENDED_S, job="pagelake", source="other"),
        **ended(Outcome.PUBLISHED, job="pagelake", source="other"),
    }
    shop = {"job": "pagelake", "source": "shop"}
    watched.comes_to(
        pushed,
        {
            **other,
            **series("pagelake_last_run_timestamp_seconds", ENDED_S, **shop),
            **series("pagelake_last_success_timestamp_seconds", ENDED_S, **shop),
            **series("pagelake_copy_bytes", 2048, table="orders", **shop),
            **series("pagelake_copy_latency_seconds", 0.125, table="orders", pagelake_quantile="p99", **shop),
            **series("pagelake_run_seconds", 150.25, pagelake_job="full-ingest", **shop),
            **ended(Outcome.PUBLISHED, **shop),
        },
    )
    assert export(settings, summary(Outcome.SOURCE_FAILED), [measured(Metric.ROWS, 9, "orders")], YESTERDAY) == []
    watched.comes_to(
        pushed,
        {
            **other,
            **series("pagelake_last_run_timestamp_seconds", ENDED_S, **shop),
            **series("pagelake_last_success_timestamp_seconds", ENDED_S - 86_400, **shop),
            **series("pagelake_copy_rows", 9, table="orders", **shop),
            **ended(Outcome.SOURCE_FAILED, **shop),
        },
    )
    watched.comes_to(
        'ALERTS{alertname="PagelakeRunFailed",alertstate="firing"}',
        series(
            "ALERTS",
            1,
            alertname="PagelakeRunFailed",
            alertstate="firing",
            severity="critical",
            source="shop",
            outcome="source_failed",
        ),
    )


def test_a_task_is_held_beside_the_runs_and_the_other_tasks_and_fires_until_it_ends_well(watched: Watched) -> None:
    settings = Metrics(timeout_s=60, pushgateway=Pushgateway(url=f"http://{watched.gateway}"))

    def record(name: str, state: State, seconds: float) -> None:
        end = TaskEnd("nightly", "manual__1", name, 2, state, seconds, ENDED)
        assert export_task(settings, "shop", end, measured_of(end)) == []

    assert export(settings, summary(), [measured(Metric.BYTES, 2048, "orders")]) == []
    record("load", State.FAILED, 31)
    record("check", State.SUCCESS, 5)
    shop, load, check = ({"job": "pagelake", "source": "shop", **more} for more in ({}, LOAD, CHECK))
    of_check = {
        **series("pagelake_dag_task_seconds", 5, state="success", **check),
        **series("pagelake_dag_failed_tasks", 0, **check),
        **series("pagelake_dag_task_retries", 1, **check),
    }
    of_shop = series("pagelake_copy_bytes", 2048, table="orders", **shop)
    watched.comes_to(
        '{__name__=~"pagelake_(dag|copy)_.*"}',
        {
            **of_shop,
            **of_check,
            **series("pagelake_dag_task_seconds", 31, state="failed", **load),
            **series("pagelake_dag_failed_tasks", 1, **load),
            **series("pagelake_dag_task_retries", 1, **load),
        },
    )
    firing = 'ALERTS{alertname="PagelakeTaskFailed",alertstate="firing"}'
    told = {"alertname": "PagelakeTaskFailed", "alertstate": "firing", "severity": "critical", "source": "shop", **LOAD}
    watched.comes_to(firing, series("ALERTS", 1, **told))
    record("load", State.SUCCESS, 30)
    assert export(settings, summary(), [measured(Metric.BYTES, 4096, "orders")]) == []
    watched.comes_to(
        '{__name__=~"pagelake_(dag|copy)_.*"}',
        {
            **series("pagelake_copy_bytes", 4096, table="orders", **shop),
            **of_check,
            **series("pagelake_dag_task_seconds", 30, state="success", **load),
            **series("pagelake_dag_failed_tasks", 0, **load),
            **series("pagelake_dag_task_retries", 1, **load),
        },
    )
    watched.comes_to(firing, {})


def test_prometheus_has_every_metric_of_the_text_file(watched: Watched) -> None:
    # 1, 2, 3 ... in the order of the enum; each with all the labels that it has.
    ones = [
        measured(metric, number, "orders" if metric.about.by_table else None, an_x(metric))
        for number, metric in enumerate(Metric, start=1)
    ]
    assert export(Metrics(timeout_s=60, prometheus_file=str(watched.file)), summary(), ones) == []
    labels = {"job": "node", "source": "shop", "instance": _instance(watched)}
    expected = {
        **series("pagelake_copy_step_seconds", 1, step="x", **labels),
        **series("pagelake_copy_bytes", 2, table="orders", **labels),
        **series("pagelake_copy_retries", 6, table="orders", reason="x", **labels),
        **series("pagelake_quality_missing_values", 14, table="orders", column="x", **labels),
        **series("pagelake_quality_orphans", 15, table="orders", reference="x", **labels),
        **series("pagelake_run_seconds", 28, pagelake_job="x", **labels),
        **series("pagelake_spark_peak_memory_bytes", 30, process="x", **labels),
        **series("pagelake_lake_bytes", 36, table="orders", **labels),
        **series("pagelake_dag_task_seconds", 45, dag="x", task="x", state="x", **labels),
        **series("pagelake_dag_failed_runs", 49, dag="x", **labels),
    }
    watched.comes_to(f'{{__name__=~"{"|".join(name for name, _ in expected)}"}}', expected)
    own = ("last_run_timestamp_seconds", "last_success_timestamp_seconds", "run_outcome")
    names = {name for name, _ in watched.query('{__name__=~"pagelake_.+"}')} - {f"pagelake_{name}" for name in own}
    assert len(names) == len(BY_NAME) == 49


def _instance(watched: Watched) -> str:
    """What Prometheus calls the target of the job `node`."""
    deadline = time.monotonic() + 60
    while not (found := watched.query('up{job="node"}')):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    [(_, labels)] = found
    return dict(labels)["instance"]


def promtool(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    done = subprocess.run(
        [program("promtool"), *arguments],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def test_promtool_finds_nothing_wrong_with_the_names_of_any_metric(tmp_path: Path) -> None:
    ones = [measured(metric, 1, "t" if metric.about.by_table else None, an_x(metric)) for metric in Metric]
    assert export(Metrics(timeout_s=60, prometheus_file=str(tmp_path / "x.prom")), summary(), ones) == []
    assert promtool("check", "metrics", given=(tmp_path / "x.prom").read_bytes()) == (0, "")


def test_the_rules_and_the_example_are_well_formed() -> None:
    status, said = promtool("check", "config", str(MONITORING / "prometheus.yml"))
    assert (status, "16 rules found" in said) == (0, True), said


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    status, said = promtool("test", "rules", str(RULES_TEST))
    assert status == 0, said


def test_every_alert_is_tested_and_described() -> None:
    rules = YAML(typ="safe").load(RULES)
    names = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    tests = YAML(typ="safe").load(RULES_TEST)["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == set(names)
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == set(names)
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    assert re.findall(r"^\| `(Pagelake\w+)` \|", page, re.MULTILINE) == names
    used = set(re.findall(r"pagelake_\w+", RULES.read_text("utf-8")))
    assert all(f"`{name}`" in page for name in used)
