"""An object store, by obstore: objects are replaced as a whole, and a folder is nothing but how their names begin."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lib.files import content_type
from lib.lake.conditions import check_conditions
from lib.lake.lease import DURATION_S, Lease, find
from lib.stores.trouble import store_error

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

# A reader who finds it finds all that it links to.
_LAST = "index.html"
# Between two looks at a lease that another one holds.
_LOOK_S = 0.25


class Objects:
    """The objects of one store. `lib.lake.storage` says what each method does.

    `table_options` gives what delta-rs needs beside a URI to open a table in the same store; `name` is what the store is called. A
    lease in it lasts for `lease_s`.
    """

    lease_s = DURATION_S

    def __init__(
        self, store: ObjectStore, table_options: Callable[[], dict[str, str]] | None = None, name: str = ""
    ) -> None:
        self._store, self._table_options, self._name = store, table_options, name

    @property
    def options(self) -> dict[str, str] | None:
        """Asked for each table anew, as credentials end."""
        return None if self._table_options is None else self._table_options()

    def read(self, path: str) -> bytes:
        """What an object holds."""
        with self._as_os_errors(path):
            return self._store.get(_key(path)).bytes().to_bytes()

    def mode(self, path: str) -> None:
        """Nothing: a policy of the store says who may use an object."""

    def replace(self, path: str, text: str, *, is_secret: bool) -> None:
        """Write an object."""
        with self._as_os_errors(path):
            self._store.put(_key(path), text.encode("utf-8"), attributes=_shown_as(path))

    def is_file(self, path: str) -> bool:
        """Whether there is an object of that name."""
        try:
            with self._as_os_errors(path):
                self._store.head(_key(path))
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, path: str) -> bool:
        """Whether an object's name begins so."""
        with self._as_os_errors(path):
            return any(True for _ in self._store.list(_key(path), chunk_size=1))

    def names(self, path: str) -> set[str]:
        """The next part of all names that begin so."""
        with self._as_os_errors(path):
            found = self._store.list_with_delimiter(_key(path))
        keys = [*found["common_prefixes"], *(one["path"] for one in found["objects"])]
        return {key.rstrip("/").rpartition("/")[2] for key in keys}

    def files(self, path: str) -> dict[str, int]:
        """The objects whose names begin so, with their sizes."""
        with self._as_os_errors(path):
            return {one["path"][len(_key(path)) + 1 :]: one["size"] for one in self._below(path)}

    def remove(self, path: str, aside: str) -> None:
        """Delete them all, first the one that leads to the others."""
        with self._as_os_errors(path):
            keys = [one["path"] for one in self._below(path)]
            for key in sorted(keys, key=lambda key: key != f"{_key(path)}/{_LAST}"):
                self._store.delete(key)

    def remove_older(self, path: str, before: datetime) -> None:
        """Delete those that are older."""
        with self._as_os_errors(path):
            for one in self._below(path):
                if one["last_modified"] < before:
                    self._store.delete(one["path"])

    def work_folder(self, path: str, prefix: str) -> Path:
        """A new folder of this machine."""
        return Path(tempfile.mkdtemp(prefix=prefix))

    def move_in(self, folder: Path, path: str) -> None:
        """Write all files of the folder, and remove it."""
        if self.is_folder(path):
            raise FileExistsError(path)
        written = [file for file in folder.rglob("*") if file.is_file()]
        with self._as_os_errors(path):
            for file in sorted(written, key=lambda file: (file == folder / _LAST, file)):
                self._store.put(
                    f"{_key(path)}/{file.relative_to(folder).as_posix()}", file, attributes=_shown_as(file.name)
                )
        shutil.rmtree(folder)

    @contextmanager
    def lease(self, path: str, text: str, patience_s: float, where: str) -> Iterator[bool]:
        """A lease that a thread renews. Whether the store keeps writers apart at all is asked before the first one."""
        deadline = time.monotonic() + patience_s
        mine = Lease(self._store, _key(path), text, where=where, duration_s=self.lease_s)
        with self._as_os_errors(path):
            while True:
                found = find(self._store, _key(path), where)
                if found.version is None:
                    check_conditions(self._store, _key(path), where)
                if (is_mine := mine.take(found)) or time.monotonic() >= deadline:
                    break
                time.sleep(_LOOK_S)
        if not is_mine:
            yield False
            return
        mine.keep()
        try:
            yield True
        finally:
            mine.give_back()

    def lease_text(self, path: str, where: str) -> str:
        """What the lease says."""
        with self._as_os_errors(path):
            return find(self._store, _key(path), where).said.text

    def lease_ends_at(self, path: str, where: str) -> datetime | None:
        """When the store says that it ends, by its own clock."""
        with self._as_os_errors(path):
            found = find(self._store, _key(path), where)
        return found.ends_at if found.said.holder else None

    def is_leased(self, path: str, where: str) -> bool:
        """Whether the lease has not ended: by this machine's clock, as who only looks writes nothing to ask the store's."""
        ends_at = self.lease_ends_at(path, where)
        return ends_at is not None and ends_at > datetime.now(UTC)

    def _below(self, path: str) -> list[ObjectMeta]:
        return [one for some in self._store.list(_key(path)) for one in some]

    @contextmanager
    def _as_os_errors(self, path: str) -> Iterator[None]:
        """What a store says goes on as an OSError, in a sentence. FileNotFoundError is one already."""
        from obstore.exceptions import BaseError

        where = f"{self._name}{path}"
        try:
            yield
        except FileNotFoundError as error:
            # An object is not there either where there is no bucket.
            if "NoSuchBucket" in str(error) and (said := store_error(error, where)):
                raise said from error
            raise
        except BaseError as error:
            message = f"{where}: {str(error).splitlines()[0]}"
            raise store_error(error, where) or OSError(message) from error


def _shown_as(name: str) -> dict[str, str]:
    """What a browser takes the object for: the site may be served from the store."""
    return {"Content-Type": content_type(name)}


def _key(path: str) -> str:
    return path.strip("/")
