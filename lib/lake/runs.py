"""`ops/runs`: what each run was to do, what it did, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from lib.config import check_run_id
from lib.errors import ConfigError, LakeError
from lib.lake import records, storage
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.lake.states import PROVED, RUN_MOVES, TABLE_MOVES, RunState, Step, TableState, missing_after, moved

RUNNING, MERGED, PUBLISHED, CHECKS_FAILED, FAILED = RunState
ALL = "all"

TABLE_RECORD = pa.struct(
    {
        "table": pa.string(),
        "state": pa.string(),
        "error": pa.string(),
        "proof": pa.string(),
        "pages": pa.int64(),
        "rounds": pa.int64(),
        "rows_total": pa.int64(),
        "rows_landed": pa.int64(),
        "rows_rejected": pa.int64(),
        "rows_duplicate": pa.int64(),
        "rows_differed": pa.int64(),
        "keys": pa.int64(),
        "rows_inserted": pa.int64(),
        "rows_updated": pa.int64(),
        "rows_deleted": pa.int64(),
        "path": pa.string(),
        "version": pa.int64(),
        "rows_resolved": pa.int64(),
        "new_columns": pa.list_(pa.string()),
        "as_of": pa.timestamp("us", tz="UTC"),
        "rows_missing": pa.list_(pa.struct({"column": pa.string(), "rows": pa.int64()})),
        "newest_at": pa.timestamp("us", tz="UTC"),
        "orphans": pa.list_(pa.struct({"reference": pa.string(), "pointers": pa.int64(), "keys": pa.int64()})),
        "fetched_by": pa.int64(),
        "made_from": pa.list_(pa.struct({"table": pa.string(), "version": pa.int64()})),
        "unproved_because": pa.string(),
        "pages_skipped": pa.int64(),
        "parents_missing": pa.int64(),
        "since": pa.string(),
        "until": pa.string(),
        "source_at": pa.timestamp("us", tz="UTC"),
        "is_backfill": pa.bool_(),
        "sweep": pa.string(),
        "rows_swept": pa.int64(),
    }
)
SCHEMA = pa.schema(
    {
        "run_id": pa.string(),
        "source": pa.string(),
        "state": pa.string(),
        "message": pa.string(),
        "exit_status": pa.int32(),
        "started_at": pa.timestamp("us", tz="UTC"),
        "ended_at": pa.timestamp("us", tz="UTC"),
        "settings_hash": pa.string(),
        "settings": pa.string(),
        "plan": pa.string(),
        "tables": pa.list_(TABLE_RECORD),
        "replay_of": pa.string(),
        "number": pa.int64(),
        "done": pa.string(),
    }
)


@dataclass
class TableRun:
    """What a run did to one table. `state` is changed by `to` alone.

    `rows_missing` are {column, rows} for the declared columns that are null in a row as it arrived, good or bad, with how many.
    `newest_at` is the newest time in the column `newest_by` of the rows taken, unless that is personal. `orphans` are {reference,
    pointers, keys}: how many of the checked version are orphaned, and how many distinct keys these name.
    `as_of` is the start of the run that fetched the pages, and `fetched_by` its number: those of the run itself unless it is a
    replay; set once it may merge. `made_from` are {table, version}: what a derived table was made from.
    `unproved_because` says what keeps a copy from being proved complete, as far as that is known. `pages_skipped` are those that
    rules of `errors` skipped, whose rows nobody knows; None for none. `parents_missing` are the rows of another table for
    which the source has no list any more; None for none.
    `since` and `until` are the values of the incremental column from which on and up to which rows were asked for, None for no
    bound: all rows where both are. `is_backfill`: the operator chose them. `source_at` is the time of the source itself when the
    table was planned, None where it does not tell.
    `sweep` says of an increment that the whole list is walked for its keys, too: `due`, or how that walk was proved; `unproved`
    where no row may be deleted by it. `rows_swept` are the rows that it met.
    """

    table: str
    state: str = TableState.PLANNED
    error: str | None = None
    proof: str | None = None
    pages: int | None = None
    rounds: int | None = None
    rows_total: int | None = None
    rows_landed: int | None = None
    rows_rejected: int | None = None
    rows_duplicate: int | None = None
    rows_differed: int | None = None
    keys: int | None = None
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_deleted: int | None = None
    path: str | None = None
    version: int | None = None
    rows_resolved: int | None = None
    new_columns: list[str] | None = None
    as_of: datetime | None = None
    rows_missing: list[dict[str, Any]] | None = None
    newest_at: datetime | None = None
    orphans: list[dict[str, Any]] | None = None
    fetched_by: int | None = None
    made_from: list[dict[str, Any]] | None = None
    unproved_because: str | None = None
    pages_skipped: int | None = None
    parents_missing: int | None = None
    since: str | None = None
    until: str | None = None
    source_at: datetime | None = None
    is_backfill: bool | None = None
    sweep: str | None = None
    rows_swept: int | None = None

    @property
    def is_increment(self) -> bool:
        """Whether not all rows were asked for."""
        return self.since is not None or self.until is not None

    @property
    def asked(self) -> str:
        """What was asked for: `all`, `increment` or `backfill`."""
        if not self.is_increment:
            return "all"
        return "backfill" if self.is_backfill else "increment"

    @property
    def asked_for(self) -> str:
        """The same in words, with its bounds."""
        bounds = [f"since {self.since}"] * (self.since is not None) + [f"until {self.until}"] * (self.until is not None)
        swept = ["and the keys of all rows"] * (self.sweep is not None)
        return " ".join([self.asked, *bounds, *swept]) if self.is_increment else "all rows"

    @property
    def shows_all(self) -> bool:
        """Whether a row that the copy does not have is one that the source does not have: it is of all rows, and proved."""
        return self.proof in PROVED and not self.is_increment

    @property
    def is_swept(self) -> bool:
        """Whether a row that neither the copy nor its sweep has is one that the source does not have."""
        return self.sweep in PROVED

    def to(self, state: TableState) -> None:
        """Change the state.

        Raises:
            LakeError: that state cannot follow.
        """
        self.state = moved(TABLE_MOVES, f"table {self.table} of the run", TableState(self.state), state)


@dataclass
class Run:
    """One run. Its record is written when it starts and again whenever its state changes, which `to` alone does.

    `number` is its place in the order of runs, given by the lake at its start; no time says which run came later. `done` is the
    last step that it has ended. `replay_of` is the run whose landed pages it merges again, or ALL; None for a run that fetches its
    own.
    """

    run_id: str
    source: str
    started_at: datetime
    settings_hash: str
    settings: str
    plan: str | None = None
    state: str = RunState.RUNNING
    message: str | None = None
    exit_status: int | None = None
    ended_at: datetime | None = None
    tables: dict[str, TableRun] = field(default_factory=dict)
    replay_of: str | None = None
    number: int = 0
    done: str | None = None

    def to(self, state: RunState) -> None:
        """Change the state.

        Raises:
            LakeError: that state cannot follow, or the run did not come to the end of deriving and is to be merged.
        """
        if state is RunState.MERGED and self.missing_step is not None:
            message = f"run {self.run_id} has not ended its step {self.missing_step}, so it is not merged; go on with --resume"
            raise LakeError(message)
        self.state = moved(RUN_MOVES, f"run {self.run_id}", RunState(self.state), state)

    def ended(self, step: Step) -> None:
        """Note that a step has come to its end, and all before it."""
        self.done = step

    def end_step(self, step: Step, layout: Layout) -> None:
        """Record that a step has come to its end."""
        self.ended(step)
        self.save(layout)

    @property
    def missing_step(self) -> Step | None:
        """The step that the run has to end next before it can be checked; None where there is none."""
        return missing_after(Step(self.done) if self.done else None)

    def again(self) -> None:
        """Begin once more, for a run that is resumed: nothing counts as done."""
        self.to(RunState.RUNNING)
        self.done = self.ended_at = self.exit_status = self.message = None

    def put_back(self, before: Run) -> None:
        """End as it had ended before something was tried that came to nothing."""
        self.state = before.state
        self.ended_at, self.exit_status, self.message = before.ended_at, before.exit_status, before.message

    @property
    def failed(self) -> dict[str, str]:
        """The tables that failed, with the reason."""
        return {name: table.error for name, table in self.tables.items() if table.error is not None}

    @property
    def reasons(self) -> list[str]:
        """The same as lines that each begin with the table."""
        return [error if error.startswith(name) else f"{name}: {error}" for name, error in self.failed.items()]

    def fail(self, table: str, error: str) -> None:
        """Record that a table failed. It takes no other with it."""
        self.tables[table].to(TableState.FAILED)
        self.tables[table].error = error

    def save(self, layout: Layout) -> None:
        """Write the record, in place of the run's earlier one."""
        record = {name: getattr(self, name) for name in SCHEMA.names if name != "tables"}
        record["tables"] = [vars(table) for table in self.tables.values()]
        # A MERGE would read the rows of all runs; this looks into the files alone that may have this one.
        records.replace(layout.runs, SCHEMA, [record], f"run_id = '{check_run_id(self.run_id)}'")


