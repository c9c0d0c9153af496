"""Where one row came from, and what became of it: looked up in bronze, quarantine, silver and the publication."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, Row, SparkSession
from pyspark.sql import functions as F

from lib.config import Source, Table
from lib.errors import ConfigError
from lib.lake import keys, publications, quarantine, records, runs, storage, tables
from lib.lake.checks import ROLLED_BACK, all_checks
from lib.lake.key_hash import key_hash_of
from lib.lake.keys import KeyValue
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.lake.read import at_version
from lib.lake.runs import Run
from lib.landing.bronze import LandedOf, all_landed_pages, landed_by_run
from lib.landing.cut_pages import with_rows
from lib.landing.key_sweep import key_table
from lib.landing.plan import plans_of
from lib.lineage.key import shown_key
from lib.lineage.row_history import Occurrence, minute, tell
from lib.source.row_key import keys_of
from lib.tables.find import rows_with_key


@dataclass(frozen=True)
class Asked:
    """The row that is asked for. `key_secret` is the lake's, where the environment has it."""

    spark: SparkSession
    source: Source
    layout: Layout
    table: Table
    key: Mapping[str, KeyValue]
    key_secret: str | None = None

    @property
    def types(self) -> dict[str, str]:
        """The types of the key's columns."""
        return {name: self.table.column(name).type for name in self.table.key}

    def is_row(self, within: str = "") -> Column:
        """Whether a row is this one. `within` is the struct that holds its columns; empty: they are at the top."""
        return keys.is_row(self.key, self.types, within)


def explain(asked: Asked) -> list[str]:
    """The answer, a line each: the runs, oldest first, then silver, the publication, and the checks that the row failed."""
    layout, table = asked.layout, asked.table
    known = runs.all_runs(layout)
    landed = landed_by_run(layout.pages, asked.source.reading_of(table).pages_of)
    hits = _hits(asked, known, landed)
    publication = publications.current(layout)
    silver, published = _states(asked, publication)
    reasons = quarantine.reasons_on(layout, table.name, {hit.page for hit in hits})
    swept = _met_by_sweeps(asked, known)
    lines = list(tell(table, known, hits, reasons, silver["_run_id"] if silver else None, swept))
    head = f"{table.name} {shown_key(table, asked.key)}"
    looked = _looked_at(known, landed)
    if not (lines or silver or published):
        where = "quarantine/rows, silver and the publication"
        return [f"{head}: not found. Looked at {looked}, {where}."]
    lines = [f"{head}:", *lines, _in_silver(asked, silver), _in_publication(asked, publication, silver, published)]
    lines += _failed(asked)
    lines += [f"Looked at {looked}."]
    if changed := [run.run_id for run in known if run.run_id in landed and _is_read_otherwise(asked, run)]:
        lines.append(
            f"The settings of {table.name} have changed since: pages of {', '.join(changed)} are read as they are now."
        )
    return lines


def _hits(asked: Asked, known: Sequence[Run], landed: Mapping[str, LandedOf]) -> list[Occurrence]:
    """The rows with the key on the pages of all runs."""
    if not landed:
        return []
    table, reading = asked.table, asked.source.reading_of(asked.table)
    reread = any(one.last_round for one in landed.values())
    pages = all_landed_pages(asked.spark, asked.layout.pages, reading.pages_of, reread=reread)
    for run in known:
        own = next((plan for plan in plans_of(run.plan) if plan.table == reading.pages_of), None)
        if own is not None and own.in_parts:
            pages = pages.where((F.col("run_id") != run.run_id) | ~F.col("part").isin(list(own.left_out)))
            continue
        # Pages behind the last one were read when the source was longer, and did not count.
        # Where nobody knew the last one beforehand, the plan of a run that was stopped may not say it.
        ends = [
            plan.last
            for plan in plans_of(run.plan)
            if plan.table == reading.pages_of and (run.missing_step is None or not (plan.total is None or plan.is_walk))
        ]
        if ends and run.run_id in landed and landed[run.run_id].last_page > ends[0]:
            pages = pages.where((F.col("run_id") != run.run_id) | (F.col("page") <= ends[0]))
    found = rows_with_key(table, reading.items, asked.is_row("row."), reading.constants, reading.of_part)
    rows = pages.transform(with_rows(reading)).transform(found)
    return [Occurrence(**row.asDict()) for row in rows.collect()]


def _met_by_sweeps(asked: Asked, known: Sequence[Run]) -> set[str]:
    """The runs whose sweep met the key."""
    name = asked.table.name
    if not any(name in run.tables and run.tables[name].is_swept for run in known):
        return set()
    pages = all_landed_pages(asked.spark, asked.layout.pages, keys_of(name), reread=False)
    rows = pages.transform(rows_with_key(key_table(asked.source, asked.table), "$", asked.is_row("row.")))
    return {row["run_id"] for row in rows.select("run_id").distinct().collect()}


