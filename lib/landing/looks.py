"""A look behind what is taken for the end of a table: the end that a walk has come to, and a total that may be a cap.

The driver asks; what it finds does not land.
"""

from __future__ import annotations

from lib.errors import SourceIncompleteError
from lib.lake.states import ENDED, UNPROVED
from lib.landing import caps
from lib.landing.landing import Landing
from lib.landing.plan import TablePlan
from lib.landing.prove import Case, Doubt, Proof, walk_again
from lib.landing.walk import part_of
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page
from lib.source.paging import AllAtOnce, Position


def looked_behind(landing: Landing, proof: Proof, closing: PageRow) -> Proof | Doubt:
    """The proof, if what is behind the end of its table does not speak against it. `closing` is its first page, read again.

    Raises:
        SourceIncompleteError: the source caps what it gives.
    """
    case = landing.cases[proof.table]
    plan, is_single = case.plan, case.plan.style == AllAtOnce.style
    if plan.is_walk and plan.total is None and proof.level != UNPROVED and not is_single:
        return _behind_the_end(landing, case, proof, closing)
    is_told = not plan.is_walk and plan.total is not None and plan.last == plan.last_with_rows
    if is_told and proof.level != UNPROVED and caps.may_be_cap(plan.total or 0):
        return _behind_the_total(landing, plan, proof)
    return proof


def _behind_the_end(landing: Landing, case: Case, proof: Proof, closing: PageRow) -> Proof | Doubt:
    """Ask for the last page again; and for the rows behind its last one, where the style has a way to ask for these."""
    plan, access = case.plan, landing.access.behind(case.plan.table)
    reached = landing.bronze.reached(plan.table, landing.bronze.begun(plan))
    has_own_way = access != landing.access
    last = closing
    if plan.n_pages > 1 or has_own_way:
        last = _look(landing, access, plan, Position(plan.last, cursor=reached.cursor))
    if unproved := _not_had(proof, last):
        return unproved
    is_changed = last.items_sha256 != landing.bronze.rows_hashes(plan, [plan.last])[plan.last]
    is_false = False
    if has_own_way and last.next_cursor is not None:
        behind = _look(landing, access, plan, Position(plan.last + 1, cursor=last.next_cursor))
        if unproved := _not_had(proof, behind):
            return unproved
        is_false = bool(behind.n_items)
    if not (is_changed or is_false or (last.next_cursor is not None and not has_own_way)):
        return proof
    why = "there are rows after the end that the source declared" if is_false else "its end is no longer an end"
    if proof.level != ENDED:
        return walk_again(case, why)
    further = part_of(landing, plan, plan.last, reached.cursor)
    return Doubt(
        case,
        plan.pages([plan.last]),
        why,
        is_moving=not is_false,
        further=further,
        else_unproved=is_changed or not is_false,
    )


def _behind_the_total(landing: Landing, plan: TablePlan, proof: Proof) -> Proof:
    """Ask for the page behind all rows that a total counts at which sources cap."""
    behind = _look(landing, landing.access, plan, Position(plan.last + 1, plan.given))
    why = caps.of_a_look_behind(plan, behind.n_items or 0, behind.status)
    if why is not None and behind.n_items:
        message = f"{plan.table}: {why}"
        raise SourceIncompleteError(message)
    return proof if why is None else Proof(plan.table, UNPROVED, proof.rows, why)


def _not_had(proof: Proof, page: PageRow) -> Proof | None:
    if page.error is None and not page.is_skipped:
        return None
    why = "an error rule skips it now" if page.error is None else page.error
    return Proof(proof.table, UNPROVED, proof.rows, f"its end could not be re-read: {why}")


def _look(landing: Landing, access: Access, plan: TablePlan, position: Position) -> PageRow:
    with SourceClient(access, landing.budget) as client:
        return fetch_page(client, run_id=landing.copy.run.run_id, table=plan.table, path=plan.path, position=position)
