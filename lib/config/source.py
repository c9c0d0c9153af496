"""A source as a whole: its API, its tables, and the embedded demo server where it has one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from lib.config.api import Api, Proof
from lib.config.bodies import body_problems
from lib.config.columns import Reference
from lib.config.ddl import Array, DataType, comparable
from lib.config.derivations import DERIVATIONS, derivations_of
from lib.config.engines import Readers, unmasked_problems
from lib.config.fixed import fixed_problems
from lib.config.metrics import Metrics
from lib.config.model import Problem, Settings, YamlPath, problems_error
from lib.config.network import checked_url
from lib.config.pagination import Pagination
from lib.config.parts import part_problems
from lib.config.reading import PARENT, Reading, reading_of, reading_problems
from lib.config.recommend import Models, Recommend, Shape, recommend_problems
from lib.config.suggest import did_you_mean, one_of
from lib.config.tables import Table, TableName
from lib.errors import ConfigError

PLACES = ("file", "s3", "gs", "abfs", "abfss", "hdfs")
"""Kinds of stores that a copy of the site can go to."""

BLEMISHED_FROM = 20
"""Users from which on the demo server's blemishes take one email away, as `demo.settings` has it."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Faults(Settings):
    """Faults that the demo server makes on purpose, all off by default.

    Bounds are those of `demo.settings`; here a mistake gets its line in the YAML.
    """

    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    """Milliseconds added to each answer."""
    errors: Annotated[float, Field(ge=0, le=1)] = 0
    """Share of pages whose first request gets a 500 or 503."""
    down: bool = False
    """Every request for a table gets a 503."""
    orphans: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Sessions of a user, or with a track, that does not exist."""
    duplicates: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Copies of `tracks` at the end of the table."""
    nulls: Annotated[int, Field(ge=0, le=400_000)] = 0
    """Users without their required email."""
    moving_total: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Sessions that appear while the table is read."""
    rate_limit_rps: Annotated[float, Field(ge=0.001, le=1_000_000)] | None = None
    """Requests a second above which the answer is 429."""


class Demo(Settings):
    """The embedded demo server: how much data, from which seed, on which day of its life, with which faults."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 7
    """Another seed gives other data."""
    day: Annotated[int, Field(ge=0, le=3650)] = 0
    """Age of the data in days."""
    tracks: Annotated[int, Field(ge=0, le=400_000)] = 2000
    """Rows of `tracks` on day 0."""
    users: Annotated[int, Field(ge=0, le=400_000)] = 1000
    """Rows of `users` on day 0."""
    sessions: Annotated[int, Field(ge=0, le=10_000_000)] = 20_000
    """Rows of `listen_history` on day 0."""
    blemishes: bool = True
    """A little of what real data has: a duplicate row, missing values, rows updated before they were created."""
    faults: Faults = Faults()

    @model_validator(mode="after")
    def _faults_have_rows(self) -> Demo:
        problems: list[Problem] = []
        with_email = self.users - (1 if self.blemishes and self.users >= BLEMISHED_FROM else 0)
        if self.faults.nulls > with_email:
            problems.append(Problem(("faults", "nulls"), f"must be at most {with_email}, as no more have an email"))
        if self.faults.duplicates and not self.tracks:
            problems.append(Problem(("faults", "duplicates"), "needs demo.tracks to be at least 1"))
        for name in ("orphans", "moving_total"):
            if getattr(self.faults, name) and not (self.tracks and self.users):
                problems.append(Problem(("faults", name), "needs demo.tracks and demo.users to be at least 1"))
        if problems:
            raise problems_error(problems)
        return self


