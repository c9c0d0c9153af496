"""The SQL by which each engine opens the published tables: statements that create them, and views of their live rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lib.config import MASK, Array, DataType, Decimal, Engine, Struct

_NEWEST = "{}: its newest version, which may be one that is not published."
_LEFT_OUT = "{} is left out: it may have deletion vectors (readers.deletion_vectors of the YAML).\n"
_MANIFEST = (
    "ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'\n"
    "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'\n"
    "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'"
)


@dataclass(frozen=True)
class ShownTable:
    """A published table as engines are to find it.

    `address` is that of its folder. `has_deleted`: rows with a time in `_deleted_at` are deleted. `hidden` are personal columns.
    `files` are the addresses of its data files, None where deletion vectors may hide some of their rows. `manifest` is the
    folder of the list of them, None where there is none.
    """

    name: str
    address: str
    version: int
    has_deleted: bool
    columns: Mapping[str, DataType]
    hidden: frozenset[str]
    files: tuple[str, ...] | None
    manifest: str | None


@dataclass(frozen=True)
class Lake:
    """What is published: by which source, at which address, and the tables. `about` says which publication it is."""

    source: str
    address: str
    about: str
    tables: tuple[ShownTable, ...]

    @property
    def schema(self) -> str:
        """The schema of the views. No engine refuses such a name."""
        return self.source.replace("-", "_")

    @property
    def files(self) -> str:
        """The schema of the tables, where personal values are in clear and deleted rows are among the others."""
        return f"{self.schema}_files"


def sql_for(engine: Engine, lake: Lake) -> str:
    """The statements for an engine; where it cannot open the lake, a comment that says so."""
    scheme = lake.address.partition("://")[0]
    schemes, statements = _ENGINES[engine]
    head = [f"-- {lake.about}", "-- Pagelake replaces this file at each publication."]
    if scheme not in schemes:
        readable = ", ".join(f"{one}://" for one in schemes)
        return "\n".join([*head, f"-- {engine} reads lakes at {readable}; this one is at {lake.address}", ""])
    return "\n".join([*head, "", *statements(lake)])


def _comment(text: str) -> str:
    return f"-- {text}"


def _in_backticks(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _in_capitals(name: str) -> str:
    return _in_quotes(name.upper())


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _escaped(value: str) -> str:
    """A text of Spark, Hive and BigQuery."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _view(
    table: ShownTable, head: str, origin: str, quoted: Callable[[str], str], *, nested: bool = True, end: str = ""
) -> str:
    """The statement that makes a view of the live rows; a personal column is masked where it is text, else left out."""
    shown = []
    for name, kind in table.columns.items():
        if not nested and isinstance(kind, Array | Struct):
            continue
        if name not in table.hidden:
            shown.append(quoted(name))
        elif kind.ddl == "string":
            shown.append(f"CASE WHEN {quoted(name)} IS NOT NULL THEN '{MASK}' END AS {quoted(name)}")
    if not shown:
        return f"-- {table.name} has no view: every column of it is personal, unless readers.unmasked of the YAML names it.\n"
    live = f"\nWHERE {quoted('_deleted_at')} IS NULL" if table.has_deleted else ""
    return f"{head} AS\nSELECT {', '.join(shown)}\nFROM {origin}{live}{end};\n"


def _named(lake: Lake, table: ShownTable, quoted: Callable[[str], str], catalog: str = "") -> tuple[str, str]:
    """How the statement begins that makes the table's view, and the name of the table that the view reads."""
    head = f"CREATE OR REPLACE VIEW {catalog}{quoted(lake.schema)}.{quoted(table.name)}"
    return head, f"{catalog}{quoted(lake.files)}.{quoted(table.name)}"


def _spark(lake: Lake) -> Iterator[str]:
    for table in lake.tables:
        origin = f"delta.{_in_backticks(_for_hadoop(table.address))} VERSION AS OF {table.version}"
        yield _view(table, f"CREATE OR REPLACE TEMPORARY VIEW {_in_backticks(table.name)}", origin, _in_backticks)


def _hive(lake: Lake) -> Iterator[str]:
    yield from _registered(lake)
    yield f"CREATE SCHEMA IF NOT EXISTS {_in_backticks(lake.schema)};\n"
    for table in lake.tables:
        head, origin = _named(lake, table, _in_backticks)
        yield _view(table, head, f"{origin} VERSION AS OF {table.version}", _in_backticks)


