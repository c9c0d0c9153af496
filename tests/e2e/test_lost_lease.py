"""A process that loses its lease in the middle of a write of Spark: its JVM is gone with it, and the table has no commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import until_gone
from tests.s3_server import BUCKET, S3Server

pytestmark = pytest.mark.e2e

LAKE = f"s3://{BUCKET}/lake"
# Files are written until the end of the lease, and many more would be.
RUN = """
import os, sys
from datetime import UTC, datetime
from lib.config import Runtime
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.lock import writing
from lib.lake.objects import Objects
from lib.lake.storage import Address
from lib.session import start_session
from tests.s3_server import store_at
url, lake, table = sys.argv[1:]
spark = start_session("a lost lease", Runtime.of(os.environ), rows=0, halts=True)
objects = Objects(store_at(url))
objects.lease_s = 2.0
local, storage._store = storage._store, lambda name: objects if name else local(name)
with writing(Layout(Address.of(lake)), "slow", datetime.now(UTC)):
    print("taken", flush=True)
    rows = spark.range(10 ** 12).repartition(4)
    rows.write.format("delta").save(storage.to_write(Address.of(table)))
"""


def test_a_write_of_spark_ends_with_the_lease_and_commits_nothing(tmp_path: Path) -> None:
    table = tmp_path / "table"
    with (
        S3Server() as server,
        subprocess.Popen(
            [sys.executable, "-c", RUN, server.url, LAKE, str(table)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "taken\n"
            server.refused = 1_000_000
            assert process.wait(timeout=120) == 1
            assert process.stderr.readlines()[-1].startswith(f"{LAKE}/.lock: the lease was lost, as it could not be")
            until_gone(process.pid, within_s=20)
        finally:
            process.kill()
    assert not list(table.glob("_delta_log/*.json"))
