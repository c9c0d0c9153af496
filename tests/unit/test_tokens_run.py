"""Runs of a source that gives tokens: a dry one, and one whose pages land and whose lake is searched for secrets."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from urllib.parse import parse_qs

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, QueryBuilder

from jobs import full_ingest, status
from jobs.full_ingest import ingest
from jobs.steps import record
from jobs.steps.options import Choices
from lib.config import Source, load_source
from lib.landing.budget import Budget
from lib.source.access import Access
from tests.moving_copies import Landings
from tests.moving_server import MovingServer
from tests.spark.served_table import REPO, job_of
from tests.token_server import ENDLESS, PAGES, TokenServer

# Each begins with it: a lake with any of them has this text somewhere.
PLANTED = "pl4nted"
ENV = {"SHOP_SECRET": f"{PLANTED}-secret", "SHOP_REFRESH": f"{PLANTED}-0"}
CLIENT = 'client_id: shop, client_secret: "${SHOP_SECRET}", token_url: "URL/token"'
AUTHS = {
    "client": f"{{type: oauth2_client_credentials, {CLIENT}}}",
    "refresh": f'{{type: oauth2_refresh_token, {CLIENT}, refresh_token: "${{SHOP_REFRESH}}"}}',
    "session": '{type: session, login_path: /token, body: {password: "${SHOP_SECRET}"}, token: access_token}',
}


class Planted(TokenServer):
    """Its tokens begin with the planted text."""

    def __init__(self, *lives: int) -> None:
        super().__init__(*lives)
        self.prefix = self.refresh_prefix = PLANTED


def yaml_of(folder: Path, server: TokenServer, auth: str) -> Path:
    path = folder / "shop.yml"
    path.write_text(
        f"source: shop\napi:\n  url: {server.url}\n  auth: {AUTHS[auth].replace('URL', server.url)}\n"
        "  limits: {concurrency: 3, attempts: 2, max_wait_s: 0.05}\n"
        "tables:\n  items: {path: /items, key: [id], columns: {id: bigint!}}\n",
        "utf-8",
    )
    return path


@pytest.mark.parametrize("auth", AUTHS)
def test_a_dry_run_gets_a_token_and_writes_nothing(
    auth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    with Planted() as server:
        options = ["--source", str(yaml_of(tmp_path, server, auth)), "--lake", str(tmp_path / "lake")]
        done = CliRunner().invoke(full_ingest.command, [*options, "--dry-run"])
        assert done.exception is None
        assert (len(server.logins), server.statuses) == (1, [200])
        told = CliRunner().invoke(status.command, options)
        assert len(server.logins) == 1
    assert done.output.endswith(f"  table  rows  pages\n  items    {PAGES}     {PAGES}\n")
    assert PLANTED not in done.output + told.output + caplog.text
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("auth", AUTHS)
def test_a_run_whose_token_dies_lands_every_page_and_no_secret(
    auth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Planted(PAGES // 2, ENDLESS) as server, MovingServer({}) as unused:
        server.rotates = auth == "refresh"
        Landings.without_spark(tmp_path, unused, monkeypatch)
        path = yaml_of(tmp_path, server, auth)
        source = load_source(str(path), conf_dir=REPO / "conf", env=ENV)
        lake = landed(path, source, monkeypatch)
        assert len(server.logins) == 2
    [bronze] = rows(
        lake / "bronze" / "pages", "SELECT count(*) AS pages, count(DISTINCT page) AS known FROM t WHERE error IS NULL"
    )
    assert bronze == {"pages": PAGES, "known": PAGES}
    [retried] = rows(lake / "bronze" / "pages", "SELECT count(*) AS n FROM t WHERE retries = '{\"401\": 1}'")
    assert 1 <= retried["n"] <= 3
    found = [str(rows(table.parent, "SELECT * FROM t")) for table in lake.rglob("_delta_log")]
    found += [file.read_bytes().decode("latin-1") for file in lake.rglob("*") if file.is_file()]
    assert len(found) > 5
    assert all(PLANTED not in text for text in [*found, caplog.text])


def landed(path: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lake of a run whose pages have landed and are proved."""
    monkeypatch.setattr("tests.spark.served_table.load_source", lambda *_, **__: source)
    job = job_of(path, 1)
    run = record.open_run(job, publishes=False)
    with record.recorded(job, run, "full-ingest"):
        choices = Choices(allow_deletes=False, accept_incomplete=False, no_check=True)
        ingest(job, Access.of(source.api, source.tables), Budget.of(source.api), run, choices)
    return path.parent / "lake"


def rows(table: Path, sql: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pa.table(
        QueryBuilder().register("t", DeltaTable(str(table))).execute(sql)
    ).to_pylist()
    return found


def test_a_token_that_cannot_be_had_fails_every_table_of_the_plan_with_one_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ENV, "SHOP_REFRESH": f"{PLANTED}-old"}.items():
        monkeypatch.setenv(name, value)
    with Planted() as server:
        server.rotates = True
        path = yaml_of(tmp_path, server, "refresh")
        path.write_text(
            path.read_text("utf-8") + "  others: {path: /others, key: [id], columns: {id: bigint!}}\n", "utf-8"
        )
        done = CliRunner().invoke(
            full_ingest.command, ["--source", str(path), "--lake", str(tmp_path / "lake"), "--dry-run"]
        )
        assert [parse_qs(body)["refresh_token"] for _, body in server.logins] == [[f"{PLANTED}-old"]]
        assert server.pages == []
        host = server.url.removeprefix("http://")
    said = done.output + str(done.exception)
    assert said.count(f"api.auth: no token from {host}: status 400: error invalid_grant") == 2
    assert PLANTED not in json.dumps(said)
