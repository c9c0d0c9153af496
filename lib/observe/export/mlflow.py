"""Trainings to an MLflow server, over its REST API 2.0: a run for each list of a training, and the alias of the champion.

`ops/models` has all of it; this is for those who look at models in MLflow. What the server has is left as it is, and what it lacks
is sent: so what it missed comes with the next training.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from lib.config import Models, Source
from lib.errors import ExportError
from lib.lake.decisions import Decision, Verdict
from lib.observe.export.http import request

ALIAS = "champion"
# So many of the last decisions are looked for at the server, and sent where they are not there.
LAST = 20
_DECISION, _VERSION = "pagelake.decision", "pagelake.model_version"
# The server takes so many characters of a tag, and of a parameter.
_MOST_CHARACTERS = 5000
_PLOT = "ndcg_at_10.svg"
# All answers together may take so many times what one may.
_MOST_TIMEOUTS = 5


def send_decisions(
    source: Source, settings: Models, decisions: Sequence[Decision], serving: Mapping[str, Decision | None]
) -> None:
    """Tell of the last trainings, and of the promotions that are `serving` each list, which get the alias. `decisions` are all.

    Raises:
        ExportError: the server did not take something. What it took before stays.
    """
    try:
        _send(source, _Server(settings), decisions, serving)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ExportError("its answers are not those of MLflow; see that models.mlflow is its address") from None


def _send(
    source: Source, server: _Server, decisions: Sequence[Decision], serving: Mapping[str, Decision | None]
) -> None:
    experiment = server.experiment(f"pagelake/{source.source}")
    last = decisions[-LAST:]
    older = [one for one in serving.values() if one is not None and one not in last]
    for one in (*older, *last):
        if one.verdict != Verdict.ROLLED_BACK:
            run = server.run(experiment, one)
            if one.verdict == Verdict.PROMOTED:
                server.model_version(_model(source, one.list), run, one)
    for of_list, promoted in serving.items():
        server.set_champion(_model(source, of_list), None if promoted is None else promoted.model_version)


def _model(source: Source, of_list: str) -> str:
    return f"pagelake-{source.source}-{of_list}"


class _Server:
    """The calls that are needed. Each is one request to the address of the settings, and no redirect is followed."""

    def __init__(self, settings: Models) -> None:
        self._url, self._timeout_s = settings.mlflow.rstrip("/"), settings.timeout_s
        self._until = time.monotonic() + _MOST_TIMEOUTS * settings.timeout_s
        self._headers = {name: secret.get_secret_value() for name, secret in settings.headers.items()}

    def experiment(self, name: str) -> str:
        """The id of the experiment, which is made if it is not there."""
        found = self._get("experiments/search", max_results=1, filter=f"name = '{name}'").get("experiments")
        return str(found[0]["experiment_id"] if found else self._post("experiments/create", name=name)["experiment_id"])

    def run(self, experiment: str, one: Decision) -> Mapping[str, Any]:
        """The run of a decision, made and ended if it is not there; one that was left half told is told anew."""
        key = f"{one.decision_id}/{one.list}"
        same = f"tags.`{_DECISION}` = '{key}'"
        # One that somebody deleted there is not made again.
        asked = {"experiment_ids": [experiment], "filter": same, "max_results": 1, "run_view_type": "ALL"}
        found = self._post("runs/search", **asked).get("runs")
        at = round(one.decided_at.timestamp() * 1000)
        if not found:
            made = self._post(
                "runs/create",
                experiment_id=experiment,
                run_name=f"{one.model_version or one.decision_id} {one.list}",
                start_time=at,
                tags=_pairs({_DECISION: key, _VERSION: one.model_version or ""}),
            )
            found = [made["run"]]
        info: Mapping[str, Any] = found[0]["info"]
        if info["status"] != "FINISHED":
            metrics = [{"key": name, "value": value, "timestamp": at, "step": 0} for name, value in _metrics(one)]
            params, tags = _pairs(_parameters(one)), _pairs(_tags(one))
            self._post("runs/log-batch", run_id=info["run_id"], metrics=metrics, params=params, tags=tags)
            self._put_artifacts(info["artifact_uri"], one)
            self._post("runs/update", run_id=info["run_id"], status="FINISHED", end_time=at)
        return info

    def model_version(self, name: str, run: Mapping[str, Any], one: Decision) -> None:
        """Register the model of a promotion, unless it is."""
        if self._registered(name) is None:
            self._post("registered-models/create", name=name)
        if self._version(name, one.model_version or "") is None:
            tags = _pairs({_VERSION: one.model_version or ""})
            self._post("model-versions/create", name=name, source=run["artifact_uri"], run_id=run["run_id"], tags=tags)

    def set_champion(self, name: str, version: str | None) -> None:
        """Let the alias be at the version, or nowhere."""
        registered = self._registered(name)
        if registered is not None and version is not None:
            self._post("registered-models/alias", name=name, alias=ALIAS, version=self._version(name, version))
        elif registered is not None and any(one["alias"] == ALIAS for one in registered.get("aliases", ())):
            self._call("DELETE", "registered-models/alias", json.dumps({"name": name, "alias": ALIAS}).encode())

    def _registered(self, name: str) -> Any:
        found = self._get("registered-models/search", filter=f"name = '{name}'", max_results=1)
        return next(iter(found.get("registered_models", ())), None)

    def _version(self, name: str, model_version: str) -> str | None:
        """The number that the server gave to a model version."""
        which = f"name = '{name}' AND tags.`{_VERSION}` = '{model_version}'"
        found = self._get("model-versions/search", filter=which, max_results=1).get("model_versions")
        return str(found[0]["version"]) if found else None

    def _put_artifacts(self, artifact_uri: str, one: Decision) -> None:
        """Send the plot and what the model is, to a server that keeps artifacts itself; no other store is written to."""
        scheme, _, folder = artifact_uri.partition(":/")
        if scheme != "mlflow-artifacts" or folder.startswith("/"):  # behind two slashes there is another host
            return
        known = {"model_version": one.model_version, "kind": one.kind, "table": "models/items", "numbers": one.numbers}
        files = {"model.json": json.dumps({**known, "sha256": one.sha256}, indent=2), _PLOT: plot(one)}
        for name, text in files.items():
            path = f"/api/2.0/mlflow-artifacts/artifacts/{quote(f'{folder}/{name}')}"
            self._request("PUT", path, text.encode(), self._headers)

    def _get(self, what: str, **asked: Any) -> Any:
        return self._call("GET", f"{what}?{urlencode(asked)}", b"")

    def _post(self, what: str, **said: Any) -> Any:
        return self._call("POST", what, json.dumps(said).encode())

    def _call(self, method: str, what: str, body: bytes) -> Any:
        headers = {**self._headers, "Content-Type": "application/json"}
        answer = self._request(method, f"/api/2.0/mlflow/{what}", body, headers)
        try:
            return json.loads(answer or b"{}")
        except ValueError:
            raise ExportError(
                "its answer is not JSON, or too long; see that models.mlflow is the address of MLflow"
            ) from None

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        if time.monotonic() > self._until:
            raise ExportError("all answers together take too long")
        return request(method, f"{self._url}{path}", body, headers, self._timeout_s)


def _metrics(one: Decision) -> Iterator[tuple[str, float]]:
    """The numbers of each contender: `candidate.ndcg_at_10`, and its interval as `.low` and `.high` behind that."""
    for contender, metrics in json.loads(one.metrics or "{}").items():
        for name, value in metrics.items():
            if isinstance(value, Mapping):
                yield f"{contender}.{name}", value["mean"]
                yield f"{contender}.{name}.low", value["low"]
                yield f"{contender}.{name}.high", value["high"]
            else:
                yield f"{contender}.{name}", value


def _parameters(one: Decision) -> dict[str, Any]:
    return {**json.loads(one.parameters or "{}"), "seed": one.seed, "list": one.list}


def _tags(one: Decision) -> dict[str, Any]:
    return {
        "pagelake.verdict": one.verdict,
        "pagelake.because": " ".join(one.because),
        "pagelake.fired": " ".join(one.fired),
        "pagelake.publication": one.publication_id,
        "pagelake.tables": json.dumps({each["table"]: each["version"] for each in one.versions}),
        "pagelake.champion_before": one.champion_before,
    }


def _pairs(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)[:_MOST_CHARACTERS]} for key, value in values.items() if value is not None]


def plot(one: Decision) -> str:
    """NDCG@10 of each contender with its interval, as SVG: dots and lines, on a scale from 0 to the highest bound."""
    found = {name: metrics["ndcg_at_10"] for name, metrics in json.loads(one.metrics or "{}").items()}
    most = max((each["high"] for each in found.values()), default=0.0) or 1.0
    left, width, row = 220, 480, 28
    marks = []
    for place, (name, each) in enumerate(found.items()):
        y = row * place + row
        x = {key: left + width * each[key] / most for key in ("low", "mean", "high")}
        marks.append(f'<text x="8" y="{y + 4}">{name}: {each["mean"]:.4f}</text>')
        marks.append(
            f'<line x1="{x["low"]:.1f}" x2="{x["high"]:.1f}" y1="{y}" y2="{y}" stroke="#555" stroke-width="2"/>'
        )
        marks.append(f'<circle cx="{x["mean"]:.1f}" cy="{y}" r="4" fill="#0a58ca"/>')
    size = f'width="{left + width + 20}" height="{row * (len(found) + 1)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    return f'{head}<rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}</svg>'
