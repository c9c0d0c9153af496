"""Where a value is in a variant: by a path where Spark's paths can say it, by the key of a map where not."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Inside ['...']. Spark's paths know no escapes, and pass over white space.
_QUOTABLE = re.compile(r"[\w@$.:+/-]+")


def place_of(json: Column, key: str) -> tuple[Column, str]:
    """The value of a key of an object: a variant, and a path in it."""
    if _PLAIN.fullmatch(key):
        return json, f"$.{key}"
    if _QUOTABLE.fullmatch(key):
        return json, f"$['{key}']"
    return F.try_variant_get(json, "$", "map<string,variant>").getItem(key), "$"


def place_below(json: Column, steps: Iterable[str | int]) -> tuple[Column, str]:
    """The value that keys and indexes lead to: a variant, and a path in it."""
    path = "$"
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN.fullmatch(step) or _QUOTABLE.fullmatch(step):
            path += place_of(json, step)[1].removeprefix("$")
        else:
            json, path = place_of(json if path == "$" else F.try_variant_get(json, path, "variant"), step)
    return json, path


def paths_of(dotted: str) -> list[str]:
    """The paths that a dotted path may mean (`$`: the whole). A key that itself holds the dots goes before nested ones."""
    return ["$"] if dotted == "$" else [f"${path}" for path in _below(dotted.split("."))]


def _below(names: list[str]) -> list[str]:
    found = [_step(names)]
    for end in range(len(names) - 1, 0, -1):
        found += [_step(names[:end]) + path for path in _below(names[end:])]
    return found


def _step(names: list[str]) -> str:
    key = ".".join(names)
    return f"['{key}']" if "." in key and _QUOTABLE.fullmatch(key) else f".{key}"
