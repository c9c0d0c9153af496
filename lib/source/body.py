"""The bytes of an answer: read within their cap, unpacked within it too, and turned into text."""

from __future__ import annotations

import codecs
import json
import re
import zlib
from typing import Protocol

from lib.errors import SourceError
from lib.source.retry import TryAgainError

CHUNK_BYTES = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"
MAX_MEMBERS = 100
_MB = 1024 * 1024
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15  # zlib's wbits
# As browsers read the label: what calls itself latin-1 is windows-1252. ASCII that is no UTF-8 is no ASCII either.
_READ_AS = {"iso8859-1": "cp1252", "ascii": "utf-8"}
# One byte a character, and ASCII below 128: nothing in them can be mistaken for the quotes and brackets of JSON.
_SINGLE_BYTE = re.compile(r"cp125[0-8]|iso8859-(?:[2-9]|1[013456])|koi8-[ru]|mac-roman")
_UNICODE = frozenset({"utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})


class Readable(Protocol):
    """A urllib3 response, as far as it is needed here."""

    def read1(self, amt: int, decode_content: bool) -> bytes:  # noqa: FBT001 - as urllib3 has it
        """At most `amt` bytes, from one read of the socket."""


def read_raw(response: Readable, announced: str | None, max_bytes: int) -> bytes:
    """The body as it comes over the wire.

    Raises:
        SourceError: it is larger than allowed; a body that announces this is not read at all.
    """
    if announced is not None and announced.isascii() and announced.isdigit() and _too_large(announced, max_bytes):
        raise _over(max_bytes)
    raw = bytearray()
    while chunk := response.read1(CHUNK_BYTES, decode_content=False):
        raw += chunk
        if len(raw) > max_bytes:
            raise _over(max_bytes)
    return bytes(raw)


def read_start(response: Readable, max_bytes: int) -> bytes:
    """The first bytes of a body that is only shown in a message."""
    raw = bytearray()
    while len(raw) < max_bytes and (chunk := response.read1(max_bytes - len(raw), decode_content=False)):
        raw += chunk
    return bytes(raw)


def unpacked(raw: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its compression. gzip is also known by its first bytes, where no header speaks of it.

    Raises:
        TryAgainError: it ends early or is damaged.
        SourceError: the encoding is none that was asked for, or what is inside is larger than allowed.
    """
    names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    if raw.startswith(GZIP_MAGIC) and names in ([], ["gzip"], ["x-gzip"]):
        return _inflated(raw, _GZIP, max_bytes)
    if not names or not raw:
        return raw
    if names == ["deflate"]:
        is_zlib = raw[0] & 0x0F == zlib.DEFLATED and int.from_bytes(raw[:2]) % 31 == 0  # RFC 1950, section 2.2
        return _inflated(raw, _ZLIB if is_zlib else _RAW_DEFLATE, max_bytes)
    if names in (["gzip"], ["x-gzip"]):
        raise TryAgainError("the body is not gzip, though its Content-Encoding says so", reason="encoding")
    raise SourceError("the body's Content-Encoding is neither gzip nor deflate, and only these were asked for")


def text_of(body: bytes, content_type: str) -> str:
    """The body as text that UTF-8 can hold. A byte order mark is believed first and left out.

    Then UTF-8 is tried, whatever the label says: JSON between systems is UTF-8 (RFC 8259, section 8.1), labels are
    often a server's default, and text in another character set is hardly ever valid UTF-8 by chance. Then the label.

    Raises:
        TryAgainError: it is not text in the character set that it seems to have, or names.
        SourceError: it names a character set that is not known here.
    """
    seen = json.detect_encoding(body[:4])
    found = _decoded(body, "utf-8-sig" if seen == "utf-8" else seen)
    if found is not None:
        return found
    label = re.search(r"charset\s*=\s*[\"']?([\w.:+-]+)", content_type, re.ASCII | re.IGNORECASE)
    name = "utf-8" if label is None else _codec(label.group(1))
    if name is None:
        raise SourceError("the answer names a character set that is not known here; api.url must answer in UTF-8")
    found = _decoded(body, name)
    if found is None:
        raise TryAgainError(f"the answer is not valid {seen if name == 'utf-8' else name} text", reason="encoding")
    return found


def _decoded(body: bytes, codec: str) -> str | None:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return None


def _codec(label: str) -> str | None:
    """Python's name for a character set that can be read safely as JSON, or None."""
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    name = _READ_AS.get(name, name)
    return name if name in _UNICODE or _SINGLE_BYTE.fullmatch(name) else None


def _inflated(raw: bytes, wbits: int, max_bytes: int) -> bytes:
    """Unpacked piece by piece, so that memory stays near the cap whatever the body claims to become."""
    found = bytearray()
    members, stream = 1, zlib.decompressobj(wbits)
    damaged = False
    try:
        for start in range(0, len(raw), CHUNK_BYTES):
            piece = raw[start : start + CHUNK_BYTES]
            while piece:
                if stream.eof:
                    members, stream = members + 1, zlib.decompressobj(wbits)
                    if members > MAX_MEMBERS:
                        raise SourceError(f"the compressed body has more than {MAX_MEMBERS} parts")
                found += stream.decompress(piece, CHUNK_BYTES)
                if len(found) > max_bytes:
                    raise _over(max_bytes)
                piece = stream.unconsumed_tail or stream.unused_data
        if not stream.eof:
            found += stream.flush()  # what the last limit held back: less than a kilobyte
    except zlib.error:
        damaged = True
    if damaged:
        raise TryAgainError("the compressed body is damaged", reason="encoding")
    if not stream.eof:
        raise TryAgainError("the compressed body ended early", reason="body_ended_early")
    if len(found) > max_bytes:
        raise _over(max_bytes)
    return bytes(found)


def _too_large(digits: str, max_bytes: int) -> bool:
    digits = digits.lstrip("0")
    return len(digits) > len(str(max_bytes)) or int(digits or "0") > max_bytes


def _over(max_bytes: int) -> SourceError:
    return SourceError(f"the answer is larger than api.limits.max_body_mb allows ({max_bytes / _MB:g} MB)")
