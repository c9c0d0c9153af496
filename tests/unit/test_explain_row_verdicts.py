"""What explain-row says of each row with a key, for runs that ended in every way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lib.config import Table
from lib.lake import runs
from lib.lake.quarantine import Place
from lib.lake.runs import Run, TableRun, new_run
from lib.lineage.row_history import Occurrence, tell

COLUMNS = {"id": "bigint!", "at": "timestamp!"}
TABLE = Table.model_validate(
    {"name": "t", "path": "/t", "key": ["id"], "newest_by": "at", "deletes": "soft", "columns": COLUMNS}
)


def run(number: int, table: TableRun, state: str = runs.MERGED) -> Run:
    made = new_run(f"r{number}", "shop", "", {}, datetime(2026, 1, number, tzinfo=UTC))
    made.state, made.tables = state, {"t": table}
    return made


def merged(deleted: int = 0) -> TableRun:
    return TableRun("t", state="merged", rows_deleted=deleted)


def hit(
    number: int, position: int = 0, *, content: str = "a", at: int | None = 1, rank: int = 1, bad: str = ""
) -> Occurrence:
    return Occurrence(f"r{number}", 1, position, (bad,) if bad else (), content, rank, at)


def told(
    known: list[Run],
    hits: list[Occurrence],
    quarantined: dict[Place, str] | None = None,
    table: Table = TABLE,
) -> list[str]:
    """The verdicts, without the time and state of the run."""
    lines = tell(table, known, hits, quarantined or {}, None)
    return [f"{line.split(' ')[1]} {line.partition('): ')[2]}" for line in lines]


def test_a_run_is_named_with_its_time_and_how_it_ended() -> None:
    known = [
        run(1, TableRun("t"), runs.RUNNING),
        run(2, merged(), runs.CHECKS_FAILED),
        run(3, merged(), runs.PUBLISHED),
    ]
    known[2].started_at += timedelta(hours=14, minutes=45, seconds=59)
    assert list(tell(TABLE, known, [hit(1), hit(2), hit(3)], {}, None)) == [
        "run r1 (2026-01-01 00:00 UTC, not finished): page 1, row 1: not merged: the run did not get so far",
        "run r2 (2026-01-02 00:00 UTC, checks failed, not published): page 1, row 1: taken",
        "run r3 (2026-01-03 14:45 UTC, published): page 1, row 1: taken: nothing had changed",
    ]


def test_a_run_killed_before_its_record_said_so_has_merged_if_silver_names_it() -> None:
    known = [run(1, TableRun("t", state="landed"), runs.RUNNING)]
    assert next(tell(TABLE, known, [hit(1)], {}, "r1")).endswith("page 1, row 1: taken")


def test_only_what_was_merged_is_compared_with_what_comes_later() -> None:
    known = [run(1, merged()), run(2, TableRun("t", state="failed", error="t: no\nmore")), run(3, merged())]
    assert told(known, [hit(1, at=1), hit(2, content="b", at=9), hit(3, content="c", at=2)]) == [
        "r1 page 1, row 1: taken",
        "r2 page 1, row 1: not merged: t failed in this run (t: no)",
        "r3 page 1, row 1: taken: its content had changed",
    ]


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (4, "not taken: the lake held a row whose at is newer"),
        (5, "taken: its content had changed"),
        (None, "taken: its content had changed"),
    ],
)
def test_an_older_row_never_replaces_a_newer_one(at: int | None, verdict: str) -> None:
    known = [run(1, merged()), run(2, merged()), run(3, merged())]
    lines = told(known, [hit(1, at=5), hit(2, content="b", at=at), hit(3, at=5)])
    assert lines[1] == f"r2 page 1, row 1: {verdict}"
    # What was not taken is not what the next one is compared with.
    assert lines[2].endswith("nothing had changed") == verdict.startswith("not taken")


def test_a_deleted_row_is_back_whatever_its_age_and_its_absence_is_said_once() -> None:
    known = [run(number, merged(deleted=number % 2)) for number in (2, 3, 4, 5, 6, 8, 10)]
    assert told(known, [hit(2, at=5), hit(6, content="b", at=1)]) == [
        "r2 page 1, row 1: taken",
        "r3 on no page: marked as deleted",
        "r6 page 1, row 1: taken: it was deleted, and is back",
        "r8 on no page: kept (this run did not look for deleted rows: it was not proved complete, or rows without a "
        "readable key were rejected)",
    ]


def test_an_absence_is_said_again_when_the_row_was_there_in_between() -> None:
    known = [run(number, merged()) for number in (1, 2, 3, 4, 5)]
    ignoring = TABLE.model_copy(update={"deletes": "ignore"})
    assert told(known, [hit(1), hit(4)], table=ignoring) == [
        "r1 page 1, row 1: taken",
        "r2 on no page: kept (the table has deletes: ignore)",
        "r4 page 1, row 1: taken: nothing had changed",
        "r5 on no page: kept (the table has deletes: ignore)",
    ]


def test_a_rejected_row_is_not_deleted_and_what_the_quarantine_says_counts() -> None:
    known = [run(1, merged()), run(2, merged(deleted=1)), run(3, merged(), runs.RUNNING), run(4, merged())]
    rejected: dict[Place, str] = {("r2", None, 1, 0): "missing_value:at", ("r4", None, 1, 0): "wrong_type:at"}
    hits = [hit(1), hit(2, bad="missing_value:at"), hit(3, bad="missing_value:at"), hit(4), hit(4, 1, rank=2)]
    assert told(known, hits, rejected) == [
        "r1 page 1, row 1: taken",
        "r2 page 1, row 1: rejected: missing_value:at",
        "r3 page 1, row 1: rejected: missing_value:at (not in quarantine/rows: the run did not get so far, or had other settings)",
        "r4 page 1, row 1: rejected: wrong_type:at",
        "r4 page 1, row 2: taken: nothing had changed",
    ]


def test_of_identical_rows_the_first_is_the_one_that_was_taken() -> None:
    hits = [hit(1, 2, rank=1), hit(1, 1, rank=2), hit(1, 0, content="b", at=None, rank=3)]
    assert told([run(1, merged())], hits) == [
        "r1 page 1, row 1: replaced by page 1, row 2, which has at",
        "r1 page 1, row 2: taken",
        "r1 page 1, row 3: duplicate of page 1, row 2: identical",
    ]


@pytest.mark.parametrize(
    ("at", "newest", "why"),
    [
        (1, 2, ", whose at is newer"),
        (2, 2, ", whose at is the same: the content decides"),
        (None, None, ", whose at is the same: the content decides"),
        (None, 2, ", which has at"),
    ],
)
def test_of_rows_that_differ_it_is_said_by_what_one_replaces_the_other(
    at: int | None, newest: int | None, why: str
) -> None:
    hits = [hit(1, 0, content="a", at=at, rank=2), hit(1, 1, content="b", at=newest, rank=1)]
    assert told([run(1, merged())], hits)[0] == f"r1 page 1, row 1: replaced by page 1, row 2{why}"
    without = TABLE.model_copy(update={"newest_by": None})
    assert told([run(1, merged())], hits, table=without)[0] == (
        "r1 page 1, row 1: replaced by page 1, row 2: the table has no newest_by, and the content decides"
    )


def test_a_replay_says_nothing_as_its_pages_are_those_of_another_run() -> None:
    again = run(2, merged(deleted=1))
    again.replay_of = "r1"
    assert told([run(1, merged()), again], [hit(1)]) == ["r1 page 1, row 1: taken"]


def test_a_run_that_kept_the_published_version_says_nothing() -> None:
    assert told([run(1, merged()), run(2, TableRun("t", state="kept"))], [hit(1)]) == ["r1 page 1, row 1: taken"]


def left(version: int, *, wrote: bool = True, deleted: int = 0) -> TableRun:
    """A merged table: the version that the run left, and whether that is its own."""
    return TableRun(
        "t", state="merged", version=version, rows_updated=int(wrote), rows_inserted=0, rows_deleted=deleted
    )


@pytest.mark.parametrize(
    ("content", "at", "verdict"),
    [
        ("b", 2, "taken: nothing had changed"),
        ("c", 1, "not taken: a run that started later had been merged before"),
        ("c", 2, "not taken: a run that started later had been merged before"),
        ("c", None, "not taken: a run that started later had been merged before"),
        ("c", 3, "taken: its content had changed"),
    ],
)
def test_a_run_that_was_resumed_after_a_later_one_is_told_behind_it(content: str, at: int | None, verdict: str) -> None:
    # r2 was killed and resumed once r3 had made version 1: it wrote version 2, or nothing.
    known = [run(1, left(0)), run(2, left(2 if verdict.endswith("had changed") else 1, wrote=False)), run(3, left(1))]
    hits = [hit(1, content="a"), hit(2, content=content, at=at), hit(3, content="b", at=2)]
    assert told(known, hits) == [
        "r1 page 1, row 1: taken",
        "r3 page 1, row 1: taken: its content had changed",
        f"r2 page 1, row 1: {verdict}",
    ]


def test_a_row_that_was_deleted_since_stays_so_for_a_run_that_is_merged_late() -> None:
    known = [run(1, left(0)), run(2, left(1, wrote=False)), run(3, left(1, deleted=1))]
    assert told(known, [hit(1), hit(2, content="b", at=9)])[-2:] == [
        "r3 on no page: marked as deleted",
        "r2 page 1, row 1: taken: its content had changed; it stays deleted",
    ]
    assert told(known, [hit(1), hit(2, content="b")])[-1] == (
        "r2 page 1, row 1: not taken: a run that started later had been merged before"
    )


def test_what_a_run_that_is_merged_late_had_not_is_kept() -> None:
    known = [run(1, left(0)), run(2, left(1, wrote=False)), run(3, left(1))]
    assert told(known, [hit(1), hit(3, content="b")])[-1] == (
        "r2 on no page: kept (a run that started later had been merged before)"
    )


def test_runs_that_changed_nothing_are_told_in_the_order_of_their_starts() -> None:
    known = [run(1, left(0)), run(2, left(0, wrote=False)), run(3, left(0, wrote=False))]
    assert [line.split(" ")[0] for line in told(known, [hit(1), hit(2), hit(3)])] == ["r1", "r2", "r3"]


def test_a_row_of_a_part_is_told_with_it() -> None:
    """The same page and position of another part is another row."""
    rejected: dict[Place, str] = {("r1", '{"a":1}', 1, 0): "missing_value:at"}
    hits = [replace(hit(1, rank=2, bad="missing_value:at"), part='{"a":1}'), replace(hit(1), part='{"a":2}')]
    assert list(tell(TABLE, [run(1, merged())], hits, rejected, None)) == [
        'run r1 (2026-01-01 00:00 UTC, merged, not published): {"a":1}, page 1, row 1: rejected: missing_value:at',
        'run r1 (2026-01-01 00:00 UTC, merged, not published): {"a":2}, page 1, row 1: taken',
    ]
