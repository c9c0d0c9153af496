"""The folder that people look at: docs are moved in, pages are replaced, and a reader never meets half of either."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from lib.errors import LakeError
from lib.lake import storage
from lib.lake.storage import Address

STAGING = ".staging"
MODELS = "models"
"""The folder with the pages on recommendation models."""
_LEFTOVER_AFTER = timedelta(days=1)


def page_to_open(site: Address, *below: str) -> str:
    """Where an `index.html` of the site is, and how a person looks at it."""
    page = site
    for name in (*below, "index.html"):
        page /= name
    return f"{page}  ({f'make docs LAKE={site.parent} shows it' if site.store else 'open it in a browser'})"


def staging_folder(site: Address, docs_id: str) -> Path:
    """A new, empty folder of this machine for docs in the making."""
    _check_name(docs_id)
    return storage.work_folder(site / STAGING, f"{docs_id[:80]}-")


def free_docs_id(site: Address, run_id: str, taken: Collection[str] = ()) -> str:
    """The id of the docs of the run's next check: the run's own, or for a later check with a number behind it.

    `taken` are those of checks whose docs may be no longer there.
    """
    number, docs_id = 1, run_id
    while docs_id in taken or storage.is_folder(site / "runs" / docs_id):
        number += 1
        docs_id = f"{run_id}.check{number}"
    return docs_id


def publish_run_docs(staged: Path, site: Address, docs_id: str) -> None:
    """Move a finished folder of docs to `site/runs/<docs_id>`, all at once.

    Raises:
        LakeError: there are docs of that id already (they are never changed), or the id is no name for a folder.
    """
    _check_name(docs_id)
    target = site / "runs" / docs_id
    if storage.is_folder(target):
        message = f"{target}: these docs are there already, and docs are never changed; use another id"
        raise LakeError(message)
    storage.move_in(staged, target)


def write_page(site: Address, name: str, html: str) -> None:
    """Replace one page of the site: a reader sees the old one or the new one."""
    _check_name(name)
    storage.replace_text(site / name, html)


def write_changed(site: Address, name: str, html: str) -> None:
    """Replace a page of the site if it would say something else."""
    _check_name(name)
    if not storage.is_file(site / name) or storage.read_text(site / name) != html:
        write_page(site, name, html)


def remove_models(site: Address) -> None:
    """Remove the pages on models, if there are any."""
    if storage.is_folder(site / MODELS):
        storage.remove(site / MODELS, aside=site / STAGING / f"{MODELS}.removed")


def remove_leftovers(site: Address, now: datetime) -> None:
    """Remove what killed runs left in staging more than a day before `now`."""
    storage.remove_older(site / STAGING, now - _LEFTOVER_AFTER)


def docs_kept(site: Address) -> set[str]:
    """The ids of the docs that are there."""
    return storage.names(site / "runs")


def remove_docs(site: Address, docs_ids: Iterable[str]) -> None:
    """Remove the docs of some checks, each at once for a reader."""
    for docs_id in docs_ids:
        _check_name(docs_id)
        storage.remove(site / "runs" / docs_id, aside=site / STAGING / f"{docs_id}.removed")


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        message = f"'{name}' cannot be the name of a file or folder of the site"
        raise LakeError(message)
