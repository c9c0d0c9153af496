"""What is checked: suites on real tables, what the source YAML says by itself, and the three outcomes of a check."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from demo import DemoSettings, build
from lib.config import Source, Table, load_source
from lib.quality.counts import Counts
from lib.quality.declared import declared_by_table
from lib.quality.docs import Docs
from lib.quality.implied import register_deleted
from lib.quality.references import count_unmatched, describe_unmatched, register_unmatched
from lib.quality.suites import build_suite, read_suite_files
from lib.quality.validate import Finding, Findings, validate
from lib.quality.volume import plausible_volume
from lib.tables.newest import newest, ranked
from lib.tables.parse import parse
from lib.tables.reject import rejected
from tests.spark.key_hashes import key_hash_for

# Of these `make test` runs those that are marked quick.
pytestmark = pytest.mark.thorough

REPO = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONE: dict[str, Any] = {"expectations": []}
Check = Callable[..., Findings]


def parsed(spark: SparkSession, source: Source, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    """The rows of one page."""
    body = json.dumps({"items": rows})
    pages = spark.createDataFrame([("r", 1, body)], "run_id string, page bigint, body string")
    return pages.transform(parse(table, source.api.pagination.items)).transform(ranked(table))


def silver(spark: SparkSession, source: Source, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    """The table as a run would leave it, of one page with these rows."""
    taken = parsed(spark, source, table, rows).transform(newest(table))
    return taken.withColumn("_deleted_at", F.lit(None).cast("timestamp")).persist()


def quarantine(spark: SparkSession, source: Source, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    """What quarantine would hold of that page."""
    return parsed(spark, source, table, rows).transform(rejected(table.name, table.key, key_hash_for(spark)))


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks frames against what is declared of their tables and what the files add."""

    def run(
        source: Source,
        frames: dict[str, DataFrame],
        files: dict[str, dict[str, Any]] | None = None,
        more: dict[str, list[dict[str, Any]]] | None = None,
        unmatched: dict[str, list[Any]] | None = None,
        at: datetime = NOW,
    ) -> Findings:
        suites = {}
        for name in frames:
            declared = [*declared_by_table(source.table(name), at), *(more or {}).get(name, [])]
            suites[name] = build_suite(source, name, (files or {}).get(name, NONE), declared)
            describe_unmatched(suites[name], (unmatched or {}).get(name, []))
        return validate(frames, suites, at=at, docs=Docs("d", tmp_path / "docs", source.source))

    return run


@pytest.fixture
def docs(tmp_path: Path) -> Callable[[], str]:
    """The text of all pages of the docs."""
    return lambda: "".join(page.read_text("utf-8") for page in (tmp_path / "docs").rglob("*.html"))


@pytest.fixture(autouse=True)
def _no_frame_is_left(spark: SparkSession) -> Iterator[None]:
    yield
    spark.catalog.clearCache()


def failed(findings: Findings, kind: str = "") -> list[tuple[str, str, str]]:
    return [(f.table, f.severity, f.about) for f in findings.all if f.success is False and kind in f.expectation]


def music(spark: SparkSession, source: Source, rows: dict[str, list[dict[str, Any]]]) -> dict[str, DataFrame]:
    """The tables, with the views that a run makes before it checks."""
    frames = {table.name: silver(spark, source, table, rows[table.name]) for table in source.tables}
    for name in frames:
        register_deleted(spark, name, deleted=0, found_again=len(rows[name]))
    targets = {
        name: (source.table(name), frames[name], quarantine(spark, source, source.table(name), rows[name]))
        for name in ("tracks", "users")
    }
    register_unmatched(source.table("listen_history"), frames["listen_history"], targets, key_hash_for(spark))
    return frames


def suite_files(source: Source) -> dict[str, dict[str, Any]]:
    return read_suite_files(REPO / "expectations" / source.source, tuple(table.name for table in source.tables))


