"""What a source YAML says of increments: taken as it is meant, and each mistake told with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.config import Source, load_source
from lib.config.duration import parse_duration
from lib.config.incremental import Incremental, Scale
from lib.errors import ConfigError

REPO = Path(__file__).parents[2]
TEXT = """source: shop
api: {{url: "http://127.0.0.1:1"{api}}}
tables:
  changes:
    path: /changes
    key: [id]
    incremental: {incremental}
    {more}
    columns:
      id: bigint!
      at: timestamp!
      day: date!
      n: bigint!
      seen: timestamp
      name: string!
      born: {{type: "timestamp!", pii: true}}
      shop: {{type: "bigint!", value: params.shop}}
    params: {{shop: 5}}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Source]:
    def loaded(incremental: str, *, more: str = "deletes: soft", api: str = "") -> Source:
        path = tmp_path / "shop.yml"
        path.write_text(TEXT.format(incremental=incremental, more=more, api=api), "utf-8")
        return load_source(str(path), conf_dir=REPO / "conf", env={})

    return loaded


def problem(load: Callable[..., Source], incremental: str, **more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(incremental, **more)
    return re.sub(r"^.*/shop\.yml:", "", str(caught.value))


def test_a_table_is_incremental_by_a_parameter_and_a_column(load: Callable[..., Source]) -> None:
    own = (
        load("{param: since, until_param: until, column: at, overlap: PT2H, full_every: 7d}")
        .table("changes")
        .incremental
    )
    assert own == Incremental(param="since", until_param="until", column="at", overlap="PT2H", full_every="7d")
    assert own.longest == timedelta(days=7)


def test_numbers_have_a_number_as_overlap(load: Callable[..., Source]) -> None:
    own = load("{param: since, column: n, overlap: 100}").table("changes").incremental
    assert own is not None
    assert own.overlap == 100


@pytest.mark.parametrize(
    ("incremental", "says"),
    [
        ("{column: at}", "7: tables.changes.incremental.param: missing"),
        ("{param: since}", "7: tables.changes.incremental.column: missing"),
        (
            "{param: since, column: att}",
            "7: tables.changes.incremental.column: there is no such column; did you mean 'at'?",
        ),
        (
            "{param: since, column: name}",
            "7: tables.changes.incremental.column: 'name' is string, which has no watermark; take a timestamp, date, int or bigint",
        ),
        (
            "{param: since, column: seen}",
            "7: tables.changes.incremental.column: must be required; write seen: timestamp!",
        ),
        (
            "{param: since, column: born}",
            "7: tables.changes.incremental.column: 'born' is personal, and its values would be in addresses and records",
        ),
        (
            "{param: since, column: shop}",
            "7: tables.changes.incremental.column: 'shop' is not in the row, so it says nothing of when the row changed",
        ),
        (
            "{param: since, until_param: since, column: at}",
            "7: tables.changes.incremental.until_param: must not be the same parameter as param",
        ),
        (
            "{param: since, column: n, overlap: PT1H}",
            "7: tables.changes.incremental.overlap: must be a whole number, as 'n' is bigint, such as 100",
        ),
        (
            "{param: since, column: at, overlap: 60}",
            "7: tables.changes.incremental.overlap: must be a duration, as 'at' is a timestamp, such as PT1H",
        ),
        (
            "{param: since, column: n, overlap: -1}",
            "7: tables.changes.incremental.overlap: must be a whole number from 0 to 2,147,483,648",
        ),
        (
            "{param: since, column: at, overlap: P1M}",
            "7: tables.changes.incremental.overlap: is not a duration; write a whole number and m, h or d (minutes, hours, "
            "days), such as 26h",
        ),
        (
            "{param: since, column: at, full_every: never}",
            "7: tables.changes.incremental.full_every: is not a duration; write a whole number and m, h or d (minutes, hours, "
            "days), such as 26h",
        ),
        (
            "{param: since, column: n, format: unix}",
            "7: tables.changes.incremental.format: is for times, and 'n' is bigint; leave it out",
        ),
        (
            "{param: since, column: at, format: rfc}",
            "7: tables.changes.incremental.format: must be 'iso', 'date', 'unix' or 'unix_ms'",
        ),
        (
            "{param: page, column: at}",
            "7: tables.changes.incremental.param: is api.pagination.page_param, which is set for each page; take "
            "another one",
        ),
        (
            "{param: since, until_param: shop, column: at}",
            "18: tables.changes.params.shop: is tables.changes.incremental.until_param, which is set for each request; leave it "
            "out",
        ),
        (
            "{param: 'body:since', column: at}",
            "7: tables.changes.incremental.param: is in the body, and the requests for changes have none; write method: post, and "
            "json: {} or form: {} if nothing else is in it",
        ),
        (
            "{param: since, column: at, every: P1D}",
            "7: tables.changes.incremental.every: unknown key; did you mean 'full_every'?",
        ),
    ],
)
def test_each_mistake_is_told_with_its_line(load: Callable[..., Source], incremental: str, says: str) -> None:
    assert problem(load, incremental) == says


def test_a_parameter_of_the_paging_of_the_table_is_taken(load: Callable[..., Source]) -> None:
    says = problem(load, "{param: since, column: at}", more="pagination: {style: cursor, cursor_param: since}")
    assert says == (
        "7: tables.changes.incremental.param: is tables.changes.pagination.cursor_param, which is set for each page; take "
        "another one"
    )


def test_a_parameter_of_the_credentials_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    auth = ', auth: {type: query, name: token, value: "${SHOP}"}'
    path.write_text(TEXT.format(incremental="{param: token, column: at}", more="deletes: soft", api=auth), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_source(str(path), conf_dir=REPO / "conf", env={"SHOP": "secret"})
    says = "7: tables.changes.incremental.param: is api.auth.name, which is set for each page; take another one"
    assert says in str(caught.value)


def test_a_place_of_the_body_that_pages_are_asked_by_is_taken(load: Callable[..., Source]) -> None:
    says = problem(
        load,
        "{param: 'body:page', column: at}",
        more="method: post\n    json: {}\n    pagination: {style: page, page_param: 'body:page', size_param: 'body:size'}",
    )
    assert says == (
        "7: tables.changes.incremental.param: must not be at the same place of the body as tables.changes.pagination.page_param, "
        "or below or above it"
    )


def test_a_place_that_is_written_out_in_the_body_is_told(load: Callable[..., Source]) -> None:
    says = problem(
        load,
        "{param: 'body:filter.since', column: at}",
        more="method: post\n    json: {filter: {since: 2020-01-01}}\n    pagination: {style: none, total: null}",
    )
    assert (
        says
        == "9: tables.changes.json.filter.since: is tables.changes.incremental.param, which is set for each page; leave it out"
    )


def test_windows_of_time_have_no_increments(load: Callable[..., Source]) -> None:
    windows = "{from_param: after, to_param: before, from: 2020-01-01, every: P1M}"
    says = problem(load, "{param: since, column: at}", more=f"slices: {windows}")
    assert says == (
        "7: tables.changes.incremental: is not for a table with windows of time, each of which is read whole; take one of them"
    )


def test_a_parameter_of_the_slices_is_taken(load: Callable[..., Source]) -> None:
    says = problem(load, "{param: state, column: at}", more="slices: {param: state, values: [open, closed]}")
    assert says == (
        "7: tables.changes.incremental.param: is tables.changes.slices.param, which is set for each page; take another one"
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            "deletes: ignore",
            "finds deleted rows, of which deletes: ignore makes nothing; write deletes: soft, or leave it out",
        ),
        (
            "deletes: soft\n    slices: {param: state, values: [open]}",
            "is not for a table that is read in parts; take full_every, which finds deleted rows, too",
        ),
    ],
)
def test_a_sweep_needs_a_table_whose_deleted_rows_it_can_find(
    load: Callable[..., Source], more: str, says: str
) -> None:
    found = problem(load, "{param: since, column: at, sweep: P1D}", more=more)
    assert found == f"7: tables.changes.incremental.sweep: {says}"


