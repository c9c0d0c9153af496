"""Tables that are read in parts, landed and proved without Spark: slices, windows, a list for each row of another table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lib.lake.layout import lake_at
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.runs import Run, TableRun
from lib.landing import landing as landing_room
from lib.landing import parts
from tests.lists_server import Lists, ListsServer, Query, Row
from tests.moving_copies import Landings
from tests.moving_server import Manners, MovingServer, MovingTable, rows_of
from tests.spark.served_table import Killed, copied, job_of

USERS = "users: {path: /users, key: [id], columns: {id: bigint!, name: string}}"
ORDERS = """\
orders:
    path: /users/{users.id}/orders
    key: [id]
    columns: {id: bigint!, user_id: {type: bigint!, value: users.id}}"""
TICKETS = """\
tickets:
    path: /tickets
    slices: {param: status, values: [open, closed]}
    key: [id]
    columns: {id: bigint!}"""
EVENTS = """\
events:
    path: /events
    slices: {from_param: since, to_param: until, from: 2024-01-01, every: P1M}
    key: [id]
    columns: {id: bigint!}"""


@dataclass
class Shop:
    """Runs of a source with these tables, that end when their pages are landed and proved."""

    folder: Path
    server: ListsServer
    landings: Landings
    tables: str
    api: dict[str, str] = field(default_factory=dict)
    n_runs: int = 0

    def run(self, *, resume: str | None = None, accept_incomplete: bool = False, tables: tuple[str, ...] = ()) -> Run:
        """One run."""
        self.n_runs += 1
        path = self.folder / "shop.yml"
        path.write_text(f"source: shop\napi: {{url: '{self.server.url}'}}\ntables:\n  {self.tables}\n", "utf-8")
        limits = {"concurrency": "4", "attempts": "2", "max_wait_s": "0.02"}
        settings = {"pagination.size": "3", **{f"limits.{key}": value for key, value in limits.items()}, **self.api}
        job = job_of(path, self.n_runs, [f"api.{key}={value}" for key, value in settings.items()])
        job = replace(job, tables=tables or job.tables)
        return copied(job, resume=resume, accept_incomplete=accept_incomplete)

    def ids(self, table: str) -> list[int]:
        """The ids that would be merged, each as often as it came."""
        return [row["id"] for row in self.landings.silver(table)]

    def parts(self, run: Run, table: str) -> Counter[str]:
        """How many pages each part has in bronze, by what tells it from others."""
        rows = self.landings.query(
            self.folder / "lake" / "bronze" / "pages",
            f"SELECT part FROM t WHERE \"table\" = '{table}' AND run_id = '{run.run_id}'",
        )
        return Counter(row["part"] for row in rows)


@contextmanager
def shop(folder: Path, server: ListsServer, *tables: str, **api: str) -> Iterator[Shop]:
    """A source with these tables, served by this server."""
    with pytest.MonkeyPatch.context() as patch, server, MovingServer({}) as unused:
        landings = Landings.without_spark(folder, unused, patch)
        yield Shop(folder, server, landings, "\n  ".join(tables), api)


def rows(*ids: int) -> list[Row]:
    """Rows with these ids."""
    return [{"id": number} for number in ids]


def lists_of(orders: dict[int, list[Row] | int]) -> Lists:
    """What a server of users and their orders gives."""

    def lists(path: str, query: Query) -> list[Row] | int:
        if path == "/users":
            return rows(*orders)
        return orders[int(path.split("/")[2])]

    return lists


def test_a_list_is_read_for_each_row_of_another_table(tmp_path: Path) -> None:
    orders: dict[int, list[Row] | int] = {1: rows(11, 12), 2: [], 3: rows(*range(31, 39)), 4: rows(41, 42, 43)}
    with shop(tmp_path, ListsServer(lists_of(orders)), ORDERS, USERS) as one:
        run = one.run()
        assert (run.tables["orders"].proof, run.tables["orders"].error) == ("counted", None)
        assert one.ids("orders") == [11, 12, *range(31, 39), 41, 42, 43]
        # Eight rows are three pages, and the first one is read again at the end; every other list is one request.
        assert one.server.paths == {
            "/users": 2 + 1, "/users/1/orders": 1, "/users/2/orders": 1, "/users/3/orders": 4, "/users/4/orders": 1
        }  # fmt: skip
        assert run.tables["orders"].rows_landed == 13
        assert run.tables["orders"].pages == 6
        assert one.parts(run, "orders") == {
            '{"users.id":1}': 1, '{"users.id":2}': 1, '{"users.id":3}': 4, '{"users.id":4}': 1
        }  # fmt: skip


@pytest.mark.parametrize("n_parents", [300])
def test_a_cursor_of_one_list_is_never_sent_for_another(tmp_path: Path, n_parents: int) -> None:
    orders: dict[int, list[Row] | int] = {
        user: rows(*range(user * 10, user * 10 + user % 8)) for user in range(1, n_parents)
    }
    api = {"pagination.style": "cursor", "limits.concurrency": "16", "pagination.total": "null"}
    with shop(tmp_path, ListsServer(lists_of(orders), cursor=True), USERS, ORDERS, **api) as one:
        run = one.run()
        assert run.tables["orders"].proof == "ended"
        assert one.ids("orders") == [row["id"] for found in orders.values() if isinstance(found, list) for row in found]
        assert one.server.foreign == 0


def test_slices_are_read_side_by_side_and_a_row_of_two_of_them_comes_twice(tmp_path: Path) -> None:
    found = {"open": rows(1, 2, 3, 4), "closed": rows(4, 5)}
    server = ListsServer(lambda _, query: found[query["status"]])
    with shop(tmp_path, server, TICKETS) as one:
        run = one.run()
        assert run.tables["tickets"].proof == "counted"
        assert one.ids("tickets") == [1, 2, 3, 4, 4, 5]
        assert {query["status"] for _, query in server.asked} == {"open", "closed"}


def events(path: str, query: Query) -> list[Row]:
    """An event every six hours of 2024, of those with these bounds, which belong to a window."""
    start, end = (datetime.fromisoformat(query[name]) for name in ("since", "until"))
    first = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    times = ((number, first + number * timedelta(hours=6)) for number in range(4 * 366))
    return rows(*(number for number, at in times if start <= at <= end))


def test_windows_go_from_the_start_to_the_time_of_the_source(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(events), EVENTS, **{"pagination.size": "50"}) as one:
        run = one.run()
        assert run.tables["events"].proof == "counted"
        bounds = sorted({(query["since"], query["until"]) for _, query in one.server.asked})
        assert bounds[0] == ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z")
        assert bounds[1] == ("2024-01-31T23:59:59Z", "2024-03-01T00:00:00Z")
        assert bounds[-1] == ("2024-05-31T23:59:59Z", "2024-06-15T12:00:00Z")
        # 15 June, 12:00 is 166 days and a half behind the start, with four events each; those on a bound of two windows came twice.
        assert sorted(set(one.ids("events"))) == list(range(166 * 4 + 3))
        assert len(one.ids("events")) == 166 * 4 + 3 + 5


@pytest.mark.parametrize("refuses", [200, 400])
def test_windows_that_meet_a_cap_are_split_until_they_fit(tmp_path: Path, refuses: int) -> None:
    with shop(tmp_path, ListsServer(events, cap=25, refuses=refuses), EVENTS, **{"pagination.size": "5"}) as one:
        run = one.run()
        assert (run.tables["events"].proof, run.tables["events"].error) == ("counted", None)
        assert sorted(set(one.ids("events"))) == list(range(166 * 4 + 3))
        # A month is 124 events, which is split in 2, 4, 8: an eighth of it are 16.
        assert len(one.parts(run, "events")) > 5 * 8


def test_a_run_that_is_killed_when_windows_were_split_goes_on_with_the_halves(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(events, cap=25), EVENTS, **{"pagination.size": "5"}) as one:
        left = [2]

        def reached(name: str) -> None:
            left[0] -= name == "windows split"
            if not left[0]:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parts, "reached", reached)
            with pytest.raises(Killed):
                one.run()
        before = {query["since"] + query["until"] for _, query in one.server.asked}
        one.server.asked.clear()
        one.server.date = datetime(2025, 1, 1, tzinfo=UTC)  # the end of the first start holds
        run = one.run(resume="run-1")
        assert run.tables["events"].proof == "counted"
        assert sorted(set(one.ids("events"))) == list(range(166 * 4 + 3))
        assert before.isdisjoint(query["since"] + query["until"] for _, query in one.server.asked)


def test_lists_are_read_for_published_rows_where_the_other_table_is_not_in_the_run(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(lists_of({1: rows(11), 2: rows(21), 3: rows(31)})), USERS, ORDERS) as one:
        assert one.run(tables=("orders",)).tables["orders"].error == (
            "orders: users, for whose rows it is read, is not in this run, and was never published; run both"
        )
        layout = lake_at(str(tmp_path / "lake"))
        gone = datetime(2026, 1, 1, tzinfo=UTC)
        users = pa.table({"id": [1, 2, 3], "_deleted_at": pa.array([None, gone, None], pa.timestamp("us", tz="UTC"))})
        write_deltalake(str(layout.silver("users")), users)
        Run("old", "shop", gone, "", "{}", state="published", number=1, tables={
            "users": TableRun("users", "merged", proof="counted", path="silver/users", version=0)
        }).save(layout)  # fmt: skip
        published = {"users": PublishedTable("users", "silver/users", 0, 3)}
        publish(layout, Publication("old", "old", gone, published))
        one.server.asked.clear()
        run = one.run(tables=("orders",))
        assert (run.tables["orders"].proof, one.ids("orders")) == ("counted", [11, 31])
        assert set(one.server.paths) == {"/users/1/orders", "/users/3/orders"}


def test_a_window_of_one_unit_that_is_more_than_the_source_gives_is_an_error(tmp_path: Path) -> None:
    def lists(path: str, query: Query) -> list[Row]:
        return (
            rows(*range(30))
            if query["since"] <= "2024-02-02" < query["until"] or query["since"] == "2024-02-02"
            else []
        )

    table = EVENTS.replace("every: P1M", "every: P1M, to: 2024-03-01, format: date")
    with shop(tmp_path, ListsServer(lists, cap=6), table) as one:
        error = str(one.run().tables["events"].error)
    assert "from 2024-02-01T00:00:00Z, to 2024-02-03T00:00:00Z: 6 rows landed of 30 on " in error
    assert "All pages behind 6 rows are empty. If the source caps what it gives, read it in slices" in error


def test_a_source_that_does_not_tell_its_time_needs_an_end(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(events, date=None), EVENTS) as one:
        run = one.run()
        assert run.tables["events"].error == (
            "events: the source sends no header Date, so it does not say where the last window ends; write slices.to"
        )
        one.tables = EVENTS.replace("every: P1M", "every: P1M, to: 2024-01-02")
        assert one.run().tables["events"].proof == "counted"
        assert one.ids("events") == [0, 1, 2, 3, 4]


def test_lists_of_rows_that_are_there_no_more_are_counted(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(lists_of({1: rows(11), 2: 404, 3: 410, 4: rows(41)})), USERS, ORDERS) as one:
        run = one.run()
        assert (run.tables["orders"].proof, run.tables["orders"].parents_missing) == ("counted", 2)
        assert one.ids("orders") == [11, 41]


def test_a_path_that_leads_nowhere_is_no_table_without_rows(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(lists_of({1: 404, 2: 404})), USERS, ORDERS) as one:
        assert one.run().tables["orders"].error == (
            "orders: the source has none of the 2 lists, one for each row of users; look at its path"
        )


def test_a_slice_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    server = ListsServer(lambda _, query: 404 if query["status"] == "closed" else rows(1))
    with shop(tmp_path, server, TICKETS) as one:
        error = str(one.run().tables["tickets"].error)
        assert error.startswith("tickets: 1 of 2 parts failed: status closed: http://127.0.0.1:")
        assert error.endswith(
            ": status 404: a JSON object whose keys are error (14 bytes). The others are kept: --resume asks for these alone"
        )


def test_one_list_that_fails_fails_the_table_and_a_resumed_run_asks_for_it_alone(tmp_path: Path) -> None:
    orders: dict[int, list[Row] | int] = {1: rows(11), 2: 500, 3: rows(*range(31, 36))}
    with shop(tmp_path, ListsServer(lists_of(orders)), USERS, ORDERS) as one:
        error = str(one.run().tables["orders"].error)
        assert error.startswith("orders: 1 of 3 parts failed: users.id 2: http://127.0.0.1:")
        assert "status 500" in error
        orders[2] = rows(21)
        one.server.asked.clear()
        run = one.run(resume="run-1")
        assert run.tables["orders"].proof == "counted"
        assert one.server.paths == {"/users/2/orders": 1, "/users": 1}
        assert one.ids("orders") == [11, 21, *range(31, 36)]


def test_a_resumed_run_reads_the_lists_of_the_rows_that_are_there_now(tmp_path: Path) -> None:
    users, failing = [1, 2, 3], 500

    def lists(path: str, query: Query) -> list[Row] | int:
        if path == "/users":
            return rows(*users)
        return failing if path == "/users/1/orders" else rows(int(path.split("/")[2]) * 10)

    with shop(tmp_path, ListsServer(lists), USERS, ORDERS) as one:
        assert "users.id 1" in str(one.run().tables["orders"].error)
        users.remove(2)
        assert "1 of 2 parts failed" in str(one.run(resume="run-1").tables["orders"].error)
        assert one.ids("orders") == [30]
        users.append(2)
        failing = 410
        run = one.run(resume="run-1")
        assert (run.tables["orders"].proof, run.tables["orders"].parents_missing) == ("counted", 1)
        assert one.ids("orders") == [20, 30]


def test_a_run_that_is_killed_between_waves_asks_only_for_the_parts_that_did_not_land(tmp_path: Path) -> None:
    orders: dict[int, list[Row] | int] = {user: rows(user * 10) for user in range(1, 11)}
    with shop(tmp_path, ListsServer(lists_of(orders)), USERS, ORDERS) as one, pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing_room, "LEAST_ANSWER_S", 1000.0)
        patch.setattr(landing_room, "WAVE_S", 1000.0)
        waves = [2]

        def reached(name: str) -> None:
            waves[0] -= name == "wave landed"
            if not waves[0]:
                raise Killed

        patch.setattr(landing_room, "reached", reached)
        with pytest.raises(Killed):
            one.run()
        landed = {path for path in one.server.paths if path != "/users"}
        assert 0 < len(landed) < 10
        one.server.asked.clear()
        run = one.run(resume="run-1")
        assert run.tables["orders"].proof == "counted"
        assert {path for path in one.server.paths if path != "/users"}.isdisjoint(landed)
        assert one.ids("orders") == [user * 10 for user in range(1, 11)]


@pytest.mark.parametrize("change", ["made", "removed", "made and removed"])
def test_a_list_whose_rows_move_while_it_is_read_is_read_again(tmp_path: Path, change: str) -> None:
    found = rows(*range(20, 28))
    n_asked = Counter[str]()

    def lists(path: str, query: Query) -> list[Row] | int:
        n_asked[path] += 1
        if path == "/users/2/orders" and n_asked[path] == 3:
            found[:] = [*found[1:]] if "removed" in change else found
            found.extend(rows(99) if "made" in change else [])
        return lists_of({1: rows(11), 2: found})(path, query)

    with shop(tmp_path, ListsServer(lists), USERS, ORDERS, **{"limits.concurrency": "1"}) as one:
        run = one.run()
        assert run.tables["orders"].proof == "counted"
        assert run.tables["orders"].rounds == 1
        assert one.ids("orders") == [11, *(row["id"] for row in found)]
        assert n_asked["/users/1/orders"] == 1


def test_a_list_that_never_rests_fails_the_table_by_its_name(tmp_path: Path) -> None:
    never = iter(range(1000, 9999))
    orders: dict[int, list[Row] | int] = {1: rows(11), 2: rows(*range(20, 28))}

    def lists(path: str, query: Query) -> list[Row] | int:
        if path == "/users/2/orders":
            orders[2] = [*rows(next(never)), *rows(*range(20, 28))]
        return lists_of(orders)(path, query)

    with shop(tmp_path, ListsServer(lists), USERS, ORDERS) as one:
        error = str(one.run().tables["orders"].error)
        assert error == (
            "orders: 1 of 2 parts failed: users.id 2: not proved complete after 3 rounds of reading again: the first page changed "
            "while the others were read. The others are kept: --resume asks for these alone"
        )
        assert one.server.paths["/users/1/orders"] == 1
        run = one.run(accept_incomplete=True)
        assert run.tables["orders"].proof == "incomplete"


def test_every_list_is_read_until_two_readings_agree(tmp_path: Path) -> None:
    orders: dict[int, list[Row] | int] = {1: rows(11), 2: rows(*range(20, 28))}
    reread = ORDERS.replace("key: [id]", "key: [id]\n    prove: reread")
    with shop(tmp_path, ListsServer(lists_of(orders)), USERS, reread) as one:
        run = one.run()
        assert (run.tables["orders"].proof, run.tables["orders"].rounds) == ("reread", 1)
        assert one.server.paths["/users/1/orders"] == 2
        assert one.ids("orders") == [11, *range(20, 28)]


def test_a_copy_is_as_sure_as_that_of_the_table_for_whose_rows_it_is_read(tmp_path: Path) -> None:
    users = USERS.replace("key:", "pagination: {style: cursor, size: 3, total: null}, key:")
    with shop(tmp_path, ListsServer(lambda path, _: rows(1, 2), cursor=True), users, ORDERS) as one:
        one.tables = one.tables.replace("key: [id]\n", "pagination: {style: none, total: null}\n    key: [id]\n", 1)
        run = one.run()
        assert run.tables["users"].proof == "ended"
        assert run.tables["orders"].proof == "ended"
        assert run.tables["orders"].unproved_because == (
            "users, for whose rows it is read, was read to the end that its source declares"
        )


def test_a_table_fails_with_the_one_for_whose_rows_it_is_read(tmp_path: Path) -> None:
    with shop(tmp_path, ListsServer(lambda path, _: 500), USERS, ORDERS) as one:
        run = one.run()
        assert "status 500" in str(run.tables["users"].error)
        assert run.tables["orders"].error == "orders: it is read for each row of users, which failed"


def test_lists_may_be_read_for_the_rows_of_lists(tmp_path: Path) -> None:
    lines = """\
