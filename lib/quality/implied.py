"""What is checked of each table without being written in a suite: the source YAML's words, and what earlier runs make plausible."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import SparkSession

from lib.config import DERIVED_NAMES, Source, derivations_of
from lib.config.derivations import RECOMMENDATIONS
from lib.lake import runs
from lib.lake.runs import Run
from lib.lake.states import TableState
from lib.quality.declared import Declared, declared_by_key, declared_by_table, deleted_view
from lib.quality.lists import declared_by_lists
from lib.quality.volume import plausible_volume


def implied(source: Source, name: str, known: list[Run], at: datetime) -> Declared:
    """The expectations of one table that no suite needs to write, for a check at that time. `known` are the runs, oldest first."""
    if name in DERIVED_NAMES:
        derived = derivations_of(source).get(name)
        if derived is None:
            return []
        whole = declared_by_key(derived.key)
        if name == RECOMMENDATIONS and source.recommend is not None:
            whole += declared_by_lists(source.recommend, derived)
        return whole
    table = source.table(name)
    # Where nothing is deleted, rows only add up, and their number says nothing of what the source gave.
    volume = plausible_volume(_rows_by_run(known, name)) if table.deletes == "soft" else []
    return [*declared_by_table(table, at), *volume]


def _rows_by_run(known: list[Run], name: str) -> dict[str, int]:
    """Distinct keys of the table in each run that showed all of it and was published. A replay brings no rows of its own day."""
    records = {
        run.run_id: run.tables[name]
        for run in known
        if run.state == runs.PUBLISHED and run.replay_of is None and name in run.tables
    }
    return {
        run_id: table.keys
        for run_id, table in records.items()
        if table.state == TableState.MERGED and table.shows_all and table.keys is not None
    }


def register_deleted_rows(spark: SparkSession, source: Source, run: Run) -> None:
    """Let suites ask how many rows each table with `deletes: soft` lost in this run. A table that was kept lost none."""
    for table in source.tables:
        if table.deletes == "soft" and table.name in run.tables:
            record = run.tables[table.name]
            found_again = (record.keys or 0) - (record.rows_inserted or 0)
            register_deleted(spark, table.name, deleted=record.rows_deleted or 0, found_again=max(0, found_again))


def register_deleted(spark: SparkSession, table: str, *, deleted: int, found_again: int) -> None:
    """Make the view of one row: rows that the run missed and those it found again, and the `share` of the missed ones.

    GX sees live rows only, so a suite asks this view. Its numbers are those of the run's record and cost no pass over rows.
    """
    known = deleted + found_again
    share = deleted / known if known else 0.0
    one_row = spark.sql(f"SELECT {deleted:d} AS deleted, {found_again:d} AS found_again, DOUBLE('{share!r}') AS share")
    one_row.createOrReplaceTempView(deleted_view(table))
