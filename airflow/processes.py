"""Which processes one start of Airflow began, and how they are ended.

Each start has a mark of its own, a random word in the environment of the supervisor, which all that descends from it inherits.
So a process is known for ours whoever is its parent by now, and a number that another process got since is never taken for it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

MARK = "PAGELAKE_AIRFLOW_START"
JOB = "PAGELAKE_AIRFLOW_JOB"  # in a job that a task runs, and in what the job starts


@dataclass(frozen=True)
class Start:
    """A start of Airflow: its mark, its supervisor and its port. Written down while it is at work."""

    mark: str
    pid: int
    port: int

    @classmethod
    def read(cls, state: Path) -> Start | None:
        """The start that is written down, at work or not; None if there is none, or it cannot be read."""
        try:
            return cls(**json.loads((state / "start.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, state: Path) -> None:
        """Write it down, whole or not at all."""
        part = state / "start.json.part"
        part.write_text(json.dumps(asdict(self)), "utf-8")
        os.replace(part, state / "start.json")


def forget(state: Path) -> None:
    """Remove what is written down."""
    (state / "start.json").unlink(missing_ok=True)


def begun_by(mark: str) -> list[psutil.Process]:
    """All processes with this mark that are alive, but the one that asks."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _environment(process).get(MARK) == mark
    ]


def jobs_among(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The jobs that tasks run: of each only the process that can end it cleanly, not what it started itself."""
    jobs = {process.pid: process for process in processes if JOB in _environment(process)}
    return [process for process in jobs.values() if _parent(process) not in jobs]


def tell(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    """Send each process a signal. psutil sends none to another process that has the number by now."""
    for process in processes:
        try:
            send(process)
        except psutil.NoSuchProcess:
            continue


def end(mark: str, *, wait_s: float) -> int:
    """End all that has this mark, cleanly at first, by force after `wait_s`. How many there were."""
    found = begun_by(mark)
    jobs = jobs_among(found)
    # What a job started is the job's to end: without its JVM it could not say how to go on.
    tell(jobs + [process for process in found if JOB not in _environment(process)], psutil.Process.terminate)
    until = time.monotonic() + wait_s
    while begun_by(mark) and time.monotonic() < until:
        time.sleep(0.2)
    while left := begun_by(mark):  # again and again: one that is killed last may have started another
        tell(left, psutil.Process.kill)
        time.sleep(0.2)
    return len(found)


def _environment(process: psutil.Process) -> dict[str, str]:
    """What a process was started with; nothing of one that has ended, or belongs to someone else."""
    try:
        return dict(process.environ()) if process.status() != psutil.STATUS_ZOMBIE else {}
    except (psutil.Error, OSError):
        return {}


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0
