"""Recommendations from first to last: lists before any model, a promotion, lists by the champion, a day later, and back again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.jobs_and_lakes import Ended, Row, job, read, small_demo
from tests.e2e.warm_process import WarmProcess

pytestmark = pytest.mark.e2e
DEMO = {"tracks": 400, "users": 250, "sessions": 6000}
USERS = DEMO["users"] - 1  # one has no email, which is required


class Lake:
    """A lake, and one process that runs jobs on it."""

    def __init__(self, root: Path, warm: WarmProcess) -> None:
        self.root, self.warm = root, warm

    def job(self, name: str, *options: str) -> Ended:
        return self.warm.job(name, "--lake", str(self.root), *options)

    @property
    def published(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.root / "published.json").read_text("utf-8"))
        return content

    def rows(self, table: str, sql: str = "SELECT * FROM t") -> list[Row]:
        """Rows of a published table, at its published version."""
        entry = self.published["tables"][table]
        return read(self.root / entry["path"], entry["version"], sql)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, warm: WarmProcess) -> Lake:
    found = Lake(tmp_path_factory.mktemp("recommended") / "lake", warm)
    assert found.job("full-ingest", *small_demo(**DEMO), "--run-id", "first").status == 0
    return found


@pytest.fixture(scope="module")
def baseline(lake: Lake) -> list[Row]:
    """The lists before any model was promoted."""
    ended = lake.job("build-recommendations", *small_demo(**DEMO))
    assert ended.status == 0, ended.err
    assert "Publication first.check2 has " in ended.out
    return lake.rows("recommendations")


@pytest.fixture(scope="module")
def promoted(lake: Lake, baseline: list[Row]) -> Ended:
    tried = lake.job("retrain-model", *small_demo(**DEMO), "--dry-run")
    assert tried.status == 0, tried.err
    assert not (lake.root / "ops" / "models").exists()
    return lake.job("retrain-model", *small_demo(**DEMO))


@pytest.fixture(scope="module")
def by_model(lake: Lake, promoted: Ended) -> list[Row]:
    ended = lake.job("build-recommendations", *small_demo(**DEMO))
    assert ended.status == 0, ended.err
    return lake.rows("recommendations")


def lists(rows: list[Row], name: str) -> dict[int, list[Row]]:
    """The rows of each user's list, in the order of their ranks."""
    found: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["rank"]):
        if row["list"] == name:
            found.setdefault(row["user_id"], []).append(row)
    return found


def test_before_a_model_every_user_has_popular_tracks_that_they_never_played(lake: Lake, baseline: list[Row]) -> None:
    discover = lists(baseline, "discover")
    users = {row["id"] for row in lake.rows("users") if row["_deleted_at"] is None}
    assert discover.keys() == users
    assert len(users) == USERS
    heard: dict[int, set[int]] = {}
    for row in lake.rows("listens"):
        heard.setdefault(row["user_id"], set()).add(row["track_id"])
    for user, rows in discover.items():
        assert [row["rank"] for row in rows] == list(range(1, 21))
        assert not {row["track_id"] for row in rows} & heard.get(user, set())
        assert {row["fallback"] for row in rows} <= {"popular_in_favourite_groups", "popular"}
    for user, rows in lists(baseline, "again").items():
        assert {row["track_id"] for row in rows} <= heard[user]
    assert {row["model_version"] for row in baseline} == {"baseline"}


def test_lists_are_published_with_the_versions_that_they_were_made_from(lake: Lake, baseline: list[Row]) -> None:
    [run] = read(lake.root / "ops" / "runs", None, "SELECT * FROM t WHERE run_id = 'first'")
    [record] = [table for table in run["tables"] if table["table"] == "recommendations"]
    first = read(lake.root / "ops" / "publications", None, "SELECT * FROM t WHERE publication_id = 'first.check2'")
    versions = {row["table"]: row["version"] for row in first}
    assert {one["table"]: one["version"] for one in record["made_from"]} == {
        name: versions[name] for name in ("listens", "users", "tracks")
    }
    assert versions.keys() == {"tracks", "users", "listen_history", "listens", "recommendations"}
    assert record["version"] == versions["recommendations"]
    assert (run["state"], run["exit_status"]) == ("published", 0)


def test_a_training_says_what_it_measured_and_promotes_what_is_better(lake: Lake, promoted: Ended) -> None:
    assert promoted.status == 0, promoted.err
    decisions = {row["list"]: row for row in read(lake.root / "ops" / "models", None)}
    assert {name: row["verdict"] for name, row in decisions.items()} == {"discover": "promoted", "again": "promoted"}
    again = json.loads(decisions["again"]["metrics"])
    ndcg = {name: again[name]["ndcg_at_10"]["mean"] for name in again}
    assert ndcg["candidate"] > max(ndcg["frequency"], ndcg["recency"])
    assert f"{ndcg['candidate']:.4f}" in promoted.out
    assert "The candidate is better." in promoted.out
    assert decisions["discover"]["publication_id"] == "first.check2"


def test_lists_by_the_champion_say_why(lake: Lake, by_model: list[Row], promoted: Ended) -> None:
    [version] = {row["model_version"] for row in by_model}
    assert version == read(lake.root / "ops" / "models", None)[0]["model_version"]
    explained = [row for row in by_model if row["list"] == "discover" and row["fallback"] is None]
    assert len(explained) > 0.9 * 20 * USERS
    assert all(1 <= len(row["because"]) <= 3 for row in explained)


