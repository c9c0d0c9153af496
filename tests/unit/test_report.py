"""runs.html as the report of the last runs, from records as jobs write them."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.steps.options import Job
from lib.errors import LakeError
from lib.lake import metrics, publications
from lib.lake.checks import Check, add_check
from lib.lake.publications import Publication, PublishedTable
from lib.lake.runs import Run
from lib.lake.site_folder import docs_kept
from lib.observe.metrics import Measurement, Metric, Series, to_record
from lib.quality.docs import GRAPH_SCRIPTS
from lib.reporting.report import PLAIN_NOTE
from lib.reporting.runs_page import write_report
from tests.made_up_runs import EVIL, LONG, job_at, make_runs
from tests.on_disk import on_disk
from tests.page_text import Text

DAY_0 = datetime(2026, 1, 1, 1, 30, tzinfo=UTC)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job where Node was not there at set-up."""
    made = job_at(tmp_path / "lake")
    return replace(made, runtime=replace(made.runtime, site_assets=None))


@pytest.fixture
def drawn(job: Job, tmp_path: Path) -> Job:
    """The same with the scripts that draw."""
    for name in GRAPH_SCRIPTS:
        (tmp_path / "assets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "assets" / name).write_text("", "utf-8")
    return replace(job, runtime=replace(job.runtime, site_assets=tmp_path / "assets"))


def ran(job: Job, run_id: str, day: int, state: str, *measured: Measurement, **changes: Any) -> None:
    at = DAY_0 + timedelta(days=day)
    values = {"exit_status": 0, "ended_at": at + timedelta(seconds=24), **changes}
    Run(run_id, "demo", at, "", "{}", state=state, number=day + 1, **values).save(job.layout)
    metrics.save(job.layout, run_id, at, [to_record(one) for one in measured])


def checked(
    job: Job, docs_id: str, run_id: str, day: int, outcome: str, message: str | None = None, *lines: str
) -> None:
    failed = int(outcome != "published")
    at = DAY_0 + timedelta(days=day)
    add_check(job.layout, Check(docs_id, run_id, at, outcome, 9, failed, 0, 1000, message, lines=lines or None))
    (on_disk(job.layout.site) / "runs" / docs_id).mkdir(parents=True, exist_ok=True)


def report(job: Job) -> str:
    write_report(job.site, docs_kept(job.layout.site))
    return (on_disk(job.layout.site) / "runs.html").read_text("utf-8")


def section(html: str, run_id: str) -> str:
    """What the page says of one run: its words, blanks as one."""
    found = html.partition(f'<details class="run card" id="run-{run_id}">')[2]
    found = re.split(r'<details class="run card"|<details>\n<summary>Metric definitions|<script>', found)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def four_more(job: Job) -> None:
    """Runs after the first one, so that there are enough for charts."""
    for day in range(1, 5):
        ran(job, f"more{day}", day, "published")


ROWS = (
    Measurement(Series(Metric.STEP_SECONDS, None, "merge"), 5.5, 2.0, 8.0),
    Measurement(Series(Metric.ROWS, "tracks"), 2001.0),
    Measurement(Series(Metric.ROWS, "users"), 12.0, 900.0, 1100.0, -9.0, is_anomaly=True),
    Measurement(Series(Metric.BYTES, "tracks"), 512_000.0),
)


def test_every_run_is_on_the_page_however_it_ended(job: Job) -> None:
    ran(job, "good", 0, "published")
    checked(job, "good", "good", 0, "published")
    ran(job, "bad", 1, "checks_failed", exit_status=3)
    checked(job, "bad", "bad", 1, "checks failed", "tracks.x")
    ran(job, "gone", 2, "failed", exit_status=4, message="users: 404\nmore")
    ran(job, "shot", 3, "running", exit_status=None, ended_at=None)
    html = report(job)
    rows = Text(html).rows["runs"]
    dash = "\N{EN DASH}"
    assert [(row[1], row[2], *row[3:5]) for row in rows[1:]] == [
        ("killed", "shot", dash, dash),
        ("source failed", "goneusers: 404 …", dash, dash),
        (
            *("checks failed", "badtracks.x"),
            *("1 critical failed, 9 passed", "1,000"),
        ),
        ("published", "good", "9 passed", "1,000"),
    ]
    assert "demo: 2 checked runs, 2 that were not checked" in html
    assert re.findall(r'<details class="run card" id="run-(\w+)">', html) == ["shot", "gone", "bad", "good"]


def test_a_section_says_how_a_run_ended_its_whole_message_its_checks_and_what_failed_in_them(job: Job) -> None:
    ran(job, "bad", 0, "checks_failed", exit_status=3, message="1 expectation failed:\n  tracks.x: observed 2")
    checked(job, "bad", "bad", 0, "checks failed", "tracks.x", "critical: tracks.a -> users: 1 orphan (a 9) [tracks.x]")
    checked(job, "bad.check2", "bad", 1, "published", "tracks.x, accepted by ann: why")
    html = report(job)
    assert section(html, "bad") == (
        "checks failed 2026-01-01 01:30 UTC bad 24 s 1 expectation failed: tracks.x: observed 2 "
        "published on 2026-01-02 01:30 UTC: 9 passed ; its data docs tracks.x, accepted by ann: why "
        "checks failed on 2026-01-01 01:30 UTC: 1 critical failed , 9 passed ; its data docs "
        "critical: tracks.a -&gt; users: 1 orphan (a 9) [tracks.x] "
        f"./spark-submit.sh failures --lake {shlex.quote(str(job.layout.root))} --run bad "
        "Nothing was measured of it."
    )
    assert "1 expectation failed:\n  tracks.x: observed 2" in html
    for docs_id in ("bad", "bad.check2"):
        assert f'href="runs/{docs_id}/index.html"' in html


def test_numbers_stand_by_metric_and_table_with_what_was_expected_and_anomalies_in_words(job: Job) -> None:
    ran(job, "a", 0, "published", *ROWS)
    assert section(report(job), "a") == (
        "published 2026-01-01 01:30 UTC a 24 s 1 anomaly "
        "Anomalies: numbers outside the range that their history makes you expect. "
        "copy.rows of users: 12 rows, expected 900 to 1,100 rows It was not checked. "
        "Metric the run tracks users Fetching and landing "
        "copy.step_seconds step: merge 5.50 s expected 2.00 s to 8.00 s "
        "copy.bytes 512.0 kB "
        "copy.rows 2,001 12 anomaly expected 900 to 1,100 rows"
    )


def test_numbers_are_in_groups_and_those_that_are_0_everywhere_are_only_named(job: Job) -> None:
    zeros = (
        Measurement(Series(Metric.THROTTLED, "tracks"), 0.0),
        Measurement(Series(Metric.THROTTLED, "users"), 0.0),
        Measurement(Series(Metric.MISSING, "tracks", "genres"), 0.0),
        # Of two tables one has some; and a zero that is an anomaly.
        Measurement(Series(Metric.REJECTED, "tracks"), 0.0),
        Measurement(Series(Metric.REJECTED, "users"), 2.0),
        Measurement(Series(Metric.INSERTED, "users"), 0.0, 5.0, 9.0, -4.0, is_anomaly=True),
        Measurement(Series(Metric.TABLE_BYTES, "users"), 2000.0),
    )
    ran(job, "a", 0, "published", *zeros)
    html = report(job)
    assert section(html, "a").endswith(
        "Metric tracks users Data and checks quality.rejected_rows 0 2 "
        "quality.inserted_rows 0 anomaly expected 5 to 9 rows Files of the tables lake.bytes 2.0 kB "
        "2 numbers are 0 copy.throttled, quality.missing_values (column: genres)"
    )


def test_of_a_few_runs_the_page_has_numbers_in_place_of_charts_and_loads_no_script(drawn: Job) -> None:
    ran(drawn, "a", 0, "published", *ROWS, Measurement(Series(Metric.REJECTED, "tracks"), 0.0))
    ran(drawn, "b", 1, "published", Measurement(Series(Metric.ROWS, "users"), 990.0))
    html = report(drawn)
    assert "<h2>The last 2 runs in numbers</h2>" in html
    assert Text(html).rows["numbers-rows"] == [
        ["", "01-0101:30", "01-0201:30"],
        ["tracks", "2,001", ""],
        ["users", "12 (anomaly)", "990"],
    ]
    assert Text(html).rows["numbers-seconds"][1:] == [["merge", "5.50 s", ""]]
    assert "Landed rows in quarantine, by table. All are 0." in html
    assert re.findall("<script[^>]*>", html) == ["<script>"]
    assert not (on_disk(drawn.layout.site) / "assets").exists()


def test_a_run_that_was_checked_twice_is_one_run(job: Job) -> None:
    ran(job, "a", 0, "published")
    checked(job, "a", "a", 0, "published")
    checked(job, "a.check2", "a", 1, "published")
    html = report(job)
    assert "demo: 1 checked run</h1>" in html
    assert len(Text(html).rows["runs"]) == 3


def test_the_last_ninety_runs_are_read_and_no_more(job: Job) -> None:
    make_runs(job, 93)
    html = report(job)
    assert html.count('<details class="run card"') == 90
    assert len(Text(html).rows["runs"]) == 91
    assert 'id="run-run-0003"' in html
    assert "run-0002" not in html


def test_a_metric_is_explained_once(job: Job) -> None:
    ran(job, "a", 0, "published", *ROWS)
    html = report(job)
    assert html.count("<dt>copy.rows</dt><dd>Rows landed, each reading of a page counted.</dd>") == 1
    assert "<dt>copy.retries</dt>" not in html


def test_docs_that_are_not_kept_are_not_linked(job: Job) -> None:
    ran(job, "a", 0, "published")
    checked(job, "a", "a", 0, "published")
    assert 'href="runs/a/index.html"' in report(job)
    write_report(job.site, kept=())
    assert 'href="runs/a/' not in (on_disk(job.layout.site) / "runs.html").read_text("utf-8")


def test_a_rollback_has_the_docs_of_what_it_restored(job: Job) -> None:
    for day in range(90):
        ran(job, f"r{day}", day, "published") if day in (0, 89) else None
    ran(job, "a", 1, "published")
    checked(job, "a", "a", 1, "published")
    tables = {"tracks": PublishedTable("tracks", "silver/tracks", 0, 1)}
    publications.publish(job.layout, Publication("a", "a", DAY_0, tables))
    later = DAY_0 + timedelta(days=2)
    publications.publish(job.layout, Publication("a.rollback1", "a", later, tables, restores="a"))
    checked(job, "a.rollback1", "a", 2, "rolled back", "publication a is current again, in place of b")
    (on_disk(job.layout.site) / "runs" / "a.rollback1").rmdir()
    html = report(job)
    rows = [row for row in Text(html).rows["runs"] if row[1] == "rolled back"]
    assert len(rows) == 1
    assert rows[0][5] == "docs"
    assert "a.rollback1" not in html


def test_with_scripts_the_page_has_charts_as_data_and_a_policy_for_them_alone(drawn: Job) -> None:
    ran(drawn, "a", 0, "published", *ROWS)
    four_more(drawn)
    html = report(drawn)
    specs = re.findall(r'<script type="application/json" data-chart="chart-(\w+)">(.*?)</script>', html, re.DOTALL)
    assert [name for name, _ in specs] == ["rows", "seconds"]
    assert json.loads(specs[0][1])["datasets"]["runs"][0] == {"run": "2026-01-01 01:30:00 a", "outcome": "published"}
    [folder] = (on_disk(drawn.layout.site) / "assets").iterdir()
    names = [f"assets/{folder.name}/js/{name}.min.js" for name in ("vega", "vega-lite", "vega-embed")]
    assert re.findall(r'<script src="([^"]+)">', html) == names
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert re.search(r"script-src &#39;self&#39; &#39;sha256-[\w+/]+=&#39;;", policy)
    assert "unsafe-eval" not in policy
    assert "https:" not in html
    assert PLAIN_NOTE not in html


def test_without_scripts_the_page_says_so_and_runs_none(job: Job) -> None:
    ran(job, "a", 0, "published", *ROWS)
    four_more(job)
    html = report(job)
    assert PLAIN_NOTE in html
    assert re.findall("<script[^>]*>", html) == ["<script>"]
    assert "2,001" in section(html, "a")


def test_before_anything_was_measured_nothing_is_said_of_charts(drawn: Job) -> None:
    ran(drawn, "a", 0, "published")
    html = report(drawn)
    assert re.findall("<script[^>]*>", html) == ["<script>"]
    assert PLAIN_NOTE not in html
    assert not (on_disk(drawn.layout.site) / "assets").exists()


def test_assets_that_are_broken_are_told(drawn: Job, tmp_path: Path) -> None:
    ran(drawn, "a", 0, "published", *ROWS)
    four_more(drawn)
    (tmp_path / "assets" / "js" / "vega.min.js").unlink()
    with pytest.raises(LakeError, match=r"js/vega\.min\.js"):
        report(drawn)


def test_hostile_text_stays_text_everywhere(drawn: Job) -> None:
    evil = Measurement(Series(Metric.ROWS, EVIL), 1.0, 2.0, 3.0, -5.0, is_anomaly=True)
    step = Measurement(Series(Metric.STEP_SECONDS, None, EVIL), 1.0)
    ran(drawn, "a", 0, "failed", evil, step, exit_status=1, message=f"{EVIL}\n{EVIL}")
    four_more(drawn)
    ran(drawn, "b", 5, "failed", exit_status=1, message=LONG)
    checked(drawn, "a", "a", 0, "checks failed", EVIL)
    html = report(drawn)
    assert "<script>alert" not in html
    assert "<img" not in html
    [spec] = re.findall(r'data-chart="chart-rows">(.*?)</script>', html, re.DOTALL)
    assert json.loads(spec)["datasets"]["points"][0]["series"] == EVIL
    # Long messages are cut in the list and whole in the section.
    assert f"{LONG[:300]} …" in html
    assert f"{LONG}</p>" in html


def test_a_metric_of_a_later_version_is_left_out(job: Job) -> None:
    at = DAY_0
    Run("a", "demo", at, "", "{}", state="published", exit_status=0, ended_at=at).save(job.layout)
    metrics.save(job.layout, "a", at, [{**to_record(ROWS[1]), "metric": "copy.not_known_yet"}, to_record(ROWS[1])])
    html = report(job)
    assert "not_known_yet" not in html
    assert "2,001" in section(html, "a")
