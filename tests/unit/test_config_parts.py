"""Tables in parts, as the YAML says it: slices, and a list for each row of another table; each mistake at its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.config import Source, load_source, parse_tables
from lib.config.period import Period, parse_period
from lib.config.reading import Reading
from lib.config.slices import Slices, Window
from lib.errors import ConfigError

SHOP = """\
source: shop
api: {{url: "http://h?lang=en", prove: {prove}}}
tables:
  users:
    path: /users
    key: [id]
    columns: {{id: bigint!, email: {{type: string!, pii: true}}, nick: string, tags: array<string>!, score: double!}}
  orders:
    path: {path}
    {orders}
    key: [id]
    columns: {{id: bigint!, user_id: {{type: bigint!, value: {value}}}}}
  tickets:
    path: /tickets
    {tickets}
    slices: {slices}
    key: [id]
    columns: {{id: bigint!, status: {{type: string, value: {status}}}}}
"""
PARTS = {
    "prove": "counted",
    "path": "'/users/{users.id}/orders'",
    "orders": "deletes: soft",
    "value": "users.id",
    "tickets": "deletes: soft",
    "slices": "{param: status, values: [open, closed]}",
    "status": "params.status",
}
MONTHS = "from_param: since, to_param: until, from: 2020-01-01, every: P1M"


def load(folder: Path, **parts: str) -> Source:
    (folder / "shop.yml").write_text(SHOP.format(**{**PARTS, **parts}), "utf-8")
    return load_source(str(folder / "shop.yml"), conf_dir=folder, env={"KEY": "s3cret"})


def slices(text: str) -> Slices:
    """The slices of windows with these further keys."""
    keys = {"from_param": "since", "to_param": "until", "from": "2020-01-01", "every": "P1M"}
    return Slices.model_validate(keys | dict(one.split(": ") for one in text.split(", ") if one))


def test_a_table_is_read_in_parts_as_its_settings_say(tmp_path: Path) -> None:
    source = load(tmp_path)
    users, orders, tickets = source.tables
    assert (users.for_each, orders.for_each, tickets.for_each) == (None, "users", None)
    assert (users.part_names, orders.part_names, tickets.part_names) == ((), ("users.id",), ("status",))
    assert source.reading_of(orders) == Reading("orders", "items", None, {}, {"user_id": "users.id"})
    assert source.reading_of(tickets) == Reading("tickets", "items", None, {}, {"status": "status"})
    # The column that has the key of the other table refers to it, without being told so.
    assert [(one.column, one.to) for one in orders.references] == [("user_id", "users.id")]
    # Without the other table the lists are read for its published rows.
    assert parse_tables(source, "orders") == ("orders",)


def test_a_placeholder_may_be_in_parameters_and_bodies(tmp_path: Path) -> None:
    orders = "params: {user: '{users.id}'}\n    method: post\n    json: {by: ['a {users.id}']}"
    assert load(tmp_path, path="/orders", orders=orders).table("orders").part_names == ("users.id",)
    form = "method: post\n    form: {user: '{users.id}'}"
    assert load(tmp_path, path="/orders", orders=form).table("orders").part_names == ("users.id",)
    assert load(tmp_path, path="'/orders?user={users.id}'").table("orders").part_names == ("users.id",)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"path": "'/users/{id}/orders'"},
            ":9: tables.orders.path: a placeholder is written {table.column}, such as {users.id}",
        ),
        (
            {"path": "'/users/{user.id}/orders'"},
            ":9: tables.orders.path: there is no table 'user'; did you mean 'users'?",
        ),
        (
            {"path": "'/users/{users.ids}/orders'"},
            ":9: tables.orders.path: users has no column 'ids'; did you mean 'id'?",
        ),
        (
            {"path": "'/users/{users.email}/orders'"},
            ":9: tables.orders.path: users.email is personal, and a request would show it; take another column",
        ),
        (
            {"path": "'/users/{users.nick}/orders'"},
            ":9: tables.orders.path: users.nick may be missing in a row; write nick: string! there",
        ),
        (
            {"path": "'/users/{users.tags}/orders'"},
            ":9: tables.orders.path: users.tags is array<string>, which no request can hold; take a number, a text, a date or a "
            "timestamp",
        ),
        (
            {"path": "'/users/{users.score}/orders'"},
            ":9: tables.orders.path: users.score is double, which no request can hold; take a number, a text, a date or a "
            "timestamp",
        ),
        (
            {"path": "'/orders/{orders.id}'"},
            ":9: tables.orders.path: {orders.id} is a column of the table itself; name another table, whose rows it is read for",
        ),
        (
            {"orders": "params: {t: '{tickets.id}'}"},
            ":10: tables.orders.params.t: has rows of users and of tickets; a table is read for each row of one table",
        ),
        (
            {"orders": "headers: {X-User: '{users.id}'}"},
            ":10: tables.orders.headers.X-User: no header can hold a placeholder; path, params, json and form can",
        ),
        (
            {"orders": "slices: {param: a, values: [b]}"},
            ":10: tables.orders.slices: is not for a table with placeholders, which is read for each row of users",
        ),
        (
            {"orders": "prove: swept"},
            ":10: tables.orders.prove: swept is not for a table that is read in parts; take reread",
        ),
        (
            {"prove": "swept"},
            ":8: tables.orders.prove: swept is not for a table that is read in parts; and orders has api.prove; write prove: "
            "reread here",
        ),
        (
            {"value": "users.nick"},
            ":12: tables.orders.columns.user_id.value: no request for orders has a placeholder {users.nick}",
        ),
        (
            {"prove": 'counted, params: {u: "{users.id}"}'},
            ":2: api.params.u: a placeholder belongs to a table: into its path, params, json or form",
        ),
        (
            {
                "path": "'/t/{tickets.id}'",
                "tickets": "params: {o: '{orders.id}'}",
                "slices": "null",
                "value": "tickets.id",
            },
            ":9: tables.orders.path: is a circle: orders and tickets are asked for by rows of each other",
        ),
        (
            {"slices": "{}"},
            ":16: tables.tickets.slices: write param and values, or from_param, to_param, from and every",
        ),
        ({"slices": "{param: status}"}, ":16: tables.tickets.slices.values: missing"),
        ({"slices": "{values: [open]}"}, ":16: tables.tickets.slices.param: missing"),
        ({"slices": "{param: status, values: []}"}, ":16: tables.tickets.slices.values: must not be empty"),
        ({"slices": "{param: status, values: [1, '1']}"}, ":16: tables.tickets.slices.values.1: '1' is there twice"),
        (
            {"slices": "{param: status, values: [1.5]}"},
            ":16: tables.tickets.slices.values.0: must be text, a whole number, true or false",
        ),
        (
            {"slices": '{param: status, values: ["${KEY}"]}'},
            ":16: tables.tickets.slices.values.0: must be text, a whole number, true or false",
        ),
        (
            {"slices": "{param: status, values: [open], every: P1M}"},
            ":16: tables.tickets.slices.every: is for windows of time, and values make slices already; leave one of them out",
        ),
        (
            {"slices": "{param: status, value: [open]}"},
            ":16: tables.tickets.slices.value: unknown key; did you mean 'values'?",
        ),
        (
            {"slices": "{param: page, values: [1]}"},
            ":16: tables.tickets.slices.param: is api.pagination.page_param, which is set for each page; take another parameter",
        ),
        (
            {"tickets": "params: {status: open}"},
            ":15: tables.tickets.params.status: is tables.tickets.slices.param, which is set for each request; leave it out",
        ),
        (
            {"slices": "{param: lang, values: [de, en]}"},
            ":2: api.url: the parameter 'lang' is tables.tickets.slices.param, and is set for each page; leave it out",
        ),
        (
            {"slices": "{param: api_key, values: [a]}"},
            ':16: tables.tickets.slices.param: a secret must not be written out: write "${ENV_NAME}" and put the value in that '
            "environment variable",
        ),
        (
            {"slices": "{param: 'body:status', values: [open]}", "status": "params.body:status"},
            ":16: tables.tickets.slices.param: is in the body, and the requests for tickets have none; write method: post, and "
            "json: {} or form: {} if nothing else is in it",
        ),
        (
            {
                "slices": "{param: 'body:status', values: [open]}",
                "status": "params.body:status",
                "tickets": "method: post\n    json: {status: open}",
            },
            ":16: tables.tickets.json.status: is tables.tickets.slices.param, which is set for each page; leave it out",
        ),
        (
            {"slices": "{from_param: since, to_param: until, from: 2020-01-01}", "status": "key"},
            ":16: tables.tickets.slices.every: missing",
        ),
        (
            {"slices": f"{{{MONTHS}, to_param: since}}".replace("to_param: until, ", "")},
            ":16: tables.tickets.slices.to_param: must not be the same parameter as from_param",
        ),
        (
            {"slices": f"{{{MONTHS}}}".replace("P1M", "monthly")},
            ":16: tables.tickets.slices.every: is no length of time; write it as ISO 8601 has it, such as P1M, P7D or PT1H",
        ),
        (
            {"slices": f"{{{MONTHS}}}".replace("P1M", "PT1H")[:-1] + ", format: date}"},
            ":16: tables.tickets.slices.every: must be whole days where format is date",
        ),
        (
            {"slices": f"{{{MONTHS}}}".replace("2020-01-01", "yesterday")},
            ":16: tables.tickets.slices.from: must be a date or a time, such as 2020-01-01 or 2020-01-01T00:00:00Z",
        ),
        (
            {"slices": f"{{{MONTHS}}}".replace("2020-01-01", "'2020-01-01T12:00:00Z'")[:-1] + ", format: date}"},
            ":16: tables.tickets.slices.from: must be a date where format is date",
        ),
        ({"slices": f"{{{MONTHS}, to: 2020-01-01}}"}, ":16: tables.tickets.slices.to: must be behind from"),
        (
            {"slices": f"{{{MONTHS}, to: 2030-01-01}}".replace("P1M", "PT1S")},
            ":16: tables.tickets.slices.every: that is more than 100,000 windows; take a longer slices.every",
        ),
        (
            {"slices": f"{{{MONTHS}, format: rfc}}"},
            ":16: tables.tickets.slices.format: must be 'iso', 'date', 'unix' or 'unix_ms'",
        ),
        (
            {"slices": f"{{{MONTHS}}}", "status": "params.since"},
            ":18: tables.tickets.columns.status.value: is a bound of a window, and no value of its rows",
        ),
    ],
)
def test_a_mistake_has_its_line(tmp_path: Path, part: dict[str, str], message: str) -> None:
    if "from_param" in part.get("slices", ""):
        part = {"status": "params.lang", **part}
    with pytest.raises(ConfigError) as error:
        load(tmp_path, **part)
    lines = str(error.value).splitlines()
    assert f"{tmp_path}/shop.yml{message}" in lines
    assert "s3cret" not in str(error.value)


def day(month: int, number: int) -> datetime:
    return datetime(2020, month, number, tzinfo=UTC)


def test_windows_that_meet_have_a_unit_in_common() -> None:
    """Whether a source takes bounds for inside or outside, no row lies between two windows."""
    assert slices("format: date").windows(day(3, 5)) == [
        Window(day(1, 1), day(2, 1)),
        Window(day(1, 31), day(3, 1)),
        Window(day(2, 29), day(3, 5)),
    ]
    second = slices("every: P31D").windows(day(2, 10))[1]
    assert second == Window(datetime(2020, 1, 31, 23, 59, 59, tzinfo=UTC), day(2, 10))


def test_a_window_is_halved_down_to_one_unit() -> None:
    days = slices("format: date")
    assert days.halves(Window(day(1, 1), day(1, 5))) == (Window(day(1, 1), day(1, 3)), Window(day(1, 2), day(1, 5)))
    assert days.halves(Window(day(1, 2), day(1, 5))) == (Window(day(1, 2), day(1, 4)), Window(day(1, 3), day(1, 5)))
    assert days.halves(Window(day(1, 2), day(1, 4))) is None
    assert days.halves(Window(day(1, 1), day(1, 2))) is None


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("iso", "2020-02-01T00:00:00Z"),
        ("date", "2020-02-01"),
        ("unix", 1580515200),
        ("unix_ms", 1580515200000),
    ],
)
def test_a_time_is_sent_in_the_format_of_the_source(form: str, start: str | int) -> None:
    assert slices(f"format: {form}").written(day(2, 1)) == start


def test_the_end_of_the_last_window_holds_the_source_s_own_time() -> None:
    now = datetime(2020, 3, 5, 10, 30, 0, 500_000, tzinfo=UTC)
    assert slices("").bound(now) == datetime(2020, 3, 5, 10, 30, 1, tzinfo=UTC)
    assert slices("format: date").bound(now) == day(3, 6)


@pytest.mark.parametrize(
    ("text", "period", "after"),
    [
        ("P1M", Period(1), day(3, 31)),
        ("P1Y2M", Period(14), datetime(2022, 5, 31, tzinfo=UTC)),
        ("P2W", Period(0, timedelta(days=14)), day(2, 28)),
        ("PT90M", Period(0, timedelta(minutes=90)), datetime(2020, 1, 31, 3, tzinfo=UTC)),
    ],
)
def test_a_period_counts_months_from_the_start(text: str, period: Period, after: datetime) -> None:
    """Two months behind 31 January is 31 March, though February is shorter."""
    assert parse_period(text) == period
    assert period.after(day(1, 31), 2) == after


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1M", "P0D", "P1MT", "PT1D", "-P1D", "P1.5D"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time"):
        parse_period(text)
