"""What the DAGs share, as far as it knows nothing of Airflow: command lines, environments, log lines, processes, callbacks."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pagelake_command
import pagelake_process
import pagelake_record
import pytest
from pagelake_command import (
    RUN_ID,
    command,
    job_environment,
    lakes_of,
    log_line,
    publication,
    redacted,
    run_id_of,
    spark_options,
    summary_of,
)
from pagelake_process import JobProcess

from lib.config.runs import check_run_id

SCHEDULED = "scheduled__2026-11-25T03:00:00+00:00"
SPARK_SUBMIT = str(Path(__file__).parents[2] / "spark-submit.sh")


def test_a_dag_run_has_one_run_id_that_reads_like_it() -> None:
    # printf 'full_ingest\nscheduled__2026-11-25T03:00:00+00:00' | sha256sum
    assert run_id_of("full_ingest", SCHEDULED) == "scheduled__2026-11-25T03-00-00Z-4c88f7be"


@pytest.mark.parametrize(
    "dag_run_id",
    [SCHEDULED, "by hand, for Ann/Bob", "../../etc", "__", "", "é" * 30, "x" * 300, "nightly.rollback1", "-x"],
)
def test_every_dag_run_id_becomes_a_run_id_that_the_jobs_take(dag_run_id: str) -> None:
    assert check_run_id(run_id_of("full_ingest", dag_run_id))


def test_dag_runs_that_read_alike_have_different_run_ids() -> None:
    ids = {run_id_of("a", "x:y"), run_id_of("a", "x/y"), run_id_of("b", "x:y"), run_id_of("a", "x" * 200 + "1")}
    assert len(ids | {run_id_of("a", "x" * 200 + "2")}) == 5


def test_parameters_become_words_of_the_command_line_and_empty_ones_none() -> None:
    params = {"source": "my shop.yml; rm -rf /", "lake": None, "tables": "a,b", "other": "no option"}
    words = command("full-ingest", ["--resume", RUN_ID], params=params, spark=["--master", "local[2]"], run_id="r-1")
    assert words == [
        *(SPARK_SUBMIT, "--master", "local[2]", "full-ingest"),
        *("--source", "my shop.yml; rm -rf /", "--tables", "a,b", "--resume", "r-1"),
    ]


def test_a_run_is_about_each_lake_that_was_published_once() -> None:
    params = {"source": "demo", "lake": None}
    shop, blog = {"source": "shop", "lake": "/l/shop"}, {"source": "blog.yml", "lake": None}
    told = [{**shop, "run_id": "r-1"}, {**blog, "run_id": "r-2"}, {**shop, "run_id": "r-3"}]
    assert lakes_of(params, told) == [shop, blog]
    assert lakes_of(params, [shop, {**shop, "lake": "/l/other"}]) == [shop, {"source": "shop", "lake": "/l/other"}]


def test_a_run_that_no_publication_started_is_about_the_lake_of_its_params() -> None:
    params = {"source": "shop", "lake": "/l/shop", "tables": "a"}
    assert lakes_of(params, []) == [{"source": "shop", "lake": "/l/shop"}]
    assert lakes_of(params, [{"from_rest_api": True}]) == [{"source": "shop", "lake": "/l/shop"}]


@pytest.mark.parametrize(
    ("variable", "options"),
    [
        (None, []),
        ([], []),
        (["--driver-memory", "4g"], ["--driver-memory", "4g"]),
        ({"master": "local[4]"}, ["--master", "local[4]"]),
        (
            {"conf": {"spark.sql.shuffle.partitions": 8, "spark.ui.enabled": True}, "options": ["--verbose"]},
            ["--conf", "spark.sql.shuffle.partitions=8", "--conf", "spark.ui.enabled=true", "--verbose"],
        ),
    ],
)
def test_the_variable_becomes_options_of_spark_submit(variable: object, options: list[str]) -> None:
    assert spark_options(variable) == options


@pytest.mark.parametrize(
    "variable", ["--master local", 4, [4], ["full-ingest"], {"mastre": "local"}, {"conf": ["a"]}, {"options": "x"}]
)
def test_a_variable_of_another_shape_is_an_error_that_shows_the_right_one(variable: object) -> None:
    with pytest.raises(ValueError, match=r'\["--driver-memory", "4g"\]'):
        spark_options(variable)


def test_a_job_gets_what_was_exported_and_nothing_of_airflow() -> None:
    environ = {
        "SHOP_TOKEN": "t0ken",
        "HOME": "/home/ann",
        "PATH": "/clone/.airflow/venv/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": "/clone/.airflow/venv",
        "PYTHONPATH": "/clone/.airflow/dags",
        "AIRFLOW__CORE__FERNET_KEY": "key",
        "AIRFLOW_CTX_DAG_ID": "full_ingest",
        "AIRFLOW_ADMIN_PASSWORD": "secret",
        "_AIRFLOW_PROCESS_CONTEXT": "client",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "PAGELAKE_AIRFLOW_HOME": "/clone/.airflow",
        "PAGELAKE_AIRFLOW_START": "mark",
        "PAGELAKE_ALERT_URL": "json://127.0.0.1",
    }
    assert job_environment(environ, job="full-ingest") == {
        "SHOP_TOKEN": "t0ken",
        "HOME": "/home/ann",
        "PATH": "/usr/bin:/bin",
        "PAGELAKE_AIRFLOW_START": "mark",  # by which terminate.sh knows it
        "PAGELAKE_ALERT_URL": "json://127.0.0.1",
        "PAGELAKE_AIRFLOW_JOB": "full-ingest",  # by which it is stopped first
    }
    assert "PAGELAKE_AIRFLOW_JOB" not in job_environment(environ)


def test_a_line_of_the_jobs_log_keeps_its_level_and_its_fields() -> None:
    line = '{"time": "t", "level": "WARNING", "name": "pagelake", "message": "429", "waits_s": 2, "run_id": "r-1"}'
    assert log_line(line) == ("warning", "429", {"waits_s": 2, "run_id_": "r-1"})


@pytest.mark.parametrize("line", ["Run r-1 is published.", "{not JSON", "{}", '{"level": "INFO"}'])
def test_any_other_line_is_passed_on_as_it_is(line: str) -> None:
    assert log_line(line) == ("info", line, {})


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET /x?api_key=abc123&page=2", "GET /x?api_key=***&page=2"),
        ("X-Api-Key: abc123", "X-Api-Key: ***"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("authorization=abc123, page=2", "authorization=***, page=2"),
        ('{"apiKey": "abc 123"}', '{"apiKey": ***}'),
        ("SHOP_TOKEN=abc123", "SHOP_TOKEN=***"),
        ("password = 'a b'", "password = ***"),
        ("tokens per page: 3", "tokens per page: 3"),
        ("a key stands on two pages: author=x", "a key stands on two pages: author=x"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(line: str, shown: str) -> None:
    assert redacted(line) == shown


def test_a_field_that_is_named_like_a_secret_is_not_shown() -> None:
    line = json.dumps(
        {"level": "INFO", "message": "api_key=abc", "api_key": "abc", "url": "http://h/?token=abc", "n": 1}
    )
    assert log_line(line) == ("info", "api_key=***", {"api_key": "***", "url": "http://h/?token=***", "n": 1})


def test_the_summary_says_where_the_docs_and_the_tables_are() -> None:
    lines = [
        "Run r is published.",
        "Docs:    /my lake/site/index.html  (open it in a browser)",
        "Tables:  /my lake/published.json  (docs/reading.md says how to read them)",
    ]
    assert summary_of(lines) == {"docs": "/my lake/site/index.html", "tables": "/my lake/published.json"}
    assert summary_of(["Next:    Docs: no"]) == {}


def test_what_is_published_is_read_and_nothing_where_it_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "published.json"
    assert publication(file) == {}
    file.write_text(
        '{"publication_id": "r.check2", "run_id": "r", "published_at": "2026-01-01T00:00:00Z", "tables": {}}'
    )
    assert publication(file) == {"publication_id": "r.check2", "run_id": "r", "published_at": "2026-01-01T00:00:00Z"}


def python(program: str) -> JobProcess:
    return JobProcess([sys.executable, "-u", "-c", program], os.environ)


def test_both_streams_of_a_job_come_as_lines_and_its_status_is_known() -> None:
    job = python("import sys; print('one'); print(); print('two', file=sys.stderr); sys.exit(3)")
    assert list(job.lines()) == ["one", "two"]
    assert job.status() == 3


def test_a_job_that_is_stopped_may_end_cleanly_and_one_that_a_signal_ended_has_a_shells_status() -> None:
    clean = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(5)); print('ready'); time.sleep(60)"
    for program, status in ((clean, 5), ("import time; print('ready'); time.sleep(60)", 143)):
        job = python(program)
        lines = job.lines()
        assert next(lines) == "ready"
        job.stop()
        assert job.status() == status


def test_what_a_job_leaves_behind_does_not_hold_up_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagelake_process, "LEFTOVERS_S", 0.2)
    job = python("import subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid)")
    started = time.monotonic()
    [left] = job.lines()
    assert job.status() == 0
    assert time.monotonic() - started < 60
    deadline = time.monotonic() + 30
    while Path("/proc", left).exists() and "State:\tZ" not in Path("/proc", left, "status").read_text():
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word for it is Linux's")
def test_a_job_whose_task_is_killed_is_stopped(tmp_path: Path) -> None:
    said = tmp_path / "said"
    job = f"import signal, sys, time; signal.signal(15, lambda *_: (open({str(said)!r}, 'w').write('stopped'), sys.exit()))"
    task = (
        "import os, sys; from pagelake_process import JobProcess;"
        f"p = JobProcess([sys.executable, '-u', '-c', {(job + '; print(1); time.sleep(60)')!r}], os.environ);"
        "next(p.lines()); print('ready', flush=True); os.kill(os.getpid(), 9)"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(pagelake_command.__file__).parent)}
    assert list(JobProcess([sys.executable, "-c", task], environ).lines()) == ["ready"]
    deadline = time.monotonic() + 30
    while not said.exists() or said.read_text() != "stopped":
        assert time.monotonic() < deadline, "the job goes on without its task"
        time.sleep(0.05)


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for spark-submit.sh that writes its words down, a line each."""
    script, said = tmp_path / "spark-submit.sh", tmp_path / "said"
    script.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >"{said}"\necho "api_key=abc is wrong" >&2\nexit ${{STATUS:-0}}\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(pagelake_command, "SPARK_SUBMIT", script)
    return said


