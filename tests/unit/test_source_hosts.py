"""Which servers a request may go to: redirects, listed hosts, link-local addresses, TLS and proxies."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lib.errors import SourceError
from lib.source.access import Access
from lib.source.client import SourceClient
from lib.source.hosts import Origin, check_allowed, is_never, origin_of
from lib.source.page import PageRow, fetch_page
from lib.source.paging import Position
from tests.scripted_server import Reply, ScriptedServer

PAGE = b'{"items": [{"id": 1}]}'
KEY = "planted-key"
NO_URL = "an address whose host or port cannot be read is not followed"
NEITHER = "an address that is neither http:// nor https:// is not followed"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    with ScriptedServer({("/t", None): [Reply(PAGE)]}) as running:
        yield running


def to(location: str, status: int = 302) -> Reply:
    return Reply(b"", status=status, headers={"Location": location})


def fetch(access: Access) -> PageRow:
    with SourceClient(access) as client:
        return fetch_page(client, run_id="r", table="t", path="/t", position=Position(3))


def access(server: ScriptedServer, **more: object) -> Access:
    return Access(base_url=server.url, timeout_s=3, attempts=1, **more)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server_is_followed_with_key_and_page(status: int, server: ScriptedServer) -> None:
    server.play("/t", to("/there/", status))
    server.play("/there/", Reply(PAGE))
    row = fetch(access(server, headers=(("X-Api-Key", KEY),), params=(("key", KEY),)))
    assert (row.error, row.n_items) == (None, 1)
    assert server.asked[1].headers["x-api-key"] == KEY
    assert server.asked[1].query == {"page": ["3"], "size": ["100"], "key": [KEY]}
    assert KEY not in row.url


def test_a_redirect_with_a_query_of_its_own_keeps_it_and_still_has_the_key(server: ScriptedServer) -> None:
    server.play("/t", to(f"{server.url}/u?page=3&token=x%26y"))
    server.play("/u", Reply(PAGE))
    assert fetch(access(server, params=(("key", KEY),))).error is None
    assert server.asked[1].query == {"page": ["3"], "token": ["x&y"], "key": [KEY]}


def test_five_redirects_are_followed_and_a_sixth_is_not(server: ScriptedServer) -> None:
    for step in range(5):
        server.play("/t" if step == 0 else f"/{step}", to(f"/{step + 1}"))
    server.play("/5", Reply(PAGE))
    assert fetch(access(server)).error is None
    server.play("/5", to("/t"))
    server.asked.clear()
    row = fetch(access(server))
    assert row.error == f"{server.url}/t?page=3&size=100: the source redirects more than 5 times"
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("", "status 302 redirects, but does not say where to"),
        ("javascript:alert(1)", NEITHER),
        ("file:///etc/passwd", NEITHER),
        ("ftp://127.0.0.1/t", NEITHER),
        ("http://[::1", "the source redirects to something that is not a URL"),
        ("http://127.0.0.1:99999/", NO_URL),
        ("http://127.0.0.1:x/", NO_URL),
        ("http://anna:pw@127.0.0.1/", "an address that holds a user or password is not followed"),
        (
            "http://127.0.0.1\\@evil.example/",
            "an address with spaces, control characters or backslashes is not followed",
        ),
        ("/a b", "an address with spaces, control characters or backslashes is not followed"),
        (
            "//evil.example/t",
            "http://evil.example:80 is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "http://127.0.0.1:1/t",
            "http://127.0.0.1:1 is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        ),
        (
            "http://169.254.169.254/latest/meta-data",
            "http://169.254.169.254:80 is a link-local address or a metadata service, which is never contacted",
        ),
        (
            "http://metadata.google.internal./x",
            "http://metadata.google.internal.:80 is a link-local address or a metadata service, which is never contacted",
        ),
    ],
)
def test_a_redirect_to_elsewhere_is_refused_at_once(location: str, message: str, server: ScriptedServer) -> None:
    server.play("/t", to(location))
    row = fetch(access(server))
    assert row.error == f"{server.url}/t?page=3&size=100: {message}"
    assert len(server.asked) == 1


def test_a_listed_host_is_asked_without_the_source_s_credentials(server: ScriptedServer, other: ScriptedServer) -> None:
    server.play("/t", to(f"{other.url}/t?page=3&key={KEY}"))
    row = fetch(
        access(
            server,
            headers=(("Authorization", f"Bearer {KEY}"), ("X-Api-Key", KEY)),
            params=(("key", KEY),),
            allowed_hosts=(f"127.0.0.1:{other.port}",),
        )
    )
    assert (row.error, row.n_items) == (None, 1)
    assert other.asked[0].query == {"page": ["3"]}
    assert KEY not in str(other.asked)


@pytest.mark.parametrize("form", ["/planted-key/t", "/t?x=planted%2Dkey", "/t?x=%70lanted-key"])
def test_a_redirect_that_carries_the_key_elsewhere_is_refused(
    form: str, server: ScriptedServer, other: ScriptedServer
) -> None:
    server.play("/t", to(other.url + form))
    row = fetch(access(server, headers=(("X-Api-Key", KEY),), allowed_hosts=(f"127.0.0.1:{other.port}",)))
    assert row.error == f"{server.url}/t?page=3&size=100: the source redirects to an address that holds a credential"
    assert other.asked == []


def test_default_ports_compare_equal() -> None:
    assert origin_of("http://h/x") == origin_of("HTTP://H:80") == Origin("http", "h", 80)
    assert origin_of("https://h") == origin_of("https://h:443/")
    assert origin_of("https://h") != origin_of("http://h")
    assert origin_of("http://[::1]:8000/") == Origin("http", "::1", 8000)


@pytest.mark.parametrize(
    ("entry", "url", "passes"),
    [
        ("files.example", "https://files.example/x", True),
        ("files.example", "https://files.example:443/x", True),
        ("files.example", "https://files.example:8443/x", False),
        ("files.example:8443", "https://files.example:8443/x", True),
        ("files.example:8443", "https://files.example/x", False),
        ("files.example", "http://files.example/x", False),
        ("files.example", "https://files.example.evil.test/x", False),
        ("files.example", "https://evil-files.example/x", False),
        ("[::1]:8443", "https://[::1]:8443/", True),
        ("169.254.169.254", "https://169.254.169.254/", False),
        ("metadata.google.internal", "https://metadata.google.internal/", False),
    ],
)
def test_a_listed_host_is_that_host_and_port_and_no_other(entry: str, url: str, passes: bool) -> None:  # noqa: FBT001 - a case
    home = origin_of("https://api.example")
    if passes:
        check_allowed(origin_of(url), home, [entry])
    else:
        with pytest.raises(SourceError):
            check_allowed(origin_of(url), home, [entry])


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
    ],
)
def test_link_local_and_metadata_addresses_are_known_in_every_form(address: str) -> None:
    assert is_never(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "8.8.8.8", "api.example", ""])
def test_other_addresses_may_be_asked(address: str) -> None:
    assert not is_never(address)


def test_a_name_that_leads_to_a_forbidden_address_gets_no_request(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 127.0.0.1 stands for 169.254.169.254: what counts is the address at the other end of the connection.
    server.play("/t", Reply(PAGE))
    monkeypatch.setattr("lib.source.hosts.NEVER_NETWORKS", (ipaddress.ip_network("127.0.0.0/8"),))
    with SourceClient(Access(base_url=f"http://localhost:{server.port}", timeout_s=3, max_wait_s=0)) as client:
        row = fetch_page(client, run_id="r", table="t", path="/t", position=Position(3))
    assert row.attempts == 1
    assert row.error is not None
    assert row.error.endswith(
        ": the host is at 127.0.0.1, a link-local address or a metadata service, which is never contacted"
    )
    assert server.asked == []


def test_the_source_itself_may_not_be_a_metadata_service() -> None:
    row = fetch(Access(base_url="http://169.254.169.254", timeout_s=1))
    assert (row.attempts, row.status) == (1, None)
    assert "never contacted" in (row.error or "")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that signs itself: its PEM, and what a server needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private CA")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return pem.decode(), context


def test_a_private_ca_is_trusted_if_it_is_given_and_only_then(
    authority: tuple[str, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem, context = authority
    (tmp_path / "ca.pem").write_text(pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with ScriptedServer({("/t", None): [Reply(PAGE)]}, tls=context) as server:
        assert fetch(access(server, ca_pem=pem)).n_items == 1
        row = fetch(Access(base_url=server.url, timeout_s=3, attempts=3))
    assert row.attempts == 1
    assert row.error == (
        f"{server.url}/t?page=3&size=100: the TLS certificate could not be verified; "
        "if the source has its own CA, name its file in api.ca_file"
    )


def test_a_private_ca_is_trusted_for_its_own_names_alone(authority: tuple[str, ssl.SSLContext]) -> None:
    pem, context = authority
    with ScriptedServer({("/t", None): [Reply(PAGE)]}, tls=context) as server:
        row = fetch(Access(base_url=f"https://localhost:{server.port}", timeout_s=3, ca_pem=pem))
    assert "certificate could not be verified" in (row.error or "")
    assert server.asked == []


def test_plain_text_where_tls_is_expected_is_tried_again(server: ScriptedServer) -> None:
    url = server.url.replace("http://", "https://")
    row = fetch(Access(base_url=url, timeout_s=0.5, attempts=2, max_wait_s=0))
    assert row.retries in ('{"tls": 1}', '{"timeout": 1}')
    assert row.error is not None


def test_a_redirect_from_https_to_http_is_refused(authority: tuple[str, ssl.SSLContext], other: ScriptedServer) -> None:
    pem, context = authority
    with ScriptedServer({("/t", None): [to(f"{other.url}/t")]}, tls=context) as server:
        row = fetch(access(server, ca_pem=pem, allowed_hosts=(f"127.0.0.1:{other.port}",)))
    assert row.error is not None
    assert row.error.endswith(f"{other.url} is not encrypted, while api.url is https")
    assert other.asked == []


def test_a_proxy_is_used_if_the_source_names_it(server: ScriptedServer) -> None:
    server.play("/t", Reply(PAGE))
    proxy = server.url.replace("//", "//anna:pw@")
    row = fetch(Access(base_url="http://api.example", timeout_s=3, proxy=proxy))
    assert (row.error, row.n_items) == (None, 1)
    assert server.asked[0].target == "http://api.example/t?page=3&size=100"
    assert server.asked[0].headers["proxy-authorization"] == "Basic YW5uYTpwdw=="


def test_a_proxy_that_refuses_is_said_to(server: ScriptedServer) -> None:
    server.play("", Reply(b"", status=407))
    row = fetch(Access(base_url="https://api.example", timeout_s=1, attempts=1, proxy=server.url))
    assert row.error == "https://api.example/t?page=3&size=100: the proxy could not be reached, or refused (api.proxy)"


def test_nothing_of_the_environment_is_used(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password pw\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.play("/t", Reply(PAGE, headers={"Set-Cookie": "session=1"}))
    for _ in range(2):
        assert fetch(access(server)).error is None
    assert all(not {"authorization", "cookie"} & set(asked.headers) for asked in server.asked)
