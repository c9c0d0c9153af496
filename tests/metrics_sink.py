"""A place that metrics are sent to: keeps each request, and answers as it is told, or not at all."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from types import TracebackType

from lib.observe.metrics import Measurement, Metric, Series
from lib.observe.outcome import Outcome, RunSummary
from tests.loopback_server import LoopbackServer

STARTED = datetime(2026, 3, 5, 1, 30, tzinfo=UTC)
ENDED = datetime(2026, 3, 5, 1, 32, 30, 250_000, tzinfo=UTC)
ENDED_S = 1_772_674_350.25  # date -d 2026-03-05T01:32:30Z +%s, and a quarter


def summary(outcome: Outcome = Outcome.PUBLISHED, *, source: str = "shop") -> RunSummary:
    return RunSummary("r1", source, STARTED, ENDED, outcome, 0 if outcome.is_good else 1, None)


def measured(metric: Metric, value: float, table: str | None = None, label: str | None = None) -> Measurement:
    return Measurement(Series(metric, table, label), value)


@dataclass(frozen=True)
class Request:
    """What came. Names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def unpacked(self) -> bytes:
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


class SinkServer(LoopbackServer):
    """Listens on a free port of 127.0.0.1.

    With `silent` nothing is answered, with `trickling` a byte of an endless header every 50 ms, both until `release` is called;
    `hung_up` is set once a client that waited in silence has closed its connection.
    """

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        silent: bool = False,
        trickling: bool = False,
    ) -> None:
        self.requests: list[Request] = []
        self.asked = threading.Event()
        self.hung_up = threading.Event()
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                with suppress(OSError):
                    super().handle_one_request()

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                named = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append(Request(self.command, self.path, named, self.rfile.read(length)))
                outer.asked.set()
                if silent:
                    self.connection.settimeout(0.05)
                    while not outer._released.is_set() and not outer.hung_up.is_set():
                        with suppress(TimeoutError):
                            if not self.connection.recv(1):
                                outer.hung_up.set()
                    return
                if trickling:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                    while not outer._released.wait(0.05):
                        self.wfile.write(b"x")
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_CONNECT = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(Handler)

    def release(self) -> None:
        self._released.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        super().__exit__(kind, error, trace)
