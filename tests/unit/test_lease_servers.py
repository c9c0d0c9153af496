"""Leases in servers that speak S3, held by processes that are stopped, killed and woken up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import boto3
import pytest
from obstore.store import S3Store

from lib.errors import ConfigError, LakeError
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.lock import left_by, run_at_work, writing
from lib.lake.objects import Objects
from lib.lake.storage import Address
from tests.moto_server import aws, credentials
from tests.s3_server import BUCKET, S3Server, store_at

__all__ = ["aws", "credentials"]
# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough
NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
LAKE = f"s3://{BUCKET}/lake"
LAYOUT = Layout(Address.of(LAKE))
# So long that a busy machine loses none by itself.
LEASE_S = 4.0
REFUSAL = re.compile(r"run .+ \(process \d+ on .*If it was killed, its lease ends at \d\d:\d\d:\d\d UTC$")
# A run that writes a file for each line that it reads.
RUN = """
import sys
from datetime import UTC, datetime
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.lock import writing
from lib.lake.objects import Objects
from lib.lake.storage import Address
from tests.s3_server import store_at
url, lake, name, lease_s = sys.argv[1:]
objects = Objects(store_at(url))
objects.lease_s = float(lease_s)
storage._store = lambda _name: objects
layout = Layout(Address.of(lake))
with writing(layout, name, datetime.now(UTC)):
    print("taken", flush=True)
    for line in sys.stdin:
        storage.replace_text(layout.root / "file", f"{name} {line}")
        print("written", flush=True)
"""


@contextmanager
def a_run(url: str, name: str, lease_s: float = LEASE_S) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, url, LAKE, name, str(lease_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "taken\n"
            yield process
        finally:
            process.kill()


def write(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("1\n")
    assert process.stdout.readline() == "written\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        use(server.store(), monkeypatch)
        yield server


def use(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects(store)
    monkeypatch.setattr(storage, "_store", lambda _name: objects)


@contextmanager
def taken_over(name: str) -> Iterator[None]:
    """Write the lake as soon as that is possible. Until then it is said who does, and until when."""
    refusals = []
    while True:
        try:
            with writing(LAYOUT, name, NOW):
                assert all(REFUSAL.search(one) for one in refusals)
                yield
                return
        except LakeError as error:
            refusals.append(str(error))


def text() -> str:
    return storage.read_text(LAYOUT.root / "file")


@pytest.mark.quick
def test_a_run_that_was_suspended_writes_nothing_once_another_one_took_over(server: S3Server) -> None:
    with a_run(server.url, "slow") as slow:
        write(slow)
        assert text() == "slow 1\n"
        os.kill(slow.pid, signal.SIGSTOP)
        with taken_over("next"):
            storage.replace_text(LAYOUT.root / "file", "next")
            assert slow.stdin is not None
            slow.stdin.write("2\n")
            os.kill(slow.pid, signal.SIGCONT)
            _, err = slow.communicate(timeout=60)
            assert (slow.returncode, err.splitlines()[-1]) == (
                1,
                f"{LAKE}/.lock: the lease was lost, as it could not be renewed in time, so another run may be at work. This one "
                "was stopped before it wrote anything more; start it again",
            )
            assert (text(), run_at_work(LAYOUT)) == ("next", "next")
    assert (run_at_work(LAYOUT), left_by(LAYOUT)) == (None, None)


def test_a_run_that_was_suspended_for_less_than_its_lease_goes_on(server: S3Server) -> None:
    with a_run(server.url, "slow", lease_s=60) as slow:
        os.kill(slow.pid, signal.SIGSTOP)
        with (
            pytest.raises(LakeError, match=rf"run slow \(process {slow.pid} on .* is at work on this lake"),
            writing(LAYOUT, "next", NOW),
        ):
            pass
        os.kill(slow.pid, signal.SIGCONT)
        write(slow)
        _, err = slow.communicate(timeout=60)
    assert (slow.returncode, err) == (0, "")
    with writing(LAYOUT, "next", NOW):
        assert text() == "slow 1\n"


def test_a_run_that_was_killed_is_at_work_until_its_lease_ends(server: S3Server) -> None:
    with a_run(server.url, "killed") as killed:
        killed.kill()
        killed.wait()
        assert run_at_work(LAYOUT) == "killed"
        with taken_over("next"):
            assert run_at_work(LAYOUT) == "next"


def test_a_run_ends_where_its_store_does_not_answer_for_its_whole_lease(server: S3Server) -> None:
    with a_run(server.url, "cut off", lease_s=1) as process:
        server.refused = 1_000_000
        assert process.wait(timeout=60) == 1
        server.refused = 0
        assert process.stderr is not None
        assert "the lease was lost" in process.stderr.readlines()[-1]
    with taken_over("next"):
        pass


def test_some_seconds_of_503_and_lost_answers_end_no_lease(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.lake.lease.RENEWALS", 300)
    server.lost = 1
    with writing(LAYOUT, "r1", NOW):
        for _ in range(2):
            before, server.refused, server.lost = len(server.asked), 2, 1
            while server.refused + server.lost:
                threading.Event().wait(0.05)
            assert f"PUT /{BUCKET}/lake/.lock" in server.asked[before:]
        storage.replace_text(LAYOUT.root / "file", "r1")
        assert run_at_work(LAYOUT) == "r1"
        server.lost = 1
    assert (run_at_work(LAYOUT), left_by(LAYOUT), text()) == (None, None, "r1")


@pytest.mark.quick
@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("If-None-Match", "it makes an object that is there already"),
        ("If-Match", "it replaces an object whose ETag is another one by now"),
    ],
)
def test_a_server_that_ignores_conditions_is_refused_and_left_as_it_was(
    header: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Server(header) as server:
        use(server.store(), monkeypatch)
        with (
            pytest.raises(ConfigError, match=rf"does not keep to the conditions of a write \({why}\)"),
            writing(LAYOUT, "r1", NOW),
        ):
            pass
        assert server.objects == {}


@pytest.mark.quick
def test_the_first_run_asks_the_store_and_later_ones_make_three_requests(server: S3Server) -> None:
    counts = []
    for name in ("r1", "r2"):
        before = len(server.asked)
        with writing(LAYOUT, name, NOW):
            pass
        counts.append(len(server.asked) - before)
    # A look, the put that takes it, the put that gives it back.
    assert counts == [11, 3]


@pytest.mark.usefixtures("credentials")
def test_one_run_at_a_time_writes_a_lake_on_moto(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws).create_bucket(Bucket=BUCKET)
    use(store_at(aws), monkeypatch)
    assert run_at_work(LAYOUT) is None
    with a_run(aws, "slow") as slow:
        write(slow)
        os.kill(slow.pid, signal.SIGSTOP)
        with taken_over("next"):
            os.kill(slow.pid, signal.SIGCONT)
            assert slow.wait(timeout=60) == 1
            assert run_at_work(LAYOUT) == "next"
    assert storage.names(LAYOUT.root) == {".lock", "file"}
