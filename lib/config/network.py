"""Addresses that a source YAML names: URLs, paths, other hosts that may be asked, and the certificates of private ones."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import Field

from lib.config.fixed import check_query

# Hosts are compared as they are asked, and that is in this form.
_NO_ASCII = "the host must be written in ASCII, as DNS has it: xn--mller-kva.example for müller.example"


def checked_url(url: str, *, with_query: bool = False) -> str:
    """Return the URL without the last slashes of its path.

    Raises:
        ValueError: it is not an http(s) URL with a host and nothing after the path (a query at most, with `with_query`). The
            message never holds the URL, since there may be a password in it.
    """
    if not url.isprintable() or re.search(r"[\s\\]", url):
        raise ValueError("must not hold spaces, line breaks or backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the host or port of the URL cannot be read") from None  # the cause would show the URL
    if parts.scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; use api.auth with type: basic")
    if not host or re.search(r"[^\w.:%-]", host):
        raise ValueError("has no host that can be used, such as https://api.example.com")
    if not host.isascii():
        raise ValueError(_NO_ASCII)
    if not with_query and ("?" in url or "#" in url):
        raise ValueError("must not hold a query or fragment (nothing from '?' or '#' on)")
    if "#" in url:
        raise ValueError("must not hold a fragment (nothing from '#' on)")
    check_query(url)
    path, mark, query = url.partition("?")
    return path.rstrip("/") + (mark + query if query else "")


def checked_path(path: str) -> str:
    """Return a path below `api.url`.

    Raises:
        ValueError: it is none, leads out of it, or holds a secret.
    """
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("must be a path below api.url that starts with one '/', such as /tracks")
    if not path.isprintable() or re.search(r"[\s\\#]", path):
        raise ValueError("must not hold spaces, backslashes or '#'")
    check_query(path)
    if ".." in unquote(path.partition("?")[0]).replace("\\", "/").split("/"):
        raise ValueError("must not hold '..'")
    return path


def is_known(url: str, home: str, allowed_hosts: Iterable[str]) -> bool:
    """Whether a URL is at the scheme, host and port of `home`, or at one of the listed hosts."""
    scheme, host, port = _origin(url)
    listed = [_origin(f"{scheme}://{entry}") for entry in allowed_hosts]
    return (scheme, host, port) in [*listed, *([_origin(home)] if home else [])]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its address or as `localhost`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


UrlText: TypeAlias = Annotated[
    str, Field(title="http(s) URL", json_schema_extra={"pattern": "^[hH][tT][tT][pP][sS]?://"})
]
"""An address, as far as its start tells."""


def checked_host(entry: str) -> str:
    """Return `host` or `host:port` in lower case.

    Raises:
        ValueError: it is neither.
    """
    try:
        parts = urlsplit(f"//{entry}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.netloc != entry or re.search(r"[^\w.:%\[\]-]", entry) or entry.endswith(":") or port == 0:
        raise ValueError("must be a host or host:port, such as api.example.com or api.example.com:8443")
    if not host.isascii():
        raise ValueError(_NO_ASCII)
    return entry.lower()


def pem_of(written: str, folder: Path | None) -> str:
    """The text of a file of certificates; a relative path starts at the folder of the source YAML.

    Raises:
        ValueError: there is no such file, or no certificate in it.
    """
    path = Path(written)
    if not path.is_absolute():
        if folder is None:
            raise ValueError("must be an absolute path here, as the folder of the source YAML is not known")
        path = folder / path
    try:
        text = path.read_text(encoding="ascii")
        if "BEGIN CERTIFICATE" not in text:  # an empty text would mean the public certificates
            raise ValueError
        ssl.create_default_context(cadata=text)
    except FileNotFoundError:
        raise ValueError("there is no such file (a relative path starts at the folder of the source YAML)") from None
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
        raise ValueError(f"cannot be read as certificates in PEM{f' ({reason})' if reason else ''}") from None
    return text
