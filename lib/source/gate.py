"""The gate that every request passes: who may send one now, who must wait, and which token it shows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from lib.errors import RetryableSourceError, SourceError
from lib.source.retry import TryAgainError

TOO_MANY = "429"


@dataclass(frozen=True)
class Token:
    """The token that requests show now. `serial` counts those of a run, so that one can be spoken of without being shown."""

    serial: int
    text: str = field(repr=False)


class Gate(Protocol):
    """Hands out permits for requests, and the token that they show."""

    def permit(self) -> AbstractContextManager[None]:
        """A permit for one request: waited for on the way in, given back on the way out."""

    def slow_down(self, pause_s: float) -> None:
        """From now on nobody gets a permit for that long."""

    def page_came(self) -> None:
        """A page is here, well or not: for those who show how far the fetch is."""

    def source_token(self, refused: int | None = None) -> Token:
        """The current token; another one than that with the serial `refused`, which the source did not take.

        Raises:
            SourceError: none is to be had.
        """


class OpenGate:
    """Lets every request pass at once. All open gates are equal."""

    def permit(self) -> AbstractContextManager[None]:
        """A permit that is waited for by nobody."""
        return nullcontext()

    def slow_down(self, pause_s: float) -> None:
        """Nothing: there is nobody else to be slowed."""

    def page_came(self) -> None:
        """Nothing: nobody is shown how far it is."""

    def source_token(self, refused: int | None = None) -> Token:
        """None at all: an open gate is for sources that ask for none."""
        raise SourceError("api.auth: this process cannot get a token")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenGate)

    def __hash__(self) -> int:
        return hash(OpenGate)


OPEN_GATE = OpenGate()


def slows_all(failure: RetryableSourceError) -> bool:
    """Whether the source spoke to all who ask, not of this one request: a 429, or any `Retry-After`."""
    too_many = isinstance(failure, TryAgainError) and failure.reason == TOO_MANY
    return too_many or failure.retry_after_s is not None
