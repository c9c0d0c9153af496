"""Any source that moves, in pages or walked, any faults, a kill: a copy that is called proved is what the source held, or
counting could not have told.

What is merged as `ended` or `unproved` is called no more than that, and what failed is not merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lib.lake.states import COUNTED, ENDED, REREAD, SWEPT, UNPROVED
from lib.landing import land, landing, merging, sweep
from tests.moving_copies import Copies, Landings, by_number
from tests.moving_server import (
    Another,
    Ends,
    Fails,
    Fault,
    Manners,
    MovingServer,
    MovingTable,
    Row,
    Short,
    Without,
    rows_of,
)
from tests.spark.served_table import Killed

SIZE = 3
PLACES = ("wave landed", "read again", "sweep landed", "parsed", "merged")
STYLES: dict[str, dict[str, Any]] = {
    "page": {},
    "cursor": {"style": "cursor"},
    "next_url": {"style": "next_url"},
    "link_header": {"style": "link_header"},
    "keyset": {"style": "keyset", "by": "id", "more": "has_more"},
}


@dataclass(frozen=True)
class Move:
    """A change of the rows after the k-th request. Positions are taken modulo the number of rows; numbers are new ones."""

    k: int
    kind: str
    position: int
    number: int

    def __call__(self, rows: list[Row]) -> None:
        at = self.position % (len(rows) + 1)
        new = rows_of([self.number])
        if self.kind == "insert":
            rows[at:at] = new
        elif self.kind == "append":
            rows += new
        elif rows:
            at %= len(rows)
            if self.kind == "change":
                rows[at] = {**rows[at], "name": f"changed to {self.number}"}
            elif self.kind == "swap":
                rows[at], rows[-1] = rows[-1], rows[at]
            else:
                del rows[at]
                if self.kind == "delete one, append one":
                    rows += new


@dataclass(frozen=True)
class Story:
    """What happens to one source while it is copied. Each page has one fault at most, once."""

    n_rows: int
    level: str
    manners: Manners
    moves: tuple[Move, ...]
    faults: tuple[tuple[int, Fault], ...]
    killed_at: str | None

    @property
    def pagination(self) -> dict[str, Any]:
        """As a source YAML has it."""
        total = {} if self.manners.total == "always" else {"total": "null"}
        return {**STYLES[self.manners.style], **total, "size": SIZE}

    @property
    def is_told(self) -> bool:
        """Whether each look at an end shows it: the rows rest, and no page is another one than it should be."""
        return not self.moves and all(isinstance(fault, Ends | Fails) for _, fault in self.faults)


KINDS = ("insert", "append", "delete", "change", "swap", "delete one, append one")
moves = st.builds(Move, st.integers(1, 14), st.sampled_from(KINDS), st.integers(0, 12), st.just(0))
faults = st.tuples(
    st.integers(1, 5), st.one_of(st.builds(Short), st.builds(Another, st.integers(1, 5)), st.builds(Fails))
)


of_walks = st.tuples(
    st.integers(1, 5),
    st.one_of(
        st.builds(Ends), st.builds(Without), st.builds(Short), st.builds(Another, st.integers(1, 5)), st.builds(Fails)
    ),
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    drawn = draw(st.lists(moves, max_size=4))
    style: Any = draw(st.sampled_from(tuple(STYLES)))
    manners = Manners(
        style=style,
        total=draw(st.sampled_from(("always", "absent"))),
        pages="right" if style == "page" else "absent",
        numbered=draw(st.booleans()),
        past_the_end=draw(st.sampled_from((200, 404))) if style == "page" else 200,
    )
    found = draw(st.lists(faults if style == "page" else of_walks, max_size=2, unique_by=lambda one: one[0]))
    return Story(
        n_rows=draw(st.integers(0, 14)),
        level=draw(st.sampled_from((COUNTED, REREAD, SWEPT))),
        manners=manners,
        moves=tuple(Move(move.k, move.kind, move.position, 100 + n) for n, move in enumerate(drawn)),
        faults=tuple(found),
        killed_at=draw(st.sampled_from((None, None, *PLACES))),
    )


def counts_could_not_tell(table: MovingTable) -> bool:
    """Whether the rows moved in the last walk so that every page of it told the same total, and the first one did not change.

    Of a walk by cursors, whose pages have no fixed place, only whether rows moved at all.
    """
    if table.manners.style != "page":
        return len(table.states) > 1
    pages = [page for page, _ in table.log]
    begins = [n for n in range(len(pages) - 1) if pages[n : n + 2] == [1, 2]]
    if not begins:
        return False  # one page is given from one moment
    walk = table.log[begins[-1] :]
    first, last = walk[0][1], max(state for page, state in walk if page == 1)
    landed = dict(reversed([given for given in walk if given[0] != 1]))
    latest = {**dict(walk), 1: first}
    totals = {len(table.states[state]) for state in (first, last, *latest.values())}
    moved = len({first, last, *landed.values(), *latest.values()}) > 1
    return moved and len(totals) == 1 and table.states[first][:SIZE] == table.states[last][:SIZE]


def once_killed(copies: Copies, place: str | None) -> str | None:
    """A run that is killed at this place, if it comes there; its id, or None where it did not start."""
    if place is None:
        return None

    def reached(name: str) -> None:
        if name == place:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(land, "reached", reached)
        patch.setattr(landing, "reached", reached)
        patch.setattr(merging, "reached", reached)
        patch.setattr(sweep, "reached", reached)
        try:
            run = copies.run()
        except Killed:
            return "run-1"
    # It ended before it came there.
    return run.run_id


STORIES = settings(derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@settings(STORIES, max_examples=3)
@given(story=stories())
def test_a_few_stories_end_so_too(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    with MovingServer({}) as server:
        ends_well(Copies(spark, tmp_path_factory.mktemp("story"), server), story)


@settings(STORIES, max_examples=15)
@given(story=stories())
def test_stories_up_to_landed_pages_end_so_too(tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    with pytest.MonkeyPatch.context() as patch, MovingServer({}) as server:
        ends_well(Landings.without_spark(tmp_path_factory.mktemp("story"), server, patch), story)


@pytest.mark.thorough
@settings(STORIES, max_examples=12)
@given(story=stories())
def test_what_is_merged_is_what_the_source_held_or_counting_could_not_tell_or_nothing_is_merged(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, story: Story
) -> None:
    with MovingServer({}) as server:
        ends_well(Copies(spark, tmp_path_factory.mktemp("story"), server), story)


@pytest.mark.thorough
@settings(STORIES, max_examples=100)
@given(story=stories())
def test_many_stories_up_to_landed_pages_end_so_too(tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    with pytest.MonkeyPatch.context() as patch, MovingServer({}) as server:
        ends_well(Landings.without_spark(tmp_path_factory.mktemp("story"), server, patch), story)


def ends_well(copies: Copies, story: Story) -> None:
    table = MovingTable(rows_of(range(1, story.n_rows + 1)), story.manners)
    for move in story.moves:
        table.after(move.k, move)
    for page, fault in story.faults:
        table.once(page, fault)
    copies.server.tables = {"things": table}
    copies.prove, copies.pagination, copies.limits = story.level, story.pagination, {"attempts": 2}
    killed = once_killed(copies, story.killed_at)
    before = copies.version()
    run = copies.run(resume=killed)
    record = run.tables["things"]
    if record.state == "failed":
        event("failed")
        assert copies.version() == before
        return
    assert max(copies.landed().values()) == 1
    event(f"{story.manners.style}, {story.level}: {record.proof}")
    held, states = copies.silver(), [by_number(state) for state in table.states]
    if record.proof == UNPROVED:
        assert record.unproved_because
    elif record.proof == ENDED:
        assert (story.level, story.manners.total) == (COUNTED, "absent")
        assert held in states or not story.is_told
    elif record.proof == SWEPT:
        # Of the contents it knows no more than that each row was there.
        assert {row["id"] for row in held} in [{row["id"] for row in state} for state in states]
    else:
        assert record.proof == story.level
        assert held in states or (story.level == COUNTED and counts_could_not_tell(table))
