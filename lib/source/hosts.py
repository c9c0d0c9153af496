"""Which servers may be asked: the one that the source YAML names, those it lists, and never a metadata service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import urllib3.exceptions
from urllib3.util import parse_url

from lib.errors import SourceError

DEFAULT_PORTS = {"http": 80, "https": 443}
NEVER_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
NEVER_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local, and with it the metadata services of most clouds
        "fe80::/10",  # link-local
        "fd00:ec2::254/128",  # the metadata services that have an address elsewhere
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_LAST_32_BITS = 0xFFFFFFFF


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port of a URL. The port is always there, so `http://h` and `http://h:80` are equal."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def origin_of(url: str) -> Origin:
    """The origin of a URL.

    Raises:
        SourceError: it is no http(s) URL, holds a user or password, or can be read in more than one way.
    """
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise SourceError("an address with spaces, control characters or backslashes is not followed")
    scheme = url.partition(":")[0].lower()
    if scheme not in DEFAULT_PORTS:
        raise SourceError("an address that is neither http:// nor https:// is not followed")
    one = other = None
    try:
        parts, parsed = urlsplit(url), parse_url(url)
        one = (parts.hostname or "", parts.port)
        other = ((parsed.host or "").strip("[]").lower(), parsed.port)
    except (ValueError, urllib3.exceptions.HTTPError):
        pass  # the exception would show the URL
    # Two parsers that find two hosts in one text are how a check is led past: the connection is opened by one of them.
    if one is None or one != other or not one[0]:
        raise SourceError("an address whose host or port cannot be read is not followed")
    if "@" in parts.netloc:
        raise SourceError("an address that holds a user or password is not followed")
    host, port = one
    return Origin(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)


def check_allowed(origin: Origin, home: Origin, allowed_hosts: Iterable[str]) -> None:
    """Let a request go to the source's own origin, and to listed hosts; from https never to http.

    Raises:
        SourceError: nothing may be sent there.
    """
    if origin.host.rstrip(".") in NEVER_NAMES or is_never(origin.host):
        raise SourceError(f"{origin} is a link-local address or a metadata service, which is never contacted")
    if origin == home:
        return
    if home.scheme == "https" and origin.scheme == "http":
        raise SourceError(f"{origin} is not encrypted, while api.url is https")
    if not any(_names(entry, origin) for entry in allowed_hosts):
        raise SourceError(f"{origin} is another server than api.url; if it may be asked, list it in api.allowed_hosts")


def is_never(address: str) -> bool:
    """Whether this is an IP address, in whatever form, that must not be asked. A host's name is none."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    forms: list[IPv4Address | IPv6Address] = [ip]
    if isinstance(ip, IPv6Address):
        forms += [form for form in (ip.ipv4_mapped, ip.sixtofour) if form]
        if ip in _NAT64:
            forms.append(IPv4Address(int(ip) & _LAST_32_BITS))
    return any(form in network for form in forms for network in NEVER_NETWORKS)


def _names(entry: str, origin: Origin) -> bool:
    """Whether `host` (at the scheme's own port) or `host:port` is that of the origin."""
    parts = urlsplit(f"//{entry}")
    port = DEFAULT_PORTS[origin.scheme] if parts.port is None else parts.port
    return (parts.hostname, port) == (origin.host, origin.port)
