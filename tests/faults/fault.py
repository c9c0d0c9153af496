"""What a fault is, and how it is put into a tree."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from tests.suite_parts import is_quick


class DoesNotApplyError(Exception):
    """The code that a fault changes is no longer there, or is there more than once."""


@dataclass(frozen=True)
class Fault:
    """One small mistake in the product, and the tests that must notice it.

    `old` is in `file` exactly once; `new` stands in its place. `tests` are ids as pytest takes them.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def needs_spark(self) -> bool:
        """Whether a test that notices it starts Spark."""
        return any(test.startswith("tests/spark/") for test in self.tests)

    @property
    def is_noticed_by_make_test(self) -> bool:
        """Whether one of its tests is in `make test`."""
        return any(is_quick(test.split("/")[1], _marks(test)) for test in self.tests)

    def changed(self, root: Path) -> str:
        """The text of its file with the fault in it. Nothing is written."""
        path = root / self.file
        if not path.exists():
            raise DoesNotApplyError(f"there is no {self.file}")
        text = path.read_text("utf-8")
        found = text.count(self.old)
        if found != 1:
            raise DoesNotApplyError(f"{self.file} has the lines to be changed {found} times, not once")
        return text.replace(self.old, self.new)


def _marks(test: str) -> list[str]:
    """The marks of a test and of its file that say to which part it belongs, by their text, the nearest first."""
    file, _, name = test.partition("::")
    module = ast.parse((Path(__file__).parents[2] / file).read_text("utf-8"))
    marked = [node.value for node in module.body if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node)]
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            marked = [*node.decorator_list, *marked]
    words = " ".join(ast.unparse(one) for one in marked)
    return re.findall(r"pytest\.mark\.(quick|thorough)\b", words)