# Of so few tracks one that nobody plays is there to leave for two weeks.
@pytest.mark.parametrize("day", [0, 1, 14])
def test_the_demo_passes_its_suites_on_every_day_with_its_blemishes(
    spark: SparkSession, demo: Source, check: Check, day: int
) -> None:
    rows = build(DemoSettings(tracks=400, users=200, sessions=1000, day=day)).rows
    frames = music(spark, demo, rows)
    findings = check(demo, frames, suite_files(demo))
    assert (findings.gating, findings.unchecked) == ((), ())
    # About 1 % of updates are dated before the row's creation: 4 of 400 tracks, 2 of 200 users. One row of each is in
    # quarantine, and a day brings one user more.
    early = "expect_column_pair_values_a_to_be_greater_than_b"
    assert [(f.table, f.expectation, f.said) for f in findings.warnings] == [
        ("tracks", early, "4 of 399 rows"),
        ("users", early, f"2 of {199 + day} rows"),
    ]


def test_rows_like_those_of_the_music_service_pass_and_odd_dates_warn(spark: SparkSession, check: Check) -> None:
    source = load_source("moovitamix", conf_dir=REPO / "conf", env={})
    made, changed = "2025-03-20T01:09:32.970616", "2025-11-29T17:35:31.508788"
    track = {"id": 7, "name": "north", "artist": "A. Person", "songwriters": "B. Person", "duration": "36:30"}
    track |= {"genres": "my", "album": "candidate", "created_at": made, "updated_at": changed}
    user = {"id": 3, "first_name": "Any", "last_name": "Body", "email": "any99@example.org", "gender": "Questioning"}
    user |= {"favorite_genres": "Punk", "created_at": made, "updated_at": changed}
    session = {"user_id": 3, "items": [7, 7, 7], "created_at": made, "updated_at": changed}
    odd = [
        # Before 2000; more than a day after the check; updated before it was created.
        {**track, "id": 8, "created_at": "1970-01-01T00:00:00"},
        {**track, "id": 9, "updated_at": "2026-03-02T12:00:00.000001"},
        {**track, "id": 10, "created_at": changed, "updated_at": made, "duration": "03:05"},
    ]
    rows = {
        "tracks": [track, *odd],
        "users": [user],
        "listen_history": [session, {**session, "items": [], "created_at": changed}],
    }
    findings = check(source, music(spark, source, rows), suite_files(source))
    assert (findings.gating, findings.unchecked) == ((), ())
    assert sorted((f.table, f.expectation.removeprefix("expect_"), f.about, f.said) for f in findings.warnings) == [
        ("listen_history", "unexpected_rows_expectation", "A session has 1 to 500 tracks.", "observed 1"),
        ("tracks", "column_pair_values_a_to_be_greater_than_b", "updated_at", "1 of 4 rows"),
        ("tracks", "column_values_to_be_between", "created_at", "1 of 4 rows"),
        ("tracks", "column_values_to_be_between", "updated_at", "1 of 4 rows"),
    ]


@pytest.mark.quick
def test_a_wrong_format_stops_the_publication(spark: SparkSession, check: Check) -> None:
    source = load_source("moovitamix", conf_dir=REPO / "conf", env={})
    made = "2025-03-20T01:09:32.970616"
    track = {
        "id": 7,
        "name": "north",
        "artist": "A. Person",
        "duration": "1h 5m",
        "created_at": made,
        "updated_at": made,
    }
    user = {
        "id": 3,
        "first_name": "Any",
        "last_name": "Body",
        "email": "nobody at home",
        "created_at": made,
        "updated_at": made,
    }
    frames = music(spark, source, {"tracks": [track], "users": [user], "listen_history": []})
    del frames["listen_history"]
    assert [(f.table, f.about) for f in check(source, frames, suite_files(source)).gating] == [
        ("tracks", "duration"),
        ("users", "email"),
    ]


TYPED = """\
  things:
    path: /things
    key: [id]
    columns:
      id: bigint!
      name: string
      price: decimal(10,2)
      tags: array<bigint>
      size: "struct<Wide: int, high: int>"
      made_on: date
      seen_at: timestamp
      ratio: double
      good: boolean
      n: int
"""
AS_DECLARED = (
    "CAST(1 AS BIGINT) id, 'a' name, CAST(1 AS DECIMAL(10,2)) price, array(1L) tags, named_struct('Wide', 1, 'high', 2) size, "
    "DATE'2026-01-01' made_on, TIMESTAMP'2026-01-01 00:00:00' seen_at, 1D ratio, true good, 1 n, 'r' _row_hash"
)


