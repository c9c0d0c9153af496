"""Every page of the site can be used by everyone: axe-core finds nothing serious, and the keyboard reaches what a click does."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from lib.quality.counts import Counts
from lib.reporting import pages
from lib.reporting.runs_page import write_report
from tests.e2e.jobs_and_lakes import ROOT, missing
from tests.e2e.made_up_site import AT, make_site
from tests.e2e.watched_page import pages_of
from tests.made_up_runs import job_at, make_runs
from tests.on_disk import on_disk

pytestmark = [pytest.mark.e2e, pytest.mark.quick]

# Theme and width.
DESKTOP, PHONE = ("light", 1280), ("dark", 390)
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, in the version of tests/axe; kept in the environment once it was there."""
    version = json.loads((ROOT / "tests" / "axe" / "package.json").read_text("utf-8"))["dependencies"]["axe-core"]
    held = ROOT / ".venv" / f"axe-core-{version}.js"
    if held.exists():
        return held.read_text("utf-8")
    if shutil.which("npm") is None:
        missing("npm (for axe-core)")
    folder = tmp_path_factory.mktemp("axe") / "npm"
    shutil.copytree(ROOT / "tests" / "axe", folder)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, check=False
    )
    if done.returncode:
        missing("the npm registry (for axe-core)")
    script = (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    if held.parent.is_dir():
        held.write_text(script, "utf-8")
    return script


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, context: Any, assets: Path) -> Path:
    """Every kind of page, each with all that it can have: charts and numbers, failures, models, data docs with a graph."""
    folder = make_site(tmp_path_factory.mktemp("site"), context, assets)
    # Numbers, and charts: with a run whose checks failed.
    for number in (3, 14):
        job = job_at(tmp_path_factory.mktemp("runs") / "lake")
        make_runs(job, number)
        write_report(replace(job.site, assets=assets), kept=())
        written = on_disk(job.layout.site)
        (folder / f"runs{number}.html").write_text((written / "runs.html").read_text("utf-8"), "utf-8")
        shutil.copytree(written, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.html"))
    failed = pages.LatestRun("r2", AT + timedelta(days=1), "source failed", None)
    (folder / "nothing.html").write_text(pages.render_nothing_published("demo", failed), "utf-8")
    (folder / "full.html").write_text(pages.render_index(full_page(failed)), "utf-8")
    return folder


def full_page(failed: pages.LatestRun) -> pages.IndexPage:
    table = pages.TableLine(
        "tracks", 12, 3, 1, 12, 1, 1, 2, 1, 1, "counted", Counts(0, 0, 0, 9), "x.html", live=11, newest_at=AT
    )
    doubtful = replace(table, table="users", proof="unproved", counts=Counts(1, 0, 1, 7), missing=(("email", 3),))
    return pages.IndexPage(
        source="demo",
        publication_id="r1.check2",
        run_id="r1",
        published_at=AT,
        docs_href="runs/r1/index.html",
        tables=(table, doubtful, replace(table, table="plays", counts=Counts(0, 0, 2, 7), live=None)),
        rejected_reasons=(("users", "missing_value:email", 1),),
        notes=("A note.",),
        accepted=(pages.AcceptedFailure("users.x", "why not", "ann"),),
        restored=pages.Restored(AT, "r3"),
        previous={"tracks": 10},
        latest=failed,
    )


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    theme, width = getattr(request, "param", DESKTOP)
    # The policy of a page would not run axe-core.
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True)
    yield context.new_page()
    context.close()


def found(page: Page, axe: str) -> list[str]:
    """What axe-core finds on the page: how bad, which rule, and the first element concerned."""
    page.evaluate(axe)
    violations = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['impact']} {one['id']}: {one['nodes'][0]['html']} {one['nodes'][0]['failureSummary']}"
        for one in violations
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(
    "page",
    [DESKTOP, PHONE, *(pytest.param(one, marks=pytest.mark.thorough) for one in (("dark", 1280), ("light", 390)))],
    indirect=True,
)
def test_axe_core_finds_nothing_serious_on_any_page_by_day_or_night(site: Path, page: Page, axe: str) -> None:
    names = pages_of(site)
    # index, runs; seven of the data docs; decisions, three models; and those made above.
    assert len(names) == 17
    for name in names:
        page.goto(f"{site.as_uri()}/{name}", wait_until="networkidle")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert found(page, axe) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_axe_core_finds_what_is_wrong(page: Page, axe: str) -> None:
    page.set_content(
        "<html lang='en'><title>x</title><p style='color: #aaa; background: #fff'>pale</p><img src='data:,'>"
    )
    assert [one.split(":")[0] for one in found(page, axe)] == ["serious color-contrast", "critical image-alt"]


def test_the_ways_to_read_a_table_are_reached_by_the_keyboard(site: Path, page: Page) -> None:
    page.goto((site / "full.html").as_uri())
    page.locator("#read > summary").focus()
    page.keyboard.press("Enter")
    shown = page.locator(".way:visible")
    assert shown.inner_text().startswith("tracks = spark.read")
    page.keyboard.press("Tab")
    for reader in ("Polars", "DuckDB", "deltalake", "pandas"):
        page.keyboard.press("ArrowRight")
        assert page.locator("#read input:checked").get_attribute("id") == f"by-{reader}"
        assert shown.count() == 1
        assert shown.get_attribute("id") == f"way-{reader}"


def test_every_page_has_a_title_and_a_heading_of_its_own(site: Path, page: Page) -> None:
    for name in pages_of(site):
        page.goto(f"{site.as_uri()}/{name}")
        assert page.title()
        assert page.locator("h1").count() == 1, name
        assert page.locator("html").get_attribute("lang") == "en"
