"""JSON, read as strictly as the standard has it, so that nothing in it can be lost or changed unnoticed later."""

from __future__ import annotations

import json
from typing import NoReturn, TypeAlias, cast

import orjson

from lib.config.source_names import is_name
from lib.errors import SourceError
from lib.source.retry import TryAgainError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class BrokenJsonError(TryAgainError):
    """It is no JSON; `position` is the character where that shows."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, reason="not_json")
        self.position = position


class _DuplicateKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__("duplicate key")
        self.key = key


class _NoNumberError(ValueError):
    pass


def parsed(text: str) -> Json:
    """The value. Whole numbers are exact, whatever their size.

    Two parsers: orjson refuses what the standard library lets pass (half a surrogate pair, a number beyond a double,
    which Spark would change); the standard library tells of keys that stand twice, and keeps whole numbers exact.
    Together they take about 0.2 ms for a page of 25 KB.

    Raises:
        TryAgainError: it is no JSON. Truncated by a proxy, or its error page: the next answer may be whole.
        SourceError: it is JSON that cannot be taken as it is; asking again would give the same.
    """
    try:
        orjson.loads(text)
        return cast("Json", _EXACT.decode(text))
    except _DuplicateKeyError as error:
        failure: SourceError = _twice(error)
    except orjson.JSONDecodeError as error:
        failure = _why_not(text, error.msg)
    except RecursionError:
        failure = SourceError("the JSON is nested too deeply")
    raise failure  # outside of the handlers: their exceptions hold the whole text


def _why_not(text: str, said: str) -> SourceError:
    """Why a text that orjson refuses is refused, and whether asking again can help."""
    start = text.lstrip()[:1]
    if not start:
        return TryAgainError("the answer is empty", reason="not_json")
    if start == "<":
        return TryAgainError(
            "the answer looks like HTML or XML and not like JSON (a login page, or an error page of a proxy?)",
            reason="not_json",
        )
    try:
        _EXACT.decode(text)
    except _NoNumberError:
        return SourceError("the answer holds NaN or Infinity, which is not JSON")
    except _DuplicateKeyError as error:
        return _twice(error)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return TryAgainError(
                f"the answer goes on after the end of its JSON (character {error.pos})", reason="not_json"
            )
        return BrokenJsonError(f"the answer is not valid JSON: {_plain(error.msg)} at character {error.pos}", error.pos)
    except RecursionError:
        return SourceError("the JSON is nested too deeply")
    except ValueError:
        pass  # a whole number of thousands of digits
    return SourceError(f"the answer is JSON that cannot be kept as it is: {_plain(said)}")


def _plain(said: str) -> str:
    """What a parser says is wrong, without the characters that some of its messages quote."""
    return said.partition(": ")[0]


def _twice(error: _DuplicateKeyError) -> SourceError:
    which = f"the key {error.key!r}" if is_name(error.key) else "a key (which may hold a value, and is not shown)"
    return SourceError(f"{which} appears twice in one JSON object")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return found


def _no_number(_: str) -> NoReturn:
    raise _NoNumberError


_EXACT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
