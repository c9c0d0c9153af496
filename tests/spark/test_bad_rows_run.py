"""Runs of a source with bad rows, and with keys that are no column names: what is taken, rejected, deleted and replayed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from lib.lineage.explain import Asked, explain
from lib.lineage.key import read_key
from tests.moving_server import Row
from tests.spark.served_table import Served

BAD: Row = {"id": 2, "name": "x\ud800"}


def explained(things: Served, key: str) -> list[str]:
    job = things.job()
    things.n_runs -= 1
    table = job.source.table("things")
    return explain(Asked(things.spark, job.source, job.layout, table, read_key(table, (key,))))


def good(*ids: int) -> list[Any]:
    return [{"id": number, "name": "good"} for number in ids]


def test_bad_rows_stop_no_table_and_rows_that_cannot_be_keyed_stop_its_deletes(things: Served) -> None:
    things.settings["max_rejected_fraction"] = 0.6
    run = things.run(*good(1), BAD, *good(3, 4, 5))
    record = run.tables["things"]
    assert (record.state, record.proof) == ("merged", "counted")
    assert (record.rows_landed, record.rows_rejected, record.keys, record.rows_duplicate) == (5, 1, 4, 0)
    assert things.silver() == [(number, "good", "run-1") for number in (1, 3, 4, 5)]
    assert things.quarantine("page, position, reason") == [(1, 1, "unreadable_text:name")]
    # Bronze has the page as it came, with the half of a pair as the source wrote it.
    [(body, n_bytes, sha256)] = things.rows(
        things.layout.pages, "SELECT body, n_bytes, sha256 FROM t WHERE page = 1 AND \"table\" = 'things'"
    )
    assert json.loads(body)["items"] == [*good(1), BAD, *good(3)]
    assert r'"x\ud800"' in body
    assert (n_bytes, sha256) == (len(body.encode()), hashlib.sha256(body.encode()).hexdigest())
    assert explained(things, "id=2")[1].endswith("page 1, row 2: rejected: unreadable_text:name")

    # A row whose key cannot be read may be any: nothing is deleted, though 3, 4 and 5 are on no page.
    run = things.run(*good(1), None, 17, {"id": float("nan"), "name": "a"}, *good(2))  # type: ignore[arg-type]
    record = run.tables["things"]
    assert (record.rows_landed, record.rows_rejected, record.keys, record.rows_deleted) == (5, 3, 2, 0)
    assert things.quarantine("page, position, reason, resolution") == [
        (1, 1, "unreadable_text:name", "arrived"),
        (1, 1, "not_an_object", None),
        (1, 2, "not_an_object", None),
        (2, 0, "unreadable_number:id", None),
    ]


@pytest.mark.thorough
def test_a_row_that_was_good_once_is_not_taken_for_gone_when_it_comes_as_a_bad_one(things: Served) -> None:
    things.settings["max_rejected_fraction"] = 0.6
    things.run(*good(1, 2, 3, 4))
    run = things.run(*good(1), BAD, *good(3))
    # Its key is known, so other rows may be deleted: 4 is gone.
    assert (run.tables["things"].rows_deleted, run.tables["things"].rows_rejected) == (1, 1)
    assert things.silver("id, _deleted_at IS NULL") == [(1, True), (2, True), (3, True), (4, False)]
    # From what has landed, and without a request, all of it comes again.
    asked, before = things.n_asked, things.silver("id, name, _deleted_at")
    rejected = things.quarantine("run_id, page, position, reason")
    things.replay("all")
    assert things.silver("id, name, _deleted_at") == before
    assert things.quarantine("run_id, page, position, reason") == rejected
    assert things.n_asked == asked


def test_only_bad_rows_are_too_many_and_the_error_says_so(things: Served) -> None:
    run = things.run(None, 3)  # type: ignore[arg-type]
    assert "2 of 2 rows break the contract, more than max_rejected_fraction (0.05) allows" in run.failed["things"]
    assert things.quarantine("position, reason") == [(0, "not_an_object"), (1, "not_an_object")]


def test_columns_from_other_keys_and_new_ones_beside_them(things: Served) -> None:
    things.columns = {"id": '{type: "bigint!", from: "@id"}', "first_name": '{type: string, from: "first-name"}'}
    things.settings["on_new_column"] = "ignore"
    run = things.run({"@id": 1, "first-name": "Ann", "last-name": "Lee", "more": 1})
    assert run.tables["things"].new_columns == ["last-name", "more"]
    assert things.silver("id, first_name") == [(1, "Ann")]
    # A new column that can be named so is added; the key that a column is read from is none.
    things.settings["on_new_column"] = "evolve"
    run = things.run({"@id": 1, "first-name": "Ann", "more": 1}, {"@id": 2, "more": 2})
    assert things.silver("id, first_name, more") == [(1, "Ann", 1), (2, None, 2)]
    assert run.tables["things"].rows_missing == [{"column": "first_name", "rows": 1}]
    # A name that is a column's already cannot be another one's.
    run = things.run({"@id": 1, "first-name": "Ann", "first_name": "B", "more": 1})
    assert "column 'first_name' cannot be added" in run.failed["things"]
    assert "from:" in run.failed["things"]
    run = things.run({"@id": 1, "first-name": "Ann", "x-y": "B", "more": 1})
    assert "column 'x-y' cannot be added" in run.failed["things"]
