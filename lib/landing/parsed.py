"""From landed pages to typed rows: the pages of a run, parsed and held against the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from lib.config import MASK, Table
from lib.config.incremental import scale_of
from lib.config.reading import Reading
from lib.config.source_names import is_name
from lib.errors import ContractError, SourceError
from lib.lake.columns import held_columns
from lib.lake.copying import Copy
from lib.lake.layout import Layout
from lib.lake.merge import Clock
from lib.lake.runs import Run, all_runs
from lib.lake.states import TableState
from lib.landing.bronze import counted, landed_pages
from lib.landing.cut_pages import with_rows
from lib.landing.plan import TablePlan
from lib.tables.compare import check_columns
from lib.tables.fit import fit, with_adopted
from lib.tables.newest import ranked
from lib.tables.parse import parse
from lib.tables.reject import count_rows
from lib.tables.shape import columns_seen, has_place

# So many new columns are named in a run's record; those whose names look like values are not.
MOST_NEW = 100


@dataclass(frozen=True)
class Batch:
    """The landed pages of the run of `clock`, on their way into the tables of `layout`.

    `layout` is that of the lake, or of tables that are made anew; the pages are in the lake of `copy` in any case. `plan` gives the
    pages that belong to a table. `known` are the runs of the lake, for what was merged before.
    """

    copy: Copy
    layout: Layout
    clock: Clock
    plan: Callable[[str], TablePlan]
    known: list[Run]
    allow_deletes: bool

    @classmethod
    def of_run(cls, copy: Copy, plan: Callable[[str], TablePlan], *, allow_deletes: bool) -> Batch:
        """The pages that the run itself lands, on their way into the tables of its lake."""
        clock = Clock(copy.run.run_id, copy.run.started_at, number=copy.run.number)
        return cls(copy, copy.lake, clock, plan, all_runs(copy.lake), allow_deletes)


@dataclass(frozen=True)
class Parsed:
    """The rows of one table as parsed (kept in memory or on disk until merged), and how many cannot be keyed.

    `greatest` is the greatest good value of its incremental column, as records have it; None where it has none. `of_parts` has that
    of each of its parts.
    """

    table: Table
    rows: DataFrame
    n_unreadable: int
    greatest: str | None = None
    of_parts: Mapping[str, str] = field(default_factory=dict)


def parse_tables(batch: Batch, names: Iterable[str]) -> dict[str, Parsed]:
    """Parse those of the tables that have landed. One that breaks its contract fails, and takes no other with it."""
    run = batch.copy.run
    tables = [
        table
        for table in batch.copy.source.tables
        if table.name in names and run.tables[table.name].state == TableState.LANDED
    ]
    reread = any(record.rounds for record in run.tables.values())
    pages = landed_pages(batch.copy.spark, batch.copy.lake.pages, batch.clock.run_id, reread=reread)
    done = side_by_side(run, tables, lambda table: _parse(batch, pages, table))
    return {one.table.name: one for one in done}


def side_by_side(run: Run, tables: Iterable[Table], step: Callable[[Table], Parsed | None]) -> list[Parsed]:
    """Do the step for all tables at once. A table whose data stops it fails; anything else stops the run."""

    def guarded(table: Table) -> Parsed | None:
        try:
            return step(table)
        except SourceError as error:
            run.fail(table.name, str(error))
            return None

    work = list(tables)
    with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
        return [done for done in pool.map(guarded, work) if done is not None]


def _parse(batch: Batch, pages: DataFrame, declared: Table) -> Parsed:
    reading = batch.copy.source.reading_of(declared)
    record, plan = batch.copy.run.tables[declared.name], batch.plan(reading.pages_of)
    own = counted(pages, plan).transform(with_rows(reading))
    held = held_columns(batch.layout.silver(declared.name)) or {}
    table = with_adopted(declared, fit(declared, held).adopted)
    rows, counts = _counted(reading, own, table)
    if declared.parent is not None:
        record.rows_landed = counts["n_parsed"]  # the parent's own rows tell whether its pages could be read
    if counts["n_parsed"] != record.rows_landed:
        message = (
            f"{table.name}: {record.rows_landed} rows landed, {counts['n_parsed']} could be read from the landed pages; "
            f"look at the pages of this run in {batch.copy.lake.pages}"
        )
        raise ContractError(message)
    keys = columns_seen(counts["shapes"])
    new = {name: kind for name, kind in keys.items() if name not in {column.json_key for column in table.columns}}
    seen = [
        one.name
        for one in declared.columns
        # The few rows of an increment do not say that the source has a column no more.
        if not one.steps or record.is_increment or has_place(counts["shapes"], one.steps)
    ]
    record.new_columns = list(dict.fromkeys(name if is_name(name) else MASK for name in new))[:MOST_NEW] or None
    try:
        # Rows that are no objects have no columns, and are rejected for that.
        check_columns(declared, seen, new, counts["n_parsed"] if counts["shapes"] else 0)
    except ContractError:
        rows.unpersist()
        raise
    adopted = {name: kind for name, kind in new.items() if kind is not None}
    if table.on_new_column == "evolve" and adopted:
        rows.unpersist()
        table = with_adopted(table, adopted)
        rows, counts = _counted(reading, own, table)
    record.as_of, record.fetched_by = batch.clock.at, batch.clock.number
    record.rows_rejected, record.keys, record.rows_differed = counts["n_rejected"], counts["n_keys"], counts["n_differ"]
    record.rows_duplicate = counts["n_parsed"] - counts["n_rejected"] - counts["n_keys"]
    record.newest_at = _utc(counts["newest"])
    missing = counts["missing"].asDict()
    record.rows_missing = [{"column": column, "rows": number} for column, number in missing.items() if number]
    greatest = _greatest(declared, counts["greatest"])
    return Parsed(table, rows, counts["n_unreadable"], greatest, _greatest_of_parts(declared, rows))


def _counted(reading: Reading, pages: DataFrame, table: Table) -> tuple[DataFrame, Row]:
    rows = (
        pages.transform(parse(table, reading.items, reading.constants, reading.of_part))
        .transform(ranked(table))
        .persist()
    )
    return rows, rows.transform(lambda frame: count_rows(frame, table.key, _told(table), _marked_by(table))).collect()[
        0
    ]


def _marked_by(table: Table) -> str | None:
    return None if table.incremental is None else table.incremental.column


def _greatest(table: Table, value: datetime | date | int | None) -> str | None:
    """The greatest value of the incremental column as records have it."""
    if value is None or isinstance(value, int):
        return None if value is None else str(value)
    at = _utc(value)
    return None if at is None else scale_of(table).text(at)


def _greatest_of_parts(table: Table, rows: DataFrame) -> dict[str, str]:
    """The same of each part of the table; nothing for one without parts."""
    if table.incremental is None or not table.in_parts:
        return {}
    value = F.max(F.col(f"row.{table.incremental.column}")).alias("value")
    found = rows.where((F.size("problems") == 0) & F.col("part").isNotNull()).groupBy("part").agg(value).collect()
    return {row["part"]: str(_greatest(table, row["value"])) for row in found}


def _utc(value: datetime | date | None) -> datetime | None:
    """A time as Spark gives it, in UTC; a date is its beginning."""
    if value is None or isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value else None
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _told(table: Table) -> str | None:
    """The column whose newest time a run's record may tell."""
    dated = table.newest_by if table.newest_by not in table.pii else None
    return dated if dated and table.column(dated).type in ("timestamp", "date") else None
