"""How a run ended, in one word for metrics, alerts, the report and `status`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# So many tables that failed are named, where there is a page or a record that has all.
_MOST_REASONS = 5


class Outcome(StrEnum):
    """How a run ended. Only `PUBLISHED` and `MERGED` are what was asked for; `MERGED` was not checked yet, by choice."""

    PUBLISHED = "published"
    MERGED = "merged, not published"
    CHECKS_FAILED = "checks failed"
    COULD_NOT_CHECK = "could not check"
    SOURCE_FAILED = "source failed"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"
    RUNNING = "running"

    @property
    def is_good(self) -> bool:
        """Whether the run did what it was asked to."""
        return self in (Outcome.PUBLISHED, Outcome.MERGED)


@dataclass(frozen=True)
class RunSummary:
    """One run for people. `message` is what the job said of its end, without any value of the data; None for nothing.

    `docs_id` is the folder of its last check's docs below `site/runs`, None where there are none. `number` is the run's place
    in the order of runs. `reasons` are the tables that failed in it and why, a line each.
    """

    run_id: str
    source: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    exit_status: int | None
    message: str | None
    docs_id: str | None = None
    number: int = field(default=0, compare=False)
    reasons: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The first line of the message; empty for none."""
        return (self.message or "").partition("\n")[0].rstrip(":")

    @property
    def first_reasons(self) -> tuple[str, ...]:
        """The first of the reasons, and how many more there are."""
        more = len(self.reasons) - _MOST_REASONS
        return (*self.reasons[:_MOST_REASONS], *[f"and {more:,} more"] * (more > 0))


def outcome_of(state: str, exit_status: int | None, *, ended: bool) -> Outcome:
    """The outcome by what `ops/runs` says: the run's state, its exit status (None for a run that was killed)."""
    if not ended:
        return Outcome.RUNNING
    if exit_status is None:
        return Outcome.KILLED
    if state == "published":
        return Outcome.PUBLISHED
    by_status = {0: Outcome.MERGED, 3: Outcome.CHECKS_FAILED, 4: Outcome.SOURCE_FAILED, 130: Outcome.STOPPED}
    by_status[143] = Outcome.STOPPED
    if state == "checks_failed" and exit_status == 1:
        return Outcome.COULD_NOT_CHECK
    return by_status.get(exit_status, Outcome.FAILED)
