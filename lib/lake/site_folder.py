"""The folder that people look at: docs are moved in, pages are replaced, and a reader never meets half of either."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from lib.errors import LakeError
from lib.files import replace_text

_LEFTOVER_AFTER = timedelta(days=1)


def staging_folder(site: Path, docs_id: str) -> Path:
    """A new, empty folder on the site's file system for docs in the making."""
    _check_name(docs_id)
    (site / ".staging").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{docs_id[:80]}-", dir=site / ".staging"))
    folder.chmod(0o755)  # mkdtemp's 0700 would go with the folder into the site
    return folder


def free_docs_id(site: Path, run_id: str, taken: Collection[str] = ()) -> str:
    """The id of the docs of the run's next check: the run's own, or for a later check with a number behind it.

    `taken` are those of checks whose docs may be no longer there.
    """
    number, docs_id = 1, run_id
    while docs_id in taken or (site / "runs" / docs_id).exists():
        number += 1
        docs_id = f"{run_id}.check{number}"
    return docs_id


def publish_run_docs(staged: Path, site: Path, docs_id: str) -> None:
    """Move a finished folder of docs to `site/runs/<docs_id>`, all at once.

    Raises:
        LakeError: there are docs of that id already (they are never changed), or the id is no name for a folder.
    """
    _check_name(docs_id)
    target = site / "runs" / docs_id
    if target.exists():
        message = f"{target}: these docs are there already, and docs are never changed; use another id"
        raise LakeError(message)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)


def write_page(site: Path, name: str, html: str) -> None:
    """Replace one page of the site: a reader sees the old one or the new one."""
    _check_name(name)
    replace_text(site / name, html)


def remove_leftovers(site: Path, now: datetime) -> None:
    """Remove what killed runs left in staging more than a day before `now`."""
    staging = site / ".staging"
    if not staging.is_dir():
        return
    for folder in staging.iterdir():
        if folder.stat().st_mtime < (now - _LEFTOVER_AFTER).timestamp():
            shutil.rmtree(folder, ignore_errors=True)


def docs_kept(site: Path) -> set[str]:
    """The ids of the docs that are there."""
    return {folder.name for folder in (site / "runs").iterdir()} if (site / "runs").is_dir() else set()


def remove_docs(site: Path, docs_ids: Iterable[str]) -> None:
    """Remove the docs of some checks, each at once for a reader."""
    for docs_id in docs_ids:
        _check_name(docs_id)
        away = site / ".staging" / f"{docs_id}.removed"
        away.parent.mkdir(parents=True, exist_ok=True)
        (site / "runs" / docs_id).rename(away)
        shutil.rmtree(away, ignore_errors=True)


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        message = f"'{name}' cannot be the name of a file or folder of the site"
        raise LakeError(message)
