"""The proof that what landed is all that the source had.

What counting cannot see: a row removed before the page we were on and one added after it leave every count as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from lib.errors import SourceIncompleteError
from lib.landing.bronze import Landed
from lib.landing.plan import TablePlan
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.page import PageRow, fetch_page


@dataclass(frozen=True)
class Proof:
    """How complete one table's copy is known to be: `counted` is the level, `rows` what the source had and bronze holds."""

    table: str
    level: str
    rows: int


def closing_probe(access: Access, plan: TablePlan, run_id: str) -> PageRow:
    """The first page once more, after everything has landed: does the source still claim the same total?"""
    with SourceClient(access) as client:
        return fetch_page(client, run_id=run_id, table=plan.table, path=plan.path, page=plan.first)


def prove(plan: TablePlan, landed: Landed, closing: PageRow) -> Proof:
    """Every planned page landed once, and rows landed = total at the start = total at the end.

    Raises:
        SourceIncompleteError: with what is missing, by how much, and what to do.
    """
    again = "Run again; if it stays so, look at what the source changes while it is read."
    if landed.n_failed:
        pages = ", ".join(str(page) for page in landed.failed_pages)
        message = (
            f"{plan.table}: {landed.n_failed} of {plan.n_pages} pages failed (pages {pages}): {landed.first_error}"
        )
        raise SourceIncompleteError(message)
    if landed.n_rows != plan.n_pages or landed.n_pages != plan.n_pages:
        message = f"{plan.table}: {plan.n_pages} pages planned, {landed.n_rows} landed, {landed.n_pages} of them distinct. {again}"
        raise SourceIncompleteError(message)
    if closing.error is not None:
        message = f"{plan.table}: the total could not be read again at the end: {closing.error}"
        raise SourceIncompleteError(message)
    if not plan.total == landed.n_items == closing.total:
        message = (
            f"{plan.table}: the source claimed {plan.total} rows at the start and {closing.total} at the end, and gave "
            f"{landed.n_items} rows on {landed.n_pages} pages. {again}"
        )
        raise SourceIncompleteError(message)
    return Proof(plan.table, "counted", landed.n_items)
