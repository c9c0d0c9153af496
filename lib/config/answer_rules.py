"""Rules that judge answers, above what is done by default: which answers, and what is done about them."""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lib.config.expression import is_place
from lib.config.model import Problem, Settings, problems_error

TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION, HTTPStatus.PARTIAL_CONTENT})
"""Statuses that bring a page."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that are followed, and never judged."""

TESTS = ("equals", "exists", "contains")
_LEAST, _MOST = 200, 999
_RANGE = re.compile(r"([0-9]{3}) ?- ?([0-9]{3})")


def _span(part: object) -> range:
    """The statuses that one entry of `status` names."""
    if isinstance(part, str) and (found := _RANGE.fullmatch(part)):
        first, last = int(found[1]), int(found[2])
    elif isinstance(part, int) and not isinstance(part, bool):
        first = last = part
    else:
        raise ValueError("must be a status such as 429, a range such as 500-599, or a list of these")
    if first > last:
        raise ValueError("the range is the wrong way round; the smaller number comes first")
    if first < _LEAST or last > _MOST:
        raise ValueError(f"must be from {_LEAST} to {_MOST}, as the status of every answer is")
    return range(first, last + 1)


def _checked_status(value: object) -> object:
    parts = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not parts:
        raise ValueError("must not be empty; leave it out for all statuses")
    for part in parts:
        _span(part)
    return parts if isinstance(value, list) else value


def _single_value(value: object) -> object:
    if not (value is None or isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))):
        raise ValueError("must be text, a number, true, false or null")
    return value


_Part: TypeAlias = int | str
Status: TypeAlias = Annotated[_Part | tuple[_Part, ...], BeforeValidator(_checked_status)]


class BodyTest(Settings):
    """A test of an answer's JSON: one of `equals`, `exists` and `contains`, for what is at `path`."""

    path: str
    """A place in the answer: a dotted path such as `error.code`, or a JMESPath expression."""
    equals: Annotated[str | int | float | bool | None, BeforeValidator(_single_value)] = None
    """What is there is this text, number, `true`, `false` or `null`."""
    exists: bool | None = None
    """Whether anything is there; a null is nothing."""
    contains: Annotated[str, Field(min_length=1)] | None = None
    """What is there is text with this in it."""

    @property
    def test(self) -> str:
        """Which of the three it is."""
        return next(name for name in TESTS if name in self.model_fields_set)

    @field_validator("path")
    @classmethod
    def _path_is_dotted(cls, path: str) -> str:
        if not is_place(path):
            raise ValueError("must be a dotted path into the answer, such as error.code")
        return path

    @field_validator("exists", "contains", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null; leave it out")
        return value

    @model_validator(mode="after")
    def _one_test(self) -> BodyTest:
        tests = [name for name in TESTS if name in self.model_fields_set]
        if not tests:
            raise problems_error([Problem((), "needs one of equals, exists and contains")])
        if len(tests) > 1:
            raise problems_error(
                [Problem((), f"has {' and '.join(tests)}, and takes one of them; write a rule for each")]
            )
        return self


class AnswerRule(Settings):
    """One rule: the answers that have one of the statuses and pass the test of their body, and what is done about them."""

    status: Status | None = None
    """A status such as `429`, a range such as `500-599`, or a list of these. Left out: every status."""
    body: BodyTest | None = None
    """A test that the answer's JSON must pass."""
    do: Literal["retry", "fail", "end", "skip"]
    """`retry`: another attempt. `fail`: the page fails at once. `end`: the page has no rows, and nothing follows. `skip`: the page
    has no rows, is counted, and leaves the copy `unproved`."""

    @property
    def statuses(self) -> frozenset[int] | None:
        """The statuses that it is for; None for all."""
        if self.status is None:
            return None
        parts = self.status if isinstance(self.status, tuple) else (self.status,)
        return frozenset(status for part in parts for status in _span(part))

    @model_validator(mode="after")
    def _judges_something(self) -> AnswerRule:
        statuses = self.statuses
        if statuses is None and self.body is None:
            raise problems_error([Problem((), "needs status, body or both: without them it is for every answer")])
        if statuses and statuses <= REDIRECTS:
            raise problems_error([Problem(("status",), "is a redirect, which is followed and never judged")])
        if statuses and self.body is None and (good := sorted(statuses & TAKEN)):
            message = f"holds {good[0]:d}, and without a body that is for every good page; add body, or leave it out"
            raise problems_error([Problem(("status",), message)])
        return self


AnswerRules: TypeAlias = Annotated[tuple[AnswerRule, ...], Field(strict=False)]
