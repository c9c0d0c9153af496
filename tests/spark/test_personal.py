"""Personal columns come masked to everyone who reads through `open_lake`, unless they are asked for by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lib.errors import ConfigError, NotInThisLakeError
from lib.lake.failures import add_few
from lib.lake.key_hash import key_hash_of
from lib.lake.layout import claim, lake_at
from lib.lake.merge import Clock, merge
from lib.lake.personal import Personal, masked
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import Lake, open_lake
from lib.lake.runs import TableRun, new_run
from lib.tables.newest import row_hash

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
DDL = "id bigint, email string, born date, plan string, nick string"
ADA, BOB = (1, "ada@example.org", "1912-06-23", "free", "zq"), (2, None, None, "paid", None)
PII = {"id": False, "email": True, "born": True, "plan": False}  # nobody declares `nick`


class Kept:
    """A lake with one table `people`; a run a day."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.lake = Lake(lake_at(str(folder)), spark)
        self.layout = self.lake.layout
        claim(self.layout, "shop", AT)

    def run(self, number: int, *rows: tuple[Any, ...], pii: dict[str, bool] = PII, publishes: bool = True) -> None:
        run_id, at = f"run-{number}", AT + timedelta(days=number)
        people = self.lake.spark.createDataFrame(
            [(one, mail, born and datetime.fromisoformat(born).date(), *rest) for one, mail, born, *rest in rows], DDL
        )
        hashed = people.withColumn("_row_hash", row_hash(tuple(people.columns)))
        path = self.layout.silver("people")
        done = merge(
            self.lake.spark,
            path,
            hashed,
            key=("id",),
            newest_by=None,
            deleted_rows=None,
            n_deleted=0,
            clock=Clock(run_id, at),
        )
        columns = [{"name": name, "pii": is_pii} for name, is_pii in pii.items()]
        settings = {"tables": [{"name": "people", "key": ["id"], "columns": columns}]}
        run = new_run(run_id, "shop", "", settings, at)
        run.tables = {"people": TableRun("people", state="merged", path="silver/people", version=done.version)}
        run.save(self.layout)
        if publishes:
            entry = PublishedTable("people", "silver/people", done.version, len(rows))
            publish(self.layout, Publication(run_id, run_id, at, {"people": entry}))