lines:
    path: /orders/{orders.id}/lines
    key: [id]
    columns: {id: bigint!}"""
    found = {"/users": rows(1, 2), "/users/1/orders": rows(11, 12), "/users/2/orders": []}
    server = ListsServer(lambda path, _: found[path] if path in found else rows(int(path.split("/")[2]) * 10))
    with shop(tmp_path, server, lines, ORDERS, USERS) as one:
        run = one.run()
        assert run.tables["lines"].proof == "counted"
        assert one.ids("lines") == [110, 120]


@pytest.mark.parametrize(
    ("value", "path"),
    [("a/b?c", "/by/a%2Fb%3Fc"), ("ä ö", "/by/%C3%A4%20%C3%B6"), ("100%", "/by/100%25"), ("a;b=c", "/by/a%3Bb%3Dc")],
)
def test_a_value_is_one_segment_of_the_path(tmp_path: Path, value: str, path: str) -> None:
    tags = "tags: {path: /tags, key: [tag], columns: {tag: string!}}"
    by = "posts: {path: '/by/{tags.tag}', params: {tag: '{tags.tag}'}, key: [id], columns: {id: bigint!}}"
    with shop(
        tmp_path, ListsServer(lambda at, _: [{"tag": value, "id": 0}] if at == "/tags" else rows(1)), tags, by
    ) as one:
        assert one.run().tables["posts"].proof == "counted"
        [(asked, query)] = [(asked, query) for asked, query in one.server.asked if asked != "/tags"]
        assert (asked, query["tag"]) == (path, value)


@pytest.mark.parametrize("value", ["..", ".", ""])
def test_a_value_that_is_no_segment_of_a_path_is_not_sent(tmp_path: Path, value: str) -> None:
    tags = "tags: {path: /tags, key: [tag], columns: {tag: string!}}"
    by = "posts: {path: '/by/{tags.tag}/posts', key: [id], columns: {id: bigint!}}"
    with shop(
        tmp_path, ListsServer(lambda at, _: [{"tag": value, "id": 0}] if at == "/tags" else rows(1)), tags, by
    ) as one:
        error = one.run().tables["posts"].error
        assert error == f"posts: a row has {value!r} for {{tags.tag}}, which no path can hold"
        assert set(one.server.paths) == {"/tags"}


def test_a_part_may_be_asked_for_in_the_body(tmp_path: Path) -> None:
    orders = """\