def _unity(lake: Lake) -> Iterator[str]:
    yield _comment(
        "In the current catalog: tables at their newest version, with deleted rows, and personal values in clear."
    )
    yield _comment("spark.sql has views of what is published.")
    yield from _registered(lake)


def _registered(lake: Lake) -> Iterator[str]:
    yield f"CREATE SCHEMA IF NOT EXISTS {_in_backticks(lake.files)};\n"
    for table in lake.tables:
        yield f"CREATE TABLE IF NOT EXISTS {_in_backticks(lake.files)}.{_in_backticks(table.name)}"
        yield f"USING DELTA LOCATION {_escaped(_for_hadoop(table.address))};\n"


def _trino(lake: Lake) -> Iterator[str]:
    yield _comment(
        "In a catalog that is called delta, with delta.register-table-procedure.enabled=true. A table that is"
    )
    yield _comment("registered already is an error, which is passed over by: trino --ignore-errors --file trino.sql")
    for schema in (lake.files, lake.schema):
        yield f"CREATE SCHEMA IF NOT EXISTS delta.{_in_quotes(schema)};\n"
    for table in lake.tables:
        named = f"schema_name => {_text(lake.files)}, table_name => {_text(table.name)}"
        yield f"CALL delta.system.register_table({named}, table_location => {_text(table.address)});\n"
    for table in lake.tables:
        head, origin = _named(lake, table, _in_quotes, catalog="delta.")
        yield _view(table, head, f"{origin} FOR VERSION AS OF {table.version}", _in_quotes)


def _duckdb(lake: Lake) -> Iterator[str]:
    yield f"CREATE SCHEMA IF NOT EXISTS {_in_quotes(lake.schema)};\n"
    for table in lake.tables:
        yield _view(table, _named(lake, table, _in_quotes)[0], _in_duckdb(table), _in_quotes)


def _in_duckdb(table: ShownTable) -> str:
    if table.files is None:
        return f"delta_scan({_text(table.address)}, version => {table.version})"
    typed = (f"CAST(NULL AS {_type(kind, _DUCKDB)}) AS {_in_quotes(name)}" for name, kind in table.columns.items())
    # A file that was written before a column came has none, and there may be no file.
    rows = f"(SELECT {', '.join(typed)} WHERE false"
    if table.files:
        listed = ",\n  ".join(_text(file) for file in table.files)
        rows += f"\n  UNION ALL BY NAME FROM read_parquet([\n  {listed}\n  ], union_by_name = true)"
    return f"{rows})"


def _athena(lake: Lake) -> Iterator[str]:
    yield _comment("One statement a query.")
    for schema in (lake.files, lake.schema):
        yield f"CREATE DATABASE IF NOT EXISTS {_in_backticks(schema)};\n"
    for table in lake.tables:
        name = f"{_in_backticks(lake.files)}.{_in_backticks(table.name)}"
        if table.files is None:
            yield _comment(_LEFT_OUT.format(table.name))
            continue
        yield f"DROP TABLE IF EXISTS {name};\n"
        if table.manifest:
            yield _over_manifest(name, table, _HIVE, _in_backticks)
        else:
            yield _comment(_NEWEST.format(table.name))
            yield f"CREATE EXTERNAL TABLE {name}"
            yield f"LOCATION {_text(table.address)} TBLPROPERTIES ('table_type' = 'DELTA');\n"
        yield _view(table, *_named(lake, table, _in_quotes), _in_quotes)


def _redshift(lake: Lake) -> Iterator[str]:
    yield f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {_in_quotes(lake.files)} FROM DATA CATALOG"
    yield f"DATABASE {_text(f'{lake.schema}_redshift')} IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS;\n"
    yield f"CREATE SCHEMA IF NOT EXISTS {_in_quotes(lake.schema)};\n"
    for table in lake.tables:
        name = f"{_in_quotes(lake.files)}.{_in_quotes(table.name)}"
        if not table.manifest:
            yield _comment(_LEFT_OUT.format(table.name))
            continue
        yield f"DROP TABLE IF EXISTS {name};\n"
        yield _over_manifest(name, table, _REDSHIFT, _in_quotes)
        head, origin = _named(lake, table, _in_quotes)
        yield _view(table, head, origin, _in_quotes, nested=False, end="\nWITH NO SCHEMA BINDING")


