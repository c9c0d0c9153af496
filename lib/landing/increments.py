"""Which tables a run asks only for what changed, from which value on; and up to which value a table is copied after it.

No clock of this machine says what is asked for: a watermark is a value that a row of the source has, and bounded by the source's
own time, where it tells that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from lib.config import Source, Table
from lib.config.incremental import Scale, scale_of
from lib.console import Steps
from lib.lake import publications, watermarks
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.lake.runs import Run, TableRun
from lib.lake.states import DUE, ENDED, PROVED, TableState
from lib.lake.watermarks import Watermark
from lib.landing.plan import Plan, make_plan, plan_tables, plans_of
from lib.landing.unchanged import are_unchanged, is_unchanged
from lib.source.access import Access
from lib.source.gate import Gate
from lib.source.part import Part, slice_parts

# A table in more slices than these starts Spark each time: looking at them one by one would take longer.
MOST_SLICES = 32
# What of a table says which rows are asked for, and what is kept of each.
_OF_ASKING = ("path", "params", "headers", "method", "json", "form", "key", "slices")
_OF_COLUMNS = ("name", "type", "from", "path", "value", "epoch", "empty_is_null")


@dataclass(frozen=True)
class Wanted:
    """What the operator wants of this run: all rows of each table, or those between two values; else what is due."""

    is_full: bool = False
    since: str | None = None
    until: str | None = None

    @property
    def is_backfill(self) -> bool:
        """Whether bounds are given."""
        return self.since is not None or self.until is not None


WHAT_IS_DUE = Wanted()


@dataclass(frozen=True)
class Known:
    """What the lake knows of tables: the current publication, the watermarks that it has, and the last full copies' and sweeps'."""

    published: Publication | None
    held: Mapping[tuple[str, str | None], Watermark]
    last_full: Mapping[str, Watermark]
    last_swept: Mapping[str, Watermark]

    @classmethod
    def of(cls, layout: Layout) -> Known:
        """Those of a lake by now."""
        known, published = watermarks.all_watermarks(layout), publications.current(layout)
        last = [of(known, published) for of in (watermarks.last_full, watermarks.last_swept)]
        return cls(published, watermarks.held(known, published), *last)

    def of_table(self, source: Source, table: Table, part: str | None = None) -> Watermark | None:
        """The watermark of a table or a part; None where there is none, or what is asked for was something else then."""
        found = self.held.get((table.name, part))
        return found if found is not None and found.asks == asks_of(source, table) else None


def asks_of(source: Source, table: Table) -> str:
    """SHA-256 (hex) over what says which rows a table is asked for, and which of their columns are kept."""
    said = table.model_dump(mode="json", by_alias=True)
    own = said["incremental"] or {}
    content = {
        **{name: said[name] for name in _OF_ASKING if name in said},
        "columns": [[column.get(name) for name in _OF_COLUMNS] for column in said["columns"]],
        "incremental": [own.get("param"), own.get("column")],
        "api": source.api.model_dump(mode="json")["params"],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Greatest:
    """The greatest value of the incremental column among the rows of a table that were taken, None for no row.

    `parts` has that of each part, and `source_at` the source's own time when the part was first asked.
    """

    value: str | None
    parts: Mapping[str, str] = field(default_factory=dict)
    source_at: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedRun:
    """The plan of a run, and the access that asks for no other rows than it says. Of some tables nothing is new."""

    plan: Plan
    access: Access
    unchanged: frozenset[str] = frozenset()

    @property
    def is_nothing_new(self) -> bool:
        """Whether the source says of each table, by its first answer, that nothing has changed."""
        names = {table.table for table in self.plan.tables}
        return bool(names) and not self.plan.failed and names == self.unchanged


def plan_run(
    source: Source, layout: Layout, access: Access, gate: Gate, run: Run, progress: Steps, wanted: Wanted
) -> PlannedRun:
    """Plan a run. One that is resumed asks for what it asked for.

    Where the first answer says that all rows are due, or what the source's own time is, the first page is asked for once more.
    """
    known, before = Known.of(layout), {plan.table for plan in plans_of(run.plan)}
    new = [
        table
        for table in source.tables
        if table.incremental is not None and table.name not in before and _is_planned(run, table.name)
    ]
    for table in new:
        _bound(run.tables[table.name], known.of_table(source, table), scale_of(table), wanted, known)
    bounded = _bounded(source, access, run)
    plan = plan_tables(source, bounded, gate, run, progress)
    for probe in plan.probes:
        run.tables[probe.table].source_at = probe.source_at
    for table in new:
        if table.name in plan.failed or table.incremental is None:
            continue
        if _is_due(run, table, known.last_full, table.incremental.longest):
            run.tables[table.name].since = None
        elif _is_due(run, table, known.last_swept, table.incremental.longest_unswept):
            run.tables[table.name].sweep = DUE
    unchanged = _unchanged(source, layout, bounded, run, plan, known)
    unchanged |= _unchanged_in_slices(
        source, layout, bounded, gate, run, plan, known, [table.name for table in new], unchanged
    )
    again = [
        table
        for table in new
        if table.name not in (*plan.failed, *unchanged)
        and not table.in_parts
        and _is_asked_anew(run, table, plan, bounded)
    ]
    if again:
        bounded = _bounded(source, access, run)
        plan = _with(plan, make_plan(bounded, run.run_id, [(table.name, table.path) for table in again], gate))
    for table in new:
        if table.name not in plan.failed:
            progress.note(f"{table.name}: {run.tables[table.name].asked_for}")
    return PlannedRun(plan, bounded, unchanged)


def _is_planned(run: Run, name: str) -> bool:
    return name in run.tables and run.tables[name].state == TableState.PLANNED


def _bound(record: TableRun, at: Watermark | None, scale: Scale, wanted: Wanted, known: Known) -> None:
    """Say in the record of a table what it is asked for."""
    record.since = record.until = record.is_backfill = None
    if wanted.is_backfill:
        record.is_backfill = True
        record.since, record.until = (
            None if text is None else scale.text(scale.read(text)) for text in (wanted.since, wanted.until)
        )
    elif at is not None and not wanted.is_full and record.table in known.last_full:
        record.since = scale.behind(at.watermark)


def _is_due(run: Run, table: Table, last: Mapping[str, Watermark], longest: timedelta | None) -> bool:
    """Whether the last one of these of a table that is asked for an increment has become too old."""
    record = run.tables[table.name]
    if longest is None or record.since is None or record.is_backfill:
        return False
    return _age(last[table.name], record, run) >= longest


def _unchanged(source: Source, layout: Layout, access: Access, run: Run, plan: Plan, known: Known) -> frozenset[str]:
    """The tables of which the first page of an increment has nothing new. Of a run that goes on, nobody looks."""
    records = [(run.tables[page.table], page) for page in plan.probes]
    return frozenset(
        page.table
        for record, page in records
        if record.since is not None
        and not record.is_backfill
        and record.sweep is None
        and is_unchanged(source, layout, known.published, access, page, record.since)
    )


def _unchanged_in_slices(
    source: Source,
    layout: Layout,
    access: Access,
    gate: Gate,
    run: Run,
    plan: Plan,
    known: Known,
    new: Collection[str],
    others: Collection[str],
) -> frozenset[str]:
    """The tables with slices over values, if none has anything new, and `others` are all the rest: else Spark starts anyway."""
    sliced = [source.table(one.table) for one in plan.tables if one.in_parts]
    is_all = not plan.failed and len(sliced) + len(others) == len(plan.tables)

    def is_looked_at(table: Table) -> bool:
        record, slices = run.tables[table.name], table.slices
        is_asked_for_news = table.name in new and record.since is not None and not record.is_backfill
        return is_asked_for_news and slices is not None and 0 < len(slices.values) <= MOST_SLICES

    def is_same(table: Table) -> bool:
        parts = bounded_parts(source, layout, table, run.tables[table.name], slice_parts(table.slices))
        marks, scale = [known.of_table(source, table, part.key) for part in parts], scale_of(table)
        sinces = [None if at is None else scale.behind(at.watermark) for at in marks]
        asked = list(zip(parts, sinces, strict=True))
        return are_unchanged(source, layout, known.published, access, gate, run.run_id, table, asked)

    is_none_new = is_all and all(map(is_looked_at, sliced)) and all(map(is_same, sliced))
    return frozenset(table.name for table in sliced) if is_none_new else frozenset()


def _is_asked_anew(run: Run, table: Table, plan: Plan, access: Access) -> bool:
    """Whether the first page is asked for once more, within other bounds. The source's own time is set as one before."""
    record, own, scale = run.tables[table.name], table.incremental, scale_of(table)
    times = [one.source_at for one in plan.probes if one.source_at is not None]
    if own is not None and own.until_param is not None and scale.is_time and times:
        until = scale.text(min(times))
        # Not where its clock stands before what its rows say.
        if record.since is not None and not record.is_backfill and scale.rank(until) > scale.rank(record.since):
            record.until = until
    return bounds_of(table, record) != dict(access.fixed_for(table.name).bounds)


