"""`index.html` shows what is published; where the latest run did not publish, a line above says so."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lib.lake.checks import Check, add_check
from lib.lake.runs import Run, TableRun
from lib.lake.states import TableState
from lib.reporting import site as pages_of
from tests.on_disk import on_disk
from tests.page_text import Text
from tests.published_lake import DAY_0, PublishedLake


@pytest.fixture
def lake(tmp_path: Path) -> PublishedLake:
    return PublishedLake(tmp_path)


def ran(
    lake: PublishedLake, run_id: str, state: str, status: int | None, *, ended: bool = True, **changes: Any
) -> None:
    at = DAY_0 + timedelta(days=lake.days, hours=1)
    run = Run(run_id, "demo", at, "", "{}", state=state, number=lake.days + 1, exit_status=status, **changes)
    run.ended_at = at + timedelta(minutes=1) if ended else None
    run.save(lake.layout)
    lake.days += 1


def said(lake: PublishedLake) -> str | None:
    """The line above what is published, as a person reads it."""
    pages_of.write_site(lake.job.site)
    found = re.search(r'<p id="latest" .*?</p>', lake.page(), re.DOTALL)
    return " ".join(Text(found[0]).words.split()) if found else None


@pytest.mark.parametrize(
    ("state", "status", "outcome"),
    [
        ("failed", 4, "source failed"),
        ("failed", 1, "failed"),
        ("checks_failed", 3, "checks failed"),
        ("checks_failed", 1, "could not check"),
        ("failed", None, "killed"),
        ("failed", 130, "stopped"),
        ("merged", 0, "merged, not published"),
    ],
)
def test_a_latest_run_that_did_not_publish_is_told_above_what_is_published(
    lake: PublishedLake, state: str, status: int | None, outcome: str
) -> None:
    lake.published("good")
    ran(lake, "bad", state, status)
    assert said(lake) == f"The latest run did not publish: {outcome} bad, started on 2026-01-02 01:00 UTC"
    html = lake.page()
    assert 'href="runs.html#run-bad"' in html
    assert html.index('id="latest"') < html.index("All 9 checks passed")
    assert 'id="run-bad"' in lake.page("runs.html")


def test_why_its_tables_failed_is_told_there_and_in_the_table_of_all_runs(lake: PublishedLake) -> None:
    lake.published("good")
    why = "http://127.0.0.1:9/t: no connection (is the server running, and the address right?)"
    tables = {
        name: TableRun(name, TableState.FAILED, f"{name}: {why}") for name in ("t1", "t2", "t3", "t4", "t5", "t6")
    }
    first = "6 of 6 tables failed; nothing is published."
    ran(lake, "bad", "failed", 4, tables=tables, message=f"{first}\n  t1: {why}")
    words = str(said(lake))
    assert words.startswith(
        f"The latest run did not publish: source failed bad, started on 2026-01-02 01:00 UTCt1: {why}"
    )
    assert words.endswith(f"t5: {why}and 1 more")
    cell = Text(lake.page("runs.html")).rows["runs"][1][2]
    assert cell == f"bad{first}" + "".join(f"t{number}: {why}" for number in range(1, 6)) + "and 1 more"


def test_its_docs_are_linked_where_it_has_some(lake: PublishedLake) -> None:
    lake.published("good")
    ran(lake, "bad", "checks_failed", 3)
    (on_disk(lake.layout.site) / "runs" / "bad").mkdir(parents=True)
    add_check(lake.layout, Check("bad", "bad", DAY_0 + timedelta(days=1), "checks failed", 8, 1, 0, 1, "tracks.x"))
    assert str(said(lake)).endswith("; its data docs")
    assert 'href="runs/bad/index.html"' in lake.page()


def test_the_line_goes_with_the_next_publication_and_is_not_there_for_a_run_that_published(lake: PublishedLake) -> None:
    ran(lake, "first", "published", 0)
    lake.published("first")
    assert said(lake) is None
    ran(lake, "bad", "failed", 4)
    assert "source failed" in str(said(lake))
    ran(lake, "second", "published", 0)
    lake.published("second")
    assert said(lake) is None


def test_after_a_rollback_a_failed_night_is_told_all_the_same(lake: PublishedLake) -> None:
    lake.published("a")
    lake.published("b")
    ran(lake, "bad", "failed", 4)
    lake.roll_back()
    assert "source failed" in str(said(lake))
    assert lake.page().index('id="latest"') < lake.page().index('id="restored"')


def test_before_anything_is_published_the_page_says_so_and_how_the_latest_run_ended(lake: PublishedLake) -> None:
    ran(lake, "bad", "failed", 4)
    assert "source failed" in str(said(lake))
    assert "nothing is published yet" in lake.page()


def test_a_page_that_would_say_the_same_is_not_written_again(lake: PublishedLake) -> None:
    lake.published("a")
    pages_of.write_site(lake.job.site)
    page = on_disk(lake.layout.site) / "index.html"
    before = page.stat().st_mtime_ns
    pages_of.write_site(lake.job.site)
    assert page.stat().st_mtime_ns == before


def test_the_age_is_counted_by_the_browser_from_a_time_with_its_zone(lake: PublishedLake) -> None:
    lake.published("a")
    html = lake.page()
    assert '<time datetime="2026-01-01T00:00:00Z" data-age>2026-01-01 00:00 UTC</time>' in html
    assert "script-src 'self' 'sha256-" in html.replace("&#39;", "'")
