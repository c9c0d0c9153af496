"""When an exchange with the source is tried again, and after how long a pause."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import tenacity

from lib.errors import RetryableSourceError, SourceError

FIRST_WAIT_S = 0.5
_RETRIED_BELOW_500 = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
# A limit holds for half a minute often enough: five pauses of at least half of 0.5, 4, 8, 16 and 32 s outlast it.
_PATIENT_S = 2.0
BY_RULE = "rule"
# A 403 is tried again only where it says that no requests are left.
_BUSY = frozenset({"403", "429", "503"})
# These failures pass with time, and another attempt at once is of little use.
_WAITED_FOR = _BUSY | {BY_RULE}
# Each with the header that says how many requests are left.
_RESETS = {
    "ratelimit-reset": "ratelimit-remaining",
    "x-ratelimit-reset": "x-ratelimit-remaining",
    "x-rate-limit-reset": "x-rate-limit-remaining",
}
# `RateLimit: limit=100, remaining=0, reset=30`, or `"default";r=0;t=30` (drafts 03 and 10 of httpapi-ratelimit-headers).
_RATE_LIMIT = re.compile(r"(?:^|[;,\s])(t|reset|r|remaining)\s*=\s*([0-9]+)", re.IGNORECASE)
# Seconds from now are less than the first of these, which as a moment is in 2001; seconds since 1970 are less than the other.
_EPOCH_FROM, _EPOCH_BELOW = 1e9, 1e11
# A server's clock that is further away than this is taken for broken.
_MOST_SKEW_S = 86_400.0
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")


class TryAgainError(RetryableSourceError):
    """An attempt failed in a way that another one may not.

    `reason` is a short word that is counted in page rows: a status, or "timeout", "connection", "body_ended_early",
    "encoding", "not_json", "protocol" (no HTTP that can be read), "tls", "proxy" or "rule" (a rule of `errors` says so).
    """

    def __init__(self, message: str, *, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason


def is_limit(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the source is asked too much: 429, 503, or a 403 that says that no requests are left. Names are in lower case."""
    if status != HTTPStatus.FORBIDDEN:
        return str(status) in _BUSY
    return any((left or "").strip() == "0" for _, left in _limits(headers))


def is_retried(status: int) -> bool:
    """Whether an answer with this status may be another one a little later."""
    return status in _RETRIED_BELOW_500 or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number of them or an HTTP date (RFC 9110, section 10.2.3).

    A date in the past and a negative number ask for no pause; what cannot be read asks for nothing. A number too large
    for a float is infinite.
    """
    text = (header or "").strip()
    if _NUMBER.fullmatch(text):
        return max(0.0, float(text))
    return _seconds_to(http_date(text), now)


def asked_pause_s(headers: Mapping[str, str], now: datetime, *, is_limited: bool = True) -> float | None:
    """Seconds that the source asks to wait: its `Retry-After`, else, if it `is_limited`, when its rate limit starts anew.

    A reset is a number of seconds from now or a moment (seconds or less since 1970, or a date): the size tells them apart. It
    asks for nothing where requests remain. Moments are held against the server's own clock, if it sends its `Date`. Names of
    headers are in lower case.
    """
    there = _clock_of(headers, now)
    asked = retry_after_s(headers.get("retry-after"), there)
    if asked is not None or not is_limited:
        return asked
    asked_s = [
        _until(reset.strip(), there)
        for reset, left in _limits(headers)
        if reset is not None and (left or "0").strip() in ("", "0")
    ]
    return max((seconds for seconds in asked_s if seconds is not None), default=None)


def _limits(headers: Mapping[str, str]) -> list[tuple[str | None, str | None]]:
    """When each limit that the source tells of starts anew, and how many requests are left of it."""
    found = [(headers.get(reset), headers.get(left)) for reset, left in _RESETS.items()]
    text = headers.get("ratelimit", "")
    for one in text.split(",") if ";" in text else [text]:
        fields = {name.lower(): value for name, value in _RATE_LIMIT.findall(one)}
        found.append((fields.get("t", fields.get("reset")), fields.get("r", fields.get("remaining"))))
    return found


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """The source's own time in UTC, by its header `Date`; None where it does not tell."""
    at = http_date(headers.get("date", ""))
    try:
        return None if at is None else at.astimezone(UTC)
    except OverflowError:
        return None


def _clock_of(headers: Mapping[str, str], now: datetime) -> datetime:
    there = date_of(headers)
    return now if there is None or abs((there - now).total_seconds()) > _MOST_SKEW_S else there


def _until(reset: str, now: datetime) -> float | None:
    if not _NUMBER.fullmatch(reset):
        return _seconds_to(_iso_time(reset) or http_date(reset), now)
    value = float(reset)
    if value < _EPOCH_FROM or math.isinf(value):
        return max(0.0, value)
    while value >= _EPOCH_BELOW:  # milliseconds, microseconds or nanoseconds
        value /= 1000
    return max(0.0, value - now.timestamp())


def _seconds_to(moment: datetime | None, now: datetime) -> float | None:
    if moment is None:
        return None
    return max(0.0, (moment - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """The time that a header such as `Date` has; None for what is none."""
    try:
        return _with_zone(parsedate_to_datetime(text.strip()))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _iso_time(text: str) -> datetime | None:
    try:
        return _with_zone(datetime.fromisoformat(text))
    except ValueError:
        return None


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def exchange_retries(
    attempts: int, max_wait_s: float, on_pause: Callable[[RetryableSourceError, float], None]
) -> tenacity.Retrying:
    """Retries around a whole exchange, body included; the last failure is raised as it is.

    Pauses are exponential with full jitter, on top of what the source asked for, so that many tasks that were told the
    same do not come back at the same moment; and never more than `max_wait_s`. A source that is asked too much and names no time is
    waited for more patiently. `on_pause` hears why, and how long.
    """
    jitter = tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=max_wait_s)

    def wait(state: tenacity.RetryCallState) -> float:
        failure = _failure(state)
        if isinstance(failure, TryAgainError) and failure.reason in _WAITED_FOR and not failure.retry_after_s:
            retried = state.attempt_number
            longest = min(max_wait_s, FIRST_WAIT_S if retried == 1 else _PATIENT_S * 2.0 ** min(retried - 1, 20))
            return random.uniform(longest / 2, longest)
        return min(max_wait_s, (_failure(state).retry_after_s or 0.0) + jitter(state))

    def tell(state: tenacity.RetryCallState) -> None:
        on_pause(_failure(state), state.upcoming_sleep)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RetryableSourceError),
        stop=tenacity.stop_after_attempt(attempts),
        wait=wait,
        before_sleep=tell,
        reraise=True,
    )


def check_asked_pause(asked_s: float | None, max_wait_s: float) -> None:
    """Refuse a pause that is longer than the source YAML allows.

    Raises:
        SourceError: the source asks for more than `max_wait_s`.
    """
    if asked_s is None or asked_s <= max_wait_s:
        return
    asked = f"{asked_s:.6g} s" if math.isfinite(asked_s) else "for ever"
    raise SourceError(f"the source asks to wait {asked}; api.limits.max_wait_s allows {max_wait_s:g} s")


def _failure(state: tenacity.RetryCallState) -> RetryableSourceError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, RetryableSourceError):
        raise TypeError("only a retryable failure is waited for")
    return error
