"""The driver's own small Delta tables (`ops/*`), written and read by delta-rs.

A commit takes some 20 ms, works before a JVM is there and after it has died, and any engine reads the result: see
docs/adr/0003-ops-tables-by-delta-rs.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake.exceptions import CommitFailedError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lib.lake import storage
from lib.lake.storage import Address
from lib.session import RETENTION

if TYPE_CHECKING:
    from deltalake import DeltaTable

Record = Mapping[str, Any]
# A run and the scheduler's callbacks may write one table at the same time.
_again = retry(
    retry=retry_if_exception_type(CommitFailedError),
    stop=stop_after_attempt(5),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    reraise=True,
)


def make(path: Address, schema: pa.Schema) -> DeltaTable:
    """The table, made if it is not there."""
    return storage.create_table(path, schema, RETENTION)


def append(path: Address, schema: pa.Schema, records: Sequence[Record]) -> None:
    """Add the records in one commit; the table is made if it is not there."""
    storage.append_rows(path, make(path, schema), lambda: _rows(schema, records))


def append_batches(path: Address, schema: pa.Schema, batches: Callable[[], Iterator[pa.RecordBatch]]) -> None:
    """Add records of any number in one commit, of which a few batches are in memory at a time.

    `batches` gives them from the first on, again where an attempt to write them was cut off.
    """
    storage.append_rows(path, make(path, schema), lambda: pa.RecordBatchReader.from_batches(schema, batches()))


@_again
def replace(path: Address, schema: pa.Schema, records: Sequence[Record], which: str) -> None:
    """Put the records in the place of those for which the SQL condition `which` holds, in one commit."""
    storage.replace_rows(path, make(path, schema), _rows(schema, records), which)


def read(path: Address) -> list[dict[str, Any]]:
    """All records of the table, or none if it is not there."""
    return query(path, "records", "SELECT * FROM records") if storage.is_table(path) else []


def last_number(path: Address) -> int:
    """The greatest number in the column `number`; 0 where nothing has one yet. Told by the log, where it says so."""
    if not storage.is_table(path):
        return 0
    table = storage.table(path)
    if "number" not in {field.name for field in table.schema().fields}:
        return 0
    [found] = query(path, "records", "SELECT max(number) AS number FROM records")
    return int(found["number"] or 0)


def newest(path: Address, by: tuple[str, str], last: int) -> list[dict[str, Any]]:
    """The `last` records by a number and, where that is the same, a time (`by` are both columns); none if there is no table.

    Only files that can hold one of them are read: the cost is that of `last` records, and of the table's log.
    """
    if not storage.is_table(path):
        return []
    number, time = by
    first = _bound(storage.table(path), by, last)
    which = ""
    if first:
        same = f"({number} = {first[0]} AND {time} >= {moment(first[1])})"
        which = f"WHERE {number} >= {first[0]} AND ({number} > {first[0]} OR {same}) "
    order = f"ORDER BY {number} DESC NULLS LAST, {time} DESC"
    return query(path, "records", f"SELECT * FROM records {which}{order} LIMIT {last}")


def _rows(schema: pa.Schema, records: Sequence[Record]) -> pa.Table:
    return pa.Table.from_pylist([dict(record) for record in records], schema)


def text(value: str) -> str:
    """A text as SQL."""
    quoted = value.replace("'", "''")
    return f"'{quoted}'"


def moment(at: datetime) -> str:
    """A time as SQL."""
    return f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z'"


def _bound(table: DeltaTable, by: tuple[str, str], last: int) -> tuple[int, datetime] | None:
    """From where on there are `last` records at least, by what the log says of the files. None: it does not say."""
    files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    found = 0
    known = [(*(one.get(f"min.{name}") for name in by), one.get("num_records")) for one in files]
    if any(None in one for one in known):
        return None
    for number, time, rows in sorted(known, reverse=True):
        found += rows
        if found >= last:
            return number, time
    return None


def query(path: Address, name: str, sql: str, version: int | None = None) -> list[dict[str, Any]]:
    """The rows of a query on one table, which it calls `name`, as it is now or was in a version."""
    rows: list[dict[str, Any]] = pa.table(storage.asking(name, storage.table(path, version)).execute(sql)).to_pylist()
    return rows