orders:
    path: /orders
    method: post
    json: {filter: {user: "{users.id}", note: "of {users.id}"}}
    pagination: {style: page, page_param: "body:page", size_param: "body:size"}
    key: [id]
    columns: {id: bigint!}"""
    tickets = (
        TICKETS.replace("param: status", "param: 'body:filter.status'")
        .replace("path: /tickets", "path: /tickets\n    method: post\n    form: {kind: all}")
        .replace("body:filter.status", "body:status")
    )
    with shop(
        tmp_path, ListsServer(lambda path, _: rows(1) if path == "/users" else rows(5)), USERS, orders, tickets
    ) as one:
        run = one.run()
        assert (run.tables["orders"].error, run.tables["tickets"].error) == (None, None)
        bodies = {path: sent for (path, _), sent in zip(one.server.asked, one.server.bodies, strict=True) if sent}
        assert bodies["/orders"] == b'{"filter": {"user": 1, "note": "of 1"}, "page": 1, "size": 100}'
        assert bodies["/tickets"] in (b"kind=all&status=open", b"kind=all&status=closed")


def test_a_list_without_an_end_fails_the_table(tmp_path: Path) -> None:
    orders: dict[int, list[Row] | int] = {1: rows(11), 2: rows(*range(20, 60))}
    api = {"pagination.style": "cursor", "pagination.total": "null", "limits.max_pages": "5"}
    with shop(tmp_path, ListsServer(lists_of(orders), cursor=True), USERS, ORDERS, **api) as one:
        assert one.run().tables["orders"].error == (
            "orders: 1 of 2 parts failed: users.id 2: no end was met on 5 pages, as many as api.limits.max_pages (5) allows. If it "
            "has more, raise that setting and go on with --resume; if its pages never end, look at "
            "api.pagination.cursor_param. The others are kept: --resume asks for these alone"
        )


def test_details_are_a_table_whose_answer_is_the_row(tmp_path: Path) -> None:
    details = """\
