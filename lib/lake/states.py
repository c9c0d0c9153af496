"""The states of a run and of what it does to a table, the steps of a run, and which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from lib.errors import LakeError


class RunState(StrEnum):
    """How far a run is, or how it ended. `MERGED` is reached at the end of deriving only; nothing else can be checked."""

    RUNNING = "running"
    MERGED = "merged"
    PUBLISHED = "published"
    CHECKS_FAILED = "checks_failed"
    FAILED = "failed"


class TableState(StrEnum):
    """What a run did to a table. `BUILT` is for derived tables, `KEPT` for those that stay as they are published."""

    PLANNED = "planned"
    LANDED = "landed"
    MERGED = "merged"
    FAILED = "failed"
    BUILT = "built"
    KEPT = "kept"


# How the copy of a table was proved complete, or why not: `lib/landing/prove.py` says what each means.
COUNTED, REREAD, SWEPT = "counted", "reread", "swept"
ENDED, UNPROVED, INCOMPLETE = "ended", "unproved", "incomplete"
# A sweep of the keys that is still to come.
DUE = "due"
# Only of these may a row that is not there be taken for one that was deleted. Not of `ended`: a walk comes to its end though rows
# moved past it on the way.
PROVED = (COUNTED, REREAD, SWEPT)


class Step(StrEnum):
    """The steps that a run has to end before it can be checked, in their order."""

    PLAN = "plan"
    LAND = "land"
    PROVE = "prove"
    PARSE = "parse"
    MERGE = "merge"
    DERIVE = "derive"


S = TypeVar("S", bound=StrEnum)

RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    # Running once more: it was killed, so that nobody wrote its end, and is resumed.
    RunState.RUNNING: frozenset({RunState.RUNNING, RunState.MERGED, RunState.FAILED}),
    RunState.MERGED: frozenset({RunState.RUNNING, RunState.PUBLISHED, RunState.CHECKS_FAILED, RunState.FAILED}),
    # Checked once more; or, unless it is published, resumed.
    RunState.PUBLISHED: frozenset({RunState.PUBLISHED, RunState.CHECKS_FAILED}),
    RunState.CHECKS_FAILED: frozenset({RunState.RUNNING, RunState.PUBLISHED, RunState.CHECKS_FAILED, RunState.FAILED}),
    # Resumed; or, if it came to the end of deriving before, to be checked.
    RunState.FAILED: frozenset({RunState.RUNNING, RunState.MERGED}),
}
TABLE_MOVES: Mapping[TableState, frozenset[TableState]] = {
    TableState.PLANNED: frozenset({TableState.LANDED, TableState.KEPT, TableState.FAILED}),
    # Landed once more: its pages were in doubt, and were read again.
    TableState.LANDED: frozenset({TableState.LANDED, TableState.MERGED, TableState.FAILED}),
    TableState.MERGED: frozenset(),
    TableState.FAILED: frozenset({TableState.FAILED}),
    TableState.BUILT: frozenset(),
    TableState.KEPT: frozenset(),
}


def moved(moves: Mapping[S, frozenset[S]], what: str, before: S, after: S) -> S:
    """The state after, if it may follow the one before.

    Raises:
        LakeError: it may not. `what` names the run or the table.
    """
    if after not in moves[before]:
        message = (
            f"{what} is '{before}', which cannot become '{after}'; look at its record in ops/runs, and start a new run"
        )
        raise LakeError(message)
    return after


def missing_after(done: Step | None) -> Step | None:
    """The first step that a run which ended `done` has not; None where it ended them all."""
    steps = list(Step)
    following = steps[steps.index(done) + 1 :] if done is not None else steps
    return following[0] if following else None
