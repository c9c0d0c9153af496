"""A paginated API whose rows move while they are read: mutations and faults to order, and a count of what was asked."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlencode, urlsplit

Row = dict[str, Any]
Mutation = Callable[[list[Row]], None]


@dataclass(frozen=True)
class Manners:
    """How a table is served.

    `cap` is the most rows on a page, whatever is asked for; `pages` a number claimed in place of the right one;
    `past_the_end` the status of a page without rows; a `deaf` table gives its first page whatever is asked for, a `stuck`
    one its last page for ever. `style` is how it is asked; a cursor names the row that the page before ended with, and an address
    has it as a parameter, a keyset is its number. `names_next` says where a page names the next one, and
    what it says on the last one; a keyset's page says whether there are more rows, unless it is "never". Behind the rows of a
    `window` pages have no rows, or the status that it `refuses` with; a total is `counts_to` at most.
    """

    style: Literal["page", "offset", "cursor", "next_url", "link_header", "keyset", "none", "range"] = "page"
    names_next: Literal["null at the end", "absent at the end", "in a header", "never"] = "null at the end"

    cap: int = 1000
    first: int = 1
    total: Literal["always", "on the first page", "null", "absent"] = "always"
    pages: Literal["right", "absent"] | int = "right"
    numbered: bool = True
    bare: bool = False
    past_the_end: int = 200
    deaf: bool = False
    stuck: bool = False
    window: int | None = None
    refuses: int = 200
    counts_to: int | None = None


@dataclass(frozen=True)
class Short:
    """The page without its last rows."""

    by: int = 1


@dataclass(frozen=True)
class Without:
    """The page without its first row, which nothing tells."""


@dataclass(frozen=True)
class Ends:
    """The page as it should be, which says that nothing follows."""


@dataclass(frozen=True)
class Another:
    """Another page in its place, number and all."""

    page: int


@dataclass(frozen=True)
class Sized:
    """The page as it should be, which says of itself that it was cut by another size."""

    size: int


@dataclass(frozen=True)
class Fails:
    """No page."""

    status: int = 503


@dataclass(frozen=True)
class Says:
    """Something else than a page."""

    content: Row
    status: int = 200


Fault = Short | Without | Ends | Another | Sized | Fails | Says


@dataclass
class MovingTable:
    """Rows that are served in pages.

    `states` holds the rows of every moment, the present one last; `log` each page that was given, with the number of the
    state that it was given from.
    """

    rows: list[Row]
    manners: Manners = field(default_factory=Manners)

    def __post_init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.states = [list(self.rows)]
        self.log: list[tuple[int, int]] = []
        self._faults: dict[int, deque[Fault]] = {}
        self._mutations: dict[int, list[Mutation]] = {}
        self._always: list[tuple[int, Mutation]] = []

    @property
    def n_asked(self) -> int:
        """Requests so far."""
        return self.asked.total()

    def after(self, k: int, *mutations: Mutation) -> None:
        """Change the rows when the k-th request, counted from 1, has been answered."""
        self._mutations.setdefault(k, []).extend(mutations)

    def every(self, k: int, mutation: Mutation) -> None:
        """Change the rows after every k-th request, and never rest."""
        self._always.append((k, mutation))

    def once(self, page: int, *faults: Fault) -> None:
        """Answer this page so, one time each, before it is answered well."""
        self._faults.setdefault(page, deque()).extend(faults)

    def change(self, *mutations: Mutation) -> None:
        """Change the rows now."""
        for mutation in mutations:
            mutation(self.rows)
        if self.rows != self.states[-1]:
            self.states.append(list(self.rows))

    def answer(self, query: Mapping[str, str]) -> tuple[int, Any]:
        """Status and content for one request, and what follows from it."""
        size = self._size(query)
        start = self._start(query, min(size, self.manners.cap))
        page = start // min(size, self.manners.cap) + self.manners.first
        self.asked[page] += 1
        waiting = self._faults.get(page)
        given = self._answer(page, size, start, waiting.popleft() if waiting else None)
        if given[0] in (200, 206):
            self.log.append((page, len(self.states) - 1))
        self.change(
            *self._mutations.get(self.n_asked, ()),
            *(mutation for k, mutation in self._always if self.n_asked % k == 0),
        )
        return given

    def _counted(self) -> int:
        return min(len(self.rows), self.manners.counts_to or len(self.rows))

    def _size(self, query: Mapping[str, str]) -> int:
        if self.manners.style == "none":
            return 1000
        if self.manners.style == "range":
            first, _, last = query["Range"].removeprefix("items=").partition("-")
            return int(last) - int(first) + 1
        return int(query["limit" if self.manners.style == "offset" else "size"])

    def _start(self, query: Mapping[str, str], size: int) -> int:
        """The place of the first row that is asked for."""
        if self.manners.style == "page":
            return (int(query["page"]) - self.manners.first) * size
        if self.manners.style == "offset":
            return int(query["offset"])
        if self.manners.style == "range":
            return int(query["Range"].removeprefix("items=").partition("-")[0])
        named = query.get("after" if self.manners.style == "keyset" else "cursor")
        if named is None:
            return 0
        number = int(named.removeprefix("behind "))
        places = [place for place, row in enumerate(self.rows) if row["id"] == number]
        # A row that is gone had its place among those with lower numbers.
        return places[0] + 1 if places else sum(row["id"] < number for row in self.rows)

    def _answer(self, page: int, size: int, start: int, fault: Fault | None) -> tuple[int, Any]:
        if isinstance(fault, Fails):
            return fault.status, {"detail": "out of order"}
        if isinstance(fault, Says):
            return fault.status, dict(fault.content)
        manners, size = self.manners, min(size, self.manners.cap)
        n_pages = -(-len(self.rows) // size)
        shown = fault.page if isinstance(fault, Another) else page
        start += (shown - page) * size
        if manners.deaf:
            start = 0
        elif manners.stuck:
            start = min(start, max(0, n_pages - 1) * size)
        reach = len(self.rows) if manners.window is None else min(manners.window, len(self.rows))
        if start >= reach and manners.refuses != 200:
            return manners.refuses, {"detail": "beyond the window"}
        items = named = self.rows[start : min(start + size, reach)]
        if not items and manners.past_the_end != 200:
            return manners.past_the_end, {"detail": "no such page"}
        if isinstance(fault, Short):
            items = named = items[: len(items) - fault.by]
        elif isinstance(fault, Without):
            items = items[1:]
        if manners.bare:
            return 200, items
        said = fault.size if isinstance(fault, Sized) else size
        answer: Row = {"items": items, "limit" if manners.style == "offset" else "size": said}
        if manners.style == "offset":
            answer["offset"] = start
        elif manners.style == "range":
            total: int | str = self._counted() if manners.total == "always" else "*"
            rows = f"{start}-{start + len(items) - 1}" if items else "*"
            return (206 if items else 416), {"items": items, "Content-Range": f"items {rows}/{total}"}
        elif manners.style != "page":
            is_last = isinstance(fault, Ends) or (start + size >= reach and not manners.stuck)
            if manners.style in ("keyset", "none"):
                answer |= {} if manners.names_next == "never" else {"has_more": not is_last}
            elif manners.names_next != "never" and not (is_last and manners.names_next == "absent at the end"):
                answer["next_cursor"] = None if is_last else f"behind {named[-1]['id']}"
        elif manners.numbered:
            answer["page"] = shown
        if manners.total == "null":
            answer["total"] = None
        elif manners.total == "always" or (manners.total == "on the first page" and shown == manners.first):
            answer["total"] = self._counted()
        if manners.pages != "absent":
            answer["pages"] = n_pages if manners.pages == "right" else manners.pages
        return 200, answer


class MovingServer(ThreadingHTTPServer):
    """Serves tables at `/<name>` on a free port of 127.0.0.1. Requests are answered one after the other."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, tables: Mapping[str, MovingTable]) -> None:
        self.tables = dict(tables)
        self.lock = threading.Lock()
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
    server: MovingServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        with self.server.lock:
            table = self.server.tables[parts.path.removeprefix("/")]
            asked = {name: values[0] for name, values in query.items()} | self._in_body()
            status, content = table.answer({**asked, "Range": self.headers.get("Range", "")})
            headers = _named(table.manners, parts.path, query, content) if isinstance(content, dict) else {}
            body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _in_body(self) -> dict[str, str]:
        """What a POST asks for, by the last key of each place: a cursor is text, any other value of JSON a number."""
        text = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self.headers.get("Content-Type") == "application/json":
            leaves = _leaves(json.loads(text))
            wrong = {name for name, value in leaves.items() if isinstance(value, str) is not (name == "cursor")}
            return {
                name: f"{value} is of another type" if name in wrong else str(value) for name, value in leaves.items()
            }
        return {name: values[0] for name, values in parse_qs(text).items()}

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _leaves(value: Row) -> Row:
    found: Row = {}
    for name, one in value.items():
        found |= _leaves(one) if isinstance(one, dict) else {name: one[0] if isinstance(one, list) else one}
    return found


