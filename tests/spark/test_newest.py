from __future__ import annotations

from collections.abc import Callable

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib.config import Source, Table
from lib.gold.listens import listens
from lib.tables.compare import deleted, seen_keys
from lib.tables.newest import newest, ranked, row_hash

DDL = "id bigint, name string, tags array<bigint>, at timestamp"


@pytest.fixture
def table(source_of: Callable[[str], Source]) -> Table:
    return source_of(
        "  t:\n    path: /t\n    key: [id]\n    newest_by: at\n"
        "    columns:\n      id: bigint!\n      name: string\n      tags: array<bigint>\n      at: timestamp\n"
    ).tables[0]


def rows(spark: SparkSession, *values: tuple[object, ...]) -> DataFrame:
    frame = spark.createDataFrame(
        [(*v[:3], v[3]) for v in values], "id bigint, name string, tags array<bigint>, at string"
    )
    return frame.select(
        F.struct("id", "name", "tags", F.col("at").cast("timestamp").alias("at")).alias("row"),
        F.array().alias("problems"),
    )


def test_the_newest_row_of_a_key_wins(spark: SparkSession, table: Table) -> None:
    frame = rows(spark, (1, "old", None, "2026-01-01"), (1, "new", None, "2026-01-02"), (2, "only", None, "2026-01-01"))
    held = frame.transform(ranked(table)).transform(newest(table)).select("id", "name")
    assert_df_equality(
        held, spark.createDataFrame([(1, "new"), (2, "only")], "id bigint, name string"), ignore_row_order=True
    )


def test_a_row_with_a_time_goes_before_one_without(spark: SparkSession, table: Table) -> None:
    frame = rows(spark, (1, "none", None, None), (1, "some", None, "1970-01-01"))
    assert [row.name for row in frame.transform(ranked(table)).transform(newest(table)).collect()] == ["some"]


def test_a_tie_has_the_same_winner_in_any_order(spark: SparkSession, table: Table) -> None:
    values = [(1, name, None, "2026-01-01") for name in "abcdefgh"]
    winners = {
        frame.transform(ranked(table)).transform(newest(table)).collect()[0].name
        for frame in (rows(spark, *values), rows(spark, *reversed(values)), rows(spark, *values).repartition(5))
    }
    assert len(winners) == 1


def test_a_microsecond_a_null_and_the_end_of_an_array_change_the_hash(spark: SparkSession) -> None:
    frame = spark.sql(
        "SELECT * FROM VALUES"
        " (CAST(NULL AS STRING), 'a', array(1, NULL), TIMESTAMP'2026-01-01 00:00:00.000001'),"
        " ('a', CAST(NULL AS STRING), array(1, NULL), TIMESTAMP'2026-01-01 00:00:00.000001'),"
        " (CAST(NULL AS STRING), 'a', array(1), TIMESTAMP'2026-01-01 00:00:00.000001'),"
        " (CAST(NULL AS STRING), 'a', array(1, NULL), TIMESTAMP'2026-01-01 00:00:00.000002') AS t(x, y, tags, at)"
    )
    hashes = {row.h for row in frame.select(row_hash(("x", "y", "tags", "at")).alias("h")).collect()}
    assert len(hashes) == 4


def test_a_key_that_the_source_still_has_in_a_rejected_row_is_not_deleted(spark: SparkSession) -> None:
    live = spark.createDataFrame([(1,), (2,), (3,)], "id bigint")
    parsed = spark.createDataFrame(
        [(((1,)), []), (((2,)), ["wrong_type:name"]), (((None,)), ["wrong_type:id"])],
        "row struct<id:bigint>, problems array<string>",
    )
    gone = deleted(live, seen_keys(parsed, ("id",)), ("id",))
    assert [row.id for row in gone.collect()] == [3]


def test_listens_are_the_tracks_of_sessions_that_are_still_there(spark: SparkSession) -> None:
    history = spark.sql(
        "SELECT * FROM VALUES"
        " (7L, array(30L, 10L), TIMESTAMP'2026-01-01 08:00:00', CAST(NULL AS TIMESTAMP)),"
        " (8L, array(10L), TIMESTAMP'2026-01-01 09:00:00', TIMESTAMP'2026-01-02 00:00:00'),"
        " (9L, CAST(array() AS ARRAY<BIGINT>), TIMESTAMP'2026-01-01 10:00:00', CAST(NULL AS TIMESTAMP))"
        " AS t(user_id, items, created_at, _deleted_at)"
    )
    expected = spark.sql(
        "SELECT * FROM VALUES (7L, TIMESTAMP'2026-01-01 08:00:00', 0L, 30L), (7L, TIMESTAMP'2026-01-01 08:00:00', 1L, 10L)"
        " AS t(user_id, listened_at, position, track_id)"
    )
    assert_df_equality(listens(history), expected, ignore_nullable=True, ignore_row_order=True)
