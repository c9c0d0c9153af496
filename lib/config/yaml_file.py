"""Reads a YAML file into plain data, and remembers the line of each key.

ruamel.yaml builds the tree of nodes, which becomes data here, so that no tag makes an object, a key that appears twice
is seen, and aliases cannot blow up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from lib.config.model import Problem, YamlPath
from lib.errors import ConfigError

MAX_BYTES = 1_000_000
_MAX_NODES = 100_000
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_FLOW_ENV = re.compile(r"[{\[,].*\$\{")
_PLAIN_WORDS = {
    "mapping values are not allowed": "a ': ' inside a value; write the value in quotes",
    "cannot start any token": "a value cannot start like this (a tab, or one of @ ` %); write the value in quotes",
    "could not find expected ':'": "a key without ':' after it",
    "expected <block end>": "the indentation does not match the lines above",
    "expected ',' or '}'": "a '{' without its '}', or a ',' is missing",
    "expected ',' or ']'": "a '[' without its ']', or a ',' is missing",
    "expected the node content": "a value is missing, or a '{' or '[' is not closed",
    "unexpected end of stream": "a quoted text is not closed",
    "undefined alias": "an alias without its anchor; write a value that starts with '*' in quotes",
    "another document": "a second document ('---'); one file is one source",
    "incompatible YAML document": "a YAML version that cannot be read",
}


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a YAML file, the line (from 1) of each path in it, and what is wrong already."""

    data: Any
    lines: dict[YamlPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: YamlPath) -> int:
        """Return the line of a path, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def shown(path: Path) -> str:
    """Return the path as people know it: relative where it is below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def read_yaml(path: Path, kind: str = "source YAML", keys: str = "source:, api: and tables:") -> Document:
    """Read a YAML file whose root is a mapping; messages call it a `kind` that needs `keys`.

    Raises:
        ConfigError: no such file, not readable, too large, not UTF-8, not YAML, empty or no mapping.
    """
    name = shown(path)
    try:
        if not path.is_file():
            raise ConfigError(f"{name}: {'this is not a file' if path.exists() else 'there is no such file'}")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB, and no {kind} is that large")
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror or 'unknown reason'})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from error
    document = parse_yaml(text, name)
    if document.data is None:
        raise ConfigError(f"{name}: empty; a {kind} needs {keys}")
    if not isinstance(document.data, dict):
        raise ConfigError(f"{name}:1: must be a mapping with {keys}")
    return document


def parse_yaml(text: str, name: str) -> Document:
    """Turn YAML text into plain data; `name` is what messages call it.

    Raises:
        ConfigError: it is not YAML that can be taken.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # YAML allows it, and the warning would show the lines
    try:
        root = yaml.compose(text)
        return _Builder(yaml).document(root)
    except MarkedYAMLError as error:
        # Without the cause, which would show the lines, and what is in them.
        raise ConfigError(_syntax_error(error, text, name)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: a character that YAML does not allow") from None
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: not YAML that can be read ({type(error).__name__})") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply, or aliases that repeat too much") from None


def _syntax_error(error: MarkedYAMLError, text: str, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = str(error.problem or "")
    lines = text.splitlines()
    if line <= len(lines) and _FLOW_ENV.search(lines[line - 1]):
        reason = 'inside braces write "${ENV_NAME}" in quotes'
    else:
        known = (plain for words, plain in _PLAIN_WORDS.items() if words in problem)
        # Quoted parts may be content of the file, and so a secret.
        reason = next(known, re.sub(r"'[^']*'|\"[^\"]*\"", "...", problem) or "cannot be read")
    return f"{name}:{line}:{column}: not YAML: {reason}"


class _Builder:
    """Turns nodes into data. Aliases are copied; nodes are bounded, since aliases of aliases grow without end."""

    def __init__(self, yaml: YAML) -> None:
        self._scalars = yaml.constructor
        self._lines: dict[YamlPath, int] = {}
        self._problems: list[Problem] = []
        self._open: set[int] = set()
        self._nodes = 0

    def document(self, root: Node | None) -> Document:
        data = None if root is None else self._value(root, ())
        self._lines[()] = 1
        return Document(data, self._lines, self._problems)

    def _value(self, node: Node, path: YamlPath) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH or id(node) in self._open:
            raise RecursionError
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        expected = "map" if isinstance(node, MappingNode) else "seq"
        if str(node.tag) != _TAG + expected:
            self._problem(path, "a tag (a word after '!') is not allowed; write text with a '!' in quotes")
        self._open.add(id(node))
        value: Any = self._mapping(node, path) if isinstance(node, MappingNode) else self._sequence(node, path)
        self._open.discard(id(node))
        return value

    def _scalar(self, node: ScalarNode, path: YamlPath) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool":
            return self._scalars.construct_yaml_bool(node)
        if kind == "int":
            return self._scalars.construct_yaml_int(node)
        if kind == "float":
            return self._scalars.construct_yaml_float(node)
        if kind not in ("str", "timestamp", "value", "merge"):  # a date is text, as no setting is a date
            self._problem(path, "a tag (a word after '!') is not allowed; write text with a '!' in quotes")
        return str(node.value)

    def _sequence(self, node: Node, path: YamlPath) -> list[Any]:
        values = []
        for index, child in enumerate(node.value):
            self._lines[(*path, index)] = child.start_mark.line + 1
            values.append(self._value(child, (*path, index)))
        return values

    def _mapping(self, node: MappingNode, path: YamlPath) -> dict[str, Any]:
        values = self._merged(node, path)
        own: set[str] = set()
        for key_node, child in node.value:
            if _is_merge(key_node):
                continue
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode) or str(key_node.tag) != _TAG + "str":
                self._problem(path, f"a key in line {line} is not text; write it in quotes")
                continue
            key = str(key_node.value)
            below = (*path, key)
            if key in own:
                self._problem(below, f"appears twice, in lines {self._lines[below]} and {line}; keep one")
                continue
            own.add(key)
            self._lines[below] = line
            values[key] = self._value(child, below)
        return values

    def _merged(self, node: MappingNode, path: YamlPath) -> dict[str, Any]:
        """Return what `<<: *other` brings into a mapping; of several, the first one counts."""
        values: dict[str, Any] = {}
        for key_node, child in reversed(node.value):
            if _is_merge(key_node):
                for other in reversed(child.value if isinstance(child, SequenceNode) else [child]):
                    if isinstance(other, MappingNode):
                        values.update(self._value(other, path))
                    else:
                        self._problem(path, "'<<' takes an alias of a mapping, or a list of them")
        return values

    def _problem(self, path: YamlPath, message: str) -> None:
        self._problems.append(Problem(path, message))


def _is_merge(node: Node) -> bool:
    return str(node.tag) == _TAG + "merge"
