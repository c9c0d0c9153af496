"""The proof that what landed is all that the source had: looked at, read again where it is in doubt, a bounded number of times.

`counted`: every planned page landed once, each with the number of rows that belongs on it, and rows landed = total at the start
= total at the end. A page with another number of rows counts if it was read twice and had the same rows both times. What
counting cannot see: a row removed before the page we were on and one added after it leave every count as it was. `reread`: two
whole walks, one after the other, gave the same rows page by page; so at the moment between the two the source held just these.
`swept`: a walk that is `counted` or `ended`, and a second one that met the same keys. `ended`: the source reports no total, and was
read to the end that it declares, behind which there was nothing when it was looked at again. Rows that moved past the walk on its
way are not seen by that, so no row is taken for deleted. `unproved`: none of these, and why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lib.errors import SourceIncompleteError
from lib.lake.states import COUNTED, ENDED, REREAD, UNPROVED
from lib.landing import caps
from lib.landing.bronze import Seen
from lib.landing.plan import MOST_EXTRA_PAGES, PageRange, TablePlan, Walk, plan_table
from lib.source.page import PageRow
from lib.source.paging import AllAtOnce, Ranges

SHOWN_PAGES = 20
WALKS_THAT_AGREE = 2
NOT_YET_AGREED = "two whole walks must agree, and have not yet"
REPEATS = (
    "the source fills its pages unevenly and repeats rows, which count towards its total: others may be missing. An order of rows "
    "that is the same for each page (by an id, if the source can be asked for it) helps"
)


@dataclass(frozen=True)
class Case:
    """One table on its way to a proof. `walks` counts the whole walks in a row, `whole` says whether the last reading was one.

    `doubted` are pages before the last one that held the wrong rows. Rows that move fill such pages, and make the last one
    short; so where these pages come right and their neighbours stay as they were, it was the answers that were wrong.
    """

    plan: TablePlan
    level: str
    walks: int = 1
    whole: bool = True
    doubted: frozenset[int] = frozenset()

    def read_again(self, ranges: Iterable[PageRange]) -> Case:
        """The case after these pages were read again."""
        whole = tuple(ranges) == (self.plan.whole,)
        return replace(self, walks=self.walks + 1 if whole else 0, whole=whole)


@dataclass(frozen=True)
class Proof:
    """How complete one table's copy is known to be, and the rows that it holds. `why` says what stands against more, if known."""

    table: str
    level: str
    rows: int
    why: str | None = None


@dataclass(frozen=True)
class Doubt:
    """Pages to be read again, under a plan that may be new, and why. `is_moving`: the source changed while it was read.

    `further`: a walk goes on with this part, where its end turned out to be none. `else_unproved`: once the rounds are used up the
    copy is taken as unproved, and does not fail its table.
    """

    case: Case
    ranges: tuple[PageRange, ...]
    why: str
    is_moving: bool = False
    further: Walk | None = None
    else_unproved: bool = False


