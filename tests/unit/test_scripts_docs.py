"""`make docs`, for a lake in an object store: its pages, and nothing else of it, over HTTP."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from lib.lake import storage
from lib.lake.storage import Address
from scripts.docs import Site


@pytest.fixture
def port() -> Iterator[int]:
    lake = Address.of(f"memory://{uuid4()}/lake")
    storage.replace_text(lake / ".key", "hunter2-planted")
    for name, text in (
        ("index.html", "<p>ä"),
        ("runs/r 1/index.html", "<p>run"),
        ("assets/a/x.css", "p {}"),
        (".staging/r2/index.html", "half"),
    ):
        storage.replace_text(lake / "site" / name, text)
    server = Site(lake / "site", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def asked(port: int, path: str) -> tuple[int, str | None, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = (
        answer.status,
        answer.getheader("Location") or answer.getheader("Content-Type"),
        answer.read().decode("utf-8"),
    )
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/", (200, "text/html; charset=utf-8", "<p>ä")),
        ("/index.html?x=1", (200, "text/html; charset=utf-8", "<p>ä")),
        ("/runs/r%201/", (200, "text/html; charset=utf-8", "<p>run")),
        ("/runs/r%201", (301, "/runs/r%201/", "")),
        ("/assets/a/x.css", (200, "text/css; charset=utf-8", "p {}")),
    ],
)
def test_a_page_is_served_as_what_it_is(port: int, path: str, answer: tuple[int, str, str]) -> None:
    assert asked(port, path) == answer


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/none.html",
            "/runs/",
            "/assets/a/",
            "/.staging/r2/index.html",
            "/../.key",
            "/%2e%2e/.key",
            "/runs/..%2F..%2F.key",
        ),
        *("/.key", "/x%00", "//.key"),
    ],
)
def test_what_is_no_page_of_the_site_is_not_served(port: int, path: str) -> None:
    status, _, text = asked(port, path)
    assert status == 404
    assert "hunter2" not in text
