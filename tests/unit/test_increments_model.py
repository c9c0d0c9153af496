"""A week of runs of an incremental table whose rows change, appear and are deleted during each of them.

A model in Python, which knows nothing of watermarks, says after each run what must be in the table: a row that was at rest since
the run began is there as the source has it, whatever runs failed, were killed, filled in later or rolled back before; one that the
source does not have any more is deleted by a full run, and by an increment with a sweep, and stays as it was by any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from lib.errors import ChecksFailedError, SourceError
from lib.lake import publications
from lib.lake.runs import Run
from lib.lake.states import RunState
from lib.landing.increments import WHAT_IS_DUE, Wanted
from tests import suite_parts
from tests.changing_source import Changing, ChangingServer, Row, iso
from tests.increments import INCREMENTAL, Increments, rolled_back

IDS = range(1, 13)
POINTS = ("planned", "wave landed", "keys swept", "all merged")


@dataclass(frozen=True)
class Change:
    """A row is put or dropped; one that comes late is dated before now, by no more than the overlap."""

    what: str
    number: int


@dataclass(frozen=True)
class Day:
    """What happens before a run and, behind its k-th request, during it; how it is run, and what becomes of it."""

    before: tuple[Change, ...]
    during: tuple[tuple[int, Change], ...]
    how: str
    fate: str


def _changes(*kinds: str) -> st.SearchStrategy[Change]:
    return st.builds(Change, st.sampled_from(kinds), st.sampled_from(IDS))


# Of one kind in each run: that a row goes and another comes is what counting alone cannot see.
_during = st.one_of(
    *(
        st.lists(st.tuples(st.integers(1, 12), _changes(kind)), max_size=2, unique_by=lambda one: one[0]).map(tuple)
        for kind in ("put", "drop")
    )
)
DAYS = st.builds(
    Day,
    st.lists(_changes("put", "put", "drop", "late"), max_size=4).map(tuple),
    _during,
    st.sampled_from(["due", "due", "due", "full", "backfill"]),
    st.sampled_from(["published", "published", "published", "fails", "rolled back", "left", *POINTS]),
)


@dataclass
class World:
    """The source, the lake, and every content that each row ever had."""

    increments: Increments
    states: dict[int, list[Row]] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)

    @property
    def source(self) -> Changing:
        return self.increments.source

    def change(self, change: Change) -> None:
        self.touched.add(change.number)
        if change.what == "drop":
            self.dropped.add(change.number)
            self.source.drop(change.number)
            return
        at = self.source.now - timedelta(minutes=50 if change.what == "late" else 0)
        known = self.states.setdefault(change.number, [])
        if change.what == "late" and change.number in self.source.rows:
            return  # what comes late is a row that was not there
        self.source.put(change.number, f"content {len(known)}", at)
        known.append(self.source.rows[change.number])

    def during(self, change: Change) -> Callable[[], None]:
        def happens() -> None:
            self.source.later(minutes=1)
            self.change(change)

        return happens

    def filled(self, now: datetime) -> tuple[datetime, datetime]:
        """The time that a backfill asks for: a day, or all since its beginning where the source takes no end."""
        since = now - timedelta(days=2)
        return since, since + timedelta(days=1 if "until_param" in self.increments.settings else 10_000)

    def run(self, day: Day) -> Run | None:
        """The run of a day; None where it did not come to its end."""
        self.source.asked.clear()
        self.source.after = {number: self.during(change) for number, change in day.during}
        since, until = (iso(at) for at in self.filled(self.source.now))
        has_until = "until_param" in self.increments.settings
        wanted = {
            "due": WHAT_IS_DUE,
            "full": Wanted(is_full=True),
            "backfill": Wanted(since=since, until=until if has_until else None),
        }[day.how]
        try:
            if day.fate in (*POINTS, "left"):
                point = "wave landed" if day.fate == "left" else day.fate
                run = self.increments.run(wanted=wanted, dies_at=point)
                if run.state == RunState.PUBLISHED:
                    return run  # nothing was new, so there was nothing to kill
                if day.fate == "left":
                    return None
                self.source.asked.clear()
                self.source.later(hours=1)
                return self.increments.run(resume=run.run_id)
            return self.increments.run(wanted=wanted, passes=day.fate != "fails")
        except (ChecksFailedError, SourceError):
            return None


def check(world: World, run: Run, before: dict[int, Any], bounds: tuple[datetime, datetime]) -> None:
    """Hold what is in silver against the source, for the rows that were at rest since the run began."""
    record, rows = run.tables["changes"], world.increments.rows()
    for number in IDS:
        there, known = world.source.rows.get(number), rows.get(number)
        if number in before and there is not None and number not in world.dropped:
            assert known is not None, f"row {number} is deleted, and was there all the time"
        if number in world.touched:
            assert known is None or known in world.states[number]
        elif record.is_backfill and there is not None:
            at = datetime.fromisoformat(there["at"])
            assert known == (there if bounds[0] <= at <= bounds[1] else before.get(number))
        elif there is not None:
            assert known == there, f"row {number} was missed"
        elif record.is_increment and not record.is_swept:
            assert known == before.get(number), f"row {number} was deleted by an increment"
        else:
            assert known is None, f"row {number} is deleted at the source"


def lived_through(
    days: list[Day], incremental: dict[str, Any], note: Callable[[str], None] = str, *, silent: bool
) -> None:
    """Live through these days, and check after each published run; a week ends with a run that nothing stops."""
    source = Changing(silent=silent)
    with tempfile.TemporaryDirectory() as folder, ChangingServer(source) as server:
        world = World(Increments(Path(folder), server, dict(incremental)))
        for number in IDS[:6]:
            world.change(Change("put", number))
        for day in (*days, Day((), (), "due", "published")):
            world.increments.days(1)
            for change in day.before:
                world.change(change)
            source.later(minutes=55)
            world.touched.clear()
            world.dropped.clear()
            before, start = world.increments.rows(), source.now
            run = world.run(day)
            if run is None or run.state != RunState.PUBLISHED:
                continue
            record = run.tables["changes"]
            note(f"{day.how}, {day.fate}: {record.asked}, {record.state}, sweep {record.sweep}")
            check(world, run, before, world.filled(start))
            layout = world.increments.job().layout
            if day.fate == "rolled back" and len(publications.all_publications(layout)) > 1:
                rolled_back(world.increments)


SETTINGS = (
    INCREMENTAL,
    {"param": "since", "column": "at", "full_every": "P3D"},
    {**INCREMENTAL, "sweep": "P1D"},
    {"param": "since", "column": "at", "sweep": "P2D", "full_every": "P5D"},
)


@pytest.mark.parametrize("settings_", SETTINGS)
@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.thorough
# To shrink a week takes minutes, and says little more than the week itself.
@settings(max_examples=suite_parts.examples(5), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(days=st.lists(DAYS, min_size=3, max_size=7))
def test_a_week_of_runs_misses_no_row(days: list[Day], settings_: dict[str, Any], *, silent: bool) -> None:
    lived_through(days, settings_, event, silent=silent)


@pytest.mark.parametrize("settings_", [INCREMENTAL, {**INCREMENTAL, "sweep": "P1D"}])
def test_one_week_that_has_it_all(settings_: dict[str, Any]) -> None:
    put, drop, late = (lambda number, what=what: Change(what, number) for what in ("put", "drop", "late"))
    lived_through(
        [
            Day((put(7),), ((2, put(8)),), "due", "published"),
            Day((put(1), drop(2)), ((3, put(7)),), "due", "fails"),
            Day((late(9),), ((2, drop(3)),), "due", "wave landed"),
            Day((put(4),), (), "backfill", "published"),
            Day((put(2), drop(5)), ((4, put(10)),), "due", "rolled back"),
            Day((late(11),), ((1, put(6)),), "due", "left"),
            Day((), ((2, drop(1)),), "full", "all merged"),
        ],
        settings_,
        silent=False,
    )
