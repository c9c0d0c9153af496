"""The faults that the server acts out: none of them touches the data."""

import random
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from demo.settings import DemoSettings

_TABLE_SEEDS = {"/tracks": 1, "/users": 2, "/listen_history": 3}


class FirstTimeErrors:
    """Fails a share of the (path, page) pairs, each only the first time it is asked for."""

    def __init__(self, settings: DemoSettings) -> None:
        """Which pairs fail, and how, follows from the settings' seed."""
        self._share = settings.faults.errors
        self._seed = settings.seed
        self._seen: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def strike(self, path: str, page: int) -> HTTPStatus | None:
        """The status to fail with, or None to answer."""
        if not self._share:
            return None
        with self._lock:
            if (path, page) in self._seen:
                return None
            self._seen.add((path, page))
        rng = random.Random((((self._seed << 4) + _TABLE_SEEDS[path]) << 64) + page)
        if rng.random() >= self._share:
            return None
        return rng.choice((HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE))


class RateLimit:
    """A token bucket that holds one second's worth of requests (at least one)."""

    def __init__(self, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        """No limit where `per_second` is None; `clock` tells seconds."""
        self._per_second = per_second
        self._clock = clock
        self._tokens = self._capacity = max(1.0, per_second or 1.0)
        self._filled_at = clock()
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Whether a request that comes now is within the limit; if so, it is counted."""
        if self._per_second is None:
            return True
        with self._lock:
            now = self._clock()
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._per_second)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
