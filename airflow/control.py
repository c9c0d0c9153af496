"""What init.sh, start.sh and terminate.sh ask for: start, terminate, idle (is Airflow stopped?) and password (from stdin)."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from processes import MARK, Start, begun_by, end, forget
from supervise import JOBS_S, open_log

STATE = Path(os.environ["AIRFLOW_HOME"])
LOGS = STATE / "logs" / "processes"
HEALTHY_S = 180
PARTS = ("metadatabase", "scheduler", "dag_processor")


def main(action: str) -> int:
    """Do it, and return the exit status."""
    return {"start": start, "terminate": terminate, "idle": idle, "password": password}[action]()


def start() -> int:
    """Start Airflow, and wait until it is healthy."""
    if (at_work := start_at_work()) is not None:
        wait_healthy(at_work.port, lambda: start_at_work() is not None)
        say(f"Airflow is running already: http://localhost:{at_work.port}")
        return 0
    clear_up()
    port = int(os.environ["AIRFLOW__API__PORT"])
    if not is_free(port):
        say(
            f"Port {port} on 127.0.0.1 is in use by another process, which start.sh did not begin. Nothing was started.\n"
            "Stop that one, or take another port: PAGELAKE_AIRFLOW_PORT=8081 ./airflow/start.sh"
        )
        return 1
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "supervisor.log"
    command = [sys.executable, str(Path(__file__).with_name("supervise.py")), str(LOGS)]
    environment = {**os.environ, MARK: secrets.token_hex(16)}
    with open_log(log) as out:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
        )
    say("Airflow is starting")
    try:
        healthy = wait_healthy(port, lambda: supervisor.poll() is None)
    except KeyboardInterrupt:
        healthy = False
    if healthy:
        say(f"Airflow is running: http://localhost:{port}  (user admin; only this machine can reach it)")
        say(f"Logs: {LOGS}. End it with ./airflow/terminate.sh")
        return 0
    say(f"Airflow did not become healthy within {HEALTHY_S} s; it was stopped again. The reason is in {LOGS}:")
    for file in sorted(LOGS.glob("*.log")):
        say(f"-- {file.name}\n" + "\n".join(file.read_text("utf-8", "replace").splitlines()[-8:]))
    if supervisor.poll() is None:
        terminate()
    return 1


def terminate() -> int:
    """End what start began, and say what was ended."""
    at_work = start_at_work()
    if at_work is None:
        if not clear_up():
            say("Airflow was not running.")
        return 0
    say("Airflow is ending (a job at work is stopped cleanly, which takes up to a minute)")
    os.kill(at_work.pid, signal.SIGTERM)
    until = time.monotonic() + JOBS_S + 60
    while start_at_work() is not None and time.monotonic() < until:
        time.sleep(0.2)
    end(at_work.mark, wait_s=0)
    if start_at_work() is None:
        forget(STATE)
    say("Airflow has stopped.")
    return 0


def idle() -> int:
    """Whether Airflow is stopped."""
    if start_at_work() is None:
        clear_up()
        return 0
    say("Airflow is running, and its database cannot be changed under it. Type ./airflow/terminate.sh first.")
    return 2


def password() -> int:
    """Keep the password, for nobody else to read. It comes by stdin: a command line can be read by everybody."""
    text = sys.stdin.buffer.read().decode()
    part = STATE / "passwords.json.part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"admin": text}, file)
    os.replace(part, STATE / "passwords.json")
    return 0


def start_at_work() -> Start | None:
    """The start whose supervisor lives: it holds the lock. A number in a file would tell nothing of that."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "supervisor.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            for _ in range(50):  # it writes down who it is as soon as it has the lock
                if (found := Start.read(STATE)) is not None:
                    return found
                time.sleep(0.1)
    return None


def clear_up() -> bool:
    """End what a supervisor that was killed left behind. Whether there was anything."""
    stale = Start.read(STATE)
    if stale is None:
        forget(STATE)
        return False
    left = len(begun_by(stale.mark))
    if left:
        end(stale.mark, wait_s=JOBS_S)
    forget(STATE)
    say(f"An earlier Airflow (process {stale.pid}) was killed. {left} of its processes were left, and are ended.")
    return True


def is_free(port: int) -> bool:
    """Whether the port can be had."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_healthy(port: int, alive: Callable[[], bool]) -> bool:
    """Wait until the database, the scheduler and the DAG processor are healthy. False after too long, or if nothing lives."""
    until = time.monotonic() + HEALTHY_S
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until and alive():
        try:
            with opener.open(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
            if all((health.get(part) or {}).get("status") == "healthy" for part in PARTS):
                return True
        except (OSError, ValueError):
            pass
        time.sleep(0.5)
    return False


def say(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
