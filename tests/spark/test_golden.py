"""Recorded pages of the real service, parsed by Spark, against rows written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lib.config import Source, load_source
from lib.tables.parse import parse

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def source() -> Source:
    return load_source("moovitamix", conf_dir=REPO / "conf", env={})


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # as Spark gives it: without a zone


TRACKS = [
    {
        "id": 56825,
        "name": "term",
        "artist": "Donald Rocha",
        "songwriters": "Melissa Jimenez",
        "duration": "11:49",
        "genres": "rate",
        "album": "space",
        "created_at": at(2026, 3, 20, 1, 9, 32, 970616),
        "updated_at": at(2025, 11, 29, 17, 35, 31, 508788),
    },
    {
        "id": 43558,
        "name": "pretty",
        "artist": "Gregory Nelson",
        "songwriters": "Brian Turner",
        "duration": "36:30",
        "genres": "my",
        "album": "candidate",
        "created_at": at(2026, 11, 23, 3, 7, 4, 575525),
        "updated_at": at(2026, 7, 5, 12, 52, 3, 617254),
    },
    {
        "id": 27226,
        "name": "several",
        "artist": "Edward Washington",
        "songwriters": "Suzanne Hahn",
        "duration": "48:07",
        "genres": "east",
        "album": "star",
        "created_at": at(2025, 2, 21, 5, 58, 43, 995927),
        "updated_at": at(2026, 5, 17, 15, 4, 28, 384077),
    },
]
USERS = [
    {
        "id": 60515,
        "first_name": "Kevin",
        "last_name": "Lawson",
        "email": "john54@example.org",
        "gender": "Genderqueer",
        "favorite_genres": "Punk",
        "created_at": at(2026, 11, 13, 6, 30, 57, 244155),
        "updated_at": at(2026, 1, 30, 14, 42, 10, 608481),
    },
    {
        "id": 30253,
        "first_name": "Kristin",
        "last_name": "Patel",
        "email": "rollinswilliam@example.org",
        "gender": "Gender questioning",
        "favorite_genres": "Metal",
        "created_at": at(2025, 7, 18, 1, 0, 5, 42601),
        "updated_at": at(2026, 9, 12, 0, 46, 22, 418948),
    },
    {
        "id": 10657,
        "first_name": "Christina",
        "last_name": "Price",
        "email": "clarkanna@example.net",
        "gender": "Genderqueer",
        "favorite_genres": "Classical",
        "created_at": at(2025, 4, 13, 14, 22, 2, 640843),
        "updated_at": at(2026, 10, 10, 1, 14, 47, 297415),
    },
]
LISTEN_HISTORY = [
    {
        "user_id": 60515,
        "items": [10382, 73622, 70522, 14291, 79771],
        "created_at": at(2025, 8, 15, 14, 9, 43, 168716),
        "updated_at": at(2026, 1, 31, 1, 25, 21, 707916),
    },
    {
        "user_id": 30253,
        "items": [2706, 56428, 20347, 54416, 29243],
        "created_at": at(2026, 4, 16, 10, 18, 2, 609177),
        "updated_at": at(2026, 11, 6, 9, 32, 9, 29886),
    },
    {
        "user_id": 10657,
        "items": [27654, 92881, 20347, 96522, 69028],
        "created_at": at(2026, 8, 5, 1, 53, 29, 561216),
        "updated_at": at(2026, 9, 22, 8, 50, 13, 21159),
    },
]


@pytest.mark.parametrize(
    ("table", "expected"), [("tracks", TRACKS), ("users", USERS), ("listen_history", LISTEN_HISTORY)]
)
def test_a_recorded_page_is_read_as_a_person_reads_it(
    spark: SparkSession, source: Source, table: str, expected: list[dict[str, Any]]
) -> None:
    body = (REPO / "tests" / "data" / "moovitamix" / f"{table}.page1.size3.json").read_text("utf-8")
    pages = spark.createDataFrame([("r", 1, body)], "run_id string, page bigint, body string")
    rows = pages.transform(parse(source.table(table), source.api.pagination.items)).orderBy("position").collect()
    assert [row.row.asDict() for row in rows] == expected
    assert [(row.page, row.position, row.problems, row.json) for row in rows] == [(1, n, [], None) for n in range(3)]


@pytest.mark.parametrize("table", ["tracks", "users", "listen_history"])
def test_a_recorded_page_past_the_end_has_no_rows(spark: SparkSession, source: Source, table: str) -> None:
    body = (REPO / "tests" / "data" / "moovitamix" / f"{table}.past_the_end.json").read_text("utf-8")
    pages = spark.createDataFrame([("r", 11, body)], "run_id string, page bigint, body string")
    assert pages.transform(parse(source.table(table), source.api.pagination.items)).collect() == []
