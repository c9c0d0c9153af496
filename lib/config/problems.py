"""Turns what pydantic found into plain words with their place in the YAML. Never shows a value that stands there."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lib.config.model import PROBLEMS, Problem, Settings, YamlPath
from lib.config.schema import choice_at, is_column, is_named_by_its_key, keys_at
from lib.config.suggest import closest, did_you_mean, one_of
from lib.config.yaml_file import Document

_Context: TypeAlias = dict[str, Any]
_Keys: TypeAlias = Callable[[YamlPath, Any], tuple[str, ...]]
_Model = TypeVar("_Model", bound=Settings)


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


_PLAIN: dict[str, str | Callable[[_Context], str]] = {
    "missing": "missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number, and not infinite",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "dict_type": "must be a mapping (key: value)",
    "tuple_type": "must be a list, such as [id]",
    "model_type": "must be a mapping (key: value)",
    "model_attributes_type": "must be a mapping (key: value)",
    "string_too_short": "must not be empty",
    "string_too_long": lambda ctx: f"must be at most {ctx['max_length']} characters",
    "too_short": "must not be empty",
    "greater_than_equal": lambda ctx: f"must be at least {_number(ctx['ge'])}",
    "greater_than": lambda ctx: f"must be more than {_number(ctx['gt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_number(ctx['le'])}",
    "value_error": lambda ctx: str(ctx["error"]),
}
_PATTERNS = {
    "to": "must be written table.column, such as users.id",
    "column": 'must be a column, such as user_id, or "items[]" for the elements of an array',
    "name": "is not the name of an HTTP header",
}


def validated(
    model: type[_Model], data: dict[str, Any], context: Mapping[str, Any], keys: _Keys = keys_at
) -> tuple[_Model | None, list[Problem]]:
    """Check the data. Where a key is unknown, look again without it: it keeps pydantic from checks across settings.

    `keys` says which keys a mapping at a path may have, for suggestions.
    """
    problems: list[Problem] = []
    rest = copy.deepcopy(data)
    while True:
        try:
            return model.model_validate(rest, context=dict(context)), problems
        except ValidationError as error:
            problems.extend(problems_of(error, rest, keys))
            unknown = unknown_keys(error, rest)
            if not unknown:
                return None, without_misspelt(problems, keys)
            for path in unknown:
                _remove(rest, path)


def problems_of(error: ValidationError, data: Any, keys: _Keys = keys_at) -> list[Problem]:
    """Return what pydantic found, with paths of the YAML that `data` came from."""
    errors = error.errors()
    whole = [details for details in errors if not (details["type"] == "too_short" and _has_deeper(details, errors))]
    return [problem for details in whole for problem in _problems(details, data, keys)]


def without_misspelt(problems: Iterable[Problem], keys: _Keys = keys_at) -> list[Problem]:
    """Leave out that a key is missing where it is there, misspelt."""
    found = list(problems)
    meant = {
        (*problem.path[:-1], closest(str(problem.path[-1]), keys(problem.path[:-1], None)))
        for problem in found
        if problem.path and problem.message.startswith("unknown key")
    }
    return [problem for problem in found if not (problem.message == "missing" and problem.path in meant)]


def unknown_keys(error: ValidationError, data: Any) -> list[YamlPath]:
    """Return the paths of keys that are not known."""
    return [yaml_path(details["loc"], data) for details in error.errors() if details["type"] == "extra_forbidden"]


def lines_of(problems: Iterable[Problem], document: Document, name: str, origins: dict[YamlPath, str]) -> list[str]:
    """Return `file:line: path: message` for each problem, by line; `origins` says what came from the command line."""
    placed: list[tuple[int, str]] = []
    for problem in dict.fromkeys(problems):
        dotted = ".".join(_clean(part) for part in problem.path)
        label = next((origins[path] for path in _upwards(problem.path) if path in origins), None)
        if label is None:
            line = document.line(problem.path)
            placed.append((line, f"{name}:{line}: {dotted + ': ' if dotted else ''}{problem.message}"))
        elif label in (f"--set {dotted}", "--api-url"):
            placed.append((1_000_000, f"{label}: {problem.message}"))
        else:
            placed.append((1_000_000, f"{label}: {dotted}: {problem.message}"))
    return [text for _, text in sorted(placed, key=lambda item: item[0])]


def yaml_path(loc: tuple[str | int, ...], data: Any) -> YamlPath:
    """Turn pydantic's location into a path of the YAML, where tables and columns are named and not counted."""
    for end in range(2, len(loc)):
        if (choice := choice_at(loc[:end])) and loc[end] in choice[1]:
            loc = (*loc[:end], *loc[end + 1 :])  # pydantic adds the kind of a union's member
            break
    path: YamlPath = ()
    node = data
    for part in loc:
        if isinstance(node, dict) and isinstance(part, int):
            part = list(node)[part]
        if isinstance(node, dict) and part == "name" and part not in node and is_named_by_its_key(path):
            break
        if is_column(path) and not isinstance(node, dict):
            break  # `id: bigint!`, where the type has no key of its own
        path = (*path, part)
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            node = None
    return path


