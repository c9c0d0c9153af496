"""Every job on a lake in S3: two days of the demo, looked at by engines of others. moto's server stands for S3."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from demo import DemoSettings, build
from demo.data import KEYS
from lib.stores import kind_of
from tests.e2e.jobs_and_lakes import ROOT, SMALL, TABLES, Ended, Row, content, good, job, small_demo
from tests.e2e.warm_process import UNCOMPILED, WarmProcess
from tests.moto_server import SECRET, aws

pytestmark = pytest.mark.e2e
__all__ = ["aws"]

BUCKET, LAKE = "lakes", "s3://lakes/of/demo"
DAYS = [build(DemoSettings(**SMALL, day=day)) for day in (0, 1)]


@dataclass(frozen=True)
class Bucket:
    """The bucket, as Amazon's tools and delta-rs see it."""

    endpoint: str
    held: Any
    env: dict[str, str]

    @property
    def options(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.env["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def text(self, name: str) -> str:
        return str(self.held.Object(f"of/demo/{name}").get()["Body"].read().decode())

    @property
    def published(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text("published.json"))
        return found

    def rows(self, path: str, version: int | None, sql: str = "SELECT * FROM t") -> list[Row]:
        table = DeltaTable(f"{LAKE}/{path}", version=version, storage_options=self.options)
        rows: list[Row] = pa.table(QueryBuilder().register("t", table).execute(sql)).to_pylist()
        return rows

    def live(self, table: str) -> list[Row]:
        entry = self.published["tables"][table]
        return self.rows(entry["path"], entry["version"], f"SELECT * FROM t WHERE {entry['live']}")


@pytest.fixture(scope="module")
def bucket(aws: str) -> Bucket:
    store = boto3.resource(
        "s3", region_name="us-east-1", endpoint_url=aws, aws_access_key_id="someone", aws_secret_access_key=SECRET
    )
    env = {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Bucket(aws, store.create_bucket(Bucket=BUCKET), env)


@pytest.fixture(scope="module")
def warm(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bucket.env.items():
            patch.setenv(name, value)
        process = WarmProcess(tmp_path_factory.mktemp("warm"))
    yield process
    process.end()


@pytest.fixture(scope="module")
def first(bucket: Bucket) -> Ended:
    """The first run, which starts as users start it."""
    return job("full-ingest", "--lake", LAKE, "--run-id", "first", *small_demo(), **bucket.env)


@pytest.fixture(scope="module")
def second(warm: WarmProcess, first: Ended) -> Ended:
    # s3a is another word for the same lake.
    options = ("--lake", "s3a://lakes/of/demo/", "--run-id", "second", *small_demo(day=1))
    return warm.job(*UNCOMPILED, "full-ingest", *options)


def expected(table: str, day: int) -> dict[tuple[Any, ...], Row]:
    return good(table, DAYS[day].rows[table])


def by_key(table: str, rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[column] for column in KEYS[table]): content(row) for row in rows}


def test_the_first_run_copies_all_and_publishes_it(first: Ended, bucket: Bucket) -> None:
    assert first.status == 0, first.err
    assert bucket.published["run_id"] == "first"
    assert f"Docs:    {LAKE}/site/index.html  (make docs LAKE={LAKE} shows it)" in first.out
    for table in TABLES:
        assert by_key(table, bucket.live(table)) == expected(table, 0)
    plays = sum(len(row["items"]) for row in expected("listen_history", 0).values())
    assert len(bucket.live("listens")) == plays


def test_the_next_day_is_merged_and_the_version_before_stays(second: Ended, bucket: Bucket) -> None:
    assert second.status == 0, second.err
    assert bucket.published["run_id"] == "second"
    for table in TABLES:
        assert by_key(table, bucket.live(table)) == expected(table, 1)
        assert by_key(table, bucket.rows(f"silver/{table}", 0)) == expected(table, 0)


def test_no_secret_and_no_address_with_a_credential_is_said_or_written(
    first: Ended, second: Ended, bucket: Bucket
) -> None:
    for ended in (first, second):
        assert SECRET not in ended.out + ended.err
    for one in bucket.held.objects.all():
        assert SECRET.encode() not in one.get()["Body"].read(), one.key


def test_a_browser_is_given_pages_of_the_site_by_the_store(second: Ended, bucket: Bucket) -> None:
    assert second.status == 0
    kinds = {name: bucket.held.Object(f"of/demo/site/{name}").content_type for name in ("index.html", "runs.html")}
    kinds["docs"] = bucket.held.Object("of/demo/site/runs/second/index.html").content_type
    assert set(kinds.values()) == {"text/html; charset=utf-8"}
    assert not any(".staging/" in one.key for one in bucket.held.objects.all())


def test_jobs_without_spark_read_it(second: Ended, warm: WarmProcess, bucket: Bucket) -> None:
    said = warm.job("status", "--lake", LAKE, "--format", "json")
    assert said.status == 0, said.err
    status = json.loads(said.out)
    assert (status["lake"], status["published"]["publication_id"]) == (LAKE, "second")
    rows = warm.job("failures", "--lake", LAKE, "--format", "json")
    assert rows.status == 0, rows.err
    which = ("--dag", "full_ingest", "--dag-run", "by_hand", "--task", "load", "--try", "1", "--run-id", "second")
    task = warm.job("record-task", "--lake", LAKE, *which, "--state", "success", "--seconds", "12.5")
    assert task.status == 0, task.err


def test_a_publication_is_rolled_back_and_made_again(second: Ended, warm: WarmProcess, bucket: Bucket) -> None:
    back = warm.job("sanity-check", "--rollback", "--lake", LAKE)
    assert back.status == 0, back.err
    assert bucket.published["run_id"] == "first"
    assert by_key("tracks", bucket.live("tracks")) == expected("tracks", 0)
    again = warm.job(*UNCOMPILED, "sanity-check", "--lake", LAKE)
    assert again.status == 0, again.err
    assert bucket.published["run_id"] == "second"


def test_a_row_is_explained_from_its_page_on(second: Ended, warm: WarmProcess) -> None:
    key = next(iter(expected("tracks", 1)))[0]
    said = warm.job(*UNCOMPILED, "explain-row", "--lake", LAKE, "--table", "tracks", "--key", f"id={key}")
    assert said.status == 0, said.err
    assert re.search(r"first|second", said.out)


def test_readers_without_spark_open_what_is_published(
    second: Ended, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib.lake import read_masked

    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    kind_of.cache_clear()
    masked = read_masked("users", lake=LAKE)
    assert masked.num_rows == len(expected("users", 1))
    assert set(masked.column("email").to_pylist()) == {"***"}
    entry = bucket.published["tables"]["tracks"]
    tracks = (
        pl.scan_delta(f"{LAKE}/{entry['path']}", version=entry["version"], storage_options=bucket.options)
        .filter(pl.sql_expr(entry["live"]))
        .collect()
    )
    assert tracks["id"].sort().to_list() == sorted(key[0] for key in expected("tracks", 1))


def test_notebooks_open_it_with_spark(second: Ended, bucket: Bucket, tmp_path: Path) -> None:
    program = tmp_path / "look.py"
    program.write_text(
        "from lib.lake import open_lake\n"
        f"lake = open_lake({LAKE!r})\n"
        "print('live tracks:', lake.published('tracks').count())\n"
    )
    done = run(f'source scripts/environment.sh && exec "$PAGELAKE_VENV/bin/python" {program}', bucket.env)
    assert f"live tracks: {len(expected('tracks', 1))}" in done


def run(command: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
