"""Landed pages with their rows cut out, as an executor does it, and what the shapes of rows tell of nested columns."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from lib.config.reading import KEY, Cut
from lib.landing import cut_pages
from lib.landing.cut_pages import CutPages
from lib.source.cut import cut_rows
from lib.tables.shape import has_place

SHAPE = "ARRAY<OBJECT<id: BIGINT, tags: ARRAY<OBJECT<name: STRING>>, user: OBJECT<`first name`: STRING, home: VOID>>>"


def landed(*bodies: str | None) -> pa.RecordBatch:
    pages = [{"run_id": "r1", "page": number, "body": body} for number, body in enumerate(bodies, start=1)]
    return pa.RecordBatch.from_pylist(
        pages, pa.schema({"run_id": pa.string(), "page": pa.int64(), "body": pa.string()})
    )


def test_pages_keep_their_place_and_hold_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_pages, "BYTES_A_BATCH", 20)
    task = CutPages(Cut("u.*", of_row=(("id", KEY),)))
    assert pickle.loads(pickle.dumps(task)) == task
    bodies = ['{"u": {"a": {"n": 1.50}, "b": null}}', None, '{"u": {}}', ""]
    batches = list(task([landed(*bodies), landed()]))
    # The first page fills a batch.
    assert [batch.num_rows for batch in batches] == [1, 3]
    [first, second, third, fourth] = [page for batch in batches for page in batch.to_pylist()]
    assert first == {
        "run_id": "r1",
        "part": None,
        "page": 1,
        "body": None,
        "rows": [
            {"json": '{"n": 1.50}', "shown": None, "problems": [], "given": '{"id":"a"}'},
            {"json": None, "shown": None, "problems": ["not_an_object"], "given": '{"id":null}'},
        ],
    }
    # A page that a rule skipped, one without rows, and one that a rule calls the end.
    assert [(page["page"], page["rows"]) for page in (second, third, fourth)] == [(2, []), (3, []), (4, [])]


@pytest.mark.parametrize(
    ("steps", "is_there"),
    [
        (("id",), True),
        (("user", "first name"), True),
        (("user", "last name"), False),
        (("tags", 0, "name"), True),
        (("tags", 0, "id"), False),
        (("tags", "name"), False),
        # A null on the way may hold anything.
        (("user", "home", "city"), True),
        (("nothing",), False),
    ],
)
def test_a_nested_column_is_there_if_a_row_has_its_keys(steps: tuple[str | int, ...], *, is_there: bool) -> None:
    assert has_place([SHAPE], steps) is is_there
    assert has_place([], steps) is False
    assert has_place(["ARRAY<OBJECT<nothing: VARIANT, user: VARIANT>>"], ("user", "last name")) is True


@pytest.mark.parametrize("nested", ["lines", "lines[]"])
@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        ("[{}]", [[]]),
        ("[]", []),
        ("null", []),
        ('{"sku": "a"}', [["no_list"]]),
        ("7", [["no_list"]]),
        ('"a"', [["no_list"]]),
    ],
)
def test_what_is_no_list_where_nested_rows_should_be_is_no_row_and_no_silence(
    nested: str, lines: str, problems: list[list[str]]
) -> None:
    rows = cut_rows(f'{{"items": [{{"id": 1, "lines": {lines}}}]}}', Cut("items", nested=nested))
    assert [list(row.problems) for row in rows] == problems
