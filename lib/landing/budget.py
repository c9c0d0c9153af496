"""The budget of requests of a run: one rule, on the driver, that every request asks first; with it, the token to show."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from lib.source.gate import Token
from lib.source.tokens import Tokens

if TYPE_CHECKING:
    from lib.config import Api

RECHECK_S = 60.0


class _State(Enum):
    QUEUED = "queued"
    HELD = "held"
    ENDED = "ended"


class Turn:
    """A place in the queue that becomes a permit, until it is ended."""

    def __init__(self, budget: Budget, lock: threading.Lock, asked_at: float) -> None:
        self._budget = budget
        self.asked_at = asked_at
        self.state = _State.QUEUED
        self.moved = threading.Condition(lock)

    def wait(self, timeout_s: float = math.inf) -> bool:
        """Wait for the permit; False if it has not come in this time (ask again: the place in the queue is kept)."""
        return self._budget.wait(self, timeout_s)

    def end(self) -> None:
        """Give the permit back, or leave the queue. A second time does nothing."""
        self._budget.end(self)


class Budget:
    """At most `concurrency` permits at a time, `requests_per_second` of them begun in a second, first come, first served.

    Permits are evenly spaced in time; a quiet time is not made up for by a burst. Safe to be used by many threads, and
    the driver's own requests use it as it is. `max_wait_s` caps what one `slow_down` may ask for. `tokens` are those of a source
    that asks for one; getting one takes no permit, so that those who hold all of them can wait for it.
    """

    def __init__(
        self,
        concurrency: int,
        requests_per_second: float | None = None,
        *,
        max_wait_s: float = 120.0,
        tokens: Tokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._free = concurrency
        self._gap_s = 0.0 if requests_per_second is None else 1.0 / requests_per_second
        self._max_wait_s = max_wait_s
        self._clock = clock
        self.on_page: Callable[[], object] = lambda: None
        """Called for each page that has come, by the thread that hears of it."""
        self._lock = threading.Lock()
        self._queue: deque[Turn] = deque()
        self._next_at = self._paused_until = -math.inf

    @classmethod
    def of(cls, api: Api) -> Budget:
        """The budget that a source YAML's `api` section describes."""
        limits = api.limits
        rate, max_wait_s = limits.requests_per_second, limits.max_wait_s
        return cls(limits.concurrency, rate, max_wait_s=max_wait_s, tokens=Tokens.of(api))

    @contextmanager
    def permit(self) -> Iterator[None]:
        """A permit for one request: waited for on the way in, given back on the way out."""
        turn = self.turn()
        try:
            turn.wait()
            yield
        finally:
            turn.end()

    def slow_down(self, pause_s: float) -> None:
        """Nobody gets a permit for that long from now. A longer pause that is in force already stays."""
        with self._lock:
            until = self._clock() + min(max(0.0, pause_s), self._max_wait_s)
            self._paused_until = max(self._paused_until, until)

    def page_came(self) -> None:
        """A page is here: whoever shows how far the fetch is hears of it."""
        self.on_page()

    def source_token(self, refused: int | None = None, timeout_s: float | None = None) -> Token:
        """What `Tokens.current` gives.

        Raises:
            ValueError: the source asks for none.
        """
        if self._tokens is None:
            raise ValueError("the source asks for no token")
        return self._tokens.current(refused, timeout_s)

    def turn(self) -> Turn:
        """The last place in the queue."""
        turn = Turn(self, self._lock, self._clock())
        with self._lock:
            self._queue.append(turn)
        return turn

    def wait(self, turn: Turn, timeout_s: float) -> bool:
        """What `Turn.wait` does."""
        with self._lock:
            deadline = self._clock() + timeout_s
            while turn.state is _State.QUEUED:
                now = self._clock()
                ready_s = self._ready_s(turn, now)
                if ready_s <= 0:
                    self._grant(turn, now)
                elif now >= deadline:
                    return False
                else:
                    turn.moved.wait(min(ready_s, deadline - now, RECHECK_S))
            return turn.state is _State.HELD

    def end(self, turn: Turn) -> None:
        """What `Turn.end` does."""
        with self._lock:
            if turn.state is _State.HELD:
                self._free += 1
            elif turn.state is _State.QUEUED:
                self._queue.remove(turn)
                turn.moved.notify()
            turn.state = _State.ENDED
            self._wake_first()

    def _ready_s(self, turn: Turn, now: float) -> float:
        """Seconds until this turn may have its permit; infinite while that hangs on others."""
        if self._queue[0] is not turn or not self._free:
            return math.inf
        return max(self._next_at, self._paused_until) - now

    def _grant(self, turn: Turn, now: float) -> None:
        self._queue.popleft()
        self._free -= 1
        # Threads wake up late. Up to half a gap of that is made up for, or the rate would never be reached.
        due = max(self._next_at, self._paused_until, turn.asked_at)
        self._next_at = max(due, now - self._gap_s / 2) + self._gap_s
        turn.state = _State.HELD
        self._wake_first()

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].moved.notify()
