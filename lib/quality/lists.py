"""What is checked of lists of recommendations without being written in a suite, and the views that these checks ask."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Derivation, Recommend
from lib.config.derivations import AGAIN, DISCOVER, FALLBACKS, LIST, LISTS, OWN_COLUMNS, RANK
from lib.lake.copying import Copy
from lib.quality.declared import DELETED, NOTHING, Declared, no_rows, no_unmatched
from lib.quality.references import count_unmatched, describe_unmatched, register_unmatched
from lib.quality.suites import OF_BUILD
from lib.quality.validate import live_rows

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def short_view(lists: str) -> str:
    """The temporary view of the lists that are too short: user and list."""
    return f"short_lists_of_{lists}"


def misplaced_view(lists: str) -> str:
    """The temporary view of the rows whose item the user played, in a list of new ones, or did not, in the other list."""
    return f"misplaced_in_{lists}"


def coverage_view(lists: str) -> str:
    """The temporary view, of one row, that says how many live items the lists reach."""
    return f"coverage_of_{lists}"


def declared_by_lists(block: Recommend, lists: Derivation) -> Declared:
    """What holds of the lists, beside their key: whole rows, no item twice, nobody and nothing deleted, full lists, coverage."""
    user, item, users, items = block.plays.user, block.plays.item, block.users.table, block.items.table
    whole = [name for name in (item, *OWN_COLUMNS) if name not in (*lists.key, "fallback")]
    full = (
        f"Every live row of {users} has a list '{DISCOVER}' of {block.rows} rows (rows of the source YAML), or of as many as "
        f"there are live rows of {items} that somebody played and they did not; and a list '{AGAIN}' of as many, or of all "
        "that they played."
    )
    misplaced = f"No {item} of a list '{DISCOVER}' was played by its {user}, and each of a list '{AGAIN}' was."
    ranks = f"The ranks of a list count from 1, without a gap: the last one is the number of its rows ({RANK})."
    reach = (
        f"All lists together reach a share of {block.min_coverage:g} of the live rows of {items} (min_coverage of the source "
        f"YAML); of as many as the lists have rows, where those are fewer. Without a model, a list '{DISCOVER}' is popular items, "
        "and may not."
    )
    too_few = f"covered < {block.min_coverage!r} * least(live, listed)"
    return [
        *({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}} for name in whole),
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": LIST, "value_set": list(LISTS)}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "fallback", "value_set": list(FALLBACKS)}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": RANK, "min_value": 1, "max_value": block.rows},
            "notes": f"A list has at most {block.rows} rows (rows of the source YAML).",
        },
        {
            "type": "expect_compound_columns_to_be_unique",
            "kwargs": {"column_list": [user, LIST, item]},
            "notes": f"No {item} is twice in one list of a {user}.",
        },
        *_references(lists),
        _of_build("full_lists", f"SELECT * FROM {short_view(lists.name)} /* of {{batch}} */", full),
        _of_build("misplaced", f"SELECT * FROM {misplaced_view(lists.name)} /* of {{batch}} */", misplaced),
        _of_build(
            "ranks",
            f"SELECT `{user}`, {LIST}, max({RANK}) AS {RANK} FROM {{batch}} GROUP BY `{user}`, {LIST} "
            f"HAVING max({RANK}) <> count(*)",
            ranks,
        ),
        _of_build(
            "coverage",
            f"SELECT * FROM {coverage_view(lists.name)} /* of {{batch}} */ WHERE by_model > 0 AND {too_few}",
            reach,
            # Whether a model reaches too little is decided where it is promoted; what it reaches moves with the plays.
            severity="warning",
        ),
    ]


def _of_build(name: str, query: str, description: str, severity: str = "critical") -> dict[str, Any]:
    return {**no_rows(query, description), "meta": {"name": name, OF_BUILD: True}, "severity": severity}


def register_references(
    copy: Copy, lists: Derivation, frames: Mapping[str, DataFrame], suite: ExpectationSuite
) -> list[str]:
    """Let the suite ask for orphaned and deleted references of the lists; a sentence on each reference that has some.

    `frames` are all tables of the run.
    """
    targets = {
        reference.to_table: (copy.source.table(reference.to_table), frames[reference.to_table], None)
        for reference in lists.references
    }
    found = count_unmatched(lists, register_unmatched(lists, frames[lists.name], targets, copy.key_hash))
    describe_unmatched(suite, found)
    return [str(unmatched) for unmatched in found]


def register_build(
    copy: Copy, block: Recommend, lists: Derivation, frames: Mapping[str, DataFrame], until: datetime | None
) -> None:
    """Make the views that the checks of a build ask; they are read when they are asked.

    `frames` are all tables of the run. The lists know the plays `until` that time (all of them, if None).
    """
    [user_key], [item_key] = (copy.source.table(part.table).key for part in (block.users, block.items))
    users = live_rows(frames[block.users.table]).select(F.col(user_key).alias("_user"))
    items = live_rows(frames[block.items.table]).select(F.col(item_key).alias("_item"))
    user, item = F.col(block.plays.user).alias("_user"), F.col(block.plays.item).alias("_item")
    plays = live_rows(frames[block.plays.table])
    if until is not None:
        plays = plays.where(F.col(block.plays.at) <= F.lit(until))
    counts = F.lit(True)
    if block.plays.weight is not None:
        # One that weighs nothing is known, and wanted no more.
        counts = F.coalesce(F.col(block.plays.weight).cast("double"), F.lit(1.0)) > 0
    played = (
        plays.select(user, item, counts.alias("_counts"))
        .join(items, on="_item", how="left_semi")
        .groupBy("_user", "_item")
        .agg(F.max("_counts").alias("_counts"))
        .persist()
    )
    rows = frames[lists.name].select(user, item, LIST, RANK, "fallback")
    short = short_lists(rows, users, played, block.rows)
    as_named = F.col("_user").alias(block.plays.user)
    short.select(as_named, LIST, F.lit(None).cast("int").alias(RANK)).createOrReplaceTempView(short_view(lists.name))
    misplaced(rows, played).select(as_named, LIST, RANK).createOrReplaceTempView(misplaced_view(lists.name))
    coverage(rows, items).createOrReplaceTempView(coverage_view(lists.name))


def short_lists(rows: DataFrame, users: DataFrame, played: DataFrame, most: int) -> DataFrame:
    """The lists (`_user`, list) that have fewer rows than `most`, and than there are items which they could have.

    A list of new items could have the live ones that somebody played and the user did not: of what nobody played no model knows
    anything. The other list could have those that the user played, with a weight. `rows` are those of all lists (`_user`, list),
    `users` the live ones; `played` has one row for each user and live item (`_user`, `_item`), and `_counts`, whether it weighs.
    """
    given = rows.groupBy("_user").agg(*(F.count_if(F.col(LIST) == name).alias(f"_{name}") for name in LISTS))
    own = played.groupBy("_user").agg(F.count("*").alias("_own"), F.count_if("_counts").alias("_wanted"))
    in_all = played.select("_item").distinct().agg(F.count("*").alias("_in_all"))
    counted = users.join(given, on="_user", how="left").join(own, on="_user", how="left").na.fill(0)
    possible = {DISCOVER: F.col("_in_all") - F.col("_own"), AGAIN: F.col("_wanted")}
    is_short = {name: F.col(f"_{name}") < F.least(possible[name], F.lit(most)) for name in LISTS}
    names = F.array(*(F.when(is_short[name], F.lit(name)) for name in LISTS))
    found = counted.crossJoin(F.broadcast(in_all)).select("_user", F.explode(F.array_compact(names)).alias(LIST))
    return found


def misplaced(rows: DataFrame, played: DataFrame) -> DataFrame:
    """The rows (`_user`, list, rank) of a list of new items that the user played, and those of the other list that they did not."""
    known = played.select("_user", "_item", F.lit(True).alias("_known"))
    is_known = F.coalesce("_known", F.lit(False))
    is_wrong = ((F.col(LIST) == DISCOVER) & is_known) | ((F.col(LIST) == AGAIN) & ~is_known)
    return rows.join(known, on=["_user", "_item"], how="left").where(is_wrong).select("_user", LIST, RANK)


def coverage(rows: DataFrame, items: DataFrame) -> DataFrame:
    """One row: how many live items the lists have (`covered`), of how many (`live`), in how many rows (`listed`).

    `by_model` is how many rows of new items a model gave.
    """
    covered = rows.select("_item").distinct().join(items, on="_item", how="left_semi")
    counts = {
        "covered": covered,
        "live": items,
        "listed": rows,
        "by_model": rows.where((F.col(LIST) == DISCOVER) & F.col("fallback").isNull()),
    }
    first, *others = [frame.agg(F.count("*").alias(name)) for name, frame in counts.items()]
    return reduce(DataFrame.crossJoin, others, first)


def _references(lists: Derivation) -> Declared:
    found: Declared = []
    for reference in lists.references:
        row = f"row of {reference.to_table}"
        column = f"{lists.name}.{reference.column}"
        for meets, name, description in (
            (NOTHING, f"orphans.{reference.column}", f"Every {column} points at a {row}."),
            (DELETED, f"deleted.{reference.column}", f"No {column} points at a deleted {row}."),
        ):
            found.append(no_unmatched(lists.name, lists.key, reference, meets, name, description))
    return found
