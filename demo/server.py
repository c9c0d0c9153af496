"""The HTTP side of the demo API: one thread a connection, keep-alive, one send an answer."""

import logging
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from demo.data import Catalog, build
from demo.faults import FirstTimeErrors, RateLimit
from demo.openapi import document
from demo.paging import PagedTable, to_json
from demo.query import read_query
from demo.settings import DemoSettings

ACCESS_LOG = logging.getLogger("demo.access")
"""Gets a line a request at level DEBUG; silent unless someone listens."""

_MOST_RECORDED = 1_000_000
_MOST_BODY_BYTES = 1_000_000


def _detail(status: HTTPStatus) -> bytes:
    return to_json({"detail": status.phrase})


class DemoServer:
    """Serves one day's data on loopback; a context manager that starts and stops a background thread.

    `catalog` is what is served. `requests` lists (path, page, size) of every table request with a sound query in the
    order they came, failed ones too; tests may read or clear it at any time. It stops growing at a million.

    Raises:
        OSError: on start, the port is taken or may not be opened.
    """

    def __init__(self, settings: DemoSettings, host: str = "127.0.0.1", port: int = 0) -> None:
        """Make the data; port 0 takes a free port on start."""
        self.catalog: Catalog = build(settings)
        self.requests: list[tuple[str, int, int]] = []
        self._settings = settings
        self._address = (host, port)
        self._tables = {
            f"/{table}": PagedTable(rows, late_rows=self.catalog.late_rows if table == "listen_history" else 0)
            for table, rows in self.catalog.rows.items()
        }
        self._documents = {"/health": to_json({"status": "ok"}), "/openapi.json": to_json(document())}
        self._errors = FirstTimeErrors(settings)
        self._rate = RateLimit(settings.faults.rate_limit_rps)
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the API answers, without a slash at the end. Raises RuntimeError before the start."""
        if self._listener is None:
            message = "the demo server is not started: use it as a context manager, or call start()"
            raise RuntimeError(message)
        return f"http://{self._address[0]}:{self._listener.server_address[1]}"

    def start(self) -> None:
        """Listen and answer from a daemon thread; does nothing if started."""
        if self._listener is None:
            self._listener = _Listener(self, self._address)
            self._thread = threading.Thread(
                target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, name="demo-api", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut the open connections; does nothing if stopped."""
        listener, thread = self._listener, self._thread
        self._listener = self._thread = None
        if listener is not None and thread is not None:
            listener.shutdown()
            thread.join()
            listener.server_close()

    def serve_forever(self) -> None:
        """Start, and come back when another thread calls `stop` or a signal raises in this one."""
        self.start()
        if (thread := self._thread) is not None:
            thread.join()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop, whatever happened."""
        self.stop()

    def knows(self, path: str) -> bool:
        """Whether there is something at this path."""
        return path in self._tables or path in self._documents

    def answer(self, path: str, query: str) -> tuple[HTTPStatus, bytes]:
        """Status and JSON body for a GET of a known path."""
        if path in self._documents:
            return HTTPStatus.OK, self._documents[path]
        asked = read_query(query)
        if not isinstance(asked, bytes) and len(self.requests) < _MOST_RECORDED:
            self.requests.append((path, asked.page, asked.size))
        faults = self._settings.faults
        if faults.latency_ms:
            time.sleep(faults.latency_ms / 1000)
        if faults.down:
            return HTTPStatus.SERVICE_UNAVAILABLE, _detail(HTTPStatus.SERVICE_UNAVAILABLE)
        if not self._rate.admits():
            return HTTPStatus.TOO_MANY_REQUESTS, _detail(HTTPStatus.TOO_MANY_REQUESTS)
        if isinstance(asked, bytes):
            return HTTPStatus.UNPROCESSABLE_ENTITY, asked
        if (failed := self._errors.strike(path, asked.page)) is not None:
            return failed, _detail(failed)
        return HTTPStatus.OK, self._tables[path].page(asked.page, asked.size)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # a burst of new connections must not be refused

    def __init__(self, api: DemoServer, address: tuple[str, int]) -> None:
        self.api = api
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look the host's name up, which takes seconds on a machine without DNS.
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        # Kept-alive connections would go on being answered after the stop.
        with self._lock:
            for connection in self._open:
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), OSError):
            ACCESS_LOG.debug("the client went away", exc_info=True)
        else:
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        ACCESS_LOG.debug("the client was gone already")


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 300  # seconds; a client that left without a word must not hold its thread for ever

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        api = self.server.api
        headers = ""
        self._skip_body()
        if api.knows(path):
            if self.command == "GET":
                status, body = api.answer(path, query)
                if status is HTTPStatus.TOO_MANY_REQUESTS:
                    headers = "retry-after: 1\r\n"
            else:
                status, headers = HTTPStatus.METHOD_NOT_ALLOWED, "allow: GET\r\n"
                body = _detail(status)
        elif path.endswith("/") and api.knows(path.rstrip("/")):
            status, body = HTTPStatus.TEMPORARY_REDIRECT, b""
            headers = f"location: {self._own_url()}{path.rstrip('/')}{'?' if query else ''}{query}\r\n"
        else:
            status = HTTPStatus.NOT_FOUND
            body = _detail(status)
        self._send(status, headers, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _respond

    def _send(self, status: HTTPStatus, headers: str, body: bytes) -> None:
        if self.close_connection:
            headers += "connection: close\r\n"
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"date: {self.date_time_string()}\r\n"
            f"content-length: {len(body)}\r\n"
            f"content-type: application/json\r\n{headers}\r\n"
        ).encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + body)
        ACCESS_LOG.debug("%s %s %d %d bytes", self.command, self.path, status.value, len(body))

    def _own_url(self) -> str:
        host = self.headers.get("host", "")
        # A folded header could smuggle a line break into the answer's headers.
        return f"http://{host}" if host and not any(map(str.isspace, host)) else self.server.api.url

    def _skip_body(self) -> None:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal() or int(length) > _MOST_BODY_BYTES:
            self.close_connection = True
        elif length != "0":
            self.rfile.read(int(length))

    def log_message(self, format: str, *args: Any) -> None:
        ACCESS_LOG.debug(format, *args)
