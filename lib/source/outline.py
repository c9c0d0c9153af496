"""What may be said of an answer: its kind, its keys and its length. Never a value, which may be anybody's personal data."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from lib.config.source_names import is_name
from lib.source.json_text import Json

SHOWN_KEYS = 10
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
_NO_JSON = {
    "text/html": "HTML",
    "application/xhtml+xml": "HTML",
    "text/xml": "XML",
    "application/xml": "XML",
    "text/plain": "text",
    "text/csv": "CSV",
}


def outline(body: bytes, content_type: str) -> str:
    """A body in words, such as `a JSON object whose keys are detail, items (1,234 bytes)`."""
    if not body.strip():
        return "no message"
    return f"{_kind(body, content_type)} ({len(body):,} byte{'' if len(body) == 1 else 's'})"


def keys_of(keys: Iterable[str]) -> str:
    """Those of an object's keys that look like names of columns, the first of them, and how many others there are."""
    known = list(keys)
    shown = [key for key in known if is_name(key)][:SHOWN_KEYS]
    others = f"{len(known) - len(shown):,} other{'' if len(known) - len(shown) == 1 else 's'}"
    if not shown:
        return "not shown, as they may hold values" if known else "none"
    return f"{', '.join(shown)} and {others}" if len(shown) < len(known) else ", ".join(shown)


def found_instead(answer: Json, found: Json) -> str:
    """What is in an answer in the place of its rows, in words, without any of its values."""
    if found is not None:
        return f"there is {kind_of(found)}"
    if not isinstance(answer, dict):
        return f"it is {kind_of(answer)}"
    return f"its keys are {keys_of(answer)}" if answer else "it has no keys"


def kind_of(value: Json) -> str:
    """The kind of a JSON value, in words."""
    return _KINDS.get(type(value), "a number")


def _kind(body: bytes, content_type: str) -> str:
    try:
        value = orjson.loads(body)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return f"a JSON object whose keys are {keys_of(value)}" if value else "a JSON object without keys"
    if isinstance(value, list):
        return f"a JSON list of {len(value):,}"
    if value is not None:
        return "a single JSON value"
    # What the label says only if it is one of these: a header is the source's own text as well.
    return _NO_JSON.get(content_type.partition(";")[0].strip().lower(), "something else than JSON")
