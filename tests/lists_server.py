"""An API of many lists, filtered or one for each row of another: paged by number or cursor, and told what it was asked for."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]
Query = dict[str, str]
Lists = Callable[[str, Query], list[Row] | int]
NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)


class ListsServer(ThreadingHTTPServer):
    """`lists` says for a path, as it was sent, and a query which rows there are, in their order, or with which status it answers.

    `cap`: behind so many rows of a list there are none, or the status `refuses`. `counts_to` is the most that a total says.
    With a `cursor` a page names the next one by the list and the number of rows before it, and a total is not told.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(
        self,
        lists: Lists,
        *,
        cap: int | None = None,
        refuses: int = 200,
        cursor: bool = False,
        date: datetime | None = NOW,
        latency_s: float = 0.0,
    ) -> None:
        self.lists, self.cap, self.refuses, self.cursor = lists, cap, refuses, cursor
        self.date, self.latency_s = date, latency_s
        self.asked: list[tuple[str, Query]] = []
        self.bodies: list[bytes] = []
        self.foreign = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        # HTTPServer would look the host's name up.
        TCPServer.server_bind(self)

    @property
    def paths(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(path for path, _ in self.asked)

    def answer(self, path: str, query: Query, body: bytes) -> tuple[int, Any]:
        """Status and content for a request."""
        with self.lock:
            self.asked.append((path, query))
            self.bodies.append(body)
            found = self.lists(path, query)
        if isinstance(found, int):
            return found, {"error": found}
        size = int(query.get("size", "1000"))
        start = (int(query.get("page", "1")) - 1) * size
        if self.cursor and "cursor" in query:
            of, _, before = query["cursor"].rpartition(" ")
            self.foreign += of != path
            start = int(before)
        reach = len(found) if self.cap is None else min(self.cap, len(found))
        if start >= max(reach, 1) and self.refuses != 200:
            return self.refuses, {"error": "beyond the cap"}
        rows = found[start : min(start + size, reach)]
        if self.cursor:
            behind = start + size
            return 200, {"items": rows, "next_cursor": f"{path} {behind}" if behind < reach else None}
        return 200, {"items": rows, "total": len(found)}

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ListsServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        sent = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status, content = self.server.answer(parts.path, query, sent)
        if self.server.latency_s:
            time.sleep(self.server.latency_s)
        body = json.dumps(content).encode()
        self.send_response_only(status)
        if self.server.date is not None:
            self.send_header("Date", format_datetime(self.server.date, usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
