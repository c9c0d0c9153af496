"""One bad row on a page: it is told apart with its reason, and all others are taken."""

from __future__ import annotations

import json

import pytest

from lib.source.page import PageShape, look_at
from lib.source.paging import PageNumbers
from lib.source.retry import TryAgainError

GOOD = '{"id":1,"price":1.10}'


def page_of(*rows: str, items: str = "items") -> PageShape:
    body = "[" + ",".join(rows) + "]" if items == "$" else '{"total":3,"items":[' + " , ".join(rows) + "]}"
    return look_at(body, PageNumbers(items=items), {})


@pytest.mark.parametrize(
    ("row", "readable", "shown", "problems"),
    [
        ("null", None, None, ("not_an_object",)),
        ("17", None, None, ("not_an_object",)),
        ('"text, and {more}"', None, None, ("not_an_object",)),
        ("[]", None, None, ("not_an_object",)),
        ("NaN", None, None, ("not_an_object",)),
        (r'"\ud800"', None, None, ("not_an_object",)),
        (r'{"id":2,"a":"x\ud800"}', {"id": 2, "a": None}, {"a": r'"x\ud800"'}, ("unreadable_text:a",)),
        (r'{"id":2,"a":[{"b\udc00":1}]}', {"id": 2, "a": None}, {"a": r'[{"b\udc00":1}]'}, ("unreadable_text:a",)),
        (r'{"id":2,"\ud800":1}', {"id": 2}, {}, ("unreadable_text",)),
        ('{"id":2,"a":NaN}', {"id": 2, "a": None}, {"a": "NaN"}, ("unreadable_number:a",)),
        ('{"id":2,"a":[-Infinity]}', {"id": 2, "a": None}, {"a": "[-Infinity]"}, ("unreadable_number:a",)),
        ('{"id":2,"a":1e400}', {"id": 2, "a": None}, {"a": "1e400"}, ("unreadable_number:a",)),
        ('{"id":2,"a":1,"a":2}', {"id": 2, "a": None}, {"a": "1"}, ("duplicate_key:a",)),
        ('{"id":2,"a":{"b":1,"b":2}}', {"id": 2, "a": None}, {"a": '{"b":1,"b":2}'}, ("duplicate_key:a",)),
        (
            r'{"id":2,"a":NaN,"b":"\ud800","c":"\u0000"}',
            {"id": 2, "a": None, "b": None, "c": "\0"},
            {"a": "NaN", "b": r'"\ud800"'},
            ("unreadable_number:a", "unreadable_text:b"),
        ),
    ],
)
@pytest.mark.parametrize("items", ["items", "$"])
@pytest.mark.parametrize("position", [0, 1])
def test_a_bad_row_is_told_apart_and_the_others_are_as_they_came(
    row: str, readable: object, shown: object, problems: tuple[str, ...], items: str, position: int
) -> None:
    given = [GOOD, GOOD]
    given.insert(position, row)
    page = page_of(*given, items=items)
    assert page.n_items == 3
    assert page.total == (3 if items == "items" else None)
    assert page.rows is not None
    bad = page.rows[position]
    assert bad.problems == problems
    assert (None if bad.json is None else json.loads(bad.json)) == readable
    assert (None if bad.shown is None else json.loads(bad.shown)) == shown
    assert [(one.json, one.problems) for one in page.rows if one is not bad] == [(GOOD, ()), (GOOD, ())]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("9" * 400, "unreadable_number:a"),
        ("9" * 5000, "unreadable_number:a"),
        ("0." + "1" * 1500, "unreadable_number:a"),
        ('"' + "x" * 20_000_001 + '"', "too_long:a"),
        ('{"' + "n" * 50_001 + '":1}', "too_long:a"),
        ("[" * 600 + "]" * 600, "too_deep:a"),
        ('{"b":' * 5000 + "1" + "}" * 5000, "too_deep:a"),
    ],
    ids=["400 digits", "5000 digits", "1500 decimals", "20 million characters", "long name", "600 deep", "5000 deep"],
)
def test_a_value_beyond_what_the_jvm_reads_is_told_apart_and_shown_cut(value: str, problem: str) -> None:
    page = page_of(GOOD, f'{{"id":2,"a":{value}}}')
    assert page.rows is not None
    assert [row.problems for row in page.rows] == [(), (problem,)]
    assert json.loads(page.rows[1].json or "") == {"id": 2, "a": None}
    assert len(page.rows[1].shown or "") < 2000


@pytest.mark.parametrize(
    "value",
    [
        "9" * 300,
        "0." + "1" * 990,
        '"' + "x" * 30_000 + '"',
        '"' + "x" * 60_000 + '"',
        "[" * 490 + "]" * 490,
        r'"\u0000"',
    ],
    ids=["300 digits", "990 decimals", "30,000 characters", "60,000 characters", "490 deep", "NUL"],
)
def test_a_value_within_the_limits_makes_no_page_a_special_one(value: str) -> None:
    page = page_of(GOOD, f'{{"id":2,"a":{value}}}')
    assert (page.rows, page.n_items) == (None, 2)


def test_the_hash_of_the_rows_does_not_hang_on_the_spaces_of_good_ones() -> None:
    one, other = page_of(GOOD, "null"), page_of('{ "id" : 1, "price": 1.10 }', "null")
    assert one.items_sha256 == other.items_sha256
    assert one.items_sha256 != page_of(GOOD, "17").items_sha256


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ([GOOD, '{"id":2,"name":nul}'], r"\(row 1 of the page, counted from 0, column 'name'\)"),
        ([GOOD, GOOD, '{"id":2,}'], r"\(row 2 of the page, counted from 0"),
        (
            [GOOD, r'{"id":NaN,"a":"\ud800"}', '{"id":2,"name":nul}'],
            r"\(row 2 of the page, counted from 0, column 'name'\)",
        ),
        ([GOOD, '{"id":2,"name":"cut'], r"\(row 1 of the page, counted from 0, column 'name'\)"),
    ],
)
@pytest.mark.parametrize("items", ["items", "$"])
def test_broken_json_is_an_error_that_names_row_and_column(rows: list[str], where: str, items: str) -> None:
    with pytest.raises(TryAgainError, match=rf"not valid JSON: .* at character [0-9]+ {where}") as raised:
        page_of(*rows, items=items)
    assert raised.value.reason == "not_json"
