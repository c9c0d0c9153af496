"""A store that is this machine's file system, as the kernel knows it. docs/adr/0016 says why it is not one of obstore's."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from lib.files import replace_text


class LocalFiles:
    """Files and folders by their absolute paths. `lib.lake.storage` says what each method does.

    `options` are what delta-rs needs beside a path: nothing.
    """

    options: dict[str, str] | None = None

    def read(self, path: str) -> bytes:
        """What a file holds."""
        return Path(path).read_bytes()

    def mode(self, path: str) -> int:
        """The bits of `chmod`."""
        return stat.S_IMODE(Path(path).stat().st_mode)

    def replace(self, path: str, text: str, *, is_secret: bool) -> None:
        """Write a file as a whole, and have it on the disk before anyone sees it."""
        replace_text(Path(path), text, mode=0o600 if is_secret else 0o644)

    def is_file(self, path: str) -> bool:
        """Whether something is there that can be read, or that keeps a file from being there."""
        return Path(path).exists()

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        return Path(path).is_dir()

    def names(self, path: str) -> set[str]:
        """What is in a folder."""
        try:
            return set(os.listdir(path))
        except FileNotFoundError:
            return set()

    def files(self, path: str) -> dict[str, int]:
        """The files below a folder, with their sizes."""
        found = [file for file in Path(path).rglob("*") if file.is_file()]
        return {file.relative_to(path).as_posix(): file.stat().st_size for file in found}

    def remove(self, path: str, aside: str) -> None:
        """Remove a folder. What is aside is in nobody's way, so what cannot be removed there may stay."""
        if not aside:
            shutil.rmtree(path)
            return
        Path(aside).parent.mkdir(parents=True, exist_ok=True)
        Path(path).rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def remove_older(self, path: str, before: datetime) -> None:
        """Remove the folders in a folder that are older."""
        for folder in Path(path).iterdir() if Path(path).is_dir() else ():
            if folder.stat().st_mtime < before.timestamp():
                shutil.rmtree(folder, ignore_errors=True)

    def work_folder(self, path: str, prefix: str) -> Path:
        """A new folder on the file system that its content will be on."""
        Path(path).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=path))
        folder.chmod(0o755)  # mkdtemp's 0700 would go with the folder
        return folder

    def move_in(self, folder: Path, path: str) -> None:
        """Rename the folder."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error
            raise

    @contextmanager
    def lease(self, path: str, text: str, patience_s: float, where: str) -> Iterator[bool]:
        """The kernel's lock on a file, which ends with the process. The text is what the file holds meanwhile."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("a+", encoding="utf-8") as file:
            if not _is_locked(file, patience_s):
                yield False
                return
            file.truncate(0)
            file.write(text)
            file.flush()
            try:
                yield True
            finally:
                file.truncate(0)

    def lease_text(self, path: str, where: str) -> str:
        """What the file holds."""
        return Path(path).read_text("utf-8") if Path(path).exists() else ""

    def lease_ends_at(self, path: str, where: str) -> None:
        """Nothing: it ends when its process does."""

    def is_leased(self, path: str, where: str) -> bool:
        """Whether the file is locked."""
        if not Path(path).exists():
            return False
        with Path(path).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _is_locked(file: IO[str], patience_s: float) -> bool:
    """Lock the file, if it is free within so many seconds."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        else:
            return True
