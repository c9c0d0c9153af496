"""Listening sessions, drawn so that a recommender has something to find.

Part of the plays repeat earlier ones (`demo.habits`), the others are by taste (`demo.tastes`). No column tells a habit or a
scene: they show in who plays what, and when, alone.
"""

import random
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from math import comb

from demo.clock import DAY, SECOND, stamp
from demo.tastes import Tastes
from demo.world import Row, World

_LONGEST_SESSION = 20
_AGAIN = 0.4
"""Share of plays that repeat an earlier one, in all sessions of a user but the first."""

_REPEATS = [
    list(accumulate(comb(length, n) * _AGAIN**n * (1 - _AGAIN) ** (length - n) for n in range(length + 1)))
    for length in range(_LONGEST_SESSION + 1)
]
"""By length of the session, the probability of at most so many repeats: the binomial distribution."""


def draw_sessions(rng: random.Random, world: World, moments: Sequence[int]) -> list[Row]:
    """One session of 1 to 20 tracks at each moment (distinct, rising); none where there is no user or no track.

    A session's repeats come before its other plays. These are drawn user by user in bulk, then dealt out to the sessions: a
    draw for each play would be too slow.
    """
    if not world.users or not world.tracks:
        return []
    ids = list(world.activity)
    owners = rng.choices(ids, cum_weights=list(accumulate(world.activity.values())), k=len(moments))
    lengths = rng.choices(range(1, _LONGEST_SESSION + 1), k=len(moments))
    repeats = _repeats(rng, world, owners, lengths)
    needed: Counter[int] = Counter()
    for owner, length, again in zip(owners, lengths, repeats, strict=True):
        needed[owner] += length - again
    tastes = Tastes(world)
    users = {user["id"]: user for user in world.users if user["id"] in needed}
    by_taste = {user_id: tastes.plays(rng, user, needed[user_id]) for user_id, user in users.items()}
    live = {track["id"] for track in world.tracks}
    rows = []
    for owner, length, again, moment in zip(owners, lengths, repeats, moments, strict=True):
        habit = world.habits[owner]
        items = [track_id for track_id in habit.draw(rng, again) if track_id in live] if again else []
        removed = again - len(items)
        items += islice(by_taste[owner], length - again)
        if removed:
            items += tastes.plays(rng, users[owner], removed)
        habit.remember(items, moment)
        rows.append(session(owner, items, moment))
    return rows


def session(user_id: int, items: list[int], moment: int) -> Row:
    """A row of listen_history; it was last updated when its last track ended."""
    return {
        "user_id": user_id,
        "items": items,
        "created_at": stamp(moment),
        "updated_at": stamp(moment + len(items) * 210 * SECOND + moment % SECOND),
    }


def next_plays(world: World, day: int) -> Iterator[tuple[int, list[float]]]:
    """User by user, the probability of each track to be the user's next play after `day` ends.

    No recommender can rank better, so a test can say how much of what there is to find a model has found.

    Args:
        world: The world at the end of `day`, or of a later day: what was played after `day` is then left out. Users, tracks
            and favourite genres are those of the world.
        day: Days after day 0; -7 is a week before it.

    Yields:
        The user's id, and the probabilities in the order of `world.tracks`. Their sum is 1.
    """
    tastes = Tastes(world)
    places = {track["id"]: place for place, track in enumerate(world.tracks)}
    for user in world.users:
        habit = world.habits.get(user["id"])
        repeats = {
            places[track_id]: _AGAIN * share
            for track_id, share in (habit.shares(day * DAY) if habit else {}).items()
            if track_id in places
        }
        # A repeat of a track that was removed is a play by taste.
        rest = 1 - sum(repeats.values())
        row = [rest * share for share in tastes.shares(user)]
        for place, share in repeats.items():
            row[place] += share
        yield user["id"], row


def _repeats(rng: random.Random, world: World, owners: list[int], lengths: list[int]) -> list[int]:
    """How many plays of each session repeat earlier ones: none in a user's first session."""
    known = set(world.habits)
    repeats = []
    for owner, length in zip(owners, lengths, strict=True):
        repeats.append(bisect(_REPEATS[length], rng.random(), hi=length) if owner in known else 0)
        known.add(owner)
    return repeats
