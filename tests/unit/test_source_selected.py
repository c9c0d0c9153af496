"""Rows and numbers that JMESPath expressions select in answers: which there are, with which text, and what is an error."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.config.reading import KEY, POSITION, Cut
from lib.errors import SourceError
from lib.source.access import Access
from lib.source.answer import at, is_null, says
from lib.source.client import SourceClient
from lib.source.cut import CutRow, cut_rows
from lib.source.json_text import Json
from lib.source.located import Located
from lib.source.page import PageRow, PageShape, fetch_page, look_at
from lib.source.paging import AllAtOnce, Cursors, Keysets, Offsets, PageNumbers, Position
from lib.source.rules import Condition, Rule
from lib.source.select import selected_rows
from tests.scripted_server import Reply, ScriptedServer
from tests.suite_parts import examples

LONG = "1234567890123456789012345678901234567890"


def seen(body: str, items: str, *, page: int = 1, total: str | None = "total") -> PageShape:
    return look_at(body, PageNumbers(items=items, total=total), {}, Position(page, 100))


@pytest.mark.parametrize(
    ("items", "body", "n_items"),
    [
        ("edges[].node", '{"edges": [{"node": {"id": 1}}, {"node": {"id": 2}}]}', 2),
        ("data.edges[*].node", '{"data": {"edges": [{"node": {"id": 1}}, {"cursor": "no node"}]}}', 1),
        ("data.*", '{"data": {"u1": {"id": 1}, "u2": {"id": 2}}}', 2),
        ("values(@)", '{"u1": {"id": 1}, "u2": {"id": 2}}', 2),
        ("[].track", '[{"track": {"id": 1}}, {"track": {"id": 2}}]', 2),
        ("groups[].rows[]", '{"groups": [{"rows": [{"id": 1}, {"id": 2}]}, {"rows": []}, {"rows": [{"id": 3}]}]}', 3),
        ("rows[?kind=='a']", '{"rows": [{"kind": "a"}, {"kind": "b"}]}', 1),
        ('"odd key"[0]', '{"odd key": [[{"id": 1}], []]}', 1),
        ("rows[].{id: id}", '{"rows": [{"id": 1}]}', 1),
        # Dotted paths are no expressions, whatever signs their keys have.
        ("@graph.rows-of.day:1", '{"@graph": {"rows-of.day:1": [{"id": 1}, {}]}}', 2),
    ],
)
def test_rows_are_where_an_expression_or_a_path_says(items: str, body: str, n_items: int) -> None:
    assert seen(body, items).n_items == n_items


def test_a_null_in_the_place_of_a_row_is_a_row_and_one_on_the_way_is_none() -> None:
    assert seen('{"edges": [{"node": null}, {"node": {"id": 1}}, {}]}', "edges[].node").n_items == 2
    assert seen('{"edges": [{"a": {"node": null}}, {"a": null}, {"a": {}}, {}]}', "edges[].a.node").n_items == 2
    assert seen('{"rows": [null, {"id": 1}]}', "rows[]").n_items == 2
    assert seen('{"rows": {"u1": null, "u2": {"id": 1}}}', "rows.*").n_items == 2
    assert seen('{"rows": [{"ok": true, "x": null}, {"x": null}]}', "rows[?ok].x").n_items == 1
    assert seen('{"groups": [{"rows": null}, {"rows": [{"id": 1}]}]}', "groups[].rows[]").n_items == 1


def test_the_hash_of_the_rows_tells_other_rows_and_other_keys() -> None:
    one = seen('{"d": {"u1": {"id": 1}}, "at": 1}', "d.*").items_sha256
    assert one == seen('{"at": 2, "d":{"u1":{"id":1}}}', "d.*").items_sha256
    assert one != seen('{"d": {"u1": {"id": 2}}}', "d.*").items_sha256
    assert one != seen('{"d": {"u2": {"id": 1}}}', "d.*").items_sha256


@pytest.mark.parametrize(
    ("items", "body", "message"),
    [
        (
            "edges[].node",
            '{"nodes": []}',
            "the answer has no list of rows at api.pagination.items: edges[].node (its keys are nodes)",
        ),
        (
            "data[0]",
            '{"data": [{"id": 1}]}',
            "the answer has no list of rows at api.pagination.items: data[0] (there is an object; if its values are the rows, "
            "write data[0].*)",
        ),
        (
            "@graph.users",
            '{"@graph": {"users": {"u1": {"id": 1}}}}',
            "the answer has no list of rows at api.pagination.items: @graph.users (there is an object; if its values are the "
            'rows, write "@graph".users.*)',
        ),
        (
            "edges[].id",
            '{"edges": [{"id": "secret"}, {"id": 7}]}',
            "api.pagination.items: edges[].id selects a list whose elements are not objects (there is text, a number)",
        ),
        (
            "values(data)",
            '{"data": ["secret"]}',
            "api.pagination.items: values(data): values() takes object, and is given array (its keys are data)",
        ),
        (
            "rows[?a]",
            '{"rows": [{"b": "secret"}, {"b": 2}]}',
            "api.pagination.items: rows[?a] leaves out all of the 2 elements of a page, and a page without rows is the end of "
            "the table; take them as rows, or let the source leave them out",
        ),
    ],
)
def test_what_is_no_list_of_objects_is_an_error_without_a_value(items: str, body: str, message: str) -> None:
    with pytest.raises(SourceError) as error:
        seen(body, items)
    assert str(error.value) == message
    assert error.value.__context__ is None


def test_a_page_of_which_nothing_is_taken_is_no_end_for_a_style_that_knows_none() -> None:
    body = '{"rows": [{"id": 1}], "next_cursor": null}'
    for paging in (Offsets(items="rows[?a]", total=None), Keysets(items="rows[?a]", total=None)):
        with pytest.raises(SourceError, match="leaves out all of the 1 elements"):
            look_at(body, paging, {})
    assert look_at(body, Cursors(items="rows[?a]", total=None), {}).n_items == 0
    # Nor is a first page that is full, and names no next one, all there is because an expression has left out some of it.
    full = '{"rows": [{"id": 1, "a": 1}, {"id": 2}]}'
    with pytest.raises(SourceError, match="the first page is full, and does not say whether there is a next one"):
        look_at(full, Cursors(items="rows[?a]", total=None, size=2), {})


def test_rows_that_are_null_are_an_empty_page_where_there_can_be_none_and_not_beside_an_error() -> None:
    assert seen('{"edges": null, "total": 0}', "edges[].node").n_items == 0
    assert seen('{"edges": null}', "edges[].node", page=2).n_items == 0
    assert seen('{"data": null}', "values(data)", page=2).n_items == 0
    with pytest.raises(SourceError, match="no list of rows"):
        seen('{"edges": null, "errors": [{"message": "no"}]}', "edges[].node", page=2)


def test_numbers_and_the_next_page_are_where_an_expression_says() -> None:
    links = '{"rows": [{"id": 1}], "meta": [{"n": 5}], "links": [{"rel": "self"}, {"rel": "next", "token": "t2"}]}'
    paging = Cursors(items="rows", total="meta[0].n", next="links[?rel=='next'].token | [0]", size=1)
    shape = look_at(links, paging, {})
    assert (shape.total, shape.next_cursor) == (5, "t2")
    last = look_at('{"rows": [{"id": 5}], "meta": [], "links": [{"rel": "self"}]}', paging, {})
    assert (last.total, last.next_cursor) == (None, None)
    with pytest.raises(SourceError, match="does not say whether there is a next one"):
        look_at('{"rows": [{"id": 5}], "meta": []}', paging, {})


def test_places_of_an_expression() -> None:
    answer: Json = {"edges": [{"cursor": "c1"}, {"cursor": "c2"}], "none": None, "sum": ["x"]}
    assert at(answer, "edges[-1].cursor") == "c2"
    assert at(answer, "length(none)") is None
    assert (is_null(answer, "none[].x"), is_null(answer, "edges[].x"), is_null(answer, "length(@)")) == (
        True,
        False,
        False,
    )
    assert (says(answer, "edges[?x]"), says(answer, "none[0]"), says(answer, "other[0]")) == (True, True, False)
    with pytest.raises(SourceError, match=r"^sum\(sum\): sum\(\) takes array-number, and is given string$"):
        at(answer, "sum(sum)")
    assert not Condition("sum(sum)", "exists", value=True).is_met_by(answer)
    assert Condition("edges[?cursor=='c2'] | length(@)", "equals", 1).is_met_by(answer)


def test_rows_keep_the_text_that_the_source_gave_them() -> None:
    body = f' {{"edges" : [ {{"node": {{"id":{LONG}, "x": 1.10 , "s": "\\u00e9"}}, "c": 1}},{{ "node" : {{}} }} ]}} '
    cut = Cut("edges[].node", of_row=(("name", KEY),))
    assert cut_rows(body, cut) == [
        CutRow(f'{{"id":{LONG}, "x": 1.10 , "s": "\\u00e9"}}', None, (), '{"name":"node"}'),
        CutRow("{}", None, (), '{"name":"node"}'),
    ]
    # What an expression has put together is written anew, its numbers as they were.
    [row, _] = cut_rows(body, Cut("edges[].{a: node.id, b: node.x, c: node}"))
    assert row.json == f'{{"a":{LONG},"b":1.10,"c":{{"id":{LONG},"x":1.10,"s":"\\u00e9"}}}}'
    assert cut_rows("", cut) == []
    assert pickle.loads(pickle.dumps(cut)) == cut


def test_a_bad_row_of_a_page_takes_no_other_with_it() -> None:
    body = '{"edges": [{"node": {"id": 1, "id": 2}}, {"node": null}, {"node": {"id": 1e999}}, {"node": {"id": 3}}], "total": 4}'
    shape = seen(body, "edges[].node")
    # Cut out of the body again when it is read, so not kept a second time.
    assert (shape.n_items, shape.total, shape.rows) == (4, 4, None)
    assert [(row.json, row.problems) for row in cut_rows(body, Cut("edges[].node"))] == [
        ('{"id":null}', ("duplicate_key:id",)),
        (None, ("not_an_object",)),
        ('{"id":null}', ("unreadable_number:id",)),
        ('{"id": 3}', ()),
    ]
    with pytest.raises(SourceError, match="the key 'a' appears twice in one JSON object"):
        seen('{"edges": [{"node": {"id": 1}}], "a": 1, "a": 2}', "edges[].node")


def test_nested_rows_have_what_their_parent_gives_them() -> None:
    body = f'[{{"id": {LONG}, "by": {{"name": "x\\u00e9"}}, "l": [{{"a": 1}}, {{"a":2}}]}}, {{"id": 2, "l": null}}, {{"id": 3}}]'
    cut = Cut("$", "l", (("line", POSITION),), (("order", ("id",)), ("who", ("by", "name")), ("gone", ("x", 0))))
    given = f'{{"order":{LONG},"who":"x\\u00e9","gone":null,"line":'
    assert cut_rows(body, cut) == [
        CutRow('{"a": 1}', None, (), f"{given}0}}"),
        CutRow('{"a":2}', None, (), f"{given}1}}"),
    ]
    keyed = cut_rows('{"u1": {"l": [{"a": 1}]}}', Cut("*", "l", (), (("user", ()),)))
    assert keyed == [CutRow('{"a": 1}', None, (), '{"user":"u1"}')]


def test_one_answer_of_an_object_by_id_is_a_whole_table() -> None:
    shape = look_at('{"u1": {"id": 1}, "u2": {"id": 2}}', AllAtOnce(items="*", total=None), {})
    assert (shape.n_items, shape.next_cursor) == (2, None)


def fetched(body: bytes, items: str, *rules: Rule, page: int = 1) -> PageRow:
    with ScriptedServer() as server:
        server.play("/t", Reply(body))
        access = Access(
            base_url=server.url, paging=PageNumbers(items=items, total=None), attempts=1, rules=(("t", rules),)
        )
        with SourceClient(access) as client:
            return fetch_page(client, run_id="r", table="t", path="/t", position=Position(page, 100))


def test_a_page_is_landed_as_it_came_and_an_error_names_the_place() -> None:
    body = b'{"edges": [{"node": {"id": 1}}, {"node": null}]}'
    row = fetched(body, "edges[].node")
    assert (row.body, row.n_items, row.rows, row.error) == (body.decode(), 2, None, None)
    failed = fetched(b'{"edges": {"a": 1}}', "edges[].node")
    assert (failed.error or "").endswith(
        "/t?page=1&size=100: the answer has no list of rows at api.pagination.items: edges[].node (its keys are edges)"
    )


def test_a_rule_that_ends_a_walk_looks_for_rows_where_the_expression_does() -> None:
    end = Rule("api.errors[0]", "end", None, Condition("errors[?code=='NO_MORE'] | [0]", "exists", value=True))
    over = fetched(b'{"users": {}, "errors": [{"code": "NO_MORE"}]}', "users.*", end, page=2)
    assert (over.n_items, over.body, over.error) == (0, "", None)
    rows = fetched(b'{"users": {"u1": {"id": 1}}, "errors": [{"code": "NO_MORE"}]}', "users.*", end, page=2)
    assert (rows.error or "").endswith("there is something at api.pagination.items: users.*; an end has no rows")
    # Not about this answer: its expression finds nothing.
    other = fetched(b'{"users": {"u1": {"id": 1}}, "errors": "none"}', "users.*", end, page=2)
    assert (other.n_items, other.error) == (1, None)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from('abc[,"\\'), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=examples(200), deadline=None)
@given(
    answer=_VALUES,
    indent=st.sampled_from([None, 1]),
    items=st.sampled_from(["*", "[]", "a[].b", "a.*", "[?a].b[]", "@"]),
)
def test_the_text_of_what_is_selected_is_a_part_of_the_text_and_reads_as_it(
    answer: Json, indent: int | None, items: str
) -> None:
    located = Located(json.dumps(answer, indent=indent))
    found = selected_rows(located.value, items)
    rows = found if isinstance(found, list) else [found]
    texts = located.texts(rows)
    assert [json.loads(text) for text in texts] == rows
    assert all(
        text in json.dumps(answer, indent=indent)
        for text, row in zip(texts, rows, strict=True)
        if isinstance(row, dict)
    )
