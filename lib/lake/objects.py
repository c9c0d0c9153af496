"""An object store, by obstore: objects are replaced as a whole, and a folder is nothing but how their names begin."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lib.files import content_type
from lib.lake.lease import Lease, said
from lib.stores.trouble import store_error

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

# A reader who finds it finds all that it links to.
_LAST = "index.html"


class Objects:
    """The objects of one store. `lib.lake.storage` says what each method does.

    `table_options` gives what delta-rs needs beside a URI to open a table in the same store; `name` is what the store is called.
    """

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
    def lease(self, path: str, text: str, patience_s: float) -> Iterator[bool]:
        """A lease that a thread renews."""
        deadline = time.monotonic() + patience_s
        mine = Lease(self._store, _key(path), text)
        with self._as_os_errors(path):
            while not (is_mine := mine.take()) and time.monotonic() < deadline:
                time.sleep(0.1)
        try:
            yield is_mine
        finally:
            if is_mine:
                mine.give_back()

    def lease_text(self, path: str) -> str:
        """What the lease says."""
        with self._as_os_errors(path):
            return said(self._store, _key(path))[0].text

    def is_leased(self, path: str) -> bool:
        """Whether the lease has not ended."""
        with self._as_os_errors(path):
            return said(self._store, _key(path))[0].until > time.time()

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
