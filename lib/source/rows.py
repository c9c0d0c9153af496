"""The rows of a page that cannot be taken as it is: cut apart, so that one bad row takes no other with it.

Slow beside a reading of the whole page, and only used where that has failed, or would fail in Spark later.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, cast

import orjson

from lib.config.source_names import is_name
from lib.source.json_text import Json
from lib.source.retry import TryAgainError

NOT_AN_OBJECT = "not_an_object"
UNREADABLE_TEXT = "unreadable_text"
UNREADABLE_NUMBER = "unreadable_number"
DUPLICATE_KEY = "duplicate_key"
TOO_LONG = "too_long"
TOO_DEEP = "too_deep"
# Beyond these the JVM's parser (Jackson) gives up on the whole text; of depth it takes 1000, and Python's takes less.
MAX_STRING, MAX_NUMBER, MAX_NAME, MAX_DEPTH = 20_000_000, 1000, 50_000, 500
# A page of more characters than this is handed on row by row: the JVM holds no JSON value of more than 128 MB.
MAX_PAGE = 32_000_000
# So much of a bad value is kept to be shown.
SHOWN = 1000
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:"]|[^\s"\[\]{},:]+', re.DOTALL)
_LONG = re.compile(rf'[0-9][0-9.eE+-]{{{MAX_NUMBER},}}|"[^"]{{{MAX_NAME},}}')
_BLOCK = MAX_NUMBER // 2
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True)
class RowText:
    """One row of a page that is handed on row by row.

    `json` is what can be read of it (None: it is no object; what is bad is null in it), `shown` an object with the source text
    of what is bad, and `problems` its reasons, each as `code` or `code:key`. A good row has neither.
    """

    json: str | None
    shown: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Apart:
    """A page apart: `envelope` is the answer with an empty list where its rows were, `content` what the rows' hash is made of."""

    envelope: str
    rows: tuple[RowText, ...]
    content: list[str]

    @property
    def is_needed(self) -> bool:
        """Whether the page has to be handed on row by row."""
        return any(row.problems for row in self.rows) or sum(len(row.json or "") for row in self.rows) > MAX_PAGE


class _CannotBeKeptError(ValueError):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _BrokenError(ValueError):
    """Brackets, commas and colons do not fit."""


def may_be_too_long(body: str) -> bool:
    """Whether a number, a name or a text in it may be longer than the JVM's parser takes. Nearly nothing for an ordinary page.

    What is longer than two blocks fills one block, which then holds no quotation mark.
    """
    if len(body) > MAX_STRING:
        return True
    blocks = range(0, len(body) - _BLOCK, _BLOCK)
    return any(body.find('"', start, start + _BLOCK) < 0 for start in blocks) and _LONG.search(body) is not None


def apart(body: str, items: str) -> Apart | None:
    """The page apart; None where no list of rows is to be found in it.

    Raises:
        TryAgainError: a row is no JSON. The message names it.
    """
    try:
        start = _list_at(body, items)
        members, end = ([], 0) if start is None else _members(body, start)
    except _BrokenError:
        start = None
    if start is None:
        return None
    rows, content = [], []
    for _, first, behind in members:
        broken = None
        try:
            row = row_of(body[first:behind])
        except json.JSONDecodeError as error:
            broken = (error.msg.partition(": ")[0], first + error.pos)
        if broken is not None:  # outside of the handler: its exception holds the text
            message = (
                f"the answer is not valid JSON: {broken[0]} at character {broken[1]}{place(body, broken[1], items)}"
            )
            raise TryAgainError(message, reason="not_json")
        rows.append(row)
        content.append(content_of(body[first:behind], row))
    return Apart(body[:start] + "[]" + body[end:], tuple(rows), content)


def place(body: str, position: int, items: str) -> str:
    """The row and the column of a character, in words to go behind a message; empty where it is in none."""
    opened: list[tuple[str, int, str | None]] = []
    for token in _TOKEN.finditer(body, 0, position):
        word = token[0]
        if word in _CLOSING:
            opened.append((word, 0, None))
        elif not opened:
            continue
        elif word in ("}", "]"):
            opened.pop()
        elif word == ",":
            kind, index, _ = opened[-1]
            opened[-1] = (kind, index + 1, None)
        elif word[0] == '"' and len(word) > 1 and opened[-1][0] == "{" and opened[-1][2] is None:
            opened[-1] = (*opened[-1][:2], _name(word))
    depth = next((depth for depth, (kind, _, _) in enumerate(opened) if kind == "["), None)
    if depth is None or (".".join(name or "" for _, _, name in opened[:depth]) or "$") != items:
        return ""
    column = opened[depth + 1][2] if len(opened) > depth + 1 and opened[depth + 1][0] == "{" else None
    named = f", column {column!r}" if column is not None and is_name(column) else ""
    return f" (row {opened[depth][1]} of the page, counted from 0{named})"


def _list_at(body: str, items: str) -> int | None:
    """Where the list of rows begins, as `items` says it."""
    at: int | None = len(body) - len(body.lstrip())
    return at if items == "$" else _below(body, at, items)


