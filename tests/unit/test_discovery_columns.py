"""Columns, keys and references as they are guessed from rows and a document: values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from lib.config import parse_ddl
from lib.discovery.columns import Columns, columns_of
from lib.discovery.document import Document
from lib.discovery.identity import Known, key_of, newest_of, pointers_of, singular
from lib.discovery.kinds import MixedError, agreed, epoch_of, of_values

DOCUMENT = Document({}, "doc")


def found(rows: list[dict[str, Any]], table: str = "things", **properties: Any) -> Columns:
    node = {"type": "object", "required": list(properties), "properties": properties}
    return columns_of(DOCUMENT if properties else None, node, rows, table)


@pytest.mark.parametrize(
    ("values", "ddl"),
    [
        ([1, None, 2], "bigint"),
        ([1, 2.5], "double"),
        ([True, False], "boolean"),
        (["a", "2026-01-02T10:00:00Z"], "string"),
        (["2026-01-02T10:00:00Z", "2026-01-02 10:00+01"], "timestamp"),
        (["2026-01-02", "1999-12-31"], "date"),
        (["2026-13-02"], "string"),
        (["2026-01-02T10:00:00.1234567890Z"], "string"),
        (["12.50"], "string"),
        ([1, "2"], "bigint"),
        ([[1], [], [2]], "array<bigint>"),
        ([{"a": 1}, {"b": "x", "A": 2}], "struct<a: bigint, b: string>"),
        ([{"a b": 1, "c": True}], "struct<c: boolean>"),
        ([{"a": [{"b": 1}]}], "struct<a: array<struct<b: bigint>>>"),
    ],
)
def test_values_have_a_type(values: list[Any], ddl: str) -> None:
    assert of_values(values) == parse_ddl(ddl)


@pytest.mark.parametrize("values", [[], [None], [[]], [{}], [[None]], [{"a": None}], [{"a b": 1}]])
def test_values_that_say_nothing_have_none(values: list[Any]) -> None:
    assert of_values(values) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, "x"], "holds values of different kinds"),
        ([{"a": 1}, [1]], "holds values of different kinds"),
        ([True, 1], "holds values of different kinds"),
        ([2**63], "holds whole numbers of more than 64 bits"),
    ],
)
def test_values_of_no_single_type(values: list[Any], said: str) -> None:
    with pytest.raises(MixedError, match=f"^{said}$"):
        of_values(values)


@pytest.mark.parametrize(
    ("said", "seen", "values", "ddl"),
    [
        ("double", "bigint", [1], "double"),
        ("bigint", "double", [1.5], "double"),
        ("bigint", "string", ["x"], "string"),
        ("timestamp", "string", ["soon"], "string"),
        ("timestamp", "date", ["2026-01-02"], "date"),
        ("string", "bigint", [1], "bigint"),
        ("decimal(38,9)", "string", ["12.50"], "decimal(38,9)"),
        ("decimal(38,9)", "string", ["n/a"], "string"),
        (
            "struct<a: double, b: string>",
            "struct<a: bigint, c: date>",
            [{"a": 1}],
            "struct<a: double, b: string, c: date>",
        ),
        ("array<double>", "array<bigint>", [[1]], "array<double>"),
    ],
)
def test_what_was_seen_goes_before_what_the_document_says(said: str, seen: str, values: list[Any], ddl: str) -> None:
    assert agreed(parse_ddl(said), parse_ddl(seen), values) == parse_ddl(ddl)


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        ([1_700_000_000, None], "s"),
        ([1_700_000_000.5], "s"),
        ([1_700_000_000_000], "ms"),
        ([17], None),
        ([True], None),
        (["1700000000"], None),
        ([None], None),
        ([1_700_000_000, 1_700_000_000_000], None),
    ],
)
def test_numbers_that_are_times(values: list[Any], unit: str | None) -> None:
    assert epoch_of(values) == unit


def test_numbers_are_times_by_name_or_format_alone() -> None:
    row = {"created": 1_700_000_000, "population": 1_700_000_000, "seen": 1_700_000_000}
    columns = found([row], seen={"type": "integer", "format": "unix-time"})
    assert [(one.name, one.kind.ddl, one.epoch) for one in columns.found] == [
        ("seen", "timestamp", "s"),
        ("created", "timestamp", "s"),
        ("population", "bigint", None),
    ]


@pytest.mark.parametrize(
    ("name", "value", "table", "personal"),
    [
        ("email", "x", "things", True),
        ("contactEmail", "x", "things", True),
        ("email_verified", True, "things", False),
        ("email_count", 3, "things", False),
        ("phone", 491701234567, "things", True),
        ("birth_date", "1990-01-02", "things", True),
        ("street", "x", "things", True),
        ("address_id", 7, "things", False),
        ("ip", "10.0.0.1", "things", True),
        ("displayName", "x", "things", True),
        ("dag_display_name", "x", "things", False),
        ("name", "x", "things", False),
        ("name", "x", "users", True),
        ("name", "x", "shop_customers", True),
        ("note", "ask ada@example.org", "things", False),
        ("note", "ada@example.org", "things", True),
        ("note", "+49 170 1234567", "things", True),
        ("customer", {"name": "x"}, "things", True),
        ("product", {"name": "x"}, "things", False),
        ("product", {"contact": {"email": "x"}}, "things", True),
        ("lines", [{"shipping": {"city": "x", "zip": "1"}}], "things", True),
        ("tags", ["a", "ada@example.org"], "things", True),
        ("clone", "git@github.com:ada/engine.git", "things", False),
        ("status", "open", "things", False),
        ("updated_at", "2026-01-02T10:00:00Z", "users", False),
    ],
)
def test_personal_columns(name: str, value: Any, table: str, *, personal: bool) -> None:
    (one,) = found([{name: value}], table).found
    assert one.pii == personal


def test_a_format_makes_a_column_personal() -> None:
    assert found([], reach={"type": "string", "format": "email"}).found[0].pii


def test_required_is_what_the_document_says_and_all_rows_have() -> None:
    text = {"type": "string"}
    rows = [
        {"a": "x", "b": "x", "c": "x", "e": "x"},
        {"a": "x", "b": None, "c": "x", "e": "x"},
        {"a": "x", "b": "x", "e": "x"},
    ]
    columns = found(rows, a=text, b=text, c=text, d=text, n={**text, "nullable": True})
    assert [(one.name, one.required) for one in columns.found] == [
        ("a", True),
        ("b", False),
        ("c", False),
        ("e", False),
    ]
    assert columns.left_out == ("d: no row that was read has it", "n: no row that was read has it")
    assert columns.is_sparse


def test_names_that_are_none_of_columns_get_another() -> None:
    row = {"@type": 1, "first name": "x", "first-name": "y", "_row_hash": 1, "2nd": 1, "Id": 1, "id": 2, "ok": 1}
    assert [(one.key, one.name) for one in found([row]).found] == [
        ("@type", "type"),
        ("first name", "first_name"),
        ("first-name", "first_name_2"),
        ("_row_hash", "row_hash"),
        ("2nd", "c_2nd"),
        ("Id", "Id"),
        ("id", "id_2"),
        ("ok", "ok"),
    ]


def test_what_can_be_no_column_is_named_but_no_value_is() -> None:
    row = {"a": None, "b": [], "c": {}, "ada@example.org": 1 << 70, "": 1}
    assert found([row]).left_out == (
        "a: is null or empty on all rows that were read",
        "b: is null or empty on all rows that were read",
        "c: is null or empty on all rows that were read",
        "a key that may be a value (not shown): holds whole numbers of more than 64 bits",
        "a key that may be a value (not shown): can be no column of its own",
    )


def test_attributes_of_json_api_become_columns() -> None:
    rows = [{"id": "1", "type": "x", "attributes": {"title": "a", "first-name": "b", 'a "b': 1}}]
    columns = found(rows)
    assert [(one.name, one.path) for one in columns.found] == [
        ("id", None),
        ("type", None),
        ("title", "attributes.title"),
        ("first_name", 'attributes."first-name"'),
        ("a_b", 'attributes."a \\"b"'),
    ]
    assert [one.pii for one in columns.found] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("rows", "table", "key"),
    [
        ([{"name": "a", "id": 1}, {"name": "b", "id": 2}], "things", ("id",)),
        ([{"thing_id": 1, "shop_id": 1}, {"thing_id": 2, "shop_id": 1}], "things", ("thing_id",)),
        ([{"id": 1, "code": "a"}, {"id": 1, "code": "b"}], "things", ("code",)),
        ([{"id": 1, "code": "a"}, {"id": 1, "code": "a"}], "things", ("id",)),
        ([{"id": None, "sku": "a"}, {"id": 2, "sku": "b"}], "things", ("sku",)),
        (
            [{"user_id": n % 2, "created_at": f"2026-01-0{n // 2 + 1}T00:00:00Z", "x": 1.5} for n in range(8)],
            "plays",
            ("user_id", "created_at"),
        ),
        ([{"first_name": "a", "login_name": "b"}, {"first_name": "c", "login_name": "d"}], "users", ("login_name",)),
        ([{"last_name": "a", "email": "b"}, {"last_name": "c", "email": "d"}], "users", ("email",)),
        ([{"number": "a", "sys_id": "b"}, {"number": "c", "sys_id": "d"}], "incident", ("sys_id",)),
        ([{"x": 1.5}, {"x": 2.5}], "things", None),
        ([{"a": "x", "b": 1}, {"a": "x", "b": None}], "things", None),
    ],
)  # fmt: skip
def test_what_names_a_row(rows: list[dict[str, Any]], table: str, key: tuple[str, ...] | None) -> None:
    guess = key_of(found(rows, table).found, rows, table)
    assert (None if guess is None else guess.columns) == key


def test_a_list_without_rows_has_its_key_by_name() -> None:
    columns = found([], id={"type": "integer"}, name={"type": "string"})
    guess = key_of(columns.found, [], "things")
    assert guess is not None
    assert (guess.columns, guess.because) == (("id",), "by its name alone, as the list has no rows to try it on")
    assert columns.is_sparse


def test_what_says_when_a_row_was_changed() -> None:
    at = "2026-01-02T10:00:00Z"
    assert newest_of(found([{"created_at": at, "lastModifiedDate": at, "updated_at": at}]).found) == "updated_at"
    assert newest_of(found([{"created_at": at, "lastModifiedDate": at}]).found) == "lastModifiedDate"
    assert newest_of(found([{"created_at": at, "updated_at": "yesterday"}]).found) is None


def known(rows: list[dict[str, Any]], table: str, *, is_whole: bool = True) -> Known:
    return Known(found(rows, table).found, ("id",), rows, is_whole)


def pointers(orders: list[dict[str, Any]], *, is_whole: bool = True) -> list[tuple[str, str, str | None]]:
    tables = {
        "orders": known(orders, "orders"),
        "users": known([{"id": 1}, {"id": 2}], "users", is_whole=is_whole),
        "companies": known([{"id": "a"}], "companies"),
    }
    return [(one.column, one.to, one.contradiction) for one in pointers_of("orders", tables)]


def test_columns_that_are_named_after_tables_point_at_them() -> None:
    row = {"id": 9, "user_id": 1, "companyId": "a", "user_ids": [1, 2], "user": 1, "users_seen": 3, "company_ids": [1]}
    assert pointers([row]) == [
        ("user_id", "users.id", None),
        ("companyId", "companies.id", None),
        ("user_ids[]", "users.id", None),
    ]


def test_a_pointer_that_rows_contradict_is_none() -> None:
    said = "1 of 2 values that were read are not among the rows of users"
    rows = [{"id": 9, "user_id": 1}, {"id": 10, "user_id": 3}]
    assert pointers(rows) == [("user_id", "users.id", said)]
    assert pointers(rows, is_whole=False) == [("user_id", "users.id", None)]


def test_one_of_many() -> None:
    many = ("users", "companies", "boxes", "addresses", "people", "status", "classes", "houses")
    assert [singular(one) for one in many] == [
        "user", "company", "box", "address", "person", "status", "class", "house"
    ]  # fmt: skip