def test_a_sweep_is_shorter_than_the_time_between_full_runs(load: Callable[..., Source]) -> None:
    found = problem(load, "{param: since, column: at, sweep: P7D, full_every: 7d}")
    says = "must be shorter than full_every, which finds deleted rows, too"
    assert found == f"7: tables.changes.incremental.sweep: {says}"
    own = load("{param: since, column: at, sweep: P1D, full_every: 7d}").table("changes").incremental
    assert own is not None
    assert own.longest_unswept == timedelta(days=1)


def test_the_keys_of_a_sweep_are_in_the_rows(load: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> None:
    with_key = TEXT.replace("key: [id]", "key: [id, shop]").replace('"bigint!", value', '"bigint!", value')
    monkeypatch.setattr(f"{__name__}.TEXT", with_key)
    found = problem(load, "{param: since, column: at, sweep: P1D}")
    says = "reads the keys in the rows, and 'shop' is not in the row; take full_every"
    assert found == f"7: tables.changes.incremental.sweep: {says}"


def test_a_sweep_finds_no_deleted_rows_of_nested_tables(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(
        "source: shop\napi: {url: 'http://127.0.0.1:1'}\ntables:\n  orders:\n    path: /orders\n    key: [id]\n    deletes: soft\n"
        "    incremental: {param: since, column: at, sweep: P1D}\n    columns: {id: 'bigint!', at: 'timestamp!'}\n"
        "  lines:\n    parent: {table: orders, items: lines}\n    key: [n]\n    columns: {n: 'bigint!'}\n",
        "utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_source(str(path), conf_dir=REPO / "conf", env={})
    assert str(caught.value).partition("shop.yml:")[2] == (
        "8: tables.orders.incremental.sweep: reads the keys of orders alone, and so finds no deleted rows of lines; take full_every"
    )


def test_a_nested_table_has_none_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(
        "source: shop\napi: {url: 'http://127.0.0.1:1'}\ntables:\n  orders: {path: /orders, key: [id], columns: {id: 'bigint!'}}\n"
        "  lines:\n    parent: {table: orders, items: lines}\n    key: [id]\n    columns: {id: 'bigint!', at: 'timestamp!'}\n"
        "    incremental: {param: since, column: at}\n",
        "utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_source(str(path), conf_dir=REPO / "conf", env={})
    says = "9: tables.lines.incremental: belongs to orders, whose pages hold these rows; leave it out"
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT1H", timedelta(hours=1)),
        ("P7D", timedelta(days=7)),
        ("P2W", timedelta(days=14)),
        ("P1DT2H30M5S", timedelta(days=1, hours=2, minutes=30, seconds=5)),
        ("90m", timedelta(minutes=90)),
    ],
)
def test_durations_may_be_those_of_iso_8601(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["P", "PT", "P0D", "PT0H", "P1M", "P1Y", "P1DT", "1D", "-P1D", "P1.5D", "p1d", "P1D "])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


TIMES = Scale(Incremental(param="since", column="at"), "timestamp")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-05-01", "2026-05-01T00:00:00Z"),
        ("2026-05-01T12:30:00", "2026-05-01T12:30:00Z"),
        ("2026-05-01T12:30:00+02:00", "2026-05-01T10:30:00Z"),
        ("2026-05-01T12:30:00.25Z", "2026-05-01T12:30:00.250000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_read_in_utc(text: str, read: str) -> None:
    assert TIMES.text(TIMES.read(text)) == read


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "0001-01-01T00:00:00+02:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a date or a time, such as 2026-05-01 or 2026-05-01T10:00:00Z"):
        TIMES.read(text)


def test_the_overlap_ends_at_a_whole_second_and_with_the_first_year() -> None:
    assert TIMES.behind("2026-05-01T12:00:00.750000Z") == "2026-05-01T11:00:00Z"
    assert TIMES.behind("0001-01-01T00:30:00Z") == "0001-01-01T00:00:00Z"


def test_fractions_are_dropped_where_the_format_has_none() -> None:
    millis = Scale(Incremental(param="since", column="at", format="unix_ms"), "timestamp")
    assert millis.written("1970-01-01T00:00:01.234567Z") == 1234
    assert millis.written("1969-12-31T23:59:59.500000Z") == -500
    assert (
        Scale(Incremental(param="since", column="at", format="unix"), "timestamp").written("1970-01-01T00:00:01.9Z")
        == 1
    )
    assert TIMES.written("2026-05-01T00:00:00.000001Z") == "2026-05-01T00:00:00.000001Z"


def test_a_column_of_numbers_has_whole_ones() -> None:
    numbers = Scale(Incremental(param="since", column="n"), "bigint")
    assert numbers.behind("17") == "17"
    assert numbers.written("-17") == -17
    with pytest.raises(ValueError, match="must be a whole number"):
        numbers.read("2026-05-01")


def test_a_date_is_the_day_of_a_time() -> None:
    days = Scale(Incremental(param="since", column="day", overlap="P1D"), "date")
    assert days.text(datetime(2026, 5, 1, 23, tzinfo=UTC)) == "2026-05-01"
    assert days.behind("2026-05-01") == "2026-04-30"
    assert days.written("2026-05-01") == "2026-05-01"
