"""The notebooks, run on a small lake of two days and a failed third run; the right values are counted from the demo's rows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
import pyarrow as pa
import pytest
import requests
from bs4 import BeautifulSoup
from deltalake import write_deltalake
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from demo import DemoSettings, build
from demo.settings import Faults
from jobs.cli import UsageError
from lib.errors import ConfigError, LakeError, PagelakeError
from lib.lake.decisions import Decision, Verdict, decide
from lib.lake.layout import Layout, claim, lake_at
from lib.lake.model_numbers import save_numbers
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.runs import TableRun, new_run
from notebooks.tooling.__main__ import kernel_environment
from notebooks.tooling.run import page_of, run_notebook, write_pages
from tests.e2e.jobs_and_lakes import ROOT, SMALL, good, read, small_demo
from tests.e2e.warm_process import WarmProcess
from tests.e2e.watched_page import Watched, pages_of
from tests.on_disk import at

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "notebooks"
NOTHING = "\N{EN DASH}"
NAMES = ("01_explore_tables", "02_time_travel", "03_quality", "04_without_spark", "05_recommendations")
# What the JVM says of itself at each start.
OF_THE_JVM = "WARNING: Using incubator modules: jdk.incubator.vector\n"
# An error, whoever causes it; but pyspark leaves the sockets of its answers to the garbage collector, and Great Expectations
# imports two modules of Python that are on their way out.
WARNINGS = "error,ignore::ResourceWarning,ignore:module 'sre_:DeprecationWarning"
Row = dict[str, Any]


def make(target: str, lake: Path, arguments: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", target, f"LAKE={lake}", f"ARGS={arguments}"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=900
    )


@dataclass(frozen=True)
class Drawing:
    """What a plot says of itself to those who cannot see it: its axes, and its marks, as names and values."""

    x: str
    y: str
    marks: list[Row]


@dataclass(frozen=True)
class Ran:
    """The lake, its site's pages, and the notebooks with their outputs."""

    lake: Path
    notebooks: dict[str, NotebookNode]
    said: subprocess.CompletedProcess[str] | None

    @property
    def pages(self) -> Path:
        return self.lake / "site" / "notebooks"

    def outputs(self, name: str, source: str) -> list[NotebookNode]:
        """Those of the one cell with this text in it."""
        [cell] = [one for one in self.notebooks[name].cells if one.cell_type == "code" and source in one.source]
        return [one for one in cell.outputs if one.get("name") != "stderr"]

    def sentence(self, name: str, source: str) -> str:
        return str(self.outputs(name, source)[-1].data["text/markdown"])

    def rows(self, name: str, source: str, number: int = -1) -> list[Row]:
        """A table that a cell shows, all values as text."""
        tables = [one.data["text/html"] for one in self.outputs(name, source) if "text/html" in one.get("data", {})]
        return rows_of(tables[number])

    def drawing(self, name: str, source: str) -> Drawing:
        found = BeautifulSoup(self.outputs(name, source)[-1].data["image/svg+xml"], "html.parser")
        said = [
            (one.get("aria-roledescription"), one["aria-label"]) for one in found.find_all(attrs={"aria-label": True})
        ]
        x, y = (next(label for _, label in said if label.startswith(f"{axis}-axis")) for axis in "XY")
        marks = [label for kind, label in said if kind in ("bar", "rect mark", "point")]
        return Drawing(x, y, [dict(part.split(": ", 1) for part in label.split("; ")) for label in marks])


def number(text: str) -> int:
    """A number as people read it, with its thousands apart."""
    assert text == f"{int(text.replace(',', '')):,}"
    return int(text.replace(",", ""))


def rows_of(html: str) -> list[Row]:
    table = BeautifulSoup(html, "html.parser").find("table")
    head = [cell.get_text() for cell in table.thead.find_all("th")]
    lines = [[cell.get_text() for cell in line.find_all(["th", "td"])] for line in table.tbody.find_all("tr")]
    return [dict(zip(head, line, strict=True)) for line in lines]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, warm: WarmProcess) -> Ran:
    lake = tmp_path_factory.mktemp("notebooks") / "lake"
    assert warm.ingest(lake, "day-0", *small_demo()).status == 0
    assert warm.ingest(lake, "day-1", *small_demo(day=1)).status == 0
    assert warm.ingest(lake, "orphaned", *small_demo(day=1), "--set", "demo.faults.orphans=3").status == 3
    executed = lake.parent / "executed"
    said = make("notebooks-html", lake, f"--executed {executed}", PYTHONWARNINGS=WARNINGS)
    assert said.returncode == 0, said.stderr
    return Ran(lake, {name: nbformat.read(executed / f"{name}.ipynb", as_version=4) for name in NAMES}, said)


@dataclass(frozen=True)
class Counted:
    """What is right, counted from the rows that the demo serves on day 1."""

    tracks: dict[int, Row]
    users: dict[int, Row]
    sessions: list[Row]
    held_tracks: int  # with those that were deleted

    @property
    def plays(self) -> list[tuple[datetime, int]]:
        return [(session["created_at"], track) for session in self.sessions for track in session["items"]]


@pytest.fixture(scope="module")
def counted() -> Counted:
    before, now = (build(DemoSettings(**SMALL, day=day)).rows for day in (0, 1))
    tracks, users = ({row["id"]: row for row in good(table, now[table]).values()} for table in ("tracks", "users"))
    sessions = list(good("listen_history", now["listen_history"]).values())
    held = set(good("tracks", before["tracks"])) | set(good("tracks", now["tracks"]))
    return Counted(tracks, users, sessions, len(held))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_committed_without_outputs_and_in_step_with_its_text(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = jupytext.read(FOLDER / f"{name}.py")
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in text.cells
    ]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)
    assert notebook.metadata.jupytext.formats == "ipynb,py:percent"


def test_every_notebook_is_here() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_defines_no_logic_and_collects_no_table(name: str) -> None:
    for cell in jupytext.read(FOLDER / f"{name}.py").cells:
        if cell.cell_type == "code":
            assert not any(
                line.lstrip().startswith(("def ", "class ", "import os")) for line in cell.source.splitlines()
            )
            source = "".join(cell.source.split())
            assert source.count(".toPandas()") == len(re.findall(r"[.]limit[(][0-9_]+[)][.]toPandas[(][)]", source))
            assert ".rdd" not in cell.source
            assert not (".collect()" in cell.source and "pl.len()" not in cell.source)


