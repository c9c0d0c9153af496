"""The report of ninety made-up runs in a browser: charts are drawn, and lead to their runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from lib.reporting.runs_page import write_report
from tests.e2e.watched_page import Watched
from tests.made_up_runs import EVIL, LONG, SPECIAL, job_at, make_runs
from tests.on_disk import on_disk

pytestmark = [pytest.mark.e2e, pytest.mark.quick]

CHARTS = ("rows", "seconds", "rejected", "duplicates", "orphans", "latency")
# All but the two that had not come as far as landing.
N_MEASURED = 88


def made(folder: Path, assets: Path | None) -> str:
    job = job_at(folder / "lake")
    make_runs(job, 90)
    write_report(replace(job.site, assets=assets), kept=())
    return f"{on_disk(job.layout.site).as_uri()}/runs.html"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> str:
    return made(tmp_path_factory.mktemp("report"), assets)


def opened(watched: Watched, url: str) -> Any:
    watched.page.goto(url, wait_until="networkidle")
    watched.page.locator(f"#chart-{CHARTS[-1]} svg").wait_for()
    return watched.page


def test_charts_are_drawn_with_a_mark_for_each_run_and_no_word_of_complaint(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    for name in CHARTS:
        # The outcomes, of all runs; and the areas that take a click beside them.
        assert page.locator(f"#chart-{name} .mark-symbol.role-mark").last.locator("path").count() == 90
        assert page.locator(f"#chart-{name} .mark-rect.role-mark").first.locator("path").count() == 90
    # Three tables; eight parts of a bar for each run that was measured.
    assert page.locator("#chart-rows .mark-line path").count() == 3
    assert page.locator("#chart-seconds .mark-rect.role-mark").nth(1).locator("path").count() == 8 * N_MEASURED
    watched.check()


def test_outcomes_have_shapes_of_their_own(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    marks = page.locator("#chart-rows .mark-symbol.role-mark").last.locator("path")
    shapes = marks.evaluate_all("all => all.map(one => one.getAttribute('d'))")
    # Published, and seven that ended otherwise.
    assert len(set(shapes)) == 1 + len(SPECIAL)
    assert len({mark for mark in shapes if shapes.count(mark) == 1}) == len(SPECIAL)


def test_what_is_odd_is_marked(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    # One run merged slowly; one lost most users, and rejected much of all three tables; one had orphans by two references.
    found = {}
    for name in CHARTS:
        odd = page.locator(f'#chart-{name} .mark-symbol.role-mark path[stroke="currentColor"]')
        found[name] = odd.count()
    assert found == {"rows": 1, "seconds": 1, "rejected": 3, "duplicates": 0, "orphans": 2, "latency": 0}


def test_a_click_on_a_point_opens_the_section_of_its_run(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    section = page.locator("#run-run-0064")
    assert section.get_attribute("open") is None
    page.locator('#chart-rows .mark-symbol.role-mark path[stroke="currentColor"]').click()
    page.wait_for_url(re.compile("#run-run-0064$"))
    assert section.get_attribute("open") is not None
    odd = section.get_by_text("copy.rows of users: 348 rows, expected 800 to 1,600 rows")
    odd.wait_for()
    assert section.evaluate("one => Math.abs(one.getBoundingClientRect().top) < innerHeight")
    watched.check()


def test_a_click_beside_a_point_opens_the_run_of_that_column(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    page.locator("#chart-orphans .mark-rect.role-mark").first.locator("path").nth(0).click()
    page.wait_for_url(re.compile("#run-run-0000$"))
    # And again, once it was closed by hand.
    page.locator("#run-run-0000 > summary").click()
    assert page.locator("#run-run-0000").get_attribute("open") is None
    page.locator("#chart-orphans .mark-rect.role-mark").first.locator("path").nth(0).click()
    page.locator("#run-run-0000[open]").wait_for()
    watched.check()


def test_a_point_says_what_it_is(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    page.locator('#chart-seconds .mark-symbol.role-mark path[stroke="currentColor"]').hover()
    tip = page.locator("#vg-tooltip-element")
    tip.get_by_text("copy.step_seconds of the run (step: merge)").wait_for()
    assert "2026-02-17 01:30:00 run-0047" in tip.inner_text()
    watched.check()


def test_a_link_in_the_list_opens_its_section_and_so_does_an_address(url: str, watched: Watched) -> None:
    page = opened(watched, url)
    page.locator("#runs").get_by_role("link", name="run-0033").click()
    page.locator("#run-run-0033[open]").wait_for()
    page.goto("about:blank")
    page.goto(f"{url}#run-run-0012")
    page.locator("#run-run-0012[open]").wait_for()
    watched.check()


def test_hostile_messages_are_shown_as_they_are(url: str, watched: Watched) -> None:
    page = opened(watched, f"{url}#run-run-0025")
    assert page.locator("#run-run-0025 .message").inner_text().endswith(f"users: {EVIL}")
    page.goto("about:blank")
    page.goto(f"{url}#run-run-0033")
    assert page.locator("#run-run-0033 .message").inner_text() == LONG
    watched.check()


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme=request.param)
    page = context.new_page()
    found = Watched(page)
    context.route("**/*", found.route)
    page.on("console", found.console)
    page.on("pageerror", lambda error: found.noise.append(str(error)))
    yield found
    context.close()


def test_it_fits_a_phone_by_day_and_by_night(url: str, phone: Watched) -> None:
    page = opened(phone, url)
    for section in ("run-run-0064", "run-run-0033"):
        page.evaluate(f"document.getElementById('{section}').open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    widths = page.locator(".chart svg").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert len(widths) == 6
    assert max(widths) <= 400
    # The words on the axes have the ink of the page, whichever that is.
    inks = page.evaluate(
        "[getComputedStyle(document.querySelector('.chart text')).fill, getComputedStyle(document.body).color]"
    )
    assert inks[0] == inks[1]
    phone.check()


def test_without_scripts_or_assets_every_number_is_there(
    url: str, browser: Browser, tmp_path: Path, watched: Watched
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    assert page.locator("noscript p").is_visible()
    assert page.locator("figure").count() == len(CHARTS)
    assert page.locator("figure:visible").count() == 0
    page.locator("#run-run-0064 > summary").click()
    assert page.locator("#run-run-0064").get_by_text("348 anomaly").is_visible()
    context.close()
    watched.page.goto(made(tmp_path, None))
    assert watched.page.get_by_text("Only charts are left out").is_visible()
    watched.page.locator("#run-run-0064 > summary").click()
    assert watched.page.locator("#run-run-0064").get_by_text("348 anomaly").is_visible()
    watched.check()
