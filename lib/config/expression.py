"""Places in an answer, as the settings write them: dotted paths, and JMESPath expressions where a path cannot say it.

An expression is compiled and never evaluated as code: JMESPath reads JSON and can do nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import jmespath
from jmespath.exceptions import EmptyExpressionError, IncompleteExpressionError, JMESPathError, LexerError, ParseError
from jmespath.functions import Functions

DOTTED = r"[^.\s]+(?:\.[^.\s]+)*"
# A text with one of these is an expression. Keys of APIs have other signs, such as @odata.count or total-count.
_MARKS = re.compile(r"""[\[\]{}()|&!?*"'`,<>=]""")
_PROJECTIONS = ("projection", "value_projection", "filter_projection", "flatten", "index_expression", "pipe")
Node: TypeAlias = dict[str, Any]


@lru_cache(maxsize=1024)
def is_expression(place: str) -> bool:
    """Whether a place is a JMESPath expression, and no dotted path."""
    return _MARKS.search(place) is not None or place == "@" or place.startswith("@.")


def is_place(text: str) -> bool:
    """Whether a text names a place in an answer.

    Raises:
        ValueError: it is an expression that cannot be read.
    """
    if is_expression(text):
        compiled(text)
        return True
    return re.fullmatch(DOTTED, text) is not None


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Node:
    """The syntax tree of an expression.

    Raises:
        ValueError: it cannot be read, or calls a function that is none. The message says where.
    """
    try:
        tree: Node = jmespath.compile(expression).parsed
    except (EmptyExpressionError, IncompleteExpressionError):
        problem = "it is not complete"
    except LexerError as error:
        problem = f"there is something unexpected at character {error.lexer_position}"
    except ParseError as error:
        problem = f"{str(error.token_value)!r} is unexpected at character {error.lex_position}"
    except JMESPathError:
        problem = "it cannot be read"
    else:
        problem = next(_problems(tree), "")
        if not problem:
            return tree
    raise ValueError(f"is not a JMESPath expression: {problem}")


def head_of(expression: str) -> str | None:
    """The dotted path that an expression begins with, such as `data.edges` of `data.edges[].node`; None where it has none."""
    return _head(compiled(expression))


def keys_and_indexes(place: str) -> tuple[str | int, ...]:
    """The steps that lead to a value: keys of objects, and indexes of lists.

    Raises:
        ValueError: it is no path, or an expression of more than that. The message says so.
    """
    steps: tuple[str | int, ...] | None = None
    if is_expression(place):
        steps = _steps(compiled(place))
    elif re.fullmatch(DOTTED, place):
        steps = tuple(place.split("."))
    if not steps or isinstance(steps[0], int):
        raise ValueError('must be keys and indexes, such as user.name, tags[0].id or user."first name"')
    return steps


def _steps(tree: Node) -> tuple[str | int, ...] | None:
    if tree["type"] == "field" or (tree["type"] == "index" and tree["value"] >= 0):
        return (tree["value"],)
    if tree["type"] not in ("subexpression", "index_expression"):
        return None
    parts = [_steps(child) for child in tree["children"]]
    return None if None in parts else tuple(step for part in parts for step in part or ())


def path_of(tree: Node) -> tuple[str, ...] | None:
    """The keys of a tree that is nothing but keys, one below the other; None for any other."""
    if tree["type"] == "identity":
        return ()
    if tree["type"] == "field":
        return (tree["value"],)
    if tree["type"] != "subexpression":
        return None
    parts = [path_of(child) for child in tree["children"]]
    return None if None in parts else tuple(key for part in parts for key in part or ())


def _head(tree: Node) -> str | None:
    path = path_of(tree)
    if path:
        return ".".join(path)
    children = [child for child in tree["children"] if isinstance(child, dict)]
    if tree["type"] == "subexpression" and len(children) > 1:
        whole = [path_of(child) for child in children]
        first = next((number for number, one in enumerate(whole) if not one), len(whole))
        if first:
            return ".".join(key for one in whole[:first] for key in one or ())
    if children and tree["type"] in (*_PROJECTIONS, "subexpression", "function_expression"):
        return _head(children[0])
    return None


def _problems(tree: Node) -> Iterator[str]:
    """What only shows when an expression is applied."""
    if tree["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE.get(tree["value"])
        if known is None:
            yield f"there is no function {tree['value']}()"
        else:
            signature, n_given = known["signature"], len(tree["children"])
            is_open = bool(signature) and signature[-1].get("variadic", False)
            if n_given < len(signature) or (n_given > len(signature) and not is_open):
                wanted = f"{len(signature)}{' or more' if is_open else ''} argument{'' if len(signature) == 1 else 's'}"
                yield f"{tree['value']}() takes {wanted}, and has {n_given}"
    if tree["type"] == "slice" and 0 in tree["children"][2:]:
        yield "the step of a slice must not be 0"
    for child in tree["children"]:
        if isinstance(child, dict):
            yield from _problems(child)
