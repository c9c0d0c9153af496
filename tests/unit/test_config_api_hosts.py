"""Other hosts, private certificates and proxies in a source YAML."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from lib.config import Api, Source, load_source
from lib.errors import ConfigError
from lib.source.access import Access

TEXT = """\
source: shop
api:
  url: https://api.example
  MORE
tables:
  users: {path: /users, key: [id], columns: {id: bigint!}}
"""


def load(more: str, folder: Path, **env: str) -> Source:
    path = folder / "shop.yml"
    path.write_text(TEXT.replace("MORE", more))
    return load_source(str(path), conf_dir=folder, env=env)


def mistakes(more: str, folder: Path, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(more, folder, **env)
    return [line.partition("shop.yml:4: ")[2] for line in str(caught.value).splitlines()]


@pytest.fixture(scope="module")
def pem() -> str:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_without_these_settings_there_are_none(tmp_path: Path) -> None:
    api = load("auth: {type: none}", tmp_path).api
    assert (api.allowed_hosts, api.ca_file, api.ca_pem, api.proxy) == ((), None, None, None)
    access = Access.of(api)
    assert (access.allowed_hosts, access.ca_pem, access.proxy) == ((), None, None)


def test_allowed_hosts_are_hosts_with_or_without_a_port(tmp_path: Path) -> None:
    api = load('allowed_hosts: [Files.example, "cdn.example:8443", "[::1]:80", 10.0.0.7]', tmp_path).api
    assert api.allowed_hosts == ("files.example", "cdn.example:8443", "[::1]:80", "10.0.0.7")
    assert Access.of(api).allowed_hosts == api.allowed_hosts


@pytest.mark.parametrize(
    "entry",
    [
        "https://files.example",
        "files.example/x",
        "anna@files.example",
        "files.example:",
        "h:99999",
        "h:x",
        "h:0",
        "",
        "*.example",
        "a b",
        "h?x",
        "::1",
    ],
)
def test_anything_else_is_no_allowed_host(entry: str, tmp_path: Path) -> None:
    assert mistakes(f'allowed_hosts: [good.example, "{entry}"]', tmp_path) == [
        "api.allowed_hosts.1: must be a host or host:port, such as api.example.com or api.example.com:8443"
    ]


def test_allowed_hosts_are_a_list_of_text(tmp_path: Path) -> None:
    assert mistakes("allowed_hosts: files.example", tmp_path) == ["api.allowed_hosts: must be a list, such as [id]"]
    assert mistakes("allowed_hosts: [8443]", tmp_path) == ["api.allowed_hosts.0: must be text"]


def test_a_ca_file_is_read_into_the_settings_and_travels_with_them(pem: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(pem)
    source = load(f"ca_file: {tmp_path}/ca.pem", tmp_path)
    assert source.api.ca_pem == pem
    assert Access.of(source.api).ca_pem == pem
    (tmp_path / "ca.pem").unlink()
    assert pickle.loads(pickle.dumps(source)) == source
    assert source.with_url("https://other.example").api.ca_pem == pem
    assert "BEGIN CERTIFICATE" not in json.dumps(source.public())


def test_a_relative_ca_file_starts_at_the_folder_of_the_yaml(pem: str, tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").write_text(pem)
    data = {"url": "https://api.example", "ca_file": "tls/ca.pem"}
    assert Api.model_validate(data, context={"env": {}, "folder": tmp_path}).ca_pem == pem
    with pytest.raises(ValidationError, match="must be an absolute path here"):
        Api.model_validate(data, context={"env": {}})


def test_a_ca_file_must_exist_and_hold_certificates(tmp_path: Path) -> None:
    assert mistakes(f"ca_file: {tmp_path}/none.pem", tmp_path) == [
        "api.ca_file: there is no such file (a relative path starts at the folder of the source YAML)"
    ]
    for content in (b"", b"hello", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "ca.pem").write_bytes(content)
        assert mistakes(f"ca_file: {tmp_path}/ca.pem", tmp_path) == [
            "api.ca_file: cannot be read as certificates in PEM"
        ]
    assert mistakes(f"ca_file: {tmp_path}", tmp_path) == [
        "api.ca_file: cannot be read as certificates in PEM (Is a directory)"
    ]


def test_a_proxy_may_be_written_out_or_come_from_the_environment_with_its_password(tmp_path: Path) -> None:
    api = load("proxy: http://proxy.example:3128", tmp_path).api
    assert Access.of(api).proxy == "http://proxy.example:3128"
    url = "https://anna:hunter2@proxy.example:3128"
    source = load('proxy: "${PROXY}"', tmp_path, PROXY=url)
    assert Access.of(source.api).proxy == url
    assert "hunter2" not in repr(source) + json.dumps(source.public())


@pytest.mark.parametrize(
    ("written", "env", "message"),
    [
        (
            "http://anna:hunter2@proxy:1",
            {},
            'must not hold a user or password: write "${ENV_NAME}" and put the whole URL there',
        ),
        ("socks5://proxy:1", {}, "must start with http:// or https://"),
        ("proxy:3128", {}, "must start with http:// or https://"),
        ("http://", {}, "has no host that can be used, such as https://api.example.com"),
        ("${PROXY}", {}, "the environment variable PROXY is not set or is empty"),
        ("${PROXY}", {"PROXY": "ftp://anna:hunter2@proxy"}, "must start with http:// or https://"),
        ("${PROXY}", {"PROXY": "http://anna:hunter2@proxy:x"}, "the host or port of the URL cannot be read"),
        ("http://${PROXY}", {"PROXY": "proxy"}, 'must be "${ENV_NAME}" alone, with nothing before or after it'),
    ],
)
def test_a_proxy_that_cannot_be_used_is_said_in_plain_words(
    written: str, env: dict[str, str], message: str, tmp_path: Path
) -> None:
    found = mistakes(f'proxy: "{written}"', tmp_path, **env)
    assert found == [f"api.proxy: {message}"]
    assert "hunter2" not in "".join(found)


NO_ASCII = "the host must be written in ASCII, as DNS has it: xn--mller-kva.example for müller.example"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("allowed_hosts: [xn--mller-kva.example, müller.example]", "api.allowed_hosts.1"),
        ("allowed_hosts: ['api.пример:8443']", "api.allowed_hosts.0"),
        ("proxy: http://müller.example:3128", "api.proxy"),
        (
            "auth: {type: oauth2_client_credentials, token_url: 'https://müller.example/t', client_id: a, client_secret: '${K}'}",
            "api.auth.token_url",
        ),
    ],
)
def test_a_host_that_is_not_ascii_is_a_mistake_with_the_way_to_write_it(
    more: str, message: str, tmp_path: Path
) -> None:
    assert mistakes(more, tmp_path, K="k") == [f"{message}: {NO_ASCII}"]


def test_so_is_that_of_the_api(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(TEXT.replace("MORE", "auth: {type: none}").replace("api.example", "müller.example"), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_source(str(path), conf_dir=tmp_path, env={})
    assert str(caught.value).endswith(f"shop.yml:3: api.url: {NO_ASCII}")
