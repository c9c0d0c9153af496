"""One run at a time writes a lake, one training at a time decides on its models, and one process at a time sends its alerts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from platform import node

from lib.errors import LakeError, PagelakeError
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.lease import DURATION_S
from lib.lake.storage import Address

# Longer than `run_at_work` holds the lock.
_AN_INSTANT_S = 0.5


@contextmanager
def writing(layout: Layout, run_id: str, now: datetime) -> Iterator[None]:
    """Keep every other run out of the lake. The lock ends with the process, however that ends, so none is ever left behind.

    Raises:
        LakeError: another run is at work here.
    """
    with _alone(layout, layout.lock, f"run {run_id}", now, "Nothing was touched"):
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
def training(layout: Layout, version: str, now: datetime) -> Iterator[None]:
    """Keep other trainings out. Runs go on beside one: it only reads what is published.

    Raises:
        LakeError: another training is at work here.
    """
    with _alone(layout, layout.models_lock, f"training {version}", now, "No model was touched"):
        yield


@contextmanager
def _alone(layout: Layout, lock: Address, who: str, now: datetime, so_far: str) -> Iterator[None]:
    text = f"{who} (process {os.getpid()} on {node() or 'an unnamed host'}, since {now:%Y-%m-%d %H:%M:%S} UTC)\n"
    with storage.lease(lock, text, patience_s=_AN_INSTANT_S) as is_mine:
        if not is_mine:
            other = storage.lease_text(lock).strip() or f"another {who.partition(' ')[0]}"
            message = (
                f"{layout.root}: {other} is at work on this lake. {so_far}; wait until it has ended, and start again"
            )
            if ends_at := storage.lease_ends_at(lock):
                message += f". If it was killed, its lease ends at {ends_at:%H:%M:%S} UTC"
            raise LakeError(message)
        yield


@contextmanager
def alerting(layout: Layout, *, patience_s: float) -> Iterator[bool]:
    """Keep other processes from sending alerts meanwhile. False: another one still was at it after `patience_s` seconds.

    A lake that takes no lock, as on a full disk, is no reason to keep alerts back: then it is True.
    """
    if layout.root.store:
        patience_s += DURATION_S  # so long a lease may last whose holder was killed
    with ExitStack() as held:
        try:
            is_mine = held.enter_context(storage.lease(layout.alerts_lock, "", patience_s=patience_s))
        except (OSError, PagelakeError):
            is_mine = True
        yield is_mine
