"""The made-up world behind the tables: tracks, users, sessions, and the tastes that tie them together."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from demo import vocabulary
from demo.clock import DAY, HISTORY_DAYS, HOUR, stamp
from demo.habits import Habit
from demo.settings import DemoSettings

Row = dict[str, Any]
"""One JSON-ready row of a table, keys in served order."""

HIGHEST_ID = 899_999
"""Ids above it are never given out, so they are safe for keys that must point at nothing."""

UNHEARD_SHARE = 0.02
"""Of a catalogue of 50 tracks or more, the share that nobody plays."""

SCENES = 10
"""How many groups the artists are in; where there are fewer artists, each is a group."""

_UNHEARD_APPEAL = 1e-15
_LOWEST_ID = 1000
_YEARS_OF_CATALOG = 3 * 365


@dataclass
class World:
    """Tables in the making, and what the tables do not say.

    `appeal` is a track's weight when a play is drawn, `activity` a user's weight when a session is. A scene is a group of
    artists across genres: `scene_of` has that of each artist, `scenes` those that a user follows. `habits` has what a user
    played. Ids in `fixed` are blemished: they neither change nor leave.
    """

    settings: DemoSettings
    artists: list[tuple[str, str]]
    """(artist, genre), no artist twice."""
    scene_of: dict[str, int]
    tracks: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)
    appeal: dict[int, float] = field(default_factory=dict)
    activity: dict[int, float] = field(default_factory=dict)
    scenes: dict[int, list[int]] = field(default_factory=dict)
    habits: defaultdict[int, Habit] = field(default_factory=lambda: defaultdict(Habit))
    used_ids: set[int] = field(default_factory=set)
    fixed: set[int] = field(default_factory=set)
    heard_until: int = -HISTORY_DAYS * DAY - 1

    def genres(self) -> list[str]:
        """The genres that served tracks have; all of them where there is no track."""
        present = {track["genres"] for track in self.tracks}
        return [genre for genre in vocabulary.GENRES if genre in present] or list(vocabulary.GENRES)


def rng_for(settings: DemoSettings, part: int, day: int = 0) -> random.Random:
    """The random numbers of one part on one day: no part or day shares its numbers with another."""
    return random.Random((settings.seed << 32) + (part << 24) + day)  # day stays below 2**24


def populate(settings: DemoSettings) -> World:
    """The tracks and users of day 0, without blemishes."""
    rng = rng_for(settings, 1)
    names = list(dict.fromkeys(vocabulary.artist(rng) for _ in range(max(1, settings.tracks // 10))))
    world = World(
        settings,
        [(name, vocabulary.GENRES[place % len(vocabulary.GENRES)]) for place, name in enumerate(names)],
        _deal_scenes(rng_for(settings, 7), names),
    )
    ranks = rng.sample(range(settings.tracks), settings.tracks)
    for track_id, rank in zip(_ids(rng, settings.tracks), ranks, strict=True):
        add_track(rng, world, track_id, rank, created=-_long_ago(rng))
        if rank >= settings.tracks - int(settings.tracks * UNHEARD_SHARE):
            # Not zero: the weights of a small genre must not add up to nothing.
            world.appeal[track_id] = _UNHEARD_APPEAL
    rng = rng_for(settings, 2)
    genres = world.genres()
    for user_id in _ids(rng, settings.users):
        add_user(rng, world, user_id, genres, created=-_long_ago(rng))
    return world


def new_id(rng: random.Random, world: World) -> int:
    """An id that no track or user ever had."""
    while (fresh := rng.randint(_LOWEST_ID, HIGHEST_ID)) in world.used_ids:
        pass
    return fresh


def add_track(rng: random.Random, world: World, track_id: int, rank: int, *, created: int) -> None:
    """Append a track by one of the artists, in the artist's genre; the lower its rank, the more it is played."""
    artist, genre = rng.choice(world.artists)
    seconds = rng.randint(95, 420)
    world.tracks.append(
        {
            "id": track_id,
            "name": vocabulary.title(rng),
            "artist": artist,
            "songwriters": " ".join(vocabulary.person(rng)),
            "duration": f"{seconds // 60:02d}:{seconds % 60:02d}",
            "genres": genre,
            "album": vocabulary.title(rng),
            "created_at": stamp(created),
            "updated_at": stamp(_later(rng, created)),
        }
    )
    # Zipf's law, flattened at the top so that no single track drowns the rest.
    world.appeal[track_id] = 1 / (rank + 20)
    world.used_ids.add(track_id)


def add_user(rng: random.Random, world: World, user_id: int, genres: list[str], *, created: int) -> None:
    """Append a user who prefers one to three of `genres`, and follows one to three scenes."""
    first_name, last_name = vocabulary.person(rng)
    user = {
        "id": user_id,
        "first_name": first_name,
        "last_name": last_name,
        "email": vocabulary.email(rng, user_id),
        "gender": rng.choice(vocabulary.GENDERS),
        "favorite_genres": "",
        "created_at": stamp(created),
        "updated_at": stamp(_later(rng, created)),
    }
    choose_favourites(rng, user, genres)
    scenes = range(min(SCENES, len(world.artists)))
    world.scenes[user_id] = rng.sample(scenes, min(rng.randint(1, 3), len(scenes)))
    world.users.append(user)
    eagerness = rng.random()
    world.activity[user_id] = 0.1 + 2 * eagerness * eagerness
    world.used_ids.add(user_id)


def choose_favourites(rng: random.Random, user: Row, genres: list[str]) -> None:
    """Give the user one to three new favourite genres."""
    user["favorite_genres"] = ",".join(rng.sample(genres, min(rng.randint(1, 3), len(genres))))


def _deal_scenes(rng: random.Random, artists: list[str]) -> dict[str, int]:
    # Dealt in an order of chance: the artists come genre by genre, and a scene is across genres.
    shuffled = rng.sample(artists, len(artists))
    return {artist: place % SCENES for place, artist in enumerate(shuffled)}


def _ids(rng: random.Random, count: int) -> list[int]:
    return rng.sample(range(_LOWEST_ID, HIGHEST_ID + 1), count)


def _long_ago(rng: random.Random) -> int:
    # Before the first session, so that nobody listens before they signed up.
    return HISTORY_DAYS * DAY + int(rng.random() * _YEARS_OF_CATALOG * DAY) + DAY


def _later(rng: random.Random, created: int) -> int:
    # Rows made after day 0 are stamped within the hour; older ones at any time before day 0 ends.
    span = -created if created < 0 else HOUR
    return created + 1 + int(rng.random() * (span - 1))
