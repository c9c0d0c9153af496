"""The secret of a lake: made with it, kept in it for its owner alone, and never another one in silence."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.config import KEY_SECRET, Runtime
from lib.errors import ConfigError
from lib.lake.layout import Layout, check_owner, claim, key_secret, lake_at
from tests.on_disk import on_disk

AT = datetime(2026, 3, 1, tzinfo=UTC)
GIVEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return lake_at(str(tmp_path / "lake"))


def test_a_new_lake_has_a_secret_of_its_own_that_its_owner_alone_can_read(layout: Layout, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        claim(layout, "shop", AT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(on_disk(layout.key_file).stat().st_mode) == 0o600
    secret = key_secret(layout, None)
    assert len(bytes.fromhex(secret.decode())) == 32
    assert secret.decode() not in on_disk(layout.lake_json).read_text("utf-8")
    claim(layout, "shop", AT)
    assert key_secret(layout, None) == secret, "a second run changes nothing"
    other = lake_at(str(tmp_path / "other"))
    claim(other, "shop", AT)
    assert key_secret(other, None) != secret


def test_a_secret_of_the_environment_is_not_written_down(layout: Layout) -> None:
    claim(layout, "shop", AT, GIVEN)
    assert key_secret(layout, GIVEN) == GIVEN.encode()
    assert [path.name for path in on_disk(layout.root).iterdir()] == ["lake.json"]
    assert GIVEN not in on_disk(layout.lake_json).read_text("utf-8")
    with pytest.raises(ConfigError, match=r"\.key: the lake's secret is missing.*give it by PAGELAKE_KEY_HASH_SECRET"):
        claim(layout, "shop", AT)
    with pytest.raises(
        ConfigError, match="what PAGELAKE_KEY_HASH_SECRET holds is not the secret that this lake was made with"
    ):
        claim(layout, "shop", AT, GIVEN[::-1])


def test_the_secret_of_the_file_can_be_given_by_the_environment(layout: Layout) -> None:
    claim(layout, "shop", AT)
    secret = on_disk(layout.key_file).read_text("utf-8").strip()
    on_disk(layout.key_file).unlink()
    claim(layout, "shop", AT, secret)
    assert key_secret(layout, secret) == secret.encode()
    assert not on_disk(layout.key_file).exists()


@pytest.mark.parametrize("given", ["", "short", "x" * 31, " " + "x" * 32, "x" * 32 + "\n"])
def test_a_secret_too_short_to_be_one_makes_no_lake(given: str, layout: Layout) -> None:
    with pytest.raises(ConfigError, match="must have 32 characters or more") as caught:
        claim(layout, "shop", AT, given)
    assert not on_disk(layout.root).exists()
    assert not given or given not in str(caught.value)


def test_a_lake_without_its_secret_is_refused_and_gets_no_new_one(layout: Layout) -> None:
    claim(layout, "shop", AT)
    on_disk(layout.key_file).unlink()
    for _ in range(2):
        with pytest.raises(ConfigError, match="the lake's secret is missing"):
            claim(layout, "shop", AT)
    assert not on_disk(layout.key_file).exists()


@pytest.mark.parametrize("content", [b"", b"an0ther", b"\xff\xfe\x00", b"0" * 64])
def test_another_secret_is_refused_and_not_shown(content: bytes, layout: Layout) -> None:
    claim(layout, "shop", AT)
    on_disk(layout.key_file).write_bytes(content)
    with pytest.raises(
        ConfigError, match=r"is not the secret that this lake was made with|does not hold the lake's"
    ) as caught:
        key_secret(layout, None)
    assert "an0ther" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660])
def test_a_secret_that_others_may_read_is_refused_with_the_command_that_helps(mode: int, layout: Layout) -> None:
    claim(layout, "shop", AT)
    on_disk(layout.key_file).chmod(mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:03o}\); run chmod 600"):
        key_secret(layout, None)


def test_a_folder_in_its_place_cannot_be_read(layout: Layout) -> None:
    claim(layout, "shop", AT)
    on_disk(layout.key_file).unlink()
    on_disk(layout.key_file).mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot be read"):
        key_secret(layout, None)


def test_a_run_that_was_killed_before_the_lake_was_made_leaves_a_folder_that_the_next_one_takes(layout: Layout) -> None:
    claim(layout, "shop", AT)
    on_disk(layout.lake_json).unlink()
    check_owner(layout, "shop")
    claim(layout, "shop", AT)
    assert key_secret(layout, None)


def test_the_secret_is_not_in_what_is_printed_of_the_settings() -> None:
    runtime = Runtime.of({KEY_SECRET: GIVEN})
    assert runtime.key_secret == GIVEN
    assert GIVEN not in repr(runtime)


def test_the_record_of_the_lake_knows_the_secret_again_without_holding_it(layout: Layout) -> None:
    claim(layout, "shop", AT, GIVEN)
    known = json.loads(on_disk(layout.lake_json).read_text("utf-8"))
    # HMAC-SHA256 of the fixed text with the secret, by openssl.
    assert len(known["key_check"]) == 64
    known.pop("key_check")
    on_disk(layout.lake_json).write_text(json.dumps(known), "utf-8")
    with pytest.raises(ConfigError, match="does not say with which secret the lake was made"):
        key_secret(layout, GIVEN)
