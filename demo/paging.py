"""Tables as JSON bytes: rows are rendered once, a page joins what it needs."""

import json
import threading
from collections.abc import Sequence
from typing import Any

LATE_ROWS_AFTER = 3
"""Answered requests for a table after which its late rows appear."""


def to_json(value: Any) -> bytes:
    """Compact UTF-8 JSON, as the service writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class PagedTable:
    """One table of the API; safe to read from many threads."""

    def __init__(self, rows: Sequence[dict[str, Any]], *, late_rows: int = 0) -> None:
        """Render `rows`; the last `late_rows` of them stay hidden for the first requests."""
        self._rows = [to_json(row) for row in rows]
        self._late_rows = late_rows
        self._answered = 0
        self._lock = threading.Lock()

    def page(self, page: int, size: int) -> bytes:
        """The answer's body for page `page` (from 1) of `size` rows; past the end it has no items."""
        total = self._visible()
        start = (page - 1) * size
        items = b",".join(self._rows[start : min(start + size, total)])
        pages = -(-total // size)
        return b'{"items":[%b],"total":%d,"page":%d,"size":%d,"pages":%d}' % (items, total, page, size, pages)

    def _visible(self) -> int:
        if not self._late_rows:
            return len(self._rows)
        with self._lock:
            self._answered += 1
            return len(self._rows) - (self._late_rows if self._answered <= LATE_ROWS_AFTER else 0)