def _age(last: Watermark, record: TableRun, run: Run) -> timedelta:
    """How long ago a full copy or a sweep began, by the source's own time, or by this machine's where the source does not tell."""
    if last.source_at is not None and record.source_at is not None:
        return record.source_at - last.source_at
    return run.started_at - last.at


def _with(plan: Plan, anew: Plan) -> Plan:
    """The plan with what was planned anew in the place of what was planned before."""
    names = {*anew.failed, *(table.table for table in anew.tables)}
    tables = (*(one for one in plan.tables if one.table not in names), *anew.tables)
    probes = (*(one for one in plan.probes if one.table not in names), *anew.probes)
    return Plan(tables, {**plan.failed, **anew.failed}, probes)


def bounds_of(table: Table, record: TableRun) -> dict[str, str | int]:
    """What goes with each request for a table, so that it asks for no other rows than its record says."""
    own = table.incremental
    if own is None or not record.is_increment:
        return {}
    scale, bounds = scale_of(table), ((own.param, record.since), (own.until_param, record.until))
    return {name: scale.written(text) for name, text in bounds if name and text is not None}


def _bounded(source: Source, access: Access, run: Run) -> Access:
    """The access that asks within the bounds of its tables. Each part of a table has its own in an increment."""
    bounds = {
        name: bounds_of(source.table(name), record)
        for name, record in run.tables.items()
        if record.is_increment and (record.is_backfill or not source.table(name).in_parts)
    }
    return access.bounded({name: tuple(values.items()) for name, values in bounds.items()})


