"""How to speak to a source's API: address, authentication, pagination, limits."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lib.config.answer_rules import AnswerRules
from lib.config.auth import Auth, NoAuth, auth_problems
from lib.config.bodies import JsonBody, Method
from lib.config.fixed import FixedHeaders, FixedParams
from lib.config.model import Problem, Settings, problems_error
from lib.config.network import UrlText, checked_host, checked_url, pem_of
from lib.config.pagination import PagePagination, Pagination
from lib.config.secret import HIDDEN, from_environment


def _proxy(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and "@" in value:
        raise ValueError('must not hold a user or password: write "${ENV_NAME}" and put the whole URL there')
    found = from_environment(value, info, literal_ok=True)
    if isinstance(found, SecretStr):
        checked_url(re.sub(r"//[^/]*@", "//", found.get_secret_value(), count=1))
    return found


Proxy: TypeAlias = Annotated[SecretStr, BeforeValidator(_proxy, json_schema_input_type=str), HIDDEN]


Proof: TypeAlias = Literal["counted", "reread", "swept"]


class Limits(Settings):
    """What the source is asked for at most, by the whole cluster together."""

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 16
    """Page requests in flight."""
    requests_per_second: Annotated[float, Field(gt=0)] | None = None
    """Requests sent in a second, repeated ones included; `null` for no limit."""
    timeout_s: Annotated[float, Field(gt=0)] = 30
    """Seconds for one whole exchange, redirects and body included."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 6
    """Attempts for one page."""
    max_wait_s: Annotated[float, Field(ge=0)] = 120
    """Longest pause between two attempts in seconds. If the source asks for more, the page fails at once."""
    proof_rounds: Annotated[int, Field(ge=0, le=20)] = 3
    """How often doubtful pages are re-read before the table fails."""
    max_body_mb: Annotated[float, Field(gt=0)] = 64
    """Largest answer in MB, both as sent and unpacked."""
    max_pages: Annotated[int, Field(ge=1, le=2**40)] = 100_000
    """Most pages to ask for, for a table that is walked or whose source gives no total."""


class Api(Settings):
    """The API of a source.

    `url` is empty only as long as the embedded demo server has not started. `ca_pem` is the text of `ca_file`, for
    executors, which read no file.
    """

    url: UrlText = ""
    """Address of the API, without user, password or fragment; a query goes with every request. Left out beside `demo`."""
    auth: Auth = NoAuth()
    """Credentials, by their `type`."""
    pagination: Pagination = PagePagination()
    """How pages are asked for, by the `style`."""
    limits: Limits = Limits()
    allowed_hosts: Annotated[tuple[Annotated[str, AfterValidator(checked_host)], ...], Field(strict=False)] = ()
    """Other servers that requests may go to, as `host` or `host:port`: where the API redirects to, where it names a next page, or
    where a token comes from."""
    ca_file: str | None = None
    """File of certificates (PEM) to trust in place of the public ones; a relative path starts at the folder of the YAML."""
    proxy: Proxy | None = None
    """URL of a proxy, for http and https. With a user or password in it: `"${ENV_NAME}"`, with the whole URL there."""
    params: FixedParams = Field(default_factory=dict)
    """Query parameters of every request."""
    headers: FixedHeaders = Field(default_factory=dict)
    """Headers of every request."""
    method: Method = "get"
    """Method of the requests for pages."""
    json_body: JsonBody | None = Field(default=None, alias="json")
    """Body of a POST as JSON, nested as it is; secrets as `"${ENV_NAME}"`."""
    form: FixedParams | None = None
    """Body of a POST as a form, by the names of its fields."""
    prove: Proof = "counted"
    """How copies are proved, for tables that do not say it themselves. `counted`: by their counts, or by the end that the source
    declares. `reread`: a table is read until two whole walks agree. `swept`: a second walk must find the same keys."""
    errors: AnswerRules = ()
    """Rules that judge answers: the first that matches decides; if none does, the defaults apply."""
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

    @model_validator(mode="after")
    def _asks_known_hosts_for_tokens(self) -> Api:
        if problems := list(auth_problems(self.auth, self.url, self.allowed_hosts)):
            raise problems_error(problems)
        return self
