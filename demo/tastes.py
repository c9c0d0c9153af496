"""Listening sessions drawn from the tastes of their users, so that a recommender has something to find."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

from demo.clock import SECOND, stamp
from demo.world import Row, World

_LONGEST_SESSION = 20
_FROM_GENRES = 0.55
_FROM_ARTISTS = 0.30
_FROM_ANYWHERE = 0.15

_Pool = tuple[list[int], list[float]]
"""Track ids, and their cumulated appeal."""


def draw_sessions(rng: random.Random, world: World, moments: Sequence[int]) -> list[Row]:
    """One session of 1 to 20 tracks at each moment (distinct, rising); none where there is no user or no track.

    Plays are drawn user by user in bulk, then dealt out to the sessions: a draw for each play would be too slow.
    """
    if not world.users or not world.tracks:
        return []
    ids = list(world.activity)
    owners = rng.choices(ids, cum_weights=list(accumulate(world.activity.values())), k=len(moments))
    lengths = rng.choices(range(1, _LONGEST_SESSION + 1), k=len(moments))
    needed: Counter[int] = Counter()
    for owner, length in zip(owners, lengths, strict=True):
        needed[owner] += length
    pools = _Pools(world)
    plays = {
        user["id"]: pools.plays(rng, user["favorite_genres"].split(","), world.liked[user["id"]], needed[user["id"]])
        for user in world.users
        if user["id"] in needed
    }
    return [
        session(owner, list(islice(plays[owner], length)), moment)
        for owner, length, moment in zip(owners, lengths, moments, strict=True)
    ]


def session(user_id: int, items: list[int], moment: int) -> Row:
    """A row of listen_history; it was last updated when its last track ended."""
    return {
        "user_id": user_id,
        "items": items,
        "created_at": stamp(moment),
        "updated_at": stamp(moment + len(items) * 210 * SECOND + moment % SECOND),
    }


class _Pools:
    """Where plays come from: all tracks, those of a genre, those of an artist."""

    def __init__(self, world: World) -> None:
        groups: dict[tuple[str, str], list[int]] = {}
        for track in world.tracks:
            for group in (("genre", track["genres"]), ("artist", track["artist"]), ("all", "")):
                groups.setdefault(group, []).append(track["id"])
        self._pools: dict[tuple[str, str], _Pool] = {
            group: (ids, list(accumulate(world.appeal[track_id] for track_id in ids))) for group, ids in groups.items()
        }

    def plays(self, rng: random.Random, genres: list[str], artists: list[str], count: int) -> Iterator[int]:
        """`count` track ids, about 85% of them by taste, in mixed order."""
        pools, weights = [self._pools["all", ""]], [_FROM_ANYWHERE]
        for share, kind, names in ((_FROM_GENRES, "genre", genres), (_FROM_ARTISTS, "artist", artists)):
            found = [self._pools[kind, name] for name in names if (kind, name) in self._pools]
            pools += found
            weights += [share / len(found)] * len(found)
        kinds = rng.choices(range(len(pools)), weights, k=count)
        draws = [
            iter(rng.choices(ids, cum_weights=appeal, k=kinds.count(kind))) for kind, (ids, appeal) in enumerate(pools)
        ]
        return (next(draws[kind]) for kind in kinds)
