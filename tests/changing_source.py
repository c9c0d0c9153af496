"""A source that can be asked for what changed: rows with the time of their last change, its own clock, and what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def iso(at: datetime) -> str:
    """A time as the rows have it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


@dataclass
class Changing:
    """The rows of `/changes` by id, in pages of three; `now` is its clock, which its header `Date` tells unless it is `silent`.

    A row changes with the clock. `asked` has the query of each request; `after` what happens behind the k-th one, counted from 1.
    `column` is the one that it is asked by, in so many of a `unit` for a second. A `broken` one answers with status 400.
    Where it is asked for a `state`, it gives the rows of that one.
    """

    now: datetime = NOON
    silent: bool = False
    column: str = "at"
    rows: dict[int, Row] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    after: dict[int, Callable[[], None]] = field(default_factory=dict)
    broken: bool = False
    unit: int = 1

    def put(self, number: int, name: str = "", at: datetime | None = None, **more: Any) -> None:
        """Make or change a row, now or dated otherwise."""
        self.rows[number] = {"id": number, "name": name or f"row {number}", "at": iso(at or self.now), **more}

    def drop(self, number: int) -> None:
        """Delete a row, if it is there."""
        self.rows.pop(number, None)

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)

    def bounds(self) -> list[tuple[str | None, str | None]]:
        """What the requests so far asked for: from where on, up to where; the same in a row once. Forgets them."""
        found = [(one.get("since"), one.get("until")) for one in self.asked]
        self.asked.clear()
        return [one for place, one in enumerate(found) if not place or one != found[place - 1]]

    def answer(self, query: dict[str, str]) -> tuple[int, Row]:
        """Status and content for one request, and what follows from it."""
        self.asked.append(query)
        given = (400, {"error": "broken"}) if self.broken else (200, self._page(query))
        if then := self.after.pop(len(self.asked), None):
            then()
        return given

    def _page(self, query: dict[str, str]) -> Row:
        rows = sorted(self.rows.values(), key=lambda row: row["id"])
        if "state" in query:
            rows = [row for row in rows if row["state"] == query["state"]]
        if "since" in query:
            rows = [row for row in rows if _key(row[self.column]) >= _key(query["since"]) / self.unit]
        if "until" in query:
            rows = [row for row in rows if _key(row[self.column]) <= _key(query["until"]) / self.unit]
        page, size = int(query["page"]), int(query["size"])
        return {"items": rows[(page - 1) * size : page * size], "total": len(rows), "page": page, "size": size}


def _key(value: Any) -> float:
    """What a value is compared by: a number itself, a time the seconds since 1970."""
    text = str(value)
    if not text.lstrip("-").isdigit():
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return int(text)


class ChangingServer(ThreadingHTTPServer):
    """Serves it on a free port of 127.0.0.1. Requests are answered one after the other."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, source: Changing) -> None:
        self.source, self.lock = source, threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        # HTTPServer would look the host's name up.
        TCPServer.server_bind(self)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: ChangingServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(
            {name: str(value) for name, value in {**sent, **sent.get("filter", {})}.items() if name != "filter"}
        )

    def _answer(self, sent: dict[str, str]) -> None:
        source = self.server.source
        with self.server.lock:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            told = format_datetime(source.now, usegmt=True)
            status, content = source.answer({**query, **sent})
        body = json.dumps(content).encode()
        self.send_response_only(status)
        if not source.silent:
            self.send_header("Date", told)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
