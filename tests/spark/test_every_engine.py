"""What Spark writes is read alike by engines without Spark: times far from today, and masked tables."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaProtocolError
from pyspark.sql import SparkSession

from lib.config import Runtime
from lib.errors import ConfigError
from lib.lake import deletion_vectors, derived, read_masked, read_published, tables
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.read import Lake
from lib.lake.runs import all_runs
from lib.lake.storage import Address
from lib.session import EVERY_ENGINE, start_session
from tests.on_disk import on_disk
from tests.spark.served_table import Served, day

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = [
    "0001-01-01T00:00:00",
    "1582-10-10T12:00:00.000001",  # a day that the old calendar has not
    "1677-09-21T00:12:43.145224",
    "1899-12-31T23:59:59.999999",
    "2262-04-11T23:47:16.854776",
    "9999-12-31T23:59:59.999999",
]


@pytest.fixture
def spark_as_others_set_it(spark: SparkSession) -> SparkSession:
    """A session whose user chose Spark's old ways, and that a job then takes."""
    for name, value in dict.fromkeys(EVERY_ENGINE, "LEGACY").items():
        spark.conf.set(name, "INT96" if name.endswith("outputTimestampType") else value)
    return start_session("another", Runtime.of(os.environ), rows=0)


def test_what_the_user_gives_to_spark_submit_does_not_change_how_times_are_written(
    spark_as_others_set_it: SparkSession,
) -> None:
    assert {name: spark_as_others_set_it.conf.get(name) for name in EVERY_ENGINE} == EVERY_ENGINE


