"""Jobs that only read a lake: without a secret of the source, and with the source that the lake names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from jobs import failures, status
from jobs.steps.options import open_settings, open_to_read
from lib.config.secret import UNREAD
from lib.errors import ConfigError
from lib.lake.checks import Check, add_check
from lib.lake.layout import Layout, claim, lake_at

AT = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
YAML = """\
source: shop
api:
  url: https://shop.example.com
  auth:
    type: oauth2_client_credentials
    token_url: https://shop.example.com/token
    client_id: "${ID}"
    client_secret: "${SECRET}"
  proxy: "${PROXY}"
  params: {tenant: "${TENANT}"}
  headers: {X-Tenant: "${TENANT}"}
  method: post
  json: {who: {am: "${TENANT}"}}
metrics: {otlp: {url: "http://127.0.0.1:4318/v1/metrics", headers: {X-Key: "${METRICS}"}}}
tables:
  users: {path: /users, key: [id], columns: {id: bigint!}}
"""
HOW: dict[str, Any] = {"api_url": None, "overrides": (), "log_format": "text", "verbose": False}


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf" / "sources").mkdir(parents=True)
    monkeypatch.setattr("lib.config.runtime.REPO", tmp_path)
    for name in ("ID", "SECRET", "PROXY", "TENANT", "METRICS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "conf" / "sources" / "shop.yml"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = lake_at(str(tmp_path / "lake"))
    claim(layout, "shop", AT)
    add_check(layout, Check("one", "one", AT, "published", 3, 0, 0, 10, None))
    return layout


def said(command: click.Command, *options: str) -> str:
    return CliRunner().invoke(command, options, catch_exceptions=False).stdout


@pytest.mark.parametrize("is_named", [False, True])
def test_they_need_the_lake_alone(conf: Path, layout: Layout, *, is_named: bool) -> None:
    conf.write_text(YAML, "utf-8")
    where = ["--lake", str(layout.root), *(["--source", str(conf)] if is_named else [])]
    assert said(failures.command, *where).startswith("Check one of 2026-03-05 14:30 UTC: published; no row failed.")
    assert said(status.command, *where).startswith(f"shop: no run yet in {layout.root}\n")


def test_no_secret_is_read_even_if_it_is_set(conf: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    conf.write_text(YAML, "utf-8")
    monkeypatch.setenv("TENANT", "planted")
    api = open_to_read(name=None, lake=str(layout.root), **HOW).source.api
    assert (api.params["tenant"], api.headers["X-Tenant"], api.proxy) == (UNREAD, UNREAD, UNREAD)


def test_a_job_that_asks_the_api_needs_them(conf: Path, layout: Layout) -> None:
    conf.write_text(YAML, "utf-8")
    with pytest.raises(
        ConfigError, match=r"api\.auth\.client_secret: the environment variable SECRET is not set or is empty"
    ):
        open_settings(name="shop", lake=str(layout.root), **HOW)


def test_a_mistake_in_the_yaml_is_still_one(conf: Path, layout: Layout) -> None:
    conf.write_text(YAML.replace('"${SECRET}"', "hunter2"), "utf-8")
    with pytest.raises(ConfigError, match=r"shop\.yml:8: api\.auth\.client_secret: a secret must not be written out"):
        open_to_read(name=None, lake=str(layout.root), **HOW)


def test_a_lake_whose_source_is_a_file_elsewhere_asks_for_it(conf: Path, layout: Layout) -> None:
    with pytest.raises(ConfigError) as caught:
        open_to_read(name=None, lake=str(layout.root), **HOW)
    assert str(caught.value) == (
        f"{layout.root}: the YAML of its source 'shop' is not in {conf.parent}; give it by --source FILE"
    )


@pytest.mark.parametrize("has_folder", [False, True])
def test_where_the_lake_names_none_it_is_the_default(conf: Path, tmp_path: Path, *, has_folder: bool) -> None:
    conf.with_name("demo.yml").write_text(YAML.replace("source: shop", "source: demo"), "utf-8")
    lake = str(tmp_path / "nowhere") if has_folder else None
    assert open_to_read(name=None, lake=lake, **HOW).source.source == "demo"
