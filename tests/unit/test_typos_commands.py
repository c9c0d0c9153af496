"""A name on the command line that does not exist is exit 2 with the nearest one: no Spark, no record, no folder, no alert."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from jobs import explain_row, failures, full_ingest, record_task, sanity_check, status
from jobs.__main__ import main
from jobs.steps import record
from jobs.steps.options import Job, read_alerts
from lib.errors import ConfigError
from lib.lake import runs
from lib.lake.runs import Run
from lib.lake.states import RunState, Step
from tests.made_up_runs import job_at, make_runs
from tests.message_receivers import http_receiver
from tests.on_disk import on_disk

JOBS: dict[str, click.Command] = {
    "full-ingest": full_ingest.command,
    "sanity-check": sanity_check.command,
    "status": status.command,
    "failures": failures.command,
    "explain-row": explain_row.command,
    "record-task": record_task.command,
}
ROW = ("--table", "tracks", "--key", "id=1")
TASK = ("--dag", "nightly", "--dag-run", "manual__1", "--state", "failed", "--seconds", "3")
ACCEPT = ("--reason", "known", "--accept")
# The made-up run 12, which is the last one, failed by listen_history.orphans.user_id.
N_RUNS = 13


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = job_at(tmp_path_factory.mktemp("typos") / "demo")
    make_runs(job, N_RUNS)
    return job


def footprint(folder: Path) -> dict[Path, tuple[int, int]]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, lake: Path, *options: str
) -> str:
    """What a job says that ends with 2 and tells nobody of it."""
    for module in ("jobs.steps.publish", "jobs.explain_row", "jobs.retrain_model"):
        monkeypatch.setattr(f"{module}.start_session", lambda *_, **__: pytest.fail("Spark was started"))
    for variable, value in os.environ.items():  # so that what main() sets is undone
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "pyspark-shell")
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        assert main([name, "--lake", str(lake), *options]) == 2
    assert ops.titles == []
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("name", "options", "meant"),
    [
        ("full-ingest", ["--resume", "run-012"], "run-0012"),
        ("full-ingest", ["--from-landed", "run-012"], "run-0012"),
        ("full-ingest", ["--from-landed", "al"], "all"),
        ("full-ingest", ["--tables", "tracks,usres"], "users"),
        ("full-ingest", ["--source", "dmeo"], "demo"),
        ("full-ingest", ["--set", "api.limits.concurency=4"], "concurrency"),
        ("sanity-check", ["--run-id", "run-012"], "run-0012"),
        ("sanity-check", ["--tables", "trakcs"], "tracks"),
        ("sanity-check", ["--source", "dmeo"], "demo"),
        ("sanity-check", [*ACCEPT, "listen_history.orphans.items"], "listen_history.orphans.items[]"),
        ("sanity-check", ["--run-id", "run-012", *ACCEPT, "listen_history.orphans.user_id"], "run-0012"),
        ("failures", ["--run", "run-012"], "run-0012"),
        ("explain-row", ["--table", "trakcs", "--key", "id=1"], "tracks"),
        ("explain-row", ["--table", "tracks", "--key", "idd=1"], "id"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_changes_nothing(
    name: str,
    options: list[str],
    meant: str,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = footprint(on_disk(job.layout.root))
    assert f"did you mean {meant!r}?" in refused(monkeypatch, capsys, name, on_disk(job.layout.root), *options)
    assert footprint(on_disk(job.layout.root)) == before


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("full-ingest", ["--run-id", "run-0012"], "this lake has a run of that name"),
        ("full-ingest", ["--resume", "tonight"], "the last one is 'run-0012'"),
        ("sanity-check", [*ACCEPT, "listen_history.orphans.items[]"], "listen_history.orphans.user_id"),
        ("sanity-check", ["--rollback", "run-0011"], "unexpected extra argument"),
        ("sanity-check", ["--rollbak"], "--rollback"),
        ("sanity-check", ["--rollback"], "nothing was ever published here"),
        ("status", ["--alerts", "chek"], "check"),
        ("record-task", [*TASK, "--run-id", "run 1"], "--run-id 'run 1'"),
        ("record-task", ["--dag", "a b", *TASK[2:]], "--dag 'a b'"),
        ("record-task", [*TASK[:4], "--state", "failde", *TASK[6:]], "failed"),
        ("record-task", [*TASK, "--task", "load"], "--task and --try go together"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    name: str,
    options: list[str],
    words: str,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = footprint(on_disk(job.layout.root))
    assert words in refused(monkeypatch, capsys, name, on_disk(job.layout.root), *options)
    changed = {path for path, about in footprint(on_disk(job.layout.root)).items() if before.get(path) != about}
    assert changed <= {on_disk(job.layout.lock)}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("full-ingest", ["--resume", "run-0012"]),
        ("full-ingest", ["--from-landed", "run-0012"]),
        ("full-ingest", ["--from-landed", "all"]),
        ("sanity-check", []),
        ("sanity-check", ["--run-id", "run-0012"]),
        ("sanity-check", [*ACCEPT, "listen_history.orphans.user_id"]),
        ("sanity-check", ["--rollback"]),
        ("status", []),
        ("status", ["--format", "json"]),
        ("failures", ["--run", "run-0012"]),
        ("status", ["--alerts", "check"]),
        ("explain-row", [*ROW]),
    ],
)
def test_a_lake_that_is_not_there_is_not_made_and_the_nearest_one_is_named(
    name: str, options: list[str], job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typo = on_disk(job.layout.root).with_name("dmeo")
    assert f"did you mean {str(job.layout.root)!r}?" in refused(monkeypatch, capsys, name, typo, *options)
    assert [path.name for path in typo.parent.iterdir()] == ["demo"]


def test_a_task_that_ends_before_there_is_a_lake_makes_none_and_says_so(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    typo = on_disk(job.layout.root).with_name("dmeo")
    # A DAG whose first task failed has no lake yet, and its alerts have to arrive: this one is no mistake.
    assert not record_task.command.main(["--lake", str(typo), *TASK], standalone_mode=False)
    assert f"no lake at {typo} yet: nothing was written to it; did you mean {str(job.layout.root)!r}?" in (
        capsys.readouterr().out
    )
    assert [path.name for path in typo.parent.iterdir()] == ["demo"]


def test_no_lake_is_named_where_none_is_near(tmp_path: Path) -> None:
    (tmp_path / "dem0").mkdir()  # a folder, and no lake
    for lake in (tmp_path / "demo", tmp_path / "none" / "demo"):
        with pytest.raises(ConfigError) as refused:
            JOBS["status"].main(["--lake", str(lake)], standalone_mode=False)
        assert str(refused.value).endswith("or give another --lake")


@pytest.mark.parametrize("name", ["status", "explain-row", "failures"])
def test_an_option_that_would_change_nothing_is_none(name: str) -> None:
    for option in ("--tables", "--run-id"):
        with pytest.raises(click.NoSuchOption):
            JOBS[name].main([option, "x"], standalone_mode=False)


@pytest.mark.parametrize("name", sorted(JOBS))
def test_help_lists_the_options_that_do_something_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    JOBS[name].main(["--help"], standalone_mode=False)
    listed = set(re.findall(r"(?m)^  (--[a-z-]+)", capsys.readouterr().out))
    assert {"--source", "--lake", "--set", "--log-format", "--verbose"} <= listed
    asks_the_api = name == "full-ingest"
    assert ("--api-url" in listed, "--tables" in listed) == (asks_the_api, asks_the_api)
    assert ("--run-id" in listed) == (name in ("full-ingest", "sanity-check", "record-task"))


def mistaken(run: Run) -> None:
    """What a check does with a run that was merged, and stopped or failed later on, until it finds a mistake."""
    if run.state == runs.FAILED:
        run.to(RunState.MERGED)
    raise ConfigError("a typo")


def ended_by_a_mistake(job: Job, run: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, list[str]]:
    """The run's record after a job that works on it has ended by a mistake in its command line, and who was told what."""
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        job = replace(job, alerts=read_alerts(job.runtime, [table.name for table in job.source.tables]))
        with pytest.raises(ConfigError, match="a typo"), record.recorded(job, run, "sanity-check"):
            mistaken(run)
    [recorded] = [one for one in runs.all_runs(job.layout) if one.run_id == run.run_id]
    return recorded, ops.titles


