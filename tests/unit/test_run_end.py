"""How a run ends: what is recorded of it, and what is raised."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.errors import SourceError
from lib.lake.layout import Layout, lake_at
from lib.lake.runs import all_runs, new_run
from lib.reporting.run_end import ended

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return lake_at(str(tmp_path / "lake"))


def record(layout: Layout) -> tuple[str, int | None, str | None]:
    [run] = all_runs(layout)
    return run.state, run.exit_status, run.message


def is_halted_by(stop: BaseException) -> None:
    try:
        raise stop
    finally:
        raise ConnectionError("Spark is halted")


@pytest.mark.parametrize(
    ("stop", "status", "message"),
    [(KeyboardInterrupt(), 130, "stopped by Ctrl-C"), (SystemExit(143), 143, "stopped by a signal")],
)
def test_what_a_stop_breaks_on_its_way_out_is_not_the_reason(
    layout: Layout, stop: BaseException, status: int, message: str
) -> None:
    with pytest.raises(type(stop)) as raised, ended(layout, new_run("r1", "shop", "", {}, AT)):
        is_halted_by(stop)
    assert raised.value is stop
    assert record(layout) == ("failed", status, message)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [(SourceError("users: 404"), 4, "users: 404"), (ValueError("ada@example.org"), 1, "ValueError")],
)
def test_an_error_is_the_reason_and_one_that_nobody_foresaw_shows_its_kind_alone(
    layout: Layout, error: Exception, status: int, message: str
) -> None:
    with pytest.raises(type(error)), ended(layout, new_run("r1", "shop", "", {}, AT)):
        raise error
    assert record(layout) == ("failed", status, message)


def test_a_run_that_ends_well_has_no_message(layout: Layout) -> None:
    with ended(layout, new_run("r1", "shop", "", {}, AT)):
        pass
    assert record(layout) == ("running", 0, None)
