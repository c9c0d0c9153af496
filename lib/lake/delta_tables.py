"""Delta tables of one store, by delta-rs: opened once in a process, and brought up to date by one listing.

What was cut off is tried again here, as delta-rs does not do that for commits and for answers that end too early.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from lib.lake.lease import check_held
from lib.lake.objects import Objects
from lib.stores.trouble import is_cut_off, store_error

T = TypeVar("T")
Rows: TypeAlias = pa.Table | pa.RecordBatchReader
ATTEMPTS = 4
_FAILURES = (OSError, DeltaError, pa.ArrowException)
# Tables that are kept open; each holds the list of its files.
_MOST = 64
# Of a commit: which write it is, by which one whose answer was lost is known again.
_WRITE = "pagelake.write"
# What every append says that it does. Of two from one version delta-rs refuses the later one, in place of putting it behind.
_TRANSACTION = Transaction("pagelake", 1)


def with_retries(work: Callable[[], T], where: str = "", done: Callable[[], bool] = lambda: False) -> T | None:
    """Do it, and again where the store cut it off; None where it was cut off, and is `done` all the same.

    Raises:
        StoreError: the store failed in another way, or more often.
    """
    try:
        for attempt in _attempts():
            with attempt:
                is_again = attempt.retry_state.attempt_number > 1
                return None if is_again and done() else work()
    except TableNotFoundError:
        raise
    except _FAILURES as error:
        said = store_error(error, where)
        if said is None or said is error:
            raise
        raise said from error
    raise AssertionError  # the last attempt raises what it failed by


def _attempts() -> Retrying:
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, _FAILURES) and is_cut_off(error)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=0.4),
        reraise=True,
    )


class DeltaTables:
    """The tables of a store that is asked over a network. Threads may use it side by side."""

    def __init__(self, store: Objects) -> None:
        self._store = store
        self._open: OrderedDict[tuple[str, int | None], tuple[DeltaTable, dict[str, str] | None]] = OrderedDict()
        self._lock = threading.Lock()

    def is_table(self, at: str, path: str) -> bool:
        """Whether there is a table. delta-rs would keep all other threads waiting for the answer."""
        with self._lock:
            if any(key[0] == at for key in self._open):
                return True
        return any(name.endswith((".json", ".parquet")) for name in self._store.names(f"{path}/_delta_log"))

    def table(self, at: str, version: int | None) -> DeltaTable:
        """The table as it is now, or was in a version, which never changes."""
        options = self._store.options
        held = self._held(at, version, options)
        if held is not None:
            if version is None:
                with_retries(held.update_incremental, at)
            return held
        opened = with_retries(lambda: DeltaTable(at, version=version, storage_options=options), at)
        assert opened is not None
        return self._keep(at, version, opened, options)

    def create(self, at: str, schema: pa.Schema, configuration: dict[str, str]) -> DeltaTable:
        """The table, made if it is not there."""
        options = self._store.options
        if self._held(at, None, options) is not None:
            return self.table(at, None)
        made = with_retries(
            lambda: DeltaTable.create(at, schema, mode="ignore", configuration=configuration, storage_options=options),
            at,
        )
        assert made is not None
        return self._keep(at, None, made, options)

    def append(self, at: str, path: str, to: DeltaTable, rows: Callable[[], Rows]) -> None:
        """Add rows in one commit. One whose answer was lost is looked for in the log, so that none is made twice."""
        mark, before = uuid4().hex, to.version()
        properties = CommitProperties(custom_metadata={_WRITE: mark}, app_transactions=[_TRANSACTION])

        def write() -> None:
            for _ in range(ATTEMPTS):
                check_held()
                try:
                    write_deltalake(to, rows(), mode="append", schema_mode="merge", commit_properties=properties)
                except CommitFailedError as error:
                    if "Concurrent transaction" not in str(error):
                        raise
                    failure = error
                else:
                    return
                # Another append came first: of another process, or this one's own, which arrived after it had been given up.
                if is_there():
                    return
                to.update_incremental()
            raise failure

        def is_there() -> bool:
            for version in count(before + 1):
                try:
                    commit = self._store.read(f"{path}/_delta_log/{version:020}.json")
                except FileNotFoundError:
                    return False
                if mark.encode() in commit:
                    return True
            raise AssertionError

        with_retries(write, at, is_there)

    def forget(self, below: str) -> None:
        """Keep no table open that is at this address or below it."""
        with self._lock:
            for key in [key for key in self._open if f"{key[0]}/".startswith(f"{below}/")]:
                del self._open[key]

    def _held(self, at: str, version: int | None, options: dict[str, str] | None) -> DeltaTable | None:
        with self._lock:
            found = self._open.get((at, version))
            if found is None or found[1] != options:  # its credentials may have ended
                return None
            self._open.move_to_end((at, version))
            return found[0]

    def _keep(self, at: str, version: int | None, table: DeltaTable, options: dict[str, str] | None) -> DeltaTable:
        with self._lock:
            self._open[at, version] = table, options
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return table


class Query:
    """SQL on tables of a store: asked again as a whole where an answer was cut off."""

    def __init__(self) -> None:
        self._tables: dict[str, DeltaTable] = {}

    def register(self, name: str, table: DeltaTable) -> Query:
        """Let the SQL call a table so."""
        self._tables[name] = table
        return self

    def execute(self, sql: str) -> pa.RecordBatchReader:
        """The rows."""

        def ask() -> pa.Table:
            asked = QueryBuilder()
            for name, table in self._tables.items():
                asked.register(name, table)
            return pa.table(asked.execute(sql))

        found: Any = with_retries(ask, next(iter(self._tables.values())).table_uri)
        return found.to_reader()