def new_run(run_id: str, source: str, settings_hash: str, settings: dict[str, Any], now: datetime) -> Run:
    """A run that has just started."""
    return Run(run_id, source, now, settings_hash, json.dumps(settings, sort_keys=True))


def begin(layout: Layout, run: Run) -> None:
    """Record a run from its start on. A new one gets its number: the next one of the lake. Only under the lake's lock.

    Raises:
        ConfigError: another process has begun a run of that id since the command line was looked at.
    """
    if not run.number:
        if run.run_id in {known.run_id for known in all_runs(layout)}:
            message = f"--run-id {run.run_id}: this lake has a run of that name; choose another one, or --resume it"
            raise ConfigError(message)
        run.number = records.last_number(layout.runs) + 1
    run.save(layout)


def all_runs(layout: Layout) -> list[Run]:
    """Every run of the lake, in the order of their numbers."""
    return _in_order(records.read(layout.runs))


def last_runs(layout: Layout, last: int) -> list[Run]:
    """The last runs, in the order of their numbers. It takes no longer in a lake of many runs."""
    return _in_order(records.newest(layout.runs, ("number", "started_at"), last))


def without_end(layout: Layout) -> list[Run]:
    """The runs that have no end, in their order: those that were killed, and the one that is at work."""
    if not storage.is_table(layout.runs):
        return []
    return _in_order(records.query(layout.runs, "runs", "SELECT * FROM runs WHERE ended_at IS NULL"))