def test_no_notebook_warns(ran: Ran) -> None:
    for name, notebook in ran.notebooks.items():
        said = [one.text for cell in notebook.cells for one in cell.get("outputs", ()) if one.get("name") == "stderr"]
        assert "".join(said) in ("", OF_THE_JVM), name


def test_what_is_there_sizes_keys_freshness_and_what_is_masked(ran: Ran, counted: Counted) -> None:
    rows = {row["table"]: row for row in ran.rows("01_explore_tables", "lake.inventory")}
    assert {name: number(row["rows"]) for name, row in rows.items()} == {
        "tracks": counted.held_tracks,
        "users": len(counted.users),
        "listen_history": len(counted.sessions),
        "listens": len(counted.plays),
    }
    live = {row["table"]: number(row["live rows"]) for row in ran.rows("01_explore_tables", "live rows")}
    assert live == {name: number(row["rows"]) for name, row in rows.items()} | {"tracks": len(counted.tracks)}
    assert len(counted.tracks) < counted.held_tracks
    assert {name: row["key"] for name, row in rows.items()} == {
        "tracks": "id",
        "users": "id",
        "listen_history": "user_id, created_at",
        "listens": "user_id, listened_at, position",
    }
    assert rows["users"]["masked"] == "first_name, last_name, email, gender"
    assert [rows[name]["masked"] for name in ("tracks", "listen_history", "listens")] == [NOTHING] * 3
    newest = max(row["updated_at"] for row in counted.sessions)
    assert rows["listen_history"]["newest_at"] == f"{newest:%Y-%m-%d %H:%M}"
    assert all(re.fullmatch(r"[0-9]+[.][0-9] KB", row["n_bytes"]) for row in rows.values())
    published_at = json.loads((ran.lake / "published.json").read_text("utf-8"))["published_at"]
    assert ran.sentence("01_explore_tables", "Source **") == (
        f"Source **demo**, published on {datetime.fromisoformat(published_at):%Y-%m-%d %H:%M} UTC."
    )


def test_samples_are_masked(ran: Ran, counted: Counted) -> None:
    shown = ran.rows("01_explore_tables", "limit(3)", number=1)
    assert len(shown) == 3
    for row in shown:
        assert [row[name] for name in ("first_name", "last_name", "email", "gender")] == ["***"] * 4
        assert row["favorite_genres"] == counted.users[int(row["id"])]["favorite_genres"]
        assert row.keys() == counted.users[int(row["id"])].keys()


def test_plays_of_a_track_that_is_not_there_are_counted(ran: Ran, counted: Counted) -> None:
    plays = Counter(track for _, track in counted.plays)
    lost = {track: number for track, number in plays.items() if track not in counted.tracks}
    assert len(lost) == 1  # the track without a name, which is in quarantine
    assert {
        row["track"]: (number(row["plays"]), number(row["tracks"]))
        for row in ran.rows("01_explore_tables", "pointers =")
    } == {
        "live": (len(counted.plays) - sum(lost.values()), len(plays) - 1),
        "in quarantine": (sum(lost.values()), 1),
    }
    assert ran.sentence("01_explore_tables", "dropped =") == (
        f"`JOIN tracks` would drop {sum(lost.values()):,} of {len(counted.plays):,} plays."
    )


def test_listening_by_hour_and_weekday(ran: Ran, counted: Counted) -> None:
    hours = Counter(at.hour for at, _ in counted.plays)
    most, least = (chosen(range(24), key=lambda hour: hours[hour]) for chosen in (max, min))
    weekend = sum(1 for at, _ in counted.plays if at.isoweekday() >= 6) / len(counted.plays)
    assert ran.sentence("01_explore_tables", "by_hour.idxmax") == (
        f"Most is played between {most}:00 and {most + 1}:00, least between {least}:00 and {least + 1}:00. Of all plays, "
        f"{weekend:.0%} are on a Saturday or Sunday."
    )
    drawn = ran.drawing("01_explore_tables", "mark_rect")
    assert drawn.x.startswith("X-axis titled 'hour (UTC)'")
    assert drawn.y.startswith("Y-axis titled 'day (1 is Monday)'")
    assert {
        (int(mark["day (1 is Monday)"]), int(mark["hour (UTC)"])): int(mark["plays"]) for mark in drawn.marks
    } == Counter((at.isoweekday(), at.hour) for at, _ in counted.plays)


