"""Rows that fail an expectation: as many as Great Expectations counts, by key, and without personal values."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.steps.options import Job
from jobs.steps.publish import check_and_publish
from lib.config import Runtime, Source
from lib.console import Steps
from lib.errors import ChecksFailedError
from lib.lake.checks import all_checks
from lib.lake.key_hash import key_hash_of
from lib.lake.layout import claim, lake_at
from lib.lake.runs import Run, TableRun
from lib.quality.checking import prepare_checks
from lib.quality.declared import declared_by_table, unique_key, unmatched_view
from lib.quality.docs import Docs
from lib.quality.failed_rows import CheckOf, key_of, list_failures
from lib.quality.failing import NO_WAY, WHOLE_TABLE, WITH_CONDITION, Failing, failing_rows
from lib.quality.names import failures_command
from lib.quality.suites import build_suite
from lib.quality.validate import MOST_KEYS, Finding, Findings, validate
from lib.reporting.site import write_site
from tests.on_disk import on_disk
from tests.spark.served_table import Served

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

AT = datetime(2026, 3, 5, tzinfo=UTC)
COLUMNS = "id bigint, a bigint, b bigint, word string, _deleted_at timestamp"
ROWS: list[tuple[Any, ...]] = [
    (1, 1, 1, "one", None),
    (2, 1, None, "two", None),
    (3, None, 1, None, None),
    (4, None, None, "Four", None),
    (5, 5, 4, "fives", None),
    (6, 5, 4, "", None),
    (7, 3, 8, "two", None),
    (8, None, 1, None, None),
    (9, 1, 1, "deleted", AT),
]
A, PAIR, BOTH = {"column": "a"}, {"column_A": "a", "column_B": "b"}, {"column_list": ["a", "b"]}
WORD = {"column": "word"}
BETWEEN, LENGTHS = "expect_column_values_to_be_between", "expect_column_value_lengths_to_be_between"
GREATER, EQUAL = "expect_column_pair_values_a_to_be_greater_than_b", "expect_column_pair_values_to_be_equal"
TOGETHER, QUERY = "expect_compound_columns_to_be_unique", "unexpected_rows_expectation"
# Each kind, and the ids of the live rows that fail it, worked out by hand. Nulls fail nothing but not_be_null.
CASES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("expect_column_values_to_not_be_null", A, [3, 4, 8]),
    ("expect_column_values_to_not_be_null", {**A, "mostly": 0.99}, [3, 4, 8]),
    ("expect_column_values_to_be_null", A, [1, 2, 5, 6, 7]),
    ("expect_column_values_to_be_unique", A, [1, 2, 5, 6]),
    (TOGETHER, BOTH, [3, 5, 6, 8]),
    (TOGETHER, {**BOTH, "ignore_row_if": "any_value_is_missing"}, [5, 6]),
    (TOGETHER, {"column_list": ["a", "word"], "ignore_row_if": "never"}, [3, 8]),
    ("expect_column_values_to_match_regex", {**WORD, "regex": "^[a-z]+$"}, [4, 6]),
    ("expect_column_values_to_not_match_regex", {**WORD, "regex": "^t"}, [2, 7]),
    ("expect_column_values_to_be_in_set", {**WORD, "value_set": ["one", "two"]}, [4, 5, 6]),
    ("expect_column_values_to_not_be_in_set", {**A, "value_set": [1, 3]}, [1, 2, 7]),
    (BETWEEN, {**A, "min_value": 3}, [1, 2]),
    (BETWEEN, {**A, "min_value": 1, "strict_min": True, "max_value": 5}, [1, 2]),
    (BETWEEN, {**A, "min_value": 1, "max_value": 5, "strict_max": True}, [5, 6]),
    (BETWEEN, {**A, "max_value": 3, "strict_max": True}, [5, 6, 7]),
    (LENGTHS, {**WORD, "min_value": 3, "max_value": 4}, [5, 6]),
    (LENGTHS, {**WORD, "min_value": 3, "strict_min": True}, [1, 2, 6, 7]),
    ("expect_column_value_lengths_to_equal", {**WORD, "value": 3}, [4, 5, 6]),
    (GREATER, PAIR, [1, 7]),
    (GREATER, {**PAIR, "or_equal": True}, [7]),
    (GREATER, {**PAIR, "or_equal": True, "ignore_row_if": "neither"}, [7]),
    (EQUAL, PAIR, [2, 3, 5, 6, 7, 8]),
    (EQUAL, {**PAIR, "ignore_row_if": "either_value_is_missing"}, [5, 6, 7]),
    (EQUAL, {**PAIR, "ignore_row_if": "neither"}, [2, 3, 5, 6, 7, 8]),
    (QUERY, {"unexpected_rows_query": "SELECT * FROM {batch} WHERE a > 3 OR word = 'deleted'"}, [5, 6]),
    (QUERY, {"unexpected_rows_query": "SELECT ID, b FROM {batch} WHERE b = 8"}, [7]),
]


def entry(kind: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": "critical"}


@pytest.fixture
def checked(demo: Source, tmp_path: Path) -> Callable[..., Findings]:
    """What GX finds of one frame."""

    def check(frame: DataFrame, *entries: dict[str, Any], table: str = "things") -> Findings:
        suite = build_suite(demo, table, {"expectations": list(entries)}, [])
        docs = tmp_path / "docs"
        return validate({table: frame}, {table: suite}, at=AT, docs=Docs("r1", docs, "shop"))

    return check


@pytest.fixture
def frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(ROWS, COLUMNS)


def ids(failing: Failing) -> list[int]:
    assert failing.rows is not None
    return sorted(row.id for row in failing.rows.select("id").collect())


def by_name(findings: Findings) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings.all}


def test_each_kind_finds_the_rows_that_gx_counts(frame: DataFrame, checked: Callable[..., Findings]) -> None:
    entries = [{**entry(kind, kwargs), "meta": {"name": f"case{n}"}} for n, (kind, kwargs, _) in enumerate(CASES)]
    findings = by_name(checked(frame, *entries))
    live = frame.where("_deleted_at IS NULL")
    for number, (kind, kwargs, expected) in enumerate(CASES):
        finding = findings[f"things.case{number}"]
        assert finding.success is False, finding
        assert finding.unexpected == len(expected), (kind, kwargs)
        assert ids(failing_rows(live, ("id",), finding)) == expected, (kind, kwargs)


def test_where_no_rows_can_be_listed_it_is_said_why(frame: DataFrame, checked: Callable[..., Findings]) -> None:
    cases = {
        "floor": (entry("expect_table_row_count_to_be_between", {"min_value": 100}), WHOLE_TABLE),
        "most": (entry("expect_column_max_to_be_between", {**A, "max_value": 1}), WHOLE_TABLE),
        "within": (entry("expect_select_column_values_to_be_unique_within_record", BOTH), NO_WAY),
        "count": (
            entry(QUERY, {"unexpected_rows_query": "SELECT count(*) AS n FROM {batch}"}),
            "its query does not select the key (id)",
        ),
        "twice": (
            entry(QUERY, {"unexpected_rows_query": "SELECT *, a AS id FROM {batch}"}),
            "its query does not select the key (id)",
        ),
    }
    findings = by_name(checked(frame, *({**one, "meta": {"name": name}} for name, (one, _) in cases.items())))
    for name, (_, why) in cases.items():
        finding = findings[f"things.{name}"]
        assert finding.success is False, finding
        assert failing_rows(frame, ("id",), finding) == Failing(None, why), name
    with_condition = replace(findings["things.within"], kwargs={**BOTH, "row_condition": "b = 1"})
    assert failing_rows(frame, ("id",), with_condition) == Failing(None, WITH_CONDITION)


PERSONAL = """\
  users:
    path: /users
    key: [mail, day]
    columns:
      mail: {type: string!, pii: true}
      day: {type: bigint!}
      age: {type: bigint}
