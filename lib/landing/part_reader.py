"""One part of a table while a task reads it: its first page, what that announces, and the first page once more at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lib.landing import caps
from lib.landing.plan import plan_table
from lib.source.access import Access
from lib.source.page import AGAIN, PageRow
from lib.source.paging import Position
from lib.source.part import Part

# What says that there is no such page.
NO_PAGE = (404, 410, 416)


@dataclass(frozen=True)
class PartSpan:
    """A part of one table, whose `path` has its placeholders filled. It is read from its first page on, `most` pages at most."""

    table: str
    path: str
    part: Part
    most: int

    def reader(self, access: Access) -> PartReader:
        """What says, while it is read, what to ask for next."""
        return PartReader(self, access)


class PartReader:
    """Says what to ask for next of one part. It lives in one task, as long as the part is read.

    Where positions can be addressed, and the first page says how many there are, the others are asked for at once; else one after
    the other. Where something is wrong that only another reading can tell, nothing more is asked for.
    """

    def __init__(self, span: PartSpan, access: Access) -> None:
        self.table, self.path, self.part = span.table, span.path, span.part
        self._most, self._paging = span.most, access.paging_for(span.table)
        self._first = self._paging.first_number
        self._given, self._is_walk = 0, True
        self._total: int | None = None
        self._last, self._last_items, self._rows = self._first, 0, 0
        # Pages that are asked for and not here; and those that are to be asked for.
        self._n_open, self._n_left = 1, 0
        self._is_over = self._is_broken = False
        self._cursors: set[int] = set()

    @property
    def positions(self) -> Iterable[Position]:
        """The first page."""
        return (Position(self._first),)

    def after(self, page: PageRow) -> Iterable[Position]:
        """What follows from a page that is here: further pages, or the first one once more when all others are here."""
        if page.page == AGAIN:
            return ()
        self._n_open -= 1
        self._rows += page.n_items or 0
        if page.page >= self._last:
            self._last_items = page.n_items or 0
        further = self._following(page)
        if further is not None:
            return further
        if self._n_open or self._n_left or self._is_broken or self._last == self._first:
            return ()
        self._is_broken = True  # nothing follows this
        return (Position(self._first, again=True),)

    def _following(self, page: PageRow) -> Iterable[Position] | None:
        """Further pages; None where there are none, as far as this page tells."""
        if self._is_over:
            return None
        if page.error is not None:
            return self._ends(is_broken=page.page == self._first or page.status not in NO_PAGE)
        if page.page == self._first and not self._begins(page):
            return self._ends(is_broken=True)
        if self._is_walk:
            return self._walked(page)
        if self._total is None:
            return self._one_more() if page.n_items or page.is_skipped else self._ends()
        if page.page == self._first and self._n_left:
            return self._announced()
        if page.page < self._last and not page.n_items and not page.is_skipped:
            # Nothing where rows should be: a cap, or rows that have moved.
            return self._ends(is_broken=True)
        if self._n_open or self._n_left:
            return None
        is_short = self._rows < self._total and self._last_items > 0 and not self._paging.steps_by_rows
        return self._one_more() if is_short else self._ends()

    def _begins(self, first: PageRow) -> bool:
        """Take what the first page says of the others; whether that can be."""
        try:
            plan = plan_table(self.path, first, self._paging.style)
        except ValueError:
            return False
        self._given, self._total, self._is_walk = plan.given, plan.total, plan.is_walk
        if plan.total is not None and not plan.is_walk:
            # What is behind a total at which sources cap tells whether it is one.
            behind = caps.may_be_cap(plan.total) and plan.last == plan.last_with_rows
            last = plan.last + behind
            self._n_left = min(last, self._first + self._most - 1) - self._first
        return True

    def _walked(self, page: PageRow) -> Iterable[Position] | None:
        cursor = page.next_cursor
        if cursor is None:
            return self._ends()
        if hash(cursor) in self._cursors or page.page - self._first + 1 >= self._most:
            return self._ends(is_broken=True)
        self._cursors.add(hash(cursor))
        self._last, self._n_open = page.page + 1, 1
        return (Position(self._last, cursor=cursor),)

    def _announced(self) -> Iterator[Position]:
        numbers = range(self._first + 1, self._first + self._n_left + 1)
        self._last = numbers[-1]
        return self._while_good(numbers)

    def _while_good(self, numbers: range) -> Iterator[Position]:
        for number in numbers:
            if self._is_over:
                return
            self._n_left, self._n_open = self._n_left - 1, self._n_open + 1
            yield Position(number, self._given)

    def _one_more(self) -> Iterable[Position] | None:
        if self._last - self._first + 1 >= self._most:
            return self._ends(is_broken=True)
        self._last, self._n_open = self._last + 1, 1
        return (Position(self._last, self._given),)

    def _ends(self, *, is_broken: bool = False) -> Iterable[Position] | None:
        self._is_over, self._n_left = True, 0
        self._is_broken = self._is_broken or is_broken
        return None