def context(**more: Any) -> dict[str, Any]:
    at = {
        "start_date": datetime(2026, 1, 1, 3, 0, tzinfo=UTC),
        "end_date": datetime(2026, 1, 1, 3, 1, 2, 500_000, tzinfo=UTC),
    }
    return {
        "dag": SimpleNamespace(dag_id="full_ingest"),
        "task": SimpleNamespace(options=["--run-id", RUN_ID]),
        "run_id": SCHEDULED,
        "params": {"source": "demo", "lake": "/l a/ke", "tables": "tracks"},
        "ti": SimpleNamespace(task_id="sanity_check", try_number=2, **at),
        "dag_run": SimpleNamespace(**at),
        **more,
    }


WHICH = ["--source", "demo", "--lake", "/l a/ke", "--dag", "full_ingest", "--dag-run", SCHEDULED]
COMMON = [*WHICH, "--run-id", "scheduled__2026-11-25T03-00-00Z-4c88f7be"]


def test_the_end_of_a_task_is_recorded_with_its_try_and_its_seconds(recorder: Path) -> None:
    pagelake_record.task_callback("retried")(context())
    task = ["--task", "sanity_check", "--try", "2", "--state", "retried", "--seconds", "62.500"]
    assert recorder.read_text().splitlines() == ["record-task", *COMMON, *task]