@pytest.fixture(scope="module")
def kept(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    kept = Kept(spark, tmp_path_factory.mktemp("kept") / "lake")
    kept.run(0, ADA, BOB)
    kept.run(1, (1, "lovelace@example.org", "1912-06-24", "paid", "zq"), BOB)
    return kept


def people(frame: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.select(*columns).orderBy("id").collect()]


def test_text_is_masked_anything_else_is_null_and_what_is_missing_is_seen_to_be_missing(kept: Kept) -> None:
    assert people(kept.lake.published("people"), "id", "email", "born", "plan") == [
        (1, "***", None, "paid"),
        (2, None, None, "paid"),
    ]


def test_a_masked_table_has_the_columns_and_types_of_the_table(kept: Kept) -> None:
    asked = kept.lake.published("people", unmasked=["email", "born", "nick"])
    assert [(one.name, one.dataType) for one in kept.lake.published("people").schema] == [
        (one.name, one.dataType) for one in asked.schema
    ]


def test_what_is_said_of_a_masked_column_stays_with_it(spark: SparkSession) -> None:
    said = {"comment": "where news go to"}
    frame = spark.createDataFrame([ADA], "id bigint, email string, born string, plan string, nick string").select(
        F.col("email").alias("email", metadata=said)
    )
    shown = masked(frame, "people", Personal({"people": {"email": True}}))
    assert (shown.schema["email"].metadata, shown.first()) == (said, ("***",))


def test_a_column_that_is_asked_for_by_name_is_shown_and_no_other(kept: Kept) -> None:
    for asked in (["email"], "email"):
        shown = kept.lake.published("people", unmasked=asked)
        assert people(shown, "email", "born")[0] == ("lovelace@example.org", None)


def test_a_column_that_no_run_declares_is_masked(kept: Kept) -> None:
    assert people(kept.lake.published("people"), "nick") == [("***",), (None,)]


def test_views_are_masked_and_a_column_of_one_table_can_be_asked_for(kept: Kept) -> None:
    kept.lake.published()
    assert kept.lake.spark.sql("SELECT email FROM people WHERE id = 1").first()[0] == "***"
    for asked in (["people.email"], "people.email"):
        kept.lake.published(unmasked=asked)
        view = kept.lake.spark.sql("SELECT email, born FROM people WHERE id = 1")
        assert view.first() == ("lovelace@example.org", None)


def test_what_is_asked_for_must_be_there(kept: Kept) -> None:
    with pytest.raises(
        ConfigError, match=r"people: there is no column 'emial' to show unmasked; did you mean 'email'\?"
    ):
        kept.lake.published("people", unmasked=["emial"])
    for name in ("email", "poeple.email"):
        with pytest.raises(
            ConfigError, match=f"'{name}' names no column of a published table.*write such as users.email"
        ):
            kept.lake.published(unmasked=[name])


def test_the_past_is_masked_too(kept: Kept) -> None:
    assert people(kept.lake.as_of("people", AT), "email", "plan")[0] == ("***", "free")
    assert people(kept.lake.as_of("people", AT, unmasked=["email"]), "email")[0] == ("ada@example.org",)


def test_a_change_says_in_which_columns_it_is_and_no_personal_value(kept: Kept) -> None:
    [row] = kept.lake.changes("people", "run-0", "run-1").collect()
    assert (row["id"], row["_change"], row["_columns"]) == (1, "updated", ["email", "born", "plan"])
    assert (row["before"]["email"], row["after"]["email"], row["after"]["born"]) == ("***", "***", None)
    assert (row["before"]["plan"], row["after"]["plan"]) == ("free", "paid")
    [shown] = kept.lake.changes("people", "run-0", "run-1", unmasked=["email"]).collect()
    assert (shown["before"]["email"], shown["after"]["email"]) == ("ada@example.org", "lovelace@example.org")


def test_a_row_inserted_has_nothing_before(kept: Kept, spark: SparkSession, tmp_path: Path) -> None:
    other = Kept(spark, tmp_path / "lake")
    other.run(0, ADA)
    other.run(1, ADA, BOB)
    [row] = other.lake.changes("people", "run-0", "run-1").collect()
    assert (row["_change"], row["_columns"], row["before"], row["after"]["id"]) == ("inserted", None, None, 2)


def test_the_change_feed_and_a_rows_history_are_masked(kept: Kept) -> None:
    feed = kept.lake.change_feed("people", "run-0", "run-1").orderBy("_change_type").collect()
    assert [(row["_change_type"], row["email"], row["plan"]) for row in feed] == [
        ("update_postimage", "***", "paid"),
        ("update_preimage", "***", "free"),
    ]
    assert kept.lake.change_feed("people", "run-1", "run-1").count() == 0
    life = kept.lake.row_history("people", {"id": 1}).collect()
    assert [(row["run_id"], row["row"]["email"], row["row"]["plan"]) for row in life] == [
        ("run-0", "***", "free"),
        ("run-1", "***", "paid"),
    ]
    asked = kept.lake.row_history("people", {"id": 1}, unmasked=["email"]).collect()
    assert [row["row"]["email"] for row in asked] == ["ada@example.org", "lovelace@example.org"]


def test_the_newest_run_that_declares_a_column_says_whether_it_is_personal(spark: SparkSession, tmp_path: Path) -> None:
    kept = Kept(spark, tmp_path / "lake")
    kept.run(0, ADA)
    kept.run(1, ADA, pii={**PII, "plan": True, "email": False}, publishes=False)
    assert people(kept.lake.published("people"), "email", "plan") == [("ada@example.org", "***")]
    kept.run(2, ADA, publishes=False)  # as in the first run again
    assert people(kept.lake.published("people"), "email", "plan") == [("***", "free")]


def test_a_derived_column_is_as_personal_as_the_one_it_is_from(spark: SparkSession, tmp_path: Path) -> None:
    kept = Kept(spark, tmp_path / "lake")
    kept.run(0, ADA)
    spark.createDataFrame(
        [(7, AT, 0, 9)], "user_id bigint, listened_at timestamp, position bigint, track_id bigint"
    ).write.format("delta").save(str(kept.layout.gold("listens")))
    columns = [{"name": name, "pii": name == "user_id"} for name in ("user_id", "items", "created_at")]
    settings = {"tables": [{"name": "listen_history", "key": ["user_id", "created_at"], "columns": columns}]}
    run = new_run("run-1", "shop", "", settings, AT + timedelta(days=1))
    run.tables = {"listens": TableRun("listens", state="built", path="gold/listens", version=0)}
    run.save(kept.layout)
    entry = PublishedTable("listens", "gold/listens", 0, 1)
    publish(kept.layout, Publication("p", "run-1", AT + timedelta(days=1), {"listens": entry}))
    [row] = kept.lake.published("listens").collect()
    assert (row["user_id"], row["position"], row["track_id"]) == (None, 0, 9)
    [entry] = kept.lake.inventory
    assert (entry.table, entry.rows, entry.masked) == ("listens", 1, ("user_id",))
    key = ("user_id", "listened_at", "position")
    hashed = (
        spark.read.format("delta")
        .load(str(kept.layout.gold("listens")))
        .select(key_hash_of(spark, kept.layout, None)(key, within=""))
    )
    about = {
        "docs_id": "d",
        "run_id": "run-1",
        "checked_at": AT,
        "table": "listens",
        "version": 0,
        "severity": "warning",
        "pointer": None,
    }
    behind = {"key": '{"user_id":"***","listened_at":"","position":0}', "key_hash": hashed.first()[0], "note": None}
    add_few(kept.layout, [{**about, "expectation": "listens.a", **behind}])
    [row] = kept.lake.rows_behind("d", "listens.a").collect()
    assert (row["user_id"], row["track_id"]) == (None, 9)


def test_the_rows_behind_a_failed_expectation_are_those_of_the_version_that_was_checked(
    kept: Kept, spark: SparkSession
) -> None:
    hashed = key_hash_of(spark, kept.layout, None)
    hashes = kept.lake.published("people", unmasked=["email"]).select("id", hashed(("id",), within="").alias("hash"))
    known = {row["id"]: row["hash"] for row in hashes.collect()}
    about = {
        "docs_id": "run-0",
        "run_id": "run-0",
        "checked_at": AT,
        "table": "people",
        "version": 0,
        "severity": "warning",
        "pointer": None,
    }
    later = {**about, "docs_id": "run-1", "run_id": "run-1", "version": 1}
    add_few(
        kept.layout,
        [
            {**about, "expectation": "people.a", "key": '{"id":1}', "key_hash": known[1], "note": None},
            {**about, "expectation": "people.a", "key": None, "key_hash": None, "note": "1 rows are listed, 2 counted"},
            {**later, "expectation": "people.a", "key": '{"id":2}', "key_hash": known[2], "note": None},
            {**about, "expectation": "people.b", "key": None, "key_hash": None, "note": "no rows are listed: so it is"},
        ],
    )
    behind = kept.lake.rows_behind("run-0", "people.a")
    assert behind.columns == kept.lake.published("people").columns
    [row] = behind.collect()
    assert (row["id"], row["email"], row["plan"]) == (1, "***", "free")
    [asked] = kept.lake.rows_behind("run-0", "people.a", unmasked=["email"]).collect()
    assert asked["email"] == "ada@example.org"
    with pytest.raises(
        ConfigError, match=r"no row is listed for people\.b in check run-0: no rows are listed: so it is"
    ):
        kept.lake.rows_behind("run-0", "people.b")
    with pytest.raises(ConfigError, match="it did not fail in that check, or there is no such check"):
        kept.lake.rows_behind("run-9", "people.a")


def test_a_record_without_a_row_has_its_columns(kept: Kept) -> None:
    assert kept.lake.record("quarantine").where(F.col("resolved_by").isNull()).select("key_hash").count() == 0
    assert {row["run_id"] for row in kept.lake.record("runs").collect()} == {"run-0", "run-1"}
    with pytest.raises(ConfigError, match="there is no record 'failure'; did you mean 'failures'"):
        kept.lake.record("failure")


def test_the_inventory_says_what_is_published(kept: Kept) -> None:
    [entry] = kept.lake.inventory
    assert (entry.table, entry.key, entry.rows, entry.masked) == ("people", ("id",), 2, ("email", "born", "nick"))
    assert entry.checked_at == AT + timedelta(days=1)
    assert entry.n_bytes > 500


def test_a_notebook_that_needs_other_tables_is_told_so(kept: Kept) -> None:
    kept.lake.need("people")
    with pytest.raises(NotInThisLakeError, match="The source 'shop' has no tracks, so this notebook ends here"):
        kept.lake.need("people", "tracks")


def test_the_lake_that_is_named_by_nobody_is_that_of_the_environment(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PAGELAKE_LAKE", str(kept.layout.root))
    assert open_lake(spark=kept.lake.spark).layout == kept.layout
    with pytest.raises(
        ConfigError, match=r"there is no lake here\. Make one with \./spark-submit\.sh full-ingest --lake"
    ):
        open_lake(str(tmp_path))


def test_a_session_is_started_for_as_many_rows_as_are_published(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("lib.lake.read.start_session", lambda *_, rows: told.append(rows) or spark)
    kept = Kept(spark, tmp_path / "lake")
    kept.run(0, ADA, BOB, publishes=False)
    assert open_lake(str(kept.layout.root)).spark is spark
    tables = {name: PublishedTable(name, "silver/people", 0, rows) for name, rows in (("people", 2), ("more", 400_000))}
    publish(kept.layout, Publication("p", "run-0", AT, tables))
    open_lake(str(kept.layout.root))
    assert told == [0, 400_002]


def test_a_mistake_of_a_reader_is_a_sentence_in_a_notebook() -> None:
    assert ConfigError("there is no such table")._render_traceback_() == ["there is no such table"]