def test_lists_that_are_made_again_change_nothing(lake: Lake, by_model: list[Row]) -> None:
    before = lake.published["tables"]["recommendations"]["version"]
    assert lake.job("build-recommendations", *small_demo(**DEMO)).status == 0
    assert lake.published["tables"]["recommendations"]["version"] == before


@pytest.mark.parametrize(("place", "rows"), [("lists merged", 20), ("docs moved in", 20), ("published", 10)])
def test_a_build_that_is_killed_leaves_one_publication_and_the_next_one_makes_up_for_it(
    lake: Lake, by_model: list[Row], place: str, rows: int
) -> None:
    shorter = ["--lake", str(lake.root), *small_demo(**DEMO), "--set", "recommend.rows=10"]
    killed = job("build-recommendations", *shorter, PAGELAKE_FAILPOINT=place)
    assert killed.status == -9, killed.err
    assert max(row["rank"] for row in lake.rows("recommendations")) == rows
    again = lake.job("build-recommendations", *small_demo(**DEMO))
    assert again.status == 0, again.err
    assert said(lake.rows("recommendations")) == said(by_model)
    assert lake.job("status").status == 0


def said(rows: list[Row]) -> list[tuple[Any, ...]]:
    """What lists say, without the time at which they were made."""
    return sorted((row["user_id"], row["list"], row["rank"], row["track_id"], row["score"]) for row in rows)


def test_what_was_measured_of_the_lists_stands_with_the_run(lake: Lake, by_model: list[Row]) -> None:
    sql = "SELECT metric, label, value FROM t WHERE run_id = 'first' AND metric LIKE 'recommend.%'"
    found = {(row["metric"], row["label"]): row["value"] for row in read(lake.root / "ops" / "metrics", None, sql)}
    assert found["recommend.built", None] == 1
    assert found["recommend.unusable_models", None] == 0
    metrics = json.loads(
        read(lake.root / "ops" / "models", None, "SELECT metrics FROM t WHERE list = 'discover'")[0]["metrics"]
    )
    assert found["recommend.ndcg_at_10", "discover"] == metrics["candidate"]["ndcg_at_10"]["mean"]
    reached = {row["track_id"] for row in by_model if row["list"] == "discover"}
    live = [row for row in lake.rows("tracks") if row["_deleted_at"] is None]
    assert found["recommend.coverage", "discover"] == pytest.approx(len(reached) / len(live))
    # It was trained on these plays.
    assert found["recommend.drift", "hour"] == pytest.approx(0, abs=1e-9)
    assert ("recommend.hit_rate", "discover") not in found


def test_the_next_day_the_lists_are_without_the_deleted_track_and_stay_published(
    lake: Lake, by_model: list[Row]
) -> None:
    ended = lake.job("full-ingest", *small_demo(**DEMO, day=1))
    assert ended.status == 0, ended.err
    deleted = {row["id"] for row in lake.rows("tracks") if row["_deleted_at"] is not None}
    assert len(deleted) == 1
    now = lake.rows("recommendations")
    assert not any(row["track_id"] in deleted or set(row["because"]) & deleted for row in now)
    left = [row for row in by_model if row["track_id"] not in deleted]
    assert len(now) == len(left)
    # Also where one is a reason: the lists can be made again.
    assert lake.job("build-recommendations", *small_demo(**DEMO, day=1)).status == 0
    again = lake.rows("recommendations")
    assert not any(row["track_id"] in deleted or set(row["because"]) & deleted for row in again)
    # Of those who played anything since, some played what they were given.
    sql = "SELECT label, value FROM t WHERE metric = 'recommend.hit_rate' AND run_id <> 'first'"
    rates = {row["label"]: row["value"] for row in read(lake.root / "ops" / "metrics", None, sql)}
    assert 0 < rates["again"] <= 1


def test_a_rollback_gives_the_lists_back_to_what_served_them_before(lake: Lake, by_model: list[Row]) -> None:
    ended = lake.job("retrain-model", *small_demo(**DEMO), "--rollback")
    assert ended.status == 0, ended.err
    assert "List discover: the baselines serve it now, in place of model " in ended.out
    again = lake.job("retrain-model", *small_demo(**DEMO), "--rollback")
    assert again.status == 2
    assert "no model is promoted, so there is nothing to roll back" in again.err


@pytest.mark.parametrize("name", ["build-recommendations", "retrain-model"])
def test_a_lake_where_nothing_is_published_is_exit_2(name: str, warm: WarmProcess, tmp_path: Path) -> None:
    ended = warm.job(name, "--lake", str(tmp_path / "lake"))
    assert ended.status == 2
    assert "run ./spark-submit.sh full-ingest" in ended.err
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("name", ["build-recommendations", "retrain-model"])
def test_a_source_that_says_nothing_of_plays_has_no_recommendations(name: str, lake: Lake) -> None:
    ended = lake.job(name, *small_demo(**DEMO), "--set", "recommend=null")
    assert ended.status == 2
    assert "source demo has no block recommend:" in ended.err


def test_a_scheduler_may_ask_for_the_lists_of_a_source_that_has_none(lake: Lake) -> None:
    before = lake.published
    ended = lake.job("build-recommendations", *small_demo(**DEMO), "--set", "recommend=null", "--if-declared")
    assert ended.status == 0, ended.err
    assert ended.out.splitlines() == ["Nothing to do: source demo has no block recommend:."]
    assert lake.published == before
