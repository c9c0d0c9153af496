"""One HTTP exchange with the source: sent, read whole within its limits, retried where that can help."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from lib.errors import RetryableSourceError, SourceError
from lib.source.access import Access
from lib.source.redact import redacted, redacted_url
from lib.source.retry import RETRIED_STATUS, check_asked_pause, exchange_retries, retry_after_s

MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """An answer with status 200, read to its end. `url` is redacted; `elapsed_ms` is that of the last attempt."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    fetched_at: datetime
    attempts: int
    elapsed_ms: float


class ExchangeFailedError(SourceError):
    """An exchange that failed for good, with what a page row records of it."""

    def __init__(self, message: str, *, url: str, status: int | None, attempts: int) -> None:
        super().__init__(message)
        self.url = url
        self.status = status
        self.attempts = attempts


class SourceClient:
    """Asks one source. One client a thread; the connection is kept open between requests.

    No proxy, no netrc and no certificate store from the environment: only what the source YAML says is used. A redirect is
    followed only to the same scheme, host and port.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Accept": "application/json", "User-Agent": "pagelake/0.1"})
        self._session.headers.update(dict(access.headers))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, params: tuple[tuple[str, str], ...] = ()) -> Answer:
        """GET `path` below the source's address, with retries around the whole exchange.

        Raises:
            ExchangeFailedError: no whole answer with status 200 could be had; the message is redacted.
        """
        url = self.access.base_url + path
        shown = redacted_url(url, params, self.access.params)
        attempts, status = 0, None
        try:
            for attempt in exchange_retries(self.access.attempts, self.access.max_wait_s):
                with attempt:
                    attempts = attempt.retry_state.attempt_number
                    started = time.monotonic()
                    response, body = self._exchange(url, params, shown)
                    status = response.status_code
                    self._check_status(response, body, shown)
                    return Answer(
                        url=shown,
                        status=status,
                        headers={name.lower(): value for name, value in response.headers.items()},
                        body=body,
                        fetched_at=datetime.now(UTC),
                        attempts=attempts,
                        elapsed_ms=(time.monotonic() - started) * 1000,
                    )
        except SourceError as error:
            tried = f" (after {attempts} attempts)" if attempts > 1 else ""
            raise ExchangeFailedError(f"{error}{tried}", url=shown, status=status, attempts=attempts) from None
        message = f"{shown}: no attempt was made"
        raise ExchangeFailedError(message, url=shown, status=None, attempts=0)

    def _exchange(self, url: str, params: tuple[tuple[str, str], ...], shown: str) -> tuple[requests.Response, bytes]:
        """One request and its whole body, redirects on the same host included."""
        deadline = time.monotonic() + self.access.timeout_s
        query: tuple[tuple[str, str], ...] | None = (*params, *self.access.params)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._session.get(
                    url, params=query, timeout=self.access.timeout_s, allow_redirects=False, stream=True
                )
                with response:
                    if not response.is_redirect:
                        return response, self._body(response, deadline, shown)
                    target = urljoin(url, response.headers["location"])
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                # The exception's own text may hold the query string, so only its kind is passed on.
                message = f"{shown}: {_plain(error)}"
                raise RetryableSourceError(message) from None
            if _origin(target) != _origin(url):
                message = f"{shown}: redirects to another server ({redacted_url(target)}), which the source does not name"
                raise SourceError(message)
            url, query = target, query if not urlsplit(target).query else None
        message = f"{shown}: redirects more than {MAX_REDIRECTS} times"
        raise SourceError(message)

    def _body(self, response: requests.Response, deadline: float, shown: str) -> bytes:
        """The decoded body, within the cap on its size and the time for the whole exchange."""
        body = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > self.access.max_body_bytes:
                limit_mb = self.access.max_body_bytes / 1024 / 1024
                message = f"{shown}: the answer is larger than api.limits.max_body_mb allows ({limit_mb:g} MB)"
                raise SourceError(message)
            if time.monotonic() > deadline:
                message = f"{shown}: no whole answer within {self.access.timeout_s:g} s (api.limits.timeout_s)"
                raise RetryableSourceError(message)
        return bytes(body)

    def _check_status(self, response: requests.Response, body: bytes, shown: str) -> None:
        if response.status_code == 200:  # noqa: PLR2004 - the one status that means a page
            return
        said = redacted(body[:2000].decode("utf-8", errors="replace"), self.access.secrets)
        message = f"{shown}: status {response.status_code}: {said or 'no message'}"
        if response.status_code not in RETRIED_STATUS:
            raise SourceError(message)
        asked = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
        check_asked_pause(asked, self.access.max_wait_s, shown)
        raise RetryableSourceError(message, retry_after_s=asked)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _plain(error: Exception) -> str:
    """What went wrong, in words, by the kind of the exception."""
    if isinstance(error, requests.Timeout):
        return "no answer in time (api.limits.timeout_s)"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS certificate could not be verified"
    if isinstance(error, requests.ConnectionError):
        return "no connection (is the server running, and the address right?)"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "the body is not in the encoding that its header names"
    return f"the body ended early or could not be read ({type(error).__name__})"
