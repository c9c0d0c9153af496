"""Pages that rules of `errors` end or skip, from the source to silver and through a replay."""

from __future__ import annotations

import pytest

from lib.errors import SourceIncompleteError
from lib.lake.runs import Run, all_runs
from lib.reporting.run_end import stop_on_failed_tables
from tests.moving_server import Fails, Row, Says, rows_of
from tests.spark.served_table import Served

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

NINE = rows_of(range(1, 10))
LIVE = "id, _deleted_at IS NOT NULL"


@pytest.fixture
def judged(things: Served) -> Served:
    """A table whose answers of status 500 are skipped, and whose error `over` ends it."""
    rules = "[{status: 500, do: skip}, {body: {path: error, equals: over}, do: end}]"
    things.settings["errors"] = rules
    return things


def skipped(things: Served, page: int, *rows: Row) -> Run:
    """A run in which this page is skipped."""
    things.server.tables["things"].once(page, Fails(500))
    return things.run(*rows)


@pytest.mark.quick
def test_a_skipped_page_takes_no_row_away_and_what_the_other_pages_have_is_merged(judged: Served) -> None:
    judged.run(*NINE)
    changed = [{**row, "name": "new"} for row in NINE if row["id"] != 9]
    run = skipped(judged, 2, *changed)
    record = run.tables["things"]
    assert (record.error, record.proof, record.pages_skipped) == (None, "unproved", 1)
    assert record.unproved_because == "1 page was skipped by error rules: page 2"
    assert (record.rows_landed, record.rows_updated, record.rows_deleted) == (5, 5, 0)
    names = [(number, "new" if number in (1, 2, 3, 7, 8) else f"row {number}") for number in range(1, 10)]
    assert judged.silver("id, name") == names
    assert judged.silver(LIVE) == [(number, False) for number in range(1, 10)]
    # The next run has every page again, and the row that the source no longer has is deleted.
    record = judged.run(*changed).tables["things"]
    assert (record.proof, record.pages_skipped, record.rows_deleted) == ("counted", None, 1)
    assert judged.silver(LIVE) == [(number, number == 9) for number in range(1, 10)]


@pytest.mark.parametrize("of", ["run-1", "all"])
def test_a_replay_still_says_what_was_skipped(judged: Served, of: str) -> None:
    skipped(judged, 2, *NINE)
    asked = judged.n_asked
    record = judged.replay(of).tables["things"]
    assert (record.error, record.proof, record.pages_skipped) == (None, "unproved", 1)
    assert record.unproved_because == "1 page was skipped by error rules: page 2"
    assert [number for number, _ in judged.silver(LIVE)] == [1, 2, 3, 7, 8, 9]
    assert judged.n_asked == asked
    assert all_runs(judged.layout)[-1].tables["things"].pages_skipped == 1


def test_a_source_of_which_a_rule_says_that_it_has_ended_takes_nothing_from_a_lake_that_has_rows(
    judged: Served,
) -> None:
    judged.run(*NINE)
    for page in range(1, 30):
        judged.server.tables["things"].once(page, *[Says({"error": "over"})] * 2)
    run = judged.run(*NINE)
    with pytest.raises(SourceIncompleteError, match="the source has no rows, the lake has 9"):
        stop_on_failed_tables(run)
    assert judged.silver(LIVE) == [(number, False) for number in range(1, 10)]