details:
    path: /users/{users.id}
    pagination: {style: none, items: "[@]", total: null}
    key: [id]
    columns: {id: bigint!}"""

    server = ListsServer(lambda path, _: rows(1, 2, 3) if path == "/users" else rows(int(path.split("/")[2])))
    answer = server.answer

    def one_row(path: str, query: Query, body: bytes) -> tuple[int, Any]:
        status, content = answer(path, query, body)
        return status, content if path == "/users" else content["items"][0]

    server.answer = one_row
    with shop(tmp_path, server, USERS, details) as one:
        run = one.run()
        assert (run.tables["details"].proof, run.tables["details"].rows_landed) == ("ended", 3)
        assert server.paths == {"/users": 1 + 1, "/users/1": 1, "/users/2": 1, "/users/3": 1}


STYLES = {
    "page": "{style: page, size: 3}",
    "offset": "{style: offset, size: 3}",
    "range": "{style: range, size: 3}",
    "cursor": "{style: cursor, size: 3}",
    "next_url": "{style: next_url, size: 3}",
    "link_header": "{style: link_header, size: 3}",
    "keyset": "{style: keyset, size: 3, by: id, more: has_more}",
    "none": "{style: none}",
}


@pytest.mark.parametrize("total", ["always", "absent"])
@pytest.mark.parametrize("style", STYLES)
def test_parts_are_read_in_every_style_of_pagination(tmp_path: Path, style: Any, total: Any) -> None:
    """Lists of eight rows, of none, of one, and of three, which are a full page."""
    manners = Manners(style=style, total=total, pages="absent")
    lists = {1: range(11, 19), 2: range(0), 3: range(31, 32), 4: range(41, 44)}
    tables = {f"users/{user}/orders": MovingTable(rows_of(ids), manners) for user, ids in lists.items()}
    paging = STYLES[style] if total == "always" else STYLES[style].replace("}", ", total: null}")
    orders = ORDERS.replace("key: [id]", f"pagination: {paging}\n    key: [id]")
    with (
        MovingServer({"users": MovingTable(rows_of(lists)), **tables}) as api,
        shop(tmp_path, ListsServer(lists_of({}))) as one,
    ):
        one.tables, one.server = f"{USERS}\n  {orders}", api
        run = one.run()
        assert run.tables["orders"].error is None
        # An empty answer to a request for a range does not say how many rows there are.
        proof = "counted" if total == "always" else "ended"
        assert run.tables["orders"].proof == proof, run.tables["orders"].unproved_because
        assert one.ids("orders") == [number for ids in lists.values() for number in ids]
