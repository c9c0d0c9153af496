"""A store that is this machine's file system, as the kernel knows it. docs/adr/0015 says why it is not one of obstore's."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from datetime import datetime
from pathlib import Path

from lib.files import replace_text


class LocalFiles:
    """Files and folders by their absolute paths. `lib.lake.storage` says what each method does."""

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
