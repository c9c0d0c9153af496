"""What became of each of the rows that have one key, in words. No value of a row is among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lib.config import Table
from lib.lake import runs
from lib.lake.change import TAKEN, Age, Change, change
from lib.lake.quarantine import Place
from lib.lake.runs import Run

STATES: dict[str, str] = {
    runs.RUNNING: "not finished",
    runs.MERGED: "merged, not published",
    runs.CHECKS_FAILED: "checks failed, not published",
}
LATE = "a run that started later had been merged before"


@dataclass(frozen=True)
class Occurrence:
    """A row with the key on a page. `rank` 1 is the newest of its run; `newest` is its value of newest_by."""

    run_id: str
    page: int
    position: int
    problems: Sequence[str]
    row_hash: str
    rank: int
    newest: Any
    part: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for people: rows are counted from 1."""
        page = f"page {self.page}, row {self.position + 1}"
        return page if self.part is None else f"{self.part}, {page}"


@dataclass(frozen=True)
class Held:
    """What the lake held of the key after a run."""

    row_hash: str
    newest: Any
    is_deleted: bool = False


def tell(
    table: Table,
    known: Sequence[Run],
    hits: Sequence[Occurrence],
    quarantined: Mapping[Place, str],
    merged_by: str | None,
    swept: Collection[str] = (),
) -> Iterator[str]:
    """A line for each row with the key, in the order in which runs were merged, and one for a run that had it no more.

    `known` are the runs, oldest first; `quarantined` has the reasons of rejected rows by their place; `merged_by`
    is the run that silver names, if silver has the row. `swept` are the runs whose sweep met the key.
    """
    held: Held | None = None
    is_missing = False
    late = _merged_late(table, known)
    for run in sorted(known, key=lambda run: late.get(run.run_id, known.index(run))):
        is_late = run.run_id in late
        record = run.tables.get(table.name)
        if record is None or run.replay_of is not None:
            continue
        is_merged = record.state == "merged" or run.run_id == merged_by
        own = sorted(
            (hit for hit in hits if hit.run_id == run.run_id), key=lambda hit: (hit.part or "", hit.page, hit.position)
        )
        if own:
            is_missing = False
            why = [_rejected(hit, quarantined.get((hit.run_id, hit.part, hit.page, hit.position))) for hit in own]
            first = _first([hit for hit, rejected in zip(own, why, strict=True) if rejected is None])
            what = _change(table, first, held, is_late=is_late) if first is not None and held is not None else None
            for hit, rejected in zip(own, why, strict=True):
                if rejected is not None:
                    word = rejected
                elif first is not None and hit is not first:
                    word = _beaten(table, hit, first)
                elif is_merged:
                    word = "taken" if what is None or held is None else _in_words(table, what, held, is_late=is_late)
                else:
                    word = _not_merged(table, record)
                yield f"{named(run)}: {hit.place}: {word}"
            if is_merged and first is not None and (what is None or what in TAKEN):
                held = Held(first.row_hash, first.newest, is_deleted=held is not None and is_late and held.is_deleted)
        elif is_merged and held is not None and not held.is_deleted:
            # A run with deleted rows found all that the source has, and this key was not among it.
            if record.rows_deleted and run.run_id not in swept:
                held = replace(held, is_deleted=True)
                yield f"{named(run)}: on no page: marked as deleted"
            elif not is_missing:
                is_missing = True
                of_sweep = "the sweep of this run met its key" if run.run_id in swept else None
                why_kept = LATE if is_late else of_sweep or _why_kept(table, record)
                yield f"{named(run)}: on no page: kept ({why_kept})"


def _merged_late(table: Table, known: Sequence[Run]) -> dict[str, float]:
    """The place, just behind the last of these, of each run that was merged after runs that started later, as a resumed one may be.

    By the version of the table that each run left: one that wrote nothing left that of the run before it.
    """
    places: dict[str, float] = {}
    records = [None if run.replay_of is not None else run.tables.get(table.name) for run in known]
    merged = [(at, one, one.version) for at, one in enumerate(records) if one is not None and one.version is not None]
    for place, record, version in merged:
        if record.state != "merged":
            continue
        before = [
            later
            for later, other, left in merged
            if later > place and other.state == "merged" and (left < version or (left == version and _wrote(other)))
        ]
        if before:
            places[known[place].run_id] = before[-1] + 0.5
    return places


def _wrote(record: runs.TableRun) -> bool:
    return bool(record.rows_inserted or record.rows_updated or record.rows_deleted)


def named(run: Run) -> str:
    """A run with its time and how it ended."""
    return f"run {run.run_id} ({minute(run.started_at)}, {STATES.get(run.state, run.state)})"


def minute(at: datetime) -> str:
    """A time for people."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _rejected(hit: Occurrence, reason: str | None) -> str | None:
    """Why the row was rejected; None for a good one. What quarantine says counts more than how the row is read today."""
    if reason is not None:
        return f"rejected: {reason}"
    if hit.problems:
        problems = ", ".join(hit.problems)
        return f"rejected: {problems} (not in quarantine/rows: the run did not get that far, or had other settings)"
    return None


def _first(good: Sequence[Occurrence]) -> Occurrence | None:
    """Of good rows in their order the one that the merge was given: the newest, or the first that is identical with it."""
    if not good:
        return None
    newest = min(good, key=lambda hit: hit.rank)
    return next(hit for hit in good if hit.row_hash == newest.row_hash)


def _change(table: Table, hit: Occurrence, held: Held, *, is_late: bool) -> Change:
    """What the merge took the row for."""
    age = Age.SAME
    if table.newest_by is not None and None not in (hit.newest, held.newest):
        age = Age((hit.newest > held.newest) - (hit.newest < held.newest))
    return change(differs=hit.row_hash != held.row_hash, age=age, is_deleted=held.is_deleted, is_late=is_late)


def _in_words(table: Table, what: Change, held: Held, *, is_late: bool) -> str:
    if what is Change.OLDER:
        return f"not taken: the lake held a row whose {table.newest_by} is newer"
    if what is Change.CHANGED and held.is_deleted and is_late:
        return "taken: its content had changed; it stays deleted"
    return {
        Change.NONE: "taken: nothing had changed",
        Change.CHANGED: "taken: its content had changed",
        Change.RETURNED: "taken: it was deleted, and is back",
        Change.LATE: f"not taken: {LATE}",
    }[what]


def _not_merged(table: Table, record: runs.TableRun) -> str:
    if record.state == "failed":
        return f"not merged: {table.name} failed in this run ({(record.error or '').partition(chr(10))[0]})"
    return "not merged: the run did not get that far"


def _beaten(table: Table, hit: Occurrence, first: Occurrence) -> str:
    if hit.row_hash == first.row_hash:
        return f"duplicate of {first.place}: identical"
    if table.newest_by is None:
        return f"replaced by {first.place}: the table has no newest_by, and the content decides"
    if hit.newest == first.newest:
        return f"replaced by {first.place}, whose {table.newest_by} is the same: the content decides"
    if hit.newest is None:
        return f"replaced by {first.place}, which has {table.newest_by}"
    return f"replaced by {first.place}, whose {table.newest_by} is newer"


def _why_kept(table: Table, record: runs.TableRun) -> str:
    if record.is_increment:
        return f"this run did not ask for all rows: {record.asked_for}"
    if table.deletes == "ignore":
        return "the table has deletes: ignore"
    return "this run did not look for deleted rows: it was not proved complete, or rows without a readable key were rejected"
