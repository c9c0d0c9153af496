"""The SQL of `readers/` run by Spark: published versions, live rows, masks; also of a table with deletion vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import AnalysisException

from lib.lake.publications import Publication, PublishedTable
from lib.reporting.catalogs import write_catalogs
from tests.on_disk import on_disk
from tests.spark.served_table import Served, day


@pytest.fixture
def shop(things: Served) -> Served:
    """A lake whose published version has an update and a deleted row in deletion vectors, and a later version."""
    things.columns |= {"order": "string", "mail": "{type: string, pii: true}", "born": "{type: date, pii: true}"}
    person = {"mail": "ann@secret.example", "born": "1990-01-01"}
    things.run(*({"id": number, "name": "a", "order": "x", **person} for number in (1, 2, 3)))
    run = things.run({"id": 1, "name": "a", "order": "x", **person}, {"id": 2, "name": "B", "order": None, **person})
    version = run.tables["things"].version
    assert version is not None
    things.run({"id": 9, "name": "z", "order": "x", **person})
    things.blocks = "readers: {sql: [spark, hive, unity, trino, duckdb], manifests: true}\n"
    yaml = things.job().source
    table = PublishedTable("things", "silver/things", version, 3)
    write_catalogs(yaml, things.layout, Publication("p1", run.run_id, day(2), {"things": table}))
    return things


def statements(shop: Served, engine: str) -> list[str]:
    text = (on_disk(shop.layout.readers) / f"{engine}.sql").read_text("utf-8")
    lines = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("--"))
    return [one.strip() for one in lines.split(";\n") if one.strip()]


LIVE = [(1, "a", "x", "***"), (2, "B", None, "***")]


def test_spark_reads_live_rows_of_the_published_version_through_the_views(shop: Served, tmp_path: Path) -> None:
    spark = shop.spark
    for statement in statements(shop, "spark"):
        spark.sql(statement)
    found = spark.sql("SELECT * FROM things ORDER BY id")
    assert [tuple(row)[:4] for row in found.collect()] == LIVE
    assert "born" not in found.columns
    spark.catalog.dropTempView("things")

    # A session with a metastore has these; without, they are there until it ends.
    for schema in ("shop", "shop_files"):
        spark.sql(f"CREATE SCHEMA {schema} LOCATION '{tmp_path}/{schema}'")
    try:
        for statement in [*statements(shop, "hive"), *statements(shop, "hive"), *statements(shop, "unity")]:
            spark.sql(statement)
        found = spark.sql("SELECT * FROM shop.things ORDER BY id")
        assert [tuple(row)[:4] for row in found.collect()] == LIVE
        assert [
            row["id"] for row in spark.sql("SELECT id FROM shop_files.things WHERE _deleted_at IS NULL").collect()
        ] == [9]
        with pytest.raises(AnalysisException, match="born"):
            spark.sql("SELECT born FROM shop.things")
    finally:
        for schema in ("shop", "shop_files"):
            spark.sql(f"DROP SCHEMA {schema} CASCADE")
    # The table is not Spark's to remove.
    assert shop.version() == 2
    # It has deletion vectors: no manifest, and what DuckDB reads is the table and not its files.
    assert sorted(path.name for path in on_disk(shop.layout.readers).rglob("*")) == [
        *("duckdb.sql", "hive.sql", "spark.sql", "trino.sql", "unity.sql")
    ]
    assert f"FROM delta_scan('file://{shop.folder}/lake/silver/things', version => 1)" in statements(shop, "duckdb")[1]
