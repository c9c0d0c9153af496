"""A copy of the site in an object store, or in another folder."""

from __future__ import annotations

from pyarrow.fs import FileSelector, FileSystem, FileType

from lib.errors import LakeError
from lib.files import content_type
from lib.lake import storage
from lib.lake.site_folder import MODELS
from lib.lake.storage import Address

# These change from run to run, and are written last: what they link to is there by then.
PAGES = ("runs.html", "index.html")


def mirror(site: Address, uri: str) -> int:
    """Bring the copy at `uri` up to date; the number of files that were written.

    Docs are never changed, so a file of the same size is taken to be there already; only the site's own pages and those of models
    and notebooks are written each time. Docs and pages on models that the site does not have are removed from the copy as well.

    Raises:
        LakeError: the store cannot be written. The site itself is as it should be, and the next run copies what is missing.
    """
    try:
        store, base = FileSystem.from_uri(uri)
        there = _files(store, base)
        here = _kept(site)
        written = [name for name, size in here.items() if _may_change(name) or there.get(name) != size]
        for name in sorted(written, key=lambda name: (name in PAGES, name == PAGES[-1], name)):
            _write(store, f"{base}/{name}", storage.read(site / name))
        runs_here = {name.split("/")[1] for name in here if name.startswith("runs/")}
        for run in {name.split("/")[1] for name in there if name.startswith("runs/")} - runs_here:
            store.delete_dir(f"{base}/runs/{run}")
        for name in there.keys() - here.keys():
            if name.startswith(f"{MODELS}/"):
                store.delete_file(f"{base}/{name}")
    except (OSError, ValueError) as error:
        message = (
            f"the site could not be copied to {uri} (site.publish_to): {error}. {site} itself is complete; the next run copies "
            "what is missing."
        )
        raise LakeError(message) from error
    return len(written)


def _may_change(name: str) -> bool:
    return name in PAGES or name.startswith((f"{MODELS}/", "notebooks/"))


def _kept(site: Address) -> dict[str, int]:
    """The files of the site, with their sizes; nothing hidden, which is docs in the making."""
    files = storage.files(site)
    return {name: size for name, size in files.items() if not any(part.startswith(".") for part in name.split("/"))}


def _files(store: FileSystem, base: str) -> dict[str, int]:
    found = store.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
    return {info.path.removeprefix(f"{base}/"): info.size for info in found if info.type == FileType.File}


def _write(store: FileSystem, path: str, content: bytes) -> None:
    if store.type_name in ("local", "hdfs"):  # an object store has no folders
        store.create_dir(path.rpartition("/")[0], recursive=True)
    with store.open_output_stream(path, metadata={"Content-Type": content_type(path)}) as out:
        out.write(content)
