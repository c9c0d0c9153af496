"""A small server that speaks as much of S3 as leases and small files need, and goes wrong as a test says."""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from obstore.store import S3Store

from tests.loopback_server import LoopbackServer

BUCKET = "bucket"


class S3Server(LoopbackServer):
    """`ignored` are headers that it takes no notice of. The next `refused` requests get status 503; the next `lost` puts are done,
    and get no answer.
    """

    def __init__(self, *ignored: str) -> None:
        self.ignored, self.refused, self.lost = ignored, 0, 0
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.asked: list[str] = []
        self.lock = threading.Lock()
        super().__init__(_Handler)
        cast(Any, self._server).s3 = self

    def store(self) -> S3Store:
        return store_at(self.url)


def store_at(url: str) -> S3Store:
    """A store in the bucket of a server of S3's kind on loopback."""
    return S3Store(
        BUCKET,
        endpoint=url,
        region="us-east-1",
        access_key_id="someone",
        secret_access_key="something",
        client_options={"allow_http": True},
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        s3, body = self._begun()
        if s3 is None:
            return
        with s3.lock:
            there = s3.objects.get(self.path)
            e_tag = None if there is None else _e_tag(there[0])
            conditions = {name: self.headers[name] for name in ("If-None-Match", "If-Match") if name not in s3.ignored}
            if conditions.get("If-None-Match") and e_tag is not None:
                return self._end(412)
            if conditions.get("If-Match") not in (None, e_tag):
                return self._end(404 if e_tag is None else 412)
            s3.objects[self.path] = body, datetime.now(UTC)
            is_lost, s3.lost = s3.lost > 0, max(0, s3.lost - 1)
        if is_lost:
            self.close_connection = True
            return None
        return self._end(200, {"ETag": _e_tag(body)})

    def do_GET(self) -> None:
        s3, _ = self._begun()
        if s3 is None:
            return
        with s3.lock:
            there = s3.objects.get(self.path)
        if there is None:
            self._end(404)
            return
        headers = {"ETag": _e_tag(there[0]), "Last-Modified": format_datetime(there[1], usegmt=True)}
        self._end(200, headers, there[0])

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Delete several objects, which is how obstore deletes one."""
        s3, body = self._begun()
        if s3 is None:
            return
        keys = re.findall(r"<Key>(.+?)</Key>", body.decode())
        with s3.lock:
            for key in keys:
                s3.objects.pop(f"/{BUCKET}/{key}", None)
        said = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._end(200, {"Content-Type": "application/xml"}, f"<DeleteResult>{said}</DeleteResult>".encode())

    def _begun(self) -> tuple[S3Server | None, bytes]:
        s3 = cast(S3Server, cast(Any, self.server).s3)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with s3.lock:
            s3.asked.append(f"{self.command} {self.path}")
            is_refused, s3.refused = s3.refused > 0, max(0, s3.refused - 1)
        if is_refused:
            self._end(503)
            return None, body
        return s3, body

    def _end(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _e_tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
