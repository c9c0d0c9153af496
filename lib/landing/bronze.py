"""Raw pages in bronze: landed in waves, read back for everything that follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import check_run_id
from lib.lake import storage
from lib.lake.records import text
from lib.lake.storage import Address
from lib.landing.plan import TablePlan
from lib.source.rules import FAILED_BY_RULE

# So many pages are named or asked for one by one; their number is always told.
MOST_NAMED = 1000


@dataclass(frozen=True)
class Seen:
    """What bronze holds of one table of a run: the last reading of each page counts.

    Pages are `failed`, `missing`, `uneven` (another number of rows than planned, short in the middle where the source reports no
    total, or another page's number or size on it), `duplicates` (the rows of another page) and `moved` (their last two readings
    differ; `n_moved` counts them). `n_reread` counts pages that were read twice at least, `n_other_total` those that reported
    another total than the plan's; `last_round` is the highest round. `misnamed` are the uneven ones with another page's number or
    size, `n_uneven_once` counts those with another number of rows that were read once only, and `n_past_end` the pages past all
    rows that the source does not have: these are neither failed nor missing. `ends_with_rows`: the last planned page holds rows.
    `n_beyond` are the pages that the walk before the last one had past the last planned page. `skipped` are those that a rule of
    `errors` skipped (`n_skipped` counts them): they are none of the uneven ones. `first_status` is that of the first one of the
    `failed`, `claimed_pages` the most pages that a page said there are; `ends_by_rule`: a rule of `errors` says that the last
    planned page is the end.
    """

    n_pages: int
    n_items: int
    n_twice: int
    last_round: int
    n_moved: int
    n_reread: int
    failed: tuple[int, ...]
    first_error: str | None
    missing: tuple[int, ...]
    uneven: tuple[int, ...]
    duplicates: tuple[int, ...]
    first_page_sha256: str | None
    moved: tuple[int, ...] = ()
    n_other_total: int = 0
    misnamed: tuple[int, ...] = ()
    n_uneven_once: int = 0
    n_past_end: int = 0
    ends_with_rows: bool = False
    n_beyond: int = 0
    skipped: tuple[int, ...] = ()
    n_skipped: int = 0
    first_status: int | None = None
    claimed_pages: int | None = None
    ends_by_rule: bool = False


def land(pages: DataFrame, at: Address) -> None:
    """Write one wave of pages: one Spark job, one commit. This is the one action that fetches."""
    # A lake made by an earlier version may lack a column.
    write = pages.write.format("delta").mode("append").option("mergeSchema", "true")
    write.partitionBy("run_id", "table").save(storage.to_write(at))


def landed_pages(spark: SparkSession, at: Address, run_id: str, *, reread: bool) -> DataFrame:
    """The pages of a run, each as it was read last. Grain: one row a page; key: table, part, page.

    `reread` says whether some were read more than once.
    """
    return _last_read(spark.read.format("delta").load(str(at)).where(F.col("run_id") == run_id), reread=reread)


def all_landed_pages(spark: SparkSession, at: Address, table: str, *, reread: bool) -> DataFrame:
    """The pages of a table in all runs, each as its run read it last. Grain: one row a page; key: run_id, part, page."""
    return _last_read(spark.read.format("delta").load(str(at)).where(F.col("table") == table), reread=reread)


def _last_read(pages: DataFrame, *, reread: bool) -> DataFrame:
    if not reread:
        return pages
    # A part is always read as a whole.
    part = F.col("part") if "part" in pages.columns else F.lit(None).cast("string")
    keyed = pages.withColumn("_read", F.coalesce(part, F.col("page").cast("string")))
    page = ["run_id", "table", "_read"]
    last = keyed.groupBy(*page).agg(F.max("round").alias("round"))
    return keyed.join(F.broadcast(last), on=[*page, "round"], how="left_semi").drop("_read")


def counted(pages: DataFrame, plan: TablePlan) -> DataFrame:
    """Those of the pages that belong to the table of the plan. Grain and key as they were."""
    own = pages.where(F.col("table") == plan.table)
    if plan.in_parts:
        return own.where(F.col("part").isNotNull() & ~F.col("part").isin(list(plan.left_out)))
    # Pages behind the last one were read when the source was longer, or when its end was looked for.
    return own.where(F.col("page").between(plan.first, plan.last))


@dataclass(frozen=True)
class Reached:
    """How far a walk is: its last page, the cursor that this was asked for by, and that of the next page, if there is one.

    `is_repeated`: a cursor stands twice in the walk, that of the next page included. `error` and `status` are of the last page.
    """

    page: int
    cursor: str | None = field(repr=False)
    next_cursor: str | None = field(repr=False)
    error: str | None
    status: int | None
    is_repeated: bool


@dataclass(frozen=True)
class LandedOf:
    """How much of a table one run has landed: pages that could be read, the number of the last page, and the highest round."""

    run_id: str
    n_pages: int
    last_page: int
    last_round: int


def landed_by_run(at: Address, table: str) -> dict[str, LandedOf]:
    """What each run has landed of a table. `table` is a name that the settings have checked."""
    if not storage.is_table(at):
        return {}
    has_parts = "part" in {field.name for field in storage.table(at).schema().fields}
    page = "CASE WHEN page >= 0 THEN concat(page, coalesce(part, '')) END" if has_parts else "page"
    query = f"""
        SELECT run_id, count(DISTINCT CASE WHEN error IS NULL THEN {page} END) AS n_pages, max(page) AS last_page,
            max(round) AS last_round
        FROM pages WHERE "table" = '{table}' GROUP BY run_id
    """
    return {row["run_id"]: LandedOf(**row) for row in _query(at, query)}


class Bronze:
    """What has landed of one run, read by delta-rs in a moment: another reader than the engine that wrote it."""

    def __init__(self, at: Address, run_id: str) -> None:
        self._at, self._run = at, f"run_id = '{check_run_id(run_id)}'"

    def missing(self, plan: TablePlan) -> list[int]:
        """The planned pages that have not landed, or only as failures."""
        if not storage.is_table(self._at):
            return list(range(plan.first, plan.last + 1))
        query = f"""
            SELECT value AS page FROM generate_series({plan.first}, {plan.last})
            EXCEPT SELECT page FROM pages WHERE {self._run} AND "table" = '{plan.table}' AND error IS NULL
            ORDER BY page
        """
        return [row["page"] for row in self._rows(query)]

    def progress(self, table: str) -> tuple[int, int] | None:
        """The highest round and the highest page that have landed of a table, or None where nothing has."""
        if not storage.is_table(self._at):
            return None
        [row] = self._rows(
            f"SELECT max(round) AS round, max(page) AS page FROM pages WHERE {self._run} AND \"table\" = '{table}'"
        )
        return None if row["round"] is None else (int(row["round"]), int(row["page"]))

    def begun(self, plan: TablePlan) -> int:
        """The round in which the last walk through a table began."""
        [first] = self._rows(f"""SELECT max(round) AS round FROM pages
            WHERE {self._run} AND "table" = '{plan.table}' AND page = {plan.first}""")
        return int(first["round"] or 0)

    def first_asked(self, table: str) -> dict[str, datetime]:
        """The source's own time when each part of a table was first asked, where it tells that."""
        rows = self._rows(f"""SELECT part, min(source_at) AS at FROM pages
            WHERE {self._run} AND "table" = '{table}' AND part IS NOT NULL AND source_at IS NOT NULL GROUP BY part""")
        return {row["part"]: row["at"] for row in rows}

    def answer_s(self) -> float:
        """How long an answer took on average, in seconds; 0 where nothing has landed."""
        if not storage.is_table(self._at):
            return 0.0
        [took] = self._rows(f"SELECT avg(elapsed_ms) AS ms FROM pages WHERE {self._run} AND error IS NULL")
        return float(took["ms"] or 0.0) / 1000

    def reached(self, table: str, since: int) -> Reached:
        """How far the walk through a table is whose pages have landed from round `since` on."""
        walk = f"""(SELECT page, round, cursor, next_cursor, error, status FROM pages
            WHERE {self._run} AND "table" = '{table}' AND round >= {since})"""
        [last] = self._rows(f"""SELECT page, cursor, next_cursor, error, status FROM {walk}
            ORDER BY page DESC, error IS NULL DESC, round DESC LIMIT 1""")
        [asked_before] = self._rows(f"""SELECT count(*) AS n FROM {walk} AS one JOIN {walk} AS last
            ON one.cursor = last.next_cursor WHERE last.page = {last["page"]} AND one.page <= last.page AND one.error IS NULL""")
        # The last page may have been asked for once more, behind which the walk then went on.
        [asked] = (
            self._rows(f"""SELECT count(*) AS twice FROM (SELECT cursor FROM {walk} WHERE error IS NULL AND cursor IS NOT NULL
            GROUP BY cursor HAVING count(DISTINCT page) > 1)""")
        )
        return Reached(**last, is_repeated=asked_before["n"] + asked["twice"] > 0)

    def is_reread(self, table: str) -> bool:
        """Whether a page of a table was read well more than once: it was in doubt."""
        [most] = self._rows(f"""SELECT coalesce(max(times), 0) AS times FROM (
            SELECT count(*) AS times FROM pages WHERE {self._run} AND "table" = '{table}' AND error IS NULL GROUP BY page)""")
        return int(most["times"]) > 1

    def end_of(self, plan: TablePlan) -> int | None:
        """Of a table walked to its end: its last page, if the end was met: an empty page, or the one before a 404, 410 or 416.

        There are no rows behind an end, so at least one page behind it must have been read: an answer that is empty by
        mistake is no end. Nor is a page that was skipped.
        """
        [end] = self._rows(f"""{self._reads(plan)}
            SELECT min(CASE WHEN n_items = 0 THEN page WHEN status IN ({_NO_PAGE}) AND NOT by_rule THEN page - 1 END) AS page
            FROM reads WHERE back = 1 AND NOT is_skipped AND page < {plan.last} AND page > (
                SELECT coalesce(max(page), {plan.first - 1}) FROM reads WHERE back = 1 AND n_items > 0)""")
        return None if end["page"] is None else max(plan.first, int(end["page"]))

    def see(self, plan: TablePlan) -> Seen:
        """Everything that the proof asks of one table."""
        reads, ask = self._reads(plan), _reader(self._at)
        [counts] = ask(f"""{reads}
            SELECT count(*) AS n_pages, coalesce(sum(n_items), 0) AS n_items, coalesce(max(round), 0) AS last_round,
                count(CASE WHEN before IS NOT NULL AND before <> items_sha256 THEN 1 END) AS n_moved,
                count(before) AS n_reread, count(CASE WHEN total <> {plan.total or 0} THEN 1 END) AS n_other_total,
                max(CASE WHEN page = {plan.first} THEN items_sha256 END) AS first_page_sha256,
                max(CASE WHEN n_items > 0 THEN page END) AS last_with_rows, count(CASE WHEN is_skipped THEN 1 END) AS n_skipped,
                max(pages) AS claimed_pages, count(CASE WHEN page = {plan.last} AND {_BY_RULE} THEN 1 END) AS ends_by_rule
            FROM reads WHERE back = 1""")
        [twice] = ask(f"""{reads}
            SELECT count(*) AS n FROM (SELECT page, round FROM reads GROUP BY page, round HAVING count(*) > 1)""")
        end = plan.last_with_rows
        is_past_end = _is_past_end(plan, counts["n_items"], counts["last_with_rows"])
        failures = ask(f"""{reads}
            SELECT page, error, status FROM reads WHERE back = 1 AND error IS NOT NULL AND NOT {is_past_end} {_LIMIT}""")
        rest = (plan.total or 0) - plan.given * (end - plan.first)
        belong = f"CASE WHEN page < {end} THEN {plan.given} WHEN page = {end} THEN {rest} ELSE 0 END"
        another = f"n_items <> {belong}"
        if plan.total is None or plan.is_walk:
            # Nobody knows how many rows belong on a page, but those in the middle should be full.
            another = """n_items < (SELECT max(n_items) FROM reads WHERE back = 1)
                AND page < (SELECT max(page) FROM reads WHERE back = 1 AND n_items > 0)"""
        misnamed = f"coalesce({_other_number(plan)} OR ({_OTHER_SIZE}), false)"
        uneven = ask(f"""{reads}
            SELECT page FROM reads WHERE back = 1 AND error IS NULL AND NOT is_skipped AND ({another} OR {misnamed}) {_LIMIT}""")
        named_otherwise = ask(f"""{reads}
            SELECT page FROM reads WHERE back = 1 AND error IS NULL AND {misnamed} {_LIMIT}""")
        [more] = ask(f"""{reads}
            SELECT count(CASE WHEN error IS NULL AND NOT is_skipped AND {another} AND before IS NULL THEN 1 END) AS n_uneven_once,
                count(CASE WHEN error IS NOT NULL AND {is_past_end} THEN 1 END) AS n_past_end
            FROM reads WHERE back = 1""")
        moved = ask(f"""{reads}
            SELECT page FROM reads WHERE back = 1 AND before <> items_sha256 {_LIMIT}""")
        skipped = (
            ask(f"{reads} SELECT page FROM reads WHERE back = 1 AND is_skipped {_LIMIT}") if counts["n_skipped"] else []
        )
        duplicates = ask(f"""{reads}
            SELECT page FROM reads WHERE back = 1 AND n_items > 0 AND items_sha256 IN (
                SELECT items_sha256 FROM reads WHERE back = 1 AND n_items > 0
                GROUP BY items_sha256 HAVING count(*) > 1) {_LIMIT}""")
        return Seen(
            n_beyond=self._n_beyond(plan) if plan.is_walk else 0,
            n_pages=counts["n_pages"],
            n_items=counts["n_items"],
            n_twice=twice["n"],
            last_round=counts["last_round"],
            n_moved=counts["n_moved"],
            n_reread=counts["n_reread"],
            failed=tuple(row["page"] for row in failures),
            first_error=failures[0]["error"] if failures else None,
            missing=tuple(self.missing(plan)[:MOST_NAMED]) if counts["n_pages"] != plan.n_pages else (),
            uneven=tuple(row["page"] for row in uneven),
            duplicates=tuple(row["page"] for row in duplicates),
            first_page_sha256=counts["first_page_sha256"],
            moved=tuple(row["page"] for row in moved),
            n_other_total=0 if plan.total is None else counts["n_other_total"],
            misnamed=tuple(row["page"] for row in named_otherwise),
            n_uneven_once=more["n_uneven_once"],
            n_past_end=more["n_past_end"],
            ends_with_rows=counts["last_with_rows"] == plan.last,
            skipped=tuple(row["page"] for row in skipped),
            n_skipped=counts["n_skipped"],
            first_status=failures[0]["status"] if failures else None,
            claimed_pages=counts["claimed_pages"],
            ends_by_rule=counts["ends_by_rule"] > 0,
        )

    def _n_beyond(self, plan: TablePlan) -> int:
        [beyond] = self._rows(f"""SELECT count(*) AS n FROM pages
            WHERE {self._run} AND "table" = '{plan.table}' AND page > {plan.last} AND error IS NULL AND round >= (
                SELECT coalesce(max(round), 0) FROM pages WHERE {self._run} AND "table" = '{plan.table}'
                AND page = {plan.first} AND round < {self.begun(plan)})""")
        return int(beyond["n"])

    def last_read(self, plan: TablePlan) -> str:
        """A query for the planned pages of a table as they were read last: their rows, and the hashes of their keys."""
        return f"{self._reads(plan)} SELECT n_items, key_hashes FROM reads WHERE back = 1"

    def rows_hashes(self, plan: TablePlan, pages: Sequence[int]) -> dict[int, str]:
        """The hash of the rows of some pages, as they were read last."""
        wanted = ", ".join(str(page) for page in pages)
        query = (
            f"{self._reads(plan)} SELECT page, items_sha256 AS hash FROM reads WHERE back = 1 AND page IN ({wanted})"
        )
        return {row["page"]: row["hash"] for row in self._rows(query)}

    def _reads(self, plan: TablePlan) -> str:
        """Every reading of the planned pages: `back` counts from the last one, `before` is the rows' hash of the one before."""
        last_first = "PARTITION BY page ORDER BY round DESC"
        return f"""
            WITH reads AS (
                SELECT page, round, status, error, n_items, n_bytes, total, pages, own_number, own_size, items_sha256, key_hashes,
                    error IS NULL AND n_bytes IS NULL AS is_skipped, coalesce(error LIKE '{FAILED_BY_RULE}', false) AS by_rule,
                    row_number() OVER ({last_first}) AS back, lead(items_sha256) OVER ({last_first}) AS before
                FROM pages WHERE {self._run} AND "table" = '{plan.table}' AND page BETWEEN {plan.first} AND {plan.last}
            )"""

    def _rows(self, query: str) -> list[dict[str, Any]]:
        return _query(self._at, query)


