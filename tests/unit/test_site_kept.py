"""Which docs the site keeps: those of the last checks, of what is published, and of what a rollback would make current."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lib.lake.checks import Check, add_check
from lib.lake.site_folder import docs_kept
from lib.reporting.site import write_site
from tests.on_disk import on_disk
from tests.published_lake import DAY_0, PublishedLake


@pytest.fixture
def lake(tmp_path: Path) -> PublishedLake:
    """A lake that keeps the docs of one check."""
    lake = PublishedLake(tmp_path)
    source = lake.job.source
    lake.job.source = source.model_copy(update={"site": source.site.model_copy(update={"keep_runs": 1})})
    return lake


def failed(lake: PublishedLake, name: str) -> None:
    """A check that failed: its docs are there, and nothing is published."""
    folder = on_disk(lake.layout.site) / "runs" / name
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("docs", "utf-8")
    at = DAY_0 + timedelta(days=lake.days)
    add_check(lake.layout, Check(name, name, at, "checks failed", 8, 1, 0, 1, "tracks.x"))
    write_site(lake.job.site)
    lake.days += 1


def linked(lake: PublishedLake) -> list[str]:
    """The docs that runs.html leads to."""
    return [name for name in ("a", "b", "c", "d", "e") if f'href="runs/{name}/index.html"' in lake.page("runs.html")]


def test_docs_of_older_checks_go_and_their_lines_stay(lake: PublishedLake) -> None:
    for name in ("a", "b", "c"):
        lake.published(name)
    # The last check is what is published; b is what a rollback would make current.
    assert docs_kept(lake.layout.site) == {"b", "c"}
    failed(lake, "d")
    assert docs_kept(lake.layout.site) == {"b", "c", "d"}
    failed(lake, "e")
    assert docs_kept(lake.layout.site) == {"b", "c", "e"}
    assert linked(lake) == ["b", "c", "e"]
    assert "demo: 5 checked runs" in lake.page("runs.html")
    assert 'href="runs/c/index.html"' in lake.page()
    assert list((on_disk(lake.layout.site) / ".staging").iterdir()) == []


def test_after_a_rollback_the_docs_of_what_is_current_are_kept_and_of_what_was_before_it(lake: PublishedLake) -> None:
    for name in ("a", "b"):
        lake.published(name)
    lake.roll_back()
    # Nothing was current before a.
    assert docs_kept(lake.layout.site) == {"a"}
    assert linked(lake) == ["a"]
    assert 'href="runs/a/index.html"' in lake.page()


def test_the_index_leads_to_the_notebooks_once_their_pages_are_there(lake: PublishedLake) -> None:
    lake.published("a")
    assert "notebooks/" not in lake.page()
    (on_disk(lake.layout.site) / "notebooks").mkdir()
    (on_disk(lake.layout.site) / "notebooks" / "index.html").write_text("notebooks", "utf-8")
    lake.published("b")
    assert '<a href="notebooks/index.html">Notebooks</a>' in lake.page()


def test_the_index_compares_the_rows_with_those_of_the_publication_before_it(lake: PublishedLake) -> None:
    lake.published("a")
    assert "First publication" in lake.page()
    lake.published("b")
    # The first one has a row, the second one two.
    assert "1 more than in the previous publication" in lake.page()
    lake.roll_back()
    assert "1 fewer than in the previous publication" in lake.page()
