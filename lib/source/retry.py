"""When an exchange with the source is tried again, and after how long a pause."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import tenacity

from lib.errors import RetryableSourceError, SourceError

RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
FIRST_WAIT_S = 0.5


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for: delta-seconds or an HTTP date (RFC 9110, section 10.2.3).

    A date in the past and a negative number ask for no pause; what cannot be read asks for nothing.
    """
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def exchange_retries(attempts: int, max_wait_s: float) -> tenacity.Retrying:
    """Retries around a whole exchange, body included; the last failure is raised as it is.

    Pauses are exponential with full jitter, or what the source asked for. A source that asks for more than `max_wait_s`
    is not waited for: that failure is no longer retryable.
    """
    jitter = tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=max_wait_s)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, RetryableSourceError) else None
        return jitter(state) if asked is None else min(asked, max_wait_s)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RetryableSourceError),
        stop=tenacity.stop_after_attempt(attempts),
        wait=wait,
        reraise=True,
    )


def check_asked_pause(asked_s: float | None, max_wait_s: float, where: str) -> None:
    """Refuse a pause that is longer than the source YAML allows.

    Raises:
        SourceError: the source asks for more than `max_wait_s`.
    """
    if asked_s is not None and asked_s > max_wait_s:
        message = f"{where}: the source asks to wait {asked_s:.0f} s; api.limits.max_wait_s allows {max_wait_s:.0f} s"
        raise SourceError(message)
