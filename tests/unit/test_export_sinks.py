"""All sinks together: one that is down, silent or broken takes nothing from the others, and holds no run up."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.config import Metrics, Otlp, Pushgateway
from lib.lake.layout import lake_at
from lib.lake.runs import Run
from lib.observe.export import export, export_run
from lib.observe.metrics import Metric
from lib.observe.outcome import Outcome
from tests.metrics_sink import SinkServer, measured, summary

ROOT = Path(__file__).parents[2]
MEASURED = [measured(Metric.ROWS, 7, "orders")]
LINE = 'pagelake_copy_rows{source="shop",table="orders"} 7.0'
AT = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)


def all_to(otlp: SinkServer, gateway: SinkServer, file: Path, timeout_s: float = 20) -> Metrics:
    return Metrics(
        timeout_s=timeout_s,
        otlp=Otlp(url=otlp.url),
        prometheus_file=str(file),
        pushgateway=Pushgateway(url=gateway.url),
    )


def test_a_sink_that_answers_500_takes_nothing_from_the_others(tmp_path: Path) -> None:
    with SinkServer(500) as otlp, SinkServer() as gateway:
        problems = export(all_to(otlp, gateway, tmp_path / "x.prom"), summary(), MEASURED)
    assert problems == [f"the metrics did not reach metrics.otlp ({otlp.url}): it answered 500; its own log says why"]
    assert LINE in (tmp_path / "x.prom").read_text()
    assert LINE in gateway.requests[0].body.decode()


def test_every_sink_that_fails_is_named_in_the_order_of_the_settings(tmp_path: Path) -> None:
    with SinkServer() as otlp, SinkServer(400) as gateway:
        pass
    problems = export(all_to(otlp, gateway, tmp_path / "no" / "x.prom"), summary(), MEASURED)
    down = "no connection; see that it runs and that the address is right"
    assert problems == [
        f"the metrics did not reach metrics.otlp ({otlp.url}): {down}",
        f"the metrics did not reach metrics.prometheus_file ({tmp_path}/no/x.prom): No such file or directory; "
        "make the folder, and let this user write to it",
        f"the metrics did not reach metrics.pushgateway ({gateway.url}): {down}",
    ]


def test_a_silent_sink_is_hung_up_on_and_the_others_have_their_values(tmp_path: Path) -> None:
    with SinkServer(silent=True) as otlp, SinkServer() as gateway:
        # The server says nothing before it is released, which comes after: waiting for it would never end.
        [problem] = export(all_to(otlp, gateway, tmp_path / "x.prom", timeout_s=2), summary(), MEASURED)
        assert otlp.asked.is_set()
        assert otlp.hung_up.wait(30)
    assert problem.startswith(f"the metrics did not reach metrics.otlp ({otlp.url}): no answer ")
    assert LINE in (tmp_path / "x.prom").read_text()
    assert LINE in gateway.requests[0].body.decode()


def test_a_sink_that_answers_without_end_is_left_to_a_thread_that_keeps_no_process_alive(tmp_path: Path) -> None:
    with SinkServer() as otlp, SinkServer(trickling=True) as gateway:
        [problem] = export(all_to(otlp, gateway, tmp_path / "x.prom", timeout_s=2), summary(), MEASURED)
        [left] = [thread for thread in threading.enumerate() if thread.name == "export-pushgateway"]
        assert left.daemon
        gateway.release()
        left.join(30)
    assert not left.is_alive()
    assert problem == (
        f"the metrics did not reach metrics.pushgateway ({gateway.url}): no answer within 2 s (metrics.timeout_s); "
        "see that it runs and can be reached from here"
    )
    assert len(otlp.requests) == 1


def test_whatever_a_library_raises_is_a_sentence_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr("lib.observe.export.otlp.send", broken)
    with SinkServer() as otlp, SinkServer() as gateway:
        [problem] = export(all_to(otlp, gateway, tmp_path / "x.prom"), summary(), MEASURED)
    assert re.fullmatch(
        rf"the metrics did not reach metrics\.otlp \({re.escape(otlp.url)}\): "
        r"KeyError in test_export_sinks\.py:\d+, which is not foreseen",
        problem,
    )
    assert len(gateway.requests) == 1


def test_a_process_that_can_start_no_thread_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        problems = export(Metrics(timeout_s=20, prometheus_file=str(tmp_path / "x.prom")), summary(), MEASURED)
    assert problems == [
        f"the metrics did not reach metrics.prometheus_file ({tmp_path}/x.prom): no thread could be started for it"
    ]


ENDS = """
import sys
from lib.config import Metrics, Pushgateway
from lib.observe.export import export, export_run
from tests.metrics_sink import summary
print(*export(Metrics(timeout_s=1, pushgateway=Pushgateway(url=sys.argv[1])), summary(), []))
"""


def test_a_process_ends_while_a_sink_still_has_not_answered() -> None:
    with SinkServer(trickling=True) as gateway:
        done = subprocess.run(
            [sys.executable, "-c", ENDS, gateway.url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "no answer within 1 s" in done.stdout


UNUSED = """
import sys
from lib.config import Metrics
from lib.observe.export import export, export_run
from tests.metrics_sink import summary
assert export(Metrics(), summary(), []) == []
print(sorted(name for name in ("boto3", "botocore", "opentelemetry", "prometheus_client") if name in sys.modules))
"""


def test_a_run_without_a_sink_imports_none_of_their_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", UNUSED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def ended(run_id: str, hour: int, state: str, exit_status: int | None) -> Run:
    return Run(
        run_id, "shop", AT, "", "{}", state=state, exit_status=exit_status, ended_at=AT.replace(hour=hour, minute=0)
    )


def test_what_failed_is_a_warning_and_is_returned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SinkServer(503) as gateway, caplog.at_level(logging.WARNING, "pagelake"):
        settings = Metrics(pushgateway=Pushgateway(url=gateway.url))
        problems = export_run(settings, lake_at(str(tmp_path / "lake")), summary(), MEASURED)
    assert problems == [
        f"the metrics did not reach metrics.pushgateway ({gateway.url}): it answered 503; its own log says why"
    ]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", problems[0])]


def test_after_a_failed_run_the_last_success_is_the_end_of_the_last_good_one(tmp_path: Path) -> None:
    settings, layout = Metrics(prometheus_file=str(tmp_path / "x.prom")), lake_at(str(tmp_path / "lake"))
    ended("a", 2, "published", 0).save(layout)
    ended("b", 3, "merged", 0).save(layout)
    ended("c", 4, "checks_failed", 3).save(layout)
    ended("d", 5, "merged", None).save(layout)  # killed
    ended("r1", 6, "published", 0).save(layout)  # this run, before it was checked again and failed
    assert export_run(settings, layout, summary(Outcome.CHECKS_FAILED), MEASURED) == []
    # 2026-03-04T03:00:00Z
    assert 'pagelake_last_success_timestamp_seconds{source="shop"} 1.7725932e+09' in (tmp_path / "x.prom").read_text()


def test_a_source_that_was_never_good_has_no_last_success(tmp_path: Path) -> None:
    settings, layout = Metrics(prometheus_file=str(tmp_path / "x.prom")), lake_at(str(tmp_path / "lake"))
    assert export_run(settings, layout, summary(Outcome.SOURCE_FAILED), MEASURED) == []
    text = (tmp_path / "x.prom").read_text()
    assert "pagelake_last_success" not in text
    assert 'pagelake_last_run_timestamp_seconds{source="shop"}' in text
