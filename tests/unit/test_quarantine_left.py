"""How many rows left quarantine by a run, by what became of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.lake import records
from lib.lake.layout import Layout, lake_at
from lib.lake.quarantine import ACCEPTED, AGAIN, ARRIVED, DELETED, SCHEMA, count_left


def rejected(layout: Layout, *rows: tuple[str, str | None, str | None]) -> None:
    """Rows of run r1: their table, the run that resolved each, and how."""
    given = [dict(zip(("table", "resolved_by", "resolution"), row, strict=True)) for row in rows]
    records.append(layout.quarantine, SCHEMA, [{"run_id": "r1", "number": 1, **row} for row in given])


@pytest.mark.parametrize(
    ("resolution", "n_left"), [(ARRIVED, {"t": 1}), (DELETED, {"t": 1}), (ACCEPTED, {"t": 1}), (AGAIN, {})]
)
def test_a_row_that_was_rejected_again_has_not_left(tmp_path: Path, resolution: str, n_left: dict[str, int]) -> None:
    layout = lake_at(str(tmp_path))
    rejected(layout, ("t", "r2", resolution), ("t", None, None), ("t", "r3", ARRIVED))
    assert count_left(layout, "r2") == n_left


def test_rows_are_counted_by_table_and_none_of_a_lake_that_rejected_none(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    assert count_left(layout, "r2") == {}
    rejected(layout, ("t", "r2", ARRIVED), ("t", "r2", DELETED), ("t", "r2", AGAIN), ("u", "r2", ACCEPTED))
    assert count_left(layout, "r2") == {"t": 2, "u": 1}