def _states(asked: Asked, publication: Publication | None) -> tuple[Row | None, Row | None]:
    """The row in silver, and in the publication."""
    layout, name = asked.layout, asked.table.name
    newest = tables.latest(layout.silver(name))
    path = layout.relative(layout.silver(name))
    silver = _row_at(asked, path, newest.version) if newest else None
    entry = publication.tables.get(name) if publication else None
    if entry is None:
        return silver, None
    if newest and (entry.path, entry.version) == (path, newest.version):
        return silver, silver
    return silver, _row_at(asked, entry.path, entry.version)


def _row_at(asked: Asked, path: str, version: int) -> Row | None:
    rows = at_version(asked.spark, asked.layout, path, version)
    times = [
        F.date_format(name, "yyyy-MM-dd HH:mm 'UTC'").alias(name)
        for name in ("_first_seen_at", "_changed_at", "_deleted_at")
    ]
    return rows.where(asked.is_row()).select("_run_id", "_row_hash", *times).first()


def _in_silver(asked: Asked, row: Row | None) -> str:
    if row is None:
        return "silver: not present" if tables.exists(asked.layout.silver(asked.table.name)) else "silver: no table yet"
    seen = f"first seen {row['_first_seen_at']}"
    if row["_deleted_at"] is not None:
        return f"silver: deleted: run {row['_run_id']} ({row['_deleted_at']}) no longer found it; {seen}"
    return f"silver: present; {seen}, last changed by run {row['_run_id']} ({row['_changed_at']})"


def _in_publication(asked: Asked, publication: Publication | None, silver: Row | None, row: Row | None) -> str:
    if publication is None:
        return "publication: nothing is published"
    entry = publication.tables.get(asked.table.name)
    head = f"publication {publication.publication_id} ({minute(publication.published_at)})"
    if entry is None:
        return f"{head}: has no table {asked.table.name}"
    head = f"{head}, version {entry.version}"
    if row is None:
        return f"{head}: not present"
    if row["_deleted_at"] is not None:
        return f"{head}: present, as deleted"
    if silver is not None and row != silver:
        return f"{head}: present, as run {row['_run_id']} left it; silver has changed since"
    return f"{head}: present"


def _failed(asked: Asked) -> list[str]:
    """The expectations that the row failed in the last check, a line each."""
    layout = asked.layout
    check = next((one for one in all_checks(layout) if one.outcome != ROLLED_BACK), None)
    if check is None or not storage.is_table(layout.failures):
        return []
    which = f"""docs_id = {records.text(check.docs_id)} AND "table" = {records.text(asked.table.name)}"""
    rows = records.query(layout.failures, "failures", f"SELECT * FROM failures WHERE {which} AND key_hash IS NOT NULL")
    if not rows:
        return []
    head = f"check {check.docs_id} ({minute(check.checked_at)})"
    try:
        hashed = key_hash_of(asked.spark, layout, asked.key_secret)(keys.columns_of(asked.key, asked.types))
    except ConfigError as error:
        return [f"{head}: whether the row failed it cannot be found out: {error}"]
    [[mine]] = asked.spark.range(1).select(hashed).collect()
    failed = dict.fromkeys(
        (row["severity"], row["expectation"], row.get("rule")) for row in rows if row["key_hash"] == mine
    )
    return [f"{head}: failed: {severity}: {f'{rule} ' if rule else ''}[{name}]" for severity, name, rule in failed]


def _looked_at(known: Sequence[Run], landed: Mapping[str, LandedOf]) -> str:
    ids = [run.run_id for run in known if run.run_id in landed]
    if not ids:
        return "no page of any run: bronze has none of this table"
    n_pages = sum(landed[run_id].n_pages for run_id in ids)
    pages = f"{n_pages:,} {'page' if n_pages == 1 else 'pages'}"
    return f"{pages} of run {ids[0]}" if len(ids) == 1 else f"{pages} of {len(ids)} runs ({ids[0]} to {ids[-1]})"


def _is_read_otherwise(asked: Asked, run: Run) -> bool:
    """Whether the run read its pages by other settings than those of now."""
    return _reading(json.loads(run.settings), asked.table.name) != _reading(asked.source.public(), asked.table.name)


def _reading(settings: Mapping[str, Any], table: str) -> tuple[Any, ...]:
    """What decides which rows a page gives, which are rejected, and which one wins."""
    tables = {one["name"]: one for one in settings["tables"]}
    if table not in tables:
        return ()
    one = tables[table]
    asked = ("name", "type", "required", "epoch", "from", "path", "value", "empty_is_null")
    columns = [tuple(column.get(name) for name in asked) for column in one["columns"]]
    of_pages = tables[one["parent"]["table"]] if one.get("parent") else one
    paging = of_pages.get("pagination") or settings["api"]["pagination"]
    return paging["items"], one.get("parent"), one["key"], one["newest_by"], columns
