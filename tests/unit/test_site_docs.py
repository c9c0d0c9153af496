"""The pages of the data docs: made by our templates, from blocks of GX with what the data may hold in each place."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from great_expectations import render
from jinja2 import meta

from lib.errors import LakeError
from lib.quality import docs
from lib.quality.docs import Docs
from lib.quality.docs_view import OwnPages
from lib.quality.validate import Finding, Findings
from tests.on_disk import at
from tests.page_text import Text

RESULTS, SUITE, INDEX = "ValidationResultsPageRenderer", "ExpectationSuitePageRenderer", "SiteIndexPageRenderer"
RICH = Docs("r1", Path("unused"), "demo", "assets/abc", lake="/srv/lake")
PLAIN = replace(RICH, assets_href="")
ALONE = replace(PLAIN, alone=True)
NOTHING = Findings((), {})
# What GX makes pages of.
BLOCKS = [
    *("header", "string_template", "table", "bootstrap_table", "graph", "text", "bullet_list", "value_list", "tabs"),
    *("collapse", "content_block_container", "markdown"),
]
MARKUP = [
    "<script>alert(1)</script>",
    "<script src=https://new.example/x.js></script>",
    "<img src=https://new.example/x.png onerror=alert(1)>",
    "<iframe src=https://new.example/></iframe>",
    "<svg onload=alert(1)>",
    "<style>@import 'https://new.example/x.css'</style>",
    "<link rel=stylesheet href=https://new.example/x.css>",
    "<base href=https://new.example/>",
    "<form action=https://new.example/><button>x</button></form>",
    "<input type=image src=https://new.example/x.png>",
    "<object data=https://new.example/></object>",
    "<meta http-equiv=refresh content=0;url=https://new.example/>",
    "<!-- https://new.example/ -->",
    "<![CDATA[ https://new.example/ ]]>",
    "<?x https://new.example/ ?>",
    "<b>bold</b>",
    "</div></body><script>",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;script&gt;",
]


def a_page(
    *blocks: Any, docs: Docs = ALONE, findings: Findings = NOTHING, kind: str = RESULTS, suite: str = "demo.tracks"
) -> str:
    """A page of these blocks of GX, in one section."""
    sections = [render.RenderedSectionContent(content_blocks=list(blocks), section_name="a section")]
    name = None if kind == INDEX else suite
    document = render.RenderedDocumentContent(sections, renderer_type=kind, expectation_suite_name=name)
    return str(OwnPages(docs, findings).render(document))


def body_of(html: str) -> str:
    """What of a page is made from its blocks."""
    return html.partition("<main>")[2].rpartition("</main>")[0]


def a_sentence(template: str, tooltip: str | None = None, **params: Any) -> Any:
    content: dict[str, Any] = {"template": template, "params": params}
    if tooltip is not None:
        content["tooltip"] = {"content": tooltip}
    return render.RenderedStringTemplateContent(content)


def styled(word: str, **styling: Any) -> Any:
    return render.RenderedStringTemplateContent(
        {"template": "$word", "params": {"word": word}, "styling": {"params": {"word": styling}}}
    )


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def elements(html: str) -> _Elements:
    read = _Elements()
    read.feed(html)
    return read


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    for name in docs.GRAPH_SCRIPTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_no_template_that_makes_a_page_names_another_host() -> None:
    env = OwnPages(RICH, NOTHING).env
    assert env.loader is not None
    used, left = {}, ["page.j2", *(f"{kind}.j2" for kind in BLOCKS)]
    while left:
        name = left.pop()
        if name not in used:
            used[name] = env.loader.get_source(env, name)[0]
            left += [each for each in meta.find_referenced_templates(env.parse(used[name])) if each]
    assert set(used) > {"page.j2", "section.j2", "component.j2"}
    for name, text in {**used, "docs.css": docs.text_of("docs.css")}.items():
        drawn = text.replace("xmlns='http://www.w3.org/2000/svg'", "")
        assert not re.search(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}", drawn), name
        assert "@import" not in text, name


def test_each_asset_is_fetched_by_the_script() -> None:
    script = (Path(docs.__file__).parents[2] / "scripts" / "site_assets.sh").read_text("utf-8")
    fetched = {line.split()[1] for line in script.split("files='")[1].split("'")[0].strip().splitlines()}
    assert fetched == set(docs.GRAPH_SCRIPTS)


@pytest.mark.parametrize("place", ["conf/site-assets", "tests/axe"])
def test_the_lock_names_exact_versions_and_no_registry(place: str) -> None:
    folder = Path(docs.__file__).parents[2] / place
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert not [name for name, entry in locked.items() if "resolved" in entry or (name and "integrity" not in entry)]


@pytest.mark.parametrize(
    ("kind", "suite", "home"),
    [
        (INDEX, "", ""),
        # expectations/demo/tracks.html
        (SUITE, "demo.tracks", "../../"),
        # validations/demo/tracks/<run>/<time>/<batch>.html, and of a source with a dot in its name
        (RESULTS, "demo.tracks", "../../../../../"),
        (RESULTS, "demo.of.tracks", "../../../../../../"),
    ],
)
def test_links_and_assets_are_found_from_each_depth(kind: str, suite: str, home: str) -> None:
    html = a_page(render.RenderedGraphContent({"mark": "bar"}), kind=kind, suite=suite, docs=RICH)
    assert f'<script src="{home}../../assets/abc/js/vega.min.js"></script>' in html
    assert f'<a href="{home}../../index.html">Published</a><a href="{home}../../runs.html">Runs</a>' in html
    assert (f'<a href="{home}index.html">Data docs of this run</a>' in html) == (kind != INDEX)


def test_what_failed_of_a_table_is_at_the_top_of_its_pages_as_text_and_all_of_it_on_the_index() -> None:
    failed = Finding("things.x", "things", "<b>", "", "critical", success=False, said="3 rows")
    broken = Finding("others.y", "others", "kind", "", "warning", success=None, said="could not be checked: no column")
    passed = [Finding(f"p{n}", "things", "kind", "", "warning", success=True, said="") for n in range(6)]
    findings = Findings((failed, broken, *passed), {"things": 3, "others": 3})
    first = "<li><strong>critical</strong> things (&lt;b&gt;): 3 rows [things.x]</li>"
    second = "<li><strong>could not be checked</strong> others (kind): could not be checked: no column [others.y]</li>"
    command = "<code>./spark-submit.sh failures --lake /srv/lake --run r1</code>"
    html = a_page(kind=INDEX, suite="", docs=PLAIN, findings=findings)
    assert "<summary>1 critical failed, 1 could not be checked, 6 of 8 checks passed</summary>" in html
    assert f"{first}\n{second}" in html
    assert command in html
    for kind in (SUITE, RESULTS):
        html = a_page(kind=kind, suite="demo.things", docs=PLAIN, findings=findings)
        assert "<summary>1 critical failed, 6 of 7 checks passed</summary>" in html
        assert (first in html, second in html, command in html) == (True, False, True)
        html = a_page(kind=kind, suite="demo.others", docs=PLAIN, findings=findings)
        assert "<summary>1 could not be checked, 0 of 1 check passed</summary>" in html
        # There are no rows to list.
        assert (first in html, second in html, command in html) == (False, True, False)
    assert "<details" not in a_page(docs=PLAIN, findings=Findings(tuple(passed), {"things": 3}))


@pytest.mark.parametrize("docs", [PLAIN, ALONE, RICH])
def test_a_page_without_a_graph_loads_nothing_and_runs_nothing(docs: Docs) -> None:
    html = a_page("hello", docs=docs)
    assert "hello" in body_of(html)
    assert not {"script", "img"} & {tag for tag, _ in elements(html).found}
    assert [values["href"] for tag, values in elements(html).found if tag == "link"] == ["data:,"]


def test_without_assets_a_sentence_is_in_place_of_a_graph() -> None:
    html = a_page(render.RenderedGraphContent({"mark": "bar"}), docs=PLAIN)
    assert "A graph would be here; it needs the scripts that Node gets at set-up." in body_of(html)
    assert "<script" not in html


def test_only_graphs_load_the_scripts_that_draw_them() -> None:
    graph = render.RenderedGraphContent({"mark": "bar"})
    assert "js/vega.min.js" in a_page(graph, docs=RICH)
    assert "js/vega.min.js" not in a_page('<script type="application/json" data-graph="x">', docs=RICH)


@pytest.mark.parametrize("value", MARKUP)
def test_markup_in_a_value_is_shown_as_text(value: str) -> None:
    """Wherever GX puts it."""
    blocks = [
        value,
        [value, a_sentence(f"1 {value}")],
        a_sentence("2 $value", value=value),
        a_sentence("3 $value", value=[value]),
        styled(f"4 {value}", tag="code", classes=["x"]),
        render.TextContent(["5", value], header=f"6 {value}", subheader=f"7 {value}"),
        render.RenderedTableContent([[f"8 {value}", {"a": value}]], header_row=[f"9 {value}", value]),
        render.RenderedBulletListContent([value]),
        render.ValueListContent([value]),
        render.CollapseContent([value], collapse_toggle_link=value),
        render.RenderedTabsContent([{"tab_name": "x", "tab_content": value}]),
    ]
    read = elements(body_of(a_page(*blocks)))
    assert {tag for tag, _ in read.found} <= set(
        [
            "section",
            "div",
            "span",
            "p",
            "ul",
            "li",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "h2",
            "h3",
            "code",
            "details",
            "summary",
        ]
    )
    assert not [values for _, values in read.found if any(name.startswith("on") or name == "src" for name in values)]
    shown = " ".join(read.text.split())
    assert shown.count(" ".join(value.split())) >= 15, shown


def test_markup_in_a_name_is_text_in_the_title_the_path_and_the_table_of_contents() -> None:
    name = "</title><script>alert(1)</script>"
    sections = [render.RenderedSectionContent(content_blocks=[], section_name=name)]
    document = render.RenderedDocumentContent(
        sections, renderer_type=SUITE, page_title=name, expectation_suite_name="demo.tracks"
    )
    html = str(OwnPages(ALONE, NOTHING).render(document))
    assert name not in html
    assert unescape(html).count(name) == 3


def test_a_value_in_a_tooltip_or_an_attribute_cannot_leave_it() -> None:
    evil = '\'"><script>alert(1)</script><b onclick=alert(1) x="'
    html = body_of(a_page(a_sentence("x", tooltip=evil), styled("y", attributes={"id": evil})))
    read = elements(html)
    assert [values["title"] for _, values in read.found if "title" in values] == [evil]
    assert "script" not in {tag for tag, _ in read.found}
    assert "onclick" not in {name for _, values in read.found for name in values}


@pytest.mark.parametrize("name", ["onclick", "onmouseover", "onerror", "srcdoc", "formaction", "src", "background"])
def test_an_attribute_that_could_run_or_load_is_dropped(name: str) -> None:
    html = body_of(a_page(styled("words", attributes={name: "https://new.example/"})))
    assert "new.example" not in html
    assert "words" in html


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        " javascript:x",
        "https://x.example/",
        "//x.example",
        "\\\\x.example",
        "data:x",
    ],
)
def test_a_link_that_leaves_is_no_link_any_more(href: str) -> None:
    html = body_of(a_page(styled("words", tag="a", attributes={"href": href})))
    assert "<a>words</a>" in html


@pytest.mark.parametrize("href", ["#top", "../../index.html", "validations/r%3A1/a%20b.html", "a.html#x:y"])
def test_a_local_link_stays(href: str) -> None:
    assert f'<a href="{href}">words</a>' in body_of(a_page(styled("words", tag="a", attributes={"href": href})))


def test_an_exception_is_what_may_be_shown_of_it() -> None:
    sentence = a_sentence("$exception_message", exception_message="no way to read 'zoe' in /home/zoe/x.py")
    trace = render.CollapseContent(["File /home/zoe/y.py"], collapse_toggle_link="Show exception traceback...")
    html = body_of(a_page([sentence, trace]))
    assert "no way to read '***' in (a path)" in unescape(html)
    assert "zoe" not in html


def test_notes_in_markdown_have_neither_links_nor_pictures_nor_markup_of_their_own() -> None:
    notes = "Ask **us** ![x](https://new.example/x.png) [there](https://new.example/) <script>alert(1)</script>"
    html = body_of(a_page(render.RenderedMarkdownContent(notes)))
    assert "Ask <strong>us</strong>  <a>there</a> &lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_json_schema_keeps_its_lines() -> None:
    html = body_of(a_page(a_sentence("$formatted_json", formatted_json="<pre>{\n&lt;b&gt;}</pre><script>x</script>")))
    assert "<pre>{\n&lt;b&gt;}</pre>" in html
    assert "<script" not in html


def test_a_page_has_no_newsletter_no_tutorials_and_no_logo() -> None:
    for kind in (INDEX, SUITE, RESULTS):
        html = a_page(kind=kind, docs=RICH)
        assert not {"img", "footer"} & {tag for tag, _ in elements(html).found}
        assert not re.search("newsletter|walkthrough|tutorial|data_?context_?id", html, re.IGNORECASE)


def test_a_status_icon_is_drawn_and_named() -> None:
    icons = {
        "fa-times": "Failed",
        "fa-check-circle": "Passed",
        "fa-exclamation-circle": "Warning",
        "fa-exclamation-triangle": "Could not check",
    }
    for name, words in icons.items():
        html = body_of(a_page(styled("", tag="i", classes=["fas", name, "text-danger"])))
        [values] = [values for tag, values in elements(html).found if tag == "i"]
        assert (values["role"], values["aria-label"]) == ("img", words)
        assert f".{name} {{ --icon: url(" in docs.text_of("docs.css")
    hidden = body_of(a_page(styled("", tag="i", classes=["fas", "fa-times"], attributes={"aria-hidden": "true"})))
    assert 'aria-hidden="true"' in hidden


def an_index(docs: Docs, findings: Findings = NOTHING) -> str:
    """An index of three tables, and of a suite, as GX makes it: with much that is the same in each row."""
    results = [
        {
            "validation_success": styled("", tag="i", classes=["fas", "fa-times"]),
            "run_time": "2026-03-05 01:30:00 UTC",
            "run_name": "run_r1",
            "batch_identifier": a_sentence("lake-a", tooltip="Batch Spec:\n\n{}"),
            "expectation_suite_name": styled(
                f"demo.{name}", tag="a", attributes={"href": f"expectations/{quote(name)}.html"}
            ),
            "asset_name": name,
            "_table_row_link_path": f"validations/{name}%3A1.html",
        }
        for name in ("b", "a", EVIL_NAME)
    ]
    suites = [{"expectation_suite_name": "demo.a", "_table_row_link_path": "expectations/a.html"}]
    parts = {"Validation Results": results, "Expectation Suites": suites}
    tables = [
        {"tab_name": name, "tab_content": render.RenderedBootstrapTableContent(table_data=rows, table_columns=[])}
        for name, rows in parts.items()
    ]
    return body_of(a_page(render.RenderedTabsContent(tables), docs=docs, findings=findings, kind=INDEX))


EVIL_NAME = '<img src=x onerror="alert(1)">'


def test_the_index_names_each_table_once_and_links_it_to_what_was_found_and_to_its_suite() -> None:
    shown = an_index(RICH)
    rows = Text(shown).rows
    assert rows["tables"] == [
        ["Table", "Result", "Suite"],
        [EVIL_NAME, "", f"demo.{EVIL_NAME}"],
        ["a", "", "demo.a"],
        ["b", "", "demo.b"],
    ]
    assert '<a href="validations/a%3A1.html">a</a>' in shown
    assert '<a href="expectations/a.html">demo.a</a>' in shown
    # Each suite is linked from its table.
    assert re.findall("<h2>(.*?)</h2>", shown) == ["Tables"]
    assert not {"input", "select", "button", "img", "script"} & {tag for tag, _ in elements(shown).found}


def test_a_result_of_the_index_has_words_and_the_colour_of_its_worst_check() -> None:
    def found(name: str, number: int, severity: str, *, passed: bool) -> list[Finding]:
        return [Finding("x", name, "kind", "", severity, success=passed, said="")] * number

    findings = Findings(
        (
            *found("a", 1, "critical", passed=False),
            *found("a", 2, "warning", passed=False),
            *found("a", 20, "critical", passed=True),
            *found("b", 1, "warning", passed=False),
            *found("b", 22, "critical", passed=True),
            *found(EVIL_NAME, 3, "critical", passed=True),
        ),
        {"a": 1, "b": 1, EVIL_NAME: 1},
    )
    shown = an_index(PLAIN, findings)
    assert [row[1] for row in Text(shown).rows["tables"][1:]] == [
        "3 passed",
        "1 critical failed, 2 warnings, 20 passed",
        "1 warning, 22 passed",
    ]
    assert re.findall(r'<td data-name="Result" class="([\w-]+)">', shown) == [
        "result-good",
        "result-bad",
        "result-open",
    ]


def test_a_list_and_what_is_known_at_the_check_are_words_and_no_python() -> None:
    sentence = a_sentence("$columns until $at", columns=["id", "name"], at={"$PARAMETER": "a_day_after_the_check"})
    assert "id, name until a day after the check" in body_of(a_page(sentence))


def test_a_graph_is_data_that_cannot_end_its_block() -> None:
    spec = {"$schema": "https://vega.github.io/v6.json", "mark": "bar", "ok": True, "name": "</script><!--"}
    html = body_of(a_page(render.RenderedGraphContent(spec), docs=RICH))
    [block] = re.findall(r'<script type="application/json" data-graph="[\w-]+">(.*?)</script>', html, re.DOTALL)
    assert json.loads(block) == {"mark": "bar", "ok": True, "name": "</script><!--"}
    assert "<!--" not in block


def test_only_our_own_inline_script_may_run() -> None:
    html = a_page(render.RenderedGraphContent({"mark": "bar"}), docs=RICH)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert policy[1] == docs.policy(docs.text_of("docs.js"))
    assert f"<script>{docs.text_of('docs.js')}</script>" in html
    sources = next(part for part in policy[1].split("; ") if part.startswith("script-src"))
    assert re.fullmatch(r"script-src 'self' 'sha256-[\w+/=]+'", sources)
    assert policy[1].startswith("default-src 'none'; ")


def test_assets_are_copied_once_for_each_content(assets: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    href = docs.copy_assets(assets, at(site))
    (assets / ".stamp").write_text("stamp")
    first = (site / href / "js" / "vega.min.js").stat()
    assert re.fullmatch(r"assets/[0-9a-f]{12}", href)
    assert docs.copy_assets(assets, at(site)) == href
    assert (site / href / "js" / "vega.min.js").stat().st_ino == first.st_ino
    assert not list((site / ".staging").iterdir())
    (assets / "js" / "vega.min.js").write_text("newer")
    assert docs.copy_assets(assets, at(site)) != href
    assert (site / href / "js" / "vega.min.js").read_text() == "js/vega.min.js"


def test_incomplete_assets_are_told_apart(assets: Path, tmp_path: Path) -> None:
    (assets / "js" / "vega.min.js").unlink()
    with pytest.raises(LakeError, match=r"missing \(js/vega\.min\.js\)"):
        docs.copy_assets(assets, at(tmp_path / "site"))
