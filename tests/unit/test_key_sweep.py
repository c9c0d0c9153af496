"""Sweeps: an increment walks the whole list for its keys alone, and finds what was deleted. From a real server, without Spark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lib.lake import publications
from lib.lake.runs import Run
from lib.landing.increments import Greatest, Wanted, note_watermarks
from lib.landing.key_sweep import key_table
from lib.reporting.marks import mark_as_json, mark_lines, marks_of
from lib.reporting.summary import say_done
from lib.source.key_rows import rows_of_keys
from lib.source.rows import RowText
from tests.changing_source import Changing, ChangingServer
from tests.increments import DAY_0, INCREMENTAL, Increments, failed, last_run, rolled_back


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[Increments]:
    """A lake with seven rows, whose list is swept every second day, copied and published once."""
    source = Changing()
    for number in range(1, 8):
        source.put(number)
    with ChangingServer(source) as server:
        increments = Increments(tmp_path, server, {**INCREMENTAL, "sweep": "P2D"})
        increments.run()
        source.asked.clear()
        yield increments


def days(changes: Increments, number: int) -> Run:
    """A run so many days later, with one new row."""
    changes.days(number)
    changes.source.put(100 + changes.n_runs)
    changes.source.asked.clear()
    return changes.run()


def names(changes: Increments) -> dict[int, str]:
    return {number: row["name"] for number, row in changes.rows().items()}


def test_deleted_rows_are_found_once_a_sweep_is_due(changes: Increments) -> None:
    changes.source.drop(2)
    run = days(changes, 1)
    assert (run.tables["changes"].sweep, 2 in changes.rows()) == (None, True)
    run = days(changes, 1)
    record = run.tables["changes"]
    assert (record.sweep, record.rows_swept, record.shows_all) == ("counted", 8, False)
    # The increment within its bounds, then all pages of the list, and its first one again.
    assert [(one.get("since"), one["page"]) for one in changes.source.asked if "since" not in one] == [
        (None, "1"),
        (None, "2"),
        (None, "3"),
        (None, "1"),
    ]
    assert set(changes.rows()) == {1, 3, 4, 5, 6, 7, 101, 102}
    assert (
        "changes: increment since 2026-05-02T11:00:00Z until 2026-05-03T12:00:00Z and the keys of all rows"
        in changes.said
    )


def test_no_more_than_the_keys_lands(changes: Increments) -> None:
    days(changes, 2)
    sql = "SELECT body, n_bytes, n_items FROM t WHERE \"table\" = 'changes (keys)' ORDER BY page"
    assert changes.query("bronze/pages", sql)[0] == {
        "body": '[{"id":1},{"id":2},{"id":3}]',
        "n_bytes": 28,
        "n_items": 3,
    }


def test_the_last_sweep_that_is_published_says_when_the_next_is_due(changes: Increments) -> None:
    changes.days(2)
    changes.source.put(8)
    failed(changes, passes=False)
    assert last_run(changes).tables["changes"].sweep == "counted"
    assert days(changes, 0).tables["changes"].sweep == "counted"
    assert days(changes, 1).tables["changes"].sweep is None
    rolled_back(changes)
    rolled_back(changes)
    assert days(changes, 1).tables["changes"].sweep == "counted"


def test_a_full_run_is_a_sweep_too(changes: Increments) -> None:
    changes.days(1)
    changes.run(wanted=Wanted(is_full=True))
    assert days(changes, 1).tables["changes"].sweep is None
    assert days(changes, 1).tables["changes"].sweep == "counted"


def test_a_sweep_is_no_full_run(changes: Increments) -> None:
    changes.settings["full_every"] = "P3D"
    assert days(changes, 2).tables["changes"].asked == "increment"
    assert days(changes, 1).tables["changes"].asked == "all"


def test_a_sweep_counts_though_its_increment_is_empty_and_moves_no_watermark(changes: Increments) -> None:
    days(changes, 1)
    changes.source.drop(101)
    changes.source.drop(4)
    changes.days(1)
    n_sparks, watermark = changes.n_sparks, changes.watermark
    run = changes.run()
    assert (run.tables["changes"].rows_landed, run.tables["changes"].sweep) == (0, "counted")
    assert (changes.n_sparks, changes.watermark) == (n_sparks + 1, watermark)
    assert set(changes.rows()) == {1, 2, 3, 5, 6, 7}
    changes.days(1)
    n_sparks = changes.n_sparks
    changes.run()
    assert changes.n_sparks == n_sparks  # nothing new, and no sweep is due


def test_a_backfill_and_a_dry_run_sweep_nothing(changes: Increments) -> None:
    changes.days(2)
    changes.source.drop(2)
    assert changes.plan().tables["changes"].sweep == "due"
    assert changes.run(wanted=Wanted(since="2026-05-01")).tables["changes"].sweep is None
    assert 2 in changes.rows()


# Requests of the increment in these tests: the look, three pages, the first one again. Then the sweep begins.
OF_INCREMENT = 5


def test_what_happens_between_the_two_walks_deletes_nothing_wrongly(changes: Increments) -> None:
    changes.source.drop(2)
    changes.days(2)
    changes.source.put(8)
    source = changes.source

    def meanwhile() -> None:
        source.later(minutes=1)
        source.put(9)
        source.put(1, "changed")
        source.drop(8)

    source.after[OF_INCREMENT] = meanwhile
    changes.run()
    # Row 8 came with the increment, and 9 is for the next one.
    assert names(changes) == {number: f"row {number}" for number in (1, 3, 4, 5, 6, 7, 8)}
    changes.run()
    assert names(changes) == {**{number: f"row {number}" for number in (3, 4, 5, 6, 7, 8, 9)}, 1: "changed"}
    assert days(changes, 2).tables["changes"].sweep == "counted"
    assert 8 not in changes.rows()


def test_a_row_that_is_made_while_the_keys_are_walked_makes_it_walk_again(changes: Increments) -> None:
    changes.source.drop(2)
    changes.days(2)
    changes.source.put(8)
    changes.source.after[OF_INCREMENT + 2] = lambda: changes.source.put(0)
    run = changes.run()
    assert (run.tables["changes"].sweep, run.tables["changes"].rows_swept) == ("counted", 8)
    assert set(changes.rows()) == {1, 3, 4, 5, 6, 7, 8}
    assert any(one.startswith("changes (keys): re-reading") for one in changes.said)


def test_a_walk_that_is_not_proved_deletes_nothing_and_says_so(changes: Increments) -> None:
    changes.source.drop(2)
    changes.days(2)
    changes.source.put(8)
    source = changes.source

    def breaks() -> None:
        source.broken = True

    source.after[OF_INCREMENT + 1] = breaks
    run = changes.run()
    source.broken = False
    assert (run.state, run.tables["changes"].sweep) == ("published", "unproved")
    assert 2 in changes.rows()
    assert 8 in changes.rows()
    assert changes.said[-1].startswith(
        "changes: the sweep of its keys is not proved, so it deletes no row: pages 2, 3 of 3 failed: http://127.0.0.1:"
    )
    assert days(changes, 0).tables["changes"].sweep == "counted"
    assert 2 not in changes.rows()


def test_keys_that_cannot_be_read_delete_nothing(changes: Increments) -> None:
    changes.source.drop(2)
    changes.n_keyless = 1
    assert days(changes, 2).tables["changes"].sweep == "unproved"
    assert changes.said[-1] == (
        "changes: the sweep of its keys is not proved, so it deletes no row: a row has no readable key"
    )
    assert 2 in changes.rows()


@pytest.mark.parametrize("dies_at", ["planned", "wave landed", "keys swept", "all merged"])
def test_a_run_that_is_resumed_sweeps_anew(changes: Increments, dies_at: str) -> None:
    changes.days(2)
    changes.source.put(8)
    changes.source.drop(2)
    assert changes.run(dies_at=dies_at).state == "failed"
    changes.source.drop(3)
    run = changes.run(resume="run-2")
    assert (run.state, run.tables["changes"].sweep) == ("published", "counted")
    # What the first start walked does not count: its row 3 was there.
    assert set(changes.rows()) == {1, 4, 5, 6, 7, 8}
    assert changes.query("ops/watermarks", "SELECT asked FROM t ORDER BY number")[-1] == {"asked": "sweep"}


def test_a_source_without_a_total_is_swept_and_not_proved_by_its_end_alone(changes: Increments) -> None:
    changes.more += ", pagination: {style: page, size: 3, items: items, total: null, pages: null}"
    changes.run(wanted=Wanted(is_full=True))
    changes.source.drop(2)
    assert days(changes, 2).tables["changes"].sweep == "unproved"
    assert changes.said[-1] == (
        "changes: the sweep of its keys is not proved, so it deletes no row: it is only known as ended, which does not show that a "
        "row is there no more"
    )
    assert 2 in changes.rows()
    changes.more += ", prove: swept"
    assert days(changes, 2).tables["changes"].sweep == "swept"
    assert 2 not in changes.rows()


def test_the_sweep_of_a_run_that_is_behind_does_not_count(changes: Increments) -> None:
    run = days(changes, 2)
    job = changes.job()
    note_watermarks(job.source, job.layout, run, {"changes": Greatest(None)}, ["changes"], str)
    assert changes.query("ops/watermarks", "SELECT asked FROM t ORDER BY number") == [
        {"asked": "all"},
        {"asked": "sweep"},
    ]


def test_status_says_when_the_keys_were_swept(changes: Increments) -> None:
    days(changes, 2)
    layout = changes.job().layout
    [mark] = marks_of(layout, publications.current(layout), DAY_0 + timedelta(days=3))
    assert mark_as_json(mark)["swept_at"] == "2026-01-03T00:00:00+00:00"
    assert mark_lines([mark], DAY_0 + timedelta(days=3))[0].endswith("; all rows 72 h ago, all keys 24 h ago")


def test_the_last_lines_say_by_what_deleted_rows_were_found(
    changes: Increments, capsys: pytest.CaptureFixture[str]
) -> None:
    layout, asked = (
        changes.job().layout,
        "changes: increment since 2026-05-01T11:00:00Z until 2026-05-03T12:00:00Z and the keys of all rows",
    )
    changes.n_keyless = 1
    run = days(changes, 2)
    say_done(layout, run)
    assert (
        f"{asked}, proved by what it asked for; deleted rows are found by a run that asks for all, or for all keys."
        in capsys.readouterr().out.splitlines()
    )
    run.tables["changes"].sweep, run.tables["changes"].rows_swept = "counted", 1234
    say_done(layout, run)
    assert (
        f"{asked}, proved by what it asked for; deleted rows are those whose key is none of the 1,234 that the sweep met."
        in capsys.readouterr().out.splitlines()
    )


def test_keys_keep_the_text_that_the_source_gave_them() -> None:
    body = '{"data": {"rows": [{"n": {"id": 12345678901234567.890}, "s": "a\\u00e9", "x": 1}, {"n": 5}, 7]}}'
    columns = (("n_id", ("n", "id")), ("s", ("s",)))
    text = '[{"n_id":12345678901234567.890,"s":"a\\u00e9"},{"n_id":null,"s":null},{"n_id":null,"s":null}]'
    assert rows_of_keys(body, None, "data.rows", columns) == text
    assert rows_of_keys(body, None, "data.rows[]", columns) == text
    assert rows_of_keys("", None, "data.rows", columns) == "[]"
    apart = (RowText('{"s":"x","n":null}', "{}", ("too_long:n",)), RowText(None, None, ("not_an_object",)))
    assert json.loads(rows_of_keys("whatever", apart, "data.rows", columns)) == [
        {"n_id": None, "s": "x"},
        {"n_id": None, "s": None},
    ]


def test_the_table_of_keys_has_nothing_else(changes: Increments) -> None:
    source = changes.job().source
    keys = key_table(source, source.table("changes"))
    assert ([column.name for column in keys.columns], keys.name, keys.incremental) == (["id"], "changes (keys)", None)
    assert source.model_copy(update={"tables": (keys,)}).reading_of(keys).items == "$"
