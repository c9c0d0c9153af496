"""Runs Airflow's three processes, starts one that ended again, and ends them all when it is asked to.

`control.py start` starts it. It holds a lock for as long as it lives, which says that Airflow is running.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil
from processes import MARK, Start, begun_by, end, forget, jobs_among, tell

# In the order in which they start. Tasks speak to the api-server, so it is the last to end.
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],  # the page reads the logs from disk: no second web server
    "dag-processor": ["dag-processor"],
}
# A job ends its Spark and its task is recorded; then there is time to wait no longer.
JOBS_S = 90
LONGEST_PAUSE_S = 60.0


def main() -> int:
    """Run until SIGTERM. 3 if another supervisor is at work."""
    state, logs = Path(os.environ["AIRFLOW_HOME"]), Path(sys.argv[1])
    with (state / "supervisor.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 3
        asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: asked.set())
        mark = os.environ[MARK]
        Start(mark, os.getpid(), int(os.environ["AIRFLOW__API__PORT"])).write(state)
        components = [Component(name, words, logs / f"{name}.log") for name, words in COMPONENTS.items()]
        try:
            while not asked.wait(0.5):
                for component in components:
                    # A task that begins before the api-server answers would lose its first try.
                    if component.name != "scheduler" or component.process or answers():
                        component.look_after()
        finally:
            stop({component.name: component for component in components}, mark)
            forget(state)
    return 0


@dataclass
class Component:
    """One process of Airflow, and its log."""

    name: str
    words: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause_s: float = field(default=1.0)

    def look_after(self) -> None:
        """Start it, if it does not run. One that ends again soon waits longer each time."""
        if self.process is None:
            self._start()
        elif (status := self.process.poll()) is not None:
            ran_s = time.monotonic() - self.started
            if ran_s < self.pause_s:
                return
            say(f"{self.name} ended with {status} after {ran_s:.0f} s; it is started again")
            self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S) if ran_s < 2 * LONGEST_PAUSE_S else 1.0
            self._start()

    def _start(self) -> None:
        command = [os.path.join(os.path.dirname(sys.executable), "airflow"), *self.words]
        with open_log(self.log) as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.log.parent
            )
        self.started = time.monotonic()
        say(f"{self.name} is process {self.process.pid}")

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended, no longer than this."""
        if self.process is not None:
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                say(f"{self.name} is still there after {timeout_s:.0f} s")


def stop(components: dict[str, Component], mark: str) -> None:
    """End everything: first what makes work, then the work, then what records it; by force what does not."""
    say("asked to end")
    for name in ("scheduler", "dag-processor"):
        components[name].ask_to_end()  # the scheduler waits for its tasks
    jobs = jobs_among(begun_by(mark))
    if jobs:
        say(f"stopping {len(jobs)} at work: {', '.join(str(job.pid) for job in jobs)}")
        tell(jobs, psutil.Process.terminate)
    components["scheduler"].wait(JOBS_S)
    components["api-server"].ask_to_end()
    for name in ("dag-processor", "api-server"):
        components[name].wait(15)
    left = end(mark, wait_s=5)
    say(f"ended{f'; {left} by themselves did not' if left else ''}")


def answers() -> bool:
    """Whether somebody listens on the port of the api-server."""
    try:
        socket.create_connection(("127.0.0.1", int(os.environ["AIRFLOW__API__PORT"])), timeout=1).close()
    except OSError:
        return False
    return True


def open_log(file: Path) -> IO[bytes]:
    """A log to append to; one that has grown large is put aside, once."""
    if file.exists() and file.stat().st_size > 20_000_000:
        os.replace(file, file.with_suffix(".log.1"))
    return file.open("ab")


def say(text: str) -> None:
    """A line in the supervisor's log."""
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
