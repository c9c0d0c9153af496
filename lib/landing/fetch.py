"""The fetch on executors: page ranges in, raw page rows out, several requests in flight."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, is_dataclass
from datetime import datetime
from itertools import chain
from queue import SimpleQueue
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from lib.landing.part_reader import PartSpan
from lib.landing.plan import PageRange, Reader, Walk, cut
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.gate import OPEN_GATE, Gate
from lib.source.page import PageRow, Small, fetch_page
from lib.source.paging import Position

Span = PageRange | Walk | PartSpan
_ARROW = {
    bool: pa.bool_(),
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def _arrow_type(hint: Any) -> pa.DataType:
    """The type of a column of `bronze/pages`, from that of the field of `PageRow`. Every column may be null."""
    if get_origin(hint) is tuple:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    if get_origin(hint) is UnionType or get_origin(hint) is Union:
        return _arrow_type(next(kind for kind in get_args(hint) if kind is not NoneType))
    if isinstance(hint, type) and is_dataclass(hint):
        return pa.struct(_arrow_fields(hint))
    return pa.int32() if hint == Small else _ARROW[hint]


def _arrow_fields(row: type) -> dict[str, pa.DataType]:
    return {name: _arrow_type(hint) for name, hint in get_type_hints(row, include_extras=True).items()}


PAGE_SCHEMA = pa.schema(_arrow_fields(PageRow))
ROWS_A_BATCH = 16
BYTES_A_BATCH = 8 * 1024 * 1024
SPARE = 4


@dataclass(frozen=True)
class FetchPages:
    """What an executor runs: task `i` fetches `parts[i]`. Pickles equal to itself; sessions are opened inside.

    `here` are pages that the driver has fetched already: task 0 hands them on. `in_flight` is the number of requests that
    one task may have open at most; the `gate` holds what all tasks together may.
    """

    access: Access
    run_id: str
    parts: tuple[tuple[Span, ...], ...]
    in_flight: int
    gate: Gate = field(default=OPEN_GATE, repr=False)
    here: tuple[PageRow, ...] = field(default=(), repr=False)
    round_: int = 0

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        """Arrow batches of task numbers in, Arrow batches of page rows out."""
        for batch in batches:
            for task in batch.column("id").to_pylist():
                yield from _arrow(chain(self.here if task == 0 else (), self.fetch(self.parts[task])))

    def fetch(self, spans: Iterable[Span]) -> Iterator[PageRow]:
        """The pages, in the order in which they come. At most `in_flight` of them are held at any time."""
        local = threading.local()
        clients: list[SourceClient] = []

        def one(reader: Reader, position: Position) -> tuple[Reader, PageRow]:
            if not hasattr(local, "client"):
                local.client = SourceClient(self.access, self.gate)
                clients.append(local.client)
            asked = {"run_id": self.run_id, "table": reader.table, "path": reader.path}
            page = fetch_page(local.client, **asked, position=position, round_=self.round_, part=reader.part)
            self.gate.page_came()
            return reader, page

        # What follows a page goes before what was not begun.
        waiting = deque([_begun(spans, self.access)])
        # Not `concurrent.futures.wait`: it looks through all requests that are under way, for each page.
        done = SimpleQueue[Future[tuple[Reader, PageRow]]]()
        n_open = 0
        try:
            with ThreadPoolExecutor(max_workers=self.in_flight) as pool:
                try:
                    while True:
                        for asked in _next(waiting, self.in_flight - n_open):
                            pool.submit(one, *asked).add_done_callback(done.put)
                            n_open += 1
                        if not n_open:
                            break
                        reader, page = done.get().result()
                        yield page
                        # Only now: a page that nobody has taken yet is held here, as one that is under way will be.
                        n_open -= 1
                        waiting.appendleft(_asked(reader, reader.after(page)))
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            for client in clients:
                client.close()


def _begun(spans: Iterable[Span], access: Access) -> Iterator[tuple[Reader, Position]]:
    for span in spans:
        reader = span.reader(access)
        yield from _asked(reader, reader.positions)


def _asked(reader: Reader, positions: Iterable[Position]) -> Iterator[tuple[Reader, Position]]:
    return ((reader, position) for position in positions)


def _next(waiting: deque[Iterator[tuple[Reader, Position]]], most: int) -> list[tuple[Reader, Position]]:
    """What to ask for next, so many at most: what is in front, as far as it goes."""
    found: list[tuple[Reader, Position]] = []
    while waiting and len(found) < most:
        asked = next(waiting[0], None)
        if asked is None:
            waiting.popleft()
        else:
            found.append(asked)
    return found


def fetched(spark: SparkSession, fetch: FetchPages) -> DataFrame:
    """The pages of one wave: a lazy DataFrame of raw page rows whose every action fetches. Land it once, read the rest there."""
    tasks = len(fetch.parts)
    return spark.range(tasks, numPartitions=tasks).mapInArrow(fetch, from_arrow_schema(PAGE_SCHEMA))


def shared_out(
    ranges: tuple[PageRange, ...], walks: Sequence[Walk] = (), *, slots: int, concurrency: int
) -> tuple[tuple[tuple[Span, ...], ...], int]:
    """One part a task slot, so that all run at once, and the requests that each task may have in flight.

    A walk has one request in flight at a time, and begins before the ranges of its part.

    What all of them together may have is the gate's to say, so a task may have more than its share: it takes over what
    the tasks that have ended, or wait, leave. `SPARE` bounds by how much, as each is a thread with two connections.
    Fewer tasks than slots where the concurrency, or the number of pages, is smaller.
    """
    at_once = sum(span.n_pages for span in ranges) + len(walks)
    n_parts = max(1, min(slots, concurrency, at_once))
    own = [tuple(walks[number::n_parts]) for number in range(n_parts)]
    shares = list(zip(own, cut(ranges, n_parts), strict=True))
    parts = tuple[tuple[Span, ...], ...]((*walked, *addressed) for walked, addressed in shares)
    largest = max(len(walked) + sum(span.n_pages for span in addressed) for walked, addressed in shares)
    return parts, max(1, min(concurrency, largest, math.ceil(SPARE * concurrency / n_parts)))


def parts_shared_out(
    parts: Sequence[PartSpan], *, slots: int, concurrency: int
) -> tuple[tuple[tuple[Span, ...], ...], int]:
    """The parts of a table as `shared_out` has page ranges. Nobody knows how many pages each has."""
    n_tasks = max(1, min(slots, concurrency, len(parts)))
    shares = tuple[tuple[Span, ...], ...](tuple(parts[number::n_tasks]) for number in range(n_tasks))
    return shares, max(1, min(concurrency, math.ceil(SPARE * concurrency / n_tasks)))


def _arrow(rows: Iterable[PageRow]) -> Iterator[pa.RecordBatch]:
    held: list[dict[str, object]] = []
    held_bytes = 0
    for row in rows:
        apart = None if row.rows is None else [vars(one) for one in row.rows]
        held.append({**vars(row), "rows": apart})
        held_bytes += row.n_bytes or 0
        if len(held) == ROWS_A_BATCH or held_bytes > BYTES_A_BATCH:
            yield pa.RecordBatch.from_pylist(held, PAGE_SCHEMA)
            held, held_bytes = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, PAGE_SCHEMA)
