"""What the command line changes in a source: --set, --api-url, --tables, --run-id."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from demo.settings import DemoSettings
from lib.config import Demo, Source, check_run_id, load_source, new_run_id, parse_tables
from lib.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


def load(*overrides: str, name: str = "demo", api_url: str | None = None) -> Source:
    return load_source(name, overrides=overrides, api_url=api_url, conf_dir=CONF, env={})


def test_set_changes_settings_that_the_yaml_has_and_settings_it_leaves_out() -> None:
    source = load(
        "demo.day=3",
        "demo.faults.down=true",
        "api.limits.concurrency=64",
        "tables.tracks.min_rows=0",
        "tables.tracks.newest_by=",
        "tables.listen_history.references.1.column=user_id",
        "tables.listen_history.references.1.to=users.id",
        "tables.users.columns.gender={type: string, pii: false}",
        "recommend.retrain.drift=0.5",
    )
    assert source.demo is not None
    assert (source.demo.day, source.demo.faults.down, source.demo.seed) == (3, True, 7)
    assert source.api.limits.concurrency == 64
    assert (source.table("tracks").min_rows, source.table("tracks").newest_by) == (0, None)
    assert [reference.column for reference in source.table("listen_history").references] == ["user_id", "user_id"]
    assert source.table("users").pii == ("first_name", "last_name", "email")
    assert source.recommended().retrain.drift == 0.5


def test_a_column_in_short_form_can_be_extended(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("source: x\napi: {url: http://h}\ntables: {t: {path: /t, key: [id], columns: {id: bigint!}}}\n")
    source = load("tables.t.columns.id.pii=true", "api.limits.attempts=2", name=str(path))
    column = source.table("t").column("id")
    assert (column.type, column.required, column.pii) == ("bigint", True, True)
    assert source.api.limits.attempts == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "api.limits.concurency=4",
            "--set api.limits.concurency: unknown key 'concurency' in api.limits; did you mean 'concurrency'?",
        ),
        (
            "tables.trackz.deletes=soft",
            "--set tables.trackz.deletes: unknown key 'trackz' in tables; did you mean 'tracks'?",
        ),
        (
            "tables.users.columns.emial.pii=true",
            "--set tables.users.columns.emial.pii: unknown key 'emial' in tables.users.columns; did you mean 'email'?",
        ),
        ("deno.day=1", "--set deno.day: unknown key 'deno'; did you mean 'demo'?"),
        ("demo.day.x=1", "--set demo.day.x: demo.day is one value, with nothing below it"),
        (
            "tables.tracks.key.1=id",
            "--set tables.tracks.key.1: tables.tracks.key is a list with 1 entries, from 0 on; '1' is none of them",
        ),
        ("demo.day=soon", "--set demo.day: must be a whole number"),
        ("demo.sessions=10000001", "--set demo.sessions: must be at most 10000000"),
        ("demo.faults.rate_limit_rps=0", "--set demo.faults.rate_limit_rps: must be at least 0.001"),
        ("demo.faults.errors=2", "--set demo.faults.errors: must be at most 1"),
        ("demo.faults.nulls=1000", "--set demo.faults.nulls: must be at most 999, as no more have an email"),
        (
            "demo={tracks: 0, faults: {orphans: 1}}",
            "--set demo: demo.faults.orphans: needs demo.tracks and demo.users to be at least 1",
        ),
        (
            "tables.tracks.deletes=softt",
            "--set tables.tracks.deletes: must be 'ignore' or 'soft'; did you mean 'soft'?",
        ),
        (
            "tables.tracks.key=[idd]",
            "--set tables.tracks.key: tables.tracks.key.0: there is no such column; did you mean 'id'?",
        ),
        ("demo.day", "--set demo.day: must be written KEY=VALUE, such as api.limits.concurrency=4"),
        ("=3", "--set : must be written KEY=VALUE, such as api.limits.concurrency=4"),
        ("demo.day=[1", "--set demo.day:1:3: not YAML: a '[' without its ']', or a ',' is missing"),
        ("demo.day=a: 1", "--set demo.day: a value with ': ' in it must be in quotes, a mapping in braces"),
    ],
)
def test_a_wrong_override_names_its_key_and_no_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(override)
    assert str(caught.value) == message


def test_api_url_takes_the_place_of_the_demo_server() -> None:
    source = load(api_url="https://api.example.com/v2/")
    assert source.api.url == "https://api.example.com/v2"
    assert source.demo is None


def test_a_wrong_api_url_is_named_as_the_option() -> None:
    with pytest.raises(ConfigError) as caught:
        load(name="moovitamix", api_url="127.0.0.1:8000")
    assert str(caught.value) == "--api-url: must start with http:// or https://"


def test_demo_settings_beside_api_url_are_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"--set demo.day: there is no demo: section here \(--api-url leaves it out\)"
    ):
        load("demo.day=1", api_url="http://127.0.0.1:1")


def test_the_demo_s_settings_and_defaults_are_those_of_the_demo_server() -> None:
    assert Demo().model_dump() == dataclasses.asdict(DemoSettings())


def test_a_url_beside_the_demo_server_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        load("api.url=http://127.0.0.1:1")
    assert str(caught.value) == "--set api.url: must be left out beside demo:, or pass --api-url to use it instead"


def test_the_settings_hash_changes_with_what_decides_a_run_and_not_with_how_it_is_written(tmp_path: Path) -> None:
    music = load(name="moovitamix")
    assert len(music.settings_hash) == 64
    assert load("api.limits.timeout_s=30.0", name="moovitamix").settings_hash == music.settings_hash
    assert (
        load(
            "tables.tracks.columns.id={type: 'LONG !', description: 'Number of the track, given by the source'}",
            name="moovitamix",
        ).settings_hash
        == music.settings_hash
    )
    for change in (
        "api.url=http://127.0.0.1:8001",
        "tables.users.deletes=ignore",
        "tables.users.columns.gender.pii=false",
    ):
        assert load(change, name="moovitamix").settings_hash != music.settings_hash


def test_a_source_without_such_a_table_says_which_it_has() -> None:
    with pytest.raises(ConfigError) as caught:
        load().table("track")
    assert str(caught.value) == (
        "source demo has no table 'track'; did you mean 'tracks'? (it has tracks, users, listen_history)"
    )


def test_tables_are_given_in_the_source_s_order() -> None:
    source = load()
    assert parse_tables(source, None) == ("tracks", "users", "listen_history")
    assert parse_tables(source, " listen_history,tracks, tracks") == ("tracks", "listen_history")


def test_an_unknown_table_on_the_command_line_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_tables(load(), "user,tracks,zzz")
    assert str(caught.value).splitlines() == [
        "--tables: source demo has no table 'user'; did you mean 'users'?",
        "--tables: source demo has no table 'zzz'",
        "It has tracks, users, listen_history.",
    ]
    with pytest.raises(ConfigError, match="--tables names no table"):
        parse_tables(load(), " , ")


def test_a_new_run_id_is_its_time_in_utc_and_a_random_end() -> None:
    now = datetime(2026, 11, 25, 15, 45, tzinfo=timezone(timedelta(hours=1)))
    run_id = new_run_id(now)
    assert run_id[:17] == "20261125T144500Z-"
    assert len(run_id) == 21
    assert check_run_id(run_id) == run_id
    assert len({new_run_id(now) for _ in range(50)}) > 40
    with pytest.raises(ValueError, match="time zone"):
        new_run_id(datetime(2026, 11, 25, tzinfo=UTC).replace(tzinfo=None))


@pytest.mark.parametrize("run_id", ["", "../x", "-x", ".x", "a b", "a/b", "a=b", "a\n", "é", "x" * 101])
def test_a_run_id_that_could_not_be_a_folder_is_refused(run_id: str) -> None:
    with pytest.raises(ConfigError, match="1 to 100 letters"):
        check_run_id(run_id)


def test_settings_are_read_without_spark() -> None:
    program = "import sys, lib.config; sys.exit(any(name in sys.modules for name in ('pyspark', 'delta', 'demo')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