def _has_deeper(details: ErrorDetails, errors: Iterable[ErrorDetails]) -> bool:
    """Whether something inside is wrong: pydantic then calls the list too short, as what is wrong does not count."""
    loc = details["loc"]
    return any(len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in errors)


def _problems(details: ErrorDetails, data: Any, keys: _Keys) -> Iterator[Problem]:
    path = yaml_path(details["loc"], data)
    kind, context = details["type"], details.get("ctx", {})
    if kind == PROBLEMS:
        for problem in context[PROBLEMS]:
            yield Problem(yaml_path((*details["loc"], *problem.path), data), problem.message)
    elif kind == "extra_forbidden":
        yield _unknown_key(path, data, details["input"], keys)
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        key, models = choice_at(path) or ("", {})
        plain = f"must be {one_of(models)}{did_you_mean(str(context.get('tag', '')), models)}"
        yield Problem(
            (*path, key), plain if kind == "union_tag_invalid" else f"missing: write one of {', '.join(models)}"
        )
    elif kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        value = details["input"]
        yield Problem(
            path, f"must be {one_of(options)}{did_you_mean(value, options) if isinstance(value, str) else ''}"
        )
    elif kind == "string_pattern_mismatch":
        yield Problem(path, _PATTERNS.get(str(path[-1]), "does not have the expected form"))
    else:
        plain_words = _PLAIN.get(kind, f"is not valid ({kind})")
        yield Problem(path, plain_words if isinstance(plain_words, str) else plain_words(context))


def _unknown_key(path: YamlPath, data: Any, value: object, keys: _Keys) -> Problem:
    parent, key = path[:-1], str(path[-1])
    node = data
    for part in parent:
        node = node[part]
    suggestion = did_you_mean(key, keys(parent, node))
    if parent == ("api", "auth") and value is None and not suggestion:
        # `{token: abc,def}` reads as two keys, so this key may be half of a secret.
        return Problem(
            parent, 'unknown key without a value (not shown, as it may be a secret); write "${ENV_NAME}" in quotes'
        )
    if choice := choice_at(parent):
        which, models = choice
        if kinds := [kind for kind, model in models.items() if key in model.model_fields]:
            return Problem(path, f"unknown key: it belongs to {which}: {' or '.join(kinds)}")
    return Problem(path, f"unknown key{suggestion}")


def _remove(data: Any, path: YamlPath) -> None:
    for part in path[:-1]:
        data = data[part]
    del data[path[-1]]


def _clean(part: str | int) -> str:
    text = str(part)
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= 80 else text[:77] + "..."


def _upwards(path: YamlPath) -> Iterator[YamlPath]:
    for length in range(len(path), -1, -1):
        yield path[:length]
