"""A lease on an object of a store: its holder renews it until it is given back, and one that nobody renews ends by itself.

Each step is a conditional put, so of two who try only one succeeds. Clocks of machines that share a lake agree to some seconds.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from obstore.store import ObjectStore

DURATION_S = 60.0
# So that three attempts may fail before it ends.
RENEWALS = 4
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """What the object says: who holds the lease, and until when (seconds since 1970). Given back, it is nobody's and has ended."""

    text: str = ""
    holder: str = ""
    until: float = 0.0


def said(store: ObjectStore, key: str) -> tuple[Said, str | None]:
    """What the object says, and its ETag. Both say nothing where there is no object."""
    try:
        found = store.get(key)
    except FileNotFoundError:
        return Said(), None
    return Said(**json.loads(found.bytes().to_bytes())), found.meta["e_tag"]


def stop_process(key: str) -> None:
    """End this process as SIGTERM does: another one may be writing by now."""
    log.error("the lease was lost, so this process stops", extra={"lease": key})
    os.kill(os.getpid(), signal.SIGTERM)


class Lease:
    """One holder's lease. `text` says to others whose it is; `lost` is called once, by the thread that could not renew it."""

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        text: str,
        *,
        duration_s: float = DURATION_S,
        lost: Callable[[str], None] = stop_process,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._key, self._text, self._holder = store, key, text, uuid4().hex
        self._duration_s, self._lost, self._clock = duration_s, lost, clock
        self._e_tag: str | None = None
        self._until = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def take(self) -> bool:
        """Take it, if nobody holds it, and renew it from now on."""
        now, e_tag = said(self._store, self._key)
        if now.until > self._clock() or not self._put(e_tag):
            return False
        self._thread.start()
        return True

    def give_back(self) -> None:
        """Let the next one have it at once. One that was lost is another's by now, and stays as it is."""
        from obstore.exceptions import BaseError

        self._is_over.set()
        self._thread.join()
        if self._until > self._clock():
            try:
                self._write(Said(), self._e_tag)
            except (BaseError, OSError) as error:
                self._warn("the lease could not be given back, and ends by itself", error)

    def _keep(self) -> None:
        while not self._is_over.wait(self._duration_s / RENEWALS):
            if not self._renewed():
                self._until = 0.0
                self._lost(self._key)
                return

    def _renewed(self) -> bool:
        """Whether it is still this holder's. A store that does not answer may do so at the next attempt."""
        from obstore.exceptions import BaseError

        try:
            return self._put(self._e_tag)
        except (BaseError, OSError) as error:
            self._warn("the lease could not be renewed", error)
            return self._until > self._clock()

    def _warn(self, what: str, error: Exception) -> None:
        log.warning(what, extra={"lease": self._key, "problem": type(error).__name__})

    def _put(self, e_tag: str | None) -> bool:
        until = self._clock() + self._duration_s
        is_mine = self._write(Said(self._text, self._holder, until), e_tag)
        self._until = until if is_mine else 0.0
        return is_mine

    def _write(self, what: Said, e_tag: str | None) -> bool:
        """Write it in the place of what has this ETag, or of nothing; False where there is something else."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        body = json.dumps(asdict(what)).encode()
        try:
            if e_tag is None:
                done = self._store.put(self._key, body, mode="create")
            else:
                done = self._store.put(self._key, body, mode={"e_tag": e_tag})
        except (AlreadyExistsError, PreconditionError):
            return False
        self._e_tag = done["e_tag"]
        return True
