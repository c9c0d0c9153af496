"""The site in a browser, from disk and over HTTP: it works with every other host out of reach, and asks for none."""

from __future__ import annotations

import functools
import http.server
import math
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from great_expectations.render import RenderedDocumentContent, RenderedGraphContent, RenderedSectionContent
from playwright.sync_api import Browser

from lib.quality import docs
from lib.quality.docs_view import OwnPages
from lib.quality.names import failures_command
from tests.e2e.made_up_site import AT, DOCS_ID, EVIL, FAILED, FINDINGS, LAKE, ROOT, make_site
from tests.e2e.watched_page import Watched, pages_of

pytestmark = [pytest.mark.e2e, pytest.mark.quick]


def page_of(folder: Path, table: str) -> str:
    return next((folder / "validations" / "demo" / table).rglob("*.html")).read_text("utf-8")


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory, context: Any, assets: Path) -> Path:
    return make_site(tmp_path_factory.mktemp("rich site"), context, assets)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, context: Any) -> Path:
    return make_site(tmp_path_factory.mktemp("plain site"), context, None)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, context: Any) -> Path:
    """The pages by themselves: what GX and our templates make, without the list of what failed."""
    folder = tmp_path_factory.mktemp("alone")
    docs.write_docs(context, docs.Docs("trial", folder, "demo", alone=True), FINDINGS)
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(params=["file", pytest.param("http", marks=pytest.mark.thorough)])
def base(request: pytest.FixtureRequest, rich: Path) -> Iterator[str]:
    """Where the site is, from disk and from a server on this machine."""
    if request.param == "file":
        yield rich.as_uri()
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(rich))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_every_page_opens_without_another_host_a_dialog_or_an_error(base: str, rich: Path, watched: Watched) -> None:
    pages = pages_of(rich)
    # index, runs; index of the docs, and for each of three tables its suite and what came of it; decisions, and three models
    assert len(pages) == 13
    for name in pages:
        watched.page.goto(f"{base}/{name}", wait_until="networkidle")
    watched.check()


def test_every_link_leads_to_a_page_of_the_site(base: str, rich: Path, watched: Watched) -> None:
    for name in pages_of(rich):
        watched.page.goto(f"{base}/{name}")
        hrefs = watched.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        assert hrefs
        for href in {href.partition("#")[0] for href in hrefs}:
            assert href.startswith(base)
            assert (rich / unquote(href.removeprefix(f"{base}/"))).is_file(), href


