"""The query of a table request, judged as FastAPI judges it."""

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from demo.paging import to_json

# What pydantic takes for an integer: it allows blanks around, single underscores inside and a fraction of zeros.
_INTEGER = re.compile(r"\s*([+-]?[0-9]+(?:_[0-9]+)*)(?:\.0*)?\s*")
_MOST_DIGITS = 4000


class Page(NamedTuple):
    """A page that can be served: `page` >= 1 and 1 <= `size` <= 100."""

    page: int
    size: int


@lru_cache(maxsize=4096)
def read_query(query: str) -> Page | bytes:
    """The page asked for, or the body of the 422 answer that lists every mistake."""
    fields = parse_qs(query, keep_blank_values=True)
    problems: list[dict[str, Any]] = []
    page = _integer(fields, "page", 1, None, problems)
    size = _integer(fields, "size", 100, 100, problems)
    return to_json({"detail": problems}) if problems else Page(page, size)


def _integer(
    fields: dict[str, list[str]], name: str, default: int, highest: int | None, problems: list[dict[str, Any]]
) -> int:
    if name not in fields:
        return default
    text = fields[name][-1]
    found = _INTEGER.fullmatch(text)
    problem: dict[str, Any] = {"type": "", "loc": ["query", name], "msg": "", "input": text}
    if found is None or len(text) > _MOST_DIGITS:
        problem["type"] = "int_parsing"
        problem["msg"] = "Input should be a valid integer, unable to parse string as an integer"
        problems.append(problem)
        return default
    value = int(found[1])
    if value < 1:
        problem["type"] = "greater_than_equal"
        problem["msg"] = "Input should be greater than or equal to 1"
        problem["ctx"] = {"ge": 1}
        problems.append(problem)
    elif highest is not None and value > highest:
        problem["type"] = "less_than_equal"
        problem["msg"] = f"Input should be less than or equal to {highest}"
        problem["ctx"] = {"le": highest}
        problems.append(problem)
    return value
