"""One run at a time writes a lake."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from lib.errors import LakeError
from lib.lake.layout import Layout


@contextmanager
def writing(layout: Layout, run_id: str, now: datetime) -> Iterator[None]:
    """Keep every other run out of the lake. The lock ends with the process, however that ends, so none is ever left behind.

    Raises:
        LakeError: another run is at work here.
    """
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            message = (
                f"{layout.root}: {file.read().strip() or 'another run'} is at work on this lake. Nothing was touched; "
                "wait until it has ended, and start again"
            )
            raise LakeError(message) from None
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
