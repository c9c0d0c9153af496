"""Airflow as its operator meets it: init, start, runs of its DAGs through its API, its page, terminate.

State, port and lakes are the test's own; the environment in .airflow/venv is the clone's, and is made where it is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import sync_playwright

from tests.e2e.jobs_and_lakes import ROOT, SMALL, good, missing, read, served_rows
from tests.message_receivers import Receiver, http_receiver

# The first test waits for packages where there is no .airflow/venv yet.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

PASSWORD = 'corr3ct "horse" bättery'
KEY = "k3y-of-the-shop"
NOT_TONIGHT = "0 0 29 2 *"  # no run but those of the tests
SCHEDULES = {"PAGELAKE_AIRFLOW_CRON": NOT_TONIGHT, "PAGELAKE_AIRFLOW_RETRAIN_CRON": NOT_TONIGHT}
CHROMIUM = Path("/usr/bin/chromium")
ENDED = ("success", "failed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@dataclass(frozen=True)
class Airflow:
    """An Airflow with a state of its own."""

    home: Path
    port: int

    def script(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        mine = {"PAGELAKE_AIRFLOW_HOME": str(self.home), "PAGELAKE_AIRFLOW_PORT": str(self.port)}
        return subprocess.run(
            [str(ROOT / "airflow" / name)],
            env={**os.environ, **mine, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )

    def ask(self, method: str, path: str, body: object = None) -> Any:
        login = {"username": "admin", "password": PASSWORD}
        token = requests.post(f"http://127.0.0.1:{self.port}/auth/token", json=login, timeout=60).json()["access_token"]
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        answer = requests.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        return {"status": answer.status_code, **(answer.json() if answer.content else {})}

    def trigger(self, dag_run_id: str, **conf: str) -> None:
        body = {"dag_run_id": dag_run_id, "logical_date": None, "conf": conf}
        assert self.ask("POST", "dags/full_ingest/dagRuns", body)["status"] == 200

    def switch(self, dag: str, *, on: bool) -> None:
        assert self.ask("PATCH", f"dags/{dag}", {"is_paused": not on})["status"] == 200

    def state_of(self, dag_run_id: str, dag: str) -> str:
        return str(self.ask("GET", f"dags/{dag}/dagRuns/{quote(dag_run_id)}")["state"])

    def ended(self, dag_run_id: str, dag: str = "full_ingest") -> dict[str, Any]:
        """The run's tasks by name, once it has ended."""
        deadline = time.monotonic() + 600
        while self.state_of(dag_run_id, dag) not in ENDED:
            assert time.monotonic() < deadline, f"{dag_run_id} does not end"
            time.sleep(1)
        return self.tasks(dag_run_id, dag)

    def tasks(self, dag_run_id: str, dag: str = "full_ingest") -> dict[str, Any]:
        """The run's tasks by name; those of a mapped task are `name.source`, as its page calls them."""
        found = self.ask("GET", f"dags/{dag}/dagRuns/{quote(dag_run_id)}/taskInstances")["task_instances"]
        return {".".join(filter(None, (task["task_id"], task["rendered_map_index"]))): task for task in found}

    def started_by(self, dag_run_id: str) -> str:
        """The run of `recommendations` that the publication of a run started."""
        deadline = time.monotonic() + 120
        while True:
            for run in self.ask("GET", "dags/recommendations/dagRuns")["dag_runs"]:
                events = self.ask("GET", f"dags/recommendations/dagRuns/{quote(run['dag_run_id'])}/upstreamAssetEvents")
                if dag_run_id in [event["source_run_id"] for event in events["asset_events"]]:
                    return str(run["dag_run_id"])
            assert time.monotonic() < deadline, f"{dag_run_id} starts nothing"
            time.sleep(1)

    def events(self, dag_run_id: str) -> list[dict[str, Any]]:
        """The asset events that a run made."""
        found = self.ask("GET", "assets/events")["asset_events"]
        return [event for event in found if event["source_run_id"] == dag_run_id]

    def all_logs(self) -> dict[str, str]:
        files = [file for file in (self.home / "logs").rglob("*") if file.is_file()]
        return {str(file): file.read_text("utf-8", "replace") for file in files}

    def log_file(self, dag_run_id: str, task: str) -> Path:
        folder = self.home / "logs" / "dag_id=full_ingest" / f"run_id={dag_run_id}" / f"task_id={task}"
        return folder / "attempt=1.log"

    def log(self, dag_run_id: str, task: str) -> str:
        """The log of a task's first try, as Airflow keeps it."""
        return self.log_file(dag_run_id, task).read_text("utf-8")