@pytest.mark.parametrize(
    ("state", "status", "message"),
    [("failed", 143, "stopped by a signal"), ("failed", 1, "OSError"), ("merged", 0, None), ("merged", None, None)],
)
def test_a_mistake_that_only_the_check_can_see_leaves_the_run_as_it_was(
    state: str, status: int | None, message: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_at(tmp_path / "demo")
    make_runs(job, 1)
    ended_at = None if status is None else datetime(2026, 3, 1, tzinfo=UTC)
    ended = Run("mine", "demo", job.now, "", "{}", None, state, message, status, ended_at, number=2, done=Step.DERIVE)
    ended.save(job.layout)
    mine = runs.all_runs(job.layout)[-1]
    before = footprint(on_disk(job.layout.metrics))
    assert ended_by_a_mistake(job, replace(mine), monkeypatch) == (mine, [])
    assert footprint(on_disk(job.layout.metrics)) == before
    assert not on_disk(job.layout.alerts).exists()


def test_a_run_that_is_on_its_way_is_ended_by_a_mistake_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_at(tmp_path / "demo")
    run = runs.new_run("mine", "demo", "", {}, job.now)
    recorded, told = ended_by_a_mistake(job, run, monkeypatch)
    assert (recorded.exit_status, recorded.message) == (2, "a typo")
    assert recorded.ended_at is not None
    assert "[critical] demo: run-failed" in told
