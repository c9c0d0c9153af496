"""`scripts/nightly.sh`: which ends are tried again, and as which run. A stand-in takes the place of the job."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """\
#!/bin/bash
# Notes how it was called, and ends with the next status of the list; the word `wait` waits for a signal.
printf '%s\\n' "$*" >>calls
read -r status <statuses; sed -i 1d statuses
if [[ $status == wait ]]; then
    trap 'echo stopped >>calls; exit 143' TERM
    sleep 60 & echo waits >>calls; wait
fi
exit "$status"
"""


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A clone of the one script, in a folder with a space in its name."""
    clone = tmp_path / "a clone"
    (clone / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "nightly.sh", clone / "scripts")
    stand_in = clone / "spark-submit.sh"
    stand_in.write_text(STAND_IN, "utf-8")
    stand_in.chmod(0o755)
    return clone


@contextmanager
def start(night: Path, statuses: str, *options: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    (night / "statuses").write_text("\n".join(statuses.split()) + "\n", "utf-8")
    with subprocess.Popen(
        # A shell cannot trap what its parent ignores, as one in the background does with Ctrl-C.
        ["env", "--default-signal=INT", str(night / "scripts" / "nightly.sh"), *options],
        cwd=night,
        env={**os.environ, "PAGELAKE_RETRY_S": "0", **env},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def calls(night: Path) -> list[str]:
    file = night / "calls"
    return file.read_text("utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("statuses", "ended", "n_calls"),
    [
        ("2", 2, 1),
        ("3", 3, 1),
        ("130", 130, 1),
        ("143", 143, 1),
        ("4 3", 3, 2),
        ("1 3", 3, 2),
        ("1 4 2", 2, 3),
        ("4 4 1 0", 1, 3),
    ],
)
def test_only_status_1_and_4_are_tried_again_and_three_tries_are_enough(
    night: Path, statuses: str, ended: int, n_calls: int
) -> None:
    before = datetime.now(UTC).date()
    with start(night, statuses, "--source", "my shop.yml") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == ended
    days = {before, datetime.now(UTC).date()}
    assert len(calls(night)) == n_calls
    [call] = set(calls(night))
    assert call in {f"full-ingest --source my shop.yml --resume-or-start nightly-{day}" for day in days}
    assert said.count("the next one begins in 0 s.") == n_calls - 1


@pytest.mark.parametrize(
    ("statuses", "ended", "jobs"),
    [
        ("0 0", 0, "full-ingest build-recommendations"),
        ("0 3", 3, "full-ingest build-recommendations"),
        ("4 1 0 0", 0, "full-ingest full-ingest full-ingest build-recommendations"),
        ("1 0 1 0", 0, "full-ingest full-ingest build-recommendations build-recommendations"),
        ("0 1 1 1 0", 1, "full-ingest build-recommendations build-recommendations build-recommendations"),
    ],
)
def test_a_night_that_published_makes_the_lists_whose_tries_are_counted_anew(
    night: Path, statuses: str, ended: int, jobs: str
) -> None:
    with start(night, statuses, "--source", "shop") as process:
        assert process.wait(60) == ended
    assert [call.split()[0] for call in calls(night)] == jobs.split()


def test_the_lists_are_made_with_the_options_that_every_job_has(night: Path) -> None:
    common = [
        "--source",
        "my shop.yml",
        "--lake=/a lake",
        "--set",
        "recommend.rows=5",
        "--log-format",
        "json",
        "--verbose",
    ]
    with start(night, "0 0", "--tables", "tracks,users", "--allow-deletes", *common, "--api-url=http://h") as process:
        assert process.wait(60) == 0
    assert calls(night)[1] == f"build-recommendations --if-declared {' '.join(common)} --api-url=http://h"


@pytest.mark.parametrize("option", ["--no-check", "--dry-run"])
def test_a_night_that_publishes_nothing_makes_no_lists(night: Path, option: str) -> None:
    with start(night, "0 0", option) as process:
        assert process.wait(60) == 0
    assert len(calls(night)) == 1


def test_a_signal_while_the_tables_are_copied_makes_no_lists(night: Path) -> None:
    stand_in = night / "spark-submit.sh"
    stand_in.write_text(STAND_IN.replace("exit 143", "exit 0"), "utf-8")
    with start(night, "wait 0") as process:
        deadline = time.monotonic() + 30
        while calls(night)[1:] != ["waits"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert [call.split()[0] for call in calls(night)] == ["full-ingest", "waits", "stopped"]


def test_the_number_of_tries_is_a_setting(night: Path) -> None:
    with start(night, "4 0", PAGELAKE_TRIES="1") as process:
        assert process.wait(60) == 4
    assert len(calls(night)) == 1


@pytest.mark.parametrize("env", [{"PAGELAKE_TRIES": "0"}, {"PAGELAKE_TRIES": "x"}, {"PAGELAKE_RETRY_S": "-1"}])
def test_a_setting_that_is_no_number_is_usage_and_starts_nothing(night: Path, env: dict[str, str]) -> None:
    with start(night, "0", **env) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "must be whole numbers" in said
    assert calls(night) == []


@pytest.mark.parametrize("what", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_job_whose_end_is_waited_for(night: Path, what: signal.Signals) -> None:
    with start(night, "wait 0") as process:
        deadline = time.monotonic() + 30
        while calls(night)[1:] != ["waits"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(what)
        assert process.wait(30) == 143
    assert calls(night)[2:] == ["stopped"]


def test_a_signal_between_two_tries_ends_it_as_the_last_try_did(night: Path) -> None:
    with start(night, "4 0", PAGELAKE_RETRY_S="300") as process:
        assert process.stderr is not None
        assert "begins in 300 s" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 4
    assert len(calls(night)) == 1
