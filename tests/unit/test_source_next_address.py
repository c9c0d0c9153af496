"""The address of the next page, from the body or a Link header: resolved, checked as a redirect is, and followed as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lib.landing.plan import make_plan
from lib.source.access import Access, Fixed
from lib.source.client import SourceClient
from lib.source.gate import OPEN_GATE
from lib.source.page import PageRow, fetch_page
from lib.source.paging import AllAtOnce, Keysets, LinkHeaders, NextUrls, Paging, Position
from tests.scripted_server import Raw, Reply, ScriptedServer

KEY = "planted-key"
MAIL = "ada.lovelace@example.org"
NEXT = NextUrls(next="links.next")
ROWS = [{"id": 1}]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    with ScriptedServer({("/t", None): [Reply(page(None))]}) as running:
        yield running


def page(named: object, **more: object) -> bytes:
    return json.dumps({"items": ROWS, "links": {"next": named}, **more}).encode()


def access(server: ScriptedServer, paging: Paging = NEXT, path: str = "", **more: Any) -> Access:
    return Access(base_url=server.url + path, timeout_s=3, attempts=1, paging=paging, **more)


def fetch(access: Access, cursor: str | None = None) -> PageRow:
    with SourceClient(access) as client:
        position = Position(1 if cursor is None else 2, cursor=cursor)
        return fetch_page(client, run_id="r", table="t", path="/t", position=position)


@pytest.mark.parametrize(
    ("named", "resolved"),
    [
        ("{home}/api/t?page=2", "{home}/api/t?page=2"),
        ("/other?page=2", "{home}/other?page=2"),
        ("?page=2", "{home}/api/t?page=2"),
        ("u?page=2", "{home}/api/u?page=2"),
        ("../u", "{home}/u"),
        ("//{host}/t?page=2", "{home}/t?page=2"),
        ("  ?page=2\n", "{home}/api/t?page=2"),
        ("?page=2#top", "{home}/api/t?page=2"),
        ("?q=a%2Bb+c&q=%C3%A9&empty&blank=&x=a;b", "{home}/api/t?q=a%2Bb+c&q=%C3%A9&empty&blank=&x=a;b"),
    ],
)
def test_it_is_resolved_against_the_address_that_was_asked(named: str, resolved: str, server: ScriptedServer) -> None:
    home = {"home": server.url, "host": server.url.removeprefix("http://")}
    server.play("/api/t", Reply(page(named.format(**home))))
    row = fetch(access(server, path="/api"))
    assert row.error is None
    assert row.next_cursor == resolved.format(**home)
    assert server.asked[0].query == {"size": ["100"]}


def test_it_is_resolved_against_the_last_redirect(server: ScriptedServer) -> None:
    server.play("/t", Reply(b"", status=302, headers={"Location": "/v2/orders/"}))
    server.play("/v2/orders/", Reply(page("?page=2")))
    assert fetch(access(server)).next_cursor == f"{server.url}/v2/orders/?page=2"


def test_the_whole_address_is_followed_with_the_key_and_what_is_fixed_where_it_lacks_them(
    server: ScriptedServer,
) -> None:
    server.play("/u", Reply(page(None)))
    fixed = Fixed(params=(("lang", "de"), ("tenant", "7")), secret_params=(("partner", "p4rtner"),))
    row = fetch(
        access(server, headers=(("X-Api-Key", KEY),), params=(("key", KEY),), fixed=(("t", fixed),)),
        f"{server.url}/u?page=2&tenant=8&q=a%2Bb",
    )
    assert (row.error, row.n_items, row.next_cursor) == (None, 1, None)
    [asked] = server.asked
    assert asked.target == f"/u?page=2&tenant=8&q=a%2Bb&lang=de&partner=p4rtner&key={KEY}"
    assert asked.headers["x-api-key"] == KEY
    assert row.url == f"{server.url}/t?***"
    assert "tenant=8" not in repr(row)


def test_a_credential_that_the_source_repeats_under_its_name_lands_nowhere_and_is_sent_anew(
    server: ScriptedServer,
) -> None:
    server.play("/t", Reply(page(f"/t?key={KEY}&page=2&partner=p4rtner")), Reply(page(None)))
    fixed = Fixed(secret_params=(("partner", "p4rtner"),))
    asking = access(server, params=(("key", KEY),), fixed=(("t", fixed),))
    row = fetch(asking)
    assert row.next_cursor == f"{server.url}/t?page=2"
    assert fetch(asking, row.next_cursor).error is None
    assert server.asked[1].query == {"page": ["2"], "key": [KEY], "partner": ["p4rtner"]}


@pytest.mark.parametrize("form", ["/planted-key/t", "/t?x=planted%2Dkey", "/t?x=%70lanted-key"])
def test_one_that_holds_a_credential_elsewhere_is_refused(form: str, server: ScriptedServer) -> None:
    server.play("/t", Reply(page(form)))
    row = fetch(access(server, headers=(("X-Api-Key", KEY),)))
    expected = "api.pagination.next: links.next: the source names as the next page an address that holds a credential"
    assert row.error == f"{server.url}/t?size=100: {expected}"
    assert (row.body, row.next_cursor) == (None, None)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            f"http://evil.example/t?email={MAIL}",
            "http://evil.example:80 is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "//evil.example/t",
            "http://evil.example:80 is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "http://127.0.0.1:1/t",
            "http://127.0.0.1:1 is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "http://169.254.169.254/latest/meta-data",
            "http://169.254.169.254:80 is a link-local address or a metadata service, which is never contacted",
        ),
        (f"mailto:{MAIL}", "an address that is neither http:// nor https:// is not followed"),
        (f"http://{MAIL}/t", "an address that holds a user or password is not followed"),
        (f"/t?email= {MAIL}", "an address with spaces, control characters or backslashes is not followed"),
        ("http://127.0.0.1:x/", "an address whose host or port cannot be read is not followed"),
        ("http://[::1", "the source names as the next page something that is not a URL"),
    ],
)
@pytest.mark.parametrize("style", ["next_url", "link_header"])
def test_one_that_may_not_be_asked_is_an_error_that_shows_no_more_than_its_origin(
    style: str, named: str, message: str, server: ScriptedServer
) -> None:
    if style == "next_url":
        server.play("/t", Reply(page(named)))
        paging, setting = NEXT, "api.pagination.next: links.next"
    else:
        server.play("/t", Reply(page(None), headers={"Link": f'<{named}>; rel="next"'}))
        paging, setting = LinkHeaders(), "api.pagination.style: link_header"
    row = fetch(access(server, paging))
    assert row.error == f"{server.url}/t?size=100: {setting}: {message}"
    assert len(server.asked) == 1


def test_one_on_a_listed_host_is_asked_without_credentials(server: ScriptedServer, other: ScriptedServer) -> None:
    server.play("/t", Reply(page(f"{other.url}/t?page=2")))
    fixed = Fixed(params=(("tenant", "7"),), secret_headers=(("X-Sign", KEY),))
    asking = access(
        server,
        headers=(("Authorization", f"Bearer {KEY}"),),
        params=(("key", KEY),),
        fixed=(("t", fixed),),
        allowed_hosts=(f"127.0.0.1:{other.port}",),
    )
    row = fetch(asking, fetch(asking).next_cursor)
    assert row.error is None
    assert other.asked[0].query == {"page": ["2"]}
    assert KEY not in str(other.asked)


def test_an_address_that_landed_is_checked_again_when_it_is_asked(
    server: ScriptedServer, other: ScriptedServer
) -> None:
    row = fetch(access(server), f"{other.url}/t?page=2")
    assert row.error == (
        f"{server.url}/t?***: {other.url} is another server than api.url; if it may be asked, list it in api.allowed_hosts"
    )
    assert other.asked == []


def test_a_redirect_without_a_query_keeps_that_of_the_address(server: ScriptedServer) -> None:
    server.play("/u", Reply(b"", status=302, headers={"Location": "/v/"}))
    server.play("/v/", Reply(page(None)))
    assert fetch(access(server), f"{server.url}/u?page=2&q=a%2Bb").error is None
    assert server.asked[1].query == {"page": ["2"], "q": ["a+b"]}


@pytest.mark.parametrize("end", [None, False, ""])
def test_nothing_there_is_the_end(end: object, server: ScriptedServer) -> None:
    server.play("/t", Reply(page(end)), Reply(b'{"items": []}'))
    assert fetch(access(server)).next_cursor is None
    assert fetch(access(server)).next_cursor is None


@pytest.mark.parametrize("wrong", [True, 2, 1.5, ["/t"], {"href": "/t"}])
def test_what_is_no_text_is_an_error(wrong: object, server: ScriptedServer) -> None:
    server.play("/t", Reply(page(wrong)))
    row = fetch(access(server))
    assert row.error == f"{server.url}/t?size=100: api.pagination.next: links.next is not text in the answer"


# Link headers


def test_several_header_lines_are_one_list(server: ScriptedServer) -> None:
    body = b'[{"id": 1}]'
    server.play(
        "/t",
        Raw(
            b'HTTP/1.1 200 OK\r\nLink: </t?p=0>; rel="prev"; title="a, b"\r\nContent-Length: 11\r\n'
            b'link: </style.css>; rel=preload\r\nLINK: <?p=2>; Rel="last NEXT"\r\n\r\n' + body
        ),
    )
    row = fetch(access(server, LinkHeaders(items="$", total="header:X-Total-Count")))
    assert (row.error, row.n_items, row.next_cursor) == (None, 1, f"{server.url}/t?p=2")


def test_a_target_beyond_ascii_is_asked_in_utf_8(server: ScriptedServer) -> None:
    server.play("/t", Reply(b"[]", headers={"Link": "</t?name=é>; rel=next".encode().decode("latin-1")}))
    asking = access(server, LinkHeaders(items="$"))
    row = fetch(asking)
    assert row.next_cursor == f"{server.url}/t?name=é"
    fetch(asking, row.next_cursor)
    assert server.asked[1].query == {"name": ["é"]}


def test_a_link_header_that_cannot_be_read_is_an_error(server: ScriptedServer) -> None:
    server.play("/t", Reply(b"[]", headers={"Link": f"{MAIL}; rel=next"}))
    row = fetch(access(server, LinkHeaders(items="$")))
    assert row.error == f"{server.url}/t?size=100: the Link header cannot be read"


@pytest.mark.parametrize("headers", [{}, {"Link": '</t>; rel="first"'}])
def test_a_full_only_page_is_taken_for_all_only_where_there_is_a_link_header(
    headers: dict[str, str], server: ScriptedServer
) -> None:
    server.play("/t", Reply(b'[{"id": 1}, {"id": 2}]', headers=headers))
    plan = make_plan(access(server, LinkHeaders(items="$", size=2)), "r", [("t", "/t")], OPEN_GATE)
    if headers:
        assert [table.table for table in plan.tables] == ["t"]
    else:
        assert plan.failed == {
            "t": f"{server.url}/t?size=2: the first page is full, and does not say whether there is a next one "
            "(api.pagination.style: link_header; it is a list)"
        }


def test_an_empty_answer_behind_the_first_page_is_the_end_only_with_a_link_header(server: ScriptedServer) -> None:
    paging = LinkHeaders(total=None)
    server.play("/t", Reply(b'{"items": null}'), Reply(b"", status=204))
    for _ in range(2):
        assert fetch(access(server, paging), f"{server.url}/t?p=2").error is not None
    headers = {"Link": '</t>; rel="first"'}
    server.play("/t", Reply(b'{"items": null}', headers=headers), Reply(b"", status=204, headers=headers))
    for _ in range(2):
        row = fetch(access(server, paging), f"{server.url}/t?p=2")
        assert (row.error, row.n_items, row.next_cursor) == (None, 0, None)


def test_one_answer_for_all_that_names_a_next_page_is_an_error(server: ScriptedServer) -> None:
    server.play("/t", Reply(page(None), headers={"Link": '</t?page=2>; rel="next"'}))
    row = fetch(access(server, AllAtOnce()))
    assert row.error == (
        f"{server.url}/t: api.pagination.style: none: the answer has a Link header that names a next page; use style: link_header"
    )
    server.play("/t", Reply(page(None), headers={"Link": "</style.css>; rel=preload"}))
    assert fetch(access(server, AllAtOnce())).error is None
    assert server.asked[1].query == {}


# Keysets


def key(row: object, **more: object) -> bytes:
    return json.dumps({"items": [{"id": 1}, row], **more}).encode()


@pytest.mark.parametrize(("value", "sent"), [(7, "7"), (2**70, str(2**70)), ("a b/é", "a b/é"), (0, "0"), (-1, "-1")])
def test_the_value_of_the_last_row_is_sent_as_it_is(value: object, sent: str, server: ScriptedServer) -> None:
    server.play("/t", Reply(key({"meta": {"id": value}})))
    asking = access(server, Keysets(by="meta.id", after_param="since"))
    row = fetch(asking)
    assert row.next_cursor == sent
    again = fetch(asking, sent)
    assert [asked.query for asked in server.asked] == [{"size": ["100"]}, {"size": ["100"], "since": [sent]}]
    assert again.url == f"{server.url}/t?size=100&since=***"


@pytest.mark.parametrize("row", [{}, {"id": None}, {"id": True}, {"id": 1.5}, {"id": ""}, {"id": [1]}, None, 7])
def test_a_last_row_without_such_a_value_is_an_error_that_names_the_setting(
    row: object, server: ScriptedServer
) -> None:
    server.play("/t", Reply(key(row)))
    found = fetch(access(server, Keysets()))
    assert found.error == (
        f"{server.url}/t?size=100: api.pagination.by: id is no text and no whole number in the last row of the page"
    )


def test_bad_rows_before_the_last_one_are_in_nobody_s_way(server: ScriptedServer) -> None:
    server.play("/t", Reply(b'{"items": [7, {"id": NaN}, {"id": 5}]}'))
    row = fetch(access(server, Keysets()))
    assert (row.error, row.n_items, row.next_cursor) == (None, 3, "5")


@pytest.mark.parametrize(("says", "named"), [(True, "2"), (False, None)])
def test_more_says_whether_it_goes_on(*, says: bool, named: str | None, server: ScriptedServer) -> None:
    server.play("/t", Reply(key({"id": 2}, meta={"more": says})))
    assert fetch(access(server, Keysets(more="meta.more"))).next_cursor == named


@pytest.mark.parametrize("says", [{}, {"more": None}, {"more": 1}, {"more": "true"}])
def test_more_that_is_not_true_or_false_is_an_error(says: dict[str, object], server: ScriptedServer) -> None:
    server.play("/t", Reply(key({"id": 2}, **says)))
    row = fetch(access(server, Keysets(more="more")))
    assert row.error == f"{server.url}/t?size=100: api.pagination.more: more is not true or false in the answer"


def test_more_rows_behind_a_page_without_any_are_an_error(server: ScriptedServer) -> None:
    server.play("/t", Reply(b'{"items": [], "more": true}'), Reply(b'{"items": [], "more": false}'))
    asking = access(server, Keysets(more="more"))
    expected = "api.pagination.more: more says that there are further rows, and the page has none"
    assert fetch(asking).error == f"{server.url}/t?size=100: {expected}"
    assert (fetch(asking).error, fetch(asking).next_cursor) == (None, None)


def test_only_an_answer_that_says_that_there_are_no_rows_ends_a_keyset(server: ScriptedServer) -> None:
    for paging, takes in ((Keysets(total=None), [True, True, False]), (Keysets(total=None, more="more"), [False] * 3)):
        server.play("/t", Reply(b'{"items": null}'), Reply(b"", status=204), Reply(b"{}"))
        assert [fetch(access(server, paging), "5").error is None for _ in range(3)] == takes


def test_a_fixed_parameter_that_the_source_repeats_goes_to_no_other_host(
    server: ScriptedServer, other: ScriptedServer
) -> None:
    fixed = (("t", Fixed(params=(("tenant", "7"),))),)
    host = other.url.removeprefix("http://")
    server.play("/t", Reply(page("/go?cursor=1&tenant=7")))
    server.play("/go", Reply(b"", status=302, headers={"Location": f"{other.url}/t"}))
    asking = access(server, allowed_hosts=(host,), fixed=fixed)
    first = fetch(asking)
    assert fetch(asking, first.next_cursor).error is None
    assert [one.target for one in server.asked] == ["/t?size=100&tenant=7", "/go?cursor=1&tenant=7"]
    assert [one.target for one in other.asked] == ["/t?cursor=1"]
