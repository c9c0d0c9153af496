"""The method and the body of the requests for pages, and the places in a body that ask for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, SecretStr, ValidationInfo

from lib.config.fixed import kept, looks_secret
from lib.config.model import Problem, YamlPath, problems_error
from lib.config.secret import WRITTEN_OUT

if TYPE_CHECKING:
    from lib.config.api import Api
    from lib.config.pagination import Pagination
    from lib.config.tables import Table

BODY = "body:"
"""Begins the name of a place in the body, where a setting of pagination may have a query parameter as well."""
IN_LIST = "[]"
"""Ends the name of a place in a JSON body that holds a list of the one value."""

Kind: TypeAlias = Literal["json", "form"]
Method: TypeAlias = Literal["get", "post"]
_KINDS: tuple[Kind, ...] = ("json", "form")


def _checked(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping (key: value)")  # noqa: TRY004 - a TypeError would be no problem among others
    problems: list[Problem] = []
    content = _content(value, (), "", info, problems)
    if problems:
        raise problems_error(problems)
    return content


def _content(value: object, path: YamlPath, name: str, info: ValidationInfo, problems: list[Problem]) -> Any:
    """The same content with its secrets read; `name` is the key that it stands at."""
    if isinstance(value, Mapping):
        return {key: _content(one, (*path, key), str(key), info, problems) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_content(one, (*path, index), name, info, problems) for index, one in enumerate(value)]
    if value is None:
        return None
    try:
        return _single(value, name, info)
    except ValueError as error:
        problems.append(Problem(path, str(error)))
    return None


def _single(value: object, name: str, info: ValidationInfo) -> object:
    is_secret = isinstance(value, SecretStr) or (isinstance(value, str) and "${" in value)
    if not is_secret and not isinstance(value, bool) and looks_secret(name):
        raise ValueError(WRITTEN_OUT)
    if is_secret or not isinstance(value, str):
        return kept(value, info)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("holds half of a surrogate pair, which UTF-8 cannot hold")
    return value  # with its line breaks, as a query may have them


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return "***" if isinstance(value, SecretStr) else value


JsonBody: TypeAlias = Annotated[
    dict[str, Any],
    BeforeValidator(_checked, json_schema_input_type=dict[str, Any]),
    PlainSerializer(_shown, return_type=dict[str, Any], when_used="json"),
]


@dataclass(frozen=True)
class Body:
    """The body of the requests for a table. `where` the YAML has it ends with its kind."""

    where: YamlPath
    kind: Kind
    content: Mapping[str, Any]


def method_of(api: Api, table: Table) -> Method:
    """By which method the pages of a table are asked for."""
    return api.method if table.method is None else table.method


def body_of(api: Api, table: Table) -> Body | None:
    """The body of the requests for a table: its own, else that of the API. None for a GET, and for a POST without one."""
    if method_of(api, table) == "get":
        return None
    bodies = [*_bodies(("tables", table.name), table), *_bodies(("api",), api)]
    return bodies[0] if bodies else None


def _bodies(where: YamlPath, one: Api | Table) -> Iterator[Body]:
    for kind, content in zip(_KINDS, (one.json_body, one.form), strict=True):
        if content is not None:
            yield Body((*where, kind), kind, content)


def body_problems(api: Api, tables: tuple[Table, ...]) -> Iterator[Problem]:
    """Bodies that no request has, and places in them that cannot be set for each page."""
    posts = [table for table in tables if method_of(api, table) == "post"]
    yield from _unused(("api",), api, is_sent=api.method == "post" or bool(posts))
    for table in tables:
        yield from _unused(("tables", table.name), table, is_sent=table in posts)
        paging: Pagination | None = table.pagination
        where: YamlPath = ("tables", table.name, "pagination")
        if paging is None:
            paging, where = api.pagination, ("api", "pagination")
        if paging.style == "range" and table in posts:
            message = f"asks by the header Range, which HTTP has for GET alone; choose another one for the POST of {table.name}"
            yield Problem((*where, "style"), message)
        places = [(name, (*where, setting)) for name, setting in paging.in_body.items()]
        if table.slices is not None:
            named = table.slices.parameters.items()
            places += [(name, ("tables", table.name, "slices", key)) for name, key in named if name.startswith(BODY)]
        if table.incremental is not None:
            bounds = table.incremental.in_body.items()
            places += [(name, ("tables", table.name, "incremental", key)) for name, key in bounds]
        yield from _place_problems(table.name, places, body_of(api, table))


def _unused(where: YamlPath, one: Api | Table, *, is_sent: bool) -> Iterator[Problem]:
    bodies = list(_bodies(where, one))
    if len(bodies) > 1:
        yield Problem(bodies[1].where, "cannot go with json; a request has one body, so leave one of them out")
    elif bodies and not is_sent:
        yield Problem(bodies[0].where, "is the body of a POST, and the method is get; write method: post beside it")


def _place_problems(table: str, places: Iterable[tuple[str, YamlPath]], body: Body | None) -> Iterator[Problem]:
    taken: dict[tuple[str, ...], YamlPath] = {}
    for name, where in places:
        if body is None:
            yield Problem(
                where,
                f"is in the body, and the requests for {table} have none; write method: post, and json: {{}} or form: {{}} if "
                "nothing else is in it",
            )
            continue
        place = place_of(name, body.kind)
        if body.kind == "json" and any(bracket in key for key in place for bracket in "[]"):
            message = "leads into a list, where no position can be set; use keys with dots between them"
            yield Problem(where, f"{message}, and {IN_LIST} at the end alone")
            continue
        for other, its in taken.items():
            if other[: len(place)] == place[: len(other)]:
                known = its[-1] if its[:-1] == where[:-1] else ".".join(map(str, its))
                yield Problem(where, f"must not be at the same place of the body as {known}, or below or above it")
        taken[place] = where
        yield from _in_the_way(body, place, ".".join(map(str, where)))


def place_of(name: str, kind: Kind) -> tuple[str, ...]:
    """The keys that lead to a place in a body, as a setting of pagination names it."""
    bare = name.removeprefix(BODY)
    return (bare,) if kind == "form" else tuple(bare.removesuffix(IN_LIST).split("."))


def _in_the_way(body: Body, place: tuple[str, ...], setting: str) -> Iterator[Problem]:
    node: Any = body.content
    for end, key in enumerate(place, 1):
        if key not in node:
            return
        node, where = node[key], (*body.where, *place[:end])
        if end == len(place):
            yield Problem(where, f"is {setting}, which is set for each page; leave it out")
        elif not isinstance(node, dict):
            kind = "a list" if isinstance(node, list) else "a single value"
            yield Problem(where, f"is {kind}, and {setting} goes below it; write a mapping, or leave it out")
            return
