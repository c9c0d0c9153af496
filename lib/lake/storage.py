"""Where a lake is kept: every file, folder and Delta table of a lake is opened here, and nowhere else.

An `Address` says where something is. Its text is what Spark, delta-rs and people are given. What each kind of store does in its own
way is in `local_files` (this machine) and `objects` (object stores), method by method the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from lib.lake.delta_tables import DeltaTables, Query, Rows, with_retries
from lib.lake.lease import check_held
from lib.lake.local_files import LocalFiles
from lib.lake.objects import Objects
from lib.stores import kind_of

_MEMORY = "memory"


@dataclass(frozen=True)
class Address:
    """A lake, or a folder, a table or a file of one.

    `store` is empty on this machine, else the part of a URI that names the store, such as `memory://tests`. `path` begins with a
    slash.
    """

    store: str
    path: str

    @classmethod
    def of(cls, text: str) -> Address:
        """The address that a URI or an absolute path names."""
        scheme, there, rest = text.partition("://")
        if not there:
            return cls("", text)
        host, _, path = rest.partition("/")
        return cls(f"{scheme}://{host}", f"/{path}" if path else "")

    def __truediv__(self, name: str) -> Address:
        """What is below this address."""
        return Address(self.store, f"{self.path.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return f"{self.store}{self.path}"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> Address:
        """The folder that it is in."""
        return Address(self.store, self.path.rpartition("/")[0] or "/")

    def below(self, root: Address) -> str:
        """The path from a folder above to here, with forward slashes.

        Raises:
            ValueError: it is not below that folder.
        """
        if self.store != root.store or not self.path.startswith(f"{root.path}/"):
            message = f"{self} is not below {root}"
            raise ValueError(message)
        return self.path[len(root.path) + 1 :]


@cache
def _store(name: str) -> LocalFiles | Objects:
    """The store of that name, the same one in the whole process."""
    scheme = name.partition("://")[0]
    if not name:
        return LocalFiles()
    if scheme == _MEMORY:
        from obstore.store import MemoryStore

        return Objects(MemoryStore())
    kind = kind_of(name)
    if kind is not None:
        return Objects(kind.objects(), kind.table_options, name)
    message = f"{name}: lakes are not kept in stores of this kind"
    raise ValueError(message)


def read(at: Address) -> bytes:
    """What a file holds.

    Raises:
        OSError: FileNotFoundError where there is none.
    """
    return _store(at.store).read(at.path)


def read_text(at: Address) -> str:
    """The text of a file, which is UTF-8.

    Raises:
        OSError: FileNotFoundError where there is none.
        UnicodeDecodeError: it is no text.
    """
    return read(at).decode("utf-8")


def mode(at: Address) -> int | None:
    """Who may use a file, as the bits of `chmod`; None in a store whose files have no such bits."""
    return _store(at.store).mode(at.path)


def replace_text(at: Address, text: str, *, is_secret: bool = False) -> None:
    """Write a file as a whole: readers see the old one or the new one. A secret is for its owner alone, where there are owners."""
    check_held()
    _store(at.store).replace(at.path, text, is_secret=is_secret)


def is_file(at: Address) -> bool:
    """Whether there is a file at the address."""
    return _store(at.store).is_file(at.path)


def is_folder(at: Address) -> bool:
    """Whether there is a folder at the address: in an object store, whether there is something below it."""
    return _store(at.store).is_folder(at.path)


def names(folder: Address) -> set[str]:
    """The names of the files and folders in a folder; none where there is no folder."""
    return _store(folder.store).names(folder.path)


def files(folder: Address) -> dict[str, int]:
    """All files below a folder by their path from there, with their sizes in bytes."""
    return _store(folder.store).files(folder.path)


def remove(folder: Address, aside: Address | None = None) -> None:
    """Remove a folder with all that is in it.

    On a file system it is first moved `aside`, if that is given, so that no reader finds half of it.
    """
    check_held()
    _store(folder.store).remove(folder.path, "" if aside is None else aside.path)
    if (tables := _tables(folder.store)) is not None:
        tables.forget(str(folder))


def remove_older(folder: Address, before: datetime) -> None:
    """Remove what is in a folder and was last changed before that time."""
    check_held()
    _store(folder.store).remove_older(folder.path, before)


def work_folder(beside: Address, prefix: str) -> Path:
    """A new, empty folder of this machine, to make something in that `move_in` then puts into the store in which `beside` is.

    Where the store is this machine's, it is made in the folder `beside`, so that it can be moved at once.
    """
    return _store(beside.store).work_folder(beside.path, prefix)


def move_in(folder: Path, at: Address) -> None:
    """Move a folder of this machine into the store: at once on a file system, its `index.html` last in an object store.

    Raises:
        OSError: FileExistsError where something is there already. Nothing was changed then.
    """
    check_held()
    _store(at.store).move_in(folder, at.path)


@contextmanager
def lease(at: Address, text: str, *, patience_s: float) -> Iterator[bool]:
    """Hold the lease at an address meanwhile; `text` tells others whose it is. False: another one held it for all of `patience_s`.

    It ends with the process, however that ends: on this machine at once, in an object store a minute later. There a process that
    loses its lease ends by that, and writes nothing more before.

    Raises:
        OSError: the store cannot be written.
        ConfigError: the store does not keep writers apart.
        LakeError: there is something else than a lease.
    """
    with _store(at.store).lease(at.path, text, patience_s, str(at)) as is_mine:
        yield is_mine


def lease_text(at: Address) -> str:
    """Who holds the lease, or held it last and never gave it back; nothing where it was given back.

    Raises:
        LakeError: there is something else than a lease.
    """
    return _store(at.store).lease_text(at.path, str(at))


def lease_ends_at(at: Address) -> datetime | None:
    """When a lease that was not given back ends, unless its holder renews it; None where it ends with its process."""
    return _store(at.store).lease_ends_at(at.path, str(at))


def is_leased(at: Address) -> bool:
    """Whether somebody holds the lease.

    On this machine it looks by taking it for an instant, for which another one should wait.
    """
    return _store(at.store).is_leased(at.path, str(at))


def to_write(at: Address) -> str:
    """The text of an address for Spark, which is about to write a table there: all that it writes is asked for by this."""
    check_held()
    return str(at)


@cache
def _tables(name: str) -> DeltaTables | None:
    """The tables of a store that is asked over a network; None where tables are opened anew each time."""
    store = _store(name)
    return DeltaTables(store) if isinstance(store, Objects) and store.options is not None else None


def is_table(at: Address) -> bool:
    """Whether there is a Delta table at the address."""
    if (tables := _tables(at.store)) is not None:
        return tables.is_table(str(at), at.path)
    return DeltaTable.is_deltatable(str(at))


def table(at: Address, version: int | None = None) -> DeltaTable:
    """The table of delta-rs at the address, as it is now or as it was in a version.

    Raises:
        TableNotFoundError: there is none.
    """
    if (tables := _tables(at.store)) is not None:
        return tables.table(str(at), version)
    return DeltaTable(str(at), version=version)


def commit_info(at: Address, version: int) -> dict[str, Any]:
    """What the commit of one version says of itself: when it was made, by which operation, with which metrics.

    delta-rs' own history would keep all threads of Python waiting while a store is asked, and with them who renews a lease.

    Raises:
        OSError: FileNotFoundError where the log goes no longer so far back.
    """
    for line in read(at / "_delta_log" / f"{version:020}.json").splitlines():
        if line.startswith(b'{"commitInfo"'):
            found: dict[str, Any] = json.loads(line)["commitInfo"]
            return found
    return {}


def create_table(at: Address, schema: pa.Schema, configuration: dict[str, str]) -> DeltaTable:
    """The table, made if it is not there."""
    check_held()
    if (tables := _tables(at.store)) is not None:
        return tables.create(str(at), schema, dict(configuration))
    return DeltaTable.create(str(at), schema, mode="ignore", configuration=dict(configuration))


def append_rows(at: Address, to: DeltaTable, rows: Callable[[], Rows]) -> None:
    """Add rows to the table at the address in one commit, and with them the columns that it lacks.

    `rows` gives them, again where the store cut off the attempt before.
    """
    check_held()
    if (tables := _tables(at.store)) is not None:
        tables.append(str(at), at.path, to, rows)
        return
    write_deltalake(to, rows(), mode="append", schema_mode="merge")


def replace_rows(at: Address, to: DeltaTable, rows: pa.Table, which: str) -> None:
    """Put rows in the place of those for which the SQL condition `which` holds, in one commit. Done twice, it is as done once."""

    def replace() -> None:
        check_held()
        write_deltalake(to, rows, mode="overwrite", predicate=which, schema_mode="merge")

    with_retries(replace, str(at))


def asking(name: str, of: DeltaTable) -> QueryBuilder | Query:
    """What answers SQL on a table, which it calls `name`. It knows deletion vectors, which `to_pyarrow_table` refuses."""
    return (Query() if "://" in of.table_uri else QueryBuilder()).register(name, of)