def test_a_table_that_someone_wrote_anew_with_other_types_fails(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check, docs: Callable[[], str]
) -> None:
    source = source_of(TYPED)
    good = spark.sql(f"SELECT {AS_DECLARED}")
    assert check(source, {"things": good}).gating == ()
    assert "tags is <code>array&lt;bigint&gt;</code>" in docs()
    assert '<div style="color:red;" ><p>' not in docs()
    # Without rows there are types all the same.
    assert failed(check(source, {"things": good.where("id > 1")})) == [("things", "critical", "")]
    nested = "The source YAML's types of price, tags, size, parts included."
    for column, kind, about in [
        ("id", "INT", "id"),
        ("seen_at", "DATE", "seen_at"),
        ("price", "DECIMAL(12,2)", nested),
        ("tags", "ARRAY<STRING>", nested),
        ("size", "STRUCT<Wide:INT,high:BIGINT>", nested),
    ]:
        wrong = good.where("id > 1").withColumn(column, F.col(column).cast(kind))
        assert failed(check(source, {"things": wrong})) == [("things", "critical", ""), ("things", "critical", about)]


def test_what_the_schema_says_costs_at_most_one_job(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check
) -> None:
    good = spark.sql(f"SELECT {AS_DECLARED}").repartition(1).persist()
    plain = source_of(TYPED)
    count = spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs  # the one count of jobs that Spark keeps
    before = count()
    check(plain, {"things": good})
    with_types = count() - before
    things = plain.table("things")
    key_alone = things.model_copy(update={"columns": (things.columns[0],)})
    before = count()
    check(plain.model_copy(update={"tables": (key_alone,)}), {"things": good})
    assert with_types - (count() - before) <= 1


AGED = """\
  NAME:
    path: /things
    key: [id]
    newest_by: at
    max_age: 26h
    min_rows: 0
    columns: {id: bigint!, at: {type: TYPE, pii: true}}
"""


def test_the_newest_live_row_is_at_most_max_age_old(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check, docs: Callable[[], str]
) -> None:
    cases = {
        "just_fresh": ("timestamp", ["2026-02-28T10:00:00", "2020-01-01"]),  # 26 hours to the microsecond
        "just_stale": ("timestamp", ["2026-02-28T09:59:59.999999", "2020-01-01"]),
        "empty": ("timestamp", []),
        # A date counts from its end: 2026-02-28 ended 12 hours before the check, 2026-02-27 36 hours.
        "fresh_date": ("date", ["2026-02-28"]),
        "stale_date": ("date", ["2026-02-27"]),
    }
    source = source_of("".join(AGED.replace("NAME", name).replace("TYPE", kind) for name, (kind, _) in cases.items()))
    frames = {}
    for name, (kind, times) in cases.items():
        rows = [{"id": number, "at": time} for number, time in enumerate(times)]
        deleted = spark.sql(
            f"SELECT 99L id, CAST('2026-03-01' AS {kind}) at, TIMESTAMP'2026-03-01 00:00:00' _deleted_at"
        )
        live = silver(spark, source, source.table(name), rows)
        frames[name] = live.unionByName(deleted, allowMissingColumns=True)
    findings = check(source, frames)
    said = "The newest row by at is at most 26h old (max_age of the source YAML) at the time of the check, 2026-03-01 12:00 UTC."
    assert failed(findings) == [("just_stale", "critical", said), ("stale_date", "critical", said)]
    assert findings.unchecked == ()
    # The column is personal, and no value of it is shown.
    assert not any(value in docs() for value in ("09:59:59", "2026-02-27", "2020-01-01"))


POINTING = """\
  users:
    path: /users
    key: [email]
    columns: {email: {type: "string!", pii: true}}
  visits:
    path: /visits
    key: [id]
    columns: {id: bigint!, who: string, also: array<string>}
    references:
      - {column: who, to: users.email}
      - {column: "also[]", to: users.email}
"""