def _named(manners: Manners, path: str, query: Mapping[str, list[str]], content: Row) -> dict[str, str]:
    """Put what the style has of the next page, or of this one, where it belongs: into the answer, or into these headers."""
    if "Content-Range" in content:
        return {"Content-Range": content.pop("Content-Range")}
    if "next_cursor" not in content:
        return {}
    named = content.pop("next_cursor")
    if manners.style != "cursor" and named is not None:
        sizes = {"size": query["size"][0]} if "size" in query else {}
        named = f"{path}?{urlencode({**sizes, 'cursor': named})}"
    if manners.style == "link_header":
        others = f'<{path}?size=1>; rel="first"; title="a, b"'
        return {"Link": others if named is None else f'{others}, <{named}>; rel="next"'}
    if manners.names_next == "in a header":
        return {} if named is None else {"X-Next": named}
    content["next_cursor" if manners.style == "cursor" else "next"] = named
    return {}


def row(number: int, name: str = "") -> Row:
    """A row whose name tells its number."""
    return {"id": number, "name": name or f"row {number}"}


def rows_of(numbers: Iterable[int]) -> list[Row]:
    """Rows with these numbers, in this order."""
    return [row(number) for number in numbers]


def append(*numbers: int) -> Mutation:
    """New rows at the end."""
    return lambda rows: rows.extend(rows_of(numbers))


def insert(position: int, *numbers: int) -> Mutation:
    """New rows in front of the row at this position, counted from 0."""

    def mutate(rows: list[Row]) -> None:
        rows[position:position] = rows_of(numbers)

    return mutate


def delete(*numbers: int) -> Mutation:
    """The rows with these numbers are gone."""

    def mutate(rows: list[Row]) -> None:
        rows[:] = [row for row in rows if row["id"] not in numbers]

    return mutate


def replace(number: int, name: str) -> Mutation:
    """The row with this number has another content."""

    def mutate(rows: list[Row]) -> None:
        rows[:] = [{**row, "name": name} if row["id"] == number else row for row in rows]

    return mutate


def swap(one: int, two: int) -> Mutation:
    """The rows at these two positions, counted from 0, change places."""

    def mutate(rows: list[Row]) -> None:
        rows[one], rows[two] = rows[two], rows[one]

    return mutate


def append_anew(first: int = 1000) -> Mutation:
    """One more new row each time."""
    numbers = count(first)
    return lambda rows: rows.append(row(next(numbers)))
