"""What `failures` says: the rows that failed a check, from `ops/failures`, without Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lib.config.suggest import did_you_mean
from lib.console import number_of, say, show_table
from lib.errors import ConfigError
from lib.lake import records, storage
from lib.lake.checks import ROLLED_BACK, Check, all_checks
from lib.lake.layout import Layout
from lib.lake.named import unknown_run
from lib.logs import printable

# So many rows of an expectation are printed for people; programs get all of them.
MOST_ROWS = 100
_ROW = ("key", "pointer", "key_hash", "note")


@dataclass(frozen=True)
class FailedRows:
    """The rows that failed a check, in the order of expectations and keys: as many records as `ops/failures` has of it."""

    check: Check
    rows: tuple[dict[str, Any], ...]


def failed_rows(layout: Layout, run: str | None, expectation: str | None) -> FailedRows:
    """The rows that failed in a check: the one of that name, which is its run's for the first check of a run, or the last one.

    Raises:
        ConfigError: there is no such check, or that expectation did not fail in it.
    """
    checks = [one for one in all_checks(layout) if one.outcome != ROLLED_BACK]
    found = next((one for one in checks if run in (None, one.docs_id)), None)
    if found is None:
        if run is not None:
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
    return FailedRows(found, tuple(rows))


def _rows(layout: Layout, docs_id: str) -> list[dict[str, Any]]:
    if not storage.is_table(layout.failures):
        return []
    order = '"table", expectation, key, key_hash'
    sql = f"SELECT * FROM failures WHERE docs_id = {records.text(docs_id)} ORDER BY {order}"
    # A lake that was written before references had their values here has no such column.
    return [{"pointer": None, **row} for row in records.query(layout.failures, "failures", sql)]


def as_json(found: FailedRows) -> str:
    """The same for programs: one object, whose keys are in docs/troubleshooting.md."""
    rows = [
        {
            "table": row["table"],
            "version": row["version"],
            "expectation": row["expectation"],
            "severity": row["severity"],
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
        "rows": rows,
    }
    return json.dumps(content, indent=2)


def say_failures(found: FailedRows) -> None:
    """Print it: the rows of each expectation as a table."""
    check = found.check
    head = f"Check {check.docs_id} of {check.checked_at:%Y-%m-%d %H:%M} UTC: {check.outcome}"
    say([printable(f"{head}; {'these rows failed' if found.rows else 'no row failed'}.")])
    for (name, severity), of_it in groupby(found.rows, lambda row: (row["expectation"], row["severity"])):
        listed, notes = _parted(of_it)
        say(["", printable(f"{name} ({severity}), {number_of(len(listed), 'row')}:")])
        say([printable(f"  {note}") for note in notes])
        if listed:
            _show(listed[:MOST_ROWS])
        if len(listed) > MOST_ROWS:
            say([f"  and {len(listed) - MOST_ROWS:,} more: --format json has all of them"])


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
