"""What a step of a run came to, in a few words beside its name: `200 new, 5 changed`."""

from __future__ import annotations

from collections.abc import Iterable

from lib.console import Step, number_of
from lib.lake.runs import Run, TableRun
from lib.lake.states import PROVED
from lib.logs import BAD


def tell(step: Step, run: Run, words: str) -> None:
    """Let a step say this, and which tables have failed by now."""
    step.result = words
    if run.failed:
        step.sign, step.result = BAD, "; ".join(filter(None, [words, f"failed: {', '.join(run.failed)}"]))


def proved(records: Iterable[TableRun]) -> str:
    """How many of the tables are complete."""
    levels = [record.proof for record in records]
    return f"{sum(level in PROVED for level in levels):,} of {number_of(len(levels), 'table')} complete"


def parsed(records: Iterable[TableRun]) -> str:
    """The rows that landed, and those of them that are not taken."""
    of = list(records)
    rejected, duplicate = (sum(getattr(one, name) or 0 for one in of) for name in ("rows_rejected", "rows_duplicate"))
    words = [number_of(sum(one.rows_landed or 0 for one in of), "row")]
    words += [f"{rejected:,} rejected"] * bool(rejected) + [f"{duplicate:,} duplicate"] * bool(duplicate)
    return ", ".join(words)


def changed(records: Iterable[TableRun]) -> str:
    """The rows of tables that are new, changed or deleted."""
    of = list(records)
    kinds = {"new": "rows_inserted", "changed": "rows_updated", "deleted": "rows_deleted"}
    numbers = {kind: sum(getattr(one, name) or 0 for one in of) for kind, name in kinds.items()}
    return ", ".join(f"{number:,} {kind}" for kind, number in numbers.items() if number) or "nothing new"