"""


def failures(path: object, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a documented query, as people ask it without Spark."""
    found = pa.table(QueryBuilder().register("failures", DeltaTable(str(path))).execute(sql)).to_pylist()
    return [tuple(row.values()) for row in found]


@pytest.fixture
def job(source_of: Callable[[str], Source], tmp_path: Path) -> Job:
    layout = lake_at(str(tmp_path / "lake"))
    claim(layout, "shop", AT)
    return Job(
        source=source_of(PERSONAL),
        layout=layout,
        tables=("users",),
        run_id="r1",
        suites={},
        runtime=Runtime.of(os.environ),
        now=AT,
        steps=Steps(),
    )


RUN = Run("r1", "shop", AT, "", "", tables={"users": TableRun("users", version=7)})


def write(spark: SparkSession, job: Job, docs_id: str, frames: dict[str, DataFrame], findings: Findings) -> Findings:
    """The findings, with keys of the rows that were written."""
    check = CheckOf(RUN, docs_id, job.now)
    listed = list_failures(job.source, lambda: key_hash_of(spark, job.layout, None), check, frames, findings)
    found = listed.with_keys()
    listed.write(spark, job.layout)
    return found


def keys_of(docs_id: str, name: str) -> str:
    return f"SELECT key FROM failures WHERE docs_id = '{docs_id}' AND expectation = '{name}'"


