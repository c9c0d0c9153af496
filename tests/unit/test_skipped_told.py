"""What a run's summary and the site say of pages that rules of `errors` skipped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.lake.layout import Layout, lake_at
from lib.lake.runs import Run, TableRun
from lib.lake.states import RunState, TableState
from lib.quality.validate import Findings
from lib.reporting.pages import render_index
from lib.reporting.site import checked_page
from lib.reporting.summary import say_done
from tests.page_text import Text

AT = datetime(2026, 1, 1, tzinfo=UTC)
WHY = "2 pages were skipped by error rules: pages 2, 4"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return lake_at(str(tmp_path / "lake"))


def run_of(proof: str, pages_skipped: int | None, why: str | None = None) -> Run:
    record = TableRun("things", TableState.MERGED, proof=proof, pages=5, rows_landed=9, path="silver/things", version=0)
    record.unproved_because, record.pages_skipped = why, pages_skipped
    return Run("r1", "shop", AT, "", "{}", state=RunState.MERGED, tables={"things": record})


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (run_of("unproved", 2, WHY), f"unproved: {WHY}"),
        (run_of("incomplete", 1234), "incomplete: pages skipped by error rules: 1,234"),
        (run_of("incomplete", None), "incomplete"),
    ],
)
def test_the_summary_says_how_many_pages_were_skipped(
    layout: Layout, run: Run, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say_done(layout, run)
    assert f"Not proved complete: things ({why}); none of its rows was marked as deleted.\n" in capsys.readouterr().out


def test_the_summary_says_what_an_end_is_worth(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    say_done(layout, run_of("ended", None, "api.pagination.total: total is nowhere in the answer"))
    assert (
        "Read to the end that its source declares, and not counted: things (ended: api.pagination.total: total is nowhere in the "
        "answer); none of its rows was marked as deleted.\n"
    ) in capsys.readouterr().out
    for proof in ("counted", "reread", "swept"):
        say_done(layout, run_of(proof, None))
        assert "marked as deleted" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("proof", "shown"),
    [
        *((proof, f"Complete: {proof}") for proof in ("counted", "reread", "swept")),
        *((proof, f"Completeness: {proof}") for proof in ("ended", "unproved", "incomplete")),
    ],
)
def test_the_site_says_of_each_level_what_it_is(layout: Layout, proof: str, shown: str) -> None:
    html = render_index(checked_page(layout, "shop", run_of(proof, None), "r1", AT, Findings((), {"things": 9}), []))
    assert shown in " ".join(Text(html).words.split())
    assert f"“{proof}”: " in html


@pytest.mark.parametrize(
    ("pages_skipped", "shown"),
    [
        (None, "Completeness: unproved"),
        (1, "Completeness: unproved (1 page skipped)"),
        (1234, "Completeness: unproved (1,234 pages skipped)"),
    ],
)
def test_the_site_says_how_many_pages_were_skipped(layout: Layout, pages_skipped: int | None, shown: str) -> None:
    run = run_of("unproved", pages_skipped)
    page = checked_page(layout, "shop", run, "r1", AT, Findings((), {"things": 9}), [])
    words = " ".join(Text(render_index(page)).words.split())
    assert f" {shown} nothing was checked " in words
