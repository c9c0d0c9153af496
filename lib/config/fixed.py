"""Query parameters and headers that are the same for every request: of the API, of one table, and in addresses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr, ValidationInfo

from lib.config.model import Problem, YamlPath
from lib.config.secret import WRITTEN_OUT, from_environment

if TYPE_CHECKING:
    from lib.config.api import Api
    from lib.config.tables import Table

HEADER_CHARACTERS = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MOST = 200
# What a request is made of, and what carries credentials.
_OWN_HEADERS = frozenset(
    {
        "host", "content-length", "content-type", "transfer-encoding", "connection", "keep-alive", "proxy-connection",
        "te", "trailer", "upgrade", "expect", "accept-encoding", "range", "if-range", "if-match", "if-none-match",
        "if-modified-since", "if-unmodified-since",
    }
)  # fmt: skip
_AUTH_HEADERS = frozenset({"authorization", "proxy-authorization"})
_SECRET_NAME = re.compile(
    r"api.?key|access.?key|secret|passw|passphrase|credential|cookie|signature|(?:^|[^a-z])(?:auth|token|pass|pwd|pin|otp)$"
    r"|auth.?token|access.?token"
)


def _fixed(value: object, info: ValidationInfo) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and "${" not in value:
        if not value.isprintable():
            raise ValueError("must not hold a line break or another control character")
        return value
    if isinstance(value, str | SecretStr):
        return from_environment(value, info, literal_ok=False)
    raise ValueError('must be text, a number, true or false, or "${ENV_NAME}" for a secret')


def kept(value: object, info: ValidationInfo) -> object:
    """A single value as it is, or the secret that it names.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a number, and not infinite")
    return value if isinstance(value, bool | int | float) else _fixed(value, info)


def _shown(value: str | SecretStr) -> str:
    return "***" if isinstance(value, SecretStr) else value


def _shown_as_it_is(value: Scalar) -> object:
    return "***" if isinstance(value, SecretStr) else value


FixedValue: TypeAlias = Annotated[
    str | SecretStr,
    BeforeValidator(_fixed, json_schema_input_type=str | float | bool),
    PlainSerializer(_shown, return_type=str, when_used="json"),
]


Scalar: TypeAlias = str | bool | int | float | SecretStr
BodyValue: TypeAlias = Annotated[Scalar, BeforeValidator(kept), PlainSerializer(_shown_as_it_is, when_used="json")]


def looks_secret(name: str) -> bool:
    """Whether a parameter or header of this name carries a secret as a rule."""
    return _SECRET_NAME.search(name.lower()) is not None


def is_header_name(name: str) -> bool:
    """Whether this can be the name of an HTTP header."""
    return len(name) <= _MOST and re.fullmatch(HEADER_CHARACTERS, name) is not None


def _params(params: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    for name, value in params.items():
        if not name or not name.isprintable() or len(name) > _MOST:
            raise ValueError(f"a parameter's name has 1 to {_MOST} characters, and no control characters")
        _check_secret(name, value)
    return params


def _headers(headers: Mapping[str, FixedValue]) -> Mapping[str, FixedValue]:
    seen = set[str]()
    for name, value in headers.items():
        if not is_header_name(name):
            raise ValueError("has a key that is not the name of an HTTP header")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"{name} is a header that Pagelake sets itself")
        if name.lower() in _AUTH_HEADERS:
            raise ValueError(f"{name} carries credentials; use api.auth")
        if name.lower() in seen:
            raise ValueError(f"{name} appears twice (upper or lower case)")
        seen.add(name.lower())
        _check_secret(name, value)
        if isinstance(value, str) and value != value.strip():
            raise ValueError(f"{name}: must not begin or end with a space")
    return headers


def _check_secret(name: str, value: Scalar) -> None:
    if not isinstance(value, SecretStr) and looks_secret(name):
        message = f"{name}: {WRITTEN_OUT}"
        raise ValueError(message)


