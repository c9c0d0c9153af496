"""The world day by day: day N is day N-1 and what happened since, so two days can be compared by hand."""

import random
from typing import TypedDict

from demo import vocabulary
from demo.blemishes import blemish, orphans, play_the_nameless
from demo.clock import DAY, HISTORY_DAYS, HOUR, SECOND, listening_moments, stamp
from demo.listening import draw_sessions
from demo.settings import DemoSettings
from demo.world import Row, World, add_track, add_user, choose_favourites, new_id, populate, rng_for

_NEW_SESSIONS_SHARE = 0.01
_CHANGED_USERS_SHARE = 0.005


class Changes(TypedDict):
    """What one day changed against the day before; every list is empty on day 0."""

    new_sessions: list[tuple[int, str]]
    """Keys (user_id, created_at), in served order."""
    changed_users: list[int]
    removed_tracks: list[int]
    new_tracks: list[int]
    new_users: list[int]


def grow(settings: DemoSettings) -> tuple[World, Changes]:
    """The world as it is on `settings.day`, and what that day changed."""
    world = populate(settings)
    if settings.blemishes:
        blemish(world)
    _listen(rng_for(settings, 3), world, settings.sessions, days=HISTORY_DAYS, until_day=0)
    play_the_nameless(world)
    world.sessions = orphans(world) + world.sessions
    changes: Changes = {
        "new_sessions": [], "changed_users": [], "removed_tracks": [], "new_tracks": [], "new_users": [],
    }  # fmt: skip
    for day in range(1, settings.day + 1):
        changes = _live_through(world, day)
    return world, changes


def late_sessions(world: World) -> list[Row]:
    """The `moving_total` fault: sessions that begin one a second from the end of the day on."""
    settings = world.settings
    start = max(settings.day * DAY, world.heard_until + 1)
    moments = [start + place * SECOND for place in range(settings.faults.moving_total)]
    return draw_sessions(rng_for(settings, 5, settings.day), world, moments)


def _live_through(world: World, day: int) -> Changes:
    settings = world.settings
    rng = rng_for(settings, 6, day)
    before = len(world.sessions)
    # Listening comes first: what is removed today was heard once more, and what is new today nobody has heard yet.
    if settings.sessions:
        _listen(rng, world, max(1, round(settings.sessions * _NEW_SESSIONS_SHARE)), days=1, until_day=day)
    changed = _change_users(rng, world, day)
    removed, new_tracks = _replace_a_track(rng, world, day)
    new_users = []
    if world.users:
        user_id = new_id(rng, world)
        add_user(rng, world, user_id, world.genres(), created=_during(rng, day))
        new_users.append(user_id)
    return {
        "new_sessions": [(row["user_id"], row["created_at"]) for row in world.sessions[before:]],
        "changed_users": changed,
        "removed_tracks": removed,
        "new_tracks": new_tracks,
        "new_users": new_users,
    }


def _listen(rng: random.Random, world: World, count: int, *, days: int, until_day: int) -> None:
    moments = listening_moments(rng, count, days=days, until_day=until_day, after=world.heard_until)
    if moments:
        world.heard_until = moments[-1]
    world.sessions += draw_sessions(rng, world, moments)


def _change_users(rng: random.Random, world: World, day: int) -> list[int]:
    places = [place for place, user in enumerate(world.users) if user["id"] not in world.fixed]
    wanted = max(1, round(world.settings.users * _CHANGED_USERS_SHARE))
    chosen = sorted(rng.sample(places, min(wanted, len(places))))
    genres = world.genres()
    for place in chosen:
        user = world.users[place]
        before = (user["email"], user["favorite_genres"])
        while (user["email"], user["favorite_genres"]) == before:
            if rng.random() < 0.5:
                user["email"] = vocabulary.email(rng, user["id"])
            else:
                choose_favourites(rng, user, genres)
        user["updated_at"] = stamp(_during(rng, day))
    return [world.users[place]["id"] for place in chosen]


def _replace_a_track(rng: random.Random, world: World, day: int) -> tuple[list[int], list[int]]:
    """One track leaves and another comes, so that the number of tracks stays; a track that came today stays today.

    As long as there is one, a track leaves that nobody ever played: a lake that begins on a later day has no sessions then
    that point at a track which left before.
    """
    places = [place for place, track in enumerate(world.tracks) if track["id"] not in world.fixed]
    if not places:
        return [], []
    heard = {track_id for session in world.sessions for track_id in session["items"]}
    places = [place for place in places if world.tracks[place]["id"] not in heard] or places
    removed = world.tracks.pop(rng.choice(places))["id"]
    track_id = new_id(rng, world)
    add_track(rng, world, track_id, rng.randrange(len(world.tracks) + 1), created=_during(rng, day))
    return [removed], [track_id]


def _during(rng: random.Random, day: int) -> int:
    # Not in the day's last hour: a new row is updated up to an hour after it was created.
    return (day - 1) * DAY + int(rng.random() * 23 * HOUR)