def source_file(folder: Path, name: str, **changed: str) -> str:
    """The demo's YAML with little data, and what else is changed, as `key: old` -> `key: new`."""
    text = (ROOT / "conf" / "sources" / "demo.yml").read_text("utf-8")
    changes = {"tracks: 2000": f"tracks: {SMALL['tracks']}", "users: 1000": f"users: {SMALL['users']}"}
    changes |= {"sessions: 20000": f"sessions: {SMALL['sessions']}", **changed}
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = folder / f"{name}.yml"
    file.write_text(text, "utf-8")
    return str(file)


def shop_file(folder: Path, port: int) -> str:
    """The service's YAML at an address where nobody answers yet, with a key from the environment; it gives up soon."""
    text = (ROOT / "conf" / "sources" / "moovitamix.yml").read_text("utf-8")
    text = text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
    text = text.replace("{type: none}", '{type: header, name: X-Api-Key, value: "${SHOP_API_KEY}"}')
    text = text.replace("attempts: 6, max_wait_s: 120", "attempts: 2, max_wait_s: 1")
    assert "SHOP_API_KEY" in text
    assert "attempts: 2" in text
    file = folder / "shop.yml"
    file.write_text(text, "utf-8")
    return str(file)


def processes_with(word: str) -> list[str]:
    """The command lines of processes whose environment or command line holds a word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and any(
                word.encode() in (folder / name).read_bytes() for name in ("environ", "cmdline")
            ):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@dataclass(frozen=True)
class AtWork:
    """What was said at init and start, where Airflow sends its own metrics, and who is told of alerts."""

    airflow: Airflow
    init: str
    start: str
    statsd: socket.socket
    ops: Receiver


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtWork]:
    """Airflow at work after a half-made init and a start that was killed. What is still there at the end is ended."""
    made = Airflow(tmp_path_factory.mktemp("air flow") / "state", free_port())
    made.home.mkdir()
    (made.home / "airflow.cfg").write_text("[core", "utf-8")
    (made.home / "airflow.db").write_text("half a database", "utf-8")
    init = made.script("init.sh", AIRFLOW_ADMIN_PASSWORD=PASSWORD, PAGELAKE_AIRFLOW_UNPAUSED="1", **SCHEDULES)
    assert init.returncode == 0, init.stdout + init.stderr
    (made.home / "start.json").write_text('{"mark": "of a start long ago", "pid": 1, "port": 1}', "utf-8")
    with http_receiver() as ops, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        start = made.script(
            "start.sh",
            SHOP_API_KEY=KEY,
            PAGELAKE_ALERT_URL=f"json://127.0.0.1:{ops.port}",
            PAGELAKE_AIRFLOW_RETRY_S="3",
            AIRFLOW_ADMIN_PASSWORD=PASSWORD,
            **SCHEDULES,
            AIRFLOW__METRICS__STATSD_ON="True",
            AIRFLOW__METRICS__STATSD_HOST="127.0.0.1",
            AIRFLOW__METRICS__STATSD_PORT=str(statsd.getsockname()[1]),
        )
        try:
            assert start.returncode == 0, start.stdout + start.stderr
            made.switch("recommendations", on=False)  # one test switches it on: the others have no lists to wait for
            yield AtWork(made, init.stdout, start.stderr, statsd, ops)
        finally:
            made.script("terminate.sh")


@pytest.fixture(scope="module")
def airflow(at_work: AtWork) -> Airflow:
    return at_work.airflow


def odd_folder(parent: Path) -> Path:
    """A folder whose name a shell would take apart."""
    folder = parent / "a b; exit 7"
    folder.mkdir()
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return odd_folder(tmp_path)


@dataclass(frozen=True)
class Orphans:
    """The run `orphan-1` of a source in which two pointers meet nothing, once it has ended."""

    lake: Path
    tasks: dict[str, Any]


@pytest.fixture(scope="module")
def orphans(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Orphans:
    files = odd_folder(tmp_path_factory.mktemp("orphans"))
    lake = files / "lake"
    airflow.trigger("orphan-1", source=source_file(files, "bad", **{"orphans: 0": "orphans: 2"}), lake=str(lake))
    return Orphans(lake, airflow.ended("orphan-1"))


@pytest.mark.parametrize("password", ["", "  "])
def test_init_without_a_password_says_so_and_does_nothing(tmp_path: Path, password: str) -> None:
    home = tmp_path / "state"
    ended = Airflow(home, free_port()).script("init.sh", AIRFLOW_ADMIN_PASSWORD=password)
    assert ended.returncode == 2
    assert ended.stderr.startswith("AIRFLOW_ADMIN_PASSWORD is not set, or empty")
    assert not home.exists()


def test_start_before_init_names_the_command(tmp_path: Path) -> None:
    ended = Airflow(tmp_path / "state", free_port()).script("start.sh")
    assert ended.returncode == 2
    assert "./airflow/init.sh" in ended.stderr


def test_what_was_left_half_done_is_said_and_fixed(at_work: AtWork) -> None:
    for file in ("airflow.cfg", "airflow.db"):
        assert f"Airflow: an init that was cut off left {file}; it is made anew" in at_work.init
    assert "Airflow: the DAGs are switched on" in at_work.init
    assert at_work.airflow.ask("GET", "dags/full_ingest")["is_paused"] is False
    assert "An earlier Airflow (process 1) was killed. 0 of its processes were left" in at_work.start
    assert f"Airflow is running: http://localhost:{at_work.airflow.port} " in at_work.start


def test_airflows_own_metrics_are_sent_where_a_setting_says(at_work: AtWork) -> None:
    at_work.statsd.settimeout(60)
    assert at_work.statsd.recv(65_536).startswith(b"airflow.")


def test_a_good_run_is_published_and_the_lists_are_made_from_it(airflow: Airflow, files: Path) -> None:
    lake, source = files / "lake", source_file(files, "good")
    airflow.switch("recommendations", on=True)
    airflow.ask("POST", "variables", {"key": "pagelake_spark", "value": '["--driver-memory", "1g"]'})
    airflow.trigger("good-1", source=source, lake=str(lake))
    tasks = airflow.ended("good-1")
    assert {name: (task["state"], task["try_number"]) for name, task in tasks.items()} == {
        "full_ingest": ("success", 1),
        "sanity_check": ("success", 1),
    }
    started = airflow.started_by("good-1")
    built = airflow.ended(started, "recommendations")
    airflow.switch("recommendations", on=False)
    assert {name: (task["state"], task["try_number"]) for name, task in built.items()} == {
        "lakes": ("success", 1),
        f"build_recommendations.{source}": ("success", 1),
    }
    published = json.loads((lake / "published.json").read_text("utf-8"))
    assert published["run_id"].startswith("good-1-")
    assert published["publication_id"] == f"{published['run_id']}.check2", "the lists are a later check of the run"
    lists, table = (published["tables"][name] for name in ("recommendations", "tracks"))
    assert len(read(lake / table["path"], table["version"])) == len(good("tracks", served_rows()["tracks"]))
    served = {row["user_id"] for row in read(lake / lists["path"], lists["version"])}
    assert len(served) == len(good("users", served_rows()["users"]))
    [event] = airflow.events("good-1")
    assert {**event["extra"], "docs": "", "tables": "", "published_at": ""} == {
        **{"source": source, "lake": str(lake), "docs": "", "tables": "", "published_at": ""},
        **{"publication_id": published["run_id"], "run_id": published["run_id"]},
    }
    assert event["source_task_id"] == "sanity_check"
    assert airflow.events(started) == [], "it would start itself"
    links = airflow.ask(
        "GET",
        f"dags/recommendations/dagRuns/{quote(started)}/taskInstances/build_recommendations/links?map_index=0",
    )
    docs = f"http://127.0.0.1:8899/runs/{published['publication_id']}/index.html"
    assert links["extra_links"] == {"Data docs": docs}
    assert f"Run {published['run_id']} is published." in airflow.log("good-1", "sanity_check")
    for task, job in (("full_ingest", "full-ingest"), ("sanity_check", "sanity-check")):
        assert f" --driver-memory 1g {job} --source" in airflow.log("good-1", task)
    airflow.ask("DELETE", "variables/pagelake_spark")


def test_a_planted_orphan_fails_the_check_at_once_links_to_the_docs_and_alerts(
    at_work: AtWork, orphans: Orphans
) -> None:
    airflow, lake = at_work.airflow, orphans.lake
    assert {name: (task["state"], task["try_number"]) for name, task in orphans.tasks.items()} == {
        "full_ingest": ("success", 1),
        "sanity_check": ("failed", 1),
    }
    assert not (lake / "published.json").exists()
    [docs] = (lake / "site" / "runs").glob("orphan-1-*/index.html")
    assert f"Data docs: {docs}" in airflow.log("orphan-1", "sanity_check")
    links = airflow.ask("GET", "dags/full_ingest/dagRuns/orphan-1/taskInstances/sanity_check/links")
    assert links["extra_links"] == {"Data docs": f"http://127.0.0.1:8899/runs/{quote(docs.parent.name)}/index.html"}
    assert airflow.events("orphan-1") == [], "nothing was published"
    deadline = time.monotonic() + 120  # the task's callback comes after its state is known
    while not {"[critical] demo: checks-failed", "[critical] demo: task-failed"} <= set(at_work.ops.titles):
        assert time.monotonic() < deadline, at_work.ops.titles
        time.sleep(0.5)
    recorded = read(lake / "ops" / "metrics", sql="SELECT label, value FROM t WHERE metric = 'dag.failed_tasks'")
    assert {(row["label"], row["value"]) for row in recorded} == {
        ("full_ingest/full_ingest", 0.0),
        ("full_ingest/sanity_check", 1.0),
    }


def test_after_an_api_that_was_down_the_second_try_goes_on_with_the_run(airflow: Airflow, files: Path) -> None:
    lake, port = files / "lake", free_port()
    airflow.trigger("down-1", source=shop_file(files, port), lake=str(lake))
    deadline = time.monotonic() + 300
    while airflow.tasks("down-1")["full_ingest"]["state"] != "up_for_retry":
        assert time.monotonic() < deadline, "the first try does not fail"
        time.sleep(0.2)
    data = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    demo = [sys.executable, "-m", "demo", "--port", str(port), *data]
    with subprocess.Popen(demo, cwd=ROOT, stdout=subprocess.DEVNULL) as api:
        try:
            tasks = airflow.ended("down-1")
        finally:
            api.send_signal(signal.SIGTERM)
    assert {name: task["state"] for name, task in tasks.items()} == {
        "full_ingest": "success",
        "sanity_check": "success",
    }
    assert tasks["full_ingest"]["try_number"] >= 2
    assert "full-ingest ended with exit 4" in airflow.log("down-1", "full_ingest")
    published = json.loads((lake / "published.json").read_text("utf-8"))
    assert published["run_id"].startswith("down-1-")
    assert [row["run_id"] for row in read(lake / "ops" / "runs")] == [published["run_id"]], "one run over all tries"
    assert [file for file, text in airflow.all_logs().items() if KEY in text] == [], "the key that both tries had"


@pytest.mark.parametrize(
    "conf",
    [
        {"source": "--verbose"},
        {"tables": "a;b"},
        {"tables": "--x"},
        {"lake": "x\n--api-url"},
        {"lake": "-x"},
        {"tables": "a\n"},
        {"source": ""},
    ],
)
def test_a_parameter_that_is_none_is_refused_when_it_is_given(airflow: Airflow, conf: dict[str, str]) -> None:
    answer = airflow.ask("POST", "dags/full_ingest/dagRuns", {"logical_date": None, "conf": conf})
    assert answer["status"] == 400
    assert f"Invalid input for param {next(iter(conf))}" in answer["detail"]


def test_the_dags_import_no_spark_and_are_made_as_promised(airflow: Airflow) -> None:
    program = """