def _in_order(found: list[dict[str, Any]]) -> list[Run]:
    runs = []
    for record in found:
        tables = {table["table"]: TableRun(**table) for table in record.pop("tables") or []}
        runs.append(Run(**record, tables=tables))
    return sorted(runs, key=lambda run: (run.number, run.started_at, run.run_id))


def increments_of(layout: Layout, publication: Publication) -> dict[str, str]:
    """What the run of a publication asked for, of the tables that it did not ask for all rows."""
    which = f"WHERE run_id = {records.text(publication.run_id)}"
    found = _in_order(records.query(layout.runs, "records", f"SELECT * FROM records {which}"))
    return {name: table.asked_for for run in found for name, table in run.tables.items() if table.is_increment}


def asked_by_run(layout: Layout, last: int) -> dict[str, dict[str, str]]:
    """What each of the last runs asked for, by run id and table, where that was not all."""
    return {
        run.run_id: {name: table.asked for name, table in run.tables.items() if table.is_increment}
        for run in last_runs(layout, last)
    }


def run_of(layout: Layout, publication: Publication) -> Run:
    """The run whose tables are published."""
    [run] = [known for known in all_runs(layout) if known.run_id == publication.run_id]
    return run


def proofs_of(layout: Layout, publication: Publication) -> dict[str, str | None]:
    """How the tables that the run of a publication copied are proved."""
    which = f"WHERE run_id = {records.text(publication.run_id)}"
    found = records.query(layout.runs, "records", f"SELECT tables FROM records {which}")
    return {table["table"]: table["proof"] for one in found for table in one["tables"] or []}


def record_recommend(layout: Layout, run: Run, block: Any) -> None:
    """Let the record of a run say what its lists of recommendations are: readers know by it which of their columns are personal."""
    run.settings = json.dumps({**json.loads(run.settings), "recommend": block}, sort_keys=True)
    run.save(layout)


def last_ends(layout: Layout, *, but_of: str | None = None) -> list[tuple[str, int | None, datetime]]:
    """State, exit status and latest end of the runs that have ended, one for each such pair; the run `but_of` does not count."""
    if not storage.is_table(layout.runs):
        return []
    others = "" if but_of is None else f"AND run_id <> '{check_run_id(but_of)}'"
    sql = (
        f"SELECT state, exit_status, max(ended_at) AS ended_at FROM runs WHERE ended_at IS NOT NULL {others} "
        "GROUP BY state, exit_status"
    )
    return [(end["state"], end["exit_status"], end["ended_at"]) for end in records.query(layout.runs, "runs", sql)]


def first_start(layout: Layout) -> datetime | None:
    """When the first run of the lake started, None before that."""
    if not storage.is_table(layout.runs):
        return None
    [first] = records.query(layout.runs, "runs", "SELECT min(started_at) AS at FROM runs")
    at: datetime | None = first["at"]
    return at


def merged_later(known: list[Run], table: str, number: int) -> list[TableRun]:
    """What runs of a later number have merged into the table, or runs that merged their pages again; in the order of the pages."""
    records = [record for run in known for name, record in run.tables.items() if name == table]
    # One without an error was merged, or killed on its way there: the lake may hold its rows.
    later = [
        (record.fetched_by, record)
        for record in records
        if record.fetched_by and record.error is None and record.fetched_by > number
    ]
    return [record for _, record in sorted(later, key=lambda pair: pair[0])]


def merged_by(earlier: list[Run], run: Run, table: str) -> str:
    """The id of the run that merged the version of the table which `run` holds: itself, or for a kept table an earlier one."""
    version = run.tables[table].version
    for known in reversed(earlier):
        record = known.tables.get(table)
        if record is not None and record.state == TableState.MERGED and record.version == version:
            return known.run_id
    return run.run_id
