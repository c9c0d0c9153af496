"""`recommend:` of a source YAML: which tables say who played what, and when the lists of recommendations are good enough."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from lib.config.ddl import comparable
from lib.config.derivations import BECAUSE, OWN_COLUMNS
from lib.config.metrics import SinkUrl, WithHeaders
from lib.config.model import Problem, Settings, YamlPath
from lib.config.suggest import did_you_mean, one_of

IDS = ("bigint", "int", "string")
GROUPS = ("string", "array<string>")


class Plays(Settings):
    """The table with one row a play, and its columns: who played what, at what time."""

    table: str
    """Table with one row a play: one of the source, or one that Pagelake derives, such as `listens`."""
    user: str
    """Column with the id of the user."""
    item: str
    """Column with the id of the item."""
    at: str
    """Column with the time of the play, a `timestamp`."""
    weight: str | None = None
    """Column with how much a play counts, a number; without it each counts 1."""


class Grouped(Settings):
    """A table of users or of items, and its column with their groups."""

    table: str
    """Table of the source with one key column."""
    groups: str | None = None
    """Column with the groups: text with commas between them, or `array<string>`; not a personal one."""


class Retrain(Settings):
    """When `retrain-model --if-needed` trains."""

    max_age_days: Annotated[int, Field(ge=1, le=3650)] = 7
    """Days after which it trains, by the date in UTC."""
    new_plays: Annotated[float, Field(gt=0, le=100)] = 0.2
    """Share of more plays with which it trains."""
    drift: Annotated[float, Field(gt=0, le=100)] = 0.25
    """Drift with which it trains, as a population stability index (PSI)."""


class Recommend(Settings):
    """What is recommended to whom, from which plays."""

    plays: Plays
    users: Grouped
    """Who gets lists."""
    items: Grouped
    """What is in the lists."""
    rows: Annotated[int, Field(ge=1, le=200)] = 20
    """Rows of a list."""
    window_days: Annotated[int, Field(ge=1, le=365)] = 7
    """Days of plays that a model is judged by."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.005
    """How much NDCG@10 a new model may lose against the champion, at the lower end of the confidence interval."""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the live items that all lists together reach at least."""
    idle_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """After this many days without a play a user gets what new users get."""
    max_items: Annotated[int, Field(ge=0, le=50_000)] = 10_000
    """Catalogues of up to this many items get the item-to-item model, whose memory grows with the square."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 7
    """The same data, settings and seed give the same lists."""
    retrain: Retrain = Retrain()


class Models(WithHeaders):
    """The MLflow server that trainings are recorded in as well."""

    mlflow: SinkUrl
    """Address of the MLflow server."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 30
    """Seconds to wait for each answer; five times as long for all of them together."""


@dataclass(frozen=True)
class Shape:
    """What is known of a table that the block may name: its key, the types of its columns, and which of them are personal."""

    key: tuple[str, ...]
    types: Mapping[str, str]
    pii: Collection[str]


def recommend_problems(
    block: Recommend, of_source: Mapping[str, Shape], derived: Mapping[str, Shape]
) -> Iterator[Problem]:
    """Yield what does not fit the tables of the source, or those that each of its runs derives."""
    where: YamlPath = ("recommend",)
    yield from _plays_problems((*where, "plays"), block.plays, {**of_source, **derived})
    for name, part in (("users", block.users), ("items", block.items)):
        yield from _grouped_problems((*where, name), part, of_source)
    yield from _id_problems((*where, "plays", "user"), block.plays.user, block.plays, block.users, of_source, derived)
    yield from _id_problems((*where, "plays", "item"), block.plays.item, block.plays, block.items, of_source, derived)
    yield from _name_problems((*where, "plays"), block.plays)


def _plays_problems(path: YamlPath, plays: Plays, tables: Mapping[str, Shape]) -> Iterator[Problem]:
    table = tables.get(plays.table)
    if table is None:
        yield Problem((*path, "table"), f"there is no such table{did_you_mean(plays.table, tables)}")
        return
    for key, name in (("user", plays.user), ("item", plays.item), ("at", plays.at), ("weight", plays.weight)):
        if name is None:
            continue
        kind = table.types.get(name)
        if kind is None:
            yield Problem((*path, key), f"{plays.table} has no such column{did_you_mean(name, table.types)}")
        elif key in ("user", "item") and kind not in IDS:
            yield Problem((*path, key), f"{plays.table}.{name} is {kind}; an id is {one_of(IDS)}")
        elif key == "at" and kind != "timestamp":
            yield Problem((*path, key), f"{plays.table}.{name} is {kind}; use a timestamp")
        elif key == "weight" and not kind.startswith(("int", "bigint", "double", "decimal")):
            yield Problem((*path, key), f"{plays.table}.{name} is {kind}; use a column of numbers")


def _grouped_problems(path: YamlPath, part: Grouped, tables: Mapping[str, Shape]) -> Iterator[Problem]:
    table = tables.get(part.table)
    if table is None:
        yield Problem((*path, "table"), f"the source has no such table{did_you_mean(part.table, tables)}")
        return
    if len(table.key) != 1:
        yield Problem(
            (*path, "table"), f"{part.table} has the key {', '.join(table.key)}; use a table with one key column"
        )
    if part.groups is None:
        return
    kind = table.types.get(part.groups)
    if kind is None:
        yield Problem((*path, "groups"), f"{part.table} has no such column{did_you_mean(part.groups, table.types)}")
    elif kind not in GROUPS:
        yield Problem((*path, "groups"), f"{part.table}.{part.groups} is {kind}; groups are {one_of(GROUPS)}")
    elif part.groups in table.pii:
        message = (
            f"{part.table}.{part.groups} is personal (pii), and pages that explain a list show its groups; leave it out"
        )
        yield Problem((*path, "groups"), message)


def _id_problems(
    path: YamlPath,
    name: str,
    plays: Plays,
    part: Grouped,
    of_source: Mapping[str, Shape],
    derived: Mapping[str, Shape],
) -> Iterator[Problem]:
    """Whether the ids of the plays are those of the other table. What is wrong with either by itself is told elsewhere."""
    table, other = of_source.get(plays.table) or derived.get(plays.table), of_source.get(part.table)
    if table is None or other is None or len(other.key) != 1 or table.types.get(name) not in IDS:
        return
    [key] = other.key
    if not comparable(table.types[name], other.types[key]):
        theirs = f"{part.table}.{key}, {other.types[key]}"
        yield Problem(path, f"{plays.table}.{name} is {table.types[name]}, which cannot be compared with {theirs}")
    if (name in table.pii) != (key in other.pii):
        personal, plain = f"{plays.table}.{name}", f"{part.table}.{key}"
        if key in other.pii:
            personal, plain = plain, personal
        yield Problem(
            path, f"{personal} is personal (pii) and {plain} is not; the lists hold both, so say the same of both"
        )


def _name_problems(path: YamlPath, plays: Plays) -> Iterator[Problem]:
    """The lists have the two ids under these names, beside columns of their own."""
    taken = (*OWN_COLUMNS, BECAUSE)
    for key, name in (("user", plays.user), ("item", plays.item)):
        if name.lower() in taken:
            yield Problem((*path, key), f"{name!r} is the name of a column of the lists; give it another one by from:")
    if plays.user.lower() == plays.item.lower():
        yield Problem((*path, "item"), f"{plays.item!r} is the user's column; use that of the item")
