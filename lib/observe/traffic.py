"""What the API took to answer, from the pages that have landed: what a retried Spark task fetched twice landed once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from lib.config import check_run_id
from lib.lake import storage
from lib.lake.storage import Address

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class Traffic:
    """The pages of one table that a run has landed, every reading of a page counted.

    `bytes` are those of the bodies, decoded. `calls` are HTTP requests, the tries of each page and not those that looked at the
    source without landing a page. `retries` counts tries that were followed by another one, by reason; `throttled` answers of
    status 429; `waited_s` the pauses before them, of all requests together. `latency_s` has the quantiles of how long the last
    try of a page took, its body included: nearest rank.
    """

    pages: int
    rows: int
    bytes: int
    calls: int
    retries: Mapping[str, int]
    throttled: int
    waited_s: float
    latency_s: Mapping[str, float]


@dataclass(frozen=True)
class Fetching:
    """All tables of a run together, as far as they were fetched since a moment.

    `open_s` are the seconds in which at least one request was open, `in_flight` how many were open then on average; both by the
    last try of each page. `rows` are those of these pages.
    """

    tables: Mapping[str, Traffic] = field(default_factory=dict)
    open_s: float = 0.0
    in_flight: float = 0.0
    rows: int = 0


def fetching(path: Address, run_id: str, since: datetime) -> Fetching:
    """The traffic of a run by table, and how its requests overlapped since that moment: that of a resumed run's last start."""
    if not storage.is_table(path):
        return Fetching()
    query = f"""
        SELECT "table", fetched_at, elapsed_ms, waited_ms, attempts, retries, status, n_items, n_bytes
        FROM pages WHERE run_id = '{check_run_id(run_id)}'
    """
    pages = pa.table(storage.asking("pages", storage.table(path)).execute(query)).to_pylist()
    by_table: dict[str, list[dict[str, Any]]] = {}
    for page in pages:
        by_table.setdefault(page["table"], []).append(page)
    fresh = [page for page in pages if page["fetched_at"] is not None and page["fetched_at"] >= since]
    open_s = _open_s(fresh)
    took_s = sum(page["elapsed_ms"] or 0.0 for page in fresh) / 1000
    return Fetching(
        {table: _traffic(of) for table, of in sorted(by_table.items())},
        open_s,
        took_s / open_s if open_s else 0.0,
        sum(page["n_items"] or 0 for page in fresh),
    )


def _traffic(pages: list[dict[str, Any]]) -> Traffic:
    retries: Counter[str] = Counter()
    for page in pages:
        retries.update(json.loads(page["retries"] or "{}"))
    last_ones = sum(1 for page in pages if page["status"] == TOO_MANY_REQUESTS)
    took = sorted(page["elapsed_ms"] / 1000 for page in pages if page["elapsed_ms"] is not None)
    return Traffic(
        pages=len(pages),
        rows=sum(page["n_items"] or 0 for page in pages),
        bytes=sum(page["n_bytes"] or 0 for page in pages),
        calls=sum(page["attempts"] or 0 for page in pages),
        retries=dict(sorted(retries.items())),
        throttled=retries[str(TOO_MANY_REQUESTS)] + last_ones,
        waited_s=sum(page["waited_ms"] or 0.0 for page in pages) / 1000,
        latency_s={name: nearest_rank(took, share) for name, share in QUANTILES.items()} if took else {},
    )


def nearest_rank(values: list[float], share: float) -> float:
    """The smallest of the sorted values that at least this share of them does not exceed."""
    return values[max(0, -int(-share * len(values) // 1) - 1)]


def _open_s(pages: Iterable[Mapping[str, Any]]) -> float:
    """Seconds in which at least one request was open: the length of the union of their times."""
    ends = [(page["fetched_at"], timedelta(milliseconds=page["elapsed_ms"] or 0.0)) for page in pages]
    seconds, until = 0.0, None
    for begin, end in sorted((end - took, end) for end, took in ends):
        if until is None or begin > until:
            until = begin
        if end > until:
            seconds += (end - until).total_seconds()
            until = end
    return seconds