class Site(Settings):
    """The site that people look at."""

    keep_runs: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Number of checks whose data docs are kept."""
    publish_to: str | None = None
    """URI of a folder that the site is copied to after each check: `s3://bucket/docs`, `gs://`, `abfs://`, `hdfs://` or `file:///`."""

    @field_validator("publish_to")
    @classmethod
    def _a_place_for_files(cls, uri: str | None) -> str | None:
        if uri is None:
            return None
        parts = urlsplit(uri)
        if parts.scheme not in PLACES or not (parts.netloc or parts.path.strip("/")):
            raise ValueError(f"must be a URI of a folder: {one_of([f'{place}://...' for place in PLACES])}")
        if "@" in parts.netloc:
            raise ValueError("must not hold a key or a password: they come from the store's own environment variables")
        return uri


class Source(Settings):
    """Everything that a source YAML says.

    `tables` are in the YAML's order.
    """

    source: Annotated[str, Field(max_length=100, json_schema_extra={"pattern": f"^{_NAME.pattern}$"})]
    """Name of the source. It names the lake's default folder and the folder of suites."""
    api: Api
    tables: Annotated[tuple[Table, ...], Field(strict=False, min_length=1)]
    """Names of the tables, each with its settings."""
    demo: Demo | None = None
    site: Site = Site()
    readers: Readers = Readers()
    metrics: Metrics = Metrics()
    recommend: Recommend | None = None
    models: Models | None = None

    def table(self, name: str) -> Table:
        """Return the table of that name.

        Raises:
            ConfigError: the source has no such table.
        """
        for table in self.tables:
            if table.name == name:
                return table
        names = [table.name for table in self.tables]
        raise ConfigError(
            f"source {self.source} has no table {name!r}{did_you_mean(name, names)} (it has {', '.join(names)})"
        )

    def pagination_of(self, table: Table) -> Pagination:
        """How the pages of a table are asked for."""
        return self.api.pagination if table.pagination is None else table.pagination

    def reading_of(self, table: Table) -> Reading:
        """How the rows of a table are read from landed pages."""
        return reading_of(table, {one.name: one for one in self.tables}, self.api)

    def proof_of(self, table: Table) -> Proof:
        """How the copy of a table is proved."""
        return table.prove or self.api.prove

    def proof_for_deletes(self, name: str) -> tuple[str, str] | None:
        """Where to write which `prove` for a table of the source whose deleted rows are wanted, of a source that gives no total.

        None where no deleted rows are wanted, where that is written already, and for a derived table.
        """
        tables = {table.name: table for table in self.tables}
        table = tables.get(name)
        if table is None or table.deletes != "soft":
            return None
        while table.parent is not None:
            table = tables[table.parent.table]
        if self.proof_of(table) != "counted":
            return None
        return f"tables.{table.name}", "reread" if table.in_parts else "swept"

    def recommended(self) -> Recommend:
        """What is recommended to whom.

        Raises:
            ConfigError: the source does not say.
        """
        if self.recommend is None:
            raise ConfigError(
                f"source {self.source} has no block recommend:, which says who played what; docs/recommendations.md has one"
            )
        return self.recommend

    def with_url(self, url: str) -> Source:
        """Return the same source at another address: that of the demo server, known once it has started.

        Raises:
            ConfigError: it is no usable http(s) URL.
        """
        try:
            api = self.api.model_copy(update={"url": checked_url(url, with_query=True)})
        except ValueError as error:
            raise ConfigError(f"the URL of the API {error}") from error
        return self.model_copy(update={"api": api})

    @property
    def settings_hash(self) -> str:
        """SHA-256 (hex) over all that decides what a run does, without secrets and without a demo server's address."""
        content = self.public()
        del content["api"]["limits"]  # they decide how fast and how patiently, not what
        del content["site"], content["metrics"]  # nor does what tells of it
        del content["readers"]  # nor how readers find the same rows
        del content["recommend"], content["models"]  # nor what another job makes of the copy
        if self.demo is not None:
            del content["api"]["url"]  # its port is another one at each start
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def public(self) -> dict[str, Any]:
        """Return all settings, defaults included, ready for JSON, with `***` in place of each secret."""
        return self.model_dump(mode="json", by_alias=True)

    @field_validator("source")
    @classmethod
    def _usable_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("is not a source name: lower case letters, digits, '_' and '-', starting with a letter")
        return name

    @field_validator(
        "tables", mode="before", json_schema_input_type=Annotated[dict[TableName, Table], Field(min_length=1)]
    )
    @classmethod
    def _tables_from_a_mapping(cls, tables: Any) -> Any:
        if not isinstance(tables, Mapping):
            if isinstance(tables, list | tuple) and all(isinstance(table, Table) for table in tables):
                return tables
            raise ValueError("must be a mapping, with the name of each table as its key")
        if named := [
            Problem((name, "name"), "unknown key; the table's name is the key before it")
            for name, table in tables.items()
            if isinstance(table, Mapping) and "name" in table
        ]:
            raise problems_error(named)
        return [{"name": name, **table} if isinstance(table, Mapping) else table for name, table in tables.items()]

    @field_validator("tables", mode="after")
    @classmethod
    def _nested_rows_refer_to_their_parents(cls, tables: tuple[Table, ...]) -> tuple[Table, ...]:
        keys = {table.name: table.key for table in tables}
        return tuple(_with_reference(table, keys) for table in tables)

    def _shapes(self) -> dict[str, Shape]:
        return {
            table.name: Shape(table.key, {column.name: column.type for column in table.columns}, table.pii)
            for table in self.tables
        }

    def _derived_shapes(self) -> dict[str, Shape]:
        derived = [one for one in DERIVATIONS.values() if one.applies_to(self) and not one.apart]
        return {one.name: Shape(one.key, one.columns, one.pii(self)) for one in derived}

    @model_validator(mode="after")
    def _consistent(self) -> Source:
        problems: list[Problem] = []
        if not self.api.url and self.demo is None:
            problems.append(Problem(("api", "url"), "missing: write the address of the API, or pass --api-url"))
        problems.extend(fixed_problems(self.api, self.tables))
        problems.extend(body_problems(self.api, self.tables))
        tables = {table.name: table for table in self.tables}
        problems.extend(part_problems(self.api, tables))
        for table in self.tables:
            problems.extend(reading_problems(table, tables, self.api))
            problems.extend(_reference_problems(table, tables))
        if self.recommend is not None:
            problems.extend(recommend_problems(self.recommend, self._shapes(), self._derived_shapes()))
        elif self.models is not None:
            problems.append(
                Problem(("models",), "says where trainings are recorded, and without a block recommend: there are none")
            )
        if self.readers.unmasked and not problems:
            columns = {table.name: {column.name: column for column in table.columns} for table in self.tables}
            derived = {name: one.columns for name, one in derivations_of(self).items()}
            problems.extend(unmasked_problems(self.readers, {**columns, **derived}))
        if problems:
            raise problems_error(problems)
        return self


