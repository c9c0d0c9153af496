"""One run at a time writes a lake, and one process at a time sends its alerts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from lib.errors import LakeError
from lib.lake import storage
from lib.lake.layout import Layout

# Longer than `run_at_work` holds the lock.
_AN_INSTANT_S = 0.5


@contextmanager
def writing(layout: Layout, run_id: str, now: datetime) -> Iterator[None]:
    """Keep every other run out of the lake. The lock ends with the process, however that ends, so none is ever left behind.

    Raises:
        LakeError: another run is at work here.
    """
    text = f"run {run_id} (process {os.getpid()}, since {now:%Y-%m-%d %H:%M:%S} UTC)\n"
    with storage.lease(layout.lock, text, patience_s=_AN_INSTANT_S) as is_mine:
        if not is_mine:
            message = (
                f"{layout.root}: {storage.lease_text(layout.lock).strip() or 'another run'} is at work on this lake. Nothing was "
                "touched; wait until it has ended, and start again"
            )
            raise LakeError(message)
        yield


def left_by(layout: Layout) -> str | None:
    """The run that was killed while it wrote, or None where the last one came to an end of its own. No other may be at work."""
    found = re.match(r"run (.+) \(process ", storage.lease_text(layout.lock))
    return found and found[1]


def run_at_work(layout: Layout) -> str | None:
    """The id of the run that is writing the lake, None where none is."""
    if not storage.is_leased(layout.lock):
        return None
    found = re.match(r"run (\S+) \(process ", storage.lease_text(layout.lock))
    return found and found[1]


@contextmanager
def alerting(layout: Layout, *, patience_s: float) -> Iterator[bool]:
    """Keep other processes from sending alerts meanwhile. False: another one still was at it after `patience_s` seconds.

    A lake that takes no lock, as on a full disk, is no reason to keep alerts back: then it is True.
    """
    with ExitStack() as held:
        try:
            is_mine = held.enter_context(storage.lease(layout.alerts_lock, "", patience_s=patience_s))
        except OSError:
            is_mine = True
        yield is_mine
