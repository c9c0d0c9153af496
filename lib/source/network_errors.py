"""What a failure of the network means: in words, and whether trying again can help."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

import requests
import urllib3.exceptions

from lib.errors import SourceError
from lib.source.retry import TryAgainError

# What requests and urllib3 raise, and what comes through them as it is.
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
_TIMEOUTS = (
    TimeoutError,
    requests.Timeout,
    urllib3.exceptions.ReadTimeoutError,
    urllib3.exceptions.ConnectTimeoutError,
)
# A refused connection is a kind of time-out for urllib3.
_REFUSED = (urllib3.exceptions.NewConnectionError, ConnectionRefusedError)


def failure_of(error: Exception, timeout_s: float, *, in_body: bool = False) -> SourceError:
    """The failure as one of ours. The exception's own text may hold the query string, so only its kind is used."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return SourceError(
            "the TLS certificate could not be verified; if the source has its own CA, name its file in api.ca_file"
        )
    refused = any(isinstance(cause, _REFUSED) for cause in causes)
    if not refused and any(isinstance(cause, _TIMEOUTS) for cause in causes):
        what = "no complete answer" if in_body else "no answer"
        return TryAgainError(f"{what} within {timeout_s:g} s (api.limits.timeout_s)", reason="timeout")
    if in_body:
        return TryAgainError("the body ended early or could not be read", reason="body_ended_early")
    if any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in causes):
        return TryAgainError("the proxy could not be reached, or refused (api.proxy)", reason="proxy")
    if any(isinstance(cause, ssl.SSLError | urllib3.exceptions.SSLError) for cause in causes):
        return TryAgainError("no TLS connection could be made", reason="tls")
    if any(_is_no_http(cause) for cause in causes):
        return TryAgainError("the answer is not valid HTTP", reason="protocol")
    return TryAgainError("no connection (is the server running, and the address right?)", reason="connection")


def _is_no_http(cause: BaseException) -> bool:
    if isinstance(cause, http.client.RemoteDisconnected | http.client.IncompleteRead):
        return False
    return isinstance(cause, http.client.HTTPException | urllib3.exceptions.InvalidHeader)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those inside it, wherever requests and urllib3 keep them."""
    queue, seen = [error], set[int]()
    while queue:
        current = queue.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inside = (*current.args, getattr(current, "reason", None), current.__cause__, current.__context__)
        queue += [one for one in inside if isinstance(one, BaseException)]