def test_the_end_of_a_dag_run_is_recorded_without_a_task(recorder: Path) -> None:
    pagelake_record.dag_callback("failed")(context())
    assert recorder.read_text().splitlines() == ["record-task", *COMMON, "--state", "failed", "--seconds", "62.500"]


def test_the_end_of_a_job_that_is_no_run_is_recorded_without_one(recorder: Path) -> None:
    pagelake_record.task_callback("failed")(context(task=SimpleNamespace(options=["--if-needed"])))
    task = ["--task", "sanity_check", "--try", "2", "--state", "failed", "--seconds", "62.500"]
    assert recorder.read_text().splitlines() == ["record-task", *WHICH, *task]


def test_a_record_that_fails_is_a_line_in_the_log_and_no_error(
    recorder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STATUS", "1")
    with caplog.at_level(logging.WARNING):
        pagelake_record.task_callback("success")(context())
        monkeypatch.setattr(pagelake_command, "SPARK_SUBMIT", recorder.parent / "gone.sh")
        pagelake_record.task_callback("success")(context())
    assert caplog.messages[0] == "Not recorded (record-task ended with 1): api_key=*** is wrong"
    assert caplog.messages[1].startswith("Not recorded: FileNotFoundError: [Errno 2]")


def test_a_record_that_hangs_is_given_up(
    recorder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pagelake_command.SPARK_SUBMIT.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(pagelake_record, "TIMEOUT_S", 0.2)
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        pagelake_record.dag_callback("success")(context())
    assert time.monotonic() - started < 30
    assert "timed out" in caplog.text
    assert not recorder.exists()


def test_signals_of_airflows_group_do_not_reach_a_job() -> None:
    job = python("import os; print(os.getsid(0) == os.getpid())")
    assert list(job.lines()) == ["True"]
