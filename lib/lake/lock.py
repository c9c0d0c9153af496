"""One run at a time writes a lake, and one process at a time sends its alerts."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO

from lib.errors import LakeError
from lib.lake.layout import Layout

# Longer than `run_at_work` holds the lock.
_AN_INSTANT_S = 0.5


@contextmanager
def writing(layout: Layout, run_id: str, now: datetime) -> Iterator[None]:
    """Keep every other run out of the lake. The lock ends with the process, however that ends, so none is ever left behind.

    Raises:
        LakeError: another run is at work here.
    """
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a+", encoding="utf-8") as file:
        if not _held(file, _AN_INSTANT_S):
            file.seek(0)
            message = (
                f"{layout.root}: {file.read().strip() or 'another run'} is at work on this lake. Nothing was touched; "
                "wait until it has ended, and start again"
            )
            raise LakeError(message)
        file.truncate(0)
        file.write(f"run {run_id} (process {os.getpid()}, since {now:%Y-%m-%d %H:%M:%S} UTC)\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def left_by(layout: Layout) -> str | None:
    """The run that was killed while it wrote, or None where the last one came to an end of its own. No other may be at work."""
    found = re.match(r"run (.+) \(process ", layout.lock.read_text("utf-8")) if layout.lock.exists() else None
    return found and found[1]


def run_at_work(layout: Layout) -> str | None:
    """The id of the run that is writing the lake, None where none is.

    It looks by taking the lock for an instant, for which a run that starts waits.
    """
    if not layout.lock.exists():
        return None
    with layout.lock.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = re.match(r"run (\S+) \(process ", file.read())
            return said[1] if said else None
    return None


@contextmanager
def alerting(layout: Layout, *, patience_s: float) -> Iterator[bool]:
    """Keep other processes from sending alerts meanwhile. False: another one still was at it after `patience_s` seconds.

    A lake that takes no lock, as on a full disk, is no reason to keep alerts back: then it is True.
    """
    try:
        file = layout.alerts_lock.open("a", encoding="utf-8")
    except OSError:
        yield True
        return
    with file:
        yield _held(file, patience_s)


def _held(file: IO[str], patience_s: float) -> bool:
    """Take the lock, if it is free within so many seconds."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        else:
            return True
