"""`readers/` in the lake: for each engine that the YAML names the SQL of what is published, and the manifests of its tables.

Made from the current publication alone: anew after each one and after a rollback, and by the next job where a run was killed.
"""

from __future__ import annotations

from lib.config import Source, parse_ddl
from lib.lake import deletion_vectors, storage, tables
from lib.lake.columns import all_columns
from lib.lake.layout import Layout
from lib.lake.personal import Personal, personal_columns
from lib.lake.publications import Publication, PublishedTable
from lib.reporting.dialects import Lake, ShownTable, sql_for

_MANIFEST = "_symlink_format_manifest"


def write_catalogs(source: Source, layout: Layout, publication: Publication) -> None:
    """Make `readers/` say what is published. Each file is replaced as a whole, if it would say something else."""
    made = _files(source, layout, publication)
    there = storage.files(layout.readers)
    if there.keys() - made.keys():
        # Of an engine or a table that is no longer there. It is seldom, and what is left is written next.
        storage.remove(layout.readers)
        there = {}
    for name, text in made.items():
        at = layout.readers / name
        if name not in there or storage.read_text(at) != text:
            storage.replace_text(at, text)


def _files(source: Source, layout: Layout, publication: Publication) -> dict[str, str]:
    """What is to be there, by the path in `readers/`. Manifests come first, as the SQL names them."""
    settings = source.readers
    if not settings.sql and not settings.manifests:
        return {}
    lake = _lake(source, layout, publication)
    made = {}
    for table in lake.tables:
        if table.manifest is not None:
            made[f"{table.name}/{_MANIFEST}/manifest"] = "".join(f"{file}\n" for file in table.files or ())
    return made | {f"{engine}.sql": sql_for(engine, lake) for engine in settings.sql}


def _lake(source: Source, layout: Layout, publication: Publication) -> Lake:
    root = source.readers.address or _uri(layout)
    personal = personal_columns(layout)
    about = f"Source {source.source}, publication {publication.publication_id} of {publication.published_at:%Y-%m-%d %H:%M} UTC."
    shown = tuple(_shown(source, layout, root, personal, one) for one in publication.tables.values())
    return Lake(source.source, root, about, shown)


def _shown(source: Source, layout: Layout, root: str, personal: Personal, table: PublishedTable) -> ShownTable:
    path, address = layout.root / table.path, f"{root}/{table.path}"
    columns = all_columns(path, table.version)
    unmasked = {name.partition(".")[2] for name in source.readers.unmasked if name.partition(".")[0] == table.table}
    files = None
    if not deletion_vectors.may_have_some(path, table.version):
        files = tuple(f"{address}/{name}" for name in tables.data_files(path, table.version))
    has_manifest = source.readers.manifests and files is not None
    return ShownTable(
        name=table.table,
        address=address,
        version=table.version,
        has_deleted=table.live != "true",
        columns={name: parse_ddl(ddl) for name, ddl in columns.items()},
        hidden=frozenset(personal.among(table.table, columns)) - unmasked,
        files=files,
        manifest=f"{root}/{layout.readers.name}/{table.table}/{_MANIFEST}" if has_manifest else None,
    )


def _uri(layout: Layout) -> str:
    """The address of the lake as most engines write it."""
    return str(layout.root) if layout.root.store else f"file://{layout.root}"
