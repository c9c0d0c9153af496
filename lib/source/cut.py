"""Rows cut out of a page where Spark cannot find them by itself: those that an expression selects, and those of a nested array."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from lib.config.expression import head_of, is_expression
from lib.config.reading import KEY, POSITION, Cut
from lib.errors import SourceError
from lib.source.answer import at
from lib.source.json_text import Json, parsed
from lib.source.located import Located
from lib.source.rows import TOO_DEEP, Apart, RowText, content_of, may_be_too_long, row_of
from lib.source.select import selected_rows

PARENT_UNREADABLE = "parent_unreadable"
NO_LIST = "no_list"


@dataclass(frozen=True)
class CutRow(RowText):
    """One row, and as `given` a JSON object of what its columns have from outside of it, by their names."""

    given: str | None = None


def rows_at(answer: Json, items: str) -> Json:
    """What stands where the rows should be: `items` is a path, an expression, or `$` for the answer itself.

    Raises:
        SourceError: an expression cannot be applied to the answer.
    """
    if items == "$":
        return answer
    return selected_rows(answer, items) if is_expression(items) else at(answer, items)


def apart_selected(body: str, expression: str) -> Apart | None:
    """The page apart, as `apart` has it for a path; None where the expression selects no list, or the page is nested too deeply."""
    try:
        located = Located(body)
        rows = selected_rows(located.value, expression)
        if not isinstance(rows, list):
            return None
        texts = located.texts(rows)
    except (json.JSONDecodeError, RecursionError):
        return None
    found = [row_of(text) for text in texts]
    return Apart(located.without(rows), tuple(found), [*map(content_of, texts, found)])


def cut_rows(body: str, cut: Cut) -> list[CutRow]:
    """The rows of a landed page, in their order: those of a table, or those of its nested table."""
    try:
        return list(_Page(body, cut).rows()) if body.strip() else []
    except RecursionError:
        return [CutRow(None, None, (TOO_DEEP,))]


class _Page:
    def __init__(self, body: str, cut: Cut) -> None:
        self._cut, self._located = cut, Located(body)
        self._is_good = _is_good(body)
        self._names = self._located.names() if cut.needs_names else {}

    def rows(self) -> Iterator[CutRow]:
        found = rows_at(self._located.value, self._cut.items)
        rows = found if isinstance(found, list) else []
        if self._cut.nested is not None:
            yield from self._nested(rows, self._cut.nested)
            return
        for text, row in zip(self._located.texts(rows), rows, strict=True):
            yield self._row(text, row, {})

    def _nested(self, parents: list[Json], nested: str) -> Iterator[CutRow]:
        children = [_children(parent, nested) for parent in parents]
        steps = self._cut.of_parent
        outside = [[_below(parent, way) for _, way in steps] for parent in parents]
        kept = [*chain(*(rows for rows in children if isinstance(rows, list))), *chain(*outside)]
        # All at once: each look goes through the whole page.
        texts = iter(self._located.texts([*kept, *([] if self._is_good else parents)]))
        of_rows = [list(islice(texts, len(rows))) if isinstance(rows, list) else [] for rows in children]
        of_outside = [list(islice(texts, len(steps))) for _ in parents]
        of_parents = list(texts)
        for number, (parent, rows) in enumerate(zip(parents, children, strict=True)):
            if not isinstance(parent, dict) or (of_parents and row_of(of_parents[number]).problems):
                yield CutRow(None, None, (PARENT_UNREADABLE,))
                continue
            given = {
                name: text if way else self._name(parent)
                for (name, way), text in zip(steps, of_outside[number], strict=True)
            }
            if rows is not None and not isinstance(rows, list):
                yield CutRow(None, None, (NO_LIST,), _object(given))
            for position, (text, row) in enumerate(
                zip(of_rows[number], rows if isinstance(rows, list) else [], strict=True)
            ):
                own = {name: str(position) for name, what in self._cut.of_row if what == POSITION}
                yield self._row(text, row, {**given, **own})

    def _row(self, text: str, row: Json, given: dict[str, str]) -> CutRow:
        keys = {name: self._name(row) for name, what in self._cut.of_row if what == KEY}
        one = RowText(text) if self._is_good and isinstance(row, dict) else row_of(text)
        return CutRow(one.json, one.shown, one.problems, _object({**given, **keys}))

    def _name(self, row: Json) -> str:
        return json.dumps(self._names.get(id(row)))


def _is_good(body: str) -> bool:
    """Whether all of a page can be taken as it is, so that no row has to be looked at by itself."""
    try:
        parsed(body)
    except SourceError:
        return False
    return not may_be_too_long(body)


def _children(parent: Json, nested: str) -> Json:
    """What stands where a row has the nested ones; some text where that cannot be said of it."""
    try:
        rows = rows_at(parent, nested)
    except SourceError:
        return "no list"
    if rows is None and is_expression(nested):
        # JMESPath makes null of what it cannot go through: `lines[]` of an object.
        head = head_of(nested)
        found = None if head is None else at(parent, head)
        return None if isinstance(found, list) else found
    return rows


def _below(value: Json, steps: tuple[str | int, ...]) -> Json:
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _object(given: dict[str, str]) -> str | None:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in given.items()) + "}" if given else None