def test_from_the_runs_to_the_expectation_that_failed_by_clicks_alone(base: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{base}/runs.html")
    page.get_by_role("link", name="Data docs of run r1").click()
    rows = page.locator("#tables tbody tr")
    assert rows.count() == 3
    failed = rows.filter(has_text="critical failed")
    assert failed.count() == 1
    failed.get_by_role("link", name="users", exact=True).click()
    page.wait_for_url(re.compile("/validations/demo/users/"))
    assert "values must belong to this set" in page.inner_text("body")
    assert page.get_by_text(EVIL, exact=True).count() >= 1
    assert page.get_by_role("cell", name="Could not check").count() == 1
    watched.check()


def test_from_what_is_published_to_the_examples_of_the_champion_by_clicks_alone(base: str, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{base}/index.html")
    page.get_by_role("link", name="Models").click()
    page.locator("#serving").get_by_role("link", name="m3").click()
    page.get_by_role("link", name="Models").click()
    page.locator("#serving tr", has_text="again").get_by_role("link", name="m1").click()
    page.get_by_role("link", name="discover").click()
    assert page.locator("#examples-discover").get_by_role("row", name="4711").is_visible()
    page.get_by_role("link", name="Runs").click()
    assert page.get_by_role("link", name="Models").is_visible()
    watched.check()


def test_the_filter_for_failed_only_hides_what_passed(base: str, rich: Path, watched: Watched) -> None:
    page = watched.page
    name = next(name for name in pages_of(rich) if "/validations/demo/users/" in name)
    page.goto(f"{base}/{name}", wait_until="networkidle")
    passed = page.get_by_text("values must never be null")
    assert passed.is_visible()
    page.get_by_label("Failed only").check()
    passed.wait_for(state="hidden")
    assert page.get_by_text("values must belong to this set").is_visible()
    page.get_by_label("Failed only").uncheck()
    passed.wait_for(state="visible")
    watched.check()


def test_the_index_tells_a_suite_of_which_only_warnings_failed_from_one_that_failed(
    base: str, plain: Path, watched: Watched
) -> None:
    page = watched.page
    for where in (base, plain.as_uri()):
        page.goto(f"{where}/{quote('runs/' + DOCS_ID)}/index.html", wait_until="networkidle")
        cells = page.locator("#tables tbody tr").evaluate_all(
            "rows => rows.map(row => [row.cells[0].innerText, row.cells[1].innerText.trim(), row.cells[1].className])"
        )
        assert cells == [
            ["tracks", "2 passed", "result-good"],
            ["users", "1 critical failed, 1 passed", "result-bad"],
            ["visits", "1 warning, 1 passed", "result-open"],
        ]
        assert page.locator("input, select").count() == 0
    watched.check()


def test_what_failed_of_a_table_is_at_the_top_of_its_pages_and_all_of_it_on_the_index(
    base: str, rich: Path, watched: Watched
) -> None:
    page = watched.page
    of_the_run = [name for name in pages_of(rich) if name.startswith("runs/")]
    assert len(of_the_run) == 7
    kinds = list(zip(("critical", "warning"), FAILED, strict=True))
    for name in of_the_run:
        page.goto(f"{base}/{name}", wait_until="networkidle")
        block = page.locator("details.site-failed")
        own = [(kind, one) for kind, one in kinds if name.endswith("/index.html") or f"/{one.table}" in name]
        if not own:
            assert "/tracks" in name
            assert block.count() == 0
            continue
        assert (
            block.locator("summary").inner_text()
            == {
                ("users", "visits"): "1 critical failed, 1 warning, 4 of 6 checks passed",
                ("users",): "1 critical failed, 1 of 2 checks passed",
                ("visits",): "1 warning, 1 of 2 checks passed",
            }[tuple(one.table for _, one in own)]
        )
        assert block.locator("li").all_inner_texts() == [f"{kind} {one}" for kind, one in own]
        assert block.locator("code").first.inner_text() == failures_command(DOCS_ID, lake=LAKE)
        block.locator("summary").click()
        block.locator("li").first.wait_for(state="hidden")
    page.goto(f"{base}/index.html")
    assert page.get_by_text(EVIL, exact=True).is_visible()  # a note of the index
    days = (datetime.now(UTC) - AT).days
    said = page.locator("time[data-age]").inner_text()
    assert re.fullmatch(rf"2026-03-05 \d\d:\d\d UTC \(({days - 1}|{days}) days ago\)", said), said
    watched.check()


def test_graphs_are_drawn(base: str, rich: Path, watched: Watched) -> None:
    name = next(name for name in pages_of(rich) if "/validations/demo/users/" in name)
    watched.page.goto(f"{base}/{name}")
    # What was expected, and what was found: with a value that looks like the end of a script.
    graphs = watched.page.locator("canvas, svg.marks")
    graphs.nth(1).wait_for()
    assert graphs.count() == 2
    watched.check()


def test_a_graph_of_what_json_does_not_have_is_a_sentence(rich: Path, watched: Watched) -> None:
    index = docs.Docs(DOCS_ID, rich, "demo", next(rich.glob("assets/*")).relative_to(rich).as_posix())
    blocks = [RenderedGraphContent({"mark": "bar", "data": {"values": [{"a": math.nan}]}})]
    document = RenderedDocumentContent([RenderedSectionContent(blocks)], renderer_type="SiteIndexPageRenderer")
    page = rich / "runs" / "graph" / "index.html"
    page.parent.mkdir()
    page.write_text(str(OwnPages(index, FINDINGS).render(document)), "utf-8")
    watched.page.goto(page.as_uri())
    watched.page.get_by_text("This graph cannot be shown.").wait_for()
    shutil.rmtree(page.parent)
    watched.check()


def test_without_assets_everything_but_graphs_is_there_to_read(plain: Path, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{plain.as_uri()}/{quote('runs/' + DOCS_ID)}/index.html")
    page.get_by_role("link", name="users", exact=True).click()
    assert page.get_by_text("values must belong to this set").is_visible()
    assert page.get_by_text(EVIL, exact=True).first.is_visible()
    assert page.get_by_text("A graph would be here").count() == 2
    watched.check()


def test_the_pages_fit_a_phone(rich: Path, plain: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    for folder in (rich, plain):
        for name in pages_of(folder):
            page.goto(f"{folder.as_uri()}/{name}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    context.close()


def test_what_gx_writes_of_the_data_is_text(alone: Path) -> None:
    html = page_of(alone, "users")
    assert f">{escape(EVIL, quote=False)}</div>" in html
    assert EVIL not in html
    assert "<img" not in html
    suite = (alone / "expectations" / "demo" / "users.html").read_text("utf-8")
    assert "Ask &lt;script&gt;" in suite  # notes, in Markdown
    assert "<img" not in suite


def test_an_exception_of_a_check_is_its_message_without_traceback_or_path(alone: Path) -> None:
    html = page_of(alone, "users")
    assert "raised an exception" in html
    assert 'The column "nowhere" in BatchData does not exist.' in unescape(html)
    assert not [
        inside for inside in ("raceback", "site-packages", str(ROOT), "File &quot;", 'File "') if inside in html
    ]


def cells(html: str) -> list[list[str]]:
    """The first two cells of each row about a check."""
    found = re.findall(r'<td class="(result-\w+)"[^>]*>(.*?)</td>\s*<td[^>]*>(.*?)</td>', html, re.DOTALL)
    return [[shape, *(" ".join(re.sub("<[^>]+>", " ", cell).split()) for cell in words)] for shape, *words in found]


def test_each_check_has_its_result_and_severity_in_words_and_a_colour(alone: Path) -> None:
    assert cells(page_of(alone, "tracks")) == [["result-good", "Passed", "critical"]]
    assert cells(page_of(alone, "visits")) == [["result-open", "Failed, warning", "warning"]]
    assert cells(page_of(alone, "users")) == [
        # By column: gender, name, nowhere.
        ["result-bad", "Failed, critical", "critical"],
        ["result-bad", "Failed, critical", "critical"],
        ["result-good", "Passed", "critical"],
        ["result-bad", "Could not check", "critical"],
    ]


def test_the_suite_says_the_severity_of_each_expectation(alone: Path) -> None:
    for table, severities in {"tracks": ["critical"], "visits": ["warning"], "users": ["critical"] * 4}.items():
        html = (alone / "expectations" / "demo" / f"{table}.html").read_text("utf-8")
        assert re.findall(r'class="badge severity \w+"\s*>(\w+)<', html) == severities


def test_no_page_shows_python_or_names_of_parameters(alone: Path) -> None:
    for path in alone.rglob("*.html"):
        words = unescape(re.sub("<(style|script).*?</\\1>|<[^>]*>", " ", path.read_text("utf-8"), flags=re.DOTALL))
        assert not re.search(r"None(?! \(-infinity)|\{'|\['|\$PARAMETER|batch_|data_asset", words), path


def test_a_warning_is_no_failure_and_the_counts_are_those_of_the_site(alone: Path) -> None:
    users, warned = page_of(alone, "users"), page_of(alone, "visits")
    assert "1 warning, 0 of 1 check passed" in warned
    assert "2 critical failed, 1 could not be checked, 1 of 4 checks passed" in users
    rows = re.findall(r'<th scope="row">([^<>]+)</th><td>(\d+)</td>', users)
    assert rows[:5] == [
        *(("Critical, failed", "2"), ("Could not be checked", "1"), ("Warnings", "0")),
        *(("Passed", "1"), ("All checks", "4")),
    ]
