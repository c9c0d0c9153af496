"""Where a lake may be: from what a person writes to a path that every engine takes as it is, or a sentence.

Spark, delta-rs (so Polars and DuckDB as well) and the site get one and the same absolute path, never a URI. What one of them would
read as something else is refused before anything is touched.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from lib.errors import ConfigError
from lib.lake.storage import Address
from lib.stores import SAME, schemes

# Of the 4,096 bytes that Linux gives a path, the names within a lake take some 500.
MAX_BYTES = 3000
MAX_NAME_BYTES = 255
# delta-rs makes a URL of a path: it decodes `%20`, takes a backslash for a slash, finds no history of a table
# behind `#` or `?`, and its Rust panics at brackets, `|` and `^`. Great Expectations takes `$x` for a variable.
_REFUSED = frozenset("%$#?\\[]|^")
# What a URL keeps as it is, so that an address is one text to all engines.
_KEY = re.compile(r"[A-Za-z0-9._=+-]+(/[A-Za-z0-9._=+-]+)*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)


def address_of(text: str, name: str = "--lake") -> Address:
    """The address of the folder that a path or a URI names. Nothing is touched.

    `name` is what the message calls the option.

    Raises:
        ConfigError: no folder of this machine or of an object store, or one that an engine cannot open; says why and what to write.
    """
    found = _SCHEME.fullmatch(text)
    scheme = found[1].lower() if found else ""
    is_uri = found is not None and (found[1].isalnum() or found[2].startswith("//"))
    if found and is_uri and "@" in found[2] and scheme != "file":
        # Anywhere: a key may hold a slash.
        message = (
            f"{name} {scheme}:...: no user and no password in an address; credentials are found where the store's own tools have "
            "them"
        )
        raise ConfigError(message)
    scheme = SAME.get(scheme, scheme)
    if found is None or scheme not in schemes() or not found[2].startswith("//"):
        return Address("", str(place_of(text, name)))
    bucket, _, path = found[2].removeprefix("//").partition("/")
    where, path = f"{name} {_shown(text)}", path.rstrip("/")
    if not _BUCKET.fullmatch(bucket):
        message = f"{where}: names no bucket; write such as {scheme}://bucket/lake"
        raise ConfigError(message)
    if not path:
        message = f"{where}: names a whole bucket; a lake is in a folder of it, such as {scheme}://{bucket}/lake"
        raise ConfigError(message)
    if not _KEY.fullmatch(path) or {".", ".."} & set(path.split("/")):
        message = (
            f"{where}: in an object store the path of a lake has only the letters a to z, digits, and . _ - + = between its "
            "slashes; give another one"
        )
        raise ConfigError(message)
    _check_length(path, where)
    return Address(f"{scheme}://{bucket}", f"/{path}")


def place_of(text: str, name: str = "--lake") -> Path:
    """The absolute path of the folder that a path or a `file:` URI names. Nothing is touched.

    `name` is what the message calls the option.

    Raises:
        ConfigError: not a local folder, or a path that an engine cannot open; says why and what to write.
    """
    where = f"{name} {_shown(text)}"
    if not text.strip():
        raise ConfigError(f"{name}: it is empty; name a folder, such as lake/demo")
    path = _local(text, where)
    _check_characters(path, where)
    # As the kernel walks it: `link/..` is the folder above the link's target.
    head, parent, tail = path.rpartition("/../")
    if parent or path.endswith("/.."):
        path = os.path.join(os.path.realpath(head + parent if parent else path), tail if parent else "")
    root = Path(os.path.abspath(path))
    try:
        real = os.path.realpath(root, strict=False)
        for one in dict.fromkeys((str(root), real)):
            _check_characters(one, where)
            _check_length(one, where)
        _check_folder(root, where)
    except OSError as error:
        raise ConfigError(f"{where}: cannot be opened ({error.strerror}); give another path") from None
    return root


def _local(text: str, where: str) -> str:
    """The path of a `file:` URI, decoded; a path as it is."""
    found = _SCHEME.fullmatch(text)
    if found and (found[1].isalnum() or found[2].startswith("//")):
        if found[1].lower() != "file":
            raise ConfigError(
                f"{where}: a lake is at a local path, a file: URI, or in a store at {_listed()} (a folder with ':' in its name: "
                "./...)"
            )
        return _of_uri(text, where)
    if text[0] == "-":
        raise ConfigError(f"{where}: looks like an option; a folder of that name is ./{_shown(text)}")
    if text[0] == "~":
        raise ConfigError(
            f"{where}: the shell did not replace '~'; give the whole path (a folder of that name is ./{_shown(text)})"
        )
    if text[0] == "$":
        raise ConfigError(f"{where}: the shell did not replace the variable; give the whole path")
    _check_network(text, where)
    return text


def _listed() -> str:
    *others, last = (f"{scheme}://" for scheme in schemes())
    return f"{', '.join(others)} or {last}" if others else last


def _of_uri(text: str, where: str) -> str:
    if "?" in text or "#" in text:
        raise ConfigError(f"{where}: a file: URI has no query and no fragment")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ConfigError(f"{where}: not a file: URI; write file:///path") from None
    if parts.netloc.lower() not in ("", "localhost"):
        raise ConfigError(f"{where}: names another host; a lake is on a local path, such as file:///path")
    # Not parts.path: urlsplit drops tabs and line ends.
    rest = text[len("file:") :]
    path = rest[2:].partition("/")[2] if rest.startswith("//") else rest[1:]
    if not rest.startswith("/") or (rest.startswith("//") and "/" not in rest[2:]):
        raise ConfigError(f"{where}: a file: URI needs an absolute path, such as file:///path")
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise ConfigError(f"{where}: '%' in a file: URI is followed by two hexadecimal digits")
    try:
        decoded = "/" + unquote_to_bytes(path.encode("utf-8")).decode("utf-8")
    except UnicodeError:
        raise ConfigError(f"{where}: the file: URI is not UTF-8") from None
    _check_network(decoded, where)
    return decoded


def _check_network(path: str, where: str) -> None:
    if path.startswith("//") and not path.startswith("///"):
        raise ConfigError(f"{where}: two slashes at its start are a network address; a lake is on a local path")


def _check_characters(path: str, where: str) -> None:
    for character in path:
        kind = unicodedata.category(character)
        if character in _REFUSED:
            shown = f"'{character}'"
        elif kind in ("Cc", "Zl", "Zp"):
            shown = f"a control character (U+{ord(character):04X})"
        elif kind == "Cs":
            shown = "a byte that is not UTF-8"
        else:
            continue
        at = "" if _shown(path) in where else f" (its path is {_shown(path)})"
        raise ConfigError(
            f"{where}{at}: has {shown}, which not every engine can open in a path; give a folder without it"
        )


def _check_length(path: str, where: str) -> None:
    if max(len(name.encode("utf-8")) for name in path.split("/")) > MAX_NAME_BYTES:
        raise ConfigError(f"{where}: a name in it is longer than {MAX_NAME_BYTES} bytes; give a shorter one")
    if len(path.encode("utf-8")) > MAX_BYTES:
        raise ConfigError(f"{where}: longer than {MAX_BYTES} bytes; give a shorter path")


def _check_folder(root: Path, where: str) -> None:
    """Nothing but a folder is there, or can come there."""
    for path in (root, *root.parents):
        try:
            path.stat()
        except FileNotFoundError:
            if path.is_symlink():
                raise ConfigError(f"{where}: {path} is a link to a folder that does not exist; make it first") from None
            continue
        except NotADirectoryError:
            continue
        if path.is_dir():
            return
        message = "there is a file at this path; a lake is a folder" if path == root else f"{path} is a file"
        raise ConfigError(f"{where}: {message}; give another path")


def _shown(text: str) -> str:
    """The text on one line, of a length that can be read, in characters that any terminal prints."""
    clean = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    return clean if len(clean) <= 200 else f"{clean[:200]}..."