def test_times_and_dates_of_ten_thousand_years_are_read_alike_by_every_engine(things: Served) -> None:
    things.columns = {
        "id": "bigint!",
        "at": "timestamp",
        "day": "date",
        "times": "array<timestamp>",
        "inside": "struct<at:timestamp,day:date>",
    }
    things.settings |= {"newest_by": "at", "max_rejected_fraction": 0.5}
    rows = [
        {"id": number, "at": at, "day": at[:10], "times": [at, None], "inside": {"at": at, "day": at[:10]}}
        for number, at in enumerate(TIMES)
    ]
    run = things.run(*rows, {"id": None, "at": TIMES[-1]})
    assert (run.tables["things"].error, run.tables["things"].rows_rejected) == (None, 1)
    assert run.tables["things"].newest_at == datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert all_runs(things.layout)[0].tables["things"].newest_at == run.tables["things"].newest_at
    silver, gold = things.layout.silver("things"), things.layout.gold("copy")
    derived.overwrite(gold, things.spark.read.format("delta").load(str(silver)), "a tag")

    files = [path for path in on_disk(things.layout.root).rglob("*.parquet") if "ops" not in path.parts]
    assert {path.relative_to(on_disk(things.layout.root)).parts[0] for path in files} == {
        "bronze",
        "quarantine",
        "silver",
        "gold",
    }
    # `_change_data` and Delta's checkpoints are files too.
    assert [path.name for path in files if "INT96" in str(pq.ParquetFile(path).schema)] == []

    wanted = [datetime.fromisoformat(at).replace(tzinfo=UTC) for at in TIMES]
    days = [date.fromisoformat(at[:10]) for at in TIMES]
    for path in (silver, gold):
        table = DeltaTable(str(path))
        found = pa.table(QueryBuilder().register("t", table).execute("SELECT * FROM t ORDER BY id"))
        assert found["at"].to_pylist() == wanted
        assert found["day"].to_pylist() == days
        assert found["times"].to_pylist() == [[at, None] for at in wanted]
        assert found["inside"].to_pylist() == [{"at": at, "day": one} for at, one in zip(wanted, days, strict=True)]
        by_polars = pl.read_delta(table).sort("id")
        assert by_polars["at"].to_list() == wanted
        assert by_polars["day"].to_list() == days
        assert by_polars["inside"].to_list() == [{"at": at, "day": one} for at, one in zip(wanted, days, strict=True)]
        by_duckdb = duckdb.sql('SELECT epoch_us("at"), day::VARCHAR FROM found ORDER BY id').fetchall()
        assert by_duckdb == [
            ((at - EPOCH) // timedelta(microseconds=1), str(one)) for at, one in zip(wanted, days, strict=True)
        ]
        # Files are left out by what the log says of them: a wrong statistic would lose rows.
        for at in TIMES:
            # A literal TIMESTAMP of DataFusion counts nanoseconds.
            moment = f"arrow_cast('{at}Z', 'Timestamp(Microsecond, Some(\"UTC\"))')"
            same = QueryBuilder().register("t", table).execute(f"SELECT id FROM t WHERE at = {moment}")
            assert pa.table(same).num_rows == 1
            frame = things.spark.read.format("delta").load(str(path))
            assert frame.where(f"at = TIMESTAMP '{at}' AND day = DATE '{at[:10]}'").count() == 1


@pytest.fixture
def people(things: Served) -> Served:
    """Published people, of which one was changed since its file was written, so that the table has a deletion vector."""
    things.columns = {
        "id": "bigint!",
        "name": "{type: string, pii: true}",
        "born": "{type: date, pii: true}",
        "plan": "string",
    }
    known = [
        {"id": 1, "name": "Ada", "born": "1815-12-10", "plan": "free"},
        {"id": 2, "name": None, "born": None, "plan": "paid"},
        {"id": 3, "name": "Bob", "born": "1990-01-01", "plan": None},
    ]
    things.run(*known)
    run = things.run(*known[:2], {**known[2], "plan": "paid"})
    table = PublishedTable("things", "silver/things", int(run.tables["things"].version or 0), 3)
    publish(things.layout, Publication(run.run_id, run.run_id, day(2), {"things": table}))
    log = on_disk(things.layout.silver("things")) / "_delta_log"
    assert any("deletionVector" in file.read_text("utf-8") for file in log.glob("*.json"))
    return things


def test_one_import_gives_masked_tables_to_deltalake_polars_and_duckdb(people: Served) -> None:
    lake = str(people.layout.root)
    masked = read_masked("things", lake=lake)
    wanted = [(1, "***", None, "free"), (2, None, None, "paid"), (3, "***", None, "paid")]
    columns = ["id", "name", "born", "plan"]

    by_arrow = masked.select(columns).sort_by("id").to_pylist()
    assert [tuple(row.values()) for row in by_arrow] == wanted
    assert pl.from_arrow(masked).select(columns).sort("id").rows() == wanted
    assert duckdb.sql("SELECT id, name, born, plan FROM masked ORDER BY id").fetchall() == wanted
    assert [(one.name, one.type) for one in masked.schema] == [
        (one.name, one.type) for one in pa.schema(DeltaTable(str(people.layout.silver("things"))).schema().to_arrow())
    ]

    shown = read_masked("things", lake=lake, columns=["born", "id"], unmasked="born").sort_by("id")
    assert shown.column_names == ["born", "id"]
    assert shown["born"].to_pylist() == [date(1815, 12, 10), None, date(1990, 1, 1)]
    every: dict[str, Any] = read_masked(lake=lake, unmasked=["things.name"])
    assert sorted(str(name) for name in every["things"]["name"].to_pylist()) == ["Ada", "Bob", "None"]
    assert every["things"]["born"].null_count == 3


def test_every_reader_sees_live_rows_unless_it_asks_for_deleted_ones(things: Served) -> None:
    spark, layout = things.spark, things.layout
    rows = [{"id": number, "name": f"thing {number}"} for number in (1, 2, 3)]
    things.run(*rows)
    version = int(things.run(*rows[:2]).tables["things"].version or 0)
    # A derived table from which the third one was taken out again.
    gold = layout.gold("copy")
    derived.overwrite(gold, spark.createDataFrame([(1,), (2,), (3,)], "id bigint"), "a tag")
    taken = spark.createDataFrame([(3, True)], "id bigint, is_deleted boolean")
    made = derived.merge_changes(spark, gold, taken, key=("id",), tag="another")
    assert (made.version, made.deleted) == (1, 1)
    entries = {
        "things": PublishedTable("things", "silver/things", version, 3),
        "copy": PublishedTable("copy", "gold/copy", made.version, 2),
    }
    publish(layout, Publication("run-2", "run-2", day(2), entries))
    root, lake = str(layout.root), Lake(layout, spark)
    told = json.loads(on_disk(layout.published_json).read_text("utf-8"))["tables"]
    assert {name: entry["live"] for name, entry in told.items()} == {"things": "_deleted_at IS NULL", "copy": "true"}

    def ids(found: Any) -> list[int]:
        return sorted(int(one) for one in found)

    lake.published()
    for name, held in (("things", [1, 2, 3]), ("copy", [1, 2])):
        at, live = DeltaTable(f"{root}/{told[name]['path']}", version=told[name]["version"]), told[name]["live"]
        arrow, every = (read_masked(name, lake=root, with_deleted=asked) for asked in (False, True))
        of_all = {asked: read_masked(lake=root, with_deleted=asked)[name] for asked in (False, True)}
        seen = {
            "Spark": [row["id"] for row in lake.published(name).collect()],
            "SQL": [row["id"] for row in spark.sql(f"SELECT id FROM {name}").collect()],
            "as_of": [row["id"] for row in lake.as_of(name, day(2)).collect()],
            "Arrow": arrow["id"].to_pylist(),
            "all at once": of_all[False]["id"].to_pylist(),
            "pandas": arrow.to_pandas()["id"],
            "Polars": pl.from_arrow(arrow)["id"],
            "DuckDB": [one for (one,) in duckdb.sql("SELECT id FROM arrow").fetchall()],
            "deltalake": pa.table(QueryBuilder().register("t", at).execute(f"SELECT id FROM t WHERE {live}"))[
                "id"
            ].to_pylist(),
            "Polars, lazily": pl.scan_delta(at).filter(pl.sql_expr(live)).collect()["id"],
        }
        assert {reader: ids(found) for reader, found in seen.items()} == {reader: [1, 2] for reader in seen}, name
        asked = {
            "Spark": [row["id"] for row in lake.published(name, with_deleted=True).collect()],
            "as_of": [row["id"] for row in lake.as_of(name, day(2), with_deleted=True).collect()],
            "Arrow": every["id"].to_pylist(),
            "all at once": of_all[True]["id"].to_pylist(),
        }
        assert {reader: ids(found) for reader, found in asked.items()} == {reader: held for reader in asked}, name
    assert {name: frame.count() for name, frame in lake.published(with_deleted=True).items()} == {
        "things": 3,
        "copy": 2,
    }


def test_pandas_and_arrow_datasets_read_gold_and_a_table_of_an_earlier_version_once_it_changes(
    spark: SparkSession, tmp_path: Path
) -> None:
    gold = Address.of(str(tmp_path / "gold"))
    rows = spark.createDataFrame([(1, "a"), (2, "b"), (3, "c")], "id bigint, name string").coalesce(1)
    earlier = {"delta.enableDeletionVectors": "true", "userMetadata": "old"}
    rows.write.format("delta").options(**earlier).save(str(gold))
    changes = spark.createDataFrame([(2, "B", False), (3, None, True)], "id bigint, name string, is_deleted boolean")
    derived.merge_changes(spark, gold, changes, key=("id",), tag="merged")
    assert deletion_vectors.may_have_some(gold)
    with pytest.raises(DeltaProtocolError):
        DeltaTable(str(gold)).to_pandas()

    now = [{"id": 1, "name": "a"}, {"id": 2, "name": "B"}]
    made = derived.overwrite(gold, spark.createDataFrame([(1, "a"), (2, "B")], "id bigint, name string"), "anew")
    assert tables.newest(gold).tag == "anew"
    assert not deletion_vectors.may_have_some(gold)
    changes = spark.createDataFrame([(1, "A", False)], "id bigint, name string, is_deleted boolean")
    after = derived.merge_changes(spark, gold, changes, key=("id",), tag="again")
    assert (after.version, after.updated) == (made.version + 1, 1)
    for version, wanted in ((made.version, now), (after.version, [{"id": 1, "name": "A"}, now[1]])):
        table = DeltaTable(str(gold), version=version)
        assert table.to_pandas().sort_values("id").to_dict("records") == wanted
        assert table.to_pyarrow_dataset().to_table().sort_by("id").to_pylist() == wanted
        assert pl.read_delta(table).sort("id").to_dicts() == wanted
    # What was published before is read as before.
    old = QueryBuilder().register("t", DeltaTable(str(gold), version=1))
    assert pa.table(old.execute("SELECT * FROM t ORDER BY id")).to_pylist() == now
    assert [row.asDict() for row in tables.at_version(spark, gold, 1).orderBy("id").collect()] == now


def test_a_published_json_of_an_earlier_version_is_read_with_the_condition(people: Served) -> None:
    file = on_disk(people.layout.published_json)
    told = json.loads(file.read_text("utf-8"))
    assert told["tables"]["things"].pop("live") == "_deleted_at IS NULL"
    file.write_text(json.dumps(told), "utf-8")
    assert read_published(str(people.layout.root))[1]["tables"]["things"]["live"] == "_deleted_at IS NULL"
    assert read_masked("things", lake=str(people.layout.root)).num_rows == 3


def test_what_cannot_be_read_masked_is_named(people: Served) -> None:
    lake = str(people.layout.root)
    with pytest.raises(ConfigError, match="no table 'thing' is published; there are things"):
        read_masked("thing", lake=lake)
    with pytest.raises(ConfigError, match="things: there is no column 'nmae'; did you mean 'name'"):
        read_masked("things", lake=lake, unmasked=["nmae"])
    with pytest.raises(ConfigError, match="things: there is no column 'nmae'"):
        read_masked("things", lake=lake, columns=["nmae"])
    with pytest.raises(ConfigError, match=r"'thing\.name' names no column of a published table; did you mean 'things'"):
        read_masked(lake=lake, unmasked=["thing.name"])
