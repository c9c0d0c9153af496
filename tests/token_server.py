"""A source whose pages need a token, and the server that gives it: each token is good for so many pages."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback_server import LoopbackServer

ENDLESS = 10**9
PAGES = 40


class TokenServer(LoopbackServer):
    """Gives `tok-1`, `tok-2` and so on at /token and a page of one row at /items for the newest of them.

    `lives` says for how many pages each token is good, in order, the last one for all that follow. `answer` is what stands in an
    answer beside the token; with `rotates`, each refresh token is good once.
    """

    def __init__(self, *lives: int, **answer: Any) -> None:
        self.lives = lives or (ENDLESS,)
        self.answer = {"token_type": "Bearer", **answer}
        self.rotates = False
        self.prefix, self.refresh_prefix = "tok", "refresh"
        self.slow_s = 0.0
        self.logins: list[tuple[dict[str, str], str]] = []
        self.pages: list[tuple[int, str | None, int]] = []
        self._issued = 0
        self._left = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                self._send(*owner.log_in({name.lower(): value for name, value in self.headers.items()}, body))

            def do_GET(self) -> None:
                page = int(parse_qs(urlsplit(self.path).query)["page"][0])
                self._send(*owner.page(page, self.headers.get("Authorization")))

            def _send(self, status: int, content: Any) -> None:
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Nothing is logged."""

        super().__init__(Handler)

    @property
    def statuses(self) -> list[int]:
        """The statuses of the pages, in the order in which they were asked for."""
        return [status for status, _, _ in self.pages]

    def log_in(self, headers: dict[str, str], body: str) -> tuple[int, Any]:
        time.sleep(self.slow_s)
        with self._lock:
            self.logins.append((headers, body))
            used = parse_qs(body).get("refresh_token", [""])[0]
            if self.rotates and used != f"{self.refresh_prefix}-{self._issued}":
                return 400, {"error": "invalid_grant", "error_description": f"{used} was used"}
            self._left = self.lives[min(self._issued, len(self.lives) - 1)]
            self._issued += 1
            new = {"refresh_token": f"{self.refresh_prefix}-{self._issued}"} if self.rotates else {}
            return 200, {"access_token": f"{self.prefix}-{self._issued}", **new, **self.answer}

    def page(self, number: int, shown: str | None) -> tuple[int, Any]:
        with self._lock:
            is_good = shown == f"Bearer {self.prefix}-{self._issued}" and self._left > 0
            self._left -= is_good
            self.pages.append((200 if is_good else 401, shown, number))
            return (200, {"items": [{"id": number}], "total": PAGES}) if is_good else (401, {"error": "invalid_token"})
