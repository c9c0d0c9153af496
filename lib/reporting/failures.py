"""What `failures` says: the rows that failed a check, from `ops/failures`, without Spark."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lib.config import MASK
from lib.config.suggest import did_you_mean
from lib.console import number_of, say, show_table
from lib.errors import ConfigError
from lib.lake import records, runs, storage
from lib.lake.checks import ROLLED_BACK, Check, all_checks
from lib.lake.layout import Layout
from lib.lake.lock import run_at_work
from lib.lake.named import unknown_run
from lib.lake.runs import Run
from lib.logs import printable
from lib.observe.outcome import Outcome, outcome_of

# So many rows of an expectation are printed for people; programs get all of them.
MOST_ROWS = 100
_ROW = ("key", "pointer", "key_hash", "note")


@dataclass(frozen=True)
class FailedRows:
    """The rows that failed a check, in the order of expectations and keys: as many records as `ops/failures` has of it.

    `newer` is the newest run of the lake and how it ended, where that run was not checked and no check was asked for by name.
    """

    check: Check
    rows: tuple[dict[str, Any], ...]
    newer: tuple[str, Outcome] | None = None


def failed_rows(layout: Layout, run: str | None, expectation: str | None) -> FailedRows:
    """The rows that failed in a check: the one of that name, which is its run's for the first check of a run, or the last one.

    Raises:
        ConfigError: there is no such check, or that expectation did not fail in it.
    """
    checks = [one for one in all_checks(layout) if one.outcome != ROLLED_BACK]
    found = next((one for one in checks if run in (None, one.docs_id)), None)
    if found is None:
        if run is not None:
            if (known := _run_named(layout, run)) is not None:
                how = _how(_outcome(layout, known))
                message = f"--run {run}: that run was not checked: {how}; ./spark-submit.sh status says how the last runs ended"
                raise ConfigError(message)
            names = [one.docs_id for one in reversed(checks)]
            raise unknown_run(layout, "--run", run, names, which="checked run")
        message = f"{layout.root}: no run was checked yet; run ./spark-submit.sh full-ingest first"
        raise ConfigError(message)
    rows = _rows(layout, found.docs_id)
    if expectation is not None:
        failed = list(dict.fromkeys(row["expectation"] for row in rows))
        if expectation not in failed:
            hint = did_you_mean(expectation, failed) or (f"; those that did are {', '.join(failed)}" if failed else "")
            message = f"--expectation {expectation}: none of that name failed in check {found.docs_id}{hint}"
            raise ConfigError(message)
        rows = [row for row in rows if row["expectation"] == expectation]
    return FailedRows(found, tuple(rows), None if run is not None else _newer(layout, checks))


def _run_named(layout: Layout, run_id: str) -> Run | None:
    return next((one for one in runs.all_runs(layout) if one.run_id == run_id), None)


def _newer(layout: Layout, checks: Sequence[Check]) -> tuple[str, Outcome] | None:
    newest = next(iter(runs.last_runs(layout, 1)), None)
    if newest is None or newest.run_id in {check.run_id for check in checks}:
        return None
    return newest.run_id, _outcome(layout, newest)


def _outcome(layout: Layout, run: Run) -> Outcome:
    is_at_work = run.ended_at is None and run_at_work(layout) == run.run_id
    return outcome_of(run.state, run.exit_status, ended=not is_at_work)


def _how(outcome: Outcome) -> str:
    return "it is still running" if outcome is Outcome.RUNNING else f"it ended as '{outcome}'"


def _rows(layout: Layout, docs_id: str) -> list[dict[str, Any]]:
    if not storage.is_table(layout.failures):
        return []
    sql = f"SELECT * FROM failures WHERE docs_id = {records.text(docs_id)}"
    # A lake that was written by an earlier version may lack these columns.
    found = [{"pointer": None, "rule": None, **row} for row in records.query(layout.failures, "failures", sql)]
    return sorted(found, key=_place)


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    """Where a row is listed: by table, expectation and key, numbers by their size; without a key, behind the others."""
    key = json.loads(row["key"] or "{}")
    # Numbers before texts, as the two have no order.
    parts = [(0, value, "") if isinstance(value, int | float) else (1, 0, str(value)) for value in key.values()]
    return row["table"], row["expectation"], row["key"] is None, parts, row["pointer"] or "", row["key_hash"] or ""


def as_json(found: FailedRows) -> str:
    """The same for programs: one object, whose keys are in docs/troubleshooting.md."""
    rows = [
        {
            "table": row["table"],
            "version": row["version"],
            "expectation": row["expectation"],
            "severity": row["severity"],
            "rule": row["rule"],
            "key": None if row["key"] is None else json.loads(row["key"]),
            **{name: row[name] for name in _ROW[1:]},
        }
        for row in found.rows
    ]
    check = found.check
    content = {
        "run_id": check.run_id,
        "docs_id": check.docs_id,
        "checked_at": check.checked_at.isoformat(),
        "outcome": check.outcome,
        "lines": list(check.lines or ()),
        "newest_run": found.newer and {"run_id": found.newer[0], "outcome": found.newer[1].value},
        "rows": rows,
    }
    return json.dumps(content, indent=2)


def say_failures(found: FailedRows, tables: Collection[str], where: Sequence[str]) -> None:
    """Print it: the rows of each expectation as a table.

    `tables` are those of the source, whose rows `explain-row` explains; `where` are its options for this source and lake.
    """
    check = found.check
    if found.newer is not None:
        run_id, outcome = found.newer
        status = shlex.join(["./spark-submit.sh", "status", *where])
        say(
            [
                printable(
                    f"The newest run, {run_id}, was not checked: {_how(outcome)}. {status} says why. An older check:"
                ),
                "",
            ]
        )
    head = f"Check {check.docs_id} of {check.checked_at:%Y-%m-%d %H:%M} UTC: {check.outcome}"
    say([printable(f"{head}; {'these rows failed' if found.rows else 'no row failed'}.")])
    for (name, severity), of_it in groupby(found.rows, lambda row: (row["expectation"], row["severity"])):
        every = list(of_it)
        listed, notes = _parted(every)
        say(["", printable(f"{name} ({severity}), {number_of(len(listed), 'row')}:")])
        say([printable(f"  {every[0]['rule']}")] * (every[0]["rule"] is not None))
        say([printable(f"  {note}") for note in notes])
        if listed:
            _show(listed[:MOST_ROWS])
        if len(listed) > MOST_ROWS:
            say([f"  and {len(listed) - MOST_ROWS:,} more: --format json has all of them"])
        if listed and listed[0]["table"] in tables:
            say([printable(f"  {line}") for line in _explained(listed[0], where)])


def _explained(row: dict[str, Any], where: Sequence[str]) -> list[str]:
    """The command that says where a row came from; none where a part of its key is not known, or personal."""
    key = json.loads(row["key"])
    if any(value is None or value == MASK for value in key.values()):
        return []
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in key.items()}
    options = [word for name, text in texts.items() for word in ("--key", f"{name}={text}")]
    command = ["./spark-submit.sh", "explain-row", *where, "--table", row["table"], *options]
    return [f"Where the first one came from: {shlex.join(command)}"]


def _parted(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows that are listed, and the notes on those that are not."""
    every = list(rows)
    return [row for row in every if row["key"] is not None], [row["note"] for row in every if row["key"] is None]


def _show(rows: Sequence[dict[str, Any]]) -> None:
    keys = [json.loads(row["key"]) for row in rows]
    heads = list(keys[0])
    cells = [[str(key.get(name)) for name in heads] for key in keys]
    if any(row["pointer"] is not None for row in rows):
        heads.append("refers to")
        cells = [[*own, str(row["pointer"])] for own, row in zip(cells, rows, strict=True)]
    show_table(heads, cells)
