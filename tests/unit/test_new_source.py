"""new-source: for APIs of many kinds it writes a YAML that runs unedited, and lands every row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs import __main__ as main
from jobs import new_source
from lib.config import Runtime, Source, load_source
from lib.errors import PagelakeError
from lib.quality.suites import check_personal, read_suite_files
from tests.documented_apis import ENV, SERVICES, running, saved
from tests.landed_source import landed
from tests.spark.served_table import REPO


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for what is written, in place of the repo's own."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    of = Runtime.of
    (tmp_path / "conf" / "sources").mkdir(parents=True)

    class Elsewhere:
        @staticmethod
        def of(env: dict[str, str]) -> Runtime:
            from dataclasses import replace

            return replace(of(env), conf=tmp_path / "conf", expectations=tmp_path / "expectations")

    monkeypatch.setattr(new_source, "Runtime", Elsewhere)
    return tmp_path / "conf"


def start(*words: str) -> Result:
    return CliRunner().invoke(new_source.command, ["shop", *words])


def written(conf: Path) -> Source:
    return load_source(str(conf / "sources" / "shop.yml"), conf_dir=conf, env=ENV)


@pytest.mark.parametrize("name", SERVICES)
def test_the_yaml_of_a_document_runs_unedited_and_lands_every_row(name: str, conf: Path, tmp_path: Path) -> None:
    service = SERVICES[name]
    with running(service) as (url, log):
        result = start("--openapi", str(saved(service, url, tmp_path)), *service.options)
        text = (conf / "sources" / "shop.yml").read_text() if (conf / "sources" / "shop.yml").exists() else ""
        print(result.output, text, result.exception)
        assert result.exit_code == 0, result.exception
        source = written(conf)
        tables = landed(conf / "sources" / "shop.yml", tmp_path, ENV)
    assert {table.path: tables[table.name].rows for table in source.tables} == service.rows
    assert {source.pagination_of(table).style for table in source.tables} == {service.style}
    assert {one.record.proof for one in tables.values()} == {service.proof}
