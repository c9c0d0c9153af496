"""The derived tables that there are. A new one is declared in `lib/config/derivations.py`, and has a module here."""

from __future__ import annotations

from lib.config import Derivation, Source, derivations_of
from lib.gold import listens
from lib.gold.table import DerivedTable

TABLES = (listens.TABLE,)


def tables_of(source: Source) -> tuple[DerivedTable, ...]:
    """The derived tables of the source that each run builds."""
    return tuple(table for table in TABLES if table.declared.applies_to(source) and not table.declared.apart)


def apart_of(source: Source) -> tuple[Derivation, ...]:
    """The derived tables of the source that another job builds: a run only takes out of them what is deleted."""
    return tuple(one for one in derivations_of(source).values() if one.apart)
