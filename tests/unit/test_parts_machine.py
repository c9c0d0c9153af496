"""Lists that change, fail and go while they are read, and runs that are killed: each list lands as it was at some moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.lake.runs import Run
from lib.landing import landing as landing_room
from lib.landing import parts
from tests.lists_server import ListsServer, Query, Row
from tests.spark.served_table import Killed
from tests.unit.test_landing_parts import ORDERS, USERS, Shop, rows, shop

PLACES = ("wave landed", "parts landed")


@dataclass(frozen=True)
class Story:
    """Lists of so many rows, one a user; at the k-th request for a list something happens to the list of a user.

    `grows`: what happens to rows is that one comes at the end; otherwise the first one goes. `fails` are requests that get a 503,
    `gone` is the user whose list is there no more from such a request on. The run is killed where it comes to `killed` first.
    """

    lists: tuple[int, ...]
    by_cursor: bool
    grows: bool
    changes: tuple[tuple[int, int], ...]
    fails: tuple[int, ...]
    gone: tuple[int, int] | None
    killed: str | None


def stories() -> st.SearchStrategy[Story]:
    k, user = st.integers(1, 20), st.integers(0, 3)
    return st.builds(
        Story,
        lists=st.lists(st.integers(0, 8), min_size=1, max_size=4).map(tuple),
        by_cursor=st.booleans(),
        grows=st.booleans(),
        changes=st.lists(st.tuples(k, user), max_size=4).map(tuple),
        fails=st.lists(k, max_size=3, unique=True).map(tuple),
        gone=st.none() | st.tuples(k, user),
        killed=st.none() | st.sampled_from(PLACES),
    )


class Played:
    """The lists of a story as they are served, until they rest. `states` are the ids of each list at every moment; None is gone."""

    def __init__(self, story: Story) -> None:
        self.story, self.n_asked, self.rests = story, 0, False
        self.now: dict[int, list[int] | None] = {
            user: list(range(user * 100, user * 100 + n)) for user, n in enumerate(story.lists)
        }
        self.states: dict[int, list[list[int] | None]] = {user: [ids] for user, ids in self.now.items()}

    def __call__(self, path: str, _: Query) -> list[Row] | int:
        if path == "/users":
            return rows(*self.now)
        self.n_asked += not self.rests
        ids = self.now[int(path.split("/")[2])]
        if self.rests:
            return 404 if ids is None else rows(*ids)
        given = 503 if self.n_asked in self.story.fails else 404 if ids is None else rows(*ids)
        for k, user in self.story.changes:
            if k == self.n_asked:
                self._change(user % len(self.now))
        if self.story.gone is not None and self.story.gone[0] == self.n_asked:
            self._becomes(self.story.gone[1] % len(self.now), None)
        return given

    def _change(self, user: int) -> None:
        ids = self.now[user]
        if ids is not None:
            self._becomes(user, [*ids, user * 100 + 50 + self.n_asked] if self.story.grows else ids[1:])

    def _becomes(self, user: int, ids: list[int] | None) -> None:
        self.now[user] = ids
        self.states[user].append(ids)


def landed(one: Shop, user: int) -> Counter[int]:
    """The ids of a user's list that would be merged, each as often as it came."""
    return Counter(number for number in one.ids("orders") if number // 100 == user)


def ends_well(folder: Path, story: Story) -> None:
    played = Played(story)
    api = {"pagination.style": "cursor", "pagination.total": "null"} if story.by_cursor else {}
    with shop(folder, ListsServer(played, cursor=story.by_cursor), USERS, ORDERS, **api) as one:
        one.tables = one.tables.replace("path: /users,", "path: /users, pagination: {style: none, total: null},")
        run = first_run(one, story)
        if run is None or run.tables["orders"].error is not None:
            run = one.run(resume="run-1")
        if run.tables["orders"].error is None:
            for user, states in played.states.items():
                assert landed(one, user) in [Counter(ids or []) for ids in states]
        if None in played.now.values() and all(ids is None for ids in played.now.values()):
            return  # of a source that has none of the lists nothing is taken
        played.rests = True
        assert_as_it_is(one, played, one.run())


def assert_as_it_is(one: Shop, played: Played, run: Run) -> None:
    """A run of a source at rest lands every list as it is."""
    assert run.tables["orders"].error is None
    assert run.tables["orders"].parents_missing == (sum(ids is None for ids in played.now.values()) or None)
    for user, ids in played.now.items():
        assert landed(one, user) == Counter(ids or [])


def first_run(one: Shop, story: Story) -> Run | None:
    """The first run; None where it was killed."""

    def reached(name: str) -> None:
        if name == story.killed:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing_room, "reached", reached)
        patch.setattr(parts, "reached", reached)
        try:
            return one.run()
        except Killed:
            return None


STORIES = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@settings(STORIES, max_examples=5)
@given(story=stories())
def test_a_few_stories_end_well(tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    ends_well(tmp_path_factory.mktemp("story"), story)


@pytest.mark.thorough
@settings(STORIES, max_examples=100)
@given(story=stories())
def test_many_stories_end_well(tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    ends_well(tmp_path_factory.mktemp("story"), story)
