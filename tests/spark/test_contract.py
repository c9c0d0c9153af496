"""What a source may do to its columns, and what becomes of the table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from deltalake import DeltaTable

from lib.errors import ConfigError
from lib.lake.runs import Run
from tests.spark.served_table import Served, day

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough


def failed(run: Run) -> str:
    record = run.tables["things"]
    assert record.state == "failed"
    return str(record.error)


def counts(run: Run) -> tuple[int | None, int | None, int | None]:
    record = run.tables["things"]
    assert record.error is None
    return record.rows_inserted, record.rows_updated, record.rows_deleted


def kinds(things: Served) -> dict[str, str]:
    """The columns as delta-rs reads them, without Pagelake's own."""
    fields = DeltaTable(str(things.layout.silver("things"))).schema().fields
    return {field.name: str(field.type.to_json()) for field in fields if not field.name.startswith("_")}


# New columns


@pytest.mark.quick
def test_new_columns_are_named_in_every_run_and_left_out_by_default(things: Served) -> None:
    run = things.run({"id": 1, "name": "a", "size": 3}, {"id": 2, "name": "b", "Size": 4})
    assert run.tables["things"].new_columns == ["Size", "size"]
    assert things.silver("*") == things.silver("id, name, _row_hash, _run_id, _first_seen_at, _changed_at, _deleted_at")
    assert things.run({"id": 1, "name": "a", "size": 3}).tables["things"].new_columns == ["size"]
    assert things.run({"id": 1, "name": "a"}).tables["things"].new_columns is None
    # A hundred are named; what does not look like a name may be a value, and is not shown.
    many = {"a" * 150: 1, **{f"c{number:03}": 1 for number in range(120)}}
    named = ["***", *(f"c{number:03}" for number in range(99))]
    assert things.run({"id": 1, "name": "a", **many}).tables["things"].new_columns == named


def test_evolve_adds_columns_as_the_json_types_seen_and_fills_nothing_back(things: Served) -> None:
    things.settings["on_new_column"] = "evolve"
    things.run({"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    run = things.run(
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b", "n": 4, "x": 0.5, "ok": True, "tags": ["u", "v"], "mixed": 1, "deep": {"k": [1]}, "nil": None},
        {"id": 3, "name": "c", "n": None, "x": 1, "mixed": "two"},
    )  # fmt: skip
    assert run.tables["things"].new_columns == ["deep", "mixed", "n", "nil", "ok", "tags", "x"]
    assert counts(run) == (1, 1, 0)
    assert things.silver("id, n, x, ok, tags, mixed, deep, _run_id") == [
        (1, None, None, None, None, None, None, "run-1"),
        (2, 4, 0.5, True, ["u", "v"], "1", '{"k":[1]}', "run-2"),
        (3, None, 1.0, None, None, "two", None, "run-2"),
    ]
    found = {name: re.sub(r'[{}"\\]', "", kind) for name, kind in kinds(things).items()}
    assert found["n"] == "long"
    assert found["mixed"] == "string"


def test_a_column_that_was_added_keeps_its_type_and_may_be_missing(things: Served) -> None:
    things.settings |= {"on_new_column": "evolve", "max_rejected_fraction": 1.0}
    things.run({"id": 1, "name": "a", "n": 4})
    before = things.version()
    assert counts(things.run({"id": 1, "name": "a", "n": 4})) == (0, 0, 0)
    assert things.version() == before
    run = things.run({"id": 1, "name": "a"}, {"id": 2, "name": "b", "n": "many"})
    assert counts(run) == (0, 1, 0)
    assert things.silver("id, n") == [(1, None)]
    assert things.quarantine("reason") == [("wrong_type:n",)]


def test_a_new_column_stops_the_table_where_the_contract_says_so(things: Served) -> None:
    things.settings["on_new_column"] = "fail"
    things.run({"id": 1, "name": "a"})
    message = failed(things.run({"id": 1, "name": "b", "size": 3}))
    assert "rows have column 'size', not declared, and on_new_column is 'fail'" in message
    assert things.silver("id, name") == [(1, "a")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Name", "Name"),
        ("a b", "***"),
        ("_row_hash", "_row_hash"),
        ("x" * 256, "***"),
        ("", "***"),
        ("naïve", "naïve"),
        ("1st", "***"),
    ],
)
def test_a_name_that_cannot_be_a_column_s_stops_a_table_that_evolves(things: Served, name: str, shown: str) -> None:
    things.settings["on_new_column"] = "evolve"
    message = failed(things.run({"id": 1, "name": "a", name: 3}))
    assert f"column {shown!r} cannot be added" in message


# Missing columns


