"""A lease on an object of a store: its holder renews it until it is given back, and one that nobody renews ends by itself.

Each step is a conditional put, so of two who try only one succeeds. No writer's clock is held against that of another machine: the
holder measures on its own clocks how long ago it sent its last renewal, and who wants to take over a lease that was not given back
compares two times that the store wrote. The holder's count ends a quarter of the lease before the store's.

`check_held` is asked before everything that is written into a lake.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from lib.errors import LakeError

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult, UpdateVersion
    from obstore.store import ObjectStore

DURATION_S = 60.0
# So that three may fail before the holder's count ends.
RENEWALS = 6
# Of the lease the holder does not count on this part: what it began before must have ended when another one may write.
_MARGIN = 0.25
# A store names times in whole seconds.
_RESOLUTION_S = 1.0
# How often a holder looks at its clocks. A machine that was asleep looks no later than this after it woke up.
_LOOK_S = 1.0
_FORMAT = 1
_LONGEST_S = 86_400.0
_NEVER = datetime.fromtimestamp(0, UTC)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """What the object says: who holds the lease, and how long one that nobody renews lasts. Given back, it is nobody's.

    `holder` and `renewals` make every text that is written another one, and with it its ETag.
    """

    text: str = ""
    holder: str = ""
    duration_s: float = 0.0
    renewals: int = 0


@dataclass(frozen=True)
class Found:
    """What the object says, which version of it that was (None: there is no object), and when the store wrote it."""

    said: Said = field(default_factory=Said)
    version: UpdateVersion | None = None
    written_at: datetime = _NEVER

    @property
    def ends_at(self) -> datetime:
        """When it ends by the store's clock, if nobody renews it."""
        if not self.said.holder:
            return self.written_at
        return self.written_at + timedelta(seconds=self.said.duration_s + _RESOLUTION_S)


def find(store: ObjectStore, key: str, where: str) -> Found:
    """What there is. `where` is the address that messages name.

    Raises:
        LakeError: it is no lease, or one of a newer version.
    """
    try:
        found = store.get(key)
        body = found.bytes().to_bytes()
    except FileNotFoundError:
        return Found()
    try:
        known = json.loads(body)
        version = known["format"]
        if version > _FORMAT:
            message = f"{where}: a newer Pagelake wrote this lease (format {version}, this one knows {_FORMAT}); update Pagelake"
            raise LakeError(message)
        said = Said(str(known["text"]), str(known["holder"]), float(known["duration_s"]), int(known["renewals"]))
        if not 0 <= said.duration_s <= _LONGEST_S:
            raise ValueError
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        message = (
            f"{where}: this is not a lease, so nobody knows whether a run is at work; if none is, remove the object"
        )
        raise LakeError(message) from error
    return Found(said, _version(found.meta), found.meta["last_modified"])


