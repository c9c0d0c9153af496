"""The copy of the site elsewhere: whole, in the right order, and without what is no longer kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.errors import LakeError
from lib.lake.site_folder import docs_kept, remove_docs
from lib.reporting.mirror import mirror
from tests.on_disk import at


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_html", ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def read(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    write(folder, index_html="one", runs_html="r1", runs__r1__index_html="docs of r1", assets__a1__x_html="x")
    write(folder / ".staging" / "r2", index_html="in the making")
    return folder


def test_the_copy_has_what_the_site_has_and_nothing_in_the_making(site: Path, tmp_path: Path) -> None:
    there = tmp_path / "a copy"
    assert mirror(at(site), there.as_uri()) == 4
    assert read(there) == {
        "index.html": "one",
        "runs.html": "r1",
        "runs/r1/index.html": "docs of r1",
        "assets/a1/x.html": "x",
    }


def test_the_pages_are_written_last_as_what_they_link_to_must_be_there_by_then(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site, zebra__x_html="z")
    written: list[str] = []
    monkeypatch.setattr("lib.reporting.mirror._write", lambda _store, path, _file: written.append(path))
    mirror(at(site), (tmp_path / "copy").as_uri())
    names = [path.removeprefix(f"{tmp_path / 'copy'}/") for path in written]
    assert names == ["assets/a1/x.html", "runs/r1/index.html", "zebra/x.html", "runs.html", "index.html"]


def test_only_what_is_new_and_the_pages_are_written_again_and_docs_no_longer_kept_are_removed(
    site: Path, tmp_path: Path
) -> None:
    there = tmp_path / "copy"
    mirror(at(site), there.as_uri())
    write(site, index_html="two", runs_html="r2", runs__r2__index_html="docs of r2")
    remove_docs(at(site), ["r1"])
    assert docs_kept(at(site)) == {"r2"}
    assert mirror(at(site), there.as_uri()) == 3
    assert read(there) == {
        "index.html": "two",
        "runs.html": "r2",
        "runs/r2/index.html": "docs of r2",
        "assets/a1/x.html": "x",
    }


def test_a_store_that_cannot_be_written_is_named_and_the_site_stays(site: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        LakeError, match=r"could not be copied to file:.*site.publish_to.*the next run copies what is missing"
    ):
        mirror(at(site), (tmp_path / "file").as_uri())
    assert (site / "index.html").read_text() == "one"


def test_a_page_of_a_notebook_that_is_as_long_as_before_is_copied_all_the_same(site: Path, tmp_path: Path) -> None:
    write(site, notebooks__index_html="10 plays")
    mirror(at(site), (tmp_path / "copy").as_uri())
    write(site, notebooks__index_html="11 plays")
    mirror(at(site), (tmp_path / "copy").as_uri())
    assert read(tmp_path / "copy")["notebooks/index.html"] == "11 plays"
