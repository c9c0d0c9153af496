"""Writes that met another writer's, and are done again from what the table is now."""

from __future__ import annotations

import logging

from py4j.protocol import Py4JJavaError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

ATTEMPTS = 5
_NAMES = (
    "ConcurrentAppendException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentDeleteReadException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "MetadataChangedException",
    "ProtocolChangedException",
)
log = logging.getLogger(__name__)


def is_conflict(error: BaseException) -> bool:
    """Whether another writer came first. Delta's Python classes for that have no base of their own, and some come as Java's."""
    if isinstance(error, Py4JJavaError):
        return any(name in str(error.java_exception.getClass().getName()) for name in _NAMES)
    return type(error).__name__ in _NAMES


def from_a_fresh_snapshot() -> Retrying:
    """Attempts for a whole reading and writing of a table, each `with attempt:` in a loop over these."""
    return Retrying(
        retry=retry_if_exception(is_conflict),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        before_sleep=_say,
        reraise=True,
    )


def _say(state: RetryCallState) -> None:
    log.warning("another writer changed the table first; trying again", extra={"attempt": state.attempt_number})