class Lease:
    """One holder's lease. `text` says to others whose it is, and `where` names it in messages.

    `lost` is called as soon as the holder may no longer write; the process should not survive it.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        text: str,
        *,
        where: str,
        duration_s: float = DURATION_S,
        lost: Callable[[str], None] | None = None,
        clocks: tuple[Callable[[], float], ...] = (time.monotonic, time.time),
    ) -> None:
        self._store, self._key, self._where = store, key, where
        self._said = Said(text, uuid4().hex, duration_s)
        self._lost, self._clocks = lost or stop_process, clocks
        self._version: UpdateVersion | None = None
        # When the last put that succeeded was sent, by each of the clocks.
        self._sent: tuple[float, ...] | None = None
        self._ahead_s: float | None = None
        self._is_over, self._ending = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=one, name="lease", daemon=True) for one in (self._keep, self._watch)]

    def take(self, found: Found) -> bool:
        """Take it, if nobody held it when it was found so, and nobody else was faster."""
        if found.said.holder not in ("", self._said.holder) and found.ends_at.timestamp() > self._now():
            return False
        self._version = found.version
        return self.renew()

    def renew(self) -> bool:
        """Whether it is this holder's, for its whole duration from now on."""
        sent = tuple(clock() for clock in self._clocks)
        self._said = Said(self._said.text, self._said.holder, self._said.duration_s, self._said.renewals + 1)
        if not self._write(self._said):
            return False
        self._sent = sent
        return True

    def left_s(self) -> float:
        """For how long the holder may still write. The clock that saw more time pass counts: not all of them go on in a sleep."""
        times = self._sent  # another thread may set it to None meanwhile
        if times is None:
            return 0.0
        passed = max(clock() - sent for clock, sent in zip(self._clocks, times, strict=True))
        return self._said.duration_s * (1 - _MARGIN) - passed

    def keep(self) -> None:
        """Renew it from now on, and have everything that writes ask for it."""
        _held.add(self)
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """End the process if the lease is lost.

        Raises:
            LakeError: it is lost, and this process is one that goes on all the same.
        """
        if self.left_s() <= 0:
            self._end()
            raise LakeError(_lost_text(self._where))

    def give_back(self) -> None:
        """Let the next one have it at once. One that was lost is another's by now, and stays as it is."""
        from obstore.exceptions import BaseError

        _held.discard(self)
        self._is_over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, self.left_s()))
        if self.left_s() > 0:
            try:
                self._write(Said())
            except (BaseError, OSError, LakeError) as error:
                self._warn("the lease could not be given back, and ends by itself", error)

    def _keep(self) -> None:
        period_s = self._said.duration_s / RENEWALS
        wait_s = period_s
        while not self._is_over.wait(wait_s):
            begun = time.monotonic()
            if not self._is_renewed():
                self._sent = None
                self._end()
                return
            wait_s = max(0.0, begun + period_s - time.monotonic())

    def _watch(self) -> None:
        while not self._is_over.wait(min(_LOOK_S, max(0.0, self.left_s()))):
            if self.left_s() <= 0:
                self._end()
                return

    def _end(self) -> None:
        # Who comes second waits for the end of the process that the first one brings about.
        with self._ending:
            if not self._is_over.is_set():
                self._is_over.set()
                self._lost(self._where)

    def _is_renewed(self) -> bool:
        """Whether it may still be this holder's. A store that does not answer may do so at the next attempt: the clocks decide."""
        from obstore.exceptions import BaseError

        try:
            return self.renew()
        except LakeError:
            return False
        except (BaseError, OSError) as error:
            self._warn("the lease could not be renewed", error)
            return True

    def _warn(self, what: str, error: Exception) -> None:
        log.warning(what, extra={"lease": self._where, "problem": type(error).__name__})

    def _write(self, said: Said) -> bool:
        """Write it in the place of the version that was seen last, or of nothing; False where there is something else.

        An answer may be lost behind a put that was done, and a put that is sent again then meets its own work: what is there
        decides, whatever the answer was.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        body = json.dumps({"format": _FORMAT, **asdict(said)}).encode()
        for _ in range(2):
            try:
                self._version = _version(self._store.put(self._key, body, mode=self._version or "create"))
            except (BaseError, OSError) as error:
                there = find(self._store, self._key, self._where)
                if there.said != said and not isinstance(
                    error, AlreadyExistsError | PreconditionError | FileNotFoundError
                ):
                    raise
                if there.version is None or there.said.holder not in (said.holder, self._said.holder):
                    return False
                self._version = there.version
                if there.said != said:
                    continue
            return True
        return False

    def _now(self) -> float:
        """The time by the store's clock, in seconds since 1970: told by an object that it writes, and counted on from then."""
        ticks = self._clocks[0]
        if self._ahead_s is None:
            at = f"{self._key}.{self._said.holder}"
            self._store.put(at, b"")
            try:
                self._ahead_s = self._store.head(at)["last_modified"].timestamp() - ticks()
            finally:
                self._store.delete(at)
        return self._ahead_s + ticks()


_held: set[Lease] = set()


def check_held() -> None:
    """End this process if it lost a lease, before it writes anything more. Asks no store, and nothing where there is no lease."""
    for one in tuple(_held):
        one.check()


def stop_process(where: str) -> None:
    """End this process in the middle of whatever it is at, and its JVM first: another one may be writing by now."""
    try:
        if "pyspark" in sys.modules:
            from lib.session import kill_jvm

            kill_jvm()
    finally:
        with suppress(OSError):
            # A progress bar may stand in the last line of a terminal.
            os.write(2, f"{chr(10) if os.isatty(2) else ''}{_lost_text(where)}\n".encode())
        os._exit(1)


def _lost_text(where: str) -> str:
    return (
        f"{where}: the lease was lost, as it could not be renewed in time, so another run may be at work. This one was stopped "
        "before it wrote anything more; start it again"
    )


def _version(meta: ObjectMeta | PutResult) -> UpdateVersion:
    """What a put is made conditional by: stores go by the one or the other."""
    found: UpdateVersion = {}
    if e_tag := meta.get("e_tag"):
        found["e_tag"] = e_tag
    if version := meta.get("version"):
        found["version"] = version
    return found
