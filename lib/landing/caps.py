"""Sources that cap what they give: a search of which only the first 10,000 rows can be had, whatever it has found.

Evidence is an answer that contradicts the others: it refuses or empties all pages behind full ones, or gives rows behind those that
its total counts. A number of rows at which sources cap is none by itself, as a table may have just that many: then the copy is
`unproved`, unless something behind them could be asked for, and was nothing.
"""

from __future__ import annotations

from http import HTTPStatus

from lib.landing.bronze import Seen
from lib.landing.plan import TablePlan
from lib.source.paging import SLICES, AllAtOnce, Keysets

# How a source refuses what is beyond its window; the others may be a failure that passes.
REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
CAPPED = f"If the source caps what it gives, {SLICES}"


def may_be_cap(n_rows: int) -> bool:
    """Whether it is a number of rows at which searches and lists are capped: 1,000, 2,000, 5,000, 10,000 and so on."""
    return n_rows >= 1000 and str(n_rows).rstrip("0") in ("1", "2", "5")


def may_be_cut(n_rows: int) -> bool:
    """Whether it is a number of rows at which single answers are cut: those of a cap, and 10, 20, 25, 50, 100 and so on."""
    return n_rows >= 10 and str(n_rows).rstrip("0") in ("1", "2", "25", "5")


def of_refused_pages(plan: TablePlan, seen: Seen) -> str:
    """What is said of failed pages where the source refuses all behind a certain one; else nothing."""
    first = seen.failed[0]
    if seen.first_status not in REFUSED or first == plan.first:
        return ""
    behind = range(first, plan.last + 1)
    is_window = seen.failed == tuple(behind[: len(seen.failed)]) and not seen.uneven and not seen.missing
    if not is_window or (plan.is_walk and not may_be_cap(seen.n_items)):
        return ""
    return f". The source gives {seen.n_items:,} rows, and refuses all pages after them. {CAPPED}"


def of_missing_rows(plan: TablePlan, seen: Seen) -> str | None:
    """What is said of fewer rows than the total where full pages have only empty ones behind them; None elsewhere."""
    if plan.is_walk:
        return CAPPED if may_be_cap(seen.n_items) else None
    n_full = seen.uneven[0] - plan.first if seen.uneven else 0
    is_window = n_full > 0 and seen.n_items == n_full * plan.given
    return f"All pages after {seen.n_items:,} rows are empty. {CAPPED}" if is_window else None


def of_the_end(plan: TablePlan, seen: Seen) -> str | None:
    """Why the end of a table without a total may be a cap; None where nothing speaks for that."""
    if plan.style == Keysets.style:
        return None  # what follows its last row was asked for
    is_single = plan.style == AllAtOnce.style
    is_full = plan.given > 0 and seen.n_items % plan.given == 0 and not seen.uneven
    if not is_full or not (may_be_cut(seen.n_items) if is_single else may_be_cap(seen.n_items)):
        return None
    return exactly(seen.n_items, is_single=is_single)


def exactly(n_rows: int, *, is_single: bool) -> str:
    """What is said of a number of rows at which sources cap what they give."""
    what = "one answer has" if is_single else "it ends with a full page at"
    return f"{what} exactly {n_rows:,} rows, so the source may cap what it gives. If it does, {SLICES}"


def of_a_look_behind(plan: TablePlan, n_rows: int, status: int | None) -> str | None:
    """Why the total is a cap, from what the page behind all rows that it counts has; None where nothing speaks for that."""
    if n_rows:
        return more_behind(plan.total or 0)
    return refused_behind(plan.total or 0, status) if status in REFUSED else None


def more_behind(total: int) -> str:
    """What is said of a source that counts so many rows, and gives more."""
    return f"the source counts {total:,} rows, and gives more after them, so it caps what it counts: {SLICES}"


def refused_behind(total: int, status: int | None) -> str:
    """What is said of a source that counts so many rows, and refuses what comes after them."""
    return (
        f"the source counts exactly {total:,} rows, and refuses the page after them (status {status}), so it may cap what it "
        f"gives. If it does, {SLICES}"
    )
