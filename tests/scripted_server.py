"""A server that misbehaves to order: behaviours for each path and page, used in order, the last repeated."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import parse_qs, urlsplit

Headers = Mapping[str, str]
NO_HEADERS: Headers = {}


@dataclass(frozen=True)
class Asked:
    """A request as it came. Names of headers are in lower case."""

    target: str
    headers: dict[str, str]
    at: float
    method: str = "GET"
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


class Behaviour(Protocol):
    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        """Answer one request; whether the connection can be used again."""
        ...


def head(status: int, headers: Headers, length: int | None) -> bytes:
    named = {
        "Content-Type": "application/json",
        **({} if length is None else {"Content-Length": str(length)}),
        **headers,
    }
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    body: bytes = b""
    status: int = 200
    headers: Headers = field(default_factory=dict)

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        sock.sendall(head(self.status, self.headers, len(self.body)) + self.body)
        return True


@dataclass(frozen=True)
class Raw:
    """These bytes, whatever they are, and the end of the connection."""

    data: bytes

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        sock.sendall(self.data)
        return False


@dataclass(frozen=True)
class Cut:
    """An answer whose connection closes after some bytes of the body; `chunked` says its size in chunks, not before."""

    body: bytes
    after_bytes: int
    chunked: bool = False

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        start = self.body[: self.after_bytes]
        if self.chunked:
            sock.sendall(head(200, {"Transfer-Encoding": "chunked"}, None))
            sock.sendall(f"{len(self.body):x}\r\n".encode() + start)
        else:
            sock.sendall(head(200, {}, len(self.body)) + start)
        return False


@dataclass(frozen=True)
class Reset:
    """A connection that is reset: before any answer, or after so many bytes of the body."""

    body: bytes = b""
    after_bytes: int | None = None

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        if self.after_bytes is not None:
            sock.sendall(head(200, {}, len(self.body)) + self.body[: self.after_bytes])
            time.sleep(0.05)  # a reset overtakes what was not yet read
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


@dataclass(frozen=True)
class Trickle:
    """Bytes that come one at a time: those of the body, or, with `raw`, of the whole answer."""

    data: bytes
    bytes_per_s: float
    raw: bool = False

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        if not self.raw:
            sock.sendall(head(200, {}, len(self.data)))
        for byte in self.data:
            sock.sendall(bytes([byte]))
            if over.wait(1 / self.bytes_per_s):
                break
        return False


@dataclass(frozen=True)
class Endless:
    """A body without a length that never ends."""

    piece: bytes = b" " * 65536
    status: int = 200
    headers: Headers = field(default_factory=dict)

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        sock.sendall(head(self.status, self.headers, None))
        while not over.is_set():
            sock.sendall(self.piece)
        return False


@dataclass(frozen=True)
class Hang:
    """Silence, and then the end of the connection."""

    seconds: float

    def answer(self, sock: socket.socket, over: threading.Event) -> bool:
        over.wait(self.seconds)
        return False


Script = Mapping[tuple[str, int | None], Sequence[Behaviour]]


class ScriptedServer:
    """Listens on a free port of 127.0.0.1. What stands at (path, None) is for all pages without their own."""

    def __init__(
        self, script: Script | None = None, *, tls: ssl.SSLContext | None = None, page_param: str = "page"
    ) -> None:
        self.script = dict(script or {})
        self.asked: list[Asked] = []
        self.connections = 0
        self._used: dict[tuple[str, int | None], int] = {}
        self._tls = tls
        self._page_param = page_param
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def play(self, path: str, *behaviours: Behaviour, page: int | None = None) -> None:
        """Set what is answered from now on."""
        with self._lock:
            self.script[path, page] = behaviours
            self._used.pop((path, page), None)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        # The client hangs up whenever it has seen enough.
        with suppress(OSError), sock:
            sock.settimeout(20)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                while not self._over.is_set() and (behaviour := self._next(sock)) is not None:
                    if not behaviour.answer(sock, self._over):
                        return

    def _next(self, sock: socket.socket) -> Behaviour | None:
        text = b""
        while b"\r\n\r\n" not in text:
            more = sock.recv(65536)
            if not more:
                return None
            text += more
        top, _, body = text.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            more = sock.recv(65536)
            if not more:
                return None
            body += more
        method, target, _ = first.split(" ")
        asked = Asked(target, headers, time.monotonic(), method, body)
        page = asked.query.get(self._page_param, [""])[0]
        with self._lock:
            self.asked.append(asked)
            keys = ((asked.path, int(page) if page.isdecimal() else None), (asked.path, None))
            key = next((key for key in keys if key in self.script), None)
            if key is None:
                return Reply(b'{"error": "not in the script"}', status=404)
            used = self._used.get(key, 0)
            self._used[key] = used + 1
            return self.script[key][min(used, len(self.script[key]) - 1)]
