"""The gate that every request passes: who may send one now, and who must wait."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from lib.errors import RetryableSourceError
from lib.source.retry import TryAgainError

TOO_MANY = "429"


class Gate(Protocol):
    """Hands out permits for requests."""

    def permit(self) -> AbstractContextManager[None]:
        """A permit for one request: waited for on the way in, given back on the way out."""

    def slow_down(self, pause_s: float) -> None:
        """From now on nobody gets a permit for that long."""


class OpenGate:
    """Lets every request pass at once. All open gates are equal."""

    def permit(self) -> AbstractContextManager[None]:
        """A permit that is waited for by nobody."""
        return nullcontext()

    def slow_down(self, pause_s: float) -> None:
        """Nothing: there is nobody else to be slowed."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenGate)

    def __hash__(self) -> int:
        return hash(OpenGate)


OPEN_GATE = OpenGate()


def slows_all(failure: RetryableSourceError) -> bool:
    """Whether the source spoke to all who ask, not of this one request: a 429, or any `Retry-After`."""
    too_many = isinstance(failure, TryAgainError) and failure.reason == TOO_MANY
    return too_many or failure.retry_after_s is not None