def judge(case: Case, seen: Seen, closing: PageRow) -> Proof | Doubt:
    """What is known of a table after a reading. `closing` is its first page, read once more at the end.

    Raises:
        SourceIncompleteError: pages failed, or could not be written once each; reading again will not help here.
    """
    plan = case.plan
    if closing.is_skipped and plan.first not in seen.skipped:
        message = f"{plan.table}: the first page could not be read again at the end: a rule of errors skips it by now"
        raise SourceIncompleteError(message)
    is_resized = closing.error is None and closing.total != plan.total
    if seen.failed and not is_resized:  # where the source became shorter, its last pages may be no more
        message = f"{plan.table}: {_pages(seen.failed)} of {plan.n_pages} failed: {seen.first_error}"
        message += caps.of_refused_pages(plan, seen)
        raise SourceIncompleteError(message)
    if closing.error is not None:
        message = f"{plan.table}: the first page could not be read again at the end: {closing.error}"
        raise SourceIncompleteError(message)
    if seen.n_twice:
        message = f"{plan.table}: {seen.n_twice} pages stand twice in bronze; run again, this run cannot be used"
        raise SourceIncompleteError(message)
    if is_resized:
        why = f"the source claimed {plan.total} rows at the start and {closing.total} at the end"
        return walk_again(replace(case, plan=_planned_anew(plan, closing)), why)
    if closing.items_sha256 != seen.first_page_sha256:
        # A step that counts rows is that of the first page.
        is_range_after_all = plan.style == AllAtOnce.style and closing.own_number is not None
        moved = replace(case, plan=_planned_anew(plan, closing)) if plan.steps_by_rows or is_range_after_all else case
        return walk_again(moved, "the first page changed while the others were read")
    if seen.n_other_total:
        is_moving = bool(seen.n_moved) or seen.n_reread < plan.n_pages
        return walk_again(
            case, f"{seen.n_other_total} pages reported another total than {plan.total}", is_moving=is_moving
        )
    if not case.whole and seen.n_moved > len(case.doubted & set(seen.moved)):
        return walk_again(case, f"{seen.n_moved} pages held other rows when they were read again")
    if plan.is_walk:
        return _judge_walk(case, seen, closing)
    if seen.missing:
        return _ask(case, seen.missing, f"{_pages(seen.missing)} have not landed", around=False)
    if plan.total is None or seen.n_skipped:
        # Nobody knows how many rows there should be.
        if seen.duplicates:
            raise _same_rows(plan, seen)
        if set(seen.uneven) - case.doubted:
            return _ask(replace(case, doubted=frozenset(seen.uneven)), seen.uneven, _account(plan, seen), around=True)
        if seen.uneven and plan.steps_by_rows:
            message = (
                f"{plan.table}: {_account(plan, seen)}. A position counts {plan.given} rows a page, so some are missing; "
                "ask for no more rows than each page brings (api.pagination.size)"
            )
            raise SourceIncompleteError(message)
        return _without_total(case, seen, closing)
    if seen.n_items < plan.total and seen.ends_with_rows and is_uneven(seen):
        return _go_on(case, seen, plan.total - seen.n_items)
    doubtful = sorted({*seen.uneven, *seen.duplicates})
    if (doubtful and not is_uneven(seen)) or seen.n_items != plan.total:
        inner = frozenset(doubtful) if max(doubtful, default=plan.last) < plan.last_with_rows else frozenset[int]()
        again = replace(case, doubted=inner)
        return _ask(again, doubtful or range(plan.first, plan.last + 1), _account(plan, seen), around=True)
    if case.level == REREAD:
        if case.walks < WALKS_THAT_AGREE or seen.n_moved or seen.n_reread + seen.n_past_end < plan.n_pages:
            return walk_again(case, NOT_YET_AGREED, is_moving=bool(seen.n_moved))
        return Proof(plan.table, REREAD, seen.n_items)
    return Proof(plan.table, COUNTED, seen.n_items)


def _judge_walk(case: Case, seen: Seen, closing: PageRow) -> Proof | Doubt:
    """What is known of a table after a walk, whose first page is as it was. Its pages may hold any number of rows."""
    plan = case.plan
    if seen.duplicates:
        if case.walks < WALKS_THAT_AGREE:
            return walk_again(case, str(_same_rows(plan, seen)).partition(": ")[2], is_moving=bool(seen.n_moved))
        raise _same_rows(plan, seen)
    is_counted = plan.total is not None and not seen.n_skipped
    if seen.missing or (is_counted and seen.n_items != plan.total):
        return walk_again(case, _account(plan, seen), is_moving=bool(seen.n_moved))
    if not is_counted:
        return _without_total(case, seen, closing)
    has_moved = seen.n_moved or seen.n_beyond or seen.n_reread < plan.n_pages
    if case.level == REREAD and (case.walks < WALKS_THAT_AGREE or has_moved):
        return walk_again(case, NOT_YET_AGREED, is_moving=bool(seen.n_moved))
    return Proof(plan.table, REREAD if case.level == REREAD else COUNTED, seen.n_items)