@pytest.mark.parametrize("few", [10_000, 99])
def test_all_failing_rows_are_written_by_key_without_personal_values(
    spark: SparkSession, job: Job, checked: Callable[..., Findings], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than a few come to the driver one batch after the other.
    for module in ("lib.quality.failed_rows", "lib.lake.failures"):
        monkeypatch.setattr(f"{module}.FEW", few)
    users = spark.range(1000).select(
        F.concat("id", F.lit("@example.org")).alias("mail"),
        (F.col("id") % 7).alias("day"),
        F.when(F.col("id") >= 300, F.lit(30).cast("bigint")).alias("age"),
    )
    findings = checked(
        users,
        {**entry("expect_column_values_to_not_be_null", {"column": "age"}), "severity": "warning"},
        entry("expect_table_row_count_to_be_between", {"min_value": 5000}),
        unique_key(("mail", "day")),
        table="users",
    )
    shown = write(spark, job, "r1.check2", {"users": users}, findings)
    # A part of the key is personal: none is shown.
    assert [str(one) for one in shown.failed] == [
        "users (table row count to be between): observed 1000 [users.table_row_count_to_be_between]",
        "users.age must not be null: 300 of 1000 rows [users.column_values_to_not_be_null.age]",
    ]

    path = job.layout.failures
    keys = failures(path, keys_of("r1.check2", "users.column_values_to_not_be_null.age"))
    assert len(keys) == 300
    assert Counter(json.loads(key)["mail"] for (key,) in keys) == {"***": 300}
    assert Counter(json.loads(key)["day"] for (key,) in keys)[0] == 43
    about = 'docs_id, run_id, checked_at, "table", version, severity'
    assert failures(path, f"SELECT DISTINCT {about} FROM failures WHERE key IS NOT NULL") == [
        ("r1.check2", "r1", AT, "users", 7, "warning")
    ]
    assert failures(path, "SELECT expectation, note FROM failures WHERE key IS NULL") == [
        ("users.table_row_count_to_be_between", f"no rows are listed: {WHOLE_TABLE}")
    ]
    assert "@example.org" not in str(failures(path, "SELECT * FROM failures"))
    # By the hash the rows can be found all the same, by who has the secret of the lake.
    found = {hashed for (hashed,) in failures(path, "SELECT key_hash FROM failures WHERE key IS NOT NULL")}
    hashed = key_hash_of(spark, job.layout, None)(("mail", "day"), within="")
    rows = users.withColumn("hash", hashed).where(F.col("hash").isin(found))
    assert rows.agg(F.count("*"), F.count("age"), F.count_distinct("mail")).first() == (300, 0, 300)
    # One commit made the table and one filled it, both by the one engine that writes it.
    history = DeltaTable(str(path)).history()
    assert [entry["version"] for entry in history] == [1, 0]
    assert ["delta-rs" in entry.get("engineInfo", "") for entry in history] == [True, True]


def test_a_count_other_than_gx_is_said(spark: SparkSession, job: Job) -> None:
    users = spark.createDataFrame([("a", 1, None), ("b", 2, None)], "mail string, day bigint, age bigint")
    wrong = Finding(
        name="users.x",
        table="users",
        expectation="expect_column_values_to_not_be_null",
        about="age",
        severity="critical",
        success=False,
        said="3 of 3 rows",
        unexpected=3,
        kwargs={"column": "age"},
    )
    write(spark, job, "r1", {"users": users}, Findings((wrong,), {"users": 2}))
    rows = failures(job.layout.failures, "SELECT key, note FROM failures ORDER BY key")
    assert rows[:2] == [('{"mail":"***","day":1}', None), ('{"mail":"***","day":2}', None)]
    assert rows[2:] == [(None, "2 rows are listed, Great Expectations counts 3")]


OPEN = """\
  users:
    path: /users
    key: [id]
    columns: {id: bigint!, age: bigint}
  visits:
    path: /visits
    key: [id, day]
    columns: {id: bigint!, day: bigint!, user: bigint}
    references: [{column: user, to: users.id}]
"""


@pytest.mark.parametrize("few", [10_000, 5])
def test_a_line_has_five_keys_a_page_twenty_and_of_a_reference_those_that_are_not_there(
    spark: SparkSession,
    job: Job,
    checked: Callable[..., Findings],
    source_of: Callable[[str], Source],
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lib.quality.failed_rows.FEW", few)
    job.source = source_of(OPEN)
    users = spark.range(30).select("id", F.when(F.col("id") > 2, F.col("id")).alias("age"))
    nulls = entry("expect_column_values_to_not_be_null", {"column": "age"})
    most = {**entry("expect_column_values_to_be_between", {"column": "age", "max_value": 2}), "severity": "warning"}
    found = write(spark, job, "r1", {"users": users}, checked(users, nulls, most, table="users"))
    one, other = map(str, found.failed)
    assert one == "users.age must not be null: 3 of 30 rows (id 0, 1, 2) [users.column_values_to_not_be_null.age]"
    is_known = few == 10_000
    for line, most in ((other, 5), (found.failed[1].line(MOST_KEYS), 20)):
        rest = f"{27 - most} more" if is_known else "more"
        listed = re.fullmatch(rf"users.age must be at most 2: 27 of 30 rows \(id (.+) and {rest}\) \[users\..+\]", line)
        assert listed is not None
        shown = [int(key) for key in listed[1].split(", ")]
        assert len(shown) == len(set(shown)) == most
        assert set(shown) <= set(range(3, 30))

    visits = spark.createDataFrame(
        [(1, 5, 7), (2, 6, 900), (3, 6, 901), (4, 6, 900)], "id bigint, day bigint, user bigint"
    )
    unmatched = visits.where("user >= 900").selectExpr(
        "id", "day", "'user' AS _reference", "CAST(user AS STRING) AS _pointer", "'nothing' AS _meets"
    )
    unmatched.createOrReplaceTempView(unmatched_view("visits"))
    table = job.source.table("visits")
    [orphans] = [one for one in declared_by_table(table, AT) if (one.get("meta") or {}).get("reference") == "user"]
    findings = checked(visits, orphans, table="visits")
    run = replace(RUN, tables={"visits": TableRun("visits", version=8)})
    monkeypatch.setattr("tests.spark.test_failing.RUN", run)
    [line] = map(str, write(spark, job, "r2", {"visits": visits}, findings).failed)
    assert line == "visits.user -> users: 3 orphans (user 900, 901) [visits.orphans.user]"
    rows = failures(job.layout.failures, "SELECT key, pointer FROM failures WHERE docs_id = 'r2' ORDER BY key")
    assert rows == [('{"id":2,"day":6}', "900"), ('{"id":3,"day":6}', "901"), ('{"id":4,"day":6}', "900")]


@pytest.mark.parametrize("personal", ["id: {type: bigint!, pii: true}", "user: {type: bigint, pii: true}"])
def test_a_reference_with_personal_values_shows_none(
    spark: SparkSession,
    job: Job,
    checked: Callable[..., Findings],
    source_of: Callable[[str], Source],
    personal: str,
) -> None:
    name = personal.partition(":")[0]
    plain = {"id": "columns: {id: bigint!, age", "user": "user: bigint}"}[name]
    ours = {"id": f"columns: {{{personal}, age", "user": f"{personal}}}"}[name]
    job.source = source_of(OPEN.replace(plain, ours))
    rows = [(2, 6, 900, "user", "900", "nothing")]
    view = "id bigint, day bigint, user bigint, _reference string, _pointer string, _meets string"
    visits = spark.createDataFrame(rows, view)
    visits.createOrReplaceTempView(unmatched_view("visits"))
    [orphans] = [
        one for one in declared_by_table(job.source.table("visits"), AT) if (one.get("meta") or {}).get("reference")
    ]
    frames = {"visits": visits.select("id", "day", "user")}
    findings = checked(frames["visits"], orphans, table="visits")
    check = CheckOf(replace(RUN, tables={"visits": TableRun("visits", version=8)}), "r2", AT)
    listed = list_failures(job.source, lambda: key_hash_of(spark, job.layout, None), check, frames, findings)
    assert [row["pointer"] for row in listed.few] == ["***"]
    [line] = map(str, listed.with_keys().failed)
    assert line == "visits.user -> users: 1 orphan [visits.orphans.user]"


@pytest.mark.quick
def test_nothing_failed_writes_nothing(spark: SparkSession, job: Job) -> None:
    write(spark, job, "r1", {}, Findings((), {}))
    assert not on_disk(job.layout.failures).exists()


def test_the_key_of_listens_is_personal_where_that_of_its_sessions_is(source_of: Callable[[str], Source]) -> None:
    source = source_of(
        "  listen_history:\n    path: /l\n    key: [user_id, created_at]\n    columns:\n"
        "      user_id: {type: bigint!, pii: true}\n      created_at: timestamp!\n      items: array<bigint>\n"
    )
    assert key_of(source, "listens") == (("user_id", "listened_at", "position"), ("user_id",))
    assert key_of(source, "listen_history") == (("user_id", "created_at"), ("user_id",))


@pytest.mark.quick
def test_a_failed_check_is_a_line_in_its_summary_in_the_docs_and_in_runs_html(things: Served) -> None:
    run = things.run({"id": 1, "name": "a"}, {"id": 2, "name": None}, {"id": 3, "name": "<b>"}, {"id": 4})
    assert run.tables["things"].rows_missing == [{"column": "name", "rows": 2}]
    job = replace(things.job(), runtime=replace(Runtime.of(os.environ), site_assets=None))
    job.suites["things"] = {
        "expectations": [
            entry("expect_column_values_to_not_be_null", {"column": "name"}),
            {**entry("expect_column_value_lengths_to_equal", {"column": "name", "value": 1}), "severity": "warning"},
        ]
    }
    with pytest.raises(ChecksFailedError) as failed:
        check_and_publish(things.spark, job, run, prepare_checks(job.source, job.layout, job.suites, job.now))
    name = "things.column_values_to_not_be_null.name"
    line = f"things.name must not be null: 2 of 4 rows (id 2, 4) [{name}]"
    warning = (
        "things.name (column value lengths to equal): 1 of 4 rows (id 3) [things.column_value_lengths_to_equal.name]"
    )
    command = failures_command("run-1", "--source", job.source.source, "--lake", str(things.layout.root))
    assert f"\n  critical: {line}\n  warning: {warning}\n" in str(failed.value)
    assert f"Rows:    {command}\n" in str(failed.value)
    assert sorted(failures(things.layout.failures, keys_of("run-1", name))) == [('{"id":2}',), ('{"id":4}',)]
    other = keys_of("run-1", "things.column_value_lengths_to_equal.name")
    assert failures(things.layout.failures, other) == [('{"id":3}',)]
    on_the_site = failures_command("run-1", lake=str(things.layout.root))
    pages = list((on_disk(things.layout.site) / "runs" / "run-1").rglob("*.html"))
    assert pages
    for said in (f"<strong>critical</strong> {line}", f"<strong>warning</strong> {warning}", on_the_site):
        assert all(said in unescape(page.read_text("utf-8")) for page in pages)
    write_site(job.site)
    report = unescape((on_disk(things.layout.site) / "runs.html").read_text("utf-8"))
    # In the list of checks, and below the run.
    shown = [f"critical: {line}", f"warning: {warning}", on_the_site]
    assert [report.count(f">{said}<") for said in shown] == [2, 2, 2]
    [check] = [one for one in all_checks(things.layout) if one.docs_id == "run-1"]
    assert check.lines == shown[:2]
    # A check that is repeated has rows of its own.
    with pytest.raises(ChecksFailedError):
        check_and_publish(things.spark, job, run, prepare_checks(job.source, job.layout, job.suites, job.now))
    again = things.rows(
        things.layout.failures, "SELECT docs_id, count(*) AS n FROM t GROUP BY docs_id ORDER BY docs_id"
    )
    assert again == [("run-1", 3), ("run-1.check2", 3)]


SMALL = st.one_of(st.none(), st.integers(0, 2))
TEXT = st.one_of(st.none(), st.text("ab", max_size=3))


@settings(
    max_examples=4,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values=st.lists(st.tuples(SMALL, SMALL, TEXT), max_size=8))
def test_any_rows_give_as_many_as_gx_counts(
    values: list[tuple[Any, ...]], spark: SparkSession, checked: Callable[..., Findings]
) -> None:
    rows = [(number, *one, None) for number, one in enumerate(values)]
    frame = spark.createDataFrame(rows, COLUMNS).coalesce(1).persist()
    entries = [
        entry("expect_column_values_to_be_unique", A),
        entry(TOGETHER, BOTH),
        entry(GREATER, {**PAIR, "ignore_row_if": "neither"}),
        entry(EQUAL, PAIR),
        entry("expect_column_values_to_be_in_set", {**WORD, "value_set": ["a", "ab", ""]}),
        entry(BETWEEN, {**A, "min_value": 1}),
    ]
    for finding in checked(frame, *entries).all:
        found = failing_rows(frame, ("id",), finding).rows
        # GX gives no count where no row is left to look at.
        assert finding.success if found is None else found.count() == finding.unexpected, finding
    frame.unpersist()