def test_top_tracks_artists_and_genres(ran: Ran, counted: Counted) -> None:
    plays = Counter(track for _, track in counted.plays)
    top = sorted(plays.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
    names = {track: (row["name"], row["artist"]) for track, row in counted.tracks.items()}
    nobody = ("(not there)", "(not there)")
    assert [
        (int(row["track_id"]), row["name"], row["artist"], number(row["plays"]))
        for row in ran.rows("01_explore_tables", "top.limit")
    ] == [(track, *names.get(track, nobody), times) for track, times in top]
    artists, genres = Counter(), Counter()
    for track, times in plays.items():
        known = counted.tracks.get(track, {"artist": "(not there)", "genres": "(not there)"})
        artists[known["artist"]] += times
        genres[known["genres"]] += times
    most = [sorted(found.items(), key=lambda pair: (-pair[1], pair[0])) for found in (artists, genres)]
    (artist, *_), (genre, *_) = most
    assert ran.sentence("01_explore_tables", "is played most") == (
        f"**{artist[0]}** is played most ({artist[1]:,} plays), and of the genres **{genre[0]}** "
        f"({genre[1] / len(counted.plays):.0%} of the plays shown)."
    )
    for field, found, limit in zip(("artist", "genre"), most, (15, 30), strict=True):
        drawn = ran.drawing("01_explore_tables", f"{field}:N")
        assert [(mark[field], int(mark["plays"])) for mark in drawn.marks] == found[:limit]
        assert "(not there)" in [mark[field] for mark in drawn.marks]
        # The one that is played most is on top.
        assert f"'{field}' for a discrete scale" in drawn.y
        assert f"values: {', '.join(name for name, _ in found[:5])}" in drawn.y


def test_the_long_tail(ran: Ran, counted: Counted) -> None:
    plays = Counter(track for _, track in counted.plays)
    heard = sorted((plays[track] for track in counted.tracks), reverse=True)
    # Tracks that are played as often come as one point of the curve.
    total = sum(heard)
    half = next(
        number for number in sorted(set(heard), reverse=True) if sum(one for one in heard if one >= number) >= total / 2
    )
    share = sum(1 for one in heard if one >= half) / len(heard)
    assert ran.sentence("01_explore_tables", "half.share_of_tracks") == (
        f"{share:.0%} of the tracks have half of the plays. Never played: {heard.count(0):,}."
    )
    drawn = ran.drawing("01_explore_tables", "share_of_tracks:Q")
    assert drawn.x.startswith("X-axis titled 'share of tracks'")
    assert drawn.y.startswith("Y-axis titled 'share of plays'")
    assert {(mark["share of tracks"], mark["share of plays"]) for mark in drawn.marks} == {
        (f"{len(those) / len(heard):%}", f"{sum(those) / total:%}")
        for those in ([one for one in heard if one >= number] for number in set(heard))
    }


def test_session_lengths_and_users_by_activity(ran: Ran, counted: Counted) -> None:
    lengths = [len(session["items"]) for session in counted.sessions]
    assert ran.sentence("01_explore_tables", "mean:.1f") == (
        f"{len(lengths):,} sessions; {sum(lengths) / len(lengths):.1f} tracks in one on average, {max(lengths)} at most."
    )
    drawn = ran.drawing("01_explore_tables", "tracks in a session")
    assert drawn.x.startswith("X-axis titled 'tracks in a session'")
    assert {int(mark["tracks in a session"]): int(mark["sessions"]) for mark in drawn.marks} == Counter(lengths)
    active = Counter(session["user_id"] for session in counted.sessions)
    drawn = ran.drawing("01_explore_tables", "sum(users)")
    assert drawn.x.startswith("X-axis titled 'sessions of a user'")
    bars = {int(mark["sessions of a user"].split()[0]): int(mark["users"]) for mark in drawn.marks}
    assert {number: users for number, users in bars.items() if users} == Counter(active[user] for user in counted.users)
    quiet, unknown = counted.users.keys() - active.keys(), active.keys() - counted.users.keys()
    assert len(unknown) == 1  # the user without an e-mail address
    assert ran.sentence("01_explore_tables", "quiet:,") == (
        f"Users: {len(counted.users):,}, of them without a session: {len(quiet):,}. With sessions, but without a live row in the "
        "table (deleted, in quarantine or orphaned), and not counted as users: 1."
    )


def test_what_changed_between_the_two_days(ran: Ran) -> None:
    changes = build(DemoSettings(**SMALL, day=1)).changes
    expected = {
        ("tracks", "inserted"): len(changes["new_tracks"]),
        ("tracks", "deleted"): len(changes["removed_tracks"]),
        ("users", "inserted"): len(changes["new_users"]),
        ("users", "updated"): len(changes["changed_users"]),
        ("listen_history", "inserted"): len(changes["new_sessions"]),
    }
    assert all(expected.values())
    shown = ran.rows("02_time_travel", "counts = counts.sort_values")
    assert [((row["table"], row["_change"]), number(row["count"])) for row in shown] == sorted(expected.items())
    drawn = ran.drawing("02_time_travel", "what happened")
    assert drawn.x.startswith("X-axis titled 'rows'")
    assert drawn.y.startswith("Y-axis titled 'table'")
    assert {(mark["table"], mark["what happened"]): int(mark["rows"]) for mark in drawn.marks} == expected
    assert (
        ran.sentence("02_time_travel", "rows differ") == f"{sum(expected.values()):,} rows differ between the two runs."
    )
    assert ran.sentence("02_time_travel", "From run") == "From run **day-0** to run **day-1**."
    assert [
        (row["publication_id"], row["run_id"], row["replaces"], row["restores"])
        for row in ran.rows("02_time_travel", "pd.DataFrame(lake.publications)")
    ] == [("day-0", "day-0", NOTHING, NOTHING), ("day-1", "day-1", "day-0", NOTHING)]


def test_one_rows_life_and_the_change_feed(ran: Ran) -> None:
    before, after = ({row["id"]: row for row in build(DemoSettings(**SMALL, day=day)).rows["users"]} for day in (0, 1))
    changes = build(DemoSettings(**SMALL, day=1)).changes
    [changed], [new] = changes["changed_users"], changes["new_users"]
    assert ran.sentence("02_time_travel", "to follow") == f"The row of **users** is {{'id': {changed}}}."
    life = ran.rows("02_time_travel", "row_history")
    assert [(row["run_id"], row["_change"], row["favorite_genres"]) for row in life] == [
        ("day-0", "inserted", before[changed]["favorite_genres"]),
        ("day-1", "updated", after[changed]["favorite_genres"]),
    ]
    assert {row["email"] for row in life} == {"***"}
    stamps = [name for name in life[0] if name.startswith("_") or name not in before[changed]]
    assert stamps == ["version", "run_id", "at", "_change", "_deleted_at"]
    differing = {name for name, value in before[changed].items() if value != after[changed][name]}
    assert {row["column"] for row in ran.rows("02_time_travel", 'F.explode("_columns")', number=1)} == differing
    # Of the other tables rows were inserted or deleted, but none was updated.
    assert [ran.rows("02_time_travel", 'F.explode("_columns")', number=number) for number in (0, 2)] == [[], []]
    feed = ran.rows("02_time_travel", "feed.groupBy")
    assert {row["_change_type"]: number(row["count"]) for row in feed} == {
        "insert": 1,
        "update_postimage": 1,
        "update_preimage": 1,
    }
    shown = ran.rows("02_time_travel", "feed.orderBy")
    # By key; of one key, what was before first.
    right = [
        (changed, "update_preimage", before[changed]["favorite_genres"]),
        (changed, "update_postimage", after[changed]["favorite_genres"]),
    ]
    inserted = [(new, "insert", after[new]["favorite_genres"])]
    assert [(int(row["id"]), row["_change_type"], row["favorite_genres"]) for row in shown] == (
        inserted + right if new < changed else right + inserted
    )
    assert {row["email"] for row in shown} == {"***"}


def test_the_publication_before(ran: Ran, counted: Counted) -> None:
    before = build(DemoSettings(**SMALL)).rows
    shown = {
        row["table"]: (number(row["live rows then"]), number(row["live rows now"]))
        for row in ran.rows("02_time_travel", "as_of")
    }
    assert shown["tracks"] == (len(good("tracks", before["tracks"])), len(counted.tracks))
    assert shown["users"] == (len(good("users", before["users"])), len(counted.users))
    assert shown["listen_history"] == (len(before["listen_history"]), len(counted.sessions))
    [first] = read(
        ran.lake / "ops" / "publications", None, "SELECT DISTINCT published_at FROM t WHERE run_id = 'day-0'"
    )
    assert ran.sentence("02_time_travel", "can be read") == (
        f"The publication of {first['published_at']:%Y-%m-%d %H:%M:%S} UTC can be read as it was; `./spark-submit.sh sanity-check "
        "--rollback` would make it current again."
    )


def test_the_last_check_and_those_before(ran: Ran) -> None:
    shown = ran.rows("03_quality", 'lake.record("checks")')
    assert [(row["docs_id"], row["outcome"], row["failed"]) for row in shown] == [
        ("orphaned", "checks failed", "2"),
        ("day-1", "published", "0"),
        ("day-0", "published", "0"),
    ]
    assert "message" not in shown[0]
    [check] = read(ran.lake / "ops" / "checks", None, "SELECT passed FROM t WHERE docs_id = 'orphaned'")
    assert check["passed"] > 20
    assert ran.sentence("03_quality", "check.outcome") == (
        "Check **orphaned** ended as *checks failed*: 2 critical failed, 2 warnings, "
        f"{check['passed']} of {check['passed'] + 4} checks passed."
    )


def test_failures_and_quarantine_of_the_failed_run(ran: Ran, counted: Counted) -> None:
    # Of three orphans the first and the third name nobody, the second a track that is not there.
    critical = {"listen_history.orphans.items[]": 1, "listen_history.orphans.user_id": 2}
    warnings = {
        f"{table}.updated": sum(row["updated_at"] < row["created_at"] for row in rows.values())
        for table, rows in (("tracks", counted.tracks), ("users", counted.users))
    }
    assert all(warnings.values())
    right = [
        *(("critical", name, rows) for name, rows in critical.items()),
        *(("warning", name, rows) for name, rows in warnings.items()),
    ]
    rows = ran.rows("03_quality", "by_expectation.orderBy")
    assert [(row["severity"], row["expectation"], number(row["rows"])) for row in rows] == right
    assert {row["note"] for row in rows} == {NOTHING}
    drawn = ran.drawing("03_quality", "rows that fail")
    assert drawn.x.startswith("X-axis titled 'rows that fail'")
    assert sorted((mark["severity"], mark["expectation"], int(mark["rows that fail"])) for mark in drawn.marks) == right
    # The same rows were rejected on both days before: these are those of this run, still open.
    reasons = {("tracks", "missing_value:name"): "1", ("users", "missing_value:email"): "1"}
    rows = ran.rows("03_quality", "reasons =")
    assert {(row["table"], row["reason"]): row["count"] for row in rows} == reasons
    assert {row["resolution"] for row in rows} == {"open"}
    drawn = ran.drawing("03_quality", "what:N")
    assert {mark["what"]: mark["rows"] for mark in drawn.marks} == {
        "tracks: missing_value:name": "1",
        "users: missing_value:email": "1",
    }
    assert {mark["resolution"] for mark in drawn.marks} == {"open"}


def test_the_rejected_rows_are_where_the_source_has_them_and_masked(ran: Ran) -> None:
    served = build(DemoSettings(**SMALL, day=1)).rows
    [track] = [(place, row) for place, row in enumerate(served["tracks"]) if row["name"] is None]
    [user] = [(place, row) for place, row in enumerate(served["users"]) if row["email"] is None]
    shown = ran.rows("03_quality", "rejected.select")
    assert [(row["table"], row["page"], row["position"], row["reason"]) for row in shown] == [
        ("tracks", "1", f"{track[0]}", "missing_value:name"),
        ("users", "1", f"{user[0]}", "missing_value:email"),
    ]
    assert shown[0]["row"].startswith(f'{{"id":{track[1]["id"]},"name":null,"artist":"{track[1]["artist"]}"')
    assert shown[1]["row"].startswith(f'{{"id":{user[1]["id"]},"first_name":"***","last_name":"*')


def test_the_rows_behind_a_failed_expectation(ran: Ran) -> None:
    faulty = DemoSettings(**SMALL, day=1, faults=Faults(orphans=3))
    first, second, third = build(faulty).rows["listen_history"][:3]
    outputs = ran.outputs("03_quality", "rows_behind")
    shown = {
        title.data["text/markdown"].strip("*"): rows_of(table.data["text/html"])
        for title, table in zip(outputs[::2], outputs[1::2], strict=True)
    }
    assert {row["user_id"] for row in shown["listen_history.orphans.user_id"]} == {
        str(first["user_id"]),
        str(third["user_id"]),
    }
    [behind] = shown["listen_history.orphans.items[]"]
    assert "_row_hash" not in behind
    assert (behind["user_id"], behind["items"]) == (str(second["user_id"]), ", ".join(map(str, second["items"])))


def test_a_new_expectation_is_tried_added_and_seen_in_the_docs(ran: Ran, counted: Counted) -> None:
    long = sum(1 for row in counted.tracks.values() if len(row["name"]) > 12)
    [tried] = ran.rows("03_quality", "trial.findings")
    assert (tried["name"], tried["severity"], tried["success"]) == ("tracks.short_titles", "warning", "False")
    assert tried["said"] == f"{long} of {len(counted.tracks)} rows"
    kept = len(json.loads((ROOT / "expectations" / "demo" / "tracks.json").read_text("utf-8"))["expectations"])
    assert ran.sentence("03_quality", "file = write_suite") == f"`demo/tracks.json` has {kept + 1} expectations now."
    page = BeautifulSoup(ran.outputs("03_quality", "added =")[-1].data["text/html"], "html.parser").iframe["srcdoc"]
    assert "values must always be greater than or equal to 1 and less than or equal to 12 characters long" in " ".join(
        BeautifulSoup(page, "html.parser").get_text(" ").split()
    )


def test_without_spark_the_counts_are_the_same(ran: Ran, counted: Counted) -> None:
    assert counted.held_tracks > len(counted.tracks)
    right = {
        "tracks": len(counted.tracks),
        "users": len(counted.users),
        "listen_history": len(counted.sessions),
        "listens": len(counted.plays),
    }
    shown = {row["table"]: row for row in ran.rows("04_without_spark", "by_duckdb}")}
    for engine in ("Arrow", "pandas", "deltalake", "Polars", "DuckDB"):
        assert {name: number(row[engine]) for name, row in shown.items()} == right, engine
    assert ran.sentence("04_without_spark", "differ else") == "All five agree on every table."
    published = {
        row["table"]: (row["path"], number(row["rows"]), row["live"])
        for row in ran.rows("04_without_spark", '["tables"]).T')
    }
    held = right | {"tracks": counted.held_tracks}
    assert published == {
        name: ("gold/listens", rows, "true") if name == "listens" else (f"silver/{name}", rows, "_deleted_at IS NULL")
        for name, rows in held.items()
    }
    assert ran.rows("04_without_spark", "by_file =") == [
        {"table": "listens", "rows by to_pandas": f"{right['listens']:,}"}
    ]
    days = {at.date() for at, _ in counted.plays}
    assert ran.sentence("04_without_spark", "plays.plays.sum") == f"{len(counted.plays):,} plays on {len(days):,} days."
    drawn = ran.drawing("04_without_spark", "day:T")
    assert drawn.x.startswith(f"X-axis titled 'day' for a time scale with values from {min(days):%A, %d %B %Y}")
    assert drawn.y.startswith("Y-axis titled 'plays'")


def test_the_pages_open_without_another_host_a_dialog_or_an_error(ran: Ran, watched: Watched) -> None:
    assert pages_of(ran.pages) == sorted([*(f"{name}.html" for name in NAMES), "index.html"])
    assert ran.said.stdout == f"Notebooks: {ran.pages}/index.html\n"
    assert "day-1" in BeautifulSoup((ran.pages / "index.html").read_text("utf-8"), "html.parser").body.get_text()
    for name, notebook in ran.notebooks.items():
        assert [cell.source for cell in notebook.cells] == [
            cell.source for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
        ]
    page = watched.page
    page.goto(f"{ran.pages.as_uri()}/index.html")
    assert page.get_by_role("listitem").all_inner_texts() == [
        "01_explore_tables What is in the lake",
        "02_time_travel What changed",
        "03_quality What failed, and a new expectation",
        "04_without_spark The same tables without Spark",
        "05_recommendations Recommendations",
    ]
    for name in NAMES:
        page.get_by_role("link", name=name).click()
        page.wait_for_load_state("networkidle")
        assert page.title() == name
        plots = page.locator("img").evaluate_all("found => found.map(one => [one.src.slice(0, 18), one.alt])")
        # This lake has no lists and no models, so there is nothing of them to draw.
        assert bool(plots) == (name != "05_recommendations")
        for kind, words in plots:
            assert kind == "data:image/svg+xml"
            assert re.match(r".+[.] X-axis titled '.+'.*[.] Y-axis ", words), words
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("link", name="Notebooks", exact=True).click()
    page.get_by_role("link", name="Published", exact=True).click()
    assert page.url.endswith("/site/index.html")
    watched.check()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_is_dark_where_that_is_wanted_its_plots_fill_their_column_and_its_code_unfolds_by_keys(
    ran: Ran, watched: Watched, width: int
) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    shades = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(f"{ran.pages.as_uri()}/01_explore_tables.html")
        colours = (
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('h1')).color]"
        )
        shades[theme] = [sum(map(int, re.findall(r"\d+", one)[:3])) for one in page.evaluate(colours)]
    (light, ink), (dark, chalk) = shades["light"], shades["dark"]
    assert light - ink > 450
    assert chalk - dark > 450
    plots = page.locator("img").evaluate_all(
        "found => found.map(one => [one.getBoundingClientRect().width / one.closest('.jp-OutputArea-output').clientWidth, "
        "one.getBoundingClientRect().width / one.naturalWidth])"
    )
    assert len(plots) == 6
    for share, scale in plots:
        assert share == pytest.approx(1, abs=0.02)
        assert 0.8 < scale < 1.3  # so its words are as large as they were drawn
    code = page.locator(".code pre").first
    assert not code.is_visible()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert code.is_visible()
    watched.check()


