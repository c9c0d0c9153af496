"""What a training set takes from the tables, and what is measured of lists by the plays that came after them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lib.config import Source, load_source
from lib.recommend.list_numbers import FEWEST_PLAYERS, Before, hit_rates
from lib.recommend.training_set import opened

SOURCE = """\
source: shop
api: {url: "http://127.0.0.1:1"}
tables:
  books: {path: /b, key: [id], deletes: soft, columns: {id: int!}}
  readers: {path: /r, key: [id], deletes: soft, columns: {id: int!}}
  loans:
    path: /l
    key: [n]
    deletes: soft
    columns: {n: bigint!, reader: bigint, book: bigint, day: timestamp, stars: double}
recommend:
  plays: {table: loans, user: reader, item: book, at: day, weight: stars}
  users: {table: readers}
  items: {table: books}
"""
AT = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH_US = round(AT.timestamp() * 1_000_000)
LOANS = "reader bigint, book bigint, day timestamp, stars double, _deleted_at timestamp"
Loan = tuple[int, int, datetime, float | None, datetime | None]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "shop.yml").write_text(SOURCE, "utf-8")
    return load_source(str(tmp_path / "shop.yml"), conf_dir=tmp_path, env={})


def tables(spark: SparkSession, loans: Iterable[Loan]) -> dict[str, DataFrame]:
    """Readers 1 and 2, books 10 and 11."""
    schema = "id int, _deleted_at timestamp"
    return {
        "readers": spark.createDataFrame([(1, None), (2, None), (3, AT)], schema),
        "books": spark.createDataFrame([(10, None), (11, None), (12, AT)], schema),
        "loans": spark.createDataFrame(list(loans), LOANS),
    }


def plays_of(spark: SparkSession, source: Source, loans: Iterable[Loan]) -> dict[int, list[tuple[Any, ...]]]:
    """By reader, the plays as the training set has them: microseconds after AT, position of the book, weight."""
    with opened(spark, source, source.recommended(), tables(spark, loans), AT) as of:
        return {
            row.user: [(one["at"] - EPOCH_US, one.position, one.weight) for one in row.plays or ()]
            for row in of.users.collect()
        }


def test_a_play_weighs_what_its_column_says_within_bounds(spark: SparkSession, source: Source) -> None:
    stars = [2.5, None, float("nan"), -3.0, float("inf")]
    loans = [(1, 10, AT - timedelta(seconds=5 - n), one, None) for n, one in enumerate(stars)]
    found = plays_of(spark, source, loans)
    assert [weight for _, _, weight in found[1]] == [2.5, 1.0, 1.0, 0.0, 1_000_000.0]
    assert found[2] == []
    assert found.keys() == {1, 2}


def test_plays_that_are_nobodys_or_of_nothing_or_of_later_or_deleted_are_left_out(
    spark: SparkSession, source: Source
) -> None:
    loans: list[Loan] = [
        (2, 11, AT, 1.0, None),
        (2, 11, AT + timedelta(microseconds=1), 1.0, None),  # after the publication
        (2**40, 11, AT, 1.0, None),  # no reader has such an id, nor can have
        (2, 2**40 + 11, AT, 1.0, None),
        (3, 11, AT, 1.0, None),  # a deleted reader
        (2, 12, AT, 1.0, None),  # a deleted book
        (2, 10, AT, 1.0, AT),  # a deleted play
    ]
    assert plays_of(spark, source, loans) == {1: [], 2: [(0, 1, 1.0)]}


def test_first_and_end_are_those_of_the_plays(spark: SparkSession, source: Source) -> None:
    loans: list[Loan] = [(1, 10, AT - timedelta(days=1), 1.0, None), (2, 10, AT, 1.0, None)]
    with opened(spark, source, source.recommended(), tables(spark, loans), AT) as of:
        assert (of.first, of.end, of.last_play) == (EPOCH_US - 86_400_000_000, EPOCH_US + 1, AT)
    with opened(spark, source, source.recommended(), tables(spark, []), AT) as of:
        assert (of.first, of.end, of.last_play) == (None, None, None)


def test_the_hit_rate_is_of_those_who_played_anything_since(spark: SparkSession, source: Source) -> None:
    readers = range(FEWEST_PLAYERS + 10)
    lists = [(reader, name, book) for reader in readers for name, book in (("discover", 10), ("again", 11))]
    lists += [(reader, "again", 12) for reader in readers]
    # Everybody but the last ten plays something later: the first 6 book 10, the first 15 both books of the other list.
    later = AT + timedelta(seconds=1)
    loans: list[Loan] = [(reader, 99, later, 1.0, None) for reader in readers[:-10]]
    loans += [(reader, 10, later, 1.0, None) for reader in range(6)]
    loans += [(reader, book, later, 1.0, None) for reader in range(15) for book in (11, 12)]
    # What they knew already, and what is deleted, is no hit.
    loans += [(reader, 10, AT, 1.0, None) for reader in readers]
    loans += [(reader, 10, later, 1.0, later) for reader in readers]
    before = Before(spark.createDataFrame(lists, "reader int, list string, book int"), AT)
    plays = spark.createDataFrame(loans, LOANS)
    assert hit_rates(before, plays, source.recommended()) == {
        "discover": 6 / FEWEST_PLAYERS,
        "again": 15 / FEWEST_PLAYERS,
    }
    few = plays.where("reader > 0")
    assert hit_rates(before, few, source.recommended()) == {}
