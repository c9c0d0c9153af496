"""What a lake holds is opened by storage alone: shown with a lake that is in no folder, and by watching a lake that is in one."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from jobs import sanity_check, status
from lib.errors import ConfigError, LakeError
from lib.lake import publications, storage
from lib.lake import site_folder as site
from lib.lake.layout import Layout, check_owner, check_there, claim, key_secret, remove_rebuilds
from lib.lake.lock import run_at_work, writing
from lib.lake.named import near_lake
from lib.lake.publications import Publication, PublishedTable
from lib.lake.storage import Address
from lib.quality.docs import GRAPH_SCRIPTS, copy_assets
from lib.reporting.kept_page import keep_page, kept_page
from lib.reporting.mirror import mirror
from lib.reporting.pages import IndexPage
from tests.published_lake import PublishedLake

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """A lake in memory. Who takes its address for a path makes a folder, or finds none."""
    monkeypatch.chdir(tmp_path)
    yield Layout(Address.of(f"memory://{uuid4()}/lakes/demo"))
    assert not (tmp_path / "memory:").exists()


def test_a_lake_is_made_and_known_again(layout: Layout) -> None:
    check_owner(layout, "demo")
    claim(layout, "demo", NOW)
    assert storage.names(layout.root) == {".key", "lake.json"}
    check_owner(layout, "demo")
    with pytest.raises(ConfigError, match="belongs to the source 'demo', not to 'shop'"):
        check_owner(layout, "shop")
    assert key_secret(layout, None) == storage.read_text(layout.key_file).strip().encode()
    assert near_lake(Layout(layout.root.parent / "dmeo")) == f"; did you mean '{layout.root}'?"


def test_a_lake_that_lost_its_record_or_its_secret_is_refused(layout: Layout) -> None:
    storage.replace_text(layout.runs / "_delta_log" / "0.json", "{}")
    with pytest.raises(ConfigError, match=r"lake\.json is missing"):
        check_there(layout)
    claim(layout, "demo", NOW)
    storage.replace_text(layout.key_file, "0" * 64)
    with pytest.raises(ConfigError, match="is not the secret that this lake was made with"):
        key_secret(layout, None)


def test_a_second_copy_of_the_tables_is_removed_under_the_lease(layout: Layout) -> None:
    storage.replace_text(layout.rebuilt("r1").silver("tracks") / "x", "x")
    with writing(layout, "r2", NOW):
        assert run_at_work(layout) == "r2"
        remove_rebuilds(layout)
    assert storage.names(layout.root) == {".lock"}


def test_published_json_is_replaced(layout: Layout) -> None:
    for number in (1, 2):
        tables = {"tracks": PublishedTable("tracks", layout.relative(layout.silver("tracks")), number, 10)}
        publications.write_published_json(layout, Publication(f"p{number}", "r1", NOW, tables))
    assert publications._told(layout) == "p2"
    assert json.loads(storage.read_text(layout.published_json))["tables"] == {
        "tracks": {"path": "silver/tracks", "version": 2, "rows": 10, "live_rows": None, "live": "_deleted_at IS NULL"}
    }


def test_docs_pages_and_assets_go_into_the_site_out_of_it_and_into_its_copy(layout: Layout, tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    for name in GRAPH_SCRIPTS:
        (assets / name).parent.mkdir(parents=True, exist_ok=True)
        (assets / name).write_text(name)
    page = IndexPage("demo", "r1", "r1", NOW, "runs/r1/index.html", (), (), ())
    for docs_id in ("r1", "r1.check2"):
        assert site.free_docs_id(layout.site, "r1") == docs_id
        staged = site.staging_folder(layout.site, docs_id)
        (staged / "index.html").write_text(docs_id)
        keep_page(staged, page)
        site.publish_run_docs(staged, layout.site, docs_id)
    again = site.staging_folder(layout.site, "r1")
    with pytest.raises(LakeError, match="never changed"):
        site.publish_run_docs(again, layout.site, "r1")
    site.write_page(layout.site, "index.html", "a page")
    href = copy_assets(assets, layout.site)
    assert copy_assets(assets, layout.site) == href
    assert kept_page(layout.site / "runs" / "r1") == page
    assert kept_page(layout.site / "runs" / "r2") is None
    assert site.docs_kept(layout.site) == {"r1", "r1.check2"}
    copy = tmp_path / "copy"
    assert mirror(layout.site, copy.as_uri()) == len(GRAPH_SCRIPTS) + 5
    assert (copy / "index.html").read_text() == "a page"
    site.remove_docs(layout.site, ["r1.check2"])
    site.remove_leftovers(layout.site, NOW + timedelta(days=2))
    assert site.docs_kept(layout.site) == {"r1"}


# What the file system is asked for by any means of Python.
_EVENTS = ("open", "os.", "shutil.", "glob.", "pathlib.")
_watched: list[tuple[str, list[str]]] = []
_folder: str | None = None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    global _folder
    if _folder is None or not event.startswith(_EVENTS) or not any(str(one).startswith(_folder) for one in args):
        return
    folder, _folder = _folder, None
    callers = [frame.filename for frame in traceback.extract_stack()[:-1]]
    _watched.append((f"{event}{args[:2]}", callers))
    _folder = folder


sys.addaudithook(_hook)


@contextmanager
def watching(folder: Path) -> Iterator[list[tuple[str, list[str]]]]:
    """What is asked for below a folder meanwhile, and the files of those who ask."""
    global _folder
    _watched.clear()
    _folder = f"{folder}/"
    try:
        yield _watched
    finally:
        _folder = None


def test_the_jobs_that_need_no_spark_open_nothing_of_a_lake_by_themselves(tmp_path: Path) -> None:
    lake = PublishedLake(tmp_path)
    for name in ("first", "second"):
        lake.published(name)
    root = str(lake.layout.root)
    with watching(Path(root)) as seen:
        lake.roll_back()
        for command, options in ((status.command, []), (sanity_check.command, ["--run-id", "nobody"])):
            CliRunner().invoke(command, ["--lake", root, *options])
        n_seen = len(seen)
        # So that it is known to see what it should.
        (Path(root) / "published.json").read_text("utf-8")
    storages = ("lib/lake/local_files.py", "lib/files.py", "lib/lake/place.py")
    by_themselves = [what for what, callers in seen if not any(one.endswith(storages) for one in callers)]
    assert n_seen > 10
    assert len(by_themselves) == 1, by_themselves
    assert "published.json" in by_themselves[0]
