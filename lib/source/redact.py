"""Keeps secrets out of everything that is written down: URLs, messages of a server, exceptions."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode, urlsplit, urlunsplit

HIDDEN = "***"
SHOWN_CHARACTERS = 200


def redacted_url(
    url: str, params: Iterable[tuple[str, object]] = (), secret_params: Iterable[tuple[str, object]] = ()
) -> str:
    """The address with `params` in clear and every secret parameter's value hidden."""
    parts = urlsplit(url)
    query = [urlencode(list(params)), *(f"{quote(name)}={HIDDEN}" for name, _ in secret_params)]
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "&".join(part for part in query if part), ""))


def redacted(text: str, secrets: Iterable[str], *, shown: int = SHOWN_CHARACTERS) -> str:
    """The text without any of the secrets, in one line without control characters, cut after `shown` characters.

    Where a secret is still in it, written in a way that is not looked for, nothing of the text is shown.
    """
    known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    for form in sorted({form for secret in known for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    if holds(text, known):
        return f"{HIDDEN} (not shown, as it repeats a credential)"
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= shown else text[:shown] + "…"


def holds(text: str, secrets: Iterable[str]) -> bool:
    """Whether one of the secrets is in the text, as it is or escaped for a URL, HTML or JSON, once or twice."""
    readings = {text}
    for _ in range(2):
        readings |= {
            read(reading) for reading in readings for read in (unquote, unquote_plus, html.unescape, _without_escapes)
        }
    return any(secret in reading for secret in secrets if secret for reading in readings)


def _forms(secret: str) -> set[str]:
    """The ways in which a server's message may well repeat a secret."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), form) for form in quoted}
    as_json = {json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    encoded = base64.b64encode(secret.encode()).decode()
    packed = {encoded, encoded.rstrip("="), base64.urlsafe_b64encode(secret.encode()).decode()}
    return {secret, html.escape(secret), *quoted, *lower, *as_json, *packed}


def _without_escapes(text: str) -> str:
    r"""The text with JSON's `\u0041` and `\/` read."""
    text = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found.group(1), 16)), text)
    return re.sub(r"\\(.)", r"\1", text)
