"""Whole runs into a store that fails at one step after the other: each says so, and in the end the tables are right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from moto.server import ThreadedMotoServer

from demo.data import KEYS
from tests.e2e.jobs_and_lakes import TABLES, Ended, Key, Row, content, good, served_rows
from tests.e2e.warm_process import WarmProcess
from tests.moto_server import SECRET
from tests.store_proxy import Fault, Harm, StoreProxy

pytestmark = pytest.mark.e2e

SIZE = {"tracks": 40, "users": 20, "sessions": 40}
ENV = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# A run that its store refuses there, by what it was at: each comes later than the one before. The keys are those of the writes.
STEPS = {
    "plan": "*/ops/runs/*",
    "land": "*/bronze/pages/*.parquet",
    "land, at the commit": "*/bronze/pages/_delta_log/*",
    "merge": "*/silver/*.parquet",
    "merge, at the commit": "*/silver/tracks/_delta_log/*",
    "derive": "*/gold/*",
    "docs of the check": "*/site/runs/*",
    "publish": "*/ops/publications/*",
    "published.json": "*/published.json",
}
PLACES = ("wave landed", "merged", "docs moved in")


@dataclass
class Store:
    """A bucket behind a proxy, and the process that runs jobs on it."""

    proxy: StoreProxy
    server: str
    bucket: str
    warm: WarmProcess

    @property
    def lake(self) -> str:
        return f"s3://{self.bucket}/lake"

    def job(self, *arguments: str, **env: str) -> Ended:
        return self.warm.job(*arguments, **{**ENV, "AWS_ENDPOINT_URL": self.proxy.url, **env})

    def ingest(self, day: int, *options: str, **env: str) -> Ended:
        size = [word for name, value in {**SIZE, "day": day}.items() for word in ("--set", f"demo.{name}={value}")]
        return self.job("full-ingest", "--lake", self.lake, *size, *options, **env)

    @property
    def published(self) -> Any:
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=self.server)
        return json.loads(client.get_object(Bucket=self.bucket, Key="lake/published.json")["Body"].read())

    def rows(self, path: str, version: int | None = None) -> list[Row]:
        options = {**ENV, "AWS_ENDPOINT_URL": self.server, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
        table = DeltaTable(f"{self.lake}/{path}", version=version, storage_options=options)
        found: list[Row] = pa.table(QueryBuilder().register("t", table).execute("SELECT * FROM t")).to_pylist()
        return found

    def live(self, table: str) -> dict[Key, Row]:
        entry = self.published["tables"][table]
        rows = [row for row in self.rows(entry["path"], entry["version"]) if row["_deleted_at"] is None]
        found = {tuple(row[column] for column in KEYS[table]): content(row) for row in rows}
        assert len(found) == len(rows), f"{table} has a key twice"
        return found

    def is_as_served(self, day: int) -> bool:
        """Whether what is published is what the source has on that day, and gold has a row for each play of silver."""
        served = served_rows(**SIZE, day=day)
        for table in TABLES:
            assert self.live(table) == good(table, served[table]), table
        entry = self.published["tables"]["listens"]
        plays = self.rows(entry["path"], entry["version"])
        distinct = {(row["user_id"], row["listened_at"], row["position"], row["track_id"]) for row in plays}
        return len(plays) == len(distinct) == sum(len(row["items"]) for row in self.live("listen_history").values())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url, bucket = f"http://{host}:{port}", f"b{uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch, StoreProxy(url) as proxy:
        for name, value in ENV.items():
            patch.setenv(name, value)
        boto3.client("s3", region_name="us-east-1", endpoint_url=url).create_bucket(Bucket=bucket)
        warm = WarmProcess(tmp_path_factory.mktemp("warm"))
        yield Store(proxy, url, bucket, warm)
        warm.end()
    server.stop()


# What was measured, and some twenty more: a run that asks for each file of a log again, or for a table at each step, is above.
FIRST = {"GET": 430, "LIST": 340, "HEAD": 225, "PUT": 120, "POST": 10, "DELETE": 15}
UNCHANGED = {"GET": 635, "LIST": 245, "HEAD": 165, "PUT": 75, "POST": 10, "DELETE": 15}


def night(store: Store, day: int, run_id: str) -> dict[str, int]:
    """A run that ends well: how many requests it sent, by method and folder of the lake."""
    store.proxy.requests.clear()
    ended = store.ingest(day, "--run-id", run_id)
    assert ended.status == 0, ended.err
    return store.proxy.count()


@pytest.fixture(scope="module")
def first(store: Store) -> dict[str, int]:
    return night(store, 0, "first")


@pytest.fixture(scope="module")
def unchanged(store: Store, first: dict[str, int]) -> dict[str, int]:
    return night(store, 0, "unchanged")


def says_it(ended: Ended) -> str:
    """The sentence of a run that its store failed, which is all that it says besides its steps."""
    assert ended.status == 1, ended.err
    assert "Traceback" not in ended.err
    assert SECRET not in ended.err + ended.out
    lines = [line for line in ended.err.splitlines() if line.startswith("s3://")]
    assert len(lines) == 1, ended.err
    return lines[0]


def most(asked: dict[str, int], method: str) -> int:
    # The lease is renewed by the clock.
    return sum(number for kind, number in asked.items() if kind.split()[0] == method and kind != f"{method} .lock")


def test_the_first_night_asks_the_store_no_more_than_it_needs(store: Store, first: dict[str, int]) -> None:
    assert store.is_as_served(0)
    assert {method: most(first, method) <= bound for method, bound in FIRST.items()} == dict.fromkeys(FIRST, True), (
        first
    )


def test_an_unchanged_night_asks_the_store_no_more_than_it_needs(
    first: dict[str, int], unchanged: dict[str, int]
) -> None:
    good_bounds = dict.fromkeys(UNCHANGED, True)
    assert {method: most(unchanged, method) <= bound for method, bound in UNCHANGED.items()} == good_bounds, unchanged


def passing(folder: str) -> tuple[Fault, ...]:
    """Faults that meet some of the requests to a folder, and no request too often."""
    key = f"*/{folder}*"
    return (
        Fault(Harm.SLOW_DOWN, "*", key, times=3),
        Fault(Harm.CUT, "*", key, after=5, times=2),
        Fault(Harm.LOST, "PUT", key, after=1, times=1),
        Fault(Harm.CUT_UPLOAD, "PUT", key, after=3, times=1),
        Fault(Harm.CUT_DOWNLOAD, "GET", key, after=4, times=1),
        Fault(Harm.INTERNAL, "*", key, after=9, times=2),
        Fault(Harm.LATE, "*", key, after=12, times=2, late_s=1),
    )


FOLDERS = ("ops/", "bronze/", "silver/", "gold/", "quarantine/", "site/", "published.json", "lake.json")


def test_a_night_of_faults_that_pass_ends_as_a_good_one(store: Store, unchanged: dict[str, int]) -> None:
    faults = [fault for folder in FOLDERS for fault in passing(folder)]
    with store.proxy.failing(*faults):
        ended = store.ingest(1, "--run-id", "troubled")
    assert ended.status == 0, ended.err
    met = {(fault.harm, fault.key) for fault in faults if fault.met}
    assert {harm for harm, _ in met} >= set(Harm) - {Harm.REFUSED, Harm.DONE_500}
    assert store.is_as_served(1)
    assert store.published["run_id"] == "troubled"
    assert [row["exit_status"] for row in store.rows("ops/runs") if row["run_id"] == "troubled"] == [0]


def test_a_run_that_fails_at_each_step_and_is_resumed_ends_as_a_good_one(
    store: Store, unchanged: dict[str, int]
) -> None:
    before = store.published
    for step, key in STEPS.items():
        fault = Fault(Harm.REFUSED, "PUT", key)
        with store.proxy.failing(fault):
            ended = store.ingest(2, "--resume-or-start", "chained")
        assert fault.met, step
        said = says_it(ended)
        assert "the store refuses the credentials that are used (403" in said, step
        assert said.startswith(store.lake), step
        assert store.published == before, step
    for place in PLACES:
        ended = store.ingest(2, "--resume-or-start", "chained", PAGELAKE_FAILPOINT=f"raise:{place}")
        assert (ended.status, f"made to fail at: {place}" in ended.err) == (1, True), ended.err
    ended = store.ingest(2, "--resume", "chained")
    assert ended.status == 0, ended.err
    assert store.is_as_served(2)
    assert store.published["run_id"] == "chained"


@pytest.mark.parametrize("job", ["full-ingest", "status", "sanity-check"])
def test_a_store_that_refuses_is_said_at_once(store: Store, unchanged: dict[str, int], job: str) -> None:
    with store.proxy.failing(Fault(Harm.REFUSED)):
        ended = store.job(job, "--lake", store.lake)
    assert "the store refuses the credentials that are used (403" in says_it(ended)
    assert ended.seconds < 20


def test_a_bucket_that_is_not_there_is_said_at_once(store: Store) -> None:
    ended = store.job("full-ingest", "--lake", "s3://nobucket/lake")
    assert says_it(ended).endswith(
        "the store has no s3://nobucket (404 NoSuchBucket); make it, or give another address with --lake"
    )
    assert ended.seconds < 20


def test_a_store_that_goes_while_a_run_lands_is_said_in_time_and_the_next_run_goes_on(
    store: Store, unchanged: dict[str, int]
) -> None:
    before = store.published
    with store.proxy.failing(Fault(Harm.SLOW_DOWN, "*", "*/bronze/pages/*")):
        ended = store.ingest(3, "--run-id", "gone")
    assert "the store failed (503" in says_it(ended)
    assert store.published == before
    ended = store.ingest(3, "--resume", "gone")
    assert ended.status == 0, ended.err
    assert store.is_as_served(3)


def test_a_store_that_asks_for_patience_gets_it(store: Store, unchanged: dict[str, int]) -> None:
    fault = Fault(Harm.SLOW_DOWN, "*", "*/silver/*", for_s=20)
    with store.proxy.failing(fault):
        ended = store.ingest(4, "--run-id", "patient")
    assert ended.status == 0, ended.err
    assert fault.met
    assert store.is_as_served(4)
