import random
from collections import Counter

import pytest

from demo import DemoSettings, build
from demo.ageing import grow
from demo.clock import DAY
from demo.habits import Habit
from demo.listening import draw_sessions, next_plays
from demo.tastes import Tastes
from demo.world import World, populate

A, B, C = 11, 12, 13


def three_tracks() -> World:
    """One user, who likes Rock and follows scene 0; tracks A (Rock, scene 0), B (Jazz, scene 0), C (Jazz, scene 1)."""
    world = World(
        DemoSettings(tracks=3, users=1, sessions=1),
        [("Ka", "Rock"), ("Mo", "Jazz"), ("Lu", "Jazz")],
        {"Ka": 0, "Mo": 0, "Lu": 1},
    )
    world.tracks = [
        {"id": A, "artist": "Ka", "genres": "Rock"},
        {"id": B, "artist": "Mo", "genres": "Jazz"},
        {"id": C, "artist": "Lu", "genres": "Jazz"},
    ]
    world.appeal = {A: 1.0, B: 3.0, C: 4.0}
    world.users = [{"id": 5, "favorite_genres": "Rock"}]
    world.scenes = {5: [0]}
    world.activity = {5: 1.0}
    return world


# From anywhere 0.05 * (1, 3, 4) / 8, from Rock 0.13 * (1, 0, 0), from scene 0 0.82 * (1, 3, 0) / 4.
BY_TASTE = [0.00625 + 0.13 + 0.205, 0.01875 + 0.615, 0.025]


def test_a_play_by_taste_is_of_a_scene_or_a_favourite_genre_or_any() -> None:
    world = three_tracks()
    assert Tastes(world).shares(world.users[0]) == pytest.approx(BY_TASTE)
    played = Counter(Tastes(world).plays(random.Random(1), world.users[0], 20_000))
    # A standard deviation of such a share is at most 0.0035.
    assert [played[track] / 20_000 for track in (A, B, C)] == pytest.approx(BY_TASTE, abs=0.014)


def test_a_taste_for_what_no_track_has_is_shared_out_among_the_others() -> None:
    world = three_tracks()
    world.users[0]["favorite_genres"] = "Polka"
    world.scenes[5] = [7]
    # Of the three ways to a play, there is only that from anywhere.
    assert Tastes(world).shares(world.users[0]) == pytest.approx([1 / 8, 3 / 8, 4 / 8])


def test_an_earlier_play_is_half_as_likely_to_be_repeated_after_six_days() -> None:
    habit = Habit()
    habit.remember([A, A, B], 0)
    habit.remember([C], 6 * DAY)
    # Three plays of weight 1, and one of weight 2.
    right = {A: 2 / 5, B: 1 / 5, C: 2 / 5}
    assert habit.shares(7 * DAY) == pytest.approx(right)
    rng = random.Random(1)
    drawn = Counter(track for _ in range(20_000) for track in habit.draw(rng, 1))
    assert {track: count / 20_000 for track, count in drawn.items()} == pytest.approx(right, abs=0.014)


def test_the_repeats_of_a_session_are_of_one_earlier_session() -> None:
    habit = Habit()
    habit.remember([A], 0)
    habit.remember([B], DAY)
    rng = random.Random(1)
    assert {tuple(habit.draw(rng, 3)) for _ in range(50)} == {(A, A, A), (B, B, B)}


def test_what_is_played_from_a_moment_on_does_not_count_before() -> None:
    habit = Habit()
    habit.remember([A], 0)
    habit.remember([B], DAY)
    assert habit.shares(0) == {}
    assert habit.shares(DAY) == {A: 1.0}


def test_habits_last_for_the_ten_years_that_a_demo_can_age() -> None:
    habit = Habit()
    habit.remember([A], 3644 * DAY)
    habit.remember([B], 3650 * DAY)
    assert habit.shares(3651 * DAY) == pytest.approx({A: 1 / 3, B: 2 / 3})


