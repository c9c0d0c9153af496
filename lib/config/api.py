"""How to speak to a source's API: address, authentication, pagination, limits."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lib.config.answer_rules import AnswerRules
from lib.config.fixed import HEADER_CHARACTERS, FixedHeaders, FixedParams, check_query
from lib.config.model import Problem, Settings, problems_error
from lib.config.network import checked_host, pem_of
from lib.config.pagination import PagePagination, Pagination
from lib.config.secret import from_environment


def _secret(value: object, info: ValidationInfo) -> object:
    return from_environment(value, info, literal_ok=False)


def _secret_or_literal(value: object, info: ValidationInfo) -> object:
    return from_environment(value, info, literal_ok=True)


_HIDDEN = PlainSerializer(lambda _: "***", return_type=str, when_used="json")


def _proxy(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and "@" in value:
        raise ValueError('must not hold a user or password: write "${ENV_NAME}" and put the whole URL there')
    found = from_environment(value, info, literal_ok=True)
    if isinstance(found, SecretStr):
        checked_url(re.sub(r"//[^/]*@", "//", found.get_secret_value(), count=1))
    return found


Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_secret), _HIDDEN]
SecretOrLiteral: TypeAlias = Annotated[SecretStr, BeforeValidator(_secret_or_literal), _HIDDEN]
Proxy: TypeAlias = Annotated[SecretStr, BeforeValidator(_proxy), _HIDDEN]


class NoAuth(Settings):
    """The API asks for no credentials."""

    type: Literal["none"] = "none"


class BearerAuth(Settings):
    """`Authorization: Bearer <token>`."""

    type: Literal["bearer"] = "bearer"
    token: Secret


class HeaderAuth(Settings):
    """A header of the API's own, such as `X-Api-Key`."""

    type: Literal["header"] = "header"
    name: Annotated[str, Field(pattern=f"^{HEADER_CHARACTERS}$", max_length=200)]
    value: Secret


class BasicAuth(Settings):
    """HTTP basic authentication. The user may stand in the YAML, the password may not."""

    type: Literal["basic"] = "basic"
    user: SecretOrLiteral
    password: Secret


class QueryAuth(Settings):
    """A query parameter, such as `?api_key=`."""

    type: Literal["query"] = "query"
    name: Annotated[str, Field(min_length=1, max_length=200)]
    value: Secret


Auth: TypeAlias = Annotated[NoAuth | BearerAuth | HeaderAuth | BasicAuth | QueryAuth, Field(discriminator="type")]
AUTH_TYPES: dict[str, type[Settings]] = {
    "none": NoAuth,
    "bearer": BearerAuth,
    "header": HeaderAuth,
    "basic": BasicAuth,
    "query": QueryAuth,
}


class Limits(Settings):
    """What the source is asked for at most, by the whole cluster together."""

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 16
    requests_per_second: Annotated[float, Field(gt=0)] | None = None
    timeout_s: Annotated[float, Field(gt=0)] = 30
    attempts: Annotated[int, Field(ge=1, le=100)] = 6
    max_wait_s: Annotated[float, Field(ge=0)] = 120
    proof_rounds: Annotated[int, Field(ge=0, le=20)] = 3
    max_body_mb: Annotated[float, Field(gt=0)] = 64
    max_pages: Annotated[int, Field(ge=1, le=2**40)] = 100_000


def checked_url(url: str, *, with_query: bool = False) -> str:
    """Return the URL without the last slashes of its path.

    Raises:
        ValueError: it is not an http(s) URL with a host and nothing after the path (a query at most, with `with_query`). The
            message never holds the URL, since there may be a password in it.
    """
    if not url.isprintable() or re.search(r"[\s\\]", url):
        raise ValueError("must not hold spaces, line breaks or backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the host or port of the URL cannot be read") from None  # the cause would show the URL
    if parts.scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; use api.auth with type: basic")
    if not host or re.search(r"[^\w.:%-]", host):
        raise ValueError("has no host that can be used, such as https://api.example.com")
    if not with_query and ("?" in url or "#" in url):
        raise ValueError("must not hold a query or fragment (nothing from '?' or '#' on)")
    if "#" in url:
        raise ValueError("must not hold a fragment (nothing from '#' on)")
    check_query(url)
    path, mark, query = url.partition("?")
    return path.rstrip("/") + (mark + query if query else "")


class Api(Settings):
    """The API of a source. `url` is empty only as long as the embedded demo server has not started.

    `allowed_hosts` may be asked too, where the API redirects to them. `ca_file` holds the certificates (PEM) to trust
    in place of the public ones; `ca_pem` is its text, for executors, which read no file. `params` and `headers` go with every
    request. Of `errors` the first rule that an answer fits decides what is done about it.
    """

    url: str = ""
    auth: Auth = NoAuth()
    pagination: Pagination = PagePagination()
    limits: Limits = Limits()
    allowed_hosts: Annotated[tuple[Annotated[str, AfterValidator(checked_host)], ...], Field(strict=False)] = ()
    ca_file: str | None = None
    proxy: Proxy | None = None
    params: FixedParams = Field(default_factory=dict)
    headers: FixedHeaders = Field(default_factory=dict)
    errors: AnswerRules = ()
    _ca_pem: str | None = PrivateAttr(None)

    @property
    def ca_pem(self) -> str | None:
        """What `ca_file` held when the settings were read."""
        return self._ca_pem

    @field_validator("url")
    @classmethod
    def _checked(cls, url: str) -> str:
        return checked_url(url, with_query=True)

    @model_validator(mode="after")
    def _read_ca_file(self, info: ValidationInfo) -> Api:
        if self.ca_file is not None:
            try:
                self._ca_pem = pem_of(self.ca_file, (info.context or {}).get("folder"))
            except ValueError as error:
                raise problems_error([Problem(("ca_file",), str(error))]) from None
        return self
