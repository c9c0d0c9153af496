"""Names of expectations, which people type and every message shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lib.config import Source, load_source
from lib.quality.declared import declared_by_table
from lib.quality.names import failures_command, name_expectations
from lib.quality.suites import build_suite
from lib.quality.validate import Finding, Findings, Keys

REPO = Path(__file__).parents[2]


def an(kind: str, meta: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "meta": meta}


def test_a_name_is_the_table_the_kind_and_the_columns() -> None:
    assert name_expectations(
        "users",
        [
            an("expect_column_values_to_not_be_null", column="email"),
            an("expect_compound_columns_to_be_unique", column_list=["user_id", "created_at"]),
            an("expect_column_pair_values_a_to_be_greater_than_b", column_A="updated_at", column_B="created_at"),
            an("expect_table_row_count_to_be_between", min_value=1),
            an("expect_table_columns_to_match_ordered_list", column_list=["id", "email", "city"]),
            an("unexpected_rows_expectation", unexpected_rows_query="SELECT 1 FROM {batch}"),
        ],
    ) == [
        "users.column_values_to_not_be_null.email",
        "users.compound_columns_to_be_unique.user_id+created_at",
        "users.column_pair_values_a_to_be_greater_than_b.updated_at+created_at",
        "users.table_row_count_to_be_between",
        "users.table_columns_to_match_ordered_list",
        "users.unexpected_rows_expectation",
    ]


def test_an_own_name_takes_the_place_of_kind_and_columns() -> None:
    entry = an("expect_column_values_to_be_in_set", {"name": "known_genres"}, column="genre", value_set=["a"])
    assert name_expectations("tracks", [entry]) == ["tracks.known_genres"]


@pytest.mark.parametrize("own", [None, {"name": "shape"}])
def test_the_same_name_again_gets_a_number(own: dict[str, Any] | None) -> None:
    entry = an("expect_column_values_to_match_regex", own, column="isrc", regex="a")
    name = "tracks.shape" if own else "tracks.column_values_to_match_regex.isrc"
    assert name_expectations("tracks", [entry, entry, entry]) == [name, f"{name}#2", f"{name}#3"]


def test_an_own_name_that_looks_like_a_number_takes_no_others_place() -> None:
    entries = [an("a", {"name": "x#2"}), an("a", {"name": "x"}), an("a", {"name": "x"})]
    assert name_expectations("t", entries) == ["t.x#2", "t.x", "t.x#3"]


@pytest.fixture
def demo() -> Source:
    return load_source("demo", conf_dir=REPO / "conf", env={})


@pytest.fixture
def names_of(demo: Source) -> Callable[[str], list[str]]:
    """The names in the suite of a table, as GX would hand them through."""

    def read(table: str) -> list[str]:
        file = json.loads((REPO / "expectations" / "demo" / f"{table}.json").read_text("utf-8"))
        suite = build_suite(demo, table, file, declared_by_table(demo.table(table), datetime(2026, 1, 1, tzinfo=UTC)))
        return [str((one.meta or {})["name"]) for one in suite.expectations]

    return read


def test_every_expectation_of_the_demo_has_a_name_of_its_own(
    names_of: Callable[[str], list[str]], demo: Source
) -> None:
    names = [name for table in demo.tables for name in names_of(table.name)]
    assert len(set(names)) == len(names)
    assert "tracks.column_values_to_be_unique.id" in names


def test_orphan_checks_are_named_by_the_reference(names_of: Callable[[str], list[str]]) -> None:
    names = names_of("listen_history")
    assert {"listen_history.orphans.user_id", "listen_history.orphans.items[]"} <= set(names)


def test_a_suite_keeps_what_its_file_says_beside_the_name(demo: Source) -> None:
    entry = an("expect_column_values_to_not_be_null", {"notes": "Needed.", "owner": "data team"}, column="email")
    suite = build_suite(demo, "users", {"expectations": [entry]}, [])
    assert suite.expectations[0].meta == {
        "notes": "Needed.",
        "owner": "data team",
        "name": "users.column_values_to_not_be_null.email",
    }
    assert entry["meta"] == {"notes": "Needed.", "owner": "data team"}


def test_the_command_that_lists_failing_rows_can_be_typed_whatever_the_names_are() -> None:
    assert failures_command("r1.check2") == "./spark-submit.sh failures --run r1.check2"
    assert failures_command("r1", lake="/srv/a lake") == "./spark-submit.sh failures --lake '/srv/a lake' --run r1"
    assert (
        failures_command("r1", "--lake", "a lake", name="listen_history.orphans.items[]")
        == "./spark-submit.sh failures --lake 'a lake' --run r1 --expectation 'listen_history.orphans.items[]'"
    )


ORPHANS = {"reference": "user_id", "refers_to": "users", "meets": "nothing"}


@pytest.mark.parametrize(
    ("kind", "about", "more", "line"),
    [
        (
            "expect_table_row_count_to_be_between",
            "",
            {"said": "observed 0"},
            "users (table row count to be between): observed 0",
        ),
        (
            "expect_column_values_to_not_be_null",
            "email",
            {"unexpected": 3, "said": "3 of 60 rows", "keys": Keys("id", ("1", "2", "3"), 3)},
            "users.email must not be null: 3 of 60 rows (id 1, 2, 3)",
        ),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            "updated_at",
            {"unexpected": 1, "said": "1 of 60 rows", "kwargs": {"column_B": "created_at", "or_equal": True}},
            "users.updated_at must be at least created_at: 1 of 60 rows",
        ),
        (
            "expect_column_values_to_be_between",
            "age",
            {"unexpected": 1, "said": "1 of 60 rows", "kwargs": {"max_value": 120.0}},
            "users.age must be at most 120: 1 of 60 rows",
        ),
        (
            "unexpected_rows_expectation",
            "Every user has an e-mail.",
            {"unexpected": 2, "said": "observed 2", "keys": Keys("id", ("4", "5"), 2)},
            "users: Every user has an e-mail: 2 rows (id 4, 5)",
        ),
        (
            "unexpected_rows_expectation",
            "Every users.user_id points at a row.",
            {"unexpected": 1, "said": "observed 1", "meta": ORPHANS, "keys": Keys("user_id", ("999",), 1)},
            "users.user_id -> users: 1 orphan (user_id 999)",
        ),
        (
            "unexpected_rows_expectation",
            "No users.user_id points at a deleted row.",
            {"unexpected": 2, "said": "observed 2", "meta": {**ORPHANS, "meets": "deleted"}},
            "users.user_id -> users: 2 references to deleted rows",
        ),
    ],
)
def test_a_finding_is_one_line_with_its_rule_its_count_some_keys_and_its_name(
    kind: str, about: str, more: dict[str, Any], line: str
) -> None:
    finding = Finding("users.x", "users", kind, about, "critical", success=False, **more)
    assert str(finding) == f"{line} [users.x]"


@pytest.mark.parametrize(
    ("total", "few", "many"),
    [
        (5, "id 0, 1, 2, 3, 4", "id 0, 1, 2, 3, 4"),
        (6, "id 0, 1, 2, 3, 4 and 1 more", "id 0, 1, 2, 3, 4, 5"),
        (1_007, "id 0, 1, 2, 3, 4 and 1,002 more", "id 0, 1, 2, 3, 4, 5, 6 and 1,000 more"),
        (None, "id 0, 1, 2, 3, 4 and more", "id 0, 1, 2, 3, 4, 5, 6 and more"),
    ],
)
def test_a_line_has_five_keys_at_most_and_a_page_more(total: int | None, few: str, many: str) -> None:
    keys = Keys("id", tuple(map(str, range(7)))[:total], total)
    finding = Finding("x", "t", "expect_a", "", "critical", success=False, said="7 rows", keys=keys)
    assert str(finding) == f"t (a): 7 rows ({few}) [x]"
    assert finding.line(7) == f"t (a): 7 rows ({many}) [x]"


def test_the_page_of_a_suite_shows_the_findings_of_its_table_and_an_index_all() -> None:
    one, other = (Finding(f"{table}.x", table, "kind", "", "critical", success=False, said="") for table in ("a", "b"))
    findings = Findings((one, other), {"a": 1, "b": 1})
    assert findings.shown_on("shop.a").all == (one,)
    assert findings.shown_on(None).all == (one, other)
