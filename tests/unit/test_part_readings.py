"""What the pages of a reading of a part come to, and what it takes to add them up."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from lib.lake.storage import Address
from lib.landing.fetch import PAGE_SCHEMA
from lib.landing.part_readings import PartSeen, reading_of, readings

RUN = "run_id = 'run-1'"
REPO = Path(__file__).resolve().parents[2]
# Reads a table in parts, and prints by how many KB that raised the peak of its memory. What any query takes is there before.
MEASURED = f"""
import sys
from pathlib import Path
from lib.lake.storage import Address
from lib.landing.part_readings import readings

def peak():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)

assert sum(1 for _ in readings(Address.of(sys.argv[1]), "{RUN}", "few")) == 100
before = peak()
assert sum(1 for _ in readings(Address.of(sys.argv[1]), "{RUN}", "many")) == 20_000
print(peak() - before)
"""


class Row(dict[str, Any]):
    """A page as the query gives it, that knows when it is held no more."""

    alive = 0

    def __init__(self, **values: Any) -> None:
        ok = {"status": 200, "n_items": 2, "n_bytes": 9, "total": 5, "pages": 3, "error": None, "is_end": False}
        is_as_asked = {"by_rule": False, "is_skipped": False, "is_named": False, "own_number": values["page"]}
        super().__init__({**ok, **is_as_asked, "items_sha256": f"sum {values['page']}", **values})
        Row.alive += 1

    def __del__(self) -> None:
        Row.alive -= 1


def landed(at: Path, table: str, pages: list[dict[str, Any]]) -> None:
    """Add pages to bronze. What a page does not say is null."""
    known = {"run_id": "run-1", "table": table, "round": 0, "page": 1, "n_items": 1, "n_bytes": 9}
    rows = pa.Table.from_pylist([{**known, **page} for page in pages], PAGE_SCHEMA)
    write_deltalake(str(at), rows, mode="append", partition_by=["run_id", "table"])


def test_the_pages_of_a_reading_are_added_up() -> None:
    pages = [Row(page=-1, items_sha256="sum 1"), Row(page=1), Row(page=2), Row(page=3, n_items=1, is_end=True)]
    assert reading_of('{"a":1}', 2, pages) == PartSeen(
        part='{"a":1}', round=2, n_rows=4, n_distinct=4, n_pages=3, n_items=5, n_filled=3, n_sums=3, most_items=2, filled_page=3,
        filled_items=1, first_page=1, last_page=3, first_total=5, least_total=5, most_total=5, first_sha256="sum 1",
        first_status=200, first_skipped=False, n_failed=0, failed_page=None, failed_status=None, first_error=None, by_rule=False,
        n_skipped=0, last_status=200, last_items=1, last_bytes=9, last_error=None, last_named=False, last_is_end=True,
        claimed_pages=3, low=0, high=0, own_first=1, again_sha256="sum 1", again_error=None, n_again=1,
        digest=hashlib.sha256(b"sum 1sum 2sum 3").digest(),
    )  # fmt: skip


def test_pages_that_failed_were_skipped_or_are_there_twice_are_counted() -> None:
    bad = {"n_items": None, "items_sha256": None, "total": None, "own_number": None, "pages": None}
    pages = [
        Row(page=-1, error="gone", **bad),
        Row(page=1, is_skipped=True, n_items=0, own_number=0, total=4),
        Row(page=2, own_number=3),
        Row(page=2, items_sha256="sum 2"),
        Row(page=3, error="a", status=404, by_rule=True, **bad),
        Row(page=5, error="b", status=500, is_named=True, **bad),
    ]
    seen = reading_of("{}", 0, pages)
    assert (seen.n_rows, seen.n_distinct, seen.n_pages, seen.n_items) == (6, 5, 5, 4)
    assert (seen.n_filled, seen.n_sums, seen.filled_page, seen.filled_items) == (2, 1, 2, 2)
    assert (seen.first_page, seen.first_skipped, seen.n_skipped, seen.first_total) == (1, True, 1, 4)
    assert (seen.least_total, seen.most_total, seen.claimed_pages) == (4, 5, 3)
    assert (seen.n_failed, seen.failed_page, seen.failed_status, seen.first_error, seen.by_rule) == (
        2,
        3,
        404,
        "a",
        True,
    )
    assert (seen.last_page, seen.last_status, seen.last_error, seen.last_named) == (5, 500, "b", True)
    assert (seen.low, seen.high, seen.own_first) == (-1, 1, 0)
    assert (seen.n_again, seen.again_error, seen.again_sha256) == (1, "gone", None)


def test_a_reading_of_many_pages_holds_few_of_them() -> None:
    held: list[int] = []

    def pages() -> Iterator[Row]:
        for number in range(1000):
            held.append(Row.alive)
            yield Row(page=number)

    assert reading_of("{}", 0, pages()).n_pages == 1000
    # The first one, the last one, and the one that is being looked at.
    assert max(held) <= 3


def test_readings_come_part_by_part_in_the_order_of_the_rounds(tmp_path: Path) -> None:
    landed(tmp_path, "orders", [{"part": "b"}, {"part": "a", "round": 1}, {"part": "b", "page": 2, "next_cursor": "c"}])
    landed(tmp_path, "orders", [{"part": "a", "error": "x: status 404 (api.errors[0]: 404): y"}, {"n_items": 7}])
    landed(tmp_path, "users", [{"part": "c"}])
    landed(tmp_path, "orders", [{"part": "d", "run_id": "run-2"}])
    found = list(readings(Address.of(str(tmp_path)), RUN, "orders"))
    assert [(seen.part, seen.round, seen.n_pages) for seen in found] == [("a", 0, 1), ("a", 1, 1), ("b", 0, 2)]
    assert [seen.by_rule for seen in found] == [True, False, False]
    assert [seen.last_named for seen in found] == [False, False, True]


def test_a_lake_without_pages_has_no_readings(tmp_path: Path) -> None:
    assert list(readings(Address.of(str(tmp_path / "pages")), RUN, "orders")) == []


def test_thousands_of_parts_take_little_memory(tmp_path: Path) -> None:
    for table, n_parts in (("few", 100), ("many", 20_000)):
        sums = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(n_parts))
        landed(tmp_path, table, [{"part": json.dumps({"id": i}), "items_sha256": one} for i, one in enumerate(sums)])
    found = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)], cwd=REPO, capture_output=True, text=True, check=True
    )
    # Grouped by the query they took 600 MB.
    assert int(found.stdout) < 100 * 1024