def has_landed(at: Address, run_id: str, tables: Sequence[str]) -> bool:
    """Whether a run has landed anything of these tables."""
    names = ", ".join(map(text, tables))
    found = _query(at, f'SELECT 1 AS one FROM pages WHERE run_id = {text(run_id)} AND "table" IN ({names}) LIMIT 1')
    return bool(found)


def forget(spark: SparkSession, at: Address, run_id: str, tables: Sequence[str]) -> None:
    """Delete what a run has landed of these tables."""
    landed = (F.col("run_id") == run_id) & F.col("table").isin(list(tables))
    DeltaTable.forPath(spark, storage.to_write(at)).delete(landed)


def _query(at: Address, sql: str) -> list[dict[str, Any]]:
    return _reader(at)(sql)


def _reader(at: Address) -> Callable[[str], list[dict[str, Any]]]:
    """What answers queries on the pages as they are now."""
    pages = storage.asking("pages", storage.table(at))

    def ask(sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pa.table(pages.execute(sql)).to_pylist()
        return rows

    return ask


def _is_past_end(plan: TablePlan, n_items: int, last_with_rows: int | None) -> str:
    """Whether a page that failed is one behind all rows, of which the source says that there is none. Only a total can tell."""
    if plan.total is None or (plan.total and last_with_rows is None):
        return "false"
    # Of a source that fills its pages unevenly, the rows tell where the end is.
    last = plan.first if last_with_rows is None else last_with_rows
    end = last if n_items == plan.total else max(last, plan.last_with_rows)
    return f"(page > {end} AND NOT by_rule AND coalesce(status, 0) IN ({_NO_SUCH_PAGE}))"


def _other_number(plan: TablePlan) -> str:
    """Whether a page says that it is another one.

    Some sources count from 0 in the answer and from 1 in the request, or the other way round: all of their pages alike. A first
    page that says neither 0 nor 1 is not the first one.
    """
    return f"""(own_number <> page + coalesce((SELECT max(own_number - page) FROM reads WHERE back = 1
        AND page = {plan.first} AND own_number IN (0, 1) AND own_number - page BETWEEN -1 AND 1), 0))"""


# Another size than the first page's, unless it is that of the rows on the page: some sources name these.
_OTHER_SIZE = """own_size <> n_items
    AND own_size <> (SELECT own_size FROM reads WHERE back = 1 ORDER BY page LIMIT 1)"""
# What says that there is no such page; the others may just as well say that it may not be asked for.
_NO_PAGE = "404, 410, 416"
_NO_SUCH_PAGE = f"{_NO_PAGE}, 400, 422"
# A page that a rule of `errors` calls the end has an empty body, as have those whose status says that there is nothing to read.
_BY_RULE = "error IS NULL AND n_bytes = 0 AND status NOT IN (204, 205, 416)"
_LIMIT = f"ORDER BY page LIMIT {MOST_NAMED}"
