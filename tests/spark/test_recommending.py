"""Training, promotion and lists on Spark: planted tastes are found, the numbers are those of numpy, what is unusable is skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from lib.config import load_source
from lib.lake.decisions import all_decisions, champion, decide
from lib.lake.layout import Layout, lake_at
from lib.lake.publications import Publication, PublishedTable, publish
from lib.recommend import ease, fitting, retrain
from lib.recommend.build import build_lists
from lib.recommend.fitting import fit
from lib.recommend.recipes import Recipe
from lib.recommend.retrain import Outcome, Training, keep, train
from lib.recommend.training_set import TrainingSet, opened

SOURCE = """\
source: shop
api: {url: "http://127.0.0.1:1"}
tables:
  tracks: {path: /t, key: [id], deletes: soft, columns: {id: bigint!, genres: string}}
  users: {path: /u, key: [id], deletes: soft, columns: {id: bigint!, likes: string}}
  plays: {path: /p, key: [n], columns: {n: bigint!, user: bigint!, track: bigint!, at: timestamp!}}
recommend:
  plays: {table: plays, user: user, item: track, at: at}
  users: {table: users, groups: likes}
  items: {table: tracks, groups: genres}
  rows: 5
"""
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
AT = datetime(2026, 3, 1, tzinfo=UTC)
USERS, TRACKS, PLAYS, DAYS = 120, 80, 2400, 40
# No int holds them.
BIG = 2**40
NEWCOMER, GONE_USER, GONE_TRACK = BIG + USERS, BIG + USERS + 1, BIG + TRACKS
ALL_DAYS = timedelta(days=DAYS)


@dataclass
class World:
    """A training set, the lake that decisions are recorded in, and the current publication."""

    of: TrainingSet
    layout: Layout
    publication: Publication


def frames(spark: SparkSession, plays: Sequence[tuple[int, int, datetime]]) -> dict[str, DataFrame]:
    """Tracks whose genre says nothing of the tastes, users, one of whom is new and one deleted, and these plays."""
    tracks = [(BIG + n, f"genre {n % 3}", None) for n in range(TRACKS)] + [(GONE_TRACK, "genre 0", AT)]
    users = [(BIG + n, f"genre {n % 3}", None) for n in range(USERS)]
    users += [(NEWCOMER, "genre 1, genre 7", None), (GONE_USER, None, AT)]
    return {
        "tracks": spark.createDataFrame(tracks, "id bigint, genres string, _deleted_at timestamp"),
        "users": spark.createDataFrame(users, "id bigint, likes string, _deleted_at timestamp"),
        "plays": spark.createDataFrame(
            [(n, *play, None) for n, play in enumerate(plays)],
            "n bigint, user bigint, track bigint, at timestamp, _deleted_at timestamp",
        ),
    }


def by_taste() -> list[tuple[int, int, datetime]]:
    """Users of an even number play even tracks, the others odd ones; and a deleted user and a deleted track, much played."""
    random = np.random.default_rng(7)
    user = random.integers(0, USERS, PLAYS)
    track = random.integers(0, TRACKS // 2, PLAYS) * 2 + user % 2
    at = random.random(PLAYS)
    plays = [(BIG + int(u), BIG + int(t), FIRST + float(a) * ALL_DAYS) for u, t, a in zip(user, track, at, strict=True)]
    return [*plays, (GONE_USER, BIG, FIRST), (BIG, GONE_TRACK, FIRST), (5, BIG, FIRST), (BIG, 5, FIRST)]


@pytest.fixture(scope="module")
def world(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("recommending")
    (folder / "shop.yml").write_text(SOURCE)
    source = load_source(str(folder / "shop.yml"), conf_dir=folder, env={})
    layout = lake_at(str(folder / "lake"))
    tables = {"plays": PublishedTable("plays", "silver/plays", 3, PLAYS)}
    publication = publish(layout, Publication("p1", "r1", AT, tables))
    with opened(spark, source, source.recommended(), frames(spark, by_taste()), AT) as of:
        yield World(of, layout, publication)


@pytest.fixture(scope="module")
def trained(world: World) -> list[Outcome]:
    outcomes = train(world.of, [])
    keep(world.of, world.layout, Training("m1", world.publication, names_items=True), outcomes)
    return outcomes


def test_a_model_that_finds_the_planted_tastes_is_promoted_with_what_it_beat(
    world: World, trained: list[Outcome]
) -> None:
    discover, again = trained
    assert (discover.of_list, discover.promoted) == ("discover", True), discover.because
    ndcg = {name: metrics["ndcg_at_10"]["mean"] for name, metrics in discover.metrics.items()}
    assert ndcg["candidate"] > 1.5 * max(ndcg["popular"], ndcg["popular_in_favourite_groups"])
    # Which of the heard tracks comes next is chance here.
    assert (again.of_list, again.promoted) == ("again", False)
    known = all_decisions(world.layout)
    assert [(one.list, one.verdict, one.champion) for one in known] == [
        ("again", "kept", None),
        ("discover", "promoted", "m1"),
    ]
    promoted = known[1]
    assert (promoted.publication_id, promoted.kind, promoted.numbers) == ("p1", "ease", 80 * 80)
    assert promoted.versions == [{"table": "plays", "version": 3}]
    assert "NDCG@10 is" in promoted.because[1]
    # Near are items of the same taste: all even, or all odd.
    examples = json.loads(promoted.examples or "")
    assert len(examples) == 5
    assert all((near - one["item"]) % 2 == 0 for one in examples for near, _ in one["nearest"])
    assert known[0].examples is None


def test_the_same_data_and_settings_give_the_same_numbers(world: World, trained: list[Outcome]) -> None:
    again = train(world.of, [])
    assert again == trained
    end = world.of.end
    assert end is not None
    [recipe] = [one.recipe for one in trained if one.promoted]
    assert recipe is not None
    [(_, one)], [(_, other)] = list(fit(world.of, [recipe], end)), list(fit(world.of, [recipe], end))
    assert np.array_equal(one.weights, other.weights)


def test_the_gram_matrix_of_spark_is_that_of_numpy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "_STRIP_ROWS", 10)
    monkeypatch.setattr(fitting, "GRAM_BYTES", 8 * 10 * (80 + 70))  # the eight strips in three passes
    end = world.of.end
    assert end is not None
    total = fitting._gram_of(world.of, Recipe("ease", power=0.0), end)
    matrix = np.zeros((USERS, 80))
    for user, track, _ in by_taste():
        if BIG <= user < NEWCOMER and BIG <= track < GONE_TRACK:
            matrix[user - BIG, track - BIG] = 1
    assert np.array_equal(total, matrix.T @ matrix)


def test_lists_hold_live_tracks_of_the_right_kind_for_every_live_user(world: World, trained: list[Outcome]) -> None:
    built = build_lists(world.of, world.layout, all_decisions(world.layout), AT)
    lists, passed_over = built.lists, built.passed_over
    rows = lists.collect()
    assert passed_over == []
    heard: dict[int, set[int]] = {}
    for user, track, _ in by_taste():
        heard.setdefault(user, set()).add(track)
    of_list = {(row.user, row.list): [] for row in rows}
    for row in sorted(rows, key=lambda row: row["rank"]):
        of_list[row.user, row.list].append(row)
    assert {user for user, name in of_list if name == "discover"} == {BIG + n for n in range(USERS)} | {NEWCOMER}
    for (user, name), some in of_list.items():
        tracks = {row.track for row in some}
        assert len(tracks) == len(some) <= 5
        assert [row["rank"] for row in some] == list(range(1, len(some) + 1))
        assert GONE_TRACK not in tracks
        assert tracks & heard.get(user, set()) == (tracks if name == "again" else set())
        assert {row.model_version for row in some} == {"m1" if name == "discover" else "baseline"}
        if name == "discover":
            assert len(some) == 5
    by_model = [row for row in rows if row.list == "discover" and row.fallback is None]
    assert all(row.track % 2 == row.user % 2 and set(row.because) <= heard[row.user] - {GONE_TRACK} for row in by_model)
    assert all(1 <= len(row.because) <= 3 for row in by_model)
    assert {row.fallback for row in rows if row.list == "again"} == {"own_plays"}


def test_a_new_user_gets_what_is_popular_in_their_favourite_groups_then_what_is_popular(
    world: World, trained: list[Outcome]
) -> None:
    lists = build_lists(world.of, world.layout, all_decisions(world.layout), AT).lists
    rows = lists.where(f"user = {NEWCOMER}").orderBy("rank").collect()
    assert [row.fallback for row in rows] == ["popular_in_favourite_groups"] * 5
    # Track n is of genre n % 3.
    assert {(row.track - BIG) % 3 for row in rows} == {1}


def test_als_finds_the_planted_tastes(world: World) -> None:
    end = world.of.end
    assert end is not None
    [(_, model)] = list(fit(world.of, [Recipe("als", regularisation=0.1, factors=4, alpha=10.0, iterations=15)], end))
    factors = model.item_factors
    assert factors.shape == (80, 4)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    alike = unit @ unit.T
    same = np.equal.outer(np.arange(80) % 2, np.arange(80) % 2)
    assert alike[same].mean() > 0.6
    assert abs(alike[~same].mean()) < 0.2


def test_a_catalogue_that_has_outgrown_ease_is_served_by_rules(world: World, trained: list[Outcome]) -> None:
    few = replace(world.of, settings=world.of.settings.model_copy(update={"max_items": 79}))
    built = build_lists(few, world.layout, all_decisions(world.layout), AT)
    lists, passed_over = built.lists, built.passed_over
    assert built.serving == {}
    assert passed_over == [
        "model m1 is of a kind for 79 items (max_items), and there are 80; what was promoted before it serves, or the rules"
    ]
    assert {row.model_version for row in lists.select("model_version").distinct().collect()} == {"baseline"}


def test_damaged_numbers_leave_the_lists_to_the_champion_before(world: World, trained: list[Outcome]) -> None:
    held = [one for one in all_decisions(world.layout) if one.list == "discover"][-1]
    damaged = {**vars(held), "decision_id": "m2", "model_version": "m2", "champion": "m2", "champion_before": "m1"}
    decide(world.layout, [type(held)(**damaged)])
    built = build_lists(world.of, world.layout, all_decisions(world.layout), AT)
    lists, passed_over = built.lists, built.passed_over
    rows = lists.where("list = 'discover'")
    assert {row.model_version for row in rows.select("model_version").distinct().collect()} == {"m1"}
    assert built.serving == {"discover": "m1"}
    assert passed_over == [
        f"{world.layout.model_numbers}: the numbers of model m2 are not whole; what was promoted before it serves, or the rules"
    ]
    assert champion(all_decisions(world.layout), "discover") == "m2"


@pytest.mark.parametrize(
    ("place", "serves"),
    [("numbers saved", None), ("decision ready", None), ("decided", "m9")],
    ids=lambda one: str(one),
)
def test_a_training_that_ends_at_any_step_of_a_promotion_leaves_one_champion(
    world: World,
    trained: list[Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    serves: str | None,
) -> None:
    layout = lake_at(str(tmp_path / "lake"))

    def reached(name: str) -> None:
        if name == place:
            raise KeyboardInterrupt

    monkeypatch.setattr(retrain, "reached", reached)
    with pytest.raises(KeyboardInterrupt):
        keep(world.of, layout, Training("m9", world.publication), trained)
    assert champion(all_decisions(layout), "discover") == serves


@pytest.mark.parametrize(
    ("plays", "why"),
    [
        ([], "there are no plays to learn from"),
        (
            [(BIG, BIG, FIRST), (BIG + 1, BIG, FIRST + timedelta(hours=12))],
            "the plays cover 0.5 days, and 28 are needed",
        ),
    ],
    ids=["no plays", "one day"],
)
def test_what_cannot_be_trained_on_is_said_and_promotes_nothing(
    spark: SparkSession, tmp_path: Path, plays: list[tuple[int, int, datetime]], why: str
) -> None:
    (tmp_path / "shop.yml").write_text(SOURCE)
    source = load_source(str(tmp_path / "shop.yml"), conf_dir=tmp_path, env={})
    with opened(spark, source, source.recommended(), frames(spark, plays), AT) as of:
        outcomes = train(of, [])
        assert [one.promoted for one in outcomes] == [False, False]
        assert all(why in one.because[0] for one in outcomes)
        lists = build_lists(of, lake_at(str(tmp_path / "lake")), [], AT).lists
        rows = lists.collect()
    assert {row.fallback for row in rows} - {"own_plays"} <= {"popular_in_favourite_groups", "popular"}
    assert {row.user for row in rows if row.list == "discover"} == {BIG + n for n in range(USERS)} | {NEWCOMER}
