"""Runs a job that dies in front of its n-th step on the files of a lake, as a power cut would have it.

    python -m tests.dies_at_step N LOG LAKE JOB OPTIONS...

A step is a file that is opened, renamed or removed, or a folder that is made. What delta-rs and Arrow do lies between two of them.
Each step is written to LOG, a line each; with N = 0 the job lives.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from jobs.__main__ import main

STEPS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")


def watch(number: int, log: Path, lake: str) -> None:
    """Count the steps below `lake`, and die in front of the one of that number."""
    steps = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    done = 0

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal done
        if event not in STEPS or not str(details[0]).startswith(lake):
            return
        done += 1
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(steps, f"{event} {os.path.relpath(str(details[0]), lake)}\n".encode())

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    sys.exit(main(sys.argv[4:]))
