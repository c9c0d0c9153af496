"""The source's own time, as its answers tell it. The clock of this machine plays no part in what is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from lib.config.slices import parse_time
from lib.errors import SourceError
from lib.source.client import Reply, SourceClient
from lib.source.gate import Gate
from lib.source.paging import Position
from lib.source.part import Part
from lib.source.retry import http_date

if TYPE_CHECKING:
    from lib.config import Table
    from lib.config.slices import Slices, Window
    from lib.source.access import Access


def window_part(slices: Slices, window: Window) -> Part:
    """The part of a table that a window of time is."""
    bounds = {slices.from_param or "": slices.written(window.start), slices.to_param or "": slices.written(window.end)}
    return Part.of(
        {"from": f"{window.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{window.end:%Y-%m-%dT%H:%M:%SZ}"}, tuple(bounds.items())
    )


def end_of_windows(access: Access, table: Table, slices: Slices, gate: Gate) -> datetime:
    """Where the last window ends: where the settings say, or at the source's own time, which its first window is asked for.

    Raises:
        SourceError: the source does not answer, or does not say what time it is there.
    """
    if slices.end is not None:
        return parse_time(slices.end)
    paging, position = access.paging_for(table.name), Position(access.paging_for(table.name).first_number)
    start = parse_time(slices.start or "")
    first = window_part(slices, slices.windows(slices.period.after(start, 1))[0])

    def read(reply: Reply) -> datetime | None:
        return http_date(reply.headers.get("date", ""))

    with SourceClient(access, gate) as client:
        answer = client.get(
            table.path.partition("?")[0],
            paging.params(position),
            read,
            first.fixed(access.fixed_for(table.name)),
            headers=paging.headers(position),
            rules=access.rules_for(table.name),
        )
    if answer.content is None:
        message = "the source sends no header Date, so it does not say where the last window ends; write slices.to"
        raise SourceError(message)
    return slices.bound(answer.content)
