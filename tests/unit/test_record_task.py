"""`record-task`: what is written, told and refused. No Spark, lakes of records alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from jobs.record_task import command
from jobs.status import command as status_command
from lib.errors import PagelakeError
from lib.lake import metrics
from lib.lake.layout import Layout, claim, lake_at
from lib.lake.metrics import DagRecord
from lib.lake.runs import Run
from lib.observe.metrics import Measurement, Metric, Series, to_record
from lib.observe.tasks import State, TaskEnd, measured
from tests.message_receivers import http_receiver
from tests.on_disk import on_disk

REPO = Path(__file__).parents[2]
DAY_0 = datetime(2026, 3, 5, 2, tzinfo=UTC)
MONDAY = "scheduled__2026-03-02T02:00:00+00:00"
TUESDAY = "scheduled__2026-03-03T02:00:00+00:00"
Rows = list[dict[str, Any]]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A lake without a run."""
    made = lake_at(f"{tmp_path}/a lake")
    claim(made, "demo", DAY_0)
    return made


def run(job: click.Command, *arguments: str) -> int:
    """The job's exit status, as `jobs/__main__.py` makes it of what the command returns or raises."""
    try:
        return int(job.main(list(arguments), standalone_mode=False) or 0)
    except click.ClickException:
        return 2
    except PagelakeError as error:
        return error.exit_status


def record(layout: Layout, *options: str, dag_run: str = MONDAY, source: str = "demo") -> int:
    where = ("--source", source, "--lake", str(layout.root), "--dag", "nightly", "--dag-run", dag_run)
    return run(command, *where, *options)


def task(name: str, number: int, state: str, seconds: float = 31) -> list[str]:
    return ["--task", name, "--try", str(number), "--state", state, "--seconds", str(seconds)]


def rows(layout: Layout) -> Rows:
    """What ops/metrics holds, read as another engine would."""
    table = QueryBuilder().register("t", DeltaTable(str(on_disk(layout.root) / "ops" / "metrics")))
    found: Rows = pa.table(table.execute('SELECT * FROM t ORDER BY dag_run, try_number, metric, "label"')).to_pylist()
    return found


def short(layout: Layout) -> list[tuple[object, ...]]:
    names = ("dag_run", "try_number", "metric", "label", "value")
    return [tuple(row[name] for name in names) for row in rows(layout)]


@pytest.mark.parametrize(
    ("number", "state", "expected"),
    [
        (1, "success", {"task_seconds": ("nightly/load/success", 31), "task_retries": 0, "failed_tasks": 0}),
        (3, "success", {"task_seconds": ("nightly/load/success", 31), "task_retries": 2, "failed_tasks": 0}),
        (3, "failed", {"task_seconds": ("nightly/load/failed", 31), "task_retries": 2, "failed_tasks": 1}),
        (1, "retried", {"task_seconds": ("nightly/load/retried", 31), "task_retries": 1}),
        (2, "retried", {"task_seconds": ("nightly/load/retried", 31), "task_retries": 2}),
    ],
)
def test_a_try_of_a_task_is_measured(layout: Layout, number: int, state: str, expected: dict[str, Any]) -> None:
    assert record(layout, *task("load", number, state), "--run-id", "r1") == 0
    whole = {name: one if isinstance(one, tuple) else ("nightly/load", one) for name, one in expected.items()}
    assert {row["metric"]: (row["label"], row["value"]) for row in rows(layout)} == {
        f"dag.{name}": one for name, one in whole.items()
    }
    for row in rows(layout):
        assert (row["dag_run"], row["try_number"], row["run_id"], row["table"]) == (MONDAY, number, "r1", None)
        age = datetime.now(UTC) - row["started_at"]
        assert timedelta(seconds=31) <= age < timedelta(seconds=91)
    units = {row["metric"]: row["unit"] for row in rows(layout)}
    assert {name: units[name] for name in ("dag.task_seconds", "dag.task_retries")} == {
        "dag.task_seconds": "s",
        "dag.task_retries": "{attempt}",
    }


@pytest.mark.parametrize(("state", "failed"), [("success", 0), ("failed", 1)])
def test_a_run_of_a_dag_is_measured(layout: Layout, state: str, failed: int) -> None:
    assert record(layout, "--state", state, "--seconds", "75.5") == 0
    assert short(layout) == [
        (MONDAY, None, "dag.failed_runs", "nightly", failed),
        (MONDAY, None, "dag.run_seconds", f"nightly/{state}", 75.5),
    ]
    assert {row["run_id"] for row in rows(layout)} == {None}