def test_the_next_play_is_a_repeat_in_four_of_ten_and_by_taste_otherwise() -> None:
    world = three_tracks()
    world.habits[5].remember([C, C, C, B], -DAY)
    [(user, row)] = next_plays(world, 0)
    assert user == 5
    assert row == pytest.approx([0.6 * BY_TASTE[0], 0.6 * BY_TASTE[1] + 0.4 / 4, 0.6 * BY_TASTE[2] + 0.4 * 3 / 4])
    # Before that session there was nothing to repeat.
    assert next(next_plays(world, -1))[1] == pytest.approx(BY_TASTE)


def test_a_repeat_of_a_removed_track_is_a_play_by_taste() -> None:
    world = three_tracks()
    world.habits[5].remember([C, 99], -DAY)
    # 99 is no track: of the 0.4 that repeat, half is left.
    assert next(next_plays(world, 0))[1] == pytest.approx(
        [0.8 * BY_TASTE[0], 0.8 * BY_TASTE[1], 0.8 * BY_TASTE[2] + 0.2]
    )
    played = [
        item
        for day in range(50)
        for row in draw_sessions(random.Random(day), world, [day * DAY])
        for item in row["items"]
    ]
    assert set(played) == {A, B, C}


def test_sessions_are_drawn_with_the_probabilities_that_are_told() -> None:
    played: Counter[int] = Counter()
    for seed in range(4000):
        world = three_tracks()
        world.habits[5].remember([C, C, C, B], -DAY)
        [row] = draw_sessions(random.Random(seed), world, [1])
        played.update(row["items"])
    told = next(next_plays(world, 0))[1]
    # Some 42,000 plays: a standard deviation of such a share is at most 0.0025.
    assert [played[track] / played.total() for track in (A, B, C)] == pytest.approx(told, abs=0.01)


@pytest.mark.parametrize("day", [-90, -7, 0, 3])
def test_the_probabilities_of_each_user_add_up_to_1_on_any_day(day: int) -> None:
    world, _ = grow(DemoSettings(tracks=60, users=25, sessions=200, day=3))
    rows = dict(next_plays(world, day))
    assert list(rows) == [user["id"] for user in world.users]
    assert all(len(row) == 60 and min(row) > 0 and sum(row) == pytest.approx(1) for row in rows.values())


@pytest.mark.parametrize("sizes", [{"tracks": 0, "users": 3}, {"tracks": 3, "users": 0}])
def test_without_tracks_or_users_there_is_nothing_to_play(sizes: dict[str, int]) -> None:
    world, _ = grow(DemoSettings(sessions=5, **sizes))
    assert [row for _, row in next_plays(world, 0)] == [[]] * sizes["users"]


def test_scenes_are_groups_of_artists_across_genres_and_each_user_follows_one_to_three() -> None:
    world = populate(DemoSettings())
    genre_of = dict(world.artists)
    genres: dict[int, set[str]] = {}
    for artist, scene in world.scene_of.items():
        genres.setdefault(scene, set()).add(genre_of[artist])
    assert sorted(genres) == list(range(10))
    # About 20 artists a scene, of 12 genres.
    assert min(len(names) for names in genres.values()) >= 7
    assert {len(scenes) for scenes in world.scenes.values()} == {1, 2, 3}
    assert all(len(set(scenes)) == len(scenes) for scenes in world.scenes.values())


def test_a_track_that_was_removed_is_played_by_nobody_from_the_next_day_on() -> None:
    sizes = {"tracks": 5, "users": 3, "sessions": 300}
    for day in range(1, 8):
        before, after = (build(DemoSettings(day=number, blemishes=False, **sizes)) for number in (day - 1, day))
        known = {row["id"] for row in before.rows["tracks"]}
        new = after.rows["listen_history"][len(before.rows["listen_history"]) :]
        assert len(new) == 3
        assert all(known.issuperset(row["items"]) for row in new)
