"""What the API took to answer, worked out by hand for a few landed pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from lib.lake.storage import Address
from lib.landing.fetch import PAGE_SCHEMA
from lib.observe.traffic import Fetching, fetching, nearest_rank
from tests.on_disk import at

START = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)


def page(number: int, ended_s: float, took_s: float, **known: Any) -> dict[str, Any]:
    """A page of `tracks` whose last try took so long, and ended so many seconds after the start."""
    return {
        "run_id": "r1", "table": "tracks", "page": number, "round": 0, "status": 200, "attempts": 1, "n_items": 100,
        "n_bytes": 1000, "waited_ms": 0.0, "elapsed_ms": took_s * 1000,
        "fetched_at": START + timedelta(seconds=ended_s), **known,
    }  # fmt: skip


def land(folder: Path, *pages: dict[str, Any]) -> Address:
    path = str(folder / "pages")
    write_deltalake(
        path, pa.Table.from_pylist(list(pages), PAGE_SCHEMA), mode="append", partition_by=["run_id", "table"]
    )
    return Address.of(path)


def test_what_landed_is_counted_by_table(tmp_path: Path) -> None:
    path = land(
        tmp_path,
        page(1, 1.0, 1.0),
        # Two tries before the third: the pauses are 0.5 and 1.5 s.
        page(2, 5.0, 0.2, attempts=3, waited_ms=2000.0, retries=json.dumps({"429": 1, "timeout": 1}), n_items=40),
        # Given up: the last answer was one more 429.
        page(3, 6.0, 0.4, attempts=2, waited_ms=500.0, retries=json.dumps({"429": 1}), status=429, n_items=None,
             n_bytes=None, error="/tracks: status 429"),
        page(1, 6.0, 0.3, table="users", n_items=7, n_bytes=70),
        page(1, 6.0, 9.9, run_id="another"),
    )  # fmt: skip
    found = fetching(path, "r1", START)
    tracks = found.tables["tracks"]
    assert list(found.tables) == ["tracks", "users"]
    assert (tracks.pages, tracks.rows, tracks.bytes, tracks.calls) == (3, 140, 2000, 6)
    assert tracks.retries == {"429": 2, "timeout": 1}
    assert tracks.throttled == 3
    assert tracks.waited_s == 2.5
    assert tracks.latency_s == {"p50": 0.4, "p95": 1.0, "p99": 1.0}
    users = found.tables["users"]
    assert (users.pages, users.rows, users.calls, users.retries, users.throttled) == (1, 7, 1, {}, 0)
    # Open from 0 to 1, from 4.8 to 5, and from 5.6 to 6, for one of two at once: 1.9 s of requests in 1.6 s.
    assert found.open_s == pytest.approx(1.6)
    assert found.in_flight == pytest.approx(1.9 / 1.6)
    assert found.rows == 147


def test_a_page_that_was_read_twice_counts_twice(tmp_path: Path) -> None:
    path = land(tmp_path, page(1, 1.0, 0.5), page(1, 3.0, 0.5, round=1))
    tracks = fetching(path, "r1", START).tables["tracks"]
    assert (tracks.pages, tracks.rows, tracks.calls) == (2, 200, 2)


def test_a_resumed_run_was_not_fetching_while_it_was_dead(tmp_path: Path) -> None:
    path = land(tmp_path, page(1, 1.0, 1.0), page(2, 3601.0, 0.5, n_items=30))
    found = fetching(path, "r1", START + timedelta(hours=1))
    assert found.tables["tracks"].rows == 130
    assert (found.open_s, found.in_flight, found.rows) == (pytest.approx(0.5), pytest.approx(1.0), 30)


def test_a_lake_without_pages_had_no_traffic(tmp_path: Path) -> None:
    assert fetching(at(tmp_path / "pages"), "r1", START) == Fetching()
    assert fetching(land(tmp_path, page(1, 1.0, 1.0)), "r2", START) == Fetching()


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    values.sort()
    found = nearest_rank(values, share)
    assert sum(value <= found for value in values) >= share * len(values)
    assert all(sum(value <= smaller for value in values) < share * len(values) for smaller in values if smaller < found)
