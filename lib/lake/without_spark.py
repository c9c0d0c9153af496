"""What is published for those who read without Spark: Arrow tables, which pandas, Polars and DuckDB all take, masked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, overload

import pyarrow as pa

from lib.config import MASK, lake_address
from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.personal import Personal, personal_columns
from lib.lake.publications import Publication, PublishedTable, for_readers
from lib.lake.there import lake_there, published_there


def read_published(lake: str | None = None) -> tuple[str, dict[str, Any]]:
    """Where a lake is, and what its `published.json` says, for those who open the tables themselves.

    Nothing is masked there, and rows that are deleted are among the others: `live` is the SQL condition that leaves them out.
    Without a name as `open_lake`.

    Raises:
        ConfigError: there is no lake, or nothing is published in it.
    """
    layout, publication = _published(lake)
    return str(layout.root), for_readers(publication)


@overload
def read_masked(
    table: str,
    *,
    lake: str | None = None,
    columns: Collection[str] | None = None,
    unmasked: Collection[str] = (),
    with_deleted: bool = False,
) -> pa.Table: ...


@overload
def read_masked(
    *, lake: str | None = None, unmasked: Collection[str] = (), with_deleted: bool = False
) -> dict[str, pa.Table]: ...


def read_masked(
    table: str | None = None,
    *,
    lake: str | None = None,
    columns: Collection[str] | None = None,
    unmasked: Collection[str] = (),
    with_deleted: bool = False,
) -> pa.Table | dict[str, pa.Table]:
    """The live rows of one published table as an Arrow table; or of all of them, by name. Personal values are masked.

    That is done as `open_lake` does: `***` in place of text, null in place of anything else; nulls stay. If it is named `users`,
    Polars takes it as `pl.from_arrow(users)`, DuckDB as `duckdb.sql("FROM users")`, and pandas as `users.to_pandas()`.
    `columns` are those that are read; of a table `unmasked` are columns to show all the same, such as `email`, of all tables such
    as `users.email`. `with_deleted` gives rows that the source has deleted as well. Without a name of a lake as `open_lake`.

    Raises:
        ConfigError: there is no lake, nothing is published in it, or no such table or column.
    """
    layout, publication = _published(lake)
    personal = personal_columns(layout)
    if table is not None:
        check_published(publication, table)
        return _masked(
            layout, publication.tables[table], personal, _listed(unmasked), columns, with_deleted=with_deleted
        )
    asked = by_table(publication, unmasked)
    return {
        name: _masked(layout, entry, personal, asked[name], None, with_deleted=with_deleted)
        for name, entry in publication.tables.items()
    }


def check_published(publication: Publication, table: str) -> None:
    """Check that a table is published.

    Raises:
        ConfigError: it is not; names those that are.
    """
    if table not in publication.tables:
        message = f"no table '{table}' is published; there are {', '.join(sorted(publication.tables))}"
        raise ConfigError(message)


def by_table(publication: Publication, unmasked: Collection[str]) -> dict[str, list[str]]:
    """Columns such as `users.email`, by table.

    Raises:
        ConfigError: one of them is of no published table.
    """
    asked: dict[str, list[str]] = {name: [] for name in publication.tables}
    for name in _listed(unmasked):
        table, dot, column = name.partition(".")
        if not dot or table not in asked:
            message = (
                f"{name!r} names no column of a published table{did_you_mean(table, asked)}; write such as users.email"
            )
            raise ConfigError(message)
        asked[table].append(column)
    return asked


def _masked(
    layout: Layout,
    entry: PublishedTable,
    personal: Personal,
    unmasked: Collection[str],
    columns: Collection[str] | None,
    *,
    with_deleted: bool,
) -> pa.Table:
    held = storage.table(layout.root / entry.path, entry.version)
    schema = pa.schema(held.schema().to_arrow())
    wanted = schema.names if columns is None else _listed(columns)
    for name in (*wanted, *unmasked):
        if name not in schema.names:
            message = f"{entry.table}: there is no column {name!r}{did_you_mean(name, schema.names)}"
            raise ConfigError(message)
    hidden = set(personal.among(entry.table, schema.names)) - set(unmasked)
    shown = pa.schema([schema.field(name) for name in wanted])
    # What is hidden is not read at all, but for whether text is there.
    parts = [_read(field, is_hidden=field.name in hidden) for field in shown]
    sql = f'SELECT {", ".join(parts) or "1"} FROM "{_TABLE}" WHERE {"true" if with_deleted else entry.live}'
    found = pa.table(storage.asking(_TABLE, held).execute(sql))
    return pa.table([_column(found, place, field) for place, field in enumerate(shown)], schema=shown)


_TABLE = "published"


def _read(field: pa.Field, *, is_hidden: bool) -> str:
    name = '"' + field.name.replace('"', '""') + '"'
    if not is_hidden:
        return str(name)
    shown = f"CASE WHEN {name} IS NOT NULL THEN '{MASK}' END" if _is_text(field.type) else "NULL"
    return f"{shown} AS {name}"


def _column(found: pa.Table, place: int, field: pa.Field) -> pa.ChunkedArray:
    column = found.column(place)
    return (
        pa.chunked_array([pa.nulls(len(column), field.type)])
        if pa.types.is_null(column.type)
        else column.cast(field.type)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _listed(names: Collection[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _published(lake: str | None) -> tuple[Layout, Publication]:
    import os

    layout = lake_there(lake_address(os.environ) if lake is None else lake)
    return layout, published_there(layout)