def bounded_parts(
    source: Source, layout: Layout, table: Table, record: TableRun, parts: Sequence[Part]
) -> tuple[Part, ...]:
    """The parts of a table, each of which asks from its own watermark on. One that has none asks for all of its rows."""
    if table.incremental is None or not record.is_increment or record.is_backfill:
        return tuple(parts)
    known, scale, found = Known.of(layout), scale_of(table), []
    for part in parts:
        at = known.of_table(source, table, part.key)
        own = () if at is None else ((table.incremental.param, scale.written(scale.behind(at.watermark))),)
        found.append(replace(part, params=(*part.params, *own)))
    return tuple(found)


def watermark_after(
    record: TableRun, greatest: str | None, at: str | None, scale: Scale, *, is_behind: bool
) -> str | None:
    """The watermark of a table once these rows are in it; None where the one that is published (`at`) stays.

    `greatest` is the greatest value among the rows that were taken. A time is no later than that of the source when it was first
    asked: rows that it got since may have been missed, and one that is dated in the future must hide no other. It never passes a
    gap, and goes back by a full copy alone, unless a later run was merged before (`is_behind`).
    """
    if greatest is None or record.proof not in (*PROVED, ENDED):
        return None
    bounds = [greatest] if record.until is None else [greatest, record.until]
    if scale.is_time and record.source_at is not None:
        bounds.append(scale.text(record.source_at))
    found = min(bounds, key=scale.rank)
    if not record.is_increment and not is_behind:
        return found
    if at is None:
        return found if record.since is None else None
    if record.since is not None and scale.rank(record.since) > scale.rank(at):
        return None
    return found if scale.rank(found) > scale.rank(at) else None


def note_watermarks(
    source: Source,
    layout: Layout,
    run: Run,
    greatest: Mapping[str, Greatest],
    behind: Collection[str],
    note: Callable[[str], None],
) -> None:
    """Record how far the tables are copied that a run has merged. `behind` are those into which a later run was merged before.

    They count once the versions that it has merged are published. `note` gets the sentence on one that is no time of the past.
    """
    known, new = Known.of(layout), list[Watermark]()
    for table in source.tables:
        record = run.tables.get(table.name)
        if table.incremental is None or table.name not in greatest or record is None or record.version is None:
            continue
        at, scale = known.of_table(source, table), scale_of(table)
        is_behind = table.name in behind
        text = watermark_after(
            record, greatest[table.name].value, None if at is None else at.watermark, scale, is_behind=is_behind
        )
        if record.is_swept and not is_behind and at is not None:
            # Told whether the watermark moves or not: it says when the last sweep was.
            swept = _watermark(source, table, run, record, None, text or at.watermark)
            new.append(replace(swept, asked=watermarks.SWEEP))
        elif text is not None:
            new.append(_watermark(source, table, run, record, None, text))
        is_dated = scale.is_time and record.source_at is None and not table.in_parts
        if text is not None and is_dated and _time(scale, text) > run.started_at:
            column = table.incremental.column
            note(
                f"{table.name}: its newest {column} is {text}, later than now, and the source does not tell its time: rows "
                "that change before then are not asked for. Correct that row, and start a run with --full"
            )
        # What a replay asked each part for, nobody knows any more.
        for part, value in greatest[table.name].parts.items() if run.replay_of is None else ():
            at = known.of_table(source, table, part)
            asked = replace(record, source_at=greatest[table.name].source_at.get(part))
            if asked.is_increment and not asked.is_backfill:
                asked.since = None if at is None else scale.behind(at.watermark)
            text = watermark_after(asked, value, None if at is None else at.watermark, scale, is_behind=is_behind)
            if text is not None:
                new.append(_watermark(source, table, run, record, part, text))
    watermarks.add(layout, new)


def _watermark(source: Source, table: Table, run: Run, record: TableRun, part: str | None, text: str) -> Watermark:
    return Watermark(
        run.run_id,
        table.name,
        part,
        str(record.path),
        int(record.version or 0),
        text,
        asks_of(source, table),
        record.asked,
        record.as_of or run.started_at,
        record.source_at,
    )


def _time(scale: Scale, text: str) -> datetime:
    at = scale.read(text)
    return at if isinstance(at, datetime) else datetime.min.replace(tzinfo=UTC)
