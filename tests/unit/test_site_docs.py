"""GX's pages made self-contained: what stays, what is replaced, and what never gets through."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lib.errors import LakeError
from lib.quality import docs
from lib.quality.counts import Counts
from lib.quality.embedded import recognise
from lib.quality.markup import Page, rewrite
from tests.on_disk import at

JQUERY = "https://code.jquery.com/jquery-3.7.1.min.js"
TABLE = """
  $('#t-1').bootstrapTable(
    Object.assign(
      {
        columns: [{'field': 'run_name', 'title': 'Run Name'}, {'field': 'batch', 'title': 'Batch'}],
        data: [{'run_name': 'r1', 'batch': '<span class="m-0">a</span><img src=x onerror=alert(1)>', '_table_row_link_path': 'validations/r%3A1.html'}],
        toolbar: '#t-1-toolbar'
      },
      {'search': 'true', 'rowStyle': 'rowStyleLinks'}
    )
  );

  $(document).ready(function() {});
"""  # noqa: E501 - GX writes its data on one line
GRAPH = """
    // Assign the specification to a local variable vlSpec.
    vlSpec = {'$schema': 'https://vega.github.io/v6.json', 'mark': 'bar', 'ok': True, 'name': '</script>'};
    // Embed the visualization in the container with id `vis`
    vegaEmbed('#g-1', vlSpec, {
        actions: false
    }).then(result=>console.log(result)).catch(console.warn);
