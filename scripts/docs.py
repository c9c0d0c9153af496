"""Serves the site of a lake on this machine: `make docs LAKE=... PORT=...`. The lake may be in an object store."""

from __future__ import annotations

import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

from lib.errors import PagelakeError
from lib.files import content_type
from lib.lake import storage
from lib.lake.layout import lake_at
from lib.lake.storage import Address

INDEX = "index.html"


class Site(ThreadingHTTPServer):
    """The pages of one site, for this machine alone."""

    def __init__(self, site: Address, port: int) -> None:
        self.site = site
        super().__init__(("127.0.0.1", port), _Page)


class _Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        """Answer with a page."""
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        parts = path.split("/")
        # What is hidden is docs in the making; `..` would lead out of the site.
        if any(part.startswith(".") or "\0" in part for part in parts):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        file = self.server.site / (f"{path}{INDEX}" if not parts[-1] else path)
        try:
            content = storage.read(file)
        except (FileNotFoundError, IsADirectoryError):
            if parts[-1] and storage.is_folder(file):
                self.send_response(HTTPStatus.MOVED_PERMANENTLY)
                self.send_header("Location", f"/{quote(path)}/")
                self.end_headers()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type(file.name))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_said: object) -> None:
        """Nothing: a reader looks at the pages, not at the terminal."""


def main(lake: str, port: int) -> int:
    """Serve until Ctrl-C; the exit status."""
    try:
        site = lake_at(lake).site
        if not storage.is_file(site / INDEX):
            sys.stderr.write(f"{site}: no site here; run ./spark-submit.sh full-ingest first, or give LAKE=...\n")
            return 2
        server = Site(site, port)
    except (PagelakeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    sys.stdout.write(f"Docs: http://127.0.0.1:{port}/{INDEX}\n")
    sys.stdout.flush()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
