"""A run that is killed at one step after the other, and resumed each time: it ends as a run that was never killed."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import DemoServer, DemoSettings, Faults
from tests.e2e.jobs_and_lakes import (
    SMALL,
    TABLES,
    Ended,
    Lake,
    Row,
    Step,
    at_work,
    content,
    footprint,
    step,
    until_gone,
)
from tests.e2e.warm_process import WarmProcess

pytestmark = pytest.mark.e2e

SIZE = 20
# In the order in which a run comes to them: one of each kind (pages are missing, a table is, nothing is). All others are tried in
# one process, by tests/spark/test_landing.py, test_tables_machine.py and test_stopped_runs.py.
PLACES = ("wave landed", "merged", "published")
BEFORE_PUBLICATION = PLACES[:-1]


@dataclass(frozen=True)
class Killed:
    """A start that was killed: the lake as it was then, and how often each page was asked for by this start."""

    step: Step
    asked: Counter[tuple[str, int]]


@pytest.fixture(scope="module")
def api() -> Iterator[DemoServer]:
    """A day later than the lake. Some users have no email, so that rows are rejected; no row appears twice."""
    with DemoServer(DemoSettings(**SMALL, day=1, blemishes=False, faults=Faults(nulls=2))) as server:
        yield server


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume") / "lake"


def options(server: DemoServer) -> list[str]:
    return ["--source", "moovitamix", "--api-url", server.url, "--set", f"api.pagination.size={SIZE}"]


@pytest.fixture(scope="module")
def before(root: Path, warm: WarmProcess) -> Step:
    """What was published before."""
    with DemoServer(DemoSettings(**SMALL, blemishes=False)) as server:
        done = step(warm.ingest(root, "before", *options(server)), root)
    assert done.ended.status == 0, done.ended.err
    return done


@pytest.fixture(scope="module")
def never_killed(before: Step, api: DemoServer, root: Path, warm: WarmProcess) -> Step:
    """The same run without a kill, in a copy of the lake."""
    other = root.parent / "other"
    shutil.copytree(root, other)
    done = step(warm.ingest(other, "chained", *options(api)), other)
    assert done.ended.status == 0, done.ended.err
    return done


@pytest.fixture(scope="module")
def killed(never_killed: Step, api: DemoServer, root: Path) -> dict[str, Killed]:
    """One run, started by --resume and killed at each place in turn."""
    return {place: killed_at(place, api, root) for place in PLACES}


def killed_at(place: str, api: DemoServer, root: Path) -> Killed:
    api.requests.clear()
    started = time.monotonic()
    words = ("full-ingest", "--lake", str(root), "--resume-or-start", "chained", *options(api))
    with at_work(*words, PAGELAKE_FAILPOINT=place) as process:
        out, err = process.communicate(timeout=500)
    until_gone(process.pid, within_s=500)  # the JVM sees that nobody is there any more, and ends
    ended = Ended(process.returncode, out, err, time.monotonic() - started)
    return Killed(step(ended, root), Counter((path, page) for path, page, _ in api.requests))


@pytest.fixture(scope="module")
def next_run(killed: dict[str, Killed], api: DemoServer, root: Path, warm: WarmProcess) -> Ended:
    """Another run that is about to start."""
    return warm.job("full-ingest", "--lake", str(root), "--dry-run", *options(api))


@pytest.fixture(scope="module")
def with_other_settings(
    killed: dict[str, Killed], api: DemoServer, root: Path, warm: WarmProcess
) -> tuple[Ended, bool]:
    """The run resumed with other settings, and whether anything in the lake changed by that."""
    found = footprint(root)
    other = ("--set", "tables.tracks.max_rejected_fraction=0.5")
    ended = warm.job("full-ingest", "--lake", str(root), "--resume", "chained", *options(api), *other)
    return ended, found != footprint(root)


@pytest.fixture(scope="module")
def resumed(next_run: Ended, with_other_settings: Any, api: DemoServer, root: Path, warm: WarmProcess) -> Killed:
    """The run resumed, and left to end."""
    api.requests.clear()
    done = step(warm.job("full-ingest", "--lake", str(root), "--resume", "chained", *options(api)), root)
    return Killed(done, Counter((path, page) for path, page, _ in api.requests))


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_reached_and_is_the_end(killed: dict[str, Killed], place: str) -> None:
    assert killed[place].step.ended.status == -signal.SIGKILL, killed[place].step.ended.err


@pytest.mark.parametrize("place", BEFORE_PUBLICATION)
def test_after_a_kill_readers_see_what_was_published_before(
    before: Step, killed: dict[str, Killed], place: str
) -> None:
    lake = killed[place].step.lake
    assert lake.files["published.json"] == before.lake.files["published.json"]
    assert lake.index[0] == before.lake.index[0]
    assert lake.publications == {"before"}
    for table in TABLES:
        entry = lake.published["tables"][table]
        then = Lake(lake.root, {entry["path"]: entry["version"]}, {})
        assert then.by_key(table) == before.lake.by_key(table)


def test_after_a_kill_in_the_middle_of_publishing_readers_see_the_new_tables_together(
    never_killed: Step, killed: dict[str, Killed]
) -> None:
    lake = killed["published"].step.lake
    assert lake.published["run_id"] == "chained"
    for table in TABLES:
        entry = lake.published["tables"][table]
        assert live(Lake(lake.root, {entry["path"]: entry["version"]}, {}), table) == live(never_killed.lake, table)


def live(lake: Lake, table: str) -> dict[tuple[Any, ...], Row]:
    return {key: content(row) for key, row in lake.by_key(table).items() if row["_deleted_at"] is None}


def test_each_page_is_asked_for_once_over_all_starts_but_for_looks_at_the_first(
    api: DemoServer, killed: dict[str, Killed], resumed: Killed
) -> None:
    rows = {table: len(api.catalog.rows[table]) for table in TABLES}
    pages = {(f"/{table}", page) for table in TABLES for page in range(1, -(-rows[table] // SIZE) + 1)}
    asked = sum((start.asked for start in killed.values()), resumed.asked)
    assert {page: n for page, n in asked.items() if page[1] > 1} == {page: 1 for page in pages if page[1] > 1}
    for start in (*list(killed.values())[1:], resumed):
        assert start.asked == {(f"/{table}", 1): 1 for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_a_run_killed_and_resumed_ends_in_the_same_silver_as_one_never_killed(
    never_killed: Step, resumed: Killed, table: str
) -> None:
    assert resumed.step.ended.status == 0, resumed.step.ended.err
    held, other = resumed.step.lake.by_key(table), never_killed.lake.by_key(table)
    assert live(resumed.step.lake, table) == live(never_killed.lake, table)
    assert {key: row["_deleted_at"] is None for key, row in held.items()} == {
        key: row["_deleted_at"] is None for key, row in other.items()
    }
    assert {key: row["_run_id"] for key, row in held.items()} == {key: row["_run_id"] for key, row in other.items()}


def test_a_run_killed_and_resumed_ends_in_the_same_gold_quarantine_and_pages_as_one_never_killed(
    never_killed: Step, resumed: Killed
) -> None:
    for table, columns in {
        "gold/listens": "user_id, listened_at, position, track_id",
        "quarantine/rows": '"table", page, position, reason, "row"',
        "bronze/pages": '"table", page, round, sha256',
    }.items():
        query = f"SELECT {columns} FROM t ORDER BY {columns}"
        found = resumed.step.lake.rows(table, query)
        assert found
        assert found == never_killed.lake.rows(table, query), table


def test_the_resumed_run_is_published_and_recorded_as_one_run(resumed: Killed) -> None:
    assert resumed.step.lake.published["run_id"] == "chained"
    run = resumed.step.lake.run("chained")
    assert (run["state"], run["exit_status"]) == ("published", 0)
    assert {table["proof"] for table in run["tables"] if table["table"] in TABLES} == {"counted"}


def test_the_next_run_names_the_one_that_was_killed_and_how_to_go_on_with_it(next_run: Ended) -> None:
    assert next_run.status == 0
    assert "run chained did not finish" in next_run.err
    assert "full-ingest --resume chained" in next_run.err


def test_a_run_is_not_resumed_with_other_settings(with_other_settings: tuple[Ended, bool]) -> None:
    ended, is_changed = with_other_settings
    assert ended.status == 2
    assert "--resume chained: the settings have changed since that run" in ended.err
    assert not is_changed


def test_a_published_run_resumed_says_so_and_does_nothing(
    resumed: Killed, api: DemoServer, root: Path, warm: WarmProcess
) -> None:
    found = footprint(root)
    api.requests.clear()
    ended = warm.job("full-ingest", "--lake", str(root), "--resume", "chained", *options(api))
    assert ended.status == 0
    assert "Run chained is published." in ended.out
    assert api.requests == []
    assert footprint(root) == found