def test_the_same_end_told_twice_is_there_once_and_as_told_last(layout: Layout) -> None:
    record(layout, *task("load", 1, "retried", 5))
    record(layout, *task("load", 2, "failed", 6))
    others = [record(layout, *task("check", 1, "success", 7)), record(layout, "--state", "failed", "--seconds", "20")]
    others.append(record(layout, *task("load", 1, "success", 8), dag_run=TUESDAY))
    assert others == [0, 0, 0]
    record(layout, *task("load", 2, "success", 9))
    seconds = [row[:2] + row[3:] for row in short(layout) if row[2] in ("dag.task_seconds", "dag.run_seconds")]
    assert seconds == [
        (MONDAY, 1, "nightly/check/success", 7),
        (MONDAY, 1, "nightly/load/retried", 5),
        (MONDAY, 2, "nightly/load/success", 9),
        (MONDAY, None, "nightly/failed", 20),
        (TUESDAY, 1, "nightly/load/success", 8),
    ]
    # 3 of each try that is not retried, 2 of the others and of the DAG.
    assert len(rows(layout)) == 3 + 2 + 3 + 2 + 3


def test_a_dag_and_its_task_named_like_a_state_are_kept_apart(layout: Layout) -> None:
    record(layout, *task("success", 1, "failed"))
    record(layout, "--state", "success", "--seconds", "1")
    record(layout, "--state", "success", "--seconds", "2")
    assert [row[2:] for row in short(layout)] == [
        ("dag.failed_tasks", "nightly/success", 1),
        ("dag.task_retries", "nightly/success", 0),
        ("dag.task_seconds", "nightly/success/failed", 31),
        ("dag.failed_runs", "nightly", 0),
        ("dag.run_seconds", "nightly/success", 2),
    ]


def one_row(value: float) -> Rows:
    return [to_record(Measurement(Series(Metric.ROWS, "users"), value))]


def test_what_a_run_measures_and_what_is_recorded_of_its_tasks_leave_each_other_alone(layout: Layout) -> None:
    metrics.save(layout, "r1", DAY_0, one_row(1))
    record(layout, *task("load", 1, "failed"), "--run-id", "r1")
    metrics.save(layout, "r1", DAY_0, one_row(2))
    assert [(row["metric"], row["value"]) for row in metrics.of_run(layout, "r1")] == [("copy.rows", 2)]
    assert sorted((row["metric"], row["value"]) for row in rows(layout)) == [
        ("copy.rows", 2),
        ("dag.failed_tasks", 1),
        ("dag.task_retries", 0),
        ("dag.task_seconds", 31),
    ]


def test_a_run_and_its_tasks_may_be_recorded_at_the_same_moment(layout: Layout) -> None:
    """Each thread replaces its own rows six times."""
    metrics.save(layout, "r0", DAY_0, one_row(7))
    start = threading.Barrier(3)

    def often(save: Callable[[int], None]) -> None:
        start.wait()
        for number in range(6):
            save(number)

    def a_task(name: str) -> Callable[[int], None]:
        end = TaskEnd("nightly", MONDAY, name, 1, State.SUCCESS, 1, DAY_0)
        of = DagRecord(MONDAY, 1, None, DAY_0, end.labels)
        return lambda _: metrics.save_of_dag(layout, of, [to_record(one) for one in measured(end)])

    savers = [lambda number: metrics.save(layout, "r1", DAY_0, one_row(number)), a_task("load"), a_task("check")]
    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(often, savers))  # raises what a thread raised
    assert sorted((row["metric"], row["label"], row["value"]) for row in rows(layout) if row["dag_run"] is None) == [
        ("copy.rows", None, 5),
        ("copy.rows", None, 7),
    ]
    assert len(rows(layout)) == 2 + 3 + 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task", "load", "--state", "failed", "--seconds", "1"], "--task and --try go together"),
        (["--try", "1", "--state", "failed", "--seconds", "1"], "--task and --try go together"),
        (["--state", "retried", "--seconds", "1"], "only a task is tried again"),
        (["--state", "failed", "--seconds", "nan"], "--seconds nan"),
        (["--state", "failed", "--seconds", "inf"], "--seconds inf"),
        (["--state", "failed", "--seconds", "1", "--dag", "a/b"], "--dag 'a/b'"),
        (["--state", "failed", "--seconds", "1", "--dag", "ada@example.org"], "--dag 'ada@example.org'"),
        (["--state", "failed", "--seconds", "1", "--dag", "x" * 251], "1 to 250 letters"),
        (["--state", "failed", "--seconds", "1", "--dag-run", "it's"], '--dag-run "it\'s"'),
        (["--state", "failed", "--seconds", "1", "--dag-run", "a b"], "--dag-run 'a b'"),
        ([*task("lo ad", 1, "failed")], "--task 'lo ad'"),
        ([*task("load", 1, "failed"), "--run-id", "../x"], "--run-id '../x'"),
    ],
)
def test_ids_and_options_that_cannot_be_are_refused_before_anything_is_touched(
    layout: Layout, options: list[str], words: str
) -> None:
    with pytest.raises(PagelakeError) as refused:
        command.main(
            ["--lake", str(layout.root), "--dag", "nightly", "--dag-run", MONDAY, *options], standalone_mode=False
        )
    assert refused.value.exit_status == 2
    assert words in str(refused.value)
    assert sorted(path.name for path in on_disk(layout.root).iterdir()) == [".key", "lake.json"]


