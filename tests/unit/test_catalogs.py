"""`readers/` of a lake: SQL for each engine, compared whole, and the manifests; what is in them follows each publication."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lib.config import Engine, Readers, Source, load_source
from lib.config.runtime import REPO
from lib.errors import ConfigError
from lib.lake import publications, runs, storage
from lib.lake.layout import Layout, lake_at
from lib.lake.personal import Personal
from lib.lake.publications import Publication, PublishedTable
from lib.lake.runs import Run
from lib.reporting import site as pages_of
from lib.reporting.catalogs import write_catalogs
from tests.on_disk import on_disk
from tests.published_lake import PublishedLake

GOLDEN = REPO / "tests" / "readers_sql"
AT = datetime(2026, 1, 1, 6, 30, tzinfo=UTC)
# Words that SQL keeps for itself, and personal columns of two types. `order` has deletion vectors, or may have some.
COLUMNS = """
      id: bigint!
      select: string
      email: {type: string, pii: true}
      born: {type: date, pii: true}
      price: "decimal(10,2)"
      size: double
      at: timestamp
      tags: array<string>
"""
YAML = "source: my-shop\napi: {url: 'http://127.0.0.1:1'}\ntables:\n"
YAML += f"  group:\n    path: /group\n    key: [id]\n    columns:{COLUMNS}"
YAML += "  order: {path: /order, key: [id], columns: {id: bigint!}}\n"
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "select": pa.string(),
        "email": pa.string(),
        "born": pa.date32(),
        "price": pa.decimal128(10, 2),
        "size": pa.float64(),
        "at": TIME,
        "tags": pa.list_(pa.string()),
        "_deleted_at": TIME,
    }
)


def row(number: int, *, is_deleted: bool = False) -> dict[str, Any]:
    return {
        "id": number,
        "select": f"it's {number}",
        "email": f"{number}@secret.example",
        "born": date(1990, 1, number),
        "price": Decimal("1.50"),
        "size": 0.5,
        "at": AT,
        "tags": ["ä", 'b"'],
        "_deleted_at": AT if is_deleted else None,
    }


def source_of(folder: Path, readers: str) -> Source:
    path = folder / "shop.yml"
    path.write_text(f"{YAML}readers: {readers}\n", "utf-8")
    return load_source(str(path), conf_dir=REPO / "conf", env={})


class Shop:
    """A lake of three tables, with versions after those that are published."""

    def __init__(self, folder: Path, name: str = "lake") -> None:
        self.folder, self.layout = folder, lake_at(str(folder / name))
        plain = source_of(folder, "{}")
        run = Run("r1", plain.source, AT, plain.settings_hash, json.dumps(plain.public()), number=1)
        runs.begin(self.layout, run)
        group, order, listens = self.layout.silver("group"), self.layout.silver("order"), self.layout.gold("listens")
        for table in (group, order, listens):
            on_disk(table).parent.mkdir(exist_ok=True)
        write_deltalake(str(group), pa.Table.from_pylist([row(1), row(2, is_deleted=True)], SCHEMA))
        write_deltalake(str(group), pa.Table.from_pylist([row(3)], SCHEMA), mode="append")
        write_deltalake(str(group), pa.Table.from_pylist([row(9)], SCHEMA), mode="overwrite")
        kept = {"delta.enableDeletionVectors": "true"}
        DeltaTable.create(str(order), pa.schema({"id": pa.int64(), "_deleted_at": TIME}), configuration=kept)
        write_deltalake(str(listens), pa.table({"user_id": [1], "track_id": [2]}))
        tables = [
            PublishedTable("group", "silver/group", 1, 3),
            PublishedTable("order", "silver/order", 0, 0),
            PublishedTable("listens", "gold/listens", 0, 1),
        ]
        self.publication = Publication("p1", "r1", AT, {table.table: table for table in tables})

    def written(self, readers: str) -> dict[str, str]:
        """What is in `readers/`, with data files called by their numbers."""
        write_catalogs(source_of(self.folder, readers), self.layout, self.publication)
        return there(self.layout)


def there(layout: Layout) -> dict[str, str]:
    folder = on_disk(layout.readers)
    return {
        file.relative_to(folder).as_posix(): file.read_text("utf-8") for file in folder.rglob("*") if file.is_file()
    }


def numbered(text: str) -> str:
    names: dict[str, str] = {}
    return re.sub(r"part-[^/'\n]*parquet", lambda found: names.setdefault(found[0], f"{len(names) + 1}.parquet"), text)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize("engine", get_args(Engine))
def test_the_sql_of_each_engine_has_names_addresses_versions_and_masks_as_it_takes_them(
    shop: Shop, engine: str
) -> None:
    address = f"{'gs' if engine == 'bigquery' else 's3'}://bucket/lake"
    made = shop.written(f"{{sql: [{engine}], manifests: true, address: '{address}'}}")
    assert numbered(made[f"{engine}.sql"]) == (GOLDEN / f"{engine}.sql").read_text("utf-8")
    assert "secret.example" not in "".join(made.values())


def test_without_manifests_athena_and_bigquery_read_the_newest_version_and_say_so(shop: Shop) -> None:
    athena = shop.written("{sql: [athena], address: 's3://b/lake'}")["athena.sql"]
    assert athena.count("its newest version, which may be one that is not published") == 2
    assert "LOCATION 's3://b/lake/silver/group' TBLPROPERTIES ('table_type' = 'DELTA');\n" in athena
    bigquery = shop.written("{sql: [bigquery], address: 'gs://b/lake'}")["bigquery.sql"]
    assert bigquery.count("-- group: its newest version, which may be one that is not published.\n") == 1
    assert "OPTIONS (format = 'DELTA_LAKE', uris = ['gs://b/lake/silver/group']);\n" in bigquery


def test_manifests_list_the_files_of_the_published_versions_of_tables_without_deletion_vectors(shop: Shop) -> None:
    made = shop.written("{manifests: true}")
    folder = "_symlink_format_manifest/manifest"
    assert made.keys() == {f"group/{folder}", f"listens/{folder}"}
    files = made[f"group/{folder}"].splitlines()
    assert all(file.startswith(f"file://{shop.folder}/lake/silver/group/part-") for file in files)
    assert len(files) == 2
    # The rows of version 1, and not those of version 2, which nobody has published.
    with duckdb.connect() as connection:
        found = connection.execute("SELECT id FROM read_parquet(?) ORDER BY id", [files]).fetchall()
    assert found == [(1,), (2,), (3,)]


# Every character that a path of a lake may have and SQL may stumble over.
@pytest.mark.parametrize("name", ["lake", "o'brien's \"lake\" `x` -- ä;"])
def test_the_sql_for_duckdb_gives_live_rows_of_the_published_versions_with_masks(tmp_path: Path, name: str) -> None:
    shop = Shop(tmp_path, name)
    sql = shop.written("{sql: [duckdb]}")["duckdb.sql"]
    with duckdb.connect() as connection:
        for statement in connection.extract_statements(sql):
            if "delta_scan" not in statement.query:
                connection.execute(statement)
        found = connection.execute('FROM my_shop."group" SELECT * REPLACE (CAST("at" AS varchar) AS "at") ORDER BY id')
        assert [column[0] for column in found.description] == [
            *("id", "select", "email", "price", "size", "at", "tags", "_deleted_at")
        ]
        rows = found.fetchall()
        assert [(*one[:5], one[6:]) for one in rows] == [
            (1, "it's 1", "***", Decimal("1.50"), 0.5, (["ä", 'b"'], None)),
            (3, "it's 3", "***", Decimal("1.50"), 0.5, (["ä", 'b"'], None)),
        ]
        assert connection.execute("FROM my_shop.listens").fetchall() == [(1, 2)]


def test_the_sql_for_duckdb_fits_tables_without_files_and_files_that_lack_a_new_column(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    new = pa.Table.from_pylist([], SCHEMA.append(pa.field("new", pa.struct({"order": pa.string()}))))
    group = shop.layout.silver("group")
    write_deltalake(str(group), new, mode="append", schema_mode="merge")
    write_deltalake(
        str(shop.layout.gold("listens")), pa.table({"user_id": [1], "track_id": [2]}).slice(0, 0), mode="overwrite"
    )
    tables = {"group": ("silver/group", 3), "listens": ("gold/listens", 1)}
    shop.publication = Publication(
        "p2", "r1", AT, {name: PublishedTable(name, *one, 1) for name, one in tables.items()}
    )
    sql = shop.written("{sql: [duckdb], unmasked: [group.born]}")["duckdb.sql"]
    with duckdb.connect() as connection:
        connection.execute(sql)
        assert connection.execute('SELECT id, email, born FROM my_shop."group"').fetchall() == [
            (9, "***", date(1990, 1, 9))
        ]
        # What no run declares is personal until the YAML names it.
        assert "new" not in [row[0] for row in connection.execute('DESCRIBE my_shop."group"').fetchall()]
        assert connection.execute("FROM my_shop.listens").fetchall() == []


def test_unmasked_columns_are_shown_and_a_table_of_nothing_else_has_no_view(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = "{sql: [trino], unmasked: [group.email, group.born]}"
    assert 'SELECT "id", "select", "email", "born", "price",' in shop.written(readers)["trino.sql"]
    monkeypatch.setattr(Personal, "among", lambda _self, _table, columns: tuple(columns))
    made = shop.written("{sql: [trino], unmasked: [group.email]}")["trino.sql"]
    assert 'SELECT CASE WHEN "select" IS NOT NULL THEN \'***\' END AS "select", "email"\n' in made
    assert (
        "-- listens has no view: every column of it is personal, unless readers.unmasked of the YAML names it.\n"
        in made
    )


@pytest.mark.parametrize(
    ("engine", "address", "told"),
    [
        ("athena", "gs://b/lake", "athena reads lakes at s3://; this one is at gs://b/lake"),
        ("bigquery", "s3://b/lake", "bigquery reads lakes at gs://; this one is at s3://b/lake"),
        ("redshift", "file:///lake", "redshift reads lakes at s3://; this one is at file:///lake"),
        ("snowflake", "hdfs://b/lake", "snowflake reads lakes at s3://, gs://, abfss://; this one is at hdfs://b/lake"),
    ],
)
def test_where_an_engine_cannot_open_the_lake_the_file_says_so(
    shop: Shop, engine: str, address: str, told: str
) -> None:
    made = shop.written(f"{{sql: [{engine}], manifests: true, address: '{address}'}}")[f"{engine}.sql"]
    assert [line for line in made.splitlines() if not line.startswith("-- ")] == []
    assert made.endswith(f"\n-- {told}\n")


def test_what_the_settings_no_longer_ask_for_is_removed_and_what_says_the_same_is_not_written(shop: Shop) -> None:
    assert shop.written("{}") == {}
    assert not on_disk(shop.layout.readers).exists()
    both = shop.written("{sql: [spark, hive], manifests: true}")
    times = {path: path.stat().st_mtime_ns for path in on_disk(shop.layout.readers).rglob("*")}
    assert shop.written("{sql: [spark, hive], manifests: true}") == both
    assert {path: path.stat().st_mtime_ns for path in on_disk(shop.layout.readers).rglob("*")} == times
    assert shop.written("{sql: [hive]}") == {"hive.sql": both["hive.sql"]}
    assert shop.written("{}") == {}


# A lake that a test publishes again and again; the demo's tracks have no personal column.
@pytest.fixture
def lake(tmp_path: Path) -> PublishedLake:
    made = PublishedLake(tmp_path)
    readers = Readers(sql=("spark",), manifests=True)
    made.job.source = made.job.source.model_copy(update={"readers": readers})
    return made


def said(lake: PublishedLake) -> tuple[str, int, int]:
    """The publication and the version that the SQL names, and the rows of the files of the manifest."""
    made = there(lake.layout)
    [version] = re.findall(r"VERSION AS OF ([0-9]+)", made["spark.sql"])
    [name] = re.findall(r"publication (\S+) of", made["spark.sql"])
    with duckdb.connect() as connection:
        files = made["tracks/_symlink_format_manifest/manifest"].splitlines()
        [(rows,)] = connection.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchall()
    return name, int(version), rows


def test_each_publication_and_each_rollback_makes_them_anew(lake: PublishedLake) -> None:
    lake.published("one")
    assert said(lake) == ("one", 0, 1)
    assert "<li>SQL for spark is in readers/ of the lake; in its views personal columns are masked.</li>" in lake.page()
    lake.published("two")
    lake.write()
    assert said(lake) == ("two", 1, 2)
    lake.roll_back()
    assert said(lake) == ("one.rollback1", 0, 1)


@pytest.mark.parametrize("module_and_name", [(pages_of, "write_catalogs"), (storage, "replace_text")])
def test_a_run_that_is_killed_before_they_are_written_leaves_them_to_the_next(
    lake: PublishedLake, monkeypatch: pytest.MonkeyPatch, module_and_name: tuple[Any, str]
) -> None:
    lake.published("one")
    version = lake.write()
    publications.publish(
        lake.layout, Publication("two", "two", AT, {"tracks": PublishedTable("tracks", "silver/tracks", version, 2)})
    )

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*module_and_name, kill)
        with pytest.raises(KeyboardInterrupt):
            pages_of.write_index(lake.job.site)
    assert said(lake) == ("one", 0, 1)
    assert pages_of.heal_site(lake.job.site)
    assert said(lake) == ("two", 1, 2)
    assert not pages_of.heal_site(lake.job.site)


@pytest.mark.parametrize(
    ("readers", "told"),
    [
        ("{deletion_vectors: 'no'}", "readers.deletion_vectors: must be true or false"),
        ("{sql: [atena]}", "readers.sql.0: must be 'athena'"),
        ("{sql: [spark, spark]}", "readers.sql: has 'spark' twice"),
        ("{sql: [redshift]}", "readers.sql: redshift reads nothing but manifests; add manifests: true"),
        ("{address: 's3://b/x'}", "readers.address: is only for sql and manifests; add one of them"),
        ("{manifests: true, address: /data}", "readers.address: must be a URI of a folder: 's3://...'"),
        ("{manifests: true, address: 's3://'}", "readers.address: must be a URI of a folder: 's3://...'"),
        ("{manifests: true, address: 'file://'}", "readers.address: must be a URI of a folder: 's3://...'"),
        ('{manifests: true, address: "s3://b/o\'brien"}', "readers.address: must be a URI of a folder: 's3://...'"),
        ("{manifests: true, address: 's3://key:secret@b/x'}", "readers.address: must not hold a key or a password"),
        ("{manifests: true, address: 's3://key:se/cret@b/x'}", "readers.address: must not hold a key or a password"),
        (
            "{manifests: true, address: 'abfss://box@host:se/cret@b/x'}",
            "readers.address: must not hold a key or a password",
        ),
        ("{manifests: true, address: 's3://b`c/x'}", "readers.address: must be a URI of a folder"),
        ("{manifests: true, unmasked: [group.email]}", "readers.unmasked: is only for the views of sql; add sql"),
        (
            "{sql: [spark], unmasked: [grup.email]}",
            "readers.unmasked.0: there is no table 'grup'; did you mean 'group'",
        ),
        (
            "{sql: [spark], unmasked: [email]}",
            "readers.unmasked.0: there is no table 'email'; write such as users.email",
        ),
        (
            "{sql: [spark], unmasked: [group.emial]}",
            "readers.unmasked.0: group has no column 'emial'; did you mean 'email'",
        ),
        ("{vectors: false}", "readers.vectors: unknown key"),
    ],
)
def test_settings_that_cannot_be_are_named_with_their_line(tmp_path: Path, readers: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        source_of(tmp_path, readers)
    assert re.search(rf"shop.yml:\d+: {re.escape(told)}", str(error.value)), str(error.value)
    assert "secret@" not in str(error.value)


def test_what_readers_are_given_does_not_stop_a_run_from_being_resumed(tmp_path: Path) -> None:
    one, other = source_of(tmp_path, "{}"), source_of(tmp_path, "{deletion_vectors: false, sql: [spark]}")
    assert one.settings_hash == other.settings_hash


def test_the_docs_have_every_key_and_every_engine_and_an_example_that_is_taken(tmp_path: Path) -> None:
    section = (
        (REPO / "docs" / "configuration.md").read_text("utf-8").partition("\n## `readers`\n")[2].partition("\n## ")[0]
    )
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(Readers.model_fields)
    page = (REPO / "docs" / "reading.md").read_text("utf-8").partition("\n## Other engines\n")[2]
    [example] = re.findall(r"^    readers: (.+)$", page, re.MULTILINE)
    assert source_of(tmp_path, example).readers.sql == ("athena", "trino")
    assert {f"{engine}.sql" for engine in get_args(Engine)} <= set(re.findall(r"`(\w+\.sql)`", page))
