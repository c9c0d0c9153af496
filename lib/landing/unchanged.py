"""Whether the rows of a first page are published as they are: then there is nothing to land, and no Spark to be started.

An increment begins a little behind its watermark, so its first page has rows even where nothing has changed. Only what is plain to
see counts: a value that Spark might read in another way is one that has changed.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from lib.config import Array, Column, DataType, Decimal, Scalar, Source, Struct, Table
from lib.config.expression import is_expression
from lib.config.incremental import scale_of
from lib.config.slices import written
from lib.lake import records, storage
from lib.lake.layout import Layout
from lib.lake.publications import Publication, PublishedTable
from lib.landing.nested import nested_in
from lib.landing.plan import MOST_AT_ONCE
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.gate import Gate
from lib.source.items import items_of
from lib.source.json_text import parsed
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Position
from lib.source.part import Part, PartValue

# So many published rows are held against those of a page; where there are more, Spark does it.
MOST_HELD = 10_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}([0-9]{3})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_EPOCHS = {"s": timedelta(seconds=1), "ms": timedelta(milliseconds=1)}


def are_unchanged(
    source: Source,
    layout: Layout,
    published: Publication | None,
    access: Access,
    gate: Gate,
    run_id: str,
    table: Table,
    parts: Sequence[tuple[Part, str | None]],
) -> bool:
    """Whether no part of an increment has anything new: the first page of each is looked at, a few at a time.

    Beside each part is the value from which on it is asked for. Nothing more is asked for behind a part with something new.
    """
    position = Position(access.paging_for(table.name).first_number)

    def look(asked: tuple[Part, str | None]) -> bool:
        part, since = asked
        with SourceClient(access, gate) as client:
            path = part.path(table.path)
            page = fetch_page(client, run_id=run_id, table=table.name, path=path, position=position, part=part)
        return is_unchanged(source, layout, published, access, page, since)

    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        few = (parts[first : first + MOST_AT_ONCE] for first in range(0, len(parts), MOST_AT_ONCE))
        return all(all(pool.map(look, some)) for some in few)


def is_unchanged(
    source: Source, layout: Layout, published: Publication | None, access: Access, page: PageRow, since: str | None
) -> bool:
    """Whether this first page of an increment is the whole of it, and each of its rows is published and live.

    A part that is asked for all of its rows, `since` None, has none yet.
    """
    table = source.table(page.table)
    entry = None if published is None else published.tables.get(page.table)
    if page.error is not None or page.is_skipped or page.next_cursor is not None:
        return False
    if not page.n_items:
        return not page.total
    paging = access.paging_for(page.table)
    # Without a total, a page that is not full is the last one.
    is_whole = page.total == page.n_items or (page.total is None and page.is_end is True)
    if not is_whole or page.rows is not None or page.body is None or is_expression(paging.items):
        return False
    if entry is None or since is None or nested_in(source, table.name):
        return False
    rows = items_of(parsed(page.body), paging.items)
    held = _held(layout, entry, table, since)
    names, values = source.reading_of(table).of_part, {} if page.part is None else Part(page.part).values
    of_part = {column: values[name] for column, name in names.items()}
    return isinstance(rows, list) and held is not None and all(_is_held(table, row, of_part, held) for row in rows)


def _held(layout: Layout, entry: PublishedTable, table: Table, since: str) -> list[dict[str, Any]] | None:
    """The live rows that are published, from this value of the incremental column on; None where they have not all columns."""
    held = storage.table(layout.root / entry.path, entry.version)
    names = [column.name for column in table.columns]
    if not set(names) <= {field.name for field in held.schema().fields} or table.incremental is None:
        return None
    columns = ", ".join(f'"{name}"' for name in names)
    at = scale_of(table).read(since)
    bound = str(at) if isinstance(at, int) else records.moment(at)
    sql = f'SELECT {columns} FROM held WHERE {entry.live} AND "{table.incremental.column}" >= {bound}'
    found: list[dict[str, Any]] = pa.table(
        storage.asking("held", held).execute(f"{sql} LIMIT {MOST_HELD + 1}")
    ).to_pylist()
    return found if len(found) <= MOST_HELD else None


def _is_held(table: Table, row: Any, of_part: Mapping[str, PartValue], held: list[dict[str, Any]]) -> bool:
    if not isinstance(row, dict):
        return False
    if table.on_new_column != "ignore" and not row.keys() <= {column.json_key for column in table.columns}:
        return False
    given = {column.name: _given(column, row) for column in table.columns if column.value is None}
    for name, value in of_part.items():
        given[name] = written(value) if table.column(name).type == "string" else value
    kinds = {name: table.column(name).data_type for name in given}
    return any(all(_same(kinds[name], value, known[name]) for name, value in given.items()) for known in held)


def _given(column: Column, row: Any) -> Any:
    value = row
    for step in column.steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return None if column.empty_is_null and value == "" else value


def _same(kind: DataType, given: Any, held: Any) -> bool:
    """Whether a value of JSON is what is held, without a doubt."""
    if given is None or held is None:
        return given is None and held is None
    match kind:
        case Array(element):
            is_list = isinstance(given, list) and len(given) == len(held)
            return is_list and all(_same(element, *pair) for pair in zip(given, held, strict=True))
        case Struct(fields):
            return isinstance(given, dict) and all(_same(part, given.get(name), held[name]) for name, part in fields)
        case Decimal():
            return type(given) is int and decimal.Decimal(given) == held
        case Scalar(name, epoch, any_json):
            return not any_json and _same_scalar(name if epoch is None else epoch, given, held)


def _same_scalar(name: str, given: Any, held: Any) -> bool:
    match name:
        case "string":
            return isinstance(given, str) and given == held
        case "boolean":
            return given is held
        case "int" | "bigint":
            return type(given) is int and given == held
        case "double":
            return type(given) in (int, float) and given == held
        case "date":
            return isinstance(given, str) and _DAY.fullmatch(given) is not None and given == date.isoformat(held)
        case "timestamp":
            return isinstance(given, str) and _TIME.fullmatch(given) is not None and _time(given) == _utc(held)
    return type(given) is int and _utc(held) == datetime(1970, 1, 1, tzinfo=UTC) + given * _EPOCHS[name]


def _time(text: str) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
