"""Our own pages: what they say, and that they say it to everyone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html import unescape

import pytest

from lib.quality.counts import Counts
from lib.quality.docs import policy
from lib.reporting.pages import (
    IndexPage,
    RunLine,
    TableLine,
    _script,
    publication_of,
    render_index,
    render_nothing_published,
    render_runs,
)
from tests.page_text import Text

AT = datetime(2026, 3, 5, 1, 30, tzinfo=timezone(timedelta(hours=2)))
TRACKS = TableLine(
    table="tracks",
    rows=1234567,
    version=4,
    pages=12346,
    landed=1234601,
    rejected=31,
    duplicate=3,
    inserted=20,
    updated=5,
    deleted=1,
    proof="counted",
    counts=Counts(0, 0, 1, 9),
    docs_href="runs/r1/validations/tracks.html",
    live=1234500,
    newest_at=AT,
)
LISTENS = TableLine("listens", 10, 2, *[None] * 7, None, Counts(0, 0, 0, 3), None, path="gold/listens")


def index(*tables: TableLine, **changes: object) -> str:
    values: dict[str, object] = {
        "source": "demo",
        "publication_id": "p1",
        "run_id": "r1",
        "published_at": AT,
        "docs_href": "runs/r1/index.html",
        "tables": tables or (TRACKS, LISTENS),
        "rejected_reasons": (("tracks", "id: not a number", 31),),
        "notes": ("items[]: 31 references to 1 deleted row of tracks",),
    }
    return render_index(IndexPage(**{**values, **changes}))


def run(**changes: object) -> RunLine:
    values: dict[str, object] = {
        "run_id": "r1",
        "docs_id": "r1",
        "checked_at": AT,
        "outcome": "published",
        "counts": Counts(0, 0, 0, 9),
        "rows": 1000,
        "message": None,
    }
    return RunLine(**{**values, **changes})


def test_the_index_says_what_is_published_when_and_from_which_run() -> None:
    words = " ".join(Text(index()).words.split())
    # 1,234,500 live rows of tracks, and 10 of listens.
    assert "demo: 1,234,510 rows in 2 tables" in words
    assert "Deleted rows, not counted 67" in words
    assert "Published 2026-03-04 23:30 UTC" in words
    assert "Run r1" in words
    assert "Publication p1" in words
    assert "Rejected rows 31" in words
    assert "1 warning, 12 of 13 checks passed" in words
    assert "31 references to 1 deleted row of tracks" in words


def test_a_count_that_does_not_apply_is_a_dash_and_zero_is_zero() -> None:
    rows = Text(index(TRACKS, LISTENS)).rows["tables"]
    assert rows[1] == ["tracks", "12,346", "1,234,601", "31", "3", "20", "5", "1", "4"]
    assert rows[2] == ["listens", *["\N{EN DASH}"] * 7, "2"]


def tile(html: str, table: str) -> str:
    """What the tile of a table says, blanks as one."""
    return " ".join(Text(html.partition(f'id="table-{table}">')[2].partition("</li>")[0]).words.split())


def test_a_table_has_a_tile_with_its_live_rows_their_change_completeness_checks_and_freshness() -> None:
    html = index(previous={"tracks": 1234510, "listens": 10})
    assert tile(html, "tracks") == (
        "tracks 1,234,500 rows 10 fewer than in the previous publication And 67 deleted Complete: counted "
        "1 warning, 9 passed data docs Newest row: 2026-03-04 23:30 UTC"
    )
    assert tile(html, "listens") == "listens 10 rows 3 passed"


@pytest.mark.parametrize(
    ("live", "previous", "words"),
    [
        (12, None, "First publication"),
        (12, {}, "Not in the previous publication"),
        (12, {"tracks": 12}, "As many as in the previous publication"),
        (12, {"tracks": 10}, "2 more than in the previous publication"),
        (12, {"tracks": 2012}, "2,000 fewer than in the previous publication"),
        (12, {"tracks": None}, None),
        (None, {"tracks": 12}, None),
    ],
)
def test_the_change_since_the_previous_publication_is_in_words(
    live: int | None, previous: dict[str, int | None] | None, words: str | None
) -> None:
    said = tile(index(replace(TRACKS, live=live), previous=previous), "tracks")
    assert ("publication" in said) == (words is not None)
    assert words is None or f" {words} " in said


@pytest.mark.parametrize(
    ("proof", "shape", "words"),
    [("reread", "good", "Complete: reread"), ("unproved", "open", "Completeness: unproved")],
)
def test_a_copy_that_is_not_proved_does_not_look_complete(proof: str, shape: str, words: str) -> None:
    html = index(replace(TRACKS, proof=proof))
    assert words in tile(html, "tracks")
    assert re.search(rf'<span class="status {shape}">[^§]*?</svg>\s*{words}', html)


def test_of_rows_that_were_not_counted_apart_all_are_shown() -> None:
    html = index(replace(TRACKS, live=None))
    assert "demo: 1,234,567 rows in 1 table<" in html
    assert "eleted rows, not counted" not in html


def test_one_id_is_shown_where_run_and_publication_have_the_same() -> None:
    words = " ".join(Text(index(publication_id="r1")).words.split())
    assert "Run and publication r1" in words
    assert publication_of(index(publication_id="r1")) == "r1"
    assert publication_of(index()) == "p1"


def test_repeated_rows_and_missing_values_are_shown_as_they_arrived() -> None:
    tables = Text(index(replace(TRACKS, differed=2, missing=(("album", 1200), ("genres", 7))), LISTENS)).rows
    assert tables["tables"][1][4] == "3 (2 differ)"
    assert tables["missing"][1:] == [["tracks", "album", "1,200", "1,234,601"], ["tracks", "genres", "7", "1,234,601"]]


def test_no_missing_value_is_said_only_where_they_were_counted() -> None:
    said = "No value of a declared column was missing."
    assert said in index(replace(TRACKS, missing=()))
    assert "issing" not in Text(index()).words


def test_a_run_with_failures_comes_with_a_line_of_each_and_the_command_that_lists_their_rows() -> None:
    lines = ("a.b -> c: 1 orphan (b <9>) [a.orphans.b]", "a.d must not be null: 2 of 3 rows [a.x]")
    command = "./spark-submit.sh failures --lake '/srv/a lake' --run r1.check2"
    failed = Text(render_runs("demo", [run(docs_id="r1.check2", failures=lines)], lake="/srv/a lake"))
    assert all(said in failed.words for said in (*lines, command))
    # Docs that are no longer kept: the rows are.
    gone = Text(render_runs("demo", [run(docs_id="", failures=lines)]))
    assert (lines[0] in gone.words, "./spark-submit.sh failures" in gone.words) == (True, False)
    assert command not in render_runs("demo", [run(docs_id="r1.check2")])


def test_numbers_are_aligned_to_the_right_with_figures_of_one_width() -> None:
    html = index()
    assert re.search(r'<td class="n" data-name="Landed">1,234,601</td>', html)
    assert ".n { text-align: right" in html
    assert "font-variant-numeric: tabular-nums" in html


def test_failed_checks_are_told_in_words_and_not_only_by_colour() -> None:
    failing = TableLine("users", 5, 1, *[None] * 7, None, Counts(3, 0, 0, 2), None)
    words = " ".join(Text(index(failing)).words.split())
    assert "3 critical failed, 2 of 5 checks passed" in words
    assert "3 critical failed, 2 passed" in tile(index(failing), "users")


def test_a_page_without_any_check_does_not_say_that_all_passed() -> None:
    words = Text(index(TableLine("users", 5, 1, *[None] * 7, None, Counts(0, 0, 0, 0), None))).words
    assert "Nothing was checked" in words
    assert "All 0" not in words


def test_rejected_rows_come_with_their_reasons() -> None:
    assert Text(index()).rows["rejected"][1] == ["tracks", "id: not a number", "31"]
    none = TableLine("users", 5, 1, 1, 5, 0, 0, 5, 0, 0, "counted", Counts(0, 0, 0, 1), None)
    assert "No row was rejected." in Text(index(none, rejected_reasons=())).words


def test_how_to_read_it_has_a_tab_for_each_reader_folded() -> None:
    html = index()
    readers = ["Spark", "Polars", "DuckDB", "deltalake", "pandas"]
    assert (
        re.findall(r'<input type="radio" name="reader" id="by-(\w+)"(?: checked)?><label for="by-\1">\1</label>', html)
        == readers
    )
    assert re.findall(r'id="way-(\w+)"', html) == readers
    assert '<details id="read">\n<summary>How to read it</summary>' in html
    assert 'tracks = pl.scan_delta("silver/tracks", version=4)' in Text(html).words


def test_the_words_are_those_of_the_field() -> None:
    pages = (index(), render_runs("demo", [run()]), render_nothing_published("demo"))
    for html in pages:
        assert ">Runs<" in html
    for html in pages[:2]:
        assert "<summary>Column definitions</summary>" in html


def test_the_pages_link_to_each_other_and_to_the_docs() -> None:
    html = index()
    assert 'href="runs.html"' in html
    assert 'href="runs/r1/index.html"' in html
    assert 'href="runs/r1/validations/tracks.html"' in html
    assert 'href="index.html"' in render_runs("demo", [run()])
    assert 'href="runs.html"' in render_nothing_published("demo")


def test_runs_are_newest_first_whatever_their_order_and_zone() -> None:
    older = run(run_id="older", checked_at=datetime(2026, 3, 4, 23, 29, tzinfo=UTC))
    newer = run(run_id="newer", checked_at=datetime.fromisoformat("2026-03-04T23:31"))  # without a zone: UTC
    rows = Text(render_runs("demo", [older, run(), newer])).rows["runs"]
    assert [row[2] for row in rows[1:]] == ["newer", "r1", "older"]


def test_each_outcome_has_a_shape_of_its_own() -> None:
    shapes = {
        outcome: re.findall(r'svg class="mark (\w+)"', render_runs("demo", [run(outcome=outcome)]))
        for outcome in ("published", "checks failed", "could not check")
    }
    assert shapes == {"published": ["good"], "checks failed": ["bad"], "could not check": ["open"]}


def test_an_outcome_that_is_not_known_never_looks_good() -> None:
    assert 'class="status open"' in render_runs("demo", [run(outcome="cancelled")])


def test_the_id_of_docs_is_escaped_in_its_link() -> None:
    assert 'href="runs/2026-03-05T01%3A30%20%23x/index.html"' in render_runs(
        "demo", [run(docs_id="2026-03-05T01:30 #x")]
    )


def test_a_run_without_docs_has_no_link() -> None:
    html = render_runs("demo", [run(docs_id="", outcome="could not check", message="no table")])
    assert 'href="runs/' not in html
    assert "no table" in html


def test_no_run_yet_is_said_in_words() -> None:
    assert "No run has been checked yet." in render_runs("demo", [])


def test_what_comes_from_data_stays_text() -> None:
    evil = "<script>alert(1)</script>"
    html = index(rejected_reasons=((evil, evil, 1),), notes=(evil,), run_id=evil) + render_runs(
        evil, [run(message=evil, run_id='" onmouseover="x')]
    )
    assert html.count("<script") == 1  # our own, which the page's policy names by its hash
    assert '" onmouseover="' not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_the_pages_load_nothing_and_run_nothing_but_the_script_of_the_index() -> None:
    own = _script("index.js")
    assert index().count(f"<script>{own}</script>") == 1
    assert policy(own) in unescape(index())
    for html in (index().replace(own, ""), render_runs("demo", [run()]), render_nothing_published("demo")):
        html = html.replace("<script></script>", "")
        assert "default-src 'none'" in unescape(html)
        assert not re.search(r"<script|@import|url\(|\ssrc=|https?:", html)
