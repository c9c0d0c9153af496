"""Settings of tokens that are got for a run: what is read, what is hidden, and each mistake with its reason."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from lib.config import REPO, ClientCredentialsAuth, RefreshTokenAuth, SessionAuth, Source, load_source
from lib.errors import ConfigError
from lib.source.access import Access, TokenHeader

SECRET = "hunter2-planted"
TEXT = """\
source: shop
api: {url: "https://api.example/v1", allowed_hosts: [login.example, "login.example:8443"], MORE}
tables:
  users: {path: /users, key: [id], columns: {id: bigint!}}
"""
ENV = {"ID": "id-planted", "SECRET": SECRET, "REFRESH": f"{SECRET}-2"}
CLIENT = 'token_url: "https://login.example/oauth/token/", client_id: shop, client_secret: "${SECRET}"'
BY_CLIENT = f"auth: {{type: oauth2_client_credentials, {CLIENT}}}"
BY_REFRESH = f'auth: {{type: oauth2_refresh_token, {CLIENT}, refresh_token: "${{REFRESH}}"}}'
TOKEN_PLACE = "must be a dotted path into the answer, such as data.token, or header:NAME or cookie:NAME"
BY_SESSION = 'auth: {type: session, login_path: /login, body: {user: anna, password: "${SECRET}"}, token: data.token}'


def load(more: str, folder: Path, *overrides: str) -> Source:
    path = folder / "shop.yml"
    path.write_text(TEXT.replace("MORE", more))
    return load_source(str(path), overrides=overrides, conf_dir=folder, env=ENV)


def mistakes(more: str, folder: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(more, folder, *overrides)
    assert SECRET not in str(caught.value)
    return [line.partition("shop.yml:2: ")[2] or line for line in str(caught.value).splitlines()]


def test_a_client_s_credentials_are_read_with_what_is_usual(tmp_path: Path) -> None:
    auth = load(BY_CLIENT, tmp_path).api.auth
    assert isinstance(auth, ClientCredentialsAuth)
    # A slash at the end stays: to some servers /token and /token/ are two addresses.
    assert (auth.token_url, auth.client_id.get_secret_value()) == ("https://login.example/oauth/token/", "shop")
    assert (auth.client_secret.get_secret_value(), auth.client_auth, auth.scope, auth.audience) == (
        SECRET, "basic", None, None,
    )  # fmt: skip


def test_a_refresh_token_and_the_id_come_from_the_environment(tmp_path: Path) -> None:
    auth = load(BY_REFRESH.replace("client_id: shop", 'client_id: "${ID}", client_auth: post'), tmp_path).api.auth
    assert isinstance(auth, RefreshTokenAuth)
    assert (auth.client_id.get_secret_value(), auth.client_auth) == ("id-planted", "post")
    assert auth.refresh_token.get_secret_value() == f"{SECRET}-2"


def test_a_session_is_read_with_what_is_usual(tmp_path: Path) -> None:
    auth = load(BY_SESSION, tmp_path).api.auth
    assert isinstance(auth, SessionAuth)
    assert (auth.login_path, auth.sent_as, auth.token) == ("/login", "json", "data.token")
    assert (auth.name, auth.value) == ("Authorization", "Bearer {token}")


@pytest.mark.parametrize(
    ("more", "header"),
    [
        (BY_CLIENT, TokenHeader("Authorization", "Bearer ")),
        (BY_REFRESH, TokenHeader("Authorization", "Bearer ")),
        (BY_SESSION, TokenHeader("Authorization", "Bearer ")),
        (
            BY_SESSION.replace("token: data.token", 'token: t, name: Cookie, value: "sid={token}; {x} %s"'),
            TokenHeader("Cookie", "sid=", "; {x} %s"),
        ),
    ],
)
def test_the_header_of_a_token_travels_and_secrets_stay(more: str, header: TokenHeader, tmp_path: Path) -> None:
    source = load(more, tmp_path)
    access = Access.of(source.api, source.tables)
    assert access.token_header == header
    assert pickle.loads(pickle.dumps(access)) == access
    assert pickle.loads(pickle.dumps(source)) == source
    assert SECRET not in repr(source) + json.dumps(source.public()) + repr(access) + repr(pickle.dumps(access))


def test_secrets_are_hidden_in_what_is_recorded_and_the_rest_is_not(tmp_path: Path) -> None:
    assert load(BY_REFRESH, tmp_path).public()["api"]["auth"] == {
        "type": "oauth2_refresh_token", "token_url": "https://login.example/oauth/token/", "client_id": "***",
        "client_secret": "***", "client_auth": "basic", "scope": None, "audience": None, "refresh_token": "***",
    }  # fmt: skip
    session = BY_SESSION.replace("user: anna", "user: anna, keep: true, tenant: 7, rate: 1.5").replace(
        "/login", "/log-in"
    )
    assert load(session.replace("token:", "as: form, token:"), tmp_path).public()["api"]["auth"] == {
        "type": "session", "login_path": "/log-in", "as": "form", "token": "data.token", "name": "Authorization",
        "value": "Bearer {token}", "body": {"user": "anna", "keep": True, "tenant": 7, "rate": 1.5, "password": "***"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "token_url",
    [
        "https://api.example/oauth/token",
        "https://api.example:443/token?v=2",
        "https://login.example/token",
        "https://login.example:8443/token",
    ],
)
def test_a_token_is_got_from_the_source_or_a_listed_host(token_url: str, tmp_path: Path) -> None:
    assert load(BY_CLIENT.replace("https://login.example/oauth/token/", token_url), tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "[::1]"])
def test_a_token_may_come_from_this_machine_without_encryption(host: str, tmp_path: Path) -> None:
    more = BY_CLIENT.replace("https://login.example/oauth/token/", f"http://{host}:9000/token")
    source = load(more, tmp_path, f"api.url=http://{host}:9000/v1")
    assert isinstance(source.api.auth, ClientCredentialsAuth)


ENCRYPTED = "must start with https://, as secrets are sent there (http:// only for this machine itself)"


@pytest.mark.parametrize(
    ("token_url", "message"),
    [
        ("http://login.example/token", ENCRYPTED),
        ("http://127.0.0.1.example/token", ENCRYPTED),
        ("http://10.0.0.1/token", ENCRYPTED),
        (
            "https://evil.example/token",
            "evil.example is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "https://login.example:9000/token",
            "login.example:9000 is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "http://localhost/token",
            "localhost is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        ("/token", "must start with http:// or https://"),
        ("ftp://login.example/token", "must start with http:// or https://"),
        ("https://", "has no host that can be used, such as https://api.example.com"),
        (f"https://a:{SECRET}@login.example", "must not hold a user or password; use api.auth with type: basic"),
        ("https://login.example/token#x", "must not hold a fragment (nothing from '#' on)"),
        (
            f"https://login.example/token?client_secret={SECRET}",
            'must not hold a secret (client_secret); use api.auth, or params with "${ENV_NAME}"',
        ),
        ("https://login.example/to ken", "must not hold spaces, line breaks or backslashes"),
    ],
)
def test_any_other_token_url_is_a_mistake(token_url: str, message: str, tmp_path: Path) -> None:
    more = BY_CLIENT.replace("https://login.example/oauth/token/", token_url)
    assert mistakes(more, tmp_path) == [f"api.auth.token_url: {message}"]


WRITTEN_OUT = 'a secret must not be written out: write "${ENV_NAME}" and put the value in that environment variable'
ONE_PLACE = "must be one line with {token} in it once, such as Bearer {token}; nothing else is replaced in it"
ONE_LINE = "must be text without line breaks and other control characters, and not empty"


@pytest.mark.parametrize(
    ("more", "old", "new", "expected"),
    [
        (BY_CLIENT, '"${SECRET}"', SECRET, [f"api.auth.client_secret: {WRITTEN_OUT}"]),
        (BY_CLIENT, ', client_secret: "${SECRET}"', "", ["api.auth.client_secret: missing"]),
        (BY_CLIENT, "client_id: shop, ", "", ["api.auth.client_id: missing"]),
        (BY_CLIENT, "client_id: shop", "client_id: shop, client_auth: body", ["api.auth.client_auth: must be 'basic' or 'post'"]),
        (BY_CLIENT, "client_id: shop", "client_id: shop, scope: ''", [f"api.auth.scope: {ONE_LINE}"]),
        (BY_CLIENT, "client_id: shop", 'client_id: shop, scope: "a\\nb"', [f"api.auth.scope: {ONE_LINE}"]),
        (BY_CLIENT, "client_id: shop", 'client_id: shop, audience: "\\t"', [f"api.auth.audience: {ONE_LINE}"]),
        (BY_CLIENT, "client_id: shop", "client_id: shop, scope: [a]", ["api.auth.scope: must be text"]),
        (
            BY_CLIENT, "client_id: shop", 'client_id: shop, refresh_token: "${REFRESH}"',
            ["api.auth.refresh_token: unknown key: it belongs to type: oauth2_refresh_token"],
        ),
        (BY_CLIENT, "client_id: shop", "client_id: shop, scop: a", ["api.auth.scop: unknown key; did you mean 'scope'?"]),
        (BY_REFRESH, '"${REFRESH}"', f"{SECRET}-2", [f"api.auth.refresh_token: {WRITTEN_OUT}"]),
        (BY_REFRESH, '"${REFRESH}"', '"${NONE}"', ["api.auth.refresh_token: the environment variable NONE is not set or is empty"]),
        (BY_REFRESH, ', refresh_token: "${REFRESH}"', "", ["api.auth.refresh_token: missing"]),
        (BY_SESSION, '"${SECRET}"', SECRET, [f"api.auth.body: password: {WRITTEN_OUT}"]),
        (
            BY_SESSION, '"${SECRET}"', '"a${SECRET}"',
            ['api.auth.body.password: must be "${ENV_NAME}" alone, with nothing before or after it'],
        ),
        (
            BY_SESSION, '"${SECRET}"', f'"${{SECRET}}", {SECRET}',
            ["api.auth.body: a name without a value (not shown, as it may be a secret); write the value in quotes"],
        ),
        (
            BY_SESSION, "user: anna", "user: [anna]",
            ['api.auth.body.user: must be text, a number, true or false, or "${ENV_NAME}" for a secret'],
        ),
        (BY_SESSION, "user: anna", "user: .inf", ["api.auth.body.user: must be a number, and not infinite"]),
        (BY_SESSION, '{user: anna, password: "${SECRET}"}', "{}", ["api.auth.body: must not be empty"]),
        (BY_SESSION, '{user: anna, password: "${SECRET}"}', "anna", ["api.auth.body: must be a mapping (key: value)"]),
        (BY_SESSION, "user: anna", "'': anna", [
            "api.auth.body: a parameter's name has 1 to 200 characters, and no control characters"
        ]),
        (BY_SESSION, "/login", "login", [
            "api.auth.login_path: must be a path below api.url that starts with one '/', such as /tracks"
        ]),
        (BY_SESSION, "/login", "//evil.example/login", [
            "api.auth.login_path: must be a path below api.url that starts with one '/', such as /tracks"
        ]),
        (BY_SESSION, "/login", "/a/%2e%2e/login", ["api.auth.login_path: must not hold '..'"]),
        (BY_SESSION, "/login", f"/login?password={SECRET}", [
            'api.auth.login_path: must not hold a secret (password); use api.auth, or params with "${ENV_NAME}"'
        ]),
        (BY_SESSION, "data.token", "data..token", [f"api.auth.token: {TOKEN_PLACE}"]),
        (BY_SESSION, "data.token", "''", [f"api.auth.token: {TOKEN_PLACE}"]),
        *(
            (BY_SESSION, "data.token", f"'{place}'", [f"api.auth.token: {TOKEN_PLACE}"])
            for place in ("header:", "header:X Y", "cookie:", "cookie:a=b", "data. token")
        ),
        (BY_SESSION, "token: data.token", "token: t, as: xml", ["api.auth.as: must be 'json' or 'form'"]),
        (BY_SESSION, "token: data.token", "token: t, name: 'X Y'", ["api.auth.name: is not the name of an HTTP header"]),
        *(
            (BY_SESSION, "token: data.token", f"token: t, value: {value}", [f"api.auth.value: {ONE_PLACE}"])
            for value in ("Bearer", "''", '"{token}{token}"', '"{TOKEN}"', '"{token} "', '"a\\r\\n{token}"', '"${SECRET} {token}"')
        ),
        (BY_SESSION, "auth:", "headers: {x-key: '1'}, auth:", []),
        (
            BY_SESSION.replace("token: data.token", "token: t, name: X-Key"), "auth:", "headers: {x-key: '1'}, auth:",
            ["api.headers.x-key: is the header of api.auth; leave it out"],
        ),
    ],
)  # fmt: skip
def test_each_mistake_has_its_path_and_reason(
    more: str, old: str, new: str, expected: list[str], tmp_path: Path
) -> None:
    assert more.count(old) == 1
    if expected:
        assert mistakes(more.replace(old, new), tmp_path) == expected
    else:
        assert load(more.replace(old, new), tmp_path)


def test_a_body_s_values_may_be_set_for_one_run(tmp_path: Path) -> None:
    auth = load(BY_SESSION, tmp_path, "api.auth.body.user=berta", "api.auth.body.a.b=2").api.auth
    assert isinstance(auth, SessionAuth)
    assert {name: value for name, value in auth.body.items() if name != "password"} == {"user": "berta", "a.b": 2}
    assert mistakes(BY_SESSION, tmp_path, f"api.auth.body.password={SECRET}") == [
        f"api.auth.body: password: {WRITTEN_OUT}"
    ]


def test_the_examples_of_the_docs_are_good(tmp_path: Path) -> None:
    page = (REPO / "docs" / "configuration.md").read_text("utf-8")
    examples = [line.strip() for line in page.splitlines() if line.startswith("    auth: {")]
    env = {"SHOP_SECRET": SECRET, "SHOP_PASSWORD": SECRET}
    path = tmp_path / "shop.yml"
    kinds = []
    for example in examples:
        path.write_text(TEXT.replace("api.example", "shop.example").replace("MORE", example))
        kinds.append(load_source(str(path), conf_dir=tmp_path, env=env).api.auth.type)
    assert kinds == ["oauth2_client_credentials", "session"]
