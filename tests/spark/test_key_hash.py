"""The hash of a key: an HMAC with the lake's secret, which no plan, no page and no log of Spark shows."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lib.config import Runtime
from lib.errors import ConfigError
from lib.lake import Lake
from lib.lake.key_hash import key_hash_of
from lib.lake.layout import claim, key_secret, lake_at
from tests.on_disk import on_disk
from tests.spark.served_table import Served

AT = datetime(2026, 3, 1, tzinfo=UTC)
GIVEN = "5ecre7-" * 12


def by_hand(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("given", [None, GIVEN[:32], GIVEN[:64], GIVEN])
def test_it_is_the_hmac_of_the_key_as_json(given: str | None, spark: SparkSession, tmp_path: Path) -> None:
    layout = lake_at(f"{tmp_path}/lake")
    claim(layout, "shop", AT, given)
    key_hash = key_hash_of(spark, layout, given)
    rows = spark.sql(
        "SELECT * FROM VALUES (1L, 'größe', TIMESTAMP'2026-01-01 00:00:00.000001'), "
        "(1L, 'größe', TIMESTAMP'2026-01-01 00:00:00.000002'), (NULL, 'x', TIMESTAMP'2026-01-01 00:00:00') t(id, name, at)"
    )
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        # A session may show times in another zone: the hash is made of them in UTC.
        hashed = rows.select(key_hash(("id", "name", "at"), within="")).collect()
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    secret = key_secret(layout, given)
    texts = [f'{{"id":1,"name":"größe","at":"2026-01-01T00:00:00.{micros}Z"}}' for micros in ("000001", "000002")]
    assert [row[0] for row in hashed] == [*(by_hand(secret, text) for text in texts), None]


def test_no_plan_shows_the_secret(spark: SparkSession, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    layout = lake_at(f"{tmp_path}/lake")
    claim(layout, "shop", AT, GIVEN[:64])
    frame = spark.range(3).select(key_hash_of(spark, layout, GIVEN[:64])(("id",), within="").alias("h"))
    frame.collect()
    for kind in ("extended", "formatted", "codegen", "cost"):
        frame.explain(kind)
    told = capfd.readouterr().out
    assert "subquery" in told.lower(), "the plan is there"
    for form in forms(GIVEN[:64]):
        assert form not in told


def forms(secret: str) -> list[str]:
    """The secret and the two keys of its HMAC, their beginnings included, as a log may write them."""
    found = []
    for pad in (0, 0x36, 0x5C):
        part = bytes(byte ^ pad for byte in secret.encode())[:14]
        found += [part.decode("latin-1"), part.hex(), part.hex().upper(), " ".join(f"{byte:02X}" for byte in part)]
    return found


@pytest.mark.thorough
def test_the_event_log_of_a_run_shows_the_secret_nowhere(tmp_path: Path) -> None:
    script = f"""
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from pyspark.sql import functions as F
        from lib.config import Runtime
        from lib.lake.key_hash import key_hash_of
        from lib.lake.layout import Layout, claim, lake_at
        from lib.session import start_session
        layout = lake_at({str(tmp_path / "lake")!r})
        claim(layout, "shop", datetime.now(UTC), {GIVEN[:64]!r})
        spark = start_session("a run", Runtime.of({{}}), rows=0)
        key_hash = key_hash_of(spark, layout, {GIVEN[:64]!r})
        rows = spark.range(5).withColumn("h", key_hash(("id",), within="")).persist()
        rows.write.format("delta").save({str(tmp_path / "t")!r})
        held = spark.read.format("delta").load({str(tmp_path / "t")!r})
        assert held.join(rows.select("h"), on="h").groupBy("h").count().count() == 5
        spark.stop()
    """
    import os

    (tmp_path / "events").mkdir()
    options = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (tmp_path / "events").as_uri(),
        "spark.eventLog.compress": "false",
    }
    submit = " ".join(f"--conf {name}={value}" for name, value in options.items())
    env = {**os.environ, "PYSPARK_SUBMIT_ARGS": f"{submit} pyspark-shell", "PAGELAKE_KEY_HASH_SECRET": GIVEN[:64]}
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        cwd=Path(__file__).parents[2],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    log = "".join(path.read_text("utf-8") for path in (tmp_path / "events").rglob("*") if path.is_file())
    assert "scalar-subquery" in log
    for form in forms(GIVEN[:64]):
        escaped = json.dumps(form)[1:-1]
        assert form not in log
        assert escaped not in log
        assert form not in done.stdout + done.stderr


@pytest.mark.thorough
def test_rows_in_quarantine_are_found_again_by_later_runs_and_by_name(things: Served) -> None:
    things.settings |= {"max_rejected_fraction": 0.9}
    things.columns = {"id": "bigint!", "name": "string!"}
    things.run({"id": 1, "name": None}, {"id": 2, "name": None}, {"id": 3, "name": "c"})
    secret = key_secret(things.layout, None)
    assert things.quarantine("key_hash") == [(by_hand(secret, f'{{"id":{number}}}'),) for number in (1, 2)]
    things.run({"id": 1, "name": "a"}, {"id": 3, "name": "c"})
    assert things.quarantine("resolution, resolved_by") == [("arrived", "run-2"), ("deleted", "run-2")]
    # Tables that are made anew have the hashes of the lake.
    before = things.quarantine("key_hash, resolution")
    things.replay("all")
    assert things.quarantine("key_hash, resolution") == before

    lake = Lake(things.layout, things.spark)
    held = lake.record("quarantine")
    assert held.where(held.key_hash == lake.key_hash("things", {"id": 2})).select("reason").collect() == [
        ("missing_value:name",)
    ]
    asked = things.spark.range(5).select("id", lake.key_hash("things", {"id": F.col("id")}).alias("key_hash"))
    found = asked.join(held, on="key_hash", how="left_semi").orderBy("id").select("id").collect()
    assert [row["id"] for row in found] == [1, 2]
    with pytest.raises(ConfigError, match="there is no table 'thing'; did you mean 'things'"):
        lake.key_hash("thing", {"id": 1})
    with pytest.raises(ConfigError, match="'nr' is not a column of the key"):
        lake.key_hash("things", {"nr": 1})
    with pytest.raises(ConfigError, match="give a Python int, not a str"):
        lake.key_hash("things", {"id": "1"})

    on_disk(things.layout.key_file).unlink()
    with pytest.raises(ConfigError, match="the lake's secret is missing"):
        lake.key_hash("things", {"id": 1})
    with pytest.raises(ConfigError, match="the lake's secret is missing"):
        things.run({"id": 1, "name": "a"})
    assert len(things.quarantine()) == 2
    assert Runtime.of({}).key_secret is None