def test_critical_failures_are_red_and_warnings_amber(ran: Ran) -> None:
    found = BeautifulSoup(ran.outputs("03_quality", "rows that fail")[-1].data["image/svg+xml"], "html.parser")
    fills = {
        one["aria-label"].partition("severity: ")[2]: one["fill"]
        for one in found.find_all(attrs={"aria-roledescription": "bar"})
    }
    assert fills == {"critical": "#d1453b", "warning": "#b87a00"}


def test_the_docs_of_a_trial_are_seen_on_its_page(ran: Ran, watched: Watched) -> None:
    watched.page.goto(f"{ran.pages.as_uri()}/03_quality.html")
    frame = watched.page.frame_locator("iframe")
    said = " ".join(frame.locator("body").inner_text().split())
    assert "12 characters long" in said
    assert "This page looks plainer" not in said
    watched.check()


def test_no_personal_value_and_no_script_is_on_a_page(ran: Ran) -> None:
    users = [row for day in (0, 1) for row in build(DemoSettings(**SMALL, day=day)).rows["users"]]
    personal = {row["email"] for row in users if row["email"]} | {"Genderqueer", "Agender", "Non-binary"}
    assert len(personal) > 60
    for path in ran.pages.iterdir():
        text = path.read_text("utf-8")
        assert [value for value in personal if value in text] == [], path.name
        assert "<script" not in text, path.name
    for notebook in ran.notebooks.values():
        text = nbformat.writes(notebook)
        assert [value for value in personal if value in text] == []


