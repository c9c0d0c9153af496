"""What changed between what the source says now and what the lake holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import MASK, Table, is_column_name
from lib.config.source_names import is_name
from lib.errors import ContractError

SHOWN_NAMES = 10


def seen_keys(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """The keys that the source still has, those of rejected rows included. Grain: one per parsed row with a readable key."""
    return rows.select(*(F.col(f"row.{name}").alias(name) for name in key)).dropna()


def deleted(live: DataFrame, seen: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """The live rows of the lake whose key the source no longer has. Grain and key as in the table."""
    return live.join(seen, on=list(key), how="left_anti")


def check_rejected(table: Table, n_rejected: int, n_rows: int, of: int | None = None) -> None:
    """Stop a table of which too many rows break the contract. They are a share of the rows `of` which it is known, if more are.

    Raises:
        ContractError: more than `max_rejected_fraction` of them were rejected, or any at all where `on_bad_row` says fail.
    """
    if n_rejected and table.on_bad_row == "fail":
        message = (
            f"{table.name}: {n_rejected} of {n_rows} rows break the contract, and on_bad_row is 'fail'. Look at quarantine/rows, "
            "then fix the source or its YAML."
        )
        raise ContractError(message)
    of = n_rows if of is None else of
    if n_rejected > table.max_rejected_fraction * of:
        message = (
            f"{table.name}: {n_rejected} of {of} rows break the contract, more than max_rejected_fraction "
            f"({table.max_rejected_fraction:g}) allows. Look at quarantine/rows, then fix the source or its YAML."
        )
        raise ContractError(message)


def check_columns(table: Table, seen: Iterable[str], new: Iterable[str], n_rows: int) -> None:
    """Stop a table whose rows have other columns than its contract allows.

    `seen` are those declared columns that a row has, and `new` the keys of rows that the contract does not know.

    Raises:
        ContractError: a declared column is in no row and `on_missing_column` is fail; there are new ones and `on_new_column` is
            fail; or a new one is to be added and its name cannot be a column's.
    """
    there = set(seen)
    missing = [column.name for column in table.columns if column.name not in there]
    if missing and n_rows and table.on_missing_column == "fail":
        message = (
            f"{table.name}: no row has {_named(missing)}. If the source may leave that out, say on_missing_column: 'null'; "
            "if it was renamed, fix the YAML and run full-ingest --from-landed with this run's id."
        )
        raise ContractError(message)
    added = list(new)
    if added and table.on_new_column == "fail":
        message = (
            f"{table.name}: rows have {_named(added)}, not declared, and on_new_column is 'fail'. Declare what is new, or say "
            "on_new_column: ignore or evolve."
        )
        raise ContractError(message)
    if table.on_new_column == "evolve":
        known = Counter(name.lower() for name in (*(column.name for column in table.columns), *added))
        odd = [name for name in added if not is_column_name(name) or known[name.lower()] > 1]
        if odd:
            message = (
                f"{table.name}: {_named(odd)} cannot be added: a name has letters, digits and '_', the first no digit, is none of "
                "Pagelake's own, and differs from others in more than case. Declare it under another name, with from: and its "
                "name in the JSON, or say on_new_column: ignore."
            )
            raise ContractError(message)


def _named(names: Sequence[str]) -> str:
    """Some of the names, `***` for those that look like values: they are the source's, and may be anything."""
    shown = ", ".join(repr(name if is_name(name) else MASK) for name in names[:SHOWN_NAMES])
    return f"column{'s' if len(names) > 1 else ''} {shown}{', ...' if len(names) > SHOWN_NAMES else ''}"


def check_deleted(table: Table, n_deleted: int, n_live: int, n_rows: int) -> None:
    """Stop a table of which too many rows were deleted at once. `n_rows` is the number of rows that the source gave.

    Raises:
        ContractError: more than `max_delete_fraction` of the live rows are deleted, or the source gave none at all.
    """
    if not n_rows and n_live:
        message = (
            f"{table.name}: the source has no rows, the lake has {n_live}. An empty answer is more often a fault than the "
            "truth; if it is right, run once with --allow-deletes."
        )
        raise ContractError(message)
    if n_deleted > table.max_delete_fraction * n_live:
        message = (
            f"{table.name}: {n_deleted} of {n_live} rows are deleted at the source, more than max_delete_fraction "
            f"({table.max_delete_fraction:g}) allows. If that is right, run once with --allow-deletes."
        )
        raise ContractError(message)
