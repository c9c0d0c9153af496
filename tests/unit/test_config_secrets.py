"""Secrets come from the environment, and are shown nowhere."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from lib.config import BasicAuth, BearerAuth, HeaderAuth, Source, load_source
from lib.errors import ConfigError

SECRET = "hunter2-planted"
TEXT = """\
source: shop
api:
  url: http://127.0.0.1:8000
  auth: AUTH
tables:
  users: {path: /users, key: [id], columns: {id: bigint!}}
"""


def load(auth: str, folder: Path, env: dict[str, str], *overrides: str) -> Source:
    path = folder / "shop.yml"
    path.write_text(TEXT.replace("AUTH", auth))
    return load_source(str(path), overrides=overrides, conf_dir=folder, env=env)


def test_a_secret_is_taken_from_the_environment_and_never_shown(tmp_path: Path) -> None:
    source = load('{type: bearer, token: "${TOKEN}"}', tmp_path, {"TOKEN": SECRET})
    assert isinstance(source.api.auth, BearerAuth)
    assert source.api.auth.token.get_secret_value() == SECRET
    assert SECRET not in repr(source) + str(source) + json.dumps(source.public())
    assert source.public()["api"]["auth"] == {"type": "bearer", "token": "***"}


def test_a_source_pickles_equal_to_itself(tmp_path: Path) -> None:
    source = load('{type: bearer, token: "${TOKEN}"}', tmp_path, {"TOKEN": SECRET})
    assert pickle.loads(pickle.dumps(source)) == source


def test_another_secret_leaves_the_settings_hash_as_it_was(tmp_path: Path) -> None:
    auth = '{type: header, name: X-Api-Key, value: "${KEY}"}'
    one, other = (load(auth, tmp_path, {"KEY": key}) for key in ("a", "b"))
    assert isinstance(one.api.auth, HeaderAuth)
    assert one.settings_hash == other.settings_hash
    renamed = load(auth.replace("X-Api-Key", "X-Key"), tmp_path, {"KEY": "a"})
    assert renamed.settings_hash != one.settings_hash


@pytest.mark.parametrize(("written", "user"), [("anna", "anna"), ('"${USER_NAME}"', "berta")])
def test_a_user_may_stand_in_the_yaml_or_in_the_environment(written: str, user: str, tmp_path: Path) -> None:
    auth = f'{{type: basic, user: {written}, password: "${{PASSWORD}}"}}'
    source = load(auth, tmp_path, {"USER_NAME": "berta", "PASSWORD": SECRET})
    assert isinstance(source.api.auth, BasicAuth)
    assert source.api.auth.user.get_secret_value() == user


@pytest.mark.parametrize(
    ("auth", "path", "reason"),
    [
        (
            f"{{type: bearer, token: {SECRET}}}",
            "api.auth.token",
            'a secret must not be written out: write "${ENV_NAME}" and put the value in that environment variable',
        ),
        (
            f"{{type: header, name: X, value: {SECRET}}}",
            "api.auth.value",
            'a secret must not be written out: write "${ENV_NAME}" and put the value in that environment variable',
        ),
        (
            f'{{type: query, name: key, value: "{SECRET}${{A}}"}}',
            "api.auth.value",
            'must be "${ENV_NAME}" alone, with nothing before or after it',
        ),
        (
            "{type: bearer, token: 12345}",
            "api.auth.token",
            'must be written as "${ENV_NAME}", with the value in that environment variable',
        ),
        (
            '{type: bearer, token: "${NOT_SET}"}',
            "api.auth.token",
            "the environment variable NOT_SET is not set or is empty",
        ),
        (
            '{type: bearer, token: "${EMPTY}"}',
            "api.auth.token",
            "the environment variable EMPTY is not set or is empty",
        ),
        (
            '{type: bearer, token: "${BROKEN}"}',
            "api.auth.token",
            "the environment variable BROKEN holds a line break or another control character",
        ),
        (
            f'{{type: bearer, token: "${{GOOD}}", {SECRET}}}',
            "api.auth",
            'unknown key without a value (not shown, as it may be a secret); write "${ENV_NAME}" in quotes',
        ),
        (f"bearer {SECRET}", "api.auth", "must be a mapping (key: value)"),
        (
            f"{{type: {SECRET}}}",
            "api.auth.type",
            "must be 'none', 'bearer', 'header', 'basic', 'query', 'oauth2_client_credentials', 'oauth2_refresh_token' or "
            "'session'",
        ),
    ],
)
def test_a_secret_in_a_wrong_place_is_an_error_that_does_not_show_it(
    auth: str, path: str, reason: str, tmp_path: Path
) -> None:
    env = {"EMPTY": "", "BROKEN": f"{SECRET}\n", "GOOD": SECRET}
    with pytest.raises(ConfigError) as caught:
        load(auth, tmp_path, env)
    assert str(caught.value) == f"{tmp_path}/shop.yml:4: {path}: {reason}"
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("127.0.0.1", f"anna:{SECRET}@127.0.0.1"),
        TEXT.replace("AUTH", f"*{SECRET}"),
        TEXT.replace("AUTH", f"@{SECRET}"),
        TEXT.replace("AUTH", f"'{SECRET}"),
        TEXT.replace("AUTH", f"!{SECRET} x"),
        TEXT.replace("AUTH", f"!<{SECRET} x"),
        TEXT.replace("AUTH", f"{{a: b: {SECRET}"),
        TEXT.replace("AUTH", f"&{SECRET} {{type: none}}\n  limits: &{SECRET} {{x: 1}}"),
        f"%{SECRET}\n" + TEXT,
        f"%TAG ! {SECRET}\n---\n" + TEXT,
    ],
)
def test_yaml_that_cannot_be_taken_never_shows_what_stands_there(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_source(str(path), conf_dir=tmp_path, env={})
    error: BaseException | None = caught.value
    while error is not None and not error.__suppress_context__:
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        f"api.auth.token={SECRET}",
        f"api.url=http://a:{SECRET}@h",
        f"api.auth.token: {SECRET}",
        f"api.auth.tokn={SECRET}",
        f"api.limits.concurrency={SECRET}",
        f"api.auth={{type: bearer, token: [{SECRET}",
    ],
)
def test_the_value_of_a_wrong_override_is_not_shown(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load('{type: bearer, token: "${TOKEN}"}', tmp_path, {"TOKEN": "x"}, override)
    assert SECRET not in str(caught.value)
