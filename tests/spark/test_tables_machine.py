"""Any runs, late ones, replays and kills: the tables hold what a model in plain Python holds, and a rebuild gives it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lib.lake.runs import Run
from lib.landing import land, landing, merging
from tests.moving_server import Row
from tests.spark.served_table import Killed, Served, day, serving

PLACES = ("wave landed", "parsed", "rejected", "merged")
IDS = st.integers(1, 5)
AT = st.one_of(st.none(), st.dates(day(0).date(), day(9).date()).map(str))


@dataclass(frozen=True)
class Start:
    """A run of a source that has these rows. One that is killed goes on at once, after the next start, or never."""

    rows: tuple[Row, ...]
    killed_at: str | None
    goes_on: str


@dataclass(frozen=True)
class Replay:
    """The landed pages of one of the runs so far, again."""

    pick: int


@dataclass
class Held:
    """One row of the model: its content, and the day on which it was deleted."""

    content: tuple[Any, ...]
    gone: int | None = None

    @property
    def at(self) -> str | None:
        return self.content[1]


@dataclass
class Model:
    """Silver as a dict by key, and the open rows of the quarantine as (day, key) by place."""

    held: dict[int, Held] = field(default_factory=dict)
    quarantine: dict[tuple[int, int], int | None] = field(default_factory=dict)
    is_open: set[tuple[int, int]] = field(default_factory=set)
    newest: int = 0
    recorded: int = 0

    def reject(self, number: int, rows: tuple[Row, ...]) -> None:
        """Put the bad rows that run `number` landed into quarantine."""
        for n, row in enumerate(rows):
            if is_bad(row) and (number, n) not in self.quarantine:
                self.quarantine[number, n] = key_of(row)
                self.is_open.add((number, n))

    def merge(
        self, number: int, rows: tuple[Row, ...], *, is_killed: bool = False, allow_deletes: bool = False
    ) -> bool:
        """Merge what run `number` landed, unless an empty answer stops it. One that is killed then has no time to record it."""
        self.reject(number, rows)
        is_late = self.newest > number
        if not (is_late or rows or allow_deletes) and any(held.gone is None for held in self.held.values()):
            return False
        good = newest_of(rows)
        seen = {*good, *(key_of(row) for row in rows if is_bad(row))}
        for key, content in good.items():
            self._take(key, content, number, is_late=is_late)
        if not is_late and None not in seen:
            for key in self.held.keys() - seen:
                if self.held[key].gone is None:
                    self.held[key].gone = number
        self.newest = max(self.newest, number)
        if not is_killed:
            self.recorded = max(self.recorded, number)
            # All earlier rows that are open are found here, or known to be gone.
            self.is_open = {place for place in self.is_open if place[0] >= number}
        return True

    def _take(self, key: int, content: tuple[Any, ...], number: int, *, is_late: bool) -> None:
        if key not in self.held:
            still_there = any(self.quarantine[place] == key for place in self.is_open if place[0] > number)
            self.held[key] = Held(content, self.recorded if self.recorded > number and not still_there else None)
            return
        held = self.held[key]
        if is_late:
            if held.at is not None and content[1] is not None and content[1] > held.at:
                held.content = content
        elif held.gone is not None or content[1] is None or held.at is None or content[1] >= held.at:
            self.held[key] = Held(content)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return [(key, *held.content, held.gone) for key, held in sorted(self.held.items())]


def is_bad(row: Row) -> bool:
    return row["id"] == "?" or row["size"] == "?"


def key_of(row: Row) -> int | None:
    return None if row["id"] == "?" else int(row["id"])


def newest_of(rows: tuple[Row, ...]) -> dict[int, tuple[Any, ...]]:
    """The content of the newest good row of each key; one without a date is the oldest."""
    found: dict[int, tuple[Any, ...]] = {}
    for row in rows:
        content = (row["name"], row["at"], row["size"])
        if not is_bad(row) and (row["id"] not in found or (row["at"] or "") > (found[row["id"]][1] or "")):
            found[row["id"]] = content
    return found


def distinct_times(rows: list[Row]) -> tuple[Row, ...]:
    """Of rows with one key and one date only the first, so that the newest is known without a look at a hash."""
    return tuple({(row["id"], row["at"], is_bad(row)): row for row in reversed(rows)}.values())


good_rows = st.fixed_dictionaries(
    {"id": IDS, "name": st.sampled_from("ab"), "at": AT, "size": st.sampled_from((None, 1, 2))}
)
bad_rows = st.fixed_dictionaries(
    {"id": st.one_of(IDS, IDS, st.just("?")), "name": st.just("x"), "at": AT, "size": st.just("?")}
)
starts = st.builds(
    Start,
    st.lists(st.one_of(good_rows, good_rows, good_rows, bad_rows), max_size=7).map(distinct_times),
    st.sampled_from((None, None, None, *PLACES)),
    st.sampled_from(("at once", "late", "late", "never")),
)
stories = st.lists(st.one_of(starts, starts, st.builds(Replay, st.integers(0, 9))), min_size=2, max_size=5)


def start(things: Served, rows: tuple[Row, ...], killed_at: str | None) -> bool:
    """One run; whether it was killed at this place. What it had not recorded by then is lost."""

    def reached(name: str) -> None:
        if name == killed_at:
            patch.setattr(Run, "save", lambda *_: None)
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(land, "reached", reached)
        patch.setattr(landing, "reached", reached)
        patch.setattr(merging, "reached", reached)
        try:
            things.run(*rows)
        except Killed:
            return True
    return False


STORIES = settings(derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@settings(STORIES, max_examples=2)
@given(story=stories)
def test_so_do_the_tables_of_a_few_stories(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, story: list[Start | Replay]
) -> None:
    holds_what_the_model_holds(spark, tmp_path_factory, story)


@pytest.mark.thorough
@settings(STORIES, max_examples=6)
@given(story=stories)
def test_the_tables_hold_what_the_model_holds_and_a_rebuild_gives_it_again(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, story: list[Start | Replay]
) -> None:
    holds_what_the_model_holds(spark, tmp_path_factory, story)


def holds_what_the_model_holds(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, story: list[Start | Replay]
) -> None:
    with serving() as server:
        columns = {"id": "bigint!", "name": "string", "at": "date", "size": "int"}
        rules = {"deletes": "soft", "max_delete_fraction": 1.0, "max_rejected_fraction": 1.0, "newest_by": "at"}
        rules |= {"on_missing_column": "'null'"}
        things = Served(spark, tmp_path_factory.mktemp("story"), server, columns, rules)
        model, landed, waiting = Model(), dict[int, tuple[Row, ...]](), dict[int, tuple[Row, ...]]()
        merged: set[int] = set()

        def finish(number: int, rows: tuple[Row, ...]) -> None:
            landed[number] = rows
            if model.merge(number, rows):
                merged.add(number)

        def go_on(runs: dict[int, tuple[Row, ...]]) -> None:
            for number, rows in sorted(runs.items()):
                event("goes on late" if number < model.newest else "goes on")
                things.run(*rows, resume=f"run-{number}")
                finish(number, rows)

        for act in story:
            if isinstance(act, Replay):
                if landed:
                    number = sorted(landed)[act.pick % len(landed)]
                    event("replay of an older run" if number < model.newest else "replay of the newest run")
                    things.replay(f"run-{number}")
                    finish(number, landed[number])
                    check(things, model)
                continue
            before = dict(waiting)
            waiting.clear()
            is_killed = start(things, act.rows, act.killed_at)
            number = things.n_runs
            if is_killed:
                event(f"killed: {act.killed_at}")
                if act.killed_at != "wave landed":
                    landed[number] = act.rows
                    # From here on the lake may hold its rows, for all that a later start can tell.
                    model.newest = max(model.newest, number)
                if act.killed_at == "rejected":
                    model.reject(number, act.rows)
                if act.killed_at == "merged":
                    model.merge(number, act.rows, is_killed=True)
                if act.goes_on == "at once":
                    go_on({number: act.rows})
                elif act.goes_on == "late":
                    waiting[number] = act.rows
            else:
                finish(number, act.rows)
            check(things, model)
            go_on(before)
        go_on(waiting)
        check(things, model)
        if landed and model.held:
            things.replay("all")
            anew = Model()
            for number, rows in sorted(landed.items()):
                anew.merge(number, rows, allow_deletes=number in merged)
            check(things, anew)


def check(things: Served, model: Model) -> None:
    if not model.held:
        return
    found = things.silver("id, name, CAST(at AS VARCHAR) AS at, size, _deleted_at")
    assert [(*row[:4], None if row[4] is None else (row[4] - day(0)).days) for row in found] == model.rows
    if model.quarantine:
        held = things.quarantine("run_id, page, position, resolved_by")
        assert {
            (int(run[4:]), (page - 1) * 3 + position) for run, page, position, by in held if by is None
        } == model.is_open