def _with_reference(table: Table, keys: Mapping[str, tuple[str, ...]]) -> Table:
    """The table; one with a parent refers to it by the column that has the parent's whole key, whether it says so or not.

    So does one that is read for each row of another table.
    """
    parent = table.for_each if table.parent is None else table.parent.table
    if parent is None or len(keys.get(parent, ())) != 1:
        return table
    to = f"{parent}.{keys[parent][0]}"
    value = to if table.parent is None else f"{PARENT}.{keys[parent][0]}"
    own = [column.name for column in table.columns if column.value == value]
    said = {reference.column for reference in table.references if reference.to == to}
    new = tuple(Reference(column=name, to=to) for name in own if name not in said)
    return table.model_copy(update={"references": (*table.references, *new)}) if new else table


def _reference_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[Problem]:
    columns = {column.name: column for column in table.columns}
    for index, reference in enumerate(table.references):
        path: YamlPath = ("tables", table.name, "references", index)
        column = columns.get(reference.column_name)
        kind: DataType | None = None
        if column is None:
            yield Problem((*path, "column"), f"there is no such column{did_you_mean(reference.column_name, columns)}")
        elif reference.is_array and not isinstance(column.data_type, Array):
            yield Problem((*path, "column"), f"{column.name!r} is {column.type}, not an array; leave out the []")
        elif not reference.is_array and isinstance(column.data_type, Array):
            yield Problem(
                (*path, "column"), f'{column.name!r} is {column.type}; write "{column.name}[]" for its elements'
            )
        else:
            kind = column.data_type.element if isinstance(column.data_type, Array) else column.data_type
        target = tables.get(reference.to_table)
        if target is None:
            yield Problem((*path, "to"), f"there is no such table{did_you_mean(reference.to_table, tables)}")
            continue
        yield from _target_problems((*path, "to"), reference.to_column, target, kind)


def _target_problems(path: YamlPath, name: str, target: Table, kind: DataType | None) -> Iterator[Problem]:
    columns = {column.name: column for column in target.columns}
    if name not in columns:
        yield Problem(path, f"{target.name} has no such column{did_you_mean(name, columns)}")
    elif target.key != (name,):
        yield Problem(
            path, f"must be the whole key of {target.name}, which is {one_of(target.key).replace(' or ', ' and ')}"
        )
    elif kind is not None and not comparable(kind.ddl, columns[name].type):
        yield Problem(path, f"{target.name}.{name} is {columns[name].type}, which cannot be compared with {kind.ddl}")


def parse_tables(source: Source, text: str | None) -> tuple[str, ...]:
    """Read `--tables a,b`: the names in the source's order, all of them for None.

    Raises:
        ConfigError: a name that the source does not have, or no name at all.
    """
    names = [table.name for table in source.tables]
    if text is None:
        return tuple(names)
    wanted = {name.strip() for name in text.split(",")} - {""}
    parents = {table.name: table.parent.table for table in source.tables if table.parent is not None}
    if not wanted:
        raise ConfigError(f"--tables names no table (the source has {', '.join(names)})")
    if unknown := sorted(wanted - set(names)):
        lines = [
            f"--tables: source {source.source} has no table {name!r}{did_you_mean(name, names)}" for name in unknown
        ]
        raise ConfigError("\n".join([*lines, f"It has {', '.join(names)}."]))
    if alone := sorted(name for name in wanted if parents.get(name, name) not in wanted):
        lines = [f"--tables: {name} is nested in {parents[name]}; name {parents[name]}, too" for name in alone]
        raise ConfigError("\n".join(lines))
    return tuple(name for name in names if name in wanted)
