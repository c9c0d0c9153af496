"""Other hosts that an API may send us to, and the certificates of private ones."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

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
