"""What listeners play when they repeat nothing: tracks of the scenes they follow, of their favourite genres, and others."""

import random
from collections.abc import Iterator
from itertools import accumulate

from demo.world import Row, World

_FROM_SCENES = 0.82
_FROM_GENRES = 0.13
_FROM_ANYWHERE = 0.05

_Group = tuple[str, str | int]
_Pool = tuple[list[int], list[float]]
"""Places in `World.tracks`, and the cumulated appeal of the tracks there."""


class Tastes:
    """Where plays by taste come from, for the tracks of a world as they are now: all, those of a genre, those of a scene."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = [track["id"] for track in world.tracks]
        groups: dict[_Group, list[int]] = {("all", ""): list(range(len(self._ids)))} if self._ids else {}
        for place, track in enumerate(world.tracks):
            groups.setdefault(("genre", track["genres"]), []).append(place)
            groups.setdefault(("scene", world.scene_of[track["artist"]]), []).append(place)
        appeal = [world.appeal[track_id] for track_id in self._ids]
        self._pools: dict[_Group, _Pool] = {
            group: (places, list(accumulate(appeal[place] for place in places))) for group, places in groups.items()
        }

    def plays(self, rng: random.Random, user: Row, count: int) -> Iterator[int]:
        """`count` track ids, from the pools of the user in mixed order."""
        weights = self._weights(user)
        kinds = rng.choices(range(len(weights)), list(weights.values()), k=count)
        draws = []
        for kind, group in enumerate(weights):
            places, appeal = self._pools[group]
            draws.append(iter(rng.choices(places, cum_weights=appeal, k=kinds.count(kind))))
        return (self._ids[next(draws[kind])] for kind in kinds)

    def shares(self, user: Row) -> list[float]:
        """The probability of each track in `plays`, in the order of `World.tracks`."""
        shares = [0.0] * len(self._ids)
        for group, weight in self._weights(user).items():
            places, appeal = self._pools[group]
            scale = weight / appeal[-1]
            before = 0.0
            for place, cumulated in zip(places, appeal, strict=True):
                shares[place] += scale * (cumulated - before)
                before = cumulated
        return shares

    def _weights(self, user: Row) -> dict[_Group, float]:
        """The probability that a play comes from a group of tracks; groups without a track are left out."""
        weights: dict[_Group, float] = {}
        everything: list[_Group] = [("all", "")]
        genres: list[_Group] = [("genre", name) for name in user["favorite_genres"].split(",")]
        scenes: list[_Group] = [("scene", number) for number in self._world.scenes[user["id"]]]
        for share, groups in ((_FROM_ANYWHERE, everything), (_FROM_GENRES, genres), (_FROM_SCENES, scenes)):
            found = [group for group in groups if group in self._pools]
            weights |= {group: share / len(found) for group in found}
        total = sum(weights.values())
        return {group: weight / total for group, weight in weights.items()}