def _without_total(case: Case, seen: Seen, closing: PageRow) -> Proof | Doubt:
    """What is known of a table that was read to its end, and of which nobody knows how many rows it should have."""
    plan = case.plan
    n_with_rows = math.ceil(seen.n_items / plan.given) if plan.given else 0
    why = _skipped(seen)
    if seen.misnamed:
        why = why or f"{_misnamed(seen)}. {_look_at_first(plan)}"
    elif seen.ends_by_rule:
        why = why or "its end is what a rule of errors says, and not the source"
    elif plan.is_walk and plan.n_pages == 1 and not closing.is_end:
        why = why or "its first page names no next one, and is taken for all there is"
    elif seen.uneven and not plan.is_walk:
        shorter = "nobody says how many rows there should be, and before the last page some have fewer than others"
        why = why or f"{shorter}: {_pages(seen.uneven)}"
    elif (seen.claimed_pages or 0) > max(n_with_rows, seen.n_pages):
        why = why or f"the source claims {seen.claimed_pages:,} pages, and gives rows on {n_with_rows:,}"
    why = why or caps.of_the_end(plan, seen)
    if why is not None:
        return Proof(plan.table, UNPROVED, seen.n_items, why)
    if case.level == REREAD:
        is_same = not (seen.n_moved or seen.n_beyond) and seen.n_reread >= plan.n_pages
        if is_same and case.walks >= WALKS_THAT_AGREE:
            return Proof(plan.table, REREAD, seen.n_items)
        return walk_again(case, NOT_YET_AGREED, is_moving=bool(seen.n_moved))
    return Proof(plan.table, ENDED, seen.n_items)


def _same_rows(plan: TablePlan, seen: Seen) -> SourceIncompleteError:
    return SourceIncompleteError(f"{plan.table}: the same rows on {_pages(seen.duplicates)}: {plan.question}")


def is_uneven(seen: Seen) -> bool:
    """Whether the source fills its pages unevenly, as one that hides rows from some users does, and not by a passing fault.

    Each page with another number of rows than the first one had the same rows when it was read again.
    """
    return bool(seen.uneven) and not (seen.misnamed or seen.duplicates or seen.n_uneven_once or seen.n_moved)


def _go_on(case: Case, seen: Seen, n_missing: int) -> Doubt:
    """Pages that hold fewer rows than the first one are more pages than were planned: read past the last one."""
    plan = case.plan
    n_pages = min(MOST_EXTRA_PAGES, math.ceil(n_missing * plan.n_pages / seen.n_items))
    further = replace(plan, last=plan.last + n_pages)
    why = f"{_account(plan, seen)}; reading past the last page"
    return Doubt(replace(case, plan=further), further.pages(range(plan.last + 1, further.last + 1)), why)


def doubt_repeats(case: Case, pages: Iterable[int]) -> Doubt:
    """Keys stand on more than one page. If those pages are as they were when they are looked at, the source repeats itself."""
    again = replace(case, doubted=frozenset())
    return _ask(again, pages, "keys are on more than one page", around=False)


def walk_again(case: Case, why: str, *, is_moving: bool = True) -> Doubt:
    """The whole table is in doubt; because it moved, unless said otherwise."""
    return Doubt(case, (case.plan.whole,), why, is_moving)


def report(doubt: Doubt, seen: Seen, rounds: int) -> str:
    """What is said of a table that could not be proved: which pages, how many rows, and what to try."""
    plan = doubt.case.plan
    return (
        f"{plan.table}: not proved complete after {rounds} rounds of reading again: {doubt.why}. {_account(plan, seen)}. "
        f"{_advice(doubt, seen)}, or go on knowingly with --accept-incomplete"
    )


