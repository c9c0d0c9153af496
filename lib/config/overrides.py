"""`--set KEY=VALUE`: changes one setting of the YAML before it is checked."""

from __future__ import annotations

import re
from typing import Any

from lib.config.model import YamlPath
from lib.config.schema import has_free_keys, is_column, keys_at
from lib.config.suggest import did_you_mean
from lib.config.yaml_file import parse_yaml
from lib.errors import ConfigError


def apply_override(data: dict[str, Any], text: str) -> tuple[YamlPath, str]:
    """Set one value in `data` in place, and return its path and what messages call it.

    Raises:
        ConfigError: not KEY=VALUE, no such key, or VALUE is no YAML value. VALUE is never in the message.
    """
    key, equals, value_text = text.partition("=")
    key = key.strip()
    if not equals or not key:
        # Only the start, as what follows may be a secret that lost its '='.
        start = re.match(r"[A-Za-z0-9_.-]*", key)
        raise ConfigError(
            f"--set {start.group()[:60] if start else ''}: must be written KEY=VALUE, such as api.limits.concurrency=4"
        )
    label = f"--set {key[:200]}"
    return _set(data, key.split("."), _value(value_text, label), label), label


def _value(text: str, label: str) -> Any:
    document = parse_yaml(text, label)
    if document.problems:
        raise ConfigError(f"{label}: {document.problems[0].message}")
    if isinstance(document.data, dict) and not text.lstrip().startswith("{"):
        raise ConfigError(f"{label}: a value with ': ' in it must be in quotes, a mapping in braces")
    return document.data


def _set(data: dict[str, Any], parts: list[str], value: Any, label: str) -> YamlPath:
    node: Any = data
    path: YamlPath = ()
    for at, part in enumerate(parts[:-1]):
        if has_free_keys(path) and isinstance(node, dict):
            parts = [*parts[:at], ".".join(parts[at:])]  # a name of the user's own may hold dots
            break
        step = _step(node, path, part, label)
        below = (*path, step)
        if isinstance(node, dict) and step not in node:
            if below == ("demo",):
                raise ConfigError(f"{label}: there is no demo: section here (--api-url leaves it out)")
            node[step] = {}
        if is_column(below) and isinstance(node[step], str):
            node[step] = {"type": node[step]}
        if node[step] is None and (keys_at(below) or has_free_keys(below)):
            node[step] = {}
        node, path = node[step], below
    is_free = has_free_keys(path) and isinstance(node, dict)
    last = parts[-1] if is_free else _step(node, path, parts[-1], label)
    node[last] = value
    return (*path, last)


def _step(node: Any, path: YamlPath, part: str, label: str) -> str | int:
    """Return the key or index of `node` that `part` names."""
    where = ".".join(map(str, path))
    if isinstance(node, list):
        if not re.fullmatch(r"[0-9]{1,6}", part) or int(part) >= len(node):
            raise ConfigError(
                f"{label}: {where} is a list with {len(node)} entries, from 0 on; {part[:60]!r} is none of them"
            )
        return int(part)
    if not isinstance(node, dict):
        raise ConfigError(f"{label}: {where} is one value, with nothing below it")
    known = {*keys_at(path, node), *node}
    if part not in known:
        raise ConfigError(
            f"{label}: unknown key {part[:60]!r}{f' in {where}' if where else ''}{did_you_mean(part, sorted(known))}"
        )
    return part
