"""`sanity-check --rollback` on lakes of one table, written by delta-rs: version n of `tracks` has n + 1 rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake

from jobs.sanity_check import command
from lib.errors import ConfigError, LakeError
from lib.lake import publications
from lib.lake.checks import all_checks
from lib.lake.layout import lake_at
from lib.lake.lock import writing
from lib.lake.publications import Accepted, all_publications
from lib.quality.counts import Counts
from lib.reporting import site as pages_of
from lib.reporting.kept_page import keep_page, kept_page
from lib.reporting.pages import IndexPage, TableLine
from tests.on_disk import at, on_disk
from tests.published_lake import DAY_0, PublishedLake

REPO = Path(__file__).parents[2]


class Killed(BaseException):
    """Takes the place of a kill."""


@pytest.fixture
def lake(tmp_path: Path) -> PublishedLake:
    return PublishedLake(tmp_path)


def test_a_rollback_puts_the_tables_back_that_the_current_publication_has_replaced(lake: PublishedLake) -> None:
    lake.published("first")
    lake.published("second")
    before, started = DeltaTable(str(lake.layout.publications)).version(), datetime.now(UTC)
    lake.roll_back()
    assert DeltaTable(str(lake.layout.publications)).version() == before + 1
    assert lake.chain == [
        ("first", None, None),
        ("second", "first", None),
        ("first.rollback1", "second", "first"),
    ]
    newest = all_publications(lake.layout)[-1]
    assert started <= newest.published_at <= datetime.now(UTC)
    assert lake.told == {
        "publication_id": "first.rollback1",
        "run_id": "first",
        "published_at": newest.published_at.isoformat(),
        "tables": {
            "tracks": {"path": "silver/tracks", "version": 0, "rows": 1, "live_rows": 1, "live": "_deleted_at IS NULL"}
        },
        "restores": "first",
    }


def test_the_index_is_that_of_the_restored_publication_with_a_line_on_top(lake: PublishedLake) -> None:
    lake.published("first")
    lake.published("second")
    assert "A note on second." in lake.page()
    lake.roll_back()
    page, at = lake.page(), all_publications(lake.layout)[-1].published_at
    assert f"Made current again on {at:%Y-%m-%d %H:%M} UTC, in place of publication second." in page
    assert page.index("Made current again") < page.index("All 9 checks passed")
    assert "A note on first." in page
    assert "A note on second." not in page
    assert 'data-publication="first.rollback1"' in page
    assert "data-age>2026-01-01 00:00 UTC</time></dd>" in page


def test_a_rollback_is_a_line_of_the_runs_with_the_docs_of_the_restored_run(lake: PublishedLake) -> None:
    lake.published("first")
    lake.published("second")
    lake.roll_back()
    newest = all_checks(lake.layout)[0]
    assert (newest.docs_id, newest.run_id, newest.outcome) == ("first.rollback1", "first", "rolled back")
    assert (newest.passed, newest.failed, newest.rows) == (9, 0, 1)
    page = lake.page("runs.html")
    assert "demo: 2 checked runs" in page
    assert "publication first is current again, in place of second" in page
    assert page.count('href="runs/first/index.html"') == 2
    assert "first.rollback1" not in page


def test_a_second_rollback_goes_one_further_back_and_a_third_has_nothing_to_go_back_to(lake: PublishedLake) -> None:
    for name in ("first", "second", "third"):
        lake.published(name)
    lake.roll_back()
    lake.roll_back()
    assert lake.chain[3:] == [
        ("second.rollback1", "third", "second"),
        ("first.rollback1", "second.rollback1", "first"),
    ]
    assert lake.told["tables"]["tracks"]["version"] == 0
    found = lake.footprint()
    with pytest.raises(ConfigError, match=r"first\.rollback1 is current, and none was before first"):
        lake.roll_back()
    assert lake.footprint() == found


def test_a_publication_after_a_rollback_is_rolled_back_to_what_the_rollback_had_restored(lake: PublishedLake) -> None:
    lake.published("first")
    lake.published("bad")
    lake.roll_back()
    lake.days = (datetime.now(UTC) - DAY_0).days + 1
    lake.published("worse")
    # In this lake "worse" was published tomorrow. What is put back today comes after it all the same.
    lake.roll_back()
    done = all_publications(lake.layout)[-1]
    assert (done.publication_id, done.replaces, done.restores) == ("first.rollback2", "worse", "first")
    assert done.published_at < all_publications(lake.layout)[-2].published_at
    assert lake.told["publication_id"] == "first.rollback2"


def test_what_was_accepted_stays_with_the_tables(lake: PublishedLake) -> None:
    accepted = Accepted("tracks.orphans.x", "<script>alert(1)</script>", "ann")
    lake.published("first", (accepted,))
    lake.published("second")
    lake.roll_back()
    assert all_publications(lake.layout)[-1].accepted == (accepted,)
    assert lake.told["accepted"] == [vars(accepted)]
    assert "Accepted by ann: &lt;script&gt;alert(1)&lt;/script&gt;" in lake.page()
    assert lake.page().count("<script") == 1  # the page's own


def test_there_is_nothing_to_go_back_to_where_nothing_or_one_thing_was_published(
    lake: PublishedLake, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="nothing was ever published here"):
        lake.roll_back()
    lake.published("first")
    with pytest.raises(ConfigError, match="publication first is current, and none was before it"):
        lake.roll_back()
    lake.job.layout = lake_at(f"{tmp_path}/nowhere")
    with pytest.raises(ConfigError, match="there is no lake"):
        lake.roll_back()
    assert not (tmp_path / "nowhere").exists()


def remove_file(lake: PublishedLake) -> None:
    [old] = {path.name for path in on_disk(lake.layout.silver("tracks")).glob("*.parquet")} - {
        Path(uri).name for uri in DeltaTable(str(lake.layout.silver("tracks"))).file_uris()
    }
    (on_disk(lake.layout.silver("tracks")) / old).unlink()


def remove_version(lake: PublishedLake) -> None:
    (on_disk(lake.layout.silver("tracks")) / "_delta_log" / "00000000000000000000.json").unlink()


def remove_table(lake: PublishedLake) -> None:
    shutil.rmtree(on_disk(lake.layout.silver("tracks")))


def replace_table(lake: PublishedLake) -> None:
    remove_table(lake)
    write_deltalake(str(lake.layout.silver("tracks")), pa.table({"id": [1, 2, 3, 4]}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_file, "cannot be read any more"),
        (remove_version, "cannot be read any more"),
        (remove_table, "cannot be read any more"),
        (replace_table, "has 4 rows, and 1 were published"),
    ],
)
def test_a_version_that_is_not_there_any_more_is_not_put_back(
    lake: PublishedLake, damage: Callable[[PublishedLake], None], words: str
) -> None:
    lake.published("first")
    lake.published("second")
    damage(lake)
    found = lake.footprint()
    with pytest.raises(LakeError, match=f"tracks: version 0 of .*{words}") as refused:
        lake.roll_back()
    assert "nothing was changed" in str(refused.value)
    assert lake.footprint() == found


def test_a_rollback_keeps_out_of_a_lake_that_a_run_is_writing(lake: PublishedLake) -> None:
    lake.published("first")
    lake.published("second")
    with writing(lake.layout, "third", DAY_0), pytest.raises(LakeError, match=r"run third .* is at work"):
        lake.roll_back()
    assert lake.told["publication_id"] == "second"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (publications, "write_published_json"),
        (pages_of, "add_check"),
        (pages_of.site, "write_page"),
        (pages_of.pages, "render_index"),
    ],
)
def test_a_rollback_killed_after_its_commit_is_ended_by_the_next_one(
    lake: PublishedLake, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    for run in ("first", "second", "third"):
        lake.published(run)

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, kill)
        with pytest.raises(Killed):
            lake.roll_back()
    assert lake.chain[-1] == ("second.rollback1", "third", "second")
    assert 'data-publication="third"' in lake.page()
    lake.roll_back()
    # One step back, not two.
    assert lake.chain[-1] == ("second.rollback1", "third", "second")
    assert lake.told["publication_id"] == "second.rollback1"
    assert 'data-publication="second.rollback1"' in lake.page()
    assert "Made current again" in lake.page()
    assert [check.docs_id for check in all_checks(lake.layout)] == ["second.rollback1", "third", "second", "first"]
    assert "publication second is current again, in place of third" in lake.page("runs.html")
    assert not pages_of.heal_site(lake.job.site)
    lake.roll_back()
    assert lake.chain[-1] == ("first.rollback1", "second.rollback1", "first")


def test_pages_are_brought_up_to_a_publication_that_was_killed_before_them(lake: PublishedLake) -> None:
    lake.published("first")
    stale = (on_disk(lake.layout.site) / "index.html").read_text("utf-8")
    lake.published("second")
    current = (on_disk(lake.layout.site) / "index.html").read_text("utf-8")
    (on_disk(lake.layout.site) / "index.html").write_text(stale, "utf-8")
    assert pages_of.heal_site(lake.job.site)
    assert (on_disk(lake.layout.site) / "index.html").read_text("utf-8") == current
    found = lake.footprint()
    assert not pages_of.heal_site(lake.job.site)
    assert lake.footprint() == found


def test_a_publication_whose_docs_were_removed_can_be_gone_back_to(lake: PublishedLake) -> None:
    """The page is made of what the publication itself says."""
    lake.published("first")
    lake.published("second")
    shutil.rmtree(on_disk(lake.layout.site) / "runs" / "first")
    lake.roll_back()
    page = lake.page()
    assert "Made current again" in page
    assert "What was checked is in the data docs" in page
    assert "No counts are kept with the docs of this publication." in page
    assert "No row was rejected" not in page
    assert 'DeltaTable("silver/tracks", version=0)' in unescape(page)


def test_a_page_is_kept_whole(tmp_path: Path) -> None:
    lines = (
        TableLine(
            "tracks",
            3,
            1,
            1,
            3,
            0,
            1,
            2,
            0,
            0,
            "counted",
            Counts(1, 0, 2, 5),
            "runs/a/x.html",
            missing=(("genres", 2),),
            live=2,
            newest_at=DAY_0,
        ),
        TableLine("listens", 7, 0, path="gold/listens", missing=None),
    )
    page = IndexPage("demo", "a", "a", DAY_0, "runs/a/index.html", lines, (("tracks", "wrong_type:id", 1),), ("Née.",))
    assert kept_page(at(tmp_path)) is None
    keep_page(tmp_path, page)
    assert kept_page(at(tmp_path)) == page


# The options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rollback", "--accept", "a", "--reason", "b"], "--accept has no meaning beside it"),
        (["--rollback", "--run-id", "a"], "--run-id has no meaning beside it"),
        (["--rollback", "--tables", "tracks"], "--tables has no meaning beside it"),
        (["--rollback", "--reason", "b"], "--accept EXPECTATION and --reason TEXT go together"),
        (["--accept", "a"], "--accept EXPECTATION and --reason TEXT go together"),
        (["--accept", "a", "--reason", "  "], "--accept EXPECTATION and --reason TEXT go together"),
        (["--run-id", "first.rollback1"], "such an end is for the publications of a rollback"),
        (["--reason", "b"], "--accept EXPECTATION and --reason TEXT go together"),
        (["--accept", "a", "--accept", "c", "--reason", "b"], "--accept c: one failure can be accepted, not 2"),
    ],
)
def test_options_that_cannot_go_together_are_refused_before_anything_is_touched(
    lake: PublishedLake, options: list[str], words: str
) -> None:
    lake.published("first")
    lake.published("second")
    found = lake.footprint()
    done = CliRunner().invoke(command, ["--lake", str(lake.layout.root), *options])
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)
    assert lake.footprint() == found


def test_the_command_rolls_back_and_says_what_is_current(lake: PublishedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)
    lake.published("first")
    lake.published("second")
    done = CliRunner().invoke(command, ["--lake", str(lake.layout.root), "--rollback"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "Publication first is current again, in place of second." in done.output
    assert lake.told["publication_id"] == "first.rollback1"
