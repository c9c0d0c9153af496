from __future__ import annotations

import os
import platform
import re
import shlex
import signal
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jobs import __main__ as entry
from jobs import cli
from lib.errors import ChecksFailedError, SourceIncompleteError


@pytest.mark.parametrize(
    ("arguments", "spark_options", "job", "job_options"),
    [
        ([], [], None, []),
        (["full-ingest"], [], "full-ingest", []),
        (["full-ingest", "--lake", "x y"], [], "full-ingest", ["--lake", "x y"]),
        (["--master", "local[4]", "full-ingest"], ["--master", "local[4]"], "full-ingest", []),
        (["--conf", "a=b c", "full-ingest"], ["--conf", "a=b c"], "full-ingest", []),
        (["--conf=a=b", "full-ingest"], ["--conf", "a=b"], "full-ingest", []),
        (["-v", "--supervise", "full-ingest", "--verbose"], ["-v", "--supervise"], "full-ingest", ["--verbose"]),
        (["full-ingest", "--conf", "x"], [], "full-ingest", ["--conf", "x"]),
        (["--name", "--odd", "full-ingest"], ["--name", "--odd"], "full-ingest", []),
        (["full-ingest", "--help"], [], "full-ingest", ["--help"]),
    ],
)
def test_options_before_the_job_are_sparks_and_those_after_it_are_the_jobs(
    arguments: list[str], spark_options: list[str], job: str | None, job_options: list[str]
) -> None:
    assert cli.split(arguments) == cli.Invocation(tuple(spark_options), job, tuple(job_options))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--master", "local", "--help", "full-ingest"]])
def test_help_before_a_job_is_help_of_the_whole(arguments: list[str]) -> None:
    assert cli.split(arguments).help


def test_a_job_option_before_the_job_is_refused_with_a_hint() -> None:
    with pytest.raises(cli.UsageError, match=r"--lake is not an option of spark-submit\. .* after its name"):
        cli.split(["--lake", "/x", "full-ingest"])


def test_an_option_without_its_value_is_refused() -> None:
    with pytest.raises(cli.UsageError, match="--master needs a value"):
        cli.split(["--master"])


def test_spark_options_survive_the_quoting_of_pyspark() -> None:
    options = ["--conf", "spark.app.name=it's a test", "--driver-java-options", '-Da="b c"']
    added = cli.spark_environment(options, {}, python="/venv/bin/python")
    assert shlex.split(added["PYSPARK_SUBMIT_ARGS"]) == [
        "--properties-file", str(cli.SPARK_DEFAULTS), *options, "pyspark-shell",
    ]  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--master", "local[2]"), ("--conf", "spark.master=local[*,4]")])
def test_a_local_spark_stays_on_the_loopback_address_with_our_python(options: tuple[str, ...]) -> None:
    added = cli.spark_environment(options, {"PYSPARK_PYTHON": "/usr/bin/python2"}, python="/venv/bin/python")
    assert (added["SPARK_LOCAL_IP"], added["PYSPARK_PYTHON"]) == ("127.0.0.1", "/venv/bin/python")


@pytest.mark.parametrize(
    "options", [("--master", "yarn"), ("-c", "spark.master=spark://h:7077"), ("--master", "spark://h:7077", "-v")]
)
def test_a_cluster_keeps_its_address_and_its_python(options: tuple[str, ...]) -> None:
    added = cli.spark_environment(options, {"PYSPARK_PYTHON": "/opt/python"}, python="/venv/bin/python")
    assert "SPARK_LOCAL_IP" not in added
    assert added["PYSPARK_PYTHON"] == "/opt/python"


def test_a_master_in_the_users_own_defaults_counts(tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text("# ours\nspark.master   spark://h:7077\n", encoding="utf-8")
    added = cli.spark_environment((), {"SPARK_CONF_DIR": str(tmp_path)}, python="python")
    assert "SPARK_LOCAL_IP" not in added


@pytest.mark.parametrize(
    "options", [["--deploy-mode", "cluster"], ["--deploy-mode=cluster"], ["--conf", "spark.submit.deployMode=cluster"]]
)
def test_cluster_deploy_mode_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([*options, "full-ingest"]) == 2
    assert "exit status" in capsys.readouterr().err


def test_help_lists_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(job in printed for job in cli.JOBS)


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert entry.main(["--version"]) == 0
    printed = capsys.readouterr().out
    assert re.fullmatch(
        rf"Pagelake {re.escape(project['version'])} \(Spark 4\.[\d.]+, delta-rs [\d.]+, Great Expectations [\d.]+, "
        rf"Python {re.escape(platform.python_version())}\)\n",
        printed,
    )


def test_no_job_prints_the_usage_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.split(":")[0]) == ("", "Usage")


def test_a_misspelt_job_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["ful-ingest"]) == 2
    assert "Did you mean full-ingest?" in capsys.readouterr().err


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A job that ends as it is told."""

    @click.command()
    @click.option("--end", default="0")
    @click.option("--verbose", is_flag=True)
    def command(end: str, verbose: bool) -> int:  # noqa: FBT001 - click calls it by keyword
        if end == "checks":
            raise ChecksFailedError("3 expectations failed in tracks.")
        if end == "source":
            raise SourceIncompleteError("99 of 100 rows landed.")
        if end == "bug":
            raise ZeroDivisionError("first line\nsecond line")
        if end == "ctrl-c":
            raise KeyboardInterrupt
        if end == "sigterm":
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        return int(end)

    module = types.ModuleType("job_of_the_test")
    module.command = command
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(cli.JOBS, "a-job", (module.__name__, "ends as it is told"))
    for name in ("PYSPARK_SUBMIT_ARGS", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # so that what main() sets is undone
    before = signal.getsignal(signal.SIGTERM)
    yield "a-job"
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        ("0", 0, ""),
        ("4", 4, ""),
        ("checks", 3, "3 expectations failed in tracks.\n"),
        ("source", 4, "99 of 100 rows landed.\n"),
        ("bug", 1, "ZeroDivisionError: first line (run with --verbose for the traceback)\n"),
        ("ctrl-c", 130, "\n"),
    ],
)
def test_how_a_job_ends_is_the_exit_status(
    job: str, end: str, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main([job, "--end", end]) == status
    assert capsys.readouterr().err == words


def test_sigterm_ends_with_143_by_an_exception_that_finally_blocks_see(job: str) -> None:
    with pytest.raises(SystemExit) as ended:
        entry.main([job, "--end", "sigterm"])
    assert ended.value.code == 143


@pytest.mark.parametrize("end", ["bug", "checks"])
def test_verbose_shows_the_traceback(job: str, end: str, capsys: pytest.CaptureFixture[str]) -> None:
    entry.main([job, "--end", end, "--verbose"])
    assert "Traceback" in capsys.readouterr().err


def test_a_wrong_job_option_is_usage(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([job, "--ends", "0"]) == 2
    printed = capsys.readouterr().err
    assert "Usage: ./spark-submit.sh a-job" in printed
    assert "--ends" in printed


def test_help_of_a_job_is_status_0(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main([job, "--help"]) == 0
    assert "--end" in capsys.readouterr().out