def test_a_column_that_no_row_has_stops_the_table(things: Served) -> None:
    things.columns["note"] = "string"
    things.run({"id": 1, "name": "a", "note": None})
    message = failed(things.run({"id": 1, "name": "b", "remark": "x"}))
    assert "no row has column 'note'" in message
    assert things.silver("id, name") == [(1, "a")]
    # One row that has it, null or not, is enough.
    assert counts(things.run({"id": 1, "name": "b"}, {"id": 2, "name": "c", "note": None})) == (1, 1, 0)


def test_a_column_that_no_row_has_is_null_where_the_contract_says_so(things: Served) -> None:
    things.columns["note"] = "string"
    things.settings["on_missing_column"] = "'null'"
    assert counts(things.run({"id": 1, "name": "a"})) == (1, 0, 0)
    assert things.silver("id, note") == [(1, None)]


def test_no_rows_have_no_missing_columns(things: Served) -> None:
    assert counts(things.run()) == (0, 0, 0)


# Bad rows


@pytest.mark.quick
def test_a_bad_row_stops_the_table_where_the_contract_says_so_and_can_be_looked_at(things: Served) -> None:
    things.settings["on_bad_row"] = "fail"
    message = failed(things.run({"id": 1, "name": "a"}, {"id": "x", "name": "b"}))
    assert "1 of 2 rows break the contract, and on_bad_row is 'fail'" in message
    assert things.quarantine("reason, row") == [("wrong_type:id", '{"id":"x","name":"b"}')]


# Declared columns that change


def test_a_column_declared_later_is_added_and_changes_only_the_rows_that_have_a_value(things: Served) -> None:
    things.run({"id": 1, "name": "a", "size": None}, {"id": 2, "name": "b", "size": 3})
    things.columns["size"] = "int"
    assert counts(things.run({"id": 1, "name": "a", "size": None}, {"id": 2, "name": "b", "size": 3})) == (0, 1, 0)
    assert things.silver("id, name, size, _run_id, _changed_at") == [
        (1, "a", None, "run-1", day(1)),
        (2, "b", 3, "run-2", day(2)),
    ]


WIDER = {
    "int": ("bigint", 3, 3),
    "decimal(4,1)": ("'decimal(6,2)'", 1.5, "1.50"),
    "array<int>": ("array<bigint>", [1, 2], [1, 2]),
}


@pytest.mark.parametrize("narrow", WIDER)
def test_a_wider_type_rewrites_the_table_and_changes_no_row(things: Served, narrow: str) -> None:
    wide, value, read = WIDER[narrow]
    things.columns["size"] = f"'{narrow}'"
    row = {"id": 1, "name": "a", "size": value}
    things.run(row)
    things.columns["size"] = wide
    assert counts(things.run(row)) == (0, 0, 0)
    columns = "id, CAST(size AS VARCHAR) AS size" if "decimal" in narrow else "id, size"
    assert things.silver(f"{columns}, _run_id, _changed_at") == [(1, read, "run-1", day(1))]
    before = things.version()
    assert counts(things.run(row)) == (0, 0, 0)
    assert things.version() == before, "rewritten once"


def test_a_wider_type_takes_values_that_did_not_fit_before(things: Served) -> None:
    things.columns["size"] = "int"
    things.settings["max_rejected_fraction"] = 1.0
    rows: list[dict[str, Any]] = [{"id": 1, "name": "a", "size": 3}, {"id": 2, "name": "b", "size": 2**40}]
    things.run(*rows)
    things.columns["size"] = "bigint"
    assert counts(things.run(*rows)) == (1, 0, 0)
    assert things.silver("id, size") == [(1, 3), (2, 2**40)]
    assert things.quarantine() == [("run-1", "wrong_type:size", "arrived", "run-2")]


@pytest.mark.quick
def test_a_narrower_type_and_a_column_that_is_gone_are_refused_before_anything_is_touched(things: Served) -> None:
    things.columns |= {"size": "bigint", "note": "string"}
    row = {"id": 1, "name": "a", "size": 3, "note": "n"}
    things.run(row)
    asked = things.n_asked
    things.columns["size"] = "int"
    with pytest.raises(
        ConfigError, match=r"things\.columns\.size: the lake holds bigint, which cannot become int .* --from-landed all"
    ):
        things.run(row)
    things.columns["size"] = "bigint"
    del things.columns["note"]
    with pytest.raises(ConfigError, match=r"the lake holds a column 'note' that is not declared; declare note: string"):
        things.run(row)
    assert things.n_asked == asked
    # Made anew, the table may have what it likes.
    things.columns = {"id": "bigint!", "name": "string", "size": "int"}
    things.replay("all")
    assert things.silver("id, name, size") == [(1, "a", 3)]
    assert list(kinds(things)) == ["id", "name", "size"]
