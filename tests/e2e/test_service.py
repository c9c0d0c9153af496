"""Ingests from a real FastAPI application with fastapi-pagination: whole, in part, with a table down, and empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.fastapi_service import Service
from tests.e2e.jobs_and_lakes import (
    QUICK_TO_GIVE_UP,
    TABLES,
    Lake,
    Step,
    content,
    footprint,
    good,
    read,
    served_rows,
    step,
)
from tests.e2e.warm_process import WarmProcess

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service") / "lake"


@pytest.fixture(scope="module")
def options(service: Service) -> tuple[str, ...]:
    return ("--source", "moovitamix", "--api-url", service.url)


@pytest.fixture(scope="module")
def first(warm: WarmProcess, service: Service, options: tuple[str, ...], root: Path) -> Step:
    return step(warm.ingest(root, "first", *options), root)


@pytest.fixture(scope="module")
def unreachable(warm: WarmProcess, first: Step, root: Path, closed_port: int) -> Step:
    options = ("--source", "moovitamix", "--api-url", f"http://127.0.0.1:{closed_port}", *QUICK_TO_GIVE_UP)
    return step(warm.ingest(root, "unreachable", *options), root)


@pytest.fixture(scope="module")
def without_users(warm: WarmProcess, unreachable: Step, service: Service, options: tuple[str, ...], root: Path) -> Step:
    """A day later /users answers 500."""
    service.rows, service.down = served_rows(day=1), {"users"}
    ended = warm.ingest(root, "without_users", *options, *QUICK_TO_GIVE_UP)
    service.down = set()
    return step(ended, root)


@pytest.fixture(scope="module")
def checked(warm: WarmProcess, without_users: Step, options: tuple[str, ...], root: Path) -> Step:
    return step(warm.job("sanity-check", "--lake", str(root), *options), root)


@pytest.fixture(scope="module")
def only_tracks(
    warm: WarmProcess, checked: Step, service: Service, options: tuple[str, ...], root: Path
) -> tuple[Step, list[str]]:
    service.requests.clear()
    ended = warm.ingest(root, "only_tracks", *options, "--tables", "tracks")
    return step(ended, root), list(service.requests)


def published(lake: Lake) -> dict[str, int]:
    return {table: entry["version"] for table, entry in lake.published["tables"].items()}


@pytest.mark.parametrize("table", TABLES)
def test_every_row_of_a_fastapi_service_arrives(first: Step, table: str) -> None:
    assert first.ended.status == 0, first.ended.err
    held = {key: content(row) for key, row in first.lake.by_key(table).items()}
    assert held == good(table, served_rows()[table])


def test_a_page_too_large_for_the_service_is_told_by_its_status_and_the_keys_of_its_answer(
    warm: WarmProcess, tmp_path: Path, options: tuple[str, ...]
) -> None:
    ended = warm.ingest(tmp_path / "lake", "too_large", *options, "--set", "api.pagination.size=101")
    assert ended.status == 4, ended.err
    assert "status 422: a JSON object whose keys are detail (" in ended.err
    # What the service says of it is no more than that: an answer may hold anybody's values.
    assert "less than or equal to 100" not in ended.err


def test_a_service_that_cannot_be_reached_ends_with_4_before_spark_starts_and_changes_no_table(
    first: Step, unreachable: Step, closed_port: int
) -> None:
    assert unreachable.ended.status == 4, unreachable.ended.err
    assert "start Spark" not in unreachable.ended.err
    assert f"127.0.0.1:{closed_port}" in unreachable.ended.err
    assert unreachable.lake.tables == first.lake.tables
    assert unreachable.lake.publishes_as(first.lake)
    run = unreachable.lake.run("unreachable")
    assert (run["state"], run["exit_status"]) == ("failed", 4)


def test_a_table_that_is_down_takes_no_other_with_it(first: Step, without_users: Step) -> None:
    ended, lake = without_users.ended, without_users.lake
    assert ended.status == 4, ended.err
    assert "users" in ended.err
    assert "500" in ended.err
    day_1 = served_rows(day=1)
    for table in ("tracks", "listen_history"):
        live = {key: content(row) for key, row in lake.by_key(table).items() if row["_deleted_at"] is None}
        assert live == good(table, day_1[table])
    assert lake.versions["silver/users"] == first.lake.versions["silver/users"]
    states = {table["table"]: table["state"] for table in lake.run("without_users")["tables"]}
    assert {table: states[table] for table in TABLES} == {
        "tracks": "merged", "listen_history": "merged", "users": "failed",
    }  # fmt: skip


def test_nothing_is_published_while_a_table_is_missing(first: Step, without_users: Step, checked: Step) -> None:
    assert without_users.lake.publishes_as(first.lake)
    assert checked.ended.status == 4, checked.ended.err
    assert "users" in checked.ended.err
    assert checked.lake.publishes_as(first.lake)


def test_only_the_named_table_is_fetched(only_tracks: tuple[Step, list[str]]) -> None:
    done, requests = only_tracks
    assert done.ended.status == 0, done.ended.err
    # Two pages of 121 rows; the first once more at the end, whether it is still what it was; and both once more, because a
    # row stands on both.
    assert requests == ["/tracks"] * 5


def test_tables_that_were_not_named_keep_their_published_version(
    first: Step, without_users: Step, only_tracks: tuple[Step, list[str]]
) -> None:
    lake = only_tracks[0].lake
    before, after = published(first.lake), published(lake)
    assert lake.published["run_id"] == "only_tracks"
    assert after["tracks"] == without_users.lake.versions["silver/tracks"] > before["tracks"]
    # listen_history was merged a day later, by a run that was not published: people go on reading the day before.
    assert after["users"] == before["users"]
    assert after["listen_history"] == before["listen_history"] < lake.versions["silver/listen_history"]
    rows = [row for row in lake.rows("ops/publications") if row["publication_id"] == lake.published["publication_id"]]
    assert {row["table"] for row in rows} == {*TABLES, "listens"}


def test_published_listens_are_those_of_the_published_sessions(only_tracks: tuple[Step, list[str]], root: Path) -> None:
    entry = only_tracks[0].lake.published["tables"]["listens"]
    rows = read(root / entry["path"], entry["version"])
    sessions = good("listen_history", served_rows()["listen_history"])
    held = {(row["user_id"], row["listened_at"], row["position"]): row["track_id"] for row in rows}
    assert held == {(*key, at): track for key, row in sessions.items() for at, track in enumerate(row["items"])}


@pytest.fixture(scope="module")
def empty(
    warm: WarmProcess, service: Service, options: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Step:
    lake = tmp_path_factory.mktemp("empty") / "lake"
    service.rows = {**served_rows(), "users": [], "listen_history": []}
    return step(warm.ingest(lake, "empty", *options), lake)


def test_an_empty_table_fails_its_row_count_floor_on_a_first_run(empty: Step) -> None:
    assert empty.ended.status == 3, empty.ended.err
    lines = [line for line in empty.ended.err.splitlines() if line.startswith("  ")]
    floors = [line for line in lines if "expect_table_row_count_to_be_between" in line]
    assert sorted(line.split(":")[0].strip() for line in floors) == [
        "listen_history.table_row_count_to_be_between",
        "users.table_row_count_to_be_between",
    ]
    assert "published.json" not in empty.lake.files
    assert empty.lake.rows("silver/users") == []
    assert len(empty.lake.rows("silver/tracks")) == len(good("tracks", served_rows()["tracks"]))


def test_an_empty_table_passes_where_the_source_says_that_it_may_be_empty(
    warm: WarmProcess, empty: Step, options: tuple[str, ...]
) -> None:
    may_be_empty = [word for name in TABLES[1:] for word in ("--set", f"tables.{name}.min_rows=0")]
    ended = warm.job("sanity-check", "--lake", str(empty.lake.root), *options, *may_be_empty)
    assert ended.status == 0, ended.err
    tables: dict[str, Any] = Lake.seen(empty.lake.root).published["tables"]
    assert {name: entry["rows"] for name, entry in tables.items()} == {
        "tracks": 119, "users": 0, "listen_history": 0, "listens": 0,
    }  # fmt: skip


def test_an_unpublished_lake_cannot_take_a_part_of_its_tables(
    warm: WarmProcess, empty: Step, options: tuple[str, ...]
) -> None:
    lake = empty.lake.root.parent / "another"
    before = footprint(lake.parent)
    ended = warm.ingest(lake, "part", *options, "--tables", "tracks")
    assert ended.status == 2, ended.err
    assert not lake.exists()
    assert footprint(lake.parent) == before
