"""The connection below the client: limited in time as a whole, and to addresses that may be asked."""

from __future__ import annotations

import functools
import http.client
import io
import logging
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from lib.errors import SourceError
from lib.source.hosts import is_never

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LEAST_S = 0.001


class Transport(HTTPAdapter):
    """Sends prepared requests, with one connection a host. Used without a `requests.Session`.

    A session reads a redirect's body to its end, whatever its size, even where redirects are not to be followed; and it
    keeps cookies, proxies and passwords from the environment. Without one there is nothing of it to be turned off.
    """

    def __init__(self, ca_pem: str | None) -> None:
        self._ca_pem = ca_pem
        super().__init__(pool_connections=4, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:  # noqa: FBT001, FBT002 - as requests has it
        """Make the pools, of our own connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=_tls(self._ca_pem), **pool_kwargs)
        _use_own_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Make the pools for a proxy, of our own connections too."""
        tls = _tls(self._ca_pem)
        manager = super().proxy_manager_for(proxy, ssl_context=tls, proxy_ssl_context=tls, **proxy_kwargs)
        _use_own_connections(manager)
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to add: the TLS context verifies, and requests would load its own list of CAs into it."""


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket until a moment. A socket's own time-out starts anew whenever something comes."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        # The client gives as read time-out what is left of the exchange, just before the answer is read.
        limit_s = sock.gettimeout()
        self._deadline = None if limit_s is None else time.monotonic() + limit_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._deadline is not None:
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the time for the whole exchange is over")
            self._sock.settimeout(max(left_s, LEAST_S))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Headers, chunk sizes and body all come through the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))


def _checked(sock: socket.socket) -> socket.socket:
    """The connected socket, unless its other end may not be asked.

    Looked at here and not when a name is resolved, so a name that resolves to another address each time gains nothing.
    Through a proxy the other end is the proxy: it resolves names itself, and its own rules hold for what it finds.
    """
    peer = str(sock.getpeername()[0])
    if is_never(peer):
        sock.close()
        raise SourceError(
            f"the host is at {peer}, a link-local address or a metadata service, which is never contacted"
        )
    return sock


class _Http(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn())


class _Https(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn())


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


def _use_own_connections(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


@functools.cache
def _tls(ca_pem: str | None) -> ssl.SSLContext:
    """Verifies certificates and names, by the source's own CAs if it has some, by the public ones otherwise."""
    if ca_pem is not None:
        return ssl.create_default_context(cadata=ca_pem)
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def _without_urls(record: logging.LogRecord) -> bool:
    """Whether a line of urllib3's log may be written: those that may show a URL, with a key in its query, may not."""
    return record.levelno > logging.DEBUG and "url" not in str(record.msg) and "Retrying" not in str(record.msg)


# Filters hold whatever level is set later, as --verbose does.
for _name in (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
):
    logging.getLogger(_name).addFilter(_without_urls)