FixedParams: TypeAlias = Annotated[dict[str, FixedValue], AfterValidator(_params)]
LoginBody: TypeAlias = Annotated[dict[str, BodyValue], AfterValidator(_params)]
FixedHeaders: TypeAlias = Annotated[dict[str, FixedValue], AfterValidator(_headers)]


def query_of(address: str) -> tuple[tuple[str, str], ...]:
    """The parameters of an address or a path, in their order."""
    return tuple(parse_qsl(address.partition("?")[2], keep_blank_values=True))


def check_query(address: str) -> None:
    """Check the query of an address or a path.

    Raises:
        ValueError: one of its parameters carries a secret, or has no name.
    """
    for name, _ in query_of(address):
        if not name:
            raise ValueError("has a parameter without a name behind its '?'")
        if looks_secret(name):
            raise ValueError(f'must not hold a secret ({name[:60]}); use api.auth, or params with "${{ENV_NAME}}"')


def fixed_problems(api: Api, tables: tuple[Table, ...]) -> Iterator[Problem]:
    """What does not go together: a parameter that is also one of the paging or the credentials, or stands at two places."""
    of_tables = {table.name: _set_for_pages(api, table) for table in tables}
    taken = {name: key for one in reversed(of_tables.values()) for name, key in one.items()}
    if api.auth.type == "query":
        if api.auth.name in taken:
            yield Problem(
                ("api", "auth", "name"), f"is {taken[api.auth.name]}, which is set for each page; one of them is wrong"
            )
        for one in (taken, *of_tables.values()):
            one[api.auth.name] = "api.auth"
    header = api.auth.name.lower() if api.auth.type in ("header", "session") else None
    yield from _problems(("api",), "url", api.url, api, taken, header)
    for table in tables:
        own = of_tables[table.name]
        yield from _problems(("tables", table.name), "path", table.path, table, own, header)
        if table.incremental is not None:
            yield from _bound_problems(api, table)


def _bound_problems(api: Api, table: Table) -> Iterator[Problem]:
    """Parameters of an increment that already mean something else. `table` has an increment."""
    taken = {**_of_slices(table), **set_by_pagination(api, table)}
    if api.auth.type == "query":
        taken[api.auth.name] = "api.auth.name"
    for name, key in table.incremental.in_query.items() if table.incremental is not None else ():
        if name in taken:
            yield Problem(
                ("tables", table.name, "incremental", key),
                f"is {taken[name]}, which is set for each page; take another one",
            )


def _set_for_pages(api: Api, table: Table) -> dict[str, str]:
    """The query parameters that are set for each page or slice of a table, each with its setting."""
    return {**_of_slices(table), **_of_increments(table), **set_by_pagination(api, table)}


def _of_increments(table: Table) -> dict[str, str]:
    named = {} if table.incremental is None else table.incremental.in_query
    return {name: f"tables.{table.name}.incremental.{key}" for name, key in named.items()}


def _of_slices(table: Table) -> dict[str, str]:
    named = {} if table.slices is None else table.slices.parameters
    return {name: f"tables.{table.name}.slices.{key}" for name, key in named.items()}


def set_by_pagination(api: Api, table: Table) -> dict[str, str]:
    """The query parameters that are set for each page of a table, each with its setting."""
    if table.pagination is None:
        return dict(api.pagination.parameters)
    where = f"tables.{table.name}.pagination"
    return {name: key.replace("api.pagination", where) for name, key in table.pagination.parameters.items()}


def _problems(
    where: YamlPath, key: str, address: str, one: Any, taken: Mapping[str, str], header: str | None
) -> Iterator[Problem]:
    written = {name for name, _ in query_of(address)}
    for name in sorted(written):
        if name in taken:
            yield Problem(
                (*where, key), f"the parameter {name[:60]!r} is {taken[name]}, and is set for each page; leave it out"
            )
        if name in one.params:
            yield Problem((*where, "params", name), f"appears twice: in {key} as well")
    for name in one.params:
        if name in taken:
            yield Problem((*where, "params", name), f"is {taken[name]}, which is set for each request; leave it out")
    for name in one.headers:
        if name.lower() == header:
            yield Problem((*where, "headers", name), "is the header of api.auth; leave it out")
