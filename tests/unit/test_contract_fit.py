"""What a table holds against what its YAML declares: which types are wider, and what is refused."""

from __future__ import annotations

import pytest

from lib.config import Table
from lib.tables.fit import fit


def table(on_new_column: str = "ignore", **columns: str) -> Table:
    declared = {"id": "bigint!", **columns}
    return Table.model_validate(
        {"name": "t", "path": "/t", "key": ["id"], "on_new_column": on_new_column, "columns": declared}
    )


@pytest.mark.parametrize(
    ("held", "declared"),
    [
        ("int", "bigint"),
        ("int", "double"),
        ("decimal(10,2)", "decimal(12,2)"),
        ("decimal(10,2)", "decimal(12,4)"),
        ("array<int>", "array<bigint>"),
        ("struct<a:int,b:string>", "struct<a:bigint,b:string>"),
        ("array<struct<a:decimal(3,1)>>", "array<struct<a:decimal(4,1)>>"),
    ],
)
def test_a_type_that_takes_every_value_exactly_is_wider(held: str, declared: str) -> None:
    fitted = fit(table(x=declared), {"id": "bigint", "x": held})
    assert (fitted.widened, fitted.problems) == ({"x": declared}, ())


@pytest.mark.parametrize(
    ("held", "declared"),
    [
        ("bigint", "int"),
        ("bigint", "double"),
        ("double", "int"),
        ("int", "string"),
        ("date", "timestamp"),
        ("decimal(10,2)", "decimal(9,2)"),
        ("decimal(10,2)", "decimal(11,1)"),
        ("decimal(10,2)", "decimal(10,3)"),
        ("int", "decimal(10,0)"),
        ("array<bigint>", "array<int>"),
        ("array<int>", "bigint"),
        ("struct<a:int>", "struct<b:int>"),
        ("struct<a:int>", "struct<a:int,b:int>"),
        ("struct<a:int,b:bigint>", "struct<a:bigint,b:int>"),
    ],
)
def test_a_type_that_could_lose_something_is_refused(held: str, declared: str) -> None:
    fitted = fit(table(x=declared), {"id": "bigint", "x": held})
    assert fitted.widened == {}
    [problem] = fitted.problems
    assert problem.startswith(
        f"tables.t.columns.x: the lake holds {held}, which cannot become {declared} without loss; "
    )


def test_what_is_only_declared_is_added_and_what_is_only_held_has_to_be_declared() -> None:
    fitted = fit(table(new="date"), {"id": "bigint", "old": "int"})
    assert (fitted.added, fitted.adopted) == ({"new": "date"}, {"old": "int"})
    [problem] = fitted.problems
    assert "the lake holds a column 'old' that is not declared; declare old: int, or rebuild the tables" in problem
    assert fit(table("evolve", new="date"), {"id": "bigint", "old": "int"}).problems == ()


def test_a_name_that_differs_from_a_held_one_in_case_alone_is_refused() -> None:
    fitted = fit(table("evolve", size="int"), {"id": "bigint", "Size": "int"})
    assert fitted.problems == (
        "tables.t.columns.size: the lake holds 'Size', and a table cannot have two columns whose names differ only in case",
    )