"""


def in_page(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html>\n<html>\n<head><title>Docs</title><title></title>{head}</head><body>{body}</body></html>"


def a_page(*, scripts: bool = True) -> Page:
    return Page(head="[head]", top="[top]", end="[end]", assets={JQUERY: "../jq.js"}, with_scripts=scripts)


def body_of(html: str) -> str:
    return rewrite(in_page(html), a_page()).partition("[top]")[2].partition("[end]")[0]


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    for name in docs.ASSETS.values():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    deep = folder / "validations" / "demo" / "tracks"
    deep.mkdir(parents=True)
    page = in_page("<p>hello</p>", f'<script src="{JQUERY}" integrity="sha384-x" crossorigin="anonymous"></script>')
    (folder / "index.html").write_text(page)
    (deep / "x.html").write_text(page)
    (folder / "static" / "images").mkdir(parents=True)
    (folder / "static" / "images" / "logo.png").write_bytes(b"png")
    return folder


def gx_templates() -> Path:
    found = importlib.util.find_spec("great_expectations")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "render" / "view" / "templates"


def test_every_host_that_gx_names_in_its_templates_is_known() -> None:
    texts = [path.read_text("utf-8") for path in gx_templates().glob("*.j2") if not path.name.startswith("markdown")]
    loaded = {
        url
        for text in texts
        for tag in re.findall(r"<(?:script|link|img|iframe|source|embed|object)\b[^>]*>", text)
        for url in re.findall(r'(?:src|href|data)="((?:https?:)?//[^"]+)"', tag)
    }
    assert loaded == set(docs.ASSETS)


def test_each_asset_is_fetched_by_the_script() -> None:
    script = (Path(docs.__file__).parents[2] / "scripts" / "site_assets.sh").read_text("utf-8")
    fetched = {line.split()[1] for line in script.split("files='")[1].split("'")[0].strip().splitlines()}
    assert fetched - set(docs.ASSETS.values()) == {"webfonts/fa-solid-900.woff2", "webfonts/fa-regular-400.woff2"}
    assert set(docs.ASSETS.values()) <= fetched


def test_the_lock_names_exact_versions_and_no_registry() -> None:
    folder = Path(docs.__file__).parents[2] / "conf" / "site-assets"
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert not [name for name, entry in locked.items() if "resolved" in entry or (name and "integrity" not in entry)]


def test_a_known_reference_becomes_a_file_of_the_site_at_each_depth(staged: Path, assets: Path) -> None:
    assert docs.make_self_contained(staged, assets, "assets/abc")
    index = (staged / "index.html").read_text("utf-8")
    deep = (staged / "validations" / "demo" / "tracks" / "x.html").read_text("utf-8")
    assert '<script src="../../assets/abc/js/jquery.min.js"></script>' in index
    assert '<script src="../../../../../assets/abc/js/jquery.min.js"></script>' in deep
    assert 'href="../../runs.html"' in index
    assert 'href="../../../../../runs.html"' in deep
    assert not (staged / "static").exists()


def test_what_failed_is_at_the_top_of_each_page_as_text(staged: Path) -> None:
    assert docs.make_self_contained(
        staged,
        None,
        "",
        checked=docs.Checked(
            {"things": Counts(1, 0, 0, 4), "others": Counts(0, 1, 0, 2)},
            [
                ("critical", "things.x: <b>3</b> rows", "SELECT key FROM failures"),
                ("could not be checked", "others.y", ""),
            ],
        ),
    )
    for path in (staged / "index.html", staged / "validations" / "demo" / "tracks" / "x.html"):
        html = path.read_text("utf-8")
        assert "1 critical failed, 1 could not be checked, 6 of 8 checks passed;" in html
        said = "<strong>critical</strong> things.x: &lt;b&gt;3&lt;/b&gt; rows<br><code>SELECT key FROM failures</code>"
        assert f"<li>{said}</li><li><strong>could not be checked</strong> others.y</li>" in html


def test_without_assets_the_page_says_that_it_is_plain_and_loads_nothing(staged: Path) -> None:
    assert docs.make_self_contained(staged, None, "")
    html = (staged / "index.html").read_text("utf-8")
    assert docs.PLAIN_NOTE in html
    assert "<p>hello</p>" in html
    assert "<script" not in html


def test_an_unknown_foreign_script_is_dropped_and_reported(
    staged: Path, assets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (staged / "index.html").write_text(in_page("", '<script src="https://new.example/x.js"></script>'))
    assert not docs.make_self_contained(staged, assets, "assets/abc")
    assert "new.example" not in (staged / "index.html").read_text("utf-8")
    assert caplog.records[0].references == ["<script src=https://new.example/x.js>"]


@pytest.mark.parametrize(
    "tag",
    [
        '<link rel="stylesheet" href="https://new.example/x.css">',
        '<link rel="preload" href="//new.example/x.css">',
        '<script src="https://new.example/x.js"></script>',
        '<style>@import "https://new.example/x.css"; a { background: url(https://new.example/y.png) }</style>',
        '<meta http-equiv="refresh" content="0; url=https://new.example/">',
    ],
)
def test_nothing_foreign_stays_in_the_head(tag: str) -> None:
    assert "new.example" not in rewrite(in_page("", tag), a_page())


@pytest.mark.parametrize(
    "value",
    [
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
        "<!x https://new.example/ >",
        "<footer id=ge-cta-footer>",
        "<script>",
        "&lt;script&gt;",
    ],
)
def test_markup_in_a_value_is_shown_as_text(value: str) -> None:
    shown = body_of(f"<td>{value}</td>")
    left = re.findall(r"<[^>]*>", shown)
    assert {tag.strip("<>/") for tag in left} <= {"td", "button"}
    assert "&lt;" in shown


@pytest.mark.parametrize(
    "name", ["onclick", "onmouseover", "onerror", "srcdoc", "formaction", "data-url", "background"]
)
def test_an_attribute_that_could_run_or_load_is_dropped(name: str) -> None:
    assert body_of(f'<td {name}="https://new.example/">x</td>') == "<td>x</td>"


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
    assert body_of(f'<a href="{href}">words</a>') == "<a>words</a>"


@pytest.mark.parametrize(
    "href", ["#top", "../../index.html", "validations/r%3A1/a b.html".replace(" ", "%20"), "a.html#x:y"]
)
def test_a_local_link_stays(href: str) -> None:
    assert body_of(f'<a href="{href}">words</a>') == f'<a href="{href}">words</a>'


def test_an_attribute_cannot_break_out_of_its_quotes() -> None:
    assert body_of("<td class='a\"><b>'>x</td>") == '<td class="a&quot;&gt;&lt;b&gt;">x</td>'


def test_a_style_that_loads_or_covers_the_page_is_dropped() -> None:
    assert body_of('<p style="background: url(https://x.example/)">x</p>') == "<p>x</p>"
    assert body_of('<p style="position: fixed; inset: 0">x</p>') == "<p>x</p>"
    assert body_of('<p style="width: auto">x</p>') == '<p style="width: auto">x</p>'


def test_the_logo_with_the_contexts_id_is_replaced_by_words() -> None:
    logo = "https://great-expectations-web-assets.s3.us-east-2.amazonaws.com/logo-long.png?d=1&dataContextId=42"
    assert body_of(f'<a href="#"><img src="{logo}"></a>') == '<a href="#">Data docs of this run</a>'


def test_newsletter_walkthrough_and_tutorials_are_gone() -> None:
    newsletter = "<footer>\n  <p>Stay current on everything GX with our newsletter <a href='https://x/'>Subscribe</a></p>\n</footer>"
    tutorials = '<footer class="alert" id="ge-cta-footer" role="alert"><a href="https://docs.x/">How to</a></footer>'
    walkthrough = (
        "<script>\n try {\n if (localStorage.getItem('ge-walkthrough-modal-dismissed') !== 'true') "
        "{ $('.m').modal(); } }</script>"
    )
    assert body_of(newsletter + tutorials + walkthrough) == ""


def test_a_status_icon_is_drawn_and_named() -> None:
    shown = body_of('<i class="fas fa-times text-danger ge-failed-icon"></i>')
    assert shown.startswith('<i class="text-danger ge-failed-icon" role="img" aria-label="Failed"><svg ')
    assert 'aria-label="Passed"' in body_of('<i class="fas fa-check-circle"></i>')
    assert 'aria-label="Could not check"' in body_of('<i class="fas fa-exclamation-triangle"></i>')


def test_a_table_of_gx_becomes_data_and_its_cells_are_cleaned() -> None:
    shown = body_of(f"<script>{TABLE}</script>")
    block = re.match(r'<script type="application/json" data-table="t-1">(.*?)</script>', shown)
    assert block
    row = json.loads(block[1])["data"][0]
    assert row["run_name"] == '<a href="validations/r%3A1.html">r1</a>'
    assert row["batch"] == '<span class="m-0">a</span>&lt;img src=x onerror=alert(1)&gt;'
    assert "<noscript>" in shown


def test_without_scripts_a_table_of_gx_is_an_ordinary_table() -> None:
    shown = rewrite(in_page(f"<script>{TABLE}</script>"), a_page(scripts=False))
    assert '<td><a href="validations/r%3A1.html">r1</a></td><td><span class="m-0">a</span>' in shown
    assert "<script" not in shown


STATUS = '<span class="x"><i class="fas fa-times text-danger ge-failed-icon"></i></span>'


def statuses(counts: dict[str, Counts], *, scripts: bool) -> str:
    """An index of which the suites of two tables failed."""
    data = [
        {"validation_success": STATUS, "asset_name": name, "_validation_success_text": "Failed"} for name in ("a", "b")
    ]
    table = TABLE.partition("data: ")[0].replace("'run_name'", "'validation_success'") + f"data: {data!r},\n"
    table += TABLE.partition("data: ")[2].partition("\n")[2]
    return rewrite(in_page(f"<script>{table}</script>"), replace(a_page(scripts=scripts), counts=counts))


def test_a_suite_of_which_only_warnings_failed_is_no_failed_one_in_the_index() -> None:
    counts = {"a": Counts(1, 0, 2, 20), "b": Counts(0, 0, 1, 22)}
    shown = statuses(counts, scripts=True)
    block = re.search(r'<script type="application/json" data-table="t-1">(.*?)</script>', shown)
    assert block
    failed, warned = json.loads(block[1])["data"]
    assert (failed["_validation_success_text"], warned["_validation_success_text"]) == ("Failed", "Warnings only")
    assert 'aria-label="Failed"' in failed["validation_success"]
    # The filter looks for its word in the cell.
    assert "ailed" not in warned["validation_success"]
    assert "Warnings only" in warned["validation_success"]
    plain = statuses(counts, scripts=False)
    assert (plain.count('aria-label="Failed"'), plain.count("Warnings only")) == (1, 1)
    assert '<span class="site-bad">1 critical failed, 2 warnings, 20 passed</span>' in plain
    assert '<span class="site-open">1 warning, 22 passed</span>' in plain
    assert "Warnings only" not in statuses({}, scripts=True)


def test_a_graph_of_gx_becomes_data_that_cannot_end_its_block() -> None:
    found = recognise(GRAPH)
    assert found is not None
    assert found.graph is not None
    block = found.graph.written(scripts=True)
    assert block.count("</script>") == 1
    assert json.loads(block.partition(">")[2].rpartition("</script>")[0]) == {
        "mark": "bar",
        "ok": True,
        "name": "</script>",
    }


def test_a_graph_whose_data_is_no_literal_is_not_run() -> None:
    found = recognise(GRAPH.replace("True", "fetch('x')"))
    assert found is not None
    assert found.graph is not None
    assert found.graph.written(scripts=True) == "<p>This graph cannot be shown.</p>"


def test_only_our_own_inline_script_may_run(staged: Path, assets: Path) -> None:
    docs.make_self_contained(staged, assets, "assets/abc")
    html = (staged / "index.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    sources = next(part for part in policy[1].split("; ") if part.startswith("script-src"))
    assert re.fullmatch(r"script-src 'self' 'sha256-[\w+/=]+'", sources)


def test_assets_are_copied_once_for_each_content(assets: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    href = docs.copy_assets(assets, at(site))
    (assets / ".stamp").write_text("stamp")
    first = (site / href / "js" / "jquery.min.js").stat()
    assert re.fullmatch(r"assets/[0-9a-f]{12}", href)
    assert docs.copy_assets(assets, at(site)) == href
    assert (site / href / "js" / "jquery.min.js").stat().st_ino == first.st_ino
    assert not list((site / ".staging").iterdir())
    (assets / "js" / "jquery.min.js").write_text("newer")
    assert docs.copy_assets(assets, at(site)) != href
    assert (site / href / "js" / "jquery.min.js").read_text() == "js/jquery.min.js"


def test_incomplete_assets_are_told_apart(assets: Path, tmp_path: Path) -> None:
    (assets / "js" / "jquery.min.js").unlink()
    with pytest.raises(LakeError, match=r"missing \(js/jquery\.min\.js\)"):
        docs.copy_assets(assets, at(tmp_path / "site"))
