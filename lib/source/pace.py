"""Spaces requests out in time."""

from __future__ import annotations

import threading
import time


class Pace:
    """At most `per_second` passes a second, for the threads of one process together; None lets all pass."""

    def __init__(self, per_second: float | None) -> None:
        self._gap_s = 0.0 if per_second is None else 1.0 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Pass at this thread's turn."""
        if not self._gap_s:
            return
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._gap_s
        time.sleep(max(0.0, turn - time.monotonic()))