@pytest.mark.parametrize(
    "options",
    [
        ["--state", "done", "--seconds", "1"],
        ["--state", "failed", "--seconds", "-1"],
        ["--state", "failed"],
        [*task("load", 0, "failed")],
    ],
)
def test_options_that_are_no_values_are_usage(layout: Layout, options: list[str]) -> None:
    assert record(layout, *options) == 2
    assert sorted(path.name for path in on_disk(layout.root).iterdir()) == [".key", "lake.json"]


def test_a_failed_task_is_told_at_once_and_over_with_its_next_success(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        for options, dag_run in (
            (task("load", 1, "retried"), MONDAY),
            (task("load", 2, "failed"), MONDAY),
            (["--state", "failed", "--seconds", "99"], MONDAY),
            (task("load", 1, "failed"), TUESDAY),
            (task("check", 1, "success"), TUESDAY),
            (task("load", 2, "success"), TUESDAY),
            (task("load", 1, "success"), "manual__1"),
        ):
            assert record(layout, *options, dag_run=dag_run) == 0
            told.append(len(ops.titles))
    assert told == [0, 1, 1, 1, 1, 2, 2]
    assert ops.titles == ["[critical] demo: task-failed", "[recovered] demo: task-failed"]
    first, last = (body["message"].splitlines()[0] for body in ops.bodies)
    assert first == (f"dag.failed_tasks of nightly/load: 1 task, above 0 tasks; try 2 of {MONDAY}, after 31 s")
    assert last == "dag.failed_tasks of nightly/load: 0 tasks, not above 0 tasks"


def test_a_task_that_its_dag_has_no_more_is_over_with_the_dag_s_next_success(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        record(layout, *task("old", 1, "failed"))
        # A task that fails without failing its DAG has failed all the same.
        record(layout, "--state", "success", "--seconds", "9")
        assert ops.titles == ["[critical] demo: task-failed"]
        record(layout, *task("new", 1, "success"), dag_run=TUESDAY)
        record(layout, "--state", "failed", "--seconds", "9", dag_run=TUESDAY)
        assert len(ops.titles) == 1
        record(layout, "--state", "success", "--seconds", "9", dag_run="manual__1")
    assert ops.titles[1:] == ["[recovered] demo: task-failed"]
    assert ops.bodies[1]["message"].startswith("dag.failed_tasks of nightly/old: its DAG has run without it")


def test_the_message_names_the_run_that_the_task_worked_on(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.now(UTC)
    Run("r1", "demo", at, "", "{}", state="published", exit_status=0, ended_at=at).save(layout)
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        record(layout, *task("load", 1, "failed"), "--run-id", "r1")
        record(layout, *task("check", 1, "failed"), "--run-id", "another")
    assert ["Run:    r1" in body["message"] for body in ops.bodies] == [True, False]


def test_a_task_that_failed_stays_failed_in_prometheus_while_it_is_tried_again(layout: Layout, tmp_path: Path) -> None:
    options = ["--set", f"metrics.prometheus_file={tmp_path / 'demo.prom'}"]
    series = 'pagelake_dag_failed_tasks{dag="nightly",source="demo",task="load"}'
    found = []
    for state, number, dag_run in (
        ("retried", 1, MONDAY),
        ("failed", 2, MONDAY),
        ("retried", 1, TUESDAY),
        ("success", 2, TUESDAY),
        ("retried", 1, "manual__1"),
    ):
        assert record(layout, *task("load", number, state), *options, dag_run=dag_run) == 0
        text = (tmp_path / "demo+nightly+load.prom").read_text("utf-8")
        found.append([line.split()[-1] for line in text.splitlines() if line.startswith(series)])
    assert found == [[], ["1.0"], ["1.0"], ["0.0"], ["0.0"]]
    # It was recorded when it was measured, and not again.
    assert [row[:2] for row in short(layout) if row[2] == "dag.failed_tasks"] == [(MONDAY, 2), (TUESDAY, 2)]


def test_without_a_lake_it_is_told_and_exported_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = lake_at(f"{tmp_path}/nowhere")
    file = tmp_path / "demo.prom"
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        options = [*task("load", 1, "failed"), "--set", f"metrics.prometheus_file={file}"]
        assert record(nowhere, *options) == 0
    assert ops.titles == ["[critical] demo: task-failed"]
    assert 'pagelake_dag_failed_tasks{dag="nightly",source="demo",task="load"} 1.0' in (
        tmp_path / "demo+nightly+load.prom"
    ).read_text("utf-8")
    assert f"There is no lake at {nowhere.root} yet: nothing was written to it." in capsys.readouterr().out
    assert not on_disk(nowhere.root).exists()


@pytest.mark.parametrize(("state", "titles"), [("failed", ["[critical] shop: task-failed"]), ("success", [])])
def test_a_task_that_failed_for_a_mistake_in_the_yaml_is_told_all_the_same(
    tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch, state: str, titles: list[str]
) -> None:
    shop = tmp_path / "shop.yml"
    shop.write_text("source: shop\nno_such_key: 1\n", "utf-8")
    with http_receiver() as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        assert record(layout, *task("load", 1, state), source=str(shop)) == 2
    assert ops.titles == titles
    assert sorted(path.name for path in on_disk(layout.root).iterdir()) == [".key", "lake.json"]


def test_each_thing_that_could_not_be_done_is_named_and_keeps_no_other_back(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (on_disk(layout.root) / "ops").mkdir()
    (on_disk(layout.root) / "ops" / "metrics").write_text("no table", "utf-8")
    file = tmp_path / "demo.prom"
    no_file = tmp_path / "missing" / "demo.prom"
    with http_receiver(status=500) as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        assert record(layout, *task("load", 1, "failed"), "--set", f"metrics.prometheus_file={file}") == 1
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Not done: ")]
        assert [line.split()[2:5] for line in said] == [
            [str(on_disk(layout.root) / "ops" / "metrics").split()[0], "lake/ops/metrics", "cannot"],
            ["channel", "ops:", "it"],
        ]
        assert (tmp_path / "demo+nightly+load.prom").exists()
        ops.status = 200
        assert record(layout, *task("load", 1, "failed"), "--set", f"metrics.prometheus_file={no_file}") == 1
    assert "the metrics did not reach metrics.prometheus_file" in capsys.readouterr().out


def test_what_did_not_arrive_is_exit_1_and_comes_with_the_next_evaluation(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.observe.alerts.SHORTEST", timedelta(0))
    with http_receiver(status=500) as ops:
        monkeypatch.setenv("PAGELAKE_ALERT_URL", f"json://127.0.0.1:{ops.port}")
        assert record(layout, *task("load", 1, "failed")) == 1
        ops.status = 200
        assert record(layout, *task("check", 1, "success")) == 0
    assert ops.titles == ["[critical] demo: task-failed"]


def test_a_task_that_takes_much_longer_than_its_last_ends_is_odd(layout: Layout, tmp_path: Path) -> None:
    end = TaskEnd("nightly", "", "load", 1, State.SUCCESS, 30, datetime.now(UTC))
    for days in range(1, 22):
        at = end.started_at - timedelta(days=days)
        # Tries that failed at once say nothing of how long a good one takes.
        for number, state, seconds in ((1, State.RETRIED, 1.0), (2, State.SUCCESS, 30.0)):
            one = TaskEnd("nightly", f"day-{days}", "load", number, state, seconds, at)
            of = DagRecord(one.dag_run, number, None, at, one.labels)
            metrics.save_of_dag(layout, of, [to_record(found) for found in measured(one)])
    assert record(layout, *task("load", 1, "success", 70), dag_run="today") == 0
    assert record(layout, *task("load", 2, "success", 80), dag_run="today") == 0
    judged = {
        row["try_number"]: (row["low"], row["high"], row["is_anomaly"])
        for row in rows(layout)
        if row["dag_run"] == "today" and row["metric"] == "dag.task_seconds"
    }
    # 30 s give or take 150 %: up to 75 s.
    assert judged == {1: (0, 75, False), 2: (0, 75, True)}


def test_an_end_that_is_told_twice_is_not_judged_by_itself(layout: Layout) -> None:
    now = datetime.now(UTC)
    for weeks in range(1, 7):
        one = TaskEnd("nightly", f"week-{weeks}", "load", 1, State.SUCCESS, 30, now - timedelta(weeks=weeks))
        of = DagRecord(one.dag_run, 1, None, one.started_at, one.labels)
        metrics.save_of_dag(layout, of, [to_record(found) for found in measured(one)])
    for _ in range(2):
        record(layout, *task("load", 1, "success", 900), dag_run="today")
        # Six ends before it are one too few to judge by.
        scores = {row["score"] for row in rows(layout) if row["dag_run"] == "today"}
        assert scores == {None}


def failing(layout: Layout, capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    """What `status` says of failing tasks: as JSON, and as text."""
    capsys.readouterr()
    assert run(status_command, "--lake", str(layout.root), "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert run(status_command, "--lake", str(layout.root)) == 0
    text = capsys.readouterr().out
    return said, text[text.index("Failing:") :] if "Failing:" in text else text


def test_status_says_which_task_fails_until_it_ends_well(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    Run("r1", "demo", DAY_0, "", "{}", state="published", exit_status=0, ended_at=DAY_0).save(layout)
    record(layout, *task("load", 1, "failed"), "--run-id", "r1")
    record(layout, "--state", "failed", "--seconds", "40")
    said, text = failing(layout, capsys)
    [one] = said["failing_tasks"]
    began = datetime.fromisoformat(one.pop("started_at"))
    assert one == {"dag": "nightly", "task": "load", "dag_run": MONDAY, "try_number": 1, "run_id": "r1"}
    assert text.splitlines()[:2] == [
        f"Failing:   task load of DAG nightly: try 1 of {MONDAY}, begun {began:%Y-%m-%d %H:%M} UTC",
        "Next:      see the log of what failed in the scheduler; its next success clears this",
    ]
    record(layout, *task("load", 1, "retried"), dag_run=TUESDAY)
    assert len(failing(layout, capsys)[0]["failing_tasks"]) == 1
    record(layout, *task("load", 2, "success"), dag_run=TUESDAY)
    said, text = failing(layout, capsys)
    assert [(one["dag"], one["task"], one["try_number"]) for one in said["failing_tasks"]] == [("nightly", None, None)]
    assert text.startswith(f"Failing:   DAG nightly: {MONDAY}, begun ")
    record(layout, "--state", "success", "--seconds", "40", dag_run=TUESDAY)
    said, text = failing(layout, capsys)
    assert said["failing_tasks"] == []
    assert text.startswith("Failing:   nothing\nNext:      nothing to do\n")


def test_status_tells_a_failing_task_beside_a_failing_run_and_before_any_run(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    record(layout, *task("load", 1, "failed"))
    assert "Failing:   task load of DAG nightly: try 1 of " in failing(layout, capsys)[1]
    Run("r1", "demo", DAY_0, "", "{}", state="failed", exit_status=4, ended_at=DAY_0, message="404").save(layout)
    said, text = failing(layout, capsys)
    assert (said["failing"]["run_id"], len(said["failing_tasks"])) == ("r1", 1)
    assert text.startswith("Failing:   run r1: source failed: 404\n           task load of DAG nightly: try 1 of ")
    assert said["next"] == "fix the cause, then run the same command again"


def test_it_starts_no_java_and_reads_no_gx(layout: Layout) -> None:
    script = (
        "import sys; from jobs.record_task import command; from pyspark import SparkContext\n"
        "command.main(sys.argv[1:], standalone_mode=False)\n"
        "print(sorted({'great_expectations', 'altair'} & set(sys.modules)), SparkContext._gateway)"
    )
    where = ["--lake", str(layout.root), "--dag", "nightly", "--dag-run", MONDAY]
    arguments = [sys.executable, "-c", script, *where, *task("load", 1, "success")]
    done = subprocess.run(arguments, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Recorded: task load of DAG nightly, try 1: success after 31 s",
        "[] None",
    ]