def _over_manifest(name: str, table: ShownTable, names: Mapping[str, str], quoted: Callable[[str], str]) -> str:
    columns = ",\n  ".join(f"{quoted(column)} {_type(kind, names)}" for column, kind in table.columns.items())
    where = _text(f"{table.manifest}/")
    return f"CREATE EXTERNAL TABLE {name} (\n  {columns}\n)\n{_MANIFEST}\nLOCATION {where};\n"


def _bigquery(lake: Lake) -> Iterator[str]:
    for schema in (lake.files, lake.schema):
        yield f"CREATE SCHEMA IF NOT EXISTS {_in_backticks(schema)};\n"
    for table in lake.tables:
        if table.manifest:
            listed = _escaped(f"{table.manifest}/manifest")
            options = "format = 'PARQUET', file_set_spec_type = 'NEW_LINE_DELIMITED_MANIFEST', enable_list_inference = TRUE,\n"
            options += f"  uris = [{listed}]"
        else:
            yield _comment(_NEWEST.format(table.name))
            options = f"format = 'DELTA_LAKE', uris = [{_escaped(table.address)}]"
        yield f"CREATE OR REPLACE EXTERNAL TABLE {_in_backticks(lake.files)}.{_in_backticks(table.name)}"
        yield f"WITH CONNECTION DEFAULT\nOPTIONS ({options});\n"
    for table in lake.tables:
        yield _view(table, *_named(lake, table, _in_backticks), _in_backticks)


def _snowflake(lake: Lake) -> Iterator[str]:
    yield _comment(f"With an external volume that is called PAGELAKE, at {lake.address}.")
    yield _comment(
        "REFRESH takes the newest version, which may be one that is not published: run this while no run is at work."
    )
    yield "CREATE CATALOG INTEGRATION IF NOT EXISTS PAGELAKE_DELTA"
    yield "CATALOG_SOURCE = OBJECT_STORE TABLE_FORMAT = DELTA ENABLED = TRUE;\n"
    for schema in (lake.files, lake.schema):
        yield f"CREATE SCHEMA IF NOT EXISTS {_in_capitals(schema)};\n"
    for table in lake.tables:
        name = f"{_in_capitals(lake.files)}.{_in_capitals(table.name)}"
        below = table.address.removeprefix(lake.address).strip("/")
        yield f"CREATE ICEBERG TABLE IF NOT EXISTS {name}"
        yield f"EXTERNAL_VOLUME = 'PAGELAKE' CATALOG = 'PAGELAKE_DELTA' BASE_LOCATION = {_text(below)};\n"
        yield f"ALTER ICEBERG TABLE {name} REFRESH;\n"
        yield _view(table, *_named(lake, table, _in_capitals), _in_capitals)


def _type(kind: DataType, names: Mapping[str, str]) -> str:
    """A type, each name of a scalar one as `names` has it; what is not there is called as in Spark."""
    if isinstance(kind, Decimal):
        return kind.ddl
    if isinstance(kind, Array):
        element = _type(kind.element, names)
        return f"{element}[]" if names is _DUCKDB else f"array<{element}>"
    if isinstance(kind, Struct):
        parts = [(name, _type(part, names)) for name, part in kind.fields]
        if names is _DUCKDB:
            return f"struct({', '.join(f'{_in_quotes(name)} {part}' for name, part in parts)})"
        return f"struct<{','.join(f'{name}:{part}' for name, part in parts)}>"
    return names.get(kind.name, kind.name)


_HIVE: Mapping[str, str] = {}
_REDSHIFT = {"string": "varchar(65535)", "double": "double precision"}
_DUCKDB = {"string": "varchar", "timestamp": "timestamptz"}


def _for_hadoop(address: str) -> str:
    """Spark calls S3 s3a."""
    return f"s3a://{address.removeprefix('s3://')}" if address.startswith("s3://") else address


_ANYWHERE = ("s3", "gs", "abfss", "hdfs", "file")
_ENGINES: Mapping[Engine, tuple[tuple[str, ...], Callable[[Lake], Iterator[str]]]] = {
    "athena": (("s3",), _athena),
    "bigquery": (("gs",), _bigquery),
    "duckdb": (("s3", "gs", "abfss", "file"), _duckdb),
    "hive": (_ANYWHERE, _hive),
    "redshift": (("s3",), _redshift),
    "snowflake": (("s3", "gs", "abfss"), _snowflake),
    "spark": (_ANYWHERE, _spark),
    "trino": (_ANYWHERE, _trino),
    "unity": (_ANYWHERE, _unity),
}
