"""What a run makes for readers that open the tables by themselves: silver without deletion vectors, SQL, manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from lib.config.model import Problem, Settings, problems_error
from lib.config.suggest import did_you_mean, one_of

Engine: TypeAlias = Literal["athena", "bigquery", "duckdb", "hive", "redshift", "snowflake", "spark", "trino", "unity"]

_PLACES = ("s3", "gs", "abfss", "hdfs", "file")
# What a path of a lake may not hold either (lib/lake/place.py), and quotes, which no dialect would have to escape then.
_ADDRESS = re.compile(r"([a-z0-9]+)://([A-Za-z0-9._@:-]*)(/[^\s%$#?\\\[\]|^'\"`]*)?")


class Readers(Settings):
    """What is made for engines that open the tables by themselves. Without it they find what Spark writes for itself."""

    deletion_vectors: bool = True
    """Whether tables of `silver` have deletion vectors. `false`: pandas, Arrow datasets and manifests take them too, and a
    run that changes rows writes their files anew. A table that is there already is changed at its next merge."""
    sql: Annotated[tuple[Engine, ...], Field(strict=False)] = ()
    """Engines for which each publication writes `readers/<engine>.sql` into the lake: statements that create its tables and views
    of their live rows."""
    manifests: bool = False
    """Each publication writes a list of the files of each table that has no deletion vectors, for engines that read the
    published version in no other way: Redshift Spectrum, Athena, BigQuery."""
    address: str | None = None
    """Where these engines find the lake, such as `s3://bucket/lake`, if that is not where the jobs write it."""
    unmasked: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Personal columns, such as `users.email`, that the views show. All others are masked (text) or left out."""

    @field_validator("sql", "unmasked")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for index, name in enumerate(names) if name in names[:index]]:
            raise ValueError(f"has {twice[0]!r} twice")
        return names

    @field_validator("address")
    @classmethod
    def _where_files_are(cls, uri: str | None) -> str | None:
        if uri is None:
            return None
        found = _ADDRESS.fullmatch(uri)
        # Of Azure's addresses the part before the @ is a container. Anywhere else: a key may hold a slash.
        n_known = 1 if uri.startswith("abfss://") and found and "@" in found[2] else 0
        if uri.count("@") > n_known:
            raise ValueError("must not hold a key or a password: each engine has its own")
        if not found or found[1] not in _PLACES or not (found[2] if found[1] != "file" else found[3]):
            raise ValueError(
                f"must be a URI of a folder: {one_of([f'{place}://...' for place in _PLACES])}, without quotes"
            )
        return uri.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Readers:
        problems = []
        if "redshift" in self.sql and not self.manifests:
            problems.append(Problem(("sql",), "redshift reads nothing but manifests; add manifests: true"))
        if self.address is not None and not (self.sql or self.manifests):
            problems.append(Problem(("address",), "is only for sql and manifests; add one of them"))
        if self.unmasked and not self.sql:
            problems.append(Problem(("unmasked",), "is only for the views of sql; add sql"))
        if problems:
            raise problems_error(problems)
        return self


def unmasked_problems(readers: Readers, columns: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """What is wrong with the columns to show. `columns` are those of each table that can be published."""
    for index, name in enumerate(readers.unmasked):
        path = ("readers", "unmasked", index)
        table, _, column = name.partition(".")
        if table not in columns:
            yield Problem(path, f"there is no table {table!r}{did_you_mean(table, columns)}; write such as users.email")
        elif column not in columns[table]:
            yield Problem(path, f"{table} has no column {column!r}{did_you_mean(column, columns[table])}")
