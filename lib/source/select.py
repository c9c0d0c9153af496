"""JMESPath in answers: what an expression selects, and the rows of a page without losing one that is null."""

from __future__ import annotations

from typing import Any, cast

from jmespath.exceptions import JMESPathTypeError
from jmespath.visitor import TreeInterpreter

from lib.config.expression import Node, compiled, path_of
from lib.errors import SourceError
from lib.source.json_text import Json

# JMESPath calls some kinds as Python does.
_KINDS = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
_KINDS |= {"NoneType": "null"}


def selected(answer: Json, expression: str) -> Json:
    """What an expression selects; null where a function that it calls is given a null.

    Raises:
        SourceError: a function is given something else than it takes. The message does not show it.
    """
    return _evaluated(TreeInterpreter(), answer, expression)


def selected_rows(answer: Json, expression: str) -> Json:
    """What an expression selects as rows. A null that stands where a row should is one of them, as it is in a plain list.

    JMESPath itself leaves out what is null: `edges[].node` would lose, in silence, a node that may not be seen.

    Raises:
        SourceError: as in `selected`.
    """
    return _evaluated(_WithNulls(_tail(compiled(expression))), answer, expression)


def _evaluated(interpreter: TreeInterpreter, answer: Json, expression: str) -> Json:
    try:
        return cast("Json", interpreter.visit(compiled(expression), answer))
    except JMESPathTypeError as error:
        given = _KINDS.get(error.actual_type, error.actual_type)
        if given == "null":
            return None
        problem = f"{error.function_name}() takes {' or '.join(error.expected_types)}, and is given {given}"
    except (TypeError, ValueError):
        problem = "it cannot be applied to the answer"
    # Outside of the handlers: an exception's context is kept, and holds a part of the answer.
    raise SourceError(f"{expression}: {problem}")


def _tail(tree: Node) -> Node:
    """The part that makes the list: the last one."""
    while tree["type"] in ("subexpression", "pipe"):
        tree = tree["children"][-1]
    return tree


class _WithNulls(TreeInterpreter):
    """Keeps a null of the last projection if it is there, at the keys that the projection ends with."""

    def __init__(self, tail: Node) -> None:
        super().__init__()
        self._tail = tail

    def visit_projection(self, node: Node, value: Any) -> Any:
        """A list, element by element."""
        found = super().visit_projection(node, value)
        return self._with_nulls(node, value, found, list)

    def visit_value_projection(self, node: Node, value: Any) -> Any:
        """The values of an object."""
        found = super().visit_value_projection(node, value)
        return self._with_nulls(node, value, found, dict)

    def visit_filter_projection(self, node: Node, value: Any) -> Any:
        """Those elements of a list that meet a condition."""
        found = super().visit_filter_projection(node, value)
        return self._with_nulls(node, value, found, list)

    def _with_nulls(self, node: Node, value: Any, found: Any, kind: type) -> Any:
        keys = path_of(node["children"][1])
        if node is not self._tail or found is None or keys is None:
            return found
        base = self.visit(node["children"][0], value)
        elements = base.values() if kind is dict else base
        if len(node["children"]) > 2:
            elements = [one for one in elements if self._is_true(self.visit(node["children"][2], one))]
        if not any(_ends_in_null(one, keys) for one in elements):
            return found
        right = node["children"][1]
        known = [(one, self.visit(right, one)) for one in elements]
        return [row for one, row in known if row is not None or _ends_in_null(one, keys)]


def _ends_in_null(value: Any, keys: tuple[str, ...]) -> bool:
    """Whether the keys lead to a null that is there, be it on the way."""
    for key in keys:
        if value is None:
            return True
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return value is None