def _below(body: str, at: int | None, dotted: str) -> int | None:
    """Where the value at a dotted path begins. A key that itself holds the dots goes before one that is nested."""
    if at is None or body[at : at + 1] != "{":
        return None
    names = {_name(key): start for key, start, _ in _members(body, at)[0]}
    if dotted in names:
        return names[dotted]
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found = _below(body, names.get(".".join(parts[:end])), ".".join(parts[end:]))
        if found is not None:
            return found
    return None


def _members(text: str, at: int) -> tuple[list[tuple[str, int, int]], int]:
    """Key (as written; empty in a list), start and end of each member of the object or list that opens at `at`, and its end."""
    if text[at : at + 1] not in ("{", "["):
        raise _BrokenError
    is_object, closing = text[at] == "{", _CLOSING[text[at]]
    found: list[tuple[str, int, int]] = []
    opened: list[str] = []
    key, start, end = "", -1, -1
    for token in _TOKEN.finditer(text, at + 1):
        word = token[0]
        if opened and word not in _CLOSING and word not in ("}", "]", '"'):
            continue
        if word in _CLOSING:
            if not opened and start >= 0:
                raise _BrokenError
            start = token.start() if not opened else start
            opened.append(_CLOSING[word])
        elif opened:
            if opened.pop() != word:
                raise _BrokenError
            end = token.end()
        elif word in (",", closing):
            if start >= 0 and bool(key) == is_object:
                found.append((key, start, end))
            elif word == "," or found or key or start >= 0:
                raise _BrokenError
            if word == closing:
                return found, token.end()
            key, start = "", -1
        elif word == ":":
            if not is_object or key or start < 0 or text[start] != '"':
                raise _BrokenError
            key, start = text[start:end], -1
        elif start >= 0 or word in ("}", "]", '"'):
            raise _BrokenError
        else:
            start, end = token.span()
    raise _BrokenError


def row_of(text: str) -> RowText:
    """A row from its text, held against all that may keep it from being taken.

    Raises:
        json.JSONDecodeError: it is no JSON.
    """
    code = _fault(text, 0)
    if text[0] != "{":
        return RowText(None, None, (NOT_AN_OBJECT,))
    if code is None:
        return RowText(text)
    members = [(key, _name(key), text[start:end]) for key, start, end in _members(text, 0)[0]]
    times = Counter(name for _, name, _ in members)
    good, shown, problems = dict[str, str](), dict[str, str](), list[str]()
    for key, name, value in members:
        if name is None or len(name) > MAX_NAME:
            problems.append(UNREADABLE_TEXT if name is None else TOO_LONG)
            continue
        why = DUPLICATE_KEY if times[name] > 1 else _fault(value, 1)
        good[key if why is None else json.dumps(name)] = value if why is None else "null"
        if why is not None:
            problems.append(f"{why}:{name}")
            shown.setdefault(name, value if len(value) <= SHOWN else f"{value[:SHOWN]}… ({len(value):,} characters)")
    readable = "{" + ",".join(f"{key}:{value}" for key, value in good.items()) + "}"
    return RowText(readable, json.dumps(shown), tuple(dict.fromkeys(problems)) or (code,))


def content_of(text: str, row: RowText) -> str:
    """What the hash of the rows goes by: the same however a row is spaced."""
    return text if row.problems else json.dumps(json.loads(text))


def _name(key: str) -> str | None:
    """A key as it reads; None where it cannot be written as UTF-8."""
    name = cast("str", json.loads(key, strict=False))
    return None if re.search(r"[\ud800-\udfff]", name) else name


def _fault(text: str, depth: int) -> str | None:
    """Why a JSON text cannot be kept as it is; None if it can. `depth` is how deep it lies in its row.

    Raises:
        json.JSONDecodeError: it is no JSON.
    """
    if text.count("{") + text.count("[") + depth > MAX_DEPTH and _depth(text) + depth > MAX_DEPTH:
        return TOO_DEEP
    code = None
    try:
        _CAREFUL.decode(text)
    except _CannotBeKeptError as error:
        code = error.code
    except RecursionError:
        code = TOO_DEEP
    if code is None and len(text) > MAX_STRING and any(len(one) > MAX_STRING for one in _strings(text)):
        code = TOO_LONG
    if code is None:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            code = UNREADABLE_TEXT  # half a surrogate pair: the standard library takes it
    return code


def _depth(text: str) -> int:
    deepest = now = 0
    for token in _TOKEN.finditer(text):
        now += (token[0] in ("{", "[")) - (token[0] in ("}", "]"))
        deepest = max(deepest, now)
    return deepest


def _strings(text: str) -> Iterator[str]:
    return (
        json.loads(token[0]) for token in _TOKEN.finditer(text) if len(token[0]) > MAX_STRING and token[0][0] == '"'
    )


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _CannotBeKeptError(DUPLICATE_KEY)
    if any(len(name) > MAX_NAME for name in found):
        raise _CannotBeKeptError(TOO_LONG)
    return found


def _number(text: str) -> float:
    value = float(text)
    if len(text) > MAX_NUMBER or math.isinf(value):
        raise _CannotBeKeptError(UNREADABLE_NUMBER)
    return value


def _no_number(_: str) -> NoReturn:
    raise _CannotBeKeptError(UNREADABLE_NUMBER)


_CAREFUL = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_number, parse_float=_number, parse_int=_number)
