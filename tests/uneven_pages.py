"""A table whose pages a test writes down one by one, for sources that do not cut their rows evenly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.moving_server import Fault, Manners, MovingTable, Row, rows_of


@dataclass
class Cut(MovingTable):
    """Pages as they are given, whatever size is asked for.

    `told` is the total (None for a source that tells none), `counts_from` the number that the first page gives itself (None for
    pages without a number), `past_the_end` the status of the pages behind, `nothing` what they hold in place of rows, and `more`
    what an answer holds besides.
    """

    rows: list[Row] = field(default_factory=list)
    manners: Manners = field(default_factory=Manners)
    pages: Sequence[list[Row]] = ()
    told: int | None = None
    counts_from: int | None = None
    past_the_end: int = 200
    nothing: list[Row] | None = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def _answer(self, page: int, size: int, start: int, fault: Fault | None) -> tuple[int, Any]:
        position = page - self.manners.first
        is_late = position >= len(self.pages)
        if is_late and self.past_the_end != 200:
            return self.past_the_end, {"detail": "no such page"}
        answer: Row = {"items": self.nothing if is_late else self.pages[position], **self.more}
        if self.told is not None:
            answer["total"] = self.told
        if self.counts_from is not None:
            answer["page"] = position + self.counts_from
        return 200, answer


class Endless(MovingTable):
    """Pages without an end, each with other rows, or all with the same one."""

    def __init__(self, *, same: bool = False) -> None:
        super().__init__([])
        self._same = same

    def _answer(self, page: int, size: int, start: int, fault: Fault | None) -> tuple[int, Any]:
        return 200, {"items": rows_of([1] if self._same else range(page * size, page * size + size))}


def pages_of(*lengths: int) -> list[list[Row]]:
    """Pages of so many rows each, numbered on from 1."""
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    return [rows_of(range(end - length + 1, end + 1)) for length, end in zip(lengths, ends, strict=True)]


def numbers(pages: Iterable[list[Row]]) -> list[int]:
    """The numbers of the rows on the pages."""
    return [row["id"] for page in pages for row in page]
