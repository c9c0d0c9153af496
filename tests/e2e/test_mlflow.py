"""What a real MLflow server has of trainings. It runs in an environment of its own, in .mlflow/venv of the clone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from lib.config import Models, load_source
from lib.lake.decisions import Decision, Verdict
from lib.observe.export.mlflow import LAST, send_decisions
from tests.e2e.jobs_and_lakes import ROOT, free_port
from tests.e2e.own_environment import python_with, wait_for

pytestmark = pytest.mark.e2e
PINS = ROOT / "tests" / "requirements-mlflow.txt"
VENV = ROOT / ".mlflow" / "venv"
DEMO = load_source("demo", conf_dir=ROOT / "conf", env={})
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NDCG = {"mean": 0.2, "low": 0.15, "high": 0.25, "users": 50, "level": 0.99}
METRICS = {
    "candidate": {"ndcg_at_10": NDCG, "coverage": 0.5},
    "popular": {"ndcg_at_10": {**NDCG, "mean": 0.1, "low": 0.05, "high": 0.125}, "coverage": 0.25},
}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that keeps runs in SQLite and artifacts in a folder."""
    python_with(PINS, VENV)
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    store = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    command = [
        str(VENV / "bin" / "mlflow"),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        *store,
    ]
    # Nothing that it does beside its API is asked for here.
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=env) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/health", server, folder / "log")
            yield url
        finally:
            server.terminate()


def decision(version: str, verdict: Verdict, after: str | None, before: str | None, **other: Any) -> Decision:
    said: dict[str, Any] = {"model_version": version, "kind": "ease", "parameters": '{"kind": "ease", "power": 0.5}'}
    said |= {"metrics": json.dumps(METRICS), "publication_id": "p1", "seed": 7, "numbers": 9, "sha256": "abc"}
    said |= {"versions": [{"table": "listens", "version": 3}], "fired": ["There are more plays."]}
    return Decision(
        version, "discover", AT, verdict, ["It is better.", "It's 5 % more."], after, before, **{**said, **other}
    )


def undone(version: str, after: str | None, before: str) -> Decision:
    return Decision(version, "discover", AT, Verdict.ROLLED_BACK, ["taken back"], after, before)


FIRST = decision("m1", Verdict.PROMOTED, "m1", None)
KEPT = decision("m2", Verdict.KEPT, "m1", "m1")
SECOND = decision("m3", Verdict.PROMOTED, "m3", "m1")


def asked(url: str, what: str, **body: Any) -> Any:
    answer = requests.post(f"{url}/api/2.0/mlflow/{what}", json=body, timeout=60)
    assert answer.ok, answer.text
    return answer.json()


def got(url: str, what: str, **params: Any) -> Any:
    return requests.get(f"{url}/api/2.0/mlflow/{what}", params=params, timeout=60).json()


def runs(url: str) -> dict[str, Any]:
    [experiment] = [
        one for one in got(url, "experiments/search", max_results=10)["experiments"] if one["name"] == "pagelake/demo"
    ]
    found = asked(url, "runs/search", experiment_ids=[experiment["experiment_id"]])["runs"]
    by_name = {run["info"]["run_name"]: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def champion(url: str) -> str | None:
    """The model version that has the alias."""
    found = got(url, "registered-models/alias", name="pagelake-demo-discover", alias="champion").get("model_version")
    return found and next(tag["value"] for tag in found["tags"] if tag["key"] == "pagelake.model_version")


def test_trainings_are_runs_and_the_champion_has_the_alias(mlflow: str) -> None:
    settings = Models(mlflow=f"{mlflow}/", timeout_s=120)
    send_decisions(DEMO, settings, [FIRST], {"discover": FIRST})
    assert champion(mlflow) == "m1"
    # What was told is told once, what is new is added.
    for _ in range(2):
        send_decisions(DEMO, settings, [FIRST, KEPT, SECOND], {"discover": SECOND})
        assert champion(mlflow) == "m3"
    found = runs(mlflow)
    assert sorted(found) == ["m1 discover", "m2 discover", "m3 discover"]
    run = found["m1 discover"]
    assert (run["info"]["status"], run["info"]["start_time"]) == ("FINISHED", 1_767_323_045_000)
    assert {one["key"]: one["value"] for one in run["data"]["metrics"]} == {
        "candidate.ndcg_at_10": 0.2,
        "candidate.ndcg_at_10.low": 0.15,
        "candidate.ndcg_at_10.high": 0.25,
        "candidate.coverage": 0.5,
        "popular.ndcg_at_10": 0.1,
        "popular.ndcg_at_10.low": 0.05,
        "popular.ndcg_at_10.high": 0.125,
        "popular.coverage": 0.25,
    }
    params = {one["key"]: one["value"] for one in run["data"]["params"]}
    assert params == {"kind": "ease", "power": "0.5", "seed": "7", "list": "discover"}
    tags = {one["key"]: one["value"] for one in run["data"]["tags"]}
    assert tags["pagelake.because"] == "It is better. It's 5 % more."
    assert (tags["pagelake.verdict"], tags["pagelake.publication"]) == ("promoted", "p1")
    assert json.loads(tags["pagelake.tables"]) == {"listens": 3}
    listed = got(mlflow, "artifacts/list", run_id=run["info"]["run_id"])["files"]
    assert sorted(file["path"] for file in listed) == ["model.json", "ndcg_at_10.svg"]
    # Of the two that were promoted a version each.
    versions = got(mlflow, "model-versions/search", filter="name = 'pagelake-demo-discover'")["model_versions"]
    assert len(versions) == 2


def test_a_rollback_moves_the_alias_back_and_takes_it_away_in_the_end(mlflow: str) -> None:
    settings, before = Models(mlflow=mlflow, timeout_s=120), [FIRST, KEPT, SECOND]
    send_decisions(DEMO, settings, [*before, undone("r1", "m1", "m3")], {"discover": FIRST})
    assert champion(mlflow) == "m1"
    send_decisions(DEMO, settings, [*before, undone("r1", "m1", "m3"), undone("r2", None, "m1")], {"discover": None})
    assert champion(mlflow) is None
    send_decisions(DEMO, settings, [*before, undone("r1", "m1", "m3"), undone("r2", None, "m1")], {"discover": None})
    assert len(runs(mlflow)) == 3


def test_a_champion_from_long_ago_is_told_to_a_server_that_does_not_know_it(mlflow: str) -> None:
    settings = Models(mlflow=mlflow, timeout_s=120)
    old = decision("m0", Verdict.PROMOTED, "m0", None)
    later = [decision(f"k{n}", Verdict.KEPT, "m0", "m0", metrics=None) for n in range(LAST)]
    send_decisions(DEMO, settings, [old, *later], {"discover": old})
    assert champion(mlflow) == "m0"