@pytest.mark.quick
def test_orphans_are_counted_by_column_with_their_distinct_keys_and_never_shown(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check, docs: Callable[[], str]
) -> None:
    source = source_of(POINTING)
    users = spark.sql(
        "SELECT * FROM VALUES ('here@x.org', NULL), ('gone@x.org', TIMESTAMP'2026-01-01 00:00:00') t(email, _deleted_at)"
    )
    visits = spark.sql(
        "SELECT id, who, also, CAST(NULL AS TIMESTAMP) _deleted_at FROM VALUES "
        "(1L, 'lost@x.org', array('here@x.org', 'lost@x.org', 'lost@x.org', 'away@x.org')), "
        "(2L, 'gone@x.org', array('lost@x.org')), (3L, NULL, NULL), (4L, 'here@x.org', array()) t(id, who, also)"
    )
    table = source.table("visits")
    targets = {"users": (source.table("users"), users, None)}
    found = count_unmatched(table, register_unmatched(table, visits, targets, key_hash_for(spark)))
    sentences = [
        "visits.who: 1 orphaned reference to users (1 distinct key).",
        "visits.who: 1 reference to a deleted row of users (1 distinct key).",
        # Three times lost@x.org, once away@x.org.
        "visits.also[]: 4 orphaned references to users (2 distinct keys).",
    ]
    assert [str(one) for one in found] == sentences
    findings = check(source, {"visits": visits}, unmatched={"visits": found})
    messages = [str(finding) for finding in findings.gating]
    assert len(messages) == 2
    assert messages == [
        "visits.who -> users: 1 orphan [visits.orphans.who]",
        "visits.also[] -> users: 4 orphans [visits.orphans.also[]]",
    ]
    assert f"Found: {sentences[0]} {sentences[1]}" in docs()
    assert "x.org" not in "".join(messages) + docs()
    assert sentences[2] in docs()


def test_a_pointer_at_a_rejected_row_is_no_orphan_though_quarantine_masks_its_key(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check, docs: Callable[[], str]
) -> None:
    source = source_of(
        """\
  users:
    path: /users
    key: [email]
    columns: {email: {type: "string!", pii: true}, name: string!}
  visits:
    path: /visits
    key: [email, day]
    columns: {email: {type: "string!", pii: true}, day: bigint!, met: {type: array<string>, pii: true}}
    references:
      - {column: email, to: users.email}
      - {column: "met[]", to: users.email}
"""
    )
    users, visits = source.table("users"), source.table("visits")
    rows = [
        {"email": "here@x.org", "name": "a"},
        {"email": "held@x.org", "name": None},
        # Rejected without a key, and no pointer meets it.
        {"email": 7, "name": None},
    ]
    held = quarantine(spark, source, users, rows)
    assert [json.loads(row["row"]) for row in held.select("row").collect()] == [{"email": "***", "name": None}] * 2
    gone = spark.sql("SELECT 'gone@x.org' email, TIMESTAMP'2026-01-01 00:00:00' _deleted_at")
    live = silver(spark, source, users, rows).unionByName(gone, allowMissingColumns=True)
    pointing = silver(
        spark,
        source,
        visits,
        [
            {"email": "here@x.org", "day": 1, "met": ["held@x.org", "held@x.org", "lost@x.org"]},
            {"email": "held@x.org", "day": 1, "met": ["here@x.org", "gone@x.org", "***"]},
            {"email": "held@x.org", "day": 2, "met": None},
        ],
    )
    unmatched = register_unmatched(visits, pointing, {"users": (users, live, held)}, key_hash_for(spark))
    found = count_unmatched(visits, unmatched)
    assert [str(one) for one in found] == [
        "visits.email: 2 references to quarantined rows of users (1 distinct key).",
        "visits.met[]: 2 orphaned references to users (2 distinct keys).",
        "visits.met[]: 2 references to quarantined rows of users (1 distinct key).",
        "visits.met[]: 1 reference to a deleted row of users (1 distinct key).",
    ]
    # Each pointer is kept with the key of the row that it is in, though one of its columns is named as the target's key.
    orphans = unmatched.where("_meets = 'nothing'").select("email", "day", "_pointer").orderBy("_pointer")
    assert [tuple(row) for row in orphans.collect()] == [("held@x.org", 1, "***"), ("here@x.org", 1, "lost@x.org")]
    findings = check(source, {"visits": pointing}, unmatched={"visits": found})
    assert [finding.name for finding in findings.gating] == ["visits.orphans.met[]"]
    assert "x.org" not in "".join(map(str, findings.all)) + docs()


