"""Where a page has its rows: at a path, or selected by an expression, which is held against what rows are."""

from __future__ import annotations

import json
import re

from lib.config.expression import head_of, is_expression
from lib.errors import SourceError
from lib.source.answer import at
from lib.source.cut import apart_selected, rows_at
from lib.source.json_text import Json
from lib.source.outline import found_instead, kind_of
from lib.source.paging import Paging
from lib.source.rows import Apart, apart

# A key that JMESPath takes without quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def items_of(answer: Json, place: str) -> Json:
    """What stands where the rows of a page should be.

    Raises:
        SourceError: an expression cannot be applied to the answer.
    """
    try:
        return rows_at(answer, place)
    except SourceError as error:
        message = f"api.pagination.items: {error} ({found_instead(answer, None)})"
    raise SourceError(message)


def values_of(items: str) -> str:
    """The setting for rows that are the values of the object at a place."""
    if items == "$":
        return "*"
    if is_expression(items):
        return f"{items}.*"
    return ".".join([*(key if _PLAIN.fullmatch(key) else json.dumps(key) for key in items.split(".")), "*"])


def apart_at(body: str, items: str) -> Apart | None:
    """The page apart; None where no list of rows is to be found in it. Raises what `apart` does."""
    return apart_selected(body, items) if is_expression(items) else apart(body, items)


def before_selecting(answer: Json, expression: str) -> tuple[int, list[str]]:
    """How many elements stand where an expression begins to look for rows; of an object whose values they are, also their keys."""
    head = head_of(expression)
    found = answer if head is None else at(answer, head)
    if isinstance(found, dict) and ("*" in expression or "values" in expression):
        return len(found), list(found)
    return (len(found), []) if isinstance(found, list) else (0, [])


def check_selected(paging: Paging, items: list[Json], n_items: int, n_before: int, total: int | None) -> None:
    """Hold what an expression selects against what rows are.

    Raises:
        SourceError: it is no list of objects; or it leaves out all rows of a page, where a page without rows is the end.
    """
    if items and not any(isinstance(item, dict) or item is None for item in items):
        kinds = ", ".join(dict.fromkeys(kind_of(item) for item in items))
        message = (
            f"api.pagination.items: {paging.items} selects a list whose elements are not objects (there is {kinds})"
        )
        raise SourceError(message)
    is_ended_by_none = paging.is_addressable or paging.style == "keyset"
    if n_before and not n_items and total is None and is_ended_by_none:
        message = (
            f"api.pagination.items: {paging.items} leaves out all of the {n_before} elements of a page, and a page without rows is "
            "the end of the table; take them as rows, or let the source leave them out"
        )
        raise SourceError(message)


def has_rows(answer: Json, items: str) -> bool:
    """Whether there is something where rows would be. Of what an expression selects only an object is a row."""
    if is_expression(items):
        try:
            found = rows_at(answer, items)
        except SourceError:
            return False
        return isinstance(found, list) and any(isinstance(one, dict) for one in found)
    return bool(answer) if items == "$" and isinstance(answer, list) else bool(at(answer, items))
