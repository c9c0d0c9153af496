"""docs/reliability.md: each promise names tests that are there."""

from __future__ import annotations

import ast
import re
from functools import cache

from lib.config.runtime import REPO

PAGE = (REPO / "docs" / "reliability.md").read_text("utf-8")


@cache
def functions(file: str) -> frozenset[str]:
    module = ast.parse((REPO / file).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef))


def named() -> list[tuple[str, str]]:
    """The files that the page names, each with a function of it ("" for the whole file)."""
    found: list[tuple[str, str]] = []
    for line in PAGE.splitlines():
        file = ""
        for path, function in re.findall(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`", line):
            file = path or file
            if file:
                found.append((file, function))
    return found


def test_each_test_that_a_promise_names_is_there() -> None:
    assert len(named()) > 80
    assert [f"{file}::{name}" for file, name in named() if not (REPO / file).exists()] == []
    assert [f"{file}::{name}" for file, name in named() if name and name not in functions(file)] == []
