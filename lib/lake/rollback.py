"""The previous publication, made current again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import DeltaError

from lib.errors import ConfigError, LakeError, StoreError
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.publications import Publication, all_publications

if TYPE_CHECKING:
    from deltalake import DeltaTable


def restored(layout: Layout, now: datetime) -> Publication:
    """The publication that puts the tables back which the current ones have replaced. Nothing is written.

    After a rollback it goes one further back: to what the publication that is restored had replaced.

    Raises:
        ConfigError: there is no previous publication.
        LakeError: a version of one of its tables cannot be read any more.
    """
    known = all_publications(layout)
    if not known:
        message = f"{layout.root}: nothing was ever published here, so there is nothing to roll back"
        raise ConfigError(message)
    by_id = {publication.publication_id: publication for publication in known}
    old = target(known)
    if old is None:
        shown = by_id[known[-1].checked_as]
        message = (
            f"{layout.root}: publication {known[-1].publication_id} is current, and none was before "
            f"{'it' if shown is known[-1] else shown.publication_id}; there is nothing to go back to"
        )
        raise ConfigError(message)
    _check_readable(layout, old)
    number = 1
    while (name := f"{old.publication_id}.rollback{number}") in by_id:
        number += 1
    return Publication(name, old.run_id, now, old.tables, restores=old.publication_id, accepted=old.accepted)


def target(known: Sequence[Publication]) -> Publication | None:
    """The publication that a rollback would restore, None where there is none. `known` are all of a lake, in their order.

    It is the previous one, as it was checked; after a rollback, the one before that which was restored.
    """
    by_id = {publication.publication_id: publication for publication in known}
    shown = by_id[known[-1].checked_as] if known else None
    before = by_id.get(shown.replaces or "") if shown else None
    return by_id[before.checked_as] if before else None


def _check_readable(layout: Layout, publication: Publication) -> None:
    """Raises LakeError for a table of which a file cannot be read, or whose rows are not as many as were published."""
    for name, table in publication.tables.items():
        where = f"{name}: version {table.version} of {layout.root / table.path}"
        unchanged = f"publication {publication.publication_id} was not made current again, and nothing was changed"
        try:
            rows = _count(storage.table(layout.root / table.path, table.version))
        except StoreError:
            raise
        except (DeltaError, pa.ArrowException, OSError) as error:
            message = f"{where} cannot be read any more; {unchanged}. Delta says: {str(error).splitlines()[0][:300]}"
            raise LakeError(message) from error
        if rows != table.rows:
            message = f"{where} has {rows:,} rows, and {table.rows:,} were published; {unchanged}"
            raise LakeError(message)


def _count(table: DeltaTable) -> int:
    """The rows of the table, by reading a column: `count(*)` would be answered from the log, whether the files are there or not."""
    column = table.schema().fields[0].name.replace('"', '""')
    found = storage.asking("t", table).execute(f'SELECT "{column}" FROM t')
    return sum(batch.num_rows for batch in pa.RecordBatchReader.from_stream(found))
