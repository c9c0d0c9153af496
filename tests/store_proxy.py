"""A proxy between Pagelake and the server of a store: it counts requests, and does harm to those that a test names."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from fnmatch import fnmatchcase
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback_server import LoopbackServer

# Of this connection alone; the proxy has its own.
_HOP = {"connection", "keep-alive", "expect", "transfer-encoding", "content-length"}
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ERROR = _XML + "<Error><Code>{code}</Code><Message>{text}</Message><RequestId>1</RequestId></Error>"


class Harm(Enum):
    """What a request meets."""

    SLOW_DOWN = auto()  # 503, as S3 says that there are too many requests
    INTERNAL = auto()  # 500
    REFUSED = auto()  # 403
    LATE = auto()  # the answer comes some seconds later
    CUT = auto()  # the connection ends before the request is passed on
    LOST = auto()  # the request is carried out, and the connection ends instead of an answer
    DONE_500 = auto()  # the request is carried out, and 500 is the answer
    CUT_UPLOAD = auto()  # the connection ends in the middle of the request's body
    CUT_DOWNLOAD = auto()  # the connection ends in the middle of the answer's body


_SAID = {
    Harm.SLOW_DOWN: (503, "SlowDown", "Please reduce your request rate."),
    Harm.INTERNAL: (500, "InternalError", "We encountered an internal error. Please try again."),
    Harm.REFUSED: (403, "AccessDenied", "Access Denied"),
}


@dataclass
class Fault:
    """A harm that requests meet: those of a method and a key (patterns as of a shell), `times` of them after the first `after`.

    With `for_s` it ends so many seconds after it was first met. `late_s` is what `LATE` waits.
    """

    harm: Harm
    method: str = "*"
    key: str = "*"
    after: int = 0
    times: float = math.inf
    for_s: float = math.inf
    late_s: float = 0.0
    seen: int = field(default=0, init=False)
    since: float | None = field(default=None, init=False)

    def meets(self, method: str, key: str) -> bool:
        """Whether this request is harmed. Each request that fits is counted."""
        if not (fnmatchcase(method, self.method) and fnmatchcase(key, self.key)):
            return False
        self.seen += 1
        if not self.after < self.seen <= self.after + self.times:
            return False
        now = time.monotonic()
        self.since = now if self.since is None else self.since
        return now - self.since < self.for_s

    @property
    def met(self) -> bool:
        """Whether a request was harmed."""
        return self.since is not None


@dataclass(frozen=True)
class Request:
    """A request as it came. `LIST` is the method of a listing, whose key is what the names begin with; `harm` what it met."""

    method: str
    key: str
    harm: Harm | None


class StoreProxy(LoopbackServer):
    """Stands before a server of S3. A bucket is the first part of a path, and no part of a key."""

    def __init__(self, server: str) -> None:
        self.host = server.removeprefix("http://")
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        super().__init__(type("Handler", (_Handler,), {"proxy": self}))

    @contextmanager
    def failing(self, *faults: Fault) -> Iterator[None]:
        """Do these harms meanwhile. Where several fit a request, the first does it."""
        with self._lock:
            self._faults += faults
        try:
            yield
        finally:
            with self._lock:
                self._faults = [fault for fault in self._faults if fault not in faults]

    def asked(self, method: str, key: str) -> Harm | None:
        """Count a request, and say what it meets."""
        with self._lock:
            met = [fault for fault in self._faults if fault.meets(method, key)]
            harm = met[0].harm if met else None
            self.requests.append(Request(method, key, harm))
            late_s = max((fault.late_s for fault in met), default=0.0)
        time.sleep(late_s)
        return harm

    def count(self, folders: int = 1) -> Counter[str]:
        """How many requests there were, by method and the first folders of the key below the lake's own (its first part)."""
        return Counter(
            " ".join((one.method, "/".join(one.key.split("/")[1 : 1 + folders]) or "-")) for one in self.requests
        )


class _Handler(BaseHTTPRequestHandler):
    proxy: StoreProxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        url = urlsplit(self.path)
        _, _, key = unquote(url.path).lstrip("/").partition("/")
        query = parse_qs(url.query, keep_blank_values=True)
        method = self.command
        if method == "GET" and not key:
            method, key = "LIST", query.get("prefix", [""])[0]
        harm = self.proxy.asked(method, key)
        length = int(self.headers.get("Content-Length") or 0)
        if harm is Harm.CUT_UPLOAD:
            self.rfile.read(length // 2)
        if harm in (Harm.CUT, Harm.CUT_UPLOAD):
            self._hang_up()
            return
        body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        if harm in _SAID:
            self._say(*_SAID[harm])
            return
        server = HTTPConnection(self.proxy.host, timeout=120)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    server.putheader(name, value)
            server.putheader("Content-Length", str(len(body)))
            server.endheaders(body)
            answer = server.getresponse()
            content = answer.read()
        finally:
            server.close()
        if harm is Harm.LOST:
            self._hang_up()
        elif harm is Harm.DONE_500:
            self._say(*_SAID[Harm.INTERNAL])
        else:
            self._give(answer, content, is_cut=harm is Harm.CUT_DOWNLOAD)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on

    def _give(self, answer: HTTPResponse, content: bytes, *, is_cut: bool) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        length = answer.headers.get("Content-Length", "0") if is_head else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if is_cut:
            self.wfile.write(content[: len(content) // 2])
            self._hang_up()
        elif not is_head:
            self.wfile.write(content)

    def _say(self, status: int, code: str, text: str) -> None:
        content = b"" if self.command == "HEAD" else _ERROR.format(code=code, text=text).encode()
        self.send_response_only(status, code)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            # Closed without waiting: the other side sees that its connection is reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def handle(self) -> None:
        with suppress(ConnectionError, ValueError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *arguments: object) -> None:
        pass
