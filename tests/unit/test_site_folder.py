"""The site's folder: nothing half-written is ever in a reader's way."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lib.errors import LakeError
from lib.lake.site_folder import publish_run_docs, remove_leftovers, staging_folder, write_page
from tests.on_disk import at

NOW = datetime(2026, 3, 5, 1, 30, tzinfo=UTC)


def staged(site: Path, words: str) -> Path:
    folder = staging_folder(at(site), "r1")
    (folder / "index.html").write_text(words)
    return folder


def test_docs_are_moved_into_the_site(tmp_path: Path) -> None:
    folder = staged(tmp_path, "first")
    publish_run_docs(folder, at(tmp_path), "r1")
    assert (tmp_path / "runs" / "r1" / "index.html").read_text() == "first"
    assert not folder.exists()
    assert stat.S_IMODE((tmp_path / "runs" / "r1").stat().st_mode) == 0o755


def test_docs_that_are_there_are_never_changed(tmp_path: Path) -> None:
    publish_run_docs(staged(tmp_path, "first"), at(tmp_path), "r1")
    with pytest.raises(LakeError, match="never changed"):
        publish_run_docs(staged(tmp_path, "second"), at(tmp_path), "r1")
    assert (tmp_path / "runs" / "r1" / "index.html").read_text() == "first"


@pytest.mark.parametrize("name", ["", ".", "..", "../r1", "a/b", "a\\b", ".hidden", "a\0b"])
def test_an_id_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LakeError, match="cannot be the name"):
        publish_run_docs(tmp_path, at(tmp_path), name)
    with pytest.raises(LakeError, match="cannot be the name"):
        write_page(at(tmp_path), name, "x")


def test_a_page_is_replaced_as_a_whole_and_can_be_read_by_others(tmp_path: Path) -> None:
    write_page(at(tmp_path / "site"), "index.html", "old")
    with (tmp_path / "site" / "index.html").open() as reader:
        write_page(at(tmp_path / "site"), "index.html", "ä new one")
        assert reader.read() == "old"
    assert (tmp_path / "site" / "index.html").read_text("utf-8") == "ä new one"
    assert os.listdir(tmp_path / "site") == ["index.html"]
    assert stat.S_IMODE((tmp_path / "site" / "index.html").stat().st_mode) == 0o644


def test_what_a_killed_run_left_goes_after_a_day_and_not_before(tmp_path: Path) -> None:
    old, young = staged(tmp_path, "old"), staged(tmp_path, "young")
    for folder, age in ((old, timedelta(hours=25)), (young, timedelta(hours=23))):
        moment = (NOW - age).timestamp()
        os.utime(folder, (moment, moment))
    remove_leftovers(at(tmp_path), NOW)
    assert not old.exists()
    assert young.exists()


def test_a_site_without_staging_has_no_leftovers(tmp_path: Path) -> None:
    remove_leftovers(at(tmp_path), NOW)
    assert not list(tmp_path.iterdir())
