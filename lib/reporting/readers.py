"""How published tables are read from the lake's folder: for each reader a few lines of Python, which give live rows only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from keyword import iskeyword

# A table: its name, its path below the lake, and its version, None where that is not known.
_Table = tuple[str, str, int | None]
_LIVE = "_deleted_at IS NULL"


def ways_to_read(tables: Sequence[_Table]) -> dict[str, str]:
    """The lines by the name of the reader. Each table becomes a variable of its name."""
    return {reader: "\n".join(lines(tables)) for reader, lines in _READERS.items()}


def _is_marked(path: str) -> bool:
    """Whether deleted rows are in the table, marked; derived tables have none."""
    return path.startswith("silver/")


def _variable(table: str) -> str:
    return f"{table}_" if iskeyword(table) else table


def _spark(tables: Sequence[_Table]) -> list[str]:
    lines = []
    for table, path, version in tables:
        at = "" if version is None else f'.option("versionAsOf", {version})'
        live = f'.where("{_LIVE}")' if _is_marked(path) else ""
        lines.append(f'{_variable(table)} = spark.read.format("delta"){at}.load("{path}"){live}')
    return lines


def _polars(tables: Sequence[_Table]) -> list[str]:
    lines = ["import polars as pl", ""]
    for table, path, version in tables:
        at = "" if version is None else f", version={version}"
        live = '.filter(pl.col("_deleted_at").is_null())' if _is_marked(path) else ""
        lines.append(f'{_variable(table)} = pl.scan_delta("{path}"{at}){live}')
    return lines


def _deltalake(tables: Sequence[_Table], as_what: str = "") -> list[str]:
    lines = ["import pyarrow as pa", "from deltalake import DeltaTable, QueryBuilder", "", "query = QueryBuilder()"]
    for table, path, version in tables:
        at = "" if version is None else f", version={version}"
        lines.append(f'query.register("{table}", DeltaTable("{path}"{at}))')
    for table, path, _ in tables:
        live = f" WHERE {_LIVE}" if _is_marked(path) else ""
        lines.append(f"{_variable(table)} = pa.table(query.execute('SELECT * FROM \"{table}\"{live}')){as_what}")
    return lines


def _duckdb(tables: Sequence[_Table]) -> list[str]:
    lines = ["import duckdb", *_deltalake(tables), ""]
    return [*lines, *(f"duckdb.sql('SELECT count(*) FROM \"{_variable(table)}\"').show()" for table, *_ in tables[:1])]


def _pandas(tables: Sequence[_Table]) -> list[str]:
    return _deltalake(tables, ".to_pandas()")


_READERS: dict[str, Callable[[Sequence[_Table]], list[str]]] = {
    "Spark": _spark,
    "Polars": _polars,
    "DuckDB": _duckdb,
    "deltalake": _deltalake,
    "pandas": _pandas,
}
