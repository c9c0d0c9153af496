"""Counts what an exchange took, attempt by attempt."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from lib.errors import RetryableSourceError
from lib.source.gate import Gate, slows_all
from lib.source.retry import TryAgainError


@dataclass
class Tally:
    """Attempts and pauses of one exchange. What the source says to all who ask is passed on to the gate."""

    gate: Gate
    attempts: int = 0
    status: int | None = None
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    is_renewed: bool = False

    def renewed(self) -> None:
        """The token was refused, and the request follows with another one."""
        self.is_renewed = True
        self.reasons[str(HTTPStatus.UNAUTHORIZED.value)] += 1

    def paused(self, failure: RetryableSourceError, pause_s: float) -> None:
        """An attempt failed, and another one follows after this pause."""
        self.waited_s += pause_s
        self.reasons[failure.reason if isinstance(failure, TryAgainError) else "other"] += 1
        if slows_all(failure):
            self.gate.slow_down(pause_s)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around one attempt: how long it took, whatever came of it."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.elapsed_s = time.monotonic() - started

    @property
    def retries(self) -> str | None:
        """Reason to count as JSON, None for none."""
        return json.dumps(dict(sorted(self.reasons.items()))) if self.reasons else None
