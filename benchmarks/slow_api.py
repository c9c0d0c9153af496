"""A paginated API that answers each page after a fixed time: `python -m benchmarks.slow_api PAGES LATENCY_MS [CHANGED]`.

Below `/of/` there is a list of one row for each row of those pages.
Every CHANGED-th row has another name; without it none has. Prints its address on the first line and ends when its standard input
does.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

SIZE = 100


def answer(page: int, pages: int, changed: int = 0) -> bytes:
    """One page of rows, each with a key of its own."""
    first = (page - 1) * SIZE
    names = [f"{'new' if changed and i % changed == 0 else 'row'} {i}" for i in range(first, first + SIZE)]
    rows = ",".join(f'{{"id":{first + i},"name":"{name}","at":"2026-01-01T00:00:00"}}' for i, name in enumerate(names))
    items = rows if 1 <= page <= pages else ""
    following = page + 1 if page < pages else "null"
    counts = f'"total":{pages * SIZE},"page":{page},"size":{SIZE},"pages":{pages},"next":{following}'
    return f'{{"items":[{items}],{counts}}}'.encode()


def list_of(row: int) -> bytes:
    """The list of one row."""
    return f'{{"items":[{{"id":{row},"name":"row {row}","at":"2026-01-01T00:00:00"}}],"total":1}}'.encode()


async def serve(pages: int, latency_s: float, changed: int) -> None:
    """Serve until standard input ends."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            await asyncio.sleep(latency_s)
            asked = urlsplit(request.split()[1].decode())
            page = int(parse_qs(asked.query).get("page", ["1"])[0])
            of = asked.path.rpartition("/of/")[2] if "/of/" in asked.path else None
            body = answer(page, pages, changed) if of is None else list_of(int(of))
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, int((*sys.argv, 0)[3])))
