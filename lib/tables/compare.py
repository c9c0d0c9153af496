"""What changed between what the source says now and what the lake holds."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Table
from lib.errors import ContractError


def seen_keys(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """The keys that the source still has, those of rejected rows included. Grain: one per parsed row with a readable key."""
    return rows.select(*(F.col(f"row.{name}").alias(name) for name in key)).dropna()


def vanished(live: DataFrame, seen: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """The live rows of the lake whose key the source no longer has. Grain and key as in the table."""
    return live.join(seen, on=list(key), how="left_anti")


def check_rejected(table: Table, n_rejected: int, n_rows: int) -> None:
    """Stop a table of which too many rows break the contract.

    Raises:
        ContractError: more than `max_rejected_fraction` of the rows were rejected.
    """
    if n_rejected > table.max_rejected_fraction * n_rows:
        message = (
            f"{table.name}: {n_rejected} of {n_rows} rows break the contract, more than max_rejected_fraction "
            f"({table.max_rejected_fraction:g}) allows. Look at quarantine/rows, then mend the source or its YAML."
        )
        raise ContractError(message)


def check_vanished(table: Table, n_vanished: int, n_live: int, n_rows: int) -> None:
    """Stop a table of which too many rows vanished at once. `n_rows` is the number of rows that the source gave.

    Raises:
        ContractError: more than `max_delete_fraction` of the live rows are gone, or the source gave none at all.
    """
    if not n_rows and n_live:
        message = (
            f"{table.name}: the source has no rows, the lake has {n_live}. An empty answer is more often a fault than the "
            "truth; if it is right, run once with --allow-deletes."
        )
        raise ContractError(message)
    if n_vanished > table.max_delete_fraction * n_live:
        message = (
            f"{table.name}: {n_vanished} of {n_live} rows are gone from the source, more than max_delete_fraction "
            f"({table.max_delete_fraction:g}) allows. If that is right, run once with --allow-deletes."
        )
        raise ContractError(message)
