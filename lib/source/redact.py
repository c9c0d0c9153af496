"""Keeps secrets out of everything that is written down: URLs, messages of a server, exceptions."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, quote_plus, urlencode, urlsplit, urlunsplit

HIDDEN = "***"
SHOWN_CHARACTERS = 200


def redacted_url(url: str, params: Iterable[tuple[str, str]] = (), secret_params: Iterable[tuple[str, str]] = ()) -> str:
    """The address with `params` in clear and every secret parameter's value hidden."""
    parts = urlsplit(url)
    query = [urlencode(list(params)), *(f"{quote(name)}={HIDDEN}" for name, _ in secret_params)]
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path, "&".join(part for part in query if part), ""))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets, in one line, cut after 200 characters."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        for form in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(form, HIDDEN)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
