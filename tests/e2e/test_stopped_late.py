"""A run that gets SIGTERM while it derives or checks: nothing of it works on once the lake is free."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import at_work, small_demo, until_gone
from tests.e2e.warm_process import WarmProcess

pytestmark = pytest.mark.e2e

# What a process needs to end by itself, on a busy machine.
SOON_S = 5.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("late") / "lake"


def test_a_run_that_is_stopped_while_it_derives_or_checks_ends_with_its_lock(root: Path, warm: WarmProcess) -> None:
    for place in ("derive started", "checked"):
        started = time.monotonic()
        out, err = root.parent / "out", root.parent / "err"
        with (
            out.open("w") as to_out,
            err.open("w") as to_err,
            at_work(
                *("full-ingest", "--lake", str(root), "--run-id", place.replace(" ", "-"), *small_demo()),
                out=to_out,
                err=to_err,
                PAGELAKE_FAILPOINT=f"term:{place}",
            ) as process,
        ):
            lock = root / ".lock"
            while not (lock.exists() and lock.read_text("utf-8")):
                assert time.monotonic() < started + 300
                time.sleep(0.05)
            while lock.read_text("utf-8"):
                assert time.monotonic() < started + 500
                time.sleep(0.05)
            assert process.wait(timeout=SOON_S) == 143, place
            until_gone(process.pid, SOON_S)
        said = err.read_text("utf-8")
        assert "Traceback" not in said
        assert "was stopped by a signal" in out.read_text("utf-8")
        assert not (root / "published.json").exists(), place
    ended = warm.ingest(root, "after", *small_demo())
    assert ended.status == 0, ended.err