@contextmanager
def jupyterlab(lake: Path, folder: Path, *options: str) -> Iterator[str]:
    """The address, token and all, of `make notebook`; what it keeps for a person goes to `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = " ".join(["--no-browser", "--port", str(port), *options])
    command = ["make", "--no-print-directory", "notebook", f"LAKE={lake}", f"ARGS={arguments}"]
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("RUNTIME", "CONFIG", "DATA")}
    env = {**os.environ, **own, "IPYTHONDIR": str(folder / "profile")}
    del env["PYTEST_CURRENT_TEST"]  # below pytest a kernel shows nothing of what its JVM says
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as lab:
        assert lab.stderr is not None
        try:
            address = next(
                found[0] for line in lab.stderr if (found := re.search(r"http://\S+/lab[?]token=\w{48}", line))
            )
            assert address.startswith(f"http://127.0.0.1:{port}/lab?token=")
            deadline = time.monotonic() + 30
            while True:  # it is printed before it answers
                try:
                    assert requests.get(f"http://127.0.0.1:{port}/api/contents", timeout=30).status_code == 403
                    break
                except requests.ConnectionError:
                    assert time.monotonic() < deadline, "nothing is served"
                    time.sleep(0.2)
            yield address
        finally:
            os.killpg(lab.pid, signal.SIGTERM)


def test_make_notebook_is_jupyterlab_on_this_machine_alone_and_with_a_token(ran: Ran, tmp_path: Path) -> None:
    with jupyterlab(ran.lake, tmp_path) as address:
        api, token = address.replace("/lab?", "/api/contents?").split("?token=")
        found = requests.get(api, params={"token": token}, timeout=30).json()["content"]
        assert {f"{name}.ipynb" for name in NAMES} <= {one["name"] for one in found}


def test_a_notebook_opened_run_and_saved_asks_nothing_shows_no_warning_and_keeps_its_text(
    ran: Ran, watched: Watched, tmp_path: Path
) -> None:
    folder = tmp_path / "notebooks"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".*"))
    committed = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    saved: list[str] = []
    page = watched.page
    page.on("response", lambda answer: saved.append(answer.url) if answer.request.method == "PUT" else None)
    with jupyterlab(ran.lake, tmp_path, f"--ServerApp.root_dir={folder}") as address:
        page.goto(address.replace("/lab?", "/lab/tree/01_explore_tables.ipynb?"))
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=300_000)
        page.wait_for_timeout(5_000)  # news would be asked for by now
        assert page.locator(".Toastify__toast").all_inner_texts() == []
        assert page.locator(".lm-TabBar-tab.jp-mod-current").last.inner_text() == "01_explore_tables.ipynb"
        assert page.locator(".jp-mod-dirty").count() == 0
        page.keyboard.press("Control+s")
        while not any("/api/contents/01_explore_tables.ipynb" in one for one in saved):
            page.wait_for_timeout(100)
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == committed
        page.locator(".jp-Notebook .jp-CodeCell").first.click()
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-Notebook .jp-CodeCell table").first.wait_for(timeout=300_000)
        shown = page.locator(".jp-Notebook .jp-CodeCell .jp-OutputArea-output").evaluate_all(
            "found => found.map(one => one.dataset.mimeType)"
        )
        assert shown == ["text/html"]
    assert (watched.foreign, watched.dialogs) == ([], [])


@pytest.mark.parametrize("target", ["notebook", "notebooks-html"])
@pytest.mark.parametrize("name", ["nowhere", """it's "the" lake"""])
def test_on_a_missing_lake_it_says_what_to_run_and_makes_nothing(target: str, name: str, tmp_path: Path) -> None:
    lake = tmp_path / name
    ended = make(target, lake)
    assert ended.returncode == 2
    assert f"{lake}: there is no lake here. Make one with ./spark-submit.sh full-ingest" in ended.stderr
    [advice] = re.findall(r"with ./spark-submit.sh (full-ingest .*), or name", ended.stderr)
    assert shlex.split(advice) == ["full-ingest", "--lake", str(lake)]
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "settings", "said"),
    [
        ("notebook", ["LAKE="], "it is empty; name a lake, such as LAKE=lake/demo"),
        ("notebooks-html", ["LAKE="], "it is empty; name a lake, such as LAKE=lake/demo"),
        ("notebooks-html", ["ARGS=--executed Makefile"], "Directory 'Makefile' is a file."),
    ],
)
def test_what_cannot_be_is_said_at_once(target: str, settings: list[str], said: str) -> None:
    command = ["make", "--no-print-directory", target, *settings]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_options_of_spark_with_a_lost_quote_are_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--conf 'spark.ui.enabled=true")
    with pytest.raises(UsageError, match="PYSPARK_SUBMIT_ARGS cannot be read as options"):
        kernel_environment("lake/demo")


