"""How far incremental tables are copied, as `status` says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lib.console import number_of
from lib.lake import watermarks
from lib.lake.layout import Layout
from lib.lake.publications import Publication
from lib.observe.verdicts import hours

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?")


@dataclass(frozen=True)
class Mark:
    """The watermark of a table, or of a part of it, that is published: its age where it is a time, and the run that set it.

    `full_at` is the start of the last published run that asked for all rows, None where there was none; `swept_at` that of the
    last one that met the keys of all rows, as a full one does, too.
    """

    table: str
    part: str | None
    watermark: str
    age: timedelta | None
    run_id: str
    set_at: datetime
    full_at: datetime | None
    swept_at: datetime | None


def marks_of(layout: Layout, published: Publication | None, now: datetime) -> tuple[Mark, ...]:
    """Those of a lake, by table and part."""
    known = watermarks.all_watermarks(layout)
    full, swept = watermarks.last_full(known, published), watermarks.last_swept(known, published)
    held = watermarks.held(known, published).values()
    return tuple(
        Mark(
            one.table,
            one.part,
            one.watermark,
            _age(one.watermark, now),
            one.run_id,
            one.at,
            full[one.table].at if one.table in full else None,
            swept[one.table].at if one.table in swept else None,
        )
        for one in sorted(held, key=lambda one: (one.table, one.part or ""))
    )


def _age(text: str, now: datetime) -> timedelta | None:
    if not _TIME.fullmatch(text):
        return None
    at = datetime.fromisoformat(text)
    return now - (at if at.tzinfo else at.replace(tzinfo=UTC))


def mark_as_json(mark: Mark) -> dict[str, Any]:
    """For scripts: times are ISO 8601 in UTC."""
    return {
        "table": mark.table,
        "part": mark.part,
        "watermark": mark.watermark,
        "age_s": None if mark.age is None else round(mark.age.total_seconds(), 3),
        "run_id": mark.run_id,
        "set_at": mark.set_at.isoformat(),
        "full_at": None if mark.full_at is None else mark.full_at.isoformat(),
        "swept_at": None if mark.swept_at is None else mark.swept_at.isoformat(),
    }


def mark_lines(marks: Sequence[Mark], now: datetime) -> list[str]:
    """For people, a line a table."""
    lines = []
    for mark in (one for one in marks if one.part is None):
        n_parts = sum(one.table == mark.table and one.part is not None for one in marks)
        part = f", {number_of(n_parts, 'part')}" if n_parts else ""
        age = f", {hours(mark.age)} old" if mark.age is not None else ""
        full = f"; all rows {hours(now - mark.full_at)} ago" if mark.full_at is not None else ""
        is_sweep = mark.swept_at is not None and mark.swept_at != mark.full_at
        swept = f", all keys {hours(now - mark.swept_at)} ago" if mark.swept_at is not None and is_sweep else ""
        lines.append(f"{mark.table}{part}: up to {mark.watermark}{age}{full}{swept}")
    heads = ["Increments:", *["           "] * len(lines)]
    return [f"{head} {line}" for head, line in zip(heads, lines, strict=False)]