import json, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
import full_ingest, recommendations, retrain_model
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import AirflowSkipException
from pagelake_jobs import PUBLISHED
dags = [full_ingest.check.dag, recommendations.build.dag, retrain_model.retrain.dag]
shop = recommendations.build.unmap({"params": {"source": "shop", "lake": "/l/shop"}})
events = [SimpleNamespace(extra={"source": name, "lake": None}) for name in ("shop", "blog", "shop")]
try:
    shop.ended({}, 0, {})
    skipped = False
except AirflowSkipException:
    skipped = True
jobs = [task for dag in dags for task in dag.tasks if task.task_id != "lakes" and not task.is_mapped]
print(json.dumps({
    "heavy": sorted({name.split(".")[0] for name in sys.modules} & {"pyspark", "delta", "pandas", "pyarrow", "lib", "jobs"}),
    "dags": {dag.dag_id: [dag.catchup, dag.max_active_runs, sorted(dag.params)] for dag in dags},
    "tasks": {t.task_id: [t.job, t.options, t.pool, t.retries, sorted(t.upstream_task_ids)] for t in [*jobs, shop]},
    "mapped": [recommendations.build.pool, recommendations.build.retries],
    "outlets": {t.task_id: [outlet.name for outlet in t.outlets] for dag in dags for t in dag.tasks if t.outlets},
    "on the asset": [dag.dag_id for dag in dags if dag.schedule == [PUBLISHED]],
    "shop": process_params(shop.dag, shop, {}, suppress_exception=False),
    "published": recommendations.lakes(params={}, triggering_asset_events={PUBLISHED: events}),
    "nothing published": skipped,
}))
"""
    python = ROOT / ".airflow" / "venv" / "bin" / "python"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", program, str(ROOT / "dags")],
        env={**env, "AIRFLOW_HOME": str(airflow.home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "heavy": [],
        "dags": {
            "full_ingest": [False, 1, ["lake", "source", "tables"]],
            "recommendations": [False, 1, ["lake", "source"]],
            "retrain_model": [False, 1, ["lake", "source"]],
        },
        "tasks": {
            "full_ingest": ["full-ingest", ["--no-check", "--resume-or-start", "<run id>"], "pagelake_lake", 3, []],
            "sanity_check": ["sanity-check", ["--run-id", "<run id>"], "pagelake_lake", 3, ["full_ingest"]],
            "build_recommendations": ["build-recommendations", ["--if-declared"], "pagelake_lake", 3, ["lakes"]],
            "retrain_model": ["retrain-model", ["--if-needed"], "default_pool", 3, []],
        },
        "mapped": ["pagelake_lake", 3],
        "outlets": {"sanity_check": ["pagelake_published"]},
        "on the asset": ["recommendations"],
        "shop": {"source": "shop", "lake": "/l/shop"},
        "published": [{"source": "shop", "lake": None}, {"source": "blog", "lake": None}],
        "nothing published": True,
    }
    assert airflow.ask("GET", "importErrors")["import_errors"] == []
    assert airflow.ask("GET", "pools/pagelake_lake")["slots"] == 1


def test_the_page_opens_and_shows_the_dag_and_its_runs(airflow: Airflow, orphans: Orphans) -> None:
    if not CHROMIUM.exists():
        missing(f"{CHROMIUM} (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(f"http://localhost:{airflow.port}/")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "/auth/" not in url)
        page.goto(f"http://localhost:{airflow.port}/dags/full_ingest")
        for text in ("full_ingest", "sanity_check", "Failed Run"):
            page.get_by_text(text).first.wait_for()
        page.goto(f"http://localhost:{airflow.port}/dags/full_ingest/runs/orphan-1/tasks/sanity_check/details")
        link = page.get_by_role("link", name="Data docs")
        link.wait_for()
        [docs] = (orphans.lake / "site" / "runs").glob("orphan-1-*")
        assert link.get_attribute("href") == f"http://127.0.0.1:8899/runs/{quote(docs.name)}/index.html"
        browser.close()


def test_only_this_machine_reaches_it_and_a_second_start_says_that_it_is_at_work(airflow: Airflow) -> None:
    listening = {
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{airflow.port:04X}")
    }
    assert listening == {f"0100007F:{airflow.port:04X}"}
    again = airflow.script("start.sh")
    assert (again.returncode, again.stderr) == (0, f"Airflow is running already: http://localhost:{airflow.port}\n")
    init = airflow.script("init.sh", AIRFLOW_ADMIN_PASSWORD="other")
    assert init.returncode == 2
    assert "Airflow is running" in init.stderr


def test_another_airflow_on_the_same_port_is_refused_and_touches_nothing(airflow: Airflow, tmp_path: Path) -> None:
    other = Airflow(tmp_path / "state", airflow.port)
    shutil.copytree(airflow.home, other.home, ignore=shutil.ignore_patterns("logs", "start.json", "supervisor.lock"))
    ended = other.script("start.sh")
    assert ended.returncode == 1
    assert f"Port {airflow.port} on 127.0.0.1 is in use" in ended.stderr
    assert other.script("terminate.sh").stderr == "Airflow was not running.\n"
    assert airflow.ask("GET", "dags/full_ingest")["status"] == 200


def test_a_process_that_dies_is_started_again(airflow: Airflow) -> None:
    log = airflow.home / "logs" / "processes" / "supervisor.log"
    [first] = re.findall(r"dag-processor is process (\d+)", log.read_text("utf-8"))
    os.kill(int(first), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(found := re.findall(r"dag-processor is process (\d+)", log.read_text("utf-8"))) < 2:
        assert time.monotonic() < deadline, "it is not started again"
        time.sleep(0.2)
    assert Path("/proc", found[1]).exists()


def test_what_is_named_like_a_secret_is_not_shown(airflow: Airflow) -> None:
    secret, plain = "s3cret-of-the-shop", "http://127.0.0.1:8899"
    for name, value, shown in (
        ("shop_api_key", secret, "***"),
        ("shop_authorization", secret, "***"),
        ("pagelake_docs_url", plain, plain),
    ):
        airflow.ask("POST", "variables", {"key": name, "value": value})
        assert airflow.ask("GET", f"variables/{name}")["value"] == shown
        airflow.ask("DELETE", f"variables/{name}")


def test_the_password_is_in_no_log_and_in_the_environment_of_no_process(airflow: Airflow, orphans: Orphans) -> None:
    assert orphans.tasks, "jobs ran"
    logs = airflow.all_logs()
    assert [file for file, text in logs.items() if PASSWORD in text] == []
    assert processes_with(str(airflow.home)), "its processes are seen"
    assert processes_with(PASSWORD) == []
    assert (airflow.home / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert airflow.home.stat().st_mode & 0o777 == 0o700


def test_what_a_killed_supervisor_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    other = Airflow(tmp_path / "state", free_port())
    other.home.mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (other.home / "start.json").write_text(json.dumps({"mark": "m4rk", "pid": gone.pid, "port": other.port}), "utf-8")
    left, bystander = (
        subprocess.Popen(["sleep", "600"], env={"PAGELAKE_AIRFLOW_START": mark})
        for mark in ("m4rk", "of another start")
    )
    try:
        ended = other.script("terminate.sh")
        assert ended.stderr == (
            f"An earlier Airflow (process {gone.pid}) was killed. 1 of its processes were left, and are ended.\n"
        )
        assert ended.returncode == 0
        assert left.wait(timeout=30) == -signal.SIGTERM
        assert bystander.poll() is None
    finally:
        for process in (left, bystander):
            process.kill()
            process.wait()


def test_terminate_stops_a_job_at_work_cleanly_and_leaves_nothing_running(airflow: Airflow, files: Path) -> None:
    mark = json.loads((airflow.home / "start.json").read_text("utf-8"))["mark"]
    slow = source_file(files, "slow", **{"latency_ms: 0": "latency_ms: 2000"})
    airflow.trigger("stopped-1", source=slow, lake=str(files / "lake"))
    log = airflow.log_file("stopped-1", "full_ingest")
    deadline = time.monotonic() + 300
    while not (log.exists() and '"event":"plan"' in log.read_text("utf-8")):
        assert time.monotonic() < deadline, "the job does not begin"
        time.sleep(0.2)
    ended = airflow.script("terminate.sh")
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (0, "Airflow has stopped.")
    assert processes_with(mark) == []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", airflow.port))
    assert "was stopped by a signal" in log.read_text("utf-8")
    query = "SELECT state FROM task_instance WHERE run_id = 'stopped-1' AND task_id = 'full_ingest'"
    with closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        assert database.execute(query).fetchall() == [("up_for_retry",)], "the next start goes on with it"
    again = airflow.script("terminate.sh")
    assert (again.returncode, again.stderr) == (0, "Airflow was not running.\n")
