"""The rules of a source that judge its answers, as executors need them: what an answer fits, and what is done about it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lib.errors import SourceError
from lib.source.answer import at, is_null
from lib.source.body import text_of
from lib.source.json_text import Json, parsed

if TYPE_CHECKING:
    from lib.config.answer_rules import AnswerRule, BodyTest

Do = Literal["retry", "fail", "end", "skip"]

FAILED_BY_RULE = "%: status ___ (%.errors[%]: %): %"
"""What the error of a page is LIKE (in SQL) that failed as a rule says: it is a failure, whatever its status says by default."""


class NoJson:
    """Stands for a body that is no JSON, or was not read as such: it meets no condition."""


@dataclass(frozen=True)
class Condition:
    """What is asked of an answer's JSON: the value at the place `path` equals `value`, exists (or not), or contains it.

    An expression that cannot be applied to an answer finds nothing. A null is a value for `equals`, and nothing for `exists`. A
    number equals a number alone: 1 is 1.0, and not true.
    """

    path: str
    by: str
    value: str | int | float | bool | None

    def is_met_by(self, answer: Json) -> bool:
        """Whether the answer is one of those that are meant."""
        found: Json = None
        with suppress(SourceError):
            found = at(answer, self.path)
        if self.by == "exists":
            return (found is not None) is self.value
        if self.by == "contains":
            return isinstance(found, str) and str(self.value) in found
        if self.value is None:
            return is_null(answer, self.path)
        return found == self.value and isinstance(found, bool) is isinstance(self.value, bool)


@dataclass(frozen=True)
class Rule:
    """One rule. `place` is where it stands in the YAML; `statuses` of None are all of them, a `condition` of None is met by all."""

    place: str
    do: Do
    statuses: frozenset[int] | None = None
    condition: Condition | None = None

    def is_for(self, status: int) -> bool:
        """Whether it is about answers of this status."""
        return self.statuses is None or status in self.statuses

    def says(self, status: int) -> str:
        """An answer's status, and what the rule makes of it, to begin a message with."""
        return f"status {status} ({self.place}: {self.do})"


def rules_of(where: str, rules: Iterable[AnswerRule]) -> tuple[Rule, ...]:
    """What executors need of the `errors` of an API or a table; `where` names it, as `api` or `tables.orders`."""
    return tuple(
        Rule(f"{where}.errors[{number}]", rule.do, rule.statuses, None if rule.body is None else _condition(rule.body))
        for number, rule in enumerate(rules)
    )


def first_that_fits(
    rules: Iterable[Rule], status: int, body: bytes, content_type: str
) -> tuple[Rule | None, Json | NoJson]:
    """The first rule that an answer fits; and the answer as a page's JSON is read, as far as that was done.

    Its body is read only if a rule for its status asks for that.
    """
    asked = [rule for rule in rules if rule.is_for(status)]
    answer: Json | NoJson = NoJson()
    strict: Json | NoJson = NoJson()
    if any(rule.condition for rule in asked):
        with suppress(SourceError):
            strict = parsed(text_of(body, content_type))
        answer = json_of(body, content_type) if isinstance(strict, NoJson) else strict
    for rule in asked:
        if rule.condition is None or (not isinstance(answer, NoJson) and rule.condition.is_met_by(answer)):
            return rule, strict
    return None, strict


def json_of(body: bytes, content_type: str) -> Json | NoJson:
    """A body as JSON, read less strictly than a page: one bad row in it hides no error."""
    with suppress(SourceError, ValueError, RecursionError):
        found: Json = json.loads(text_of(body, content_type))
        return found
    return NoJson()


def _condition(body: BodyTest) -> Condition:
    return Condition(body.path, body.test, getattr(body, body.test))
