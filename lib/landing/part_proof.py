"""The proof of one part of a table, from what bronze holds of it: `lib/landing/prove.py` says what the levels mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lib.lake.states import COUNTED, ENDED, REREAD, UNPROVED
from lib.landing import caps
from lib.landing.part_reader import NO_PAGE
from lib.landing.part_readings import PartSeen
from lib.landing.prove import NOT_YET_AGREED
from lib.source.paging import STYLES, AllAtOnce, Keysets
from lib.source.paging.hints import CAPS_WHAT_IT_COUNTS

# How one of the rows of another table is there no more.
_GONE = (404, 410)
_EMPTY = (204, 205, 416)
_NOT_AGAIN = "its first page was not read again at the end"
# The levels from the weakest on.
_ORDER = (UNPROVED, ENDED, COUNTED, REREAD)


@dataclass(frozen=True)
class PartProof:
    """How complete a part is known to be. `is_gone`: the row that it belongs to is there no more."""

    level: str
    rows: int
    why: str | None = None
    is_gone: bool = False


@dataclass(frozen=True)
class PartDoubt:
    """A part that is to be read again, and why. `is_capped`: it may be more than the source gives; then a window is split.

    `else_level`: how complete it is taken to be where nothing better is to be had. None: then the table fails.
    """

    why: str
    is_capped: bool = False
    else_level: str | None = None


@dataclass(frozen=True)
class PartFailure:
    """A part that could not be read, and why: reading it again in the same run does not help."""

    why: str


PartVerdict = PartProof | PartDoubt | PartFailure


@dataclass(frozen=True)
class PartRules:
    """What the settings say of the parts of a table."""

    style: str
    level: str
    max_pages: int
    is_window: bool = False
    may_be_gone: bool = False


def weakest(levels: Iterator[str]) -> str:
    """The level of a table whose parts have these."""
    return min(levels, key=lambda level: _ORDER.index(level) if level in _ORDER else len(_ORDER), default=COUNTED)


def judge_part(rules: PartRules, seen: PartSeen, before: PartSeen | None) -> PartVerdict:
    """What is known of a part after a reading. `before` is the reading before that, if there was one."""
    if failure := _failure(rules, seen):
        return failure
    if seen.least_total != seen.most_total:
        return PartDoubt(f"the source claimed {seen.least_total} rows on one page and {seen.most_total} on another")
    if seen.n_sums < seen.n_filled:
        return PartDoubt(f"the same rows on two pages: {STYLES[rules.style].question()}")
    if seen.n_again and seen.again_sha256 != seen.first_sha256:
        return PartDoubt("the first page changed while the others were read")
    if (seen.low, seen.high) != (0, 0) and _is_misnamed(seen):
        return PartDoubt("by its own number a page is another one than was asked for")
    if seen.last_page - seen.first_page + 1 != seen.n_pages:
        return PartDoubt("pages of it have not landed")
    found = _ended(rules, seen) if seen.first_total is None or seen.n_skipped else _counted(rules, seen)
    if rules.level != REREAD or not isinstance(found, PartProof) or found.level == UNPROVED:
        return found
    is_same = before is not None and (before.n_pages, before.digest) == (seen.n_pages, seen.digest)
    return PartProof(REREAD, found.rows) if is_same else PartDoubt(NOT_YET_AGREED)


def _failure(rules: PartRules, seen: PartSeen) -> PartVerdict | None:
    if seen.n_rows != seen.n_distinct or seen.n_again > 1:
        return PartFailure("pages stand twice in bronze; run again, this run cannot be used")
    if seen.n_failed and not _is_end(seen):
        is_gone = seen.failed_page == seen.first_page and seen.first_status in _GONE and not seen.by_rule
        if rules.may_be_gone and is_gone:
            return PartProof(COUNTED, 0, is_gone=True)
        if CAPS_WHAT_IT_COUNTS in (seen.first_error or ""):
            return PartDoubt(seen.first_error or "", is_capped=True)
        is_behind = seen.failed_page != seen.first_page and seen.failed_status in caps.REFUSED
        if is_behind and seen.n_items and not _is_short_inside(seen):
            if seen.n_items == seen.first_total:
                why = caps.refused_behind(seen.first_total, seen.failed_status)
                return PartDoubt(why, is_capped=True, else_level=UNPROVED)
            return PartDoubt(
                f"the source gives {seen.n_items:,} rows, and refuses all pages behind them. {caps.CAPPED}",
                is_capped=True,
            )
        return PartFailure(seen.first_error or "")
    if seen.again_error is not None:
        return PartFailure(f"the first page could not be read again at the end: {seen.again_error}")
    if seen.first_skipped and STYLES[rules.style].steps_by_rows:
        return PartFailure(
            "a rule of errors skips the first page, so nobody knows how many rows a step has; take fail or retry for it"
        )
    if seen.last_named:
        if seen.n_pages >= rules.max_pages:
            return PartFailure(_no_end(rules, seen))
        return PartFailure(
            f"by page {seen.last_page} a page came for the second time, so it may never end: {STYLES[rules.style].question()}"
        )
    return None


def _counted(rules: PartRules, seen: PartSeen) -> PartVerdict:
    total = seen.first_total or 0
    account = f"{seen.n_items} rows landed of {total} on {seen.n_pages} pages"
    if seen.n_items < total:
        if seen.n_pages >= rules.max_pages:
            return PartFailure(_no_end(rules, seen))
        is_empty_behind = seen.last_items == 0 and seen.n_items > 0 and not _is_short_inside(seen)
        behind = f". All pages behind {seen.n_items:,} rows are empty. {caps.CAPPED}" if is_empty_behind else ""
        return PartDoubt(f"{account}{behind}", is_capped=is_empty_behind)
    if seen.n_items > total:
        is_cap = caps.may_be_cap(total)
        return PartDoubt(caps.more_behind(total) if is_cap else account, is_capped=is_cap)
    if seen.n_pages > 1 and not seen.n_again:
        return PartDoubt(_NOT_AGAIN)
    if rules.is_window and caps.may_be_cap(total):
        return PartDoubt(f"exactly {total:,} rows", is_capped=True, else_level=COUNTED)
    return PartProof(COUNTED, seen.n_items)


def _ended(rules: PartRules, seen: PartSeen) -> PartVerdict:
    style = STYLES[rules.style]
    if style.is_addressable and seen.last_items and not seen.last_is_end:
        return (
            PartFailure(_no_end(rules, seen)) if seen.n_pages >= rules.max_pages else PartDoubt("no end of it was met")
        )
    if seen.n_pages > 1 and not seen.n_again:
        return PartDoubt(_NOT_AGAIN)
    if _is_short_inside(seen) and style.steps_by_rows:
        return PartFailure(
            "pages before the last one have fewer rows than others, and a position counts rows, so some are missing; ask for "
            "no more rows than each page brings (api.pagination.size)"
        )
    why, is_capped = _unproved(rules, seen), False
    if why is None and style.style != Keysets.style and _is_at_a_cap(rules, seen):
        why, is_capped = caps.exactly(seen.n_items, is_single=style.style == AllAtOnce.style), True
    if why is None:
        return PartProof(ENDED, seen.n_items)
    if is_capped and rules.is_window:
        return PartDoubt(why, is_capped=True, else_level=UNPROVED)
    return PartProof(UNPROVED, seen.n_items, why)


def _unproved(rules: PartRules, seen: PartSeen) -> str | None:
    style = STYLES[rules.style]
    if seen.n_skipped:
        return "pages were skipped, as rules of errors say"
    if seen.last_error is None and seen.last_bytes == 0 and seen.last_status not in _EMPTY:
        return "its end is what a rule of errors says, and not the source"
    if not style.is_addressable and seen.n_pages == 1 and not seen.last_is_end:
        return "its first page names no next one, and is taken for all there is"
    if style.is_addressable and _is_short_inside(seen):
        return "nobody says how many rows there should be, and before the last page some have fewer than others"
    if (seen.claimed_pages or 0) > max(seen.n_filled, seen.n_pages):
        return f"the source claims {seen.claimed_pages:,} pages, and gives rows on {seen.n_filled:,}"
    return None


def _is_at_a_cap(rules: PartRules, seen: PartSeen) -> bool:
    """Whether it ends with a full page at a number of rows at which sources cap what they give."""
    is_full = seen.n_filled > 0 and seen.n_items == seen.n_filled * (seen.most_items or 0)
    is_single = rules.style == AllAtOnce.style
    return is_full and (caps.may_be_cut(seen.n_items) if is_single else caps.may_be_cap(seen.n_items))


def _is_short_inside(seen: PartSeen) -> bool:
    """Whether a page before the last one with rows has fewer than others."""
    if not seen.n_filled or seen.filled_page is None:
        return False
    has_gap = seen.filled_page - seen.first_page + 1 != seen.n_filled
    return has_gap or seen.n_items - (seen.filled_items or 0) != (seen.n_filled - 1) * (seen.most_items or 0)


def _is_end(seen: PartSeen) -> bool:
    """Whether the one page that failed is one behind the last, of which the source says that there is none."""
    is_no_page = seen.failed_status in NO_PAGE and not seen.by_rule
    return seen.n_failed == 1 and seen.failed_page == seen.last_page > seen.first_page and is_no_page


def _is_misnamed(seen: PartSeen) -> bool:
    """Whether pages number themselves otherwise: some sources count from 0 in the answer, and from 1 in the request, all alike."""
    if seen.low is None:
        return False
    return seen.low != seen.high or not (abs(seen.low) == 1 and seen.own_first in (0, 1))


def _no_end(rules: PartRules, seen: PartSeen) -> str:
    return (
        f"no end was met on {seen.n_pages:,} pages, as many as api.limits.max_pages ({rules.max_pages:,}) allows. If it has "
        f"more, raise that setting and go on with --resume; if its pages never end, look at {STYLES[rules.style].asks_by}"
    )
