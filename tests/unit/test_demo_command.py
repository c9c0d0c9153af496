import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from demo import DemoServer, DemoSettings, Faults
from demo.__main__ import _parser, _settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_how_to_ingest_and_stops_cleanly(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "demo", "--port", "0", "--tracks", "5", "--users", "3", "--sessions", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        url = first.split()[5]
        assert first == f"The demo API answers at {url} (day 0: 5 tracks, 3 users, 4 listen_history).\n"
        assert process.stdout.readline().endswith(
            f"./spark-submit.sh full-ingest --source moovitamix --api-url {url}\n"
        )
        assert requests.get(f"{url}/tracks", timeout=10).json()["total"] == 5
        process.send_signal(end)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out.splitlines()[-1], err) == (0, "Stopped.", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--errors", "3"], "errors must be a number from 0 to 1, not 3.0"),
        (["--nulls", "2000"], "nulls is 2000, but only 999 users have an email to lose"),
        (["--port", "70000"], "--port must be from 0 (any free port) to 65535, not 70000"),
    ],
)
def test_a_wrong_option_ends_with_status_2_and_says_why(options: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", *options], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: {message}\n")


def test_every_option_reaches_its_setting() -> None:
    words = (
        "--seed 1 --day 2 --tracks 30 --users 40 --sessions 50 --no-blemishes --latency-ms 0.5 --errors 0.1 --down "
        "--orphans 6 --duplicates 7 --nulls 8 --moving-total 9 --rate-limit-rps 10"
    )
    faults = Faults(
        latency_ms=0.5, errors=0.1, down=True, orphans=6, duplicates=7, nulls=8, moving_total=9, rate_limit_rps=10.0
    )
    assert _settings(_parser().parse_args(words.split())) == DemoSettings(
        seed=1, day=2, tracks=30, users=40, sessions=50, blemishes=False, faults=faults
    )
    assert _settings(_parser().parse_args([])) == DemoSettings()


def test_a_taken_port_ends_with_status_2_and_says_what_to_do() -> None:
    with DemoServer(DemoSettings(tracks=0, users=0, sessions=0)) as server:
        command = [sys.executable, "-m", "demo", "--port", server.url.rsplit(":", 1)[1], "--sessions", "4"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Cannot listen on 127.0.0.1:")
    assert done.stderr.endswith("Choose another with --port.\n")