def _advice(doubt: Doubt, seen: Seen) -> str:
    """What can help: rest where rows move, a setting where the source is the same at each reading."""
    plan = doubt.case.plan
    if doubt.is_moving or seen.n_moved:
        return "Try again when the source is at rest, with more api.limits.proof_rounds"
    if seen.n_other_total:
        return (
            "The source gives the same rows at each reading, and other totals: look at what api.pagination.total names"
        )
    if seen.duplicates:
        return f"Look at {plan.asks_by}, by which a page is asked for"
    if seen.misnamed:
        return _look_at_first(plan)
    same = "The source gives the same rows at each reading"
    total = plan.total
    if total is not None and seen.n_items < total:
        if capped := caps.of_missing_rows(plan, seen):
            return f"{same}, fewer than it counts. {capped}"
        first = "at api.pagination.first, " if plan.has_first else ""
        return (
            f"{same}, fewer than it counts: look at what these credentials may see, {first}at a smaller "
            "api.pagination.size, and at whether api.pagination.total is the number of these rows"
        )
    if total is not None and seen.n_items > total:
        return f"{same}, more than it counts: look at whether api.pagination.total is the number of these rows"
    return "Try with more api.limits.proof_rounds"


def _look_at_first(plan: TablePlan) -> str:
    return (
        f"Look at api.pagination.first and size_param, and at {plan.asks_by}: the source says that it gives other pages"
    )


def _account(plan: TablePlan, seen: Seen) -> str:
    of_total = "" if plan.total is None else f" of {plan.total}"
    pages = f"{seen.n_pages} pages" if plan.is_walk else f"{seen.n_pages} of {plan.n_pages} pages"
    parts = [f"{seen.n_items} rows landed{of_total} on {pages}"]
    difference = seen.n_items - (plan.total or 0)
    if plan.total is not None and difference:
        parts.append(f"{abs(difference)} {'missing' if difference < 0 else 'too many'}")
    if seen.uneven and not plan.is_walk:
        uneven = [page for page in seen.uneven if page not in seen.misnamed]
        parts += [f"another number of rows than on the first page: {_pages(uneven)}"] if uneven else []
        parts += [_misnamed(seen)] if seen.misnamed else []
    if seen.duplicates:
        parts.append(f"the same rows on {_pages(seen.duplicates)} ({plan.question})")
    return "; ".join(parts)


def _ask(case: Case, pages: Iterable[int], why: str, *, around: bool) -> Doubt:
    plan = case.plan
    wanted = {near for page in pages for near in ((page - 1, page, page + 1) if around else (page,))}
    inside = [page for page in wanted if plan.first <= page <= plan.last]
    if len(inside) == plan.n_pages or (around and not case.whole):
        # Asked before, and still in doubt: only a whole walk can tell.
        return walk_again(case, why, is_moving=False)
    return Doubt(case, plan.pages(inside), why)


def _planned_anew(plan: TablePlan, closing: PageRow) -> TablePlan:
    if closing.total is None and plan.total is not None:
        message = (
            f"{plan.table}: the source claimed {plan.total} rows at the start, and reports no number of rows at the end"
        )
        raise SourceIncompleteError(message)
    # A source that takes ranges may have answered once as if it did not.
    style = Ranges.style if plan.style == AllAtOnce.style and closing.own_number is not None else plan.style
    try:
        anew = plan_table(plan.path, closing, style)
    except ValueError as error:
        message = f"{plan.table}: {error}"
        raise SourceIncompleteError(message) from error
    # Of a walk the closing look does not tell how far it goes.
    return replace(anew, last=plan.last) if anew.is_walk else anew


def _skipped(seen: Seen) -> str | None:
    """That rules skipped pages, and which; None where they did not."""
    if not seen.n_skipped:
        return None
    were = "1 page was" if seen.n_skipped == 1 else f"{seen.n_skipped:,} pages were"
    return f"{were} skipped, as rules of errors say: {_pages(seen.skipped)}"


def _misnamed(seen: Seen) -> str:
    return f"by its own number or size another page than was asked for: {_pages(seen.misnamed)}"


def _pages(pages: Iterable[int]) -> str:
    known = list(pages)
    shown = ", ".join(str(page) for page in known[:SHOWN_PAGES])
    return f"page {shown}" if len(known) == 1 else f"pages {shown}{', ...' if len(known) > SHOWN_PAGES else ''}"
