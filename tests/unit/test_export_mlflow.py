"""MLflow: what the settings take, what is drawn, and that a server which fails changes nothing."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lib.config import Models, Source, load_source
from lib.errors import ConfigError, ExportError
from lib.lake.decisions import Decision, Verdict, decide
from lib.lake.layout import lake_at
from lib.observe.export.mlflow import plot, send_decisions
from lib.reporting.models import track
from tests.metrics_sink import SinkServer

SECRET = "hunter2-planted"
REPO = Path(__file__).parents[2]
AT = datetime(2026, 1, 2, tzinfo=UTC)


def demo(*overrides: str) -> Source:
    return load_source("demo", overrides=overrides, conf_dir=REPO / "conf", env={"MLFLOW_TOKEN": SECRET})


def decision(metrics: object = None) -> Decision:
    said = None if metrics is None else json.dumps(metrics)
    return Decision("m1", "discover", AT, Verdict.KEPT, ["no"], None, None, model_version="m1", metrics=said)


def test_nothing_is_sent_by_default_and_settings_are_no_part_of_what_a_run_does() -> None:
    assert demo().models is None
    told = demo("models.mlflow=http://127.0.0.1:5000", 'models.headers={Authorization: "${MLFLOW_TOKEN}"}')
    assert told.models is not None
    assert told.models.headers["Authorization"].get_secret_value() == SECRET
    assert SECRET not in json.dumps(told.public())
    assert told.settings_hash == demo().settings_hash


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["models.mlflow=ftp://x"], "models.mlflow"),
        (["models.mlflow=http://user:pass@x"], "must not hold a user or password"),
        (["models.mlflow=http://x", "models.timeout_s=0"], "models.timeout_s"),
        (["models.mlflo=http://x"], "did you mean"),
        (["models.mlflow=http://x", "recommend=null"], "without a block recommend: there are none"),
    ],
)
def test_settings_that_cannot_be_are_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        demo(*overrides)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"", "it answered 500"),
        (302, b"", "redirects are not followed"),
        (401, b"", "see the credentials"),
        (200, b"<html>", "its answer is not JSON"),
        (200, b"{}", "its answers are not those of MLflow"),
        (200, b"[]", "its answers are not those of MLflow"),
        (200, b"null", "its answers are not those of MLflow"),
    ],
)
def test_a_server_that_fails_is_a_warning_that_says_what_comes_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, body: bytes, said: str
) -> None:
    layout = lake_at(str(tmp_path / "lake"))
    decide(layout, [decision()])
    with SinkServer(status, body, {"Location": "http://127.0.0.1:1/"}) as server:
        source = demo(f"models.mlflow={server.url}", 'models.headers={Authorization: "${MLFLOW_TOKEN}"}')
        assert source.models is not None
        with pytest.raises(ExportError, match=said):
            send_decisions(source, source.models, [decision()], {})
        with caplog.at_level(logging.WARNING, "pagelake"):
            track(source, layout)
        assert {request.headers["authorization"] for request in server.requests} == {SECRET}
    assert said in caplog.text
    assert "The next retrain-model sends the rest" in caplog.text
    assert SECRET not in caplog.text


def test_the_plot_has_each_contender_with_its_interval_on_one_scale() -> None:
    metrics = {
        "candidate": {"ndcg_at_10": {"mean": 0.2, "low": 0.1, "high": 0.4}},
        "popular": {"ndcg_at_10": {"mean": 0.1, "low": 0.0, "high": 0.2}},
    }
    drawn = ET.fromstring(plot(decision(metrics)))
    space = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in drawn.iter(f"{space}text")] == ["candidate: 0.2000", "popular: 0.1000"]
    # 480 from 220 on are 0.4, the highest bound.
    assert [(line.get("x1"), line.get("x2")) for line in drawn.iter(f"{space}line")] == [
        ("340.0", "700.0"),
        ("220.0", "460.0"),
    ]
    assert [dot.get("cx") for dot in drawn.iter(f"{space}circle")] == ["460.0", "340.0"]
    assert ET.fromstring(plot(decision())).find(f"{space}text") is None


def test_without_the_setting_nobody_is_asked(tmp_path: Path) -> None:
    track(demo(), lake_at(str(tmp_path / "lake")))
    assert Models.model_fields.keys() == {"mlflow", "headers", "timeout_s"}
