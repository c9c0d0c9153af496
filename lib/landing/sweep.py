"""A second walk through a table for the keys of its rows alone, held against what has landed.

The driver walks, under the budget of the run, and keeps a hash of each key: no Spark job, and no second copy of the rows. What
counts is that each key came as often as in the first walk, whatever the order and the pages. It lands in parts, and a resumed run
goes on behind the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from lib.errors import SourceIncompleteError
from lib.failpoints import reached
from lib.lake import records, storage
from lib.lake.states import SWEPT, UNPROVED
from lib.landing.fetch import FetchPages, Span
from lib.landing.landing import Landing
from lib.landing.plan import TablePlan
from lib.landing.prove import Doubt, Proof, walk_again
from lib.landing.walk import part_of

# Threads of the driver: each holds one answer.
MOST_AT_ONCE = 32
# Statuses of the page behind the last one of a source that reports no total.
_NO_SUCH_PAGE = (404, 410, 416)
_SCHEMA = pa.schema(
    {
        "run_id": pa.string(),
        "table": pa.string(),
        "round": pa.int32(),
        "page": pa.int64(),
        "fetched_at": pa.timestamp("us", tz="UTC"),
        "n_items": pa.int32(),
        "total": pa.int64(),
        "cursor": pa.string(),
        "next_cursor": pa.string(),
        "key_hashes": pa.list_(pa.int64()),
    }
)


@dataclass
class _Second:
    """The second walk through one table: against which rows, since which round these are, and why it cannot go on, if it cannot."""

    plan: TablePlan
    rows: int
    round: int
    failed: str | None = None
    is_skipped: bool = False
    pages: set[int] = field(default_factory=set)
    n_items: int = 0
    next_cursor: str | None = field(default=None, repr=False)
    is_other_total: bool = False

    def take(self, page: int, n_items: int, total: int | None, next_cursor: str | None) -> None:
        """Count a page in."""
        self.next_cursor = next_cursor if page > max(self.pages, default=-1) else self.next_cursor
        self.pages.add(page)
        self.n_items += n_items
        self.is_other_total = self.is_other_total or total != self.plan.total


def sweep(landing: Landing, proofs: Sequence[Proof]) -> dict[str, Proof | Doubt | SourceIncompleteError]:
    """Walk these tables a second time, side by side, and say of each what it came to.

    A table whose second walk met other keys is in doubt as a whole. One whose pages could not be had fails, and goes on with
    `--resume`.
    """
    walks = {proof.table: _begun(landing, proof) for proof in proofs}
    for table in walks:
        landing.copy.progress.note(f"{table}: reading it a second time, for its keys")
    while spans := [span for walk in walks.values() for span in _further(landing, walk)]:
        _read(landing, walks, spans)
    return {proof.table: _verdict(landing, walks[proof.table], proof) for proof in proofs}


def _begun(landing: Landing, proof: Proof) -> _Second:
    """The walk as far as it has come, which is nowhere unless the run is resumed."""
    plan = landing.cases[proof.table].plan
    walk = _Second(plan, proof.rows, landing.bronze.see(plan).last_round)
    at = landing.copy.lake.sweeps
    if storage.is_table(at):
        which = _which(landing, walk)
        rows = records.query(
            at, "sweeps", f"SELECT page, n_items, total, next_cursor FROM sweeps WHERE {which} ORDER BY page"
        )
        for row in rows:
            walk.take(**row)
    return walk


def _further(landing: Landing, walk: _Second) -> list[Span]:
    """The pages to be read next; none where it is at its end, or cannot agree any more."""
    plan, limits = walk.plan, landing.copy.source.api.limits
    if walk.failed or walk.is_skipped or walk.is_other_total or walk.n_items > walk.rows:
        return []
    if not plan.is_walk:
        # Of a source that reports no total the page behind the last one is looked at too.
        last = plan.last + (plan.total is None)
        missing = [page for page in range(plan.first, last + 1) if page not in walk.pages]
        return list(replace(plan, last=last).pages(missing[: landing.wave_pages * limits.concurrency]))
    if walk.pages and (walk.next_cursor is None or len(walk.pages) >= limits.max_pages):
        return []
    return [part_of(landing, plan, plan.first + len(walk.pages), walk.next_cursor)]


def _read(landing: Landing, walks: Mapping[str, _Second], spans: Sequence[Span]) -> None:
    run_id, limits = landing.copy.run.run_id, landing.copy.source.api.limits
    fetch = FetchPages(landing.access, run_id, (), min(MOST_AT_ONCE, limits.concurrency), landing.budget)
    rows: list[dict[str, Any]] = []
    for page in fetch.fetch(spans):
        walk = walks[page.table]
        if page.error is None and not page.is_skipped:
            # A total may be told on the first page alone.
            row = {**vars(page), "round": walk.round, "total": walk.plan.total if page.total is None else page.total}
            walk.take(page.page, page.n_items or 0, row["total"], page.next_cursor)
            rows.append({name: row[name] for name in _SCHEMA.names})
        elif page.page > walk.plan.last and page.status in _NO_SUCH_PAGE and not walk.plan.is_walk:
            walk.take(page.page, 0, walk.plan.total, None)
        else:
            walk.is_skipped = walk.is_skipped or page.is_skipped
            walk.failed = walk.failed or (page.error and f"page {page.page} failed in the second reading: {page.error}")
    if rows:
        records.append(landing.copy.lake.sweeps, _SCHEMA, rows)
    reached("sweep landed")


def _verdict(landing: Landing, walk: _Second, proof: Proof) -> Proof | Doubt | SourceIncompleteError:
    if walk.failed:
        return SourceIncompleteError(f"{proof.table}: {walk.failed}")
    if walk.is_skipped:
        why = "error rules skipped pages of its second reading"
        return Proof(proof.table, UNPROVED, proof.rows, why)
    missing, new, known = _differing(landing, walk)
    if known != proof.rows:
        message = (
            f"{proof.table}: {proof.rows} rows landed, but only the keys of {known}; this run cannot be used, so "
            "start a new one"
        )
        return SourceIncompleteError(message)
    if missing or new or walk.next_cursor is not None or walk.is_other_total:
        rest = ", and was longer" if walk.next_cursor is not None and not new else ""
        other = ", and gave another total" if walk.is_other_total else ""
        why = f"a second reading lacked {missing:,} of its keys, and had {new:,} others{rest}{other}"
        return walk_again(landing.cases[proof.table], why)
    return Proof(proof.table, SWEPT, proof.rows)


def _differing(landing: Landing, walk: _Second) -> tuple[int, int, int]:
    """How many keys only the first walk met, how many only the second, and how many the first met at all."""
    pages, at = landing.bronze.last_read(walk.plan), landing.copy.lake.sweeps
    query = f"""
        WITH keys AS (
            SELECT unnest(key_hashes) AS key, 1 AS times FROM ({pages}) WHERE n_items > 0
            UNION ALL SELECT unnest(key_hashes) AS key, -1 AS times FROM sweeps WHERE {_which(landing, walk)} AND n_items > 0)
        SELECT coalesce(sum(CASE WHEN n > 0 THEN n END), 0) AS missing, coalesce(sum(CASE WHEN n < 0 THEN -n END), 0) AS new,
            coalesce(sum(first), 0) AS known
        FROM (SELECT sum(times) AS n, count(CASE WHEN times = 1 THEN 1 END) AS first FROM keys GROUP BY key)"""
    both = storage.asking("pages", storage.table(landing.copy.lake.pages)).register("sweeps", storage.table(at))
    [found] = pa.table(both.execute(query)).to_pylist()
    return found["missing"], found["new"], found["known"]


def _which(landing: Landing, walk: _Second) -> str:
    """The pages of a second walk in SQL. Names of runs and tables are checked before."""
    run_id, table = landing.copy.run.run_id, walk.plan.table
    return f"run_id = '{run_id}' AND \"table\" = '{table}' AND round = {walk.round}"
