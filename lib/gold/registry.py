"""The derived tables that there are. A new one is declared in `lib/config/derivations.py`, and has a module here."""

from __future__ import annotations

from lib.config import Source
from lib.gold import listens
from lib.gold.table import DerivedTable

TABLES = (listens.TABLE,)


def tables_of(source: Source) -> tuple[DerivedTable, ...]:
    """The derived tables of the source that each run builds."""
    return tuple(table for table in TABLES if table.declared.applies_to(source) and not table.declared.apart)