def test_more_deleted_rows_than_a_run_should_lose_are_a_warning(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check
) -> None:
    text = "  things: {path: /things, key: [id], deletes: soft, columns: {id: bigint!}}\n"
    things = spark.sql("SELECT 1L id, CAST(NULL AS TIMESTAMP) _deleted_at")
    # The default of max_delete_fraction is 0.2; a run that is allowed all deletes may bring more.
    for deleted, found_again, warns in [(0, 0, False), (20, 80, False), (21, 79, True), (100, 0, True)]:
        register_deleted(spark, "things", deleted=deleted, found_again=found_again)
        findings = check(source_of(text), {"things": things})
        assert (len(findings.warnings), findings.gating, findings.unchecked) == (int(warns), (), ())
    may_all_go = text.replace("soft,", "soft, max_delete_fraction: 1.0,")
    assert check(source_of(may_all_go), {"things": things}).warnings == ()


def test_half_of_the_usual_rows_are_a_warning(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check
) -> None:
    source = source_of("  things: {path: /things, key: [id], columns: {id: bigint!}}\n")
    volume = {"things": plausible_volume({f"run-{number}": 10 for number in range(5)})}
    findings = check(source, {"things": spark.range(5)}, more=volume)
    assert [(f.severity, f.said) for f in findings.warnings] == [("warning", "observed 5")]
    assert findings.gating == ()
    assert check(source, {"things": spark.range(9)}, more=volume).warnings == ()


@pytest.mark.quick
def test_what_could_not_be_checked_is_neither_passed_nor_failed(
    spark: SparkSession, source_of: Callable[[str], Source], check: Check
) -> None:
    source = source_of("  things: {path: /things, key: [id], columns: {id: bigint!, name: string}}\n")
    query = {"unexpected_rows_query": "SELECT * FROM no_such_table /* {batch} */"}
    of_name = {"column": "name"}
    file = {
        "expectations": [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "nmae"}},
            {"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "nmae", "type_": "StringType"}},
            {"type": "unexpected_rows_expectation", "kwargs": query, "notes": "Nothing in no_such_table."},
            {
                "type": "expect_column_values_to_match_regex",
                "kwargs": {**of_name, "regex": "(["},
                "severity": "warning",
            },
            {"type": "expect_column_values_to_match_regex", "kwargs": {**of_name, "regex": "^b"}},
            {"type": "expect_column_values_to_match_regex", "kwargs": {**of_name, "regex": "^a"}},
        ]
    }
    things = spark.sql("SELECT 1L id, 'a' name, CAST(NULL AS TIMESTAMP) _deleted_at").repartition(1)
    findings = check(source, {"things": things}, {"things": file})
    assert sorted(outcome(f) for f in findings.unchecked) == [
        ("things", "expect_column_values_to_be_of_type", "nmae"),
        ("things", "expect_column_values_to_match_regex", "name"),
        ("things", "expect_column_values_to_not_be_null", "nmae"),
        ("things", "unexpected_rows_expectation", "Nothing in no_such_table."),
    ]
    assert all(f.said.startswith("could not be checked: ") for f in findings.unchecked)
    assert [outcome(f) for f in findings.gating] == [("things", "expect_column_values_to_match_regex", "name")]
    assert findings.warnings == ()
    assert findings.counts == Counts(1, 4, 0, len(findings.all) - 5)


def outcome(finding: Finding) -> tuple[str, str, str]:
    return finding.table, finding.expectation, finding.about