def test_ctrl_c_ends_it_with_its_kernel_and_leaves_the_pages_as_they_were(ran: Ran, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in ran.pages.iterdir()}
    command = ["make", "--no-print-directory", "notebooks-html", f"LAKE={ran.lake}"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as html:
        assert html.stderr is not None
        for line in html.stderr:
            if line == OF_THE_JVM:  # so a cell is being run
                break
        assert len(kernels(tmp_path)) == 1
        os.killpg(html.pid, signal.SIGINT)
        said = html.stderr.read()
        html.wait(timeout=60)
    assert "Stopped. No page was changed.\n" in said
    assert "Error 130" in said
    assert "Traceback" not in said
    assert kernels(tmp_path) == []
    assert {path.name: path.stat().st_mtime_ns for path in ran.pages.iterdir()} == before


def kernels(folder: Path) -> list[bytes]:
    """The command lines of the kernels whose connection files are in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            if b"ipykernel_launcher" in words and bytes(folder) in words:
                found.append(words)
    return found


def notebook_of(folder: Path, *cells: str) -> Path:
    path = folder / "01_own.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)
    return path


def test_a_kernel_that_ends_is_one_sentence(tmp_path: Path) -> None:
    path = notebook_of(tmp_path, "import os", "os._exit(9)")
    with pytest.raises(PagelakeError, match=r"01_own.ipynb: its Python ended, .*; no page was changed"):
        run_notebook(path, {**os.environ, "IPYTHONDIR": str(tmp_path)})


def test_a_cell_that_takes_too_long_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notebooks.tooling.run.MOST_SECONDS", 1)
    path = notebook_of(tmp_path, "import time", "time.sleep(60)")
    with pytest.raises(PagelakeError, match=r"01_own.ipynb: a cell took more than 1 seconds; no page was changed"):
        run_notebook(path, {**os.environ, "IPYTHONDIR": str(tmp_path)})


def test_where_no_page_can_be_written_it_says_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file", "utf-8")
    folder = tmp_path / "site" / "notebooks"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title")])
    with pytest.raises(LakeError, match=re.escape(f"{folder}: the pages cannot be written there (Not a directory)")):
        write_pages(at(folder), {"01_own": notebook}, "day-0")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_there", [False, True], ids=["missing", "empty"])
def test_each_notebook_stops_at_its_first_cell_with_a_sentence(name: str, *, is_there: bool, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    if is_there:
        lake.mkdir()
        (lake / "lake.json").write_text('{"source": "demo", "format_version": 3}', "utf-8")
    # Before Spark starts: there is no Java.
    env = {**kernel_environment(str(lake)), "JAVA_HOME": "/nowhere", "IPYTHONDIR": str(tmp_path / "profile")}
    with pytest.raises(ConfigError) as stopped:
        run_notebook(FOLDER / f"{name}.ipynb", env)
    sentence = f"{lake}: there is no lake here. Make one with ./spark-submit.sh full-ingest --lake {lake}"
    assert str(stopped.value).startswith(sentence)
    shown = stopped.value.__cause__
    assert isinstance(shown, CellExecutionError)
    assert shown.traceback.partition("------------------\n\n\n")[2].strip().startswith(sentence)
    assert "Traceback" not in str(shown)
    assert "look.use()" in str(shown)  # of the first cell


def test_a_cell_that_fails_is_named_and_its_message_which_may_hold_data_is_not(tmp_path: Path) -> None:
    cells = [
        nbformat.v4.new_markdown_cell("# Failing"),
        nbformat.v4.new_code_cell("1"),
        nbformat.v4.new_code_cell("raise ValueError('zq.one@example.org')"),
        nbformat.v4.new_code_cell("2"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "failing.ipynb")
    with pytest.raises(PagelakeError) as stopped:
        run_notebook(tmp_path / "failing.ipynb", {**os.environ, "IPYTHONDIR": str(tmp_path / "profile")})
    assert str(stopped.value) == (
        "failing.ipynb: cell 3 failed with ValueError; no page was changed. Run it by hand to see more: make notebook LAKE=..."
    )
    assert stopped.value.exit_status == 1


@pytest.mark.parametrize("name", NAMES)
def test_where_no_run_was_published_each_notebook_says_so(name: str, tmp_path: Path) -> None:
    lake = lake_at(str(tmp_path / "our lake"))
    now = datetime(2026, 3, 1, 2, tzinfo=UTC)
    claim(lake, "demo", now)
    new_run("r1", "demo", "", {"tables": []}, now).save(lake)
    with pytest.raises(ConfigError) as stopped:
        run_notebook(FOLDER / f"{name}.ipynb", {**kernel_environment(str(lake.root)), "IPYTHONDIR": str(tmp_path)})
    what = "no run was checked" if name == "03_quality" else "nothing is published"
    advice = f"./spark-submit.sh full-ingest --lake '{lake.root}' first"
    assert str(stopped.value) == f"{lake.root}: {what} here; run {advice}"


def test_without_spark_is_without_java(ran: Ran, tmp_path: Path) -> None:
    env = {**kernel_environment(str(ran.lake)), "JAVA_HOME": "/nowhere", "PATH": "", "IPYTHONDIR": str(tmp_path)}
    notebook = run_notebook(FOLDER / "04_without_spark.ipynb", env)
    assert notebook.cells[-1].outputs == ran.notebooks["04_without_spark"].cells[-1].outputs


def test_without_spark_a_lake_may_lie_below_a_space_a_quote_and_an_accent(ran: Ran, tmp_path: Path) -> None:
    lake = tmp_path / "Zoë's own" / "lake"
    shutil.copytree(ran.lake, lake)
    env = {**kernel_environment(str(lake)), "JAVA_HOME": "/nowhere", "IPYTHONDIR": str(tmp_path)}
    notebook = run_notebook(FOLDER / "04_without_spark.ipynb", env)
    assert notebook.cells[-1].outputs == ran.notebooks["04_without_spark"].cells[-1].outputs
    there = Ran(lake, {"04_without_spark": notebook}, None)
    for source in ("differ",):
        assert there.outputs("04_without_spark", source)[-1].data == ran.outputs("04_without_spark", source)[-1].data


def test_another_source_is_told_to_have_no_music_and_its_notebook_ends_well(tmp_path: Path) -> None:
    lake = lake_at(str(tmp_path / "lake"))
    now = datetime(2026, 3, 1, 2, tzinfo=UTC)
    claim(lake, "shop", now)
    orders = pa.table(
        {
            "id": [1, 2],
            "buyer": ["zq.one@example.org", None],
            "_deleted_at": pa.array([None, None], pa.timestamp("us", tz="UTC")),
        }
    )
    write_deltalake(str(lake.silver("orders")), orders)
    columns = [{"name": "id", "pii": False}, {"name": "buyer", "pii": True}]
    run = new_run("r1", "shop", "", {"tables": [{"name": "orders", "key": ["id"], "columns": columns}]}, now)
    run.tables = {"orders": TableRun("orders", state="merged", path="silver/orders", version=0)}
    run.save(lake)
    publish(lake, Publication("r1", "r1", now, {"orders": PublishedTable("orders", "silver/orders", 0, 2)}))
    env = {**kernel_environment(str(lake.root)), "IPYTHONDIR": str(tmp_path / "profile")}
    notebook = run_notebook(FOLDER / "01_explore_tables.ipynb", env)
    assert notebook.cells[-1].cell_type == "markdown"
    assert notebook.cells[-1].source == (
        "What follows is about the tables tracks, users, listen_history, listens. The source 'shop' has no tracks, users, "
        "listen_history, listens, so this notebook ends here."
    )
    html = page_of(notebook, "01_explore_tables")
    assert notebook.cells[-1].source.partition(". ")[0] in html
    assert "zq.one@example.org" not in html
    assert [row["buyer"] for row in Ran(lake.root, {"01": notebook}, None).rows("01", "limit(3)")] == ["***", NOTHING]
    without_spark = Ran(lake.root, {"04": run_notebook(FOLDER / "04_without_spark.ipynb", env)}, None)
    assert without_spark.sentence("04", "differ else") == "All five agree on every table."
    assert without_spark.sentence("04", "plays.plays.sum") == "0 plays on 0 days."


def test_without_lists_and_models_each_part_of_recommendations_says_so_in_a_line(ran: Ran) -> None:
    no_lists = (
        "No lists of tracks are published here. If the source YAML has a block `recommend:`, `build-recommendations` makes "
        "them."
    )
    no_model = "rules, as no model is promoted. `retrain-model` trains one."
    said = {
        "no_lists =": no_lists,
        "champions =": f"- **discover**: {no_model}\n- **again**: {no_model}",
        "reasons =": "Nothing was decided here yet: no model was trained.",
        "alt.Chart": "No model was measured here yet.",
        "position = 0": no_lists,
        "place = 0": "No model serves `discover`, so there is nothing to compare tracks by.",
        "shares =": no_lists,
    }
    assert {source: ran.sentence("05_recommendations", source) for source in said} == said


@pytest.fixture
def recommended(tmp_path: Path) -> Layout:
    """A lake with three tracks, lists of two users whose keys are personal, and a model that serves `discover`."""
    lake = lake_at(str(tmp_path / "lake"))
    now = datetime(2026, 3, 1, 2, tzinfo=UTC)
    claim(lake, "demo", now)
    columns = [("user_id", pa.string()), ("list", pa.string()), ("rank", pa.int32()), ("track_id", pa.int64())]
    columns += [("score", pa.float64()), ("model_version", pa.string()), ("generated_at", pa.timestamp("us", "UTC"))]
    columns += [("fallback", pa.string()), ("because", pa.list_(pa.int64()))]
    rows = [
        ("zq.two@example.org", "discover", 1, 12, 0.5, "m1", now, None, [11]),
        ("zq.one@example.org", "discover", 2, 13, 0.25, "m1", now, "popular", []),
        ("zq.one@example.org", "discover", 1, 11, 0.75, "m1", now, None, [12, 99]),
        ("zq.one@example.org", "again", 1, 12, 2.0, "baseline", now, "own_plays", [12]),
    ]
    schema = pa.schema(columns)
    tables = {
        "silver/tracks": pa.table({"id": [11, 12, 13], "name": ["One", "Two", "Three"], "artist": ["A", "B", "C"]}),
        "gold/recommendations": pa.Table.from_pylist(
            [dict(zip(schema.names, row, strict=True)) for row in rows], schema
        ),
    }
    for path, table in tables.items():
        write_deltalake(str(lake.root / path), table)
    of_tracks = [
        {"name": name, "type": kind} for name, kind in {"id": "bigint", "name": "string", "artist": "string"}.items()
    ]
    declared = [
        {"name": "tracks", "key": ["id"], "columns": of_tracks},
        {"name": "users", "key": ["id"], "columns": [{"name": "id", "type": "string", "pii": True}]},
    ]
    block = {
        "plays": {"table": "listens", "user": "user_id", "item": "track_id", "at": "listened_at", "weight": None},
        "users": {"table": "users", "groups": None},
        "items": {"table": "tracks", "groups": None},
    }
    new_run("r1", "demo", "", {"tables": declared, "recommend": block}, now).save(lake)
    published = {
        (name := path.partition("/")[2]): PublishedTable(name, path, 0, len(table)) for path, table in tables.items()
    }
    publish(lake, Publication("r1", "r1", now, published))
    weights = np.array([[0, 0.25, 0.5], [0, 0, 0], [0, 0, 0]], np.float32)
    numbers, sha256 = save_numbers(lake, "m1", pa.array([11, 12, 13]), weights)
    ndcg = {
        name: {"ndcg_at_10": {"mean": mean, "low": mean - 0.125, "high": mean + 0.125, "users": 40, "level": 0.99}}
        for name, mean in (("popular", 0.25), ("candidate", 0.5))
    }
    promoted = Decision("m1", "discover", now, Verdict.PROMOTED, ["It is better."], "m1", None, "m1", "ease", "r1")
    held = Decision("m1", "again", now, Verdict.KEPT, ["It is no better."], None, None, "m1", "own_plays", "r1")
    decide(
        lake, [replace(promoted, metrics=json.dumps(ndcg), numbers=numbers, sha256=sha256), replace(held, metrics="{}")]
    )
    return lake


def test_recommendations_by_title_and_by_whom_and_nothing_of_a_user(recommended: Layout, tmp_path: Path) -> None:
    name = "05_recommendations"
    env = {
        **kernel_environment(str(recommended.root)),
        "JAVA_HOME": "/nowhere",
        "IPYTHONDIR": str(tmp_path / "profile"),
    }
    found = Ran(tmp_path, {name: run_notebook(FOLDER / f"{name}.ipynb", env)}, None)
    assert found.sentence(name, "champions =") == (
        "- **discover**: model m1 (ease), promoted on 2026-03-01 02:00 UTC.\n"
        "- **again**: rules, as no model is promoted. `retrain-model` trains one."
    )
    assert found.sentence(name, "reasons =") == (
        "- **again**, 2026-03-01 02:00 UTC: kept. It is no better.\n- **discover**, 2026-03-01 02:00 UTC: promoted. It is better."
    )
    drawn = found.drawing(name, "alt.Chart")
    assert drawn.x.startswith("X-axis titled 'NDCG@10'")
    assert {mark["list and model"]: mark["mean"] for mark in drawn.marks if "mean" in mark} == {
        "discover: popular": "0.25",
        "discover: candidate": "0.5",
    }
    discover, again = (found.rows(name, "position = 0", number) for number in (0, 1))
    assert [(row["track"], row["because"], row["fallback"]) for row in discover] == [
        ("One (A)", "Two (B); (not there)", NOTHING),
        ("Three (C)", NOTHING, "popular"),
    ]
    assert [(row["track"], row["because"], row["fallback"]) for row in again] == [("Two (B)", "Two (B)", "own_plays")]
    assert [(row["track"], row["near"]) for row in found.rows(name, "place = 0")] == [
        ("Three (C)", "0.5"),
        ("Two (B)", "0.25"),
    ]
    assert [(row["list"], row["given by"], row["rows"], row["share"]) for row in found.rows(name, "shares =")] == [
        ("discover", "the model", "2", "66.7%"),
        ("discover", "popular", "1", "33.3%"),
        ("again", "own_plays", "1", "100.0%"),
    ]
    assert "example.org" not in nbformat.writes(found.notebooks[name])
    shutil.rmtree(str(recommended.model_numbers))
    damaged = Ran(tmp_path, {name: run_notebook(FOLDER / f"{name}.ipynb", env)}, None)
    assert damaged.sentence(name, "place = 0") == (
        f"The model's numbers cannot be used: {recommended.model_numbers}: the numbers of model m1 are not there."
    )
    assert damaged.rows(name, "shares =") == found.rows(name, "shares =")
